"""The events of the whole library in Chromium: walked, decided, undone, and found again, by keys alone."""

import csv
import zipfile
from dataclasses import replace

import pytest
from browser import Held, Watched, export, on_call, only_lost_requests, press, serving, violations
from fakes import FakeAnalyzer, made_up, make_video

from app.clips.store import Store
from app.review.log import DecisionLog
from app.review.marks import fold
from app.settings import Settings
from cmhkf.media.clip import probe

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MANY = 60
CURRENT = ".rv-ev-card[aria-current]"
KEY = f"(document.querySelector('{CURRENT}')?.key ?? '')"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Sixty clips of four seconds, each with an event at 20 % and one at 70 %, analysed already."""
    home = tmp_path_factory.mktemp("home")
    store = Store(home, Settings(home=home).store_url)
    source = make_video(home / "in.mp4", seconds=6, sound=False)
    probed, content, copy = probe(source), source.read_bytes(), home / "copy.mp4"
    for i in range(MANY):
        copy.write_bytes(content + b"\0\0\0\x0cfree" + i.to_bytes(4, "big"))  # a box that players skip
        clip = replace(probed, path=str(copy), sha256=f"{i:08x}" * 8)
        clip = store.add_clip(clip, f"gate {i % 3} 2026-11-{1 + i % 28:02d} 22-{i:02d}-00.mp4", move=False)
        bumps = ((1 + i % 6, 0.2, 0.1, 0.6 + i / 200), (5, 0.7, 0.1, 0.97 - i / 300))
        store.save(made_up(clip, FakeAnalyzer(trained=True), bumps))
    for file in (source, copy):
        file.unlink()
    yield from serving(home)


@pytest.fixture
def events(browser, server, request):
    """Opens the events as a reviewer named after the test."""
    pages = []

    def open_page(name=request.node.name[5:35], more=""):
        watched = Watched(browser, server)
        watched.add_init_script(f"localStorage.setItem('cmhkf-reviewer', {name!r})")
        watched.goto(server.url + "?view=events" + more)
        watched.wait_for_selector(".rv-ev-count:has-text(' events')")  # all clips are looked into
        watched.wait_for_selector(CURRENT)
        pages.append(watched)
        return watched

    yield open_page
    for watched in pages:
        watched.end()


def said(page, words):
    page.locator(".rv-ev-ack").filter(has_text=words).wait_for()


def left(page, words):
    page.wait_for_function("w => document.querySelector('.rv-left').textContent.startsWith(w)", arg=words)


def logs(server, reviewer):
    """Every clip's changes by a reviewer."""
    log = DecisionLog(Store(server.home, Settings(home=server.home).store_url))
    return {sha256: log.changes(sha256)[reviewer] for sha256, _ in log.touched(reviewer)}


def on_card(page, key):
    page.wait_for_function(f"k => {KEY} === k", arg=key)


def test_sixty_clips_are_cleared_by_keys_alone_each_event_once(events, server):
    """Confirm, dismiss and relabel in turn; in the middle undo, a look into a clip and back, and a reload."""
    page = events("Ann", "&ev_state=open&ev_sort=time")
    left(page, "120 events")
    for i in range(2 * MANY):
        before = page.evaluate(KEY)
        if i == 30:
            left(page, "90 events")
            page.reload()
            on_card(page, before)
        if i == 50:
            page.keyboard.press("Enter")
            page.wait_for_selector(".rv[data-view=clip] .rv-flagged tr[aria-current]")
            assert f"segment={before.split('/')[1]}" in page.url or page.wait_for_url("**segment=*") is None
            page.keyboard.press("Escape")
            on_card(page, before)
        page.keyboard.press("x" if i % 3 else "c")
        if i == 70:
            said(page, "Dismissed")
            page.keyboard.press("u")
            said(page, "Undid")
            on_card(page, before)
            page.keyboard.press("x")
        if i < 2 * MANY - 1:
            page.wait_for_function(f"k => {KEY} && {KEY} !== k", arg=before)  # a card on its way has no key
    said(page, "Nothing is left in the library.")
    left(page, "nothing left")
    marks = [mark for changes in logs(server, "Ann").values() for mark in fold(changes).values()]
    assert (len(marks), {mark.state for mark in marks}) == (2 * MANY, {"confirmed", "dismissed"})
    assert sum(mark.state == "confirmed" for mark in marks) == MANY * 2 // 3
    decided = [c for changes in logs(server, "Ann").values() for c in changes if c.action in ("confirm", "dismiss")]
    assert len(decided) == 2 * MANY + 1  # one of them was taken back and decided anew
    page.click(".rv-reviewer input")
    page.fill(".rv-reviewer input", "Ben")
    page.keyboard.press("Enter")
    left(page, "120 events")  # a second reader has a queue of his own


def test_many_at_once_are_one_step(events, server):
    page = events()
    press(page, "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    page.wait_for_selector(".rv-ev-bulk b:has-text('4 events selected')")
    page.keyboard.press("c")
    said(page, "Confirmed 4 events")
    left(page, "116 events")
    page.keyboard.press("Control+a")
    page.wait_for_selector(".rv-ev-bulk b:has-text('120 events selected')")
    page.keyboard.press("x")
    said(page, "Dismissed 120 events")
    left(page, "nothing left")
    page.keyboard.press("u")
    said(page, "Undid: dismiss of 120 events")
    left(page, "116 events")
    page.keyboard.press("u")
    left(page, "120 events")
    page.keyboard.press("Shift+U")
    left(page, "116 events")


def test_all_of_a_filter_are_relabelled_and_no_others(events, server):
    page = events("all_of_a_filter", "&ev_label=fighting")
    page.wait_for_selector(".rv-ev-count:text-is('10 events')")
    press(page, "Control+a", "6")
    said(page, "Called explosion: 10 events")
    marks = [mark for changes in logs(server, "all_of_a_filter").values() for mark in fold(changes).values()]
    assert [mark.label for mark in marks] == ["explosion"] * 10
    assert {mark.model_label for mark in marks} == {"fighting"}


def test_a_card_goes_with_its_event_and_comes_back_with_it(events):
    page = events("by hand", "&ev_sort=score")
    page.keyboard.press("Enter")
    page.wait_for_selector(".rv[data-view=clip] .rv-flagged tr[aria-current]")
    for time in (5.5, 5.9):  # behind both events
        page.evaluate("t => { document.querySelector('.rv-video').currentTime = t; }", time)
        page.wait_time(time)
        page.keyboard.press("a")
    page.locator(".rv-ack").filter(has_text="Added from").wait_for()
    page.goto(page.url.partition("?")[0] + "?view=events&ev_sort=time")
    page.wait_for_selector(".rv-ev-count:text-is('121 events')")
    by_hand = "[...document.querySelectorAll('.rv-ev-card')].filter(card => card.event.score === null).length"
    for key, n in (("u", 0), ("Shift+U", 1)):
        page.keyboard.press(key)
        page.wait_for_selector(f".rv-ev-count:text-is('{120 + n} events')")
        page.wait_for_function(f"{by_hand} === {n}")
    page.click(".rv-ev-card:has-text('by hand')")
    page.keyboard.press("Delete")
    said(page, "Removed")
    page.wait_for_selector(".rv-ev-count:text-is('120 events')")
    page.wait_for_function(f"{by_hand} === 0")


def test_a_clip_that_cannot_be_opened_leaves_the_events_as_they_are(events):
    page = events(more="&ev_sort=score")
    press(page, "ArrowRight")
    key = page.wait_for_function(KEY).json_value()
    on_call(page, "show", lambda call: call.abort())
    press(page, "Enter")
    said(page, "does not answer")
    assert (page.get_attribute(".rv", "data-view"), page.evaluate(KEY)) == ("events", key)
    only_lost_requests(page)


def test_names_that_differ_at_their_end_are_told_apart_in_the_library(events):
    page = events()
    name = page.locator(".rv-shelf .rv-name").first
    assert name.text_content().endswith("22-59-00.mp4")
    assert name.evaluate("name => name.scrollWidth <= name.clientWidth")


def test_the_filter_is_in_the_address_and_back_leads_from_the_clip_to_the_card(events):
    page = events()
    page.select_option(".rv-ev-wish [name=sort]", "score")
    page.click(".rv-ev-wish summary")
    page.select_option(".rv-ev-wish [name=camera]", "gate 1")
    page.wait_for_url("**ev_camera=gate+1**")
    page.wait_for_selector(".rv-ev-count:has-text('40 events')")
    page.focus(CURRENT)
    press(page, "ArrowRight", "ArrowRight")
    page.wait_for_selector(f"{CURRENT}[data-index='2']")
    key = page.evaluate(KEY)
    page.keyboard.press("Enter")
    page.wait_for_selector(".rv[data-view=clip] .rv-flagged tr[aria-current]")
    page.go_back()
    on_card(page, key)
    assert "gate 1" in page.inner_text(CURRENT)
    page.go_forward()
    page.wait_for_selector(".rv[data-view=clip]")
    page.keyboard.press("Escape")
    page.wait_for_url("**ev_camera=gate+1**")  # Forward to a clip does not forget it
    page.reload()
    on_card(page, key)
    page.wait_for_selector(".rv-ev-count:has-text('40 events')")
    page.click(".rv-ev-keep")
    page.fill(".rv-ev-naming input", "gate one")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.rv-ev-wish [name=saved]').value === 'gate one'")
    page.click(".rv-ev-clear")
    page.wait_for_selector(".rv-ev-count:has-text('120 events')")
    page.keyboard.press("ArrowRight")  # a key of the events, and nothing that is searched for
    page.wait_for_selector(f"{CURRENT}[data-index='1']")
    page.select_option(".rv-ev-wish [name=saved]", "gate one")
    page.wait_for_selector(".rv-ev-count:has-text('40 events')")


def test_one_cut_for_all_and_from_clip_to_clip_by_key(events):
    page = events()
    page.click(".rv-shelf .rv-entry >> nth=0")
    page.wait_result()
    page.fill(".rv-cut [name=threshold]", "0.9")
    page.wait_for_function("!/^120 |counting/.test(document.querySelector('.rv-left').textContent)")
    counted = page.inner_text(".rv-left").split(",")[0]
    page.click(".rv-views [data-go=events]")
    page.wait_for_function(
        "n => document.querySelector('.rv-ev-count').textContent.startsWith(n)", arg=counted.split(",")[0]
    )
    page.keyboard.press("Shift+N")
    page.wait_for_selector(".rv[data-view=clip]")
    first = page.inner_text(".rv-title")
    page.wait_result()
    page.keyboard.press("Shift+N")
    page.wait_for_function("t => document.querySelector('.rv-title').textContent !== t", arg=first)
    page.wait_result()
    page.keyboard.press("Shift+P")
    page.wait_for_function("t => document.querySelector('.rv-title').textContent === t", arg=first)
    page.wait_result()
    press(page, "n", "c")
    page.wait_for_selector(".rv-ack:has-text('All of this clip is decided.')")
    page.click(".rv-ack button")
    page.wait_for_function("t => document.querySelector('.rv-title').textContent !== t", arg=first)
    page.click(".rv-cut button")
    left(page, "119 events")


def test_a_reel_holds_the_selected_events_and_no_others_in_order_of_time(events, tmp_path):
    page = events(more="&ev_sort=score")
    press(page, "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    page.wait_for_selector(".rv-ev-bulk b:has-text('3 events selected')")
    cards = page.evaluate("[...document.querySelectorAll('.rv-ev-card[aria-selected=true]')].map(card => card.event)")
    page.click(".rv-ev-reel")
    assert page.inner_text(".rv-exportclip").startswith("3 selected events. ")
    assert not page.is_visible(".rv-reel select")
    page.fill(".rv-reel [name=context_s]", "0")
    page.click(".rv-export button[type=submit]")
    page.click(".rv-export button:has-text('Cancel')")
    page.wait_for_selector(".rv-exportsaid:has-text('Cancelled')")
    with zipfile.ZipFile(export(page, tmp_path)) as packed:
        assert "library-reel.mp4" in packed.namelist()
        rows = list(csv.DictReader(packed.read("library-reel.csv").decode("utf-8-sig").splitlines()))
    cards.sort(key=lambda event: event["at"])
    assert [(row["clip"], float(row["start_s"])) for row in rows] == [(e["name"], e["start_s"]) for e in cards]
    assert all(float(row["reel_end_s"]) > 0 for row in rows)
    page.keyboard.press("Escape")
    page.click(".rv-shelf .rv-entry >> nth=0")
    page.wait_result()
    page.click(".rv-takeaway")  # the dialog of a clip is as it was
    assert page.is_visible(".rv-export fieldset")
    page.keyboard.press("Escape")


def test_a_card_shows_frames_and_plays_them(events):
    page = events()
    page.wait_for_selector(f"{CURRENT} .rv-ev-window img")
    moved = "document.querySelector('.rv-ev-card[aria-current] img').style.transform"
    before = page.evaluate(moved)
    page.wait_for_function(f"t => {moved} !== t", arg=before)


# Faults --------------------------------------------------------------------------------------------------------------


def decided(server, reviewer):
    """What a reviewer decided, in the order in which it was saved: (event's key without its analysis, action)."""
    changes = [change for log in logs(server, reviewer).values() for change in log]
    return [(mark, c.action) for c in sorted(changes, key=lambda c: c.number) for mark in c.after]


def decide_next(page, *keys):
    """Press keys, each on the next card at once; returns the keys of these cards."""
    seen = []
    for key in keys:
        seen.append(page.evaluate(KEY))
        page.keyboard.press(key)
        page.wait_for_function(f"k => {KEY} && {KEY} !== k", arg=seen[-1])
    return seen


def marks_of(keys):
    return [key.split("/")[1] for key in keys]


def state_of(page, key):
    return page.evaluate("k => [...document.querySelectorAll('.rv-ev-card')].find(c => c.key === k).dataset.state", key)


@pytest.mark.parametrize("fault", ["no answer", "answer lost", "busy"])
def test_what_fails_is_sent_until_it_is_saved_and_nothing_behind_it_is_lost(events, server, fault):
    name = f"fault {fault}"
    page = events(name)
    left_to_fail = [1, 1]

    def spoil(call):
        if not left_to_fail:
            return call.fallback()
        left_to_fail.pop()
        if fault == "busy":
            return call.fulfill(json={"error": "The database is busy.", "busy": True})
        if fault == "answer lost":
            call.fetch()
        return call.abort()

    on_call(page, "decide_events", spoil)
    keys = decide_next(page, "c", "x", "c", "x")
    said(page, "not saved yet")
    left(page, "116 events")
    assert decided(server, name) == list(zip(marks_of(keys), ["confirm", "dismiss"] * 2, strict=True))
    assert page.locator(".rv-ev-pending").count() == 0
    only_lost_requests(page)


def test_one_that_is_refused_is_open_again_and_said_until_somebody_goes_there(events, server):
    page = events()
    refused = []

    def refuse(call):
        if refused:
            return call.fallback()
        refused.append(call)
        return call.fulfill(json={"error": "that segment is not in the list any more"})

    on_call(page, "decide_events", refuse)
    keys = decide_next(page, "c", "c", "c")
    left(page, "118 events")
    said(page, "1 decision not saved: ")
    said(page, "not in the list any more")
    assert [state_of(page, key) for key in keys] == ["open", "confirmed", "confirmed"]
    page.click(".rv-ev-ack button:has-text('Go to it')")
    on_card(page, keys[0])
    page.keyboard.press("c")
    left(page, "117 events")
    assert "not saved" not in page.inner_text(".rv-ev-ack")


def test_one_that_is_refused_is_named_where_a_clip_is_on_screen_by_then(events, server):
    page = events()
    key, name = page.evaluate(f"(({{ key, event }}) => [key, event.name])(document.querySelector('{CURRENT}'))")
    held = Held(page, "decide_events")
    press(page, "o", "Enter")  # which stays at its card
    page.wait_result()
    held.refuse_first()
    page.wait_for_selector(f".rv-ack:has-text('{name}: That was refused.')")
    page.click(".rv-ack button:has-text('Go to it')")
    page.wait_for_selector(".rv[data-view=events]")
    on_card(page, key)
    press(page, "x")
    said(page, "Dismissed")
    assert "not saved" not in page.inner_text(".rv-ev-ack")


def saving(page, n):
    """The cards that say so, once there are n."""
    page.wait_for_function("n => document.querySelectorAll('.rv-ev-saving').length === n", arg=n)
    return page.evaluate("[...document.querySelectorAll('.rv-ev-saving')].map(said => said.parentNode.key)")


def test_a_card_whose_decision_is_being_sent_says_so_and_is_not_shown_as_dismissed(events):
    page = events()
    held = Held(page, "decide_events")
    (key,) = decide_next(page, "x")
    assert (saving(page, 1), state_of(page, key)) == ([key], "open")
    looks = "getComputedStyle(document.querySelector('.rv-ev-pending .rv-ev-screen')).opacity"
    assert page.evaluate(looks) == "1"
    press(page, "Shift+ArrowRight", "Shift+ArrowRight", "c")  # three at once
    saving(page, 4)
    for dark in (False, True):
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
        assert violations(page) == []
    held.release()
    left(page, "116 events")
    saving(page, 0)


RECUT = """async () => {
  const { href } = [...document.querySelectorAll('link[rel=modulepreload]')].find((l) => l.href.endsWith('/state.js'));
  (await import(href)).tell('recut');
}"""


def test_a_list_that_comes_late_neither_takes_the_keys_nor_undoes_what_they_did(events, server):
    """It was asked for at the first card, before that was decided."""
    page = events()
    held = Held(page, "list_events", answered=True)
    page.evaluate(RECUT)
    page.wait_for_timeout(500)
    keys = decide_next(page, "c", "c")
    left(page, "118 events")
    third = page.evaluate(KEY)
    assert held.calls
    held.release()
    page.wait_for_timeout(500)
    on_card(page, third)
    assert [state_of(page, key) for key in keys] == ["confirmed", "confirmed"]
    (fourth,) = decide_next(page, "x")
    left(page, "117 events")
    assert decided(server, page.evaluate("localStorage.getItem('cmhkf-reviewer')"))[-1] == (
        *marks_of([fourth]),
        "dismiss",
    )


def test_a_key_before_the_next_card_is_here_does_not_hit_the_one_before_it(events, server):
    page = events("hasty", "&ev_sort=time")
    held = Held(page, "list_events", wanted=lambda call: '"offset":60' in call.request.post_data)
    for _ in range(59):
        page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"{CURRENT}[data-index='59']")
    last = page.evaluate(KEY)
    press(page, "c", "x", "x")
    said(page, "press again")
    held.release()
    page.wait_for_selector(f"{CURRENT}[data-index='60']")
    left(page, "119 events")
    assert decided(server, "hasty") == [(*marks_of([last]), "confirm")]


def test_no_browser_function_is_needed_that_plain_http_lacks(events):
    page = events()
    page.evaluate("Object.defineProperty(crypto, 'randomUUID', { value: undefined })")
    decide_next(page, "c")
    said(page, "Confirmed")


def test_the_browser_asks_before_it_closes_with_unsaved_decisions(events):
    page = events()
    held = Held(page, "decide_events")
    press(page, "Shift+ArrowRight", "c")  # two at once
    page.wait_for_timeout(300)
    page.page.close(run_before_unload=True)
    page.wait_for_timeout(500)
    assert page.faults == ["dialog: "]
    page.faults.clear()
    held.release()
    said(page, "Confirmed 2 events")


def test_a_decision_on_an_event_waits_for_a_name(events, server):
    page = events("")
    keys = decide_next(page, "c")
    said(page, "waits for your name")
    page.keyboard.type("Nora")
    page.keyboard.press("Enter")
    left(page, "119 events")
    assert decided(server, "Nora") == [(*marks_of(keys), "confirm")]


def test_a_key_after_undo_is_for_the_card_that_comes_back(events, server):
    page = events("Una")
    (first,) = decide_next(page, "c")
    said(page, "Confirmed")
    press(page, "u", "x")
    left(page, "119 events")
    page.wait_for_function("document.querySelector('.rv-ev-ack').textContent.startsWith('Dismissed')")
    assert [action for _, action in decided(server, "Una")] == ["confirm", "undo", "dismiss"]
    assert {mark for mark, _ in decided(server, "Una")} == set(marks_of([first]))


def test_a_video_dropped_on_the_events_comes_in_quietly(events, tmp_path):
    """The last test here: its events are more than those of the others."""
    page = events()
    page.upload(make_video(tmp_path / "late.mp4", seconds=5))
    said(page, "late.mp4")
    page.wait_for_selector(".rv-is-todo:has-text('late.mp4')")
    assert page.get_attribute(".rv", "data-view") == "events"
