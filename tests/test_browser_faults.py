"""Nothing raw ever reaches a reader: every tab over every kind of segment, and what a fault of the page looks like."""

import io
import re
import time
from functools import partial

import pytest
from browser import Watched, only_lost_requests, press, wait_ack
from busy_clip import busy, busy_address  # noqa: F401
from PIL import Image

from app.clips.store import Store
from app.review.edits import add, decide, merge, move_edges, split
from app.review.log import DecisionLog, now_iso
from app.review.marks import Change, Mark, materialise
from cmhkf import flag_segments
from cmhkf.segments import segment_between

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RAW = re.compile(r"undefined|\bnull\b|NaN|TypeError|Cannot read|is not a function|raw words|stopped working")
COMPONENT = re.compile("component_server")  # what the page asks Python by
KINDS = ("model", "by hand", "split, before", "split, after", "merged", "moved", "near miss", "kept")


def keep_every_kind(server, sha256, reviewer):
    """Marks of every kind but the near miss, as the reviewer's decisions; returns their ids, first one untouched."""
    store = Store(server.home, f"sqlite:///{server.home / 'review.sqlite3'}")
    analysis = store.load(store.latest(sha256))
    flagged = [materialise(s) for s in flag_segments(analysis)]
    after = add(0.1, 0.4, "riot", duration_s=24, new_id="hand")
    between = partial(segment_between, analysis)
    after |= split(flagged[1], flagged[1].peak_s + 0.1, between, new_id="half")
    after |= merge(flagged[2], flagged, between, new_id="whole")
    after |= move_edges(flagged[4], flagged[4].start_s, flagged[4].end_s + 0.3, between, duration_s=24)
    after |= decide(flagged[5], "confirmed")
    after |= {"kept": Mark("kept", 0.5, 0.7, "confirmed", "riot", model_label="riot")}
    change = Change(reviewer, 1, now_iso(), "import", dict.fromkeys(after), after, "all")
    DecisionLog(store).append(sha256, change, n_decided=1, n_left=1)
    return [flagged[0].id, *(key for key, mark in after.items() if mark)]


@pytest.mark.parametrize(
    "tab",
    ["segments", "why", "classes", "map"],
)
def test_every_tab_shows_every_kind_of_segment(at, server, busy, tab):  # noqa: F811
    ids = keep_every_kind(server, busy, tab)
    page = at(name=tab, more="&t=0&threshold=0.61")
    (miss,) = page.locator(".rv-misses tr[data-id]").evaluate_all("rows => rows.map(r => r.dataset.id)") or [None]
    wanted = [*ids, miss] if miss else ids
    assert len(wanted) >= len(KINDS) - 1
    page.click(f"#rv-tab-{tab}")
    look(page, tab)  # nothing is selected
    for key in wanted:
        page.click("#rv-tab-segments")
        page.click(f"tr[data-id='{key}']")
        page.click(f"#rv-tab-{tab}")
        look(page, tab)
    assert page.is_hidden(".rv-broken")


def look(page, tab):
    panel = page.locator(f"#rv-panel-{tab}")
    if tab == "why":
        page.wait_for_selector("#rv-panel-why .rv-nearest, #rv-panel-why .rv-rest-state", state="attached")
        page.wait_for_function("!document.querySelector('.rv-near-said')?.textContent.startsWith('Searching')")
    if tab == "map":
        page.wait_for_selector(".rv-map-note:has-text('nearness')")
    said = panel.inner_text()
    assert said.strip()
    assert not RAW.search(said), RAW.search(said)


def test_a_segment_added_by_hand_says_that_it_has_no_score(at):
    page = at()
    press(page, "a", "Shift+ArrowRight", "a")
    wait_ack(page, "Added from")
    page.click("#rv-tab-why")
    page.wait_for_selector(".rv-whyhead:has-text('added by hand, no score')")
    assert page.locator(".rv-whyhead button").count() == 1  # there is no peak to go to


def said_by(page):
    return page.inner_text(".rv")


def logged(server):
    return server.said().count("a fault in a browser's page")


def test_a_fault_in_a_panel_is_said_plainly_and_logged(at, server):
    page = at()
    before = logged(server)
    answers = {}

    def spoil(route):
        if '"why"' in (route.request.post_data or ""):
            return route.fulfill(json=answers)
        return route.continue_()

    page.route(COMPONENT, spoil)
    press(page, "n")
    page.click("#rv-tab-why")
    page.wait_for_selector("#rv-panel-why:has-text('stopped working; reload the page')")
    assert page.is_visible(".rv-broken")
    assert "every decision that was acknowledged is kept" in page.inner_text(".rv-broken")
    assert not re.search("TypeError|Cannot read|undefined", said_by(page))
    page.wait_for_timeout(300)
    assert logged(server) == before + 1
    assert "explain/why_parts.js" in server.said()
    press(page, "c")  # the rest goes on
    wait_ack(page, "Confirmed 1 of 6")
    page.unroute(COMPONENT)
    page.click(".rv-broken button")
    page.wait_result()
    page.click("#rv-tab-why")
    assert page.is_hidden(".rv-broken")
    assert all("console" in fault for fault in page.faults)
    page.faults.clear()


def test_a_fault_that_no_handler_catches_is_said_and_logged_once(at, server):
    page = at()
    before = logged(server)
    press(page, "n")
    page.evaluate("void (CSS.escape = () => { throw new TypeError('raw words'); })")
    for row in (3, 4, 5):
        page.click(f".rv-flagged tr:nth-child({row})")
    page.wait_for_selector(".rv-broken", state="visible")
    assert "raw words" not in said_by(page)
    page.wait_for_timeout(300)
    assert logged(server) == before + 1
    assert page.faults
    page.faults.clear()


def test_a_page_that_does_not_even_begin_says_so(browser, server, analysed):
    page = browser.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => { throw new TypeError('raw words'); }")
    page.goto(analysed)
    page.wait_for_selector(".rv-broken", state="visible")
    assert "raw words" not in said_by(page)
    page.close()


def test_faults_of_others_are_not_told_of(at, server):
    watched = at()
    before = logged(server)
    watched.evaluate("setTimeout(() => { throw new Error('of an extension'); })")
    watched.wait_for_timeout(300)
    assert watched.is_hidden(".rv-broken")
    assert logged(server) == before
    watched.faults.clear()


def test_frames_of_the_examples_that_did_not_come_while_the_server_was_away_come_when_it_is_back(browser, server):
    page = Watched(browser, server)
    files, pulse = re.compile(r"[.](mp4|webm)$"), "**/gradio_api/app_id"
    for away in (files, pulse):
        page.route(away, lambda call: call.abort())
    page.goto(server.url)
    page.wait_for_function("document.querySelector('.rv-example video')?.error")
    page.evaluate("dispatchEvent(new Event('online'))")  # looked for at once
    page.wait_for_selector(".rv-offline:visible")
    for back in (files, pulse):
        page.unroute(back)
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_function("[...document.querySelectorAll('.rv-example video')].every(v => v.readyState >= 1)")
    only_lost_requests(page)
    page.end()


def test_small_frames_of_a_clip_that_did_not_come_while_the_server_was_away_come_when_it_is_back(
    browser, server, analysed
):
    page = Watched(browser, server, reviewer="mole")
    sheets, pulse = re.compile(r"film/.*[.]jpg$"), "**/gradio_api/app_id"
    page.route(sheets, lambda call: call.abort())
    page.goto(analysed)
    page.wait_result()
    press(page, "n", "c")
    wait_ack(page, "Confirmed")
    page.wait_for_selector(".rv-flagged tr[data-state=confirmed] .rv-frameof[style]")
    name, field = (page.locator(s).bounding_box() for s in (".rv-fold[data-lane=film]", ".rv-field"))
    strip = {"x": field["x"] + 50, "y": name["y"], "width": 200, "height": 20}
    row = page.locator(".rv-flagged .rv-frameof").first.bounding_box()

    def shown():
        pictures = [Image.open(io.BytesIO(page.screenshot(clip=box))) for box in (strip, row)]
        return [len(set(picture.convert("RGB").getdata())) > 50 for picture in pictures]

    assert shown() == [False, False]
    page.route(pulse, lambda call: call.abort())
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_selector(".rv-offline:visible")
    for back in (sheets, pulse):
        page.unroute(back)
    page.evaluate("dispatchEvent(new Event('online'))")
    end = time.monotonic() + 20
    while shown() != [True, True]:
        assert time.monotonic() < end, shown()
    only_lost_requests(page)
    page.end()
