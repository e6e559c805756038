"""axe finds nothing wrong in any state of the page, light and dark, wide and narrow; and the keyboard is never lost."""

import pytest
from browser import Watched, opened_on, press, violations, wait_ack
from busy_clip import busy, busy_address  # noqa: F401
from fakes import make_video

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MAP_MS = 180_000  # a new process, scikit-learn and t-SNE: 5 s on an idle machine
DRAWN = "document.querySelector('.rv-map-plot')?._fullLayout?.xaxis && !document.querySelector('.rv-map-empty')"
LOOKS = [(width, dark) for width in (1440, 390) for dark in (False, True)]
# Where the focus is and whether it can be seen: its name, its box, its ring's width and its ring's colour.
FOCUS = """() => {
  const held = document.activeElement, style = getComputedStyle(held), box = held.getBoundingClientRect();
  const name = held.ariaLabel || held.title || held.textContent.trim().slice(0, 30) || held.className;
  return { ours: Boolean(held.closest('.rv')) && held !== document.body, name, x: box.x, y: box.y + scrollY,
    part: ['rv-head', 'rv-library', 'rv-stage', 'rv-timeline', 'rv-side', 'rv-trust']
      .find((p) => held.closest('.' + p)),
    ring: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth), colour: style.outlineColor };
}"""
ACCENT = "getComputedStyle(document.querySelector('.rv-open')).backgroundColor"


@pytest.fixture(scope="module")
def page_of(browser, server, analysed):
    """The six segments, another reviewer's decisions beside one's own; one page for every state."""
    made = Watched(browser, server)
    made.goto(f"{analysed}&t=0")
    made.wait_result()
    for name in ("ben", "ann"):
        made.fill(".rv-reviewer input", name)
        made.keyboard.press("Enter")
        made.wait_for_function("document.querySelectorAll('.rv-flagged tr[data-state=open]').length === 6")
        made.click(".rv-flagged tr:first-child")
        press(made, "c", "x", "3")
        wait_ack(made, "Called riot")
    made.wait_for_selector(".rv-othername:has-text('ben')", state="attached")
    yield made
    made.end()


@pytest.fixture
def shown(page_of):
    """That page on a wide light screen, with nothing open."""
    page_of.keyboard.press("Escape")
    page_of.evaluate("document.body.classList.remove('dark')")
    page_of.click("#rv-tab-segments")
    if page_of.is_visible(".rv-pick button"):
        page_of.click(".rv-pick button")
    page_of.evaluate("document.activeElement.blur()")
    return page_of


def audit(page):
    """What axe finds in the state at hand, by the looks it finds it in."""
    found = {}
    for width, dark in LOOKS:
        page.set_viewport_size({"width": width, "height": 900 if width > 400 else 844})
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
        page.wait_for_timeout(150)
        if wrong := violations(page):
            found[width, "dark" if dark else "light"] = wrong
    page.set_viewport_size({"width": 1440, "height": 900})
    return found


def test_the_decided_table_with_a_second_reviewer(shown):
    assert "with ben" in shown.inner_text(".rv-agree")
    assert audit(shown) == {}


def test_the_table_filtered_sorted_and_with_a_row_that_no_longer_fits(shown):
    shown.click(".rv-sortby[data-sort=peak]")
    shown.select_option("[name=seg_state]", "dismissed")
    shown.evaluate("document.activeElement.blur()")
    press(shown, "n", "o")
    wait_ack(shown, "Reopened")
    assert "filtered out" in shown.inner_text(".rv-flagged")
    assert audit(shown) == {}
    press(shown, "u")
    wait_ack(shown, "Undid")
    shown.click(".rv-sortby[data-sort=time]")


def test_the_bar_with_its_note_its_loop_and_a_begun_segment(shown):
    press(shown, "n", "r", "a", "m")
    shown.keyboard.type("a man with a ladder")
    assert shown.locator('.rv-decide [aria-pressed="true"]').count() >= 2
    assert audit(shown) == {}
    press(shown, "Escape", "r")
    shown.focus(".rv-label")
    assert audit(shown) == {}


def test_after_a_split_a_merge_moved_edges_and_a_refusal(shown):
    press(shown, "f", "p", "p", "p", "p", "p", "n", "n", "Shift+ArrowRight", "s")
    wait_ack(shown, "Split")
    press(shown, "p", "g")
    wait_ack(shown, "Merged")
    press(shown, "]")
    wait_ack(shown, "not before end")
    assert audit(shown) == {}
    press(shown, "u", "u")
    wait_ack(shown, "Undid: split")


def test_why(shown):
    press(shown, "n")
    shown.click("#rv-tab-why")
    shown.wait_for_selector(".rv-neighbour")
    assert audit(shown) == {}


def test_classes_and_truth(browser, server, tmp_path):
    page = opened_on(browser, server, make_video(tmp_path / "shop.mp4", seconds=9))
    page.click("#rv-tab-classes")
    assert audit(page) == {}
    page.fill(".rv-own textarea", "fire, person lying")
    page.keyboard.press("Enter")
    page.wait_for_selector(".rv-ownclass >> nth=1")
    file = tmp_path / "gt.csv"
    file.write_text("clip,class,segments_s\nshop.mp4,riot,2-4 6-8\n")
    page.set_input_files(".rv-gt-file", str(file))
    page.wait_for_selector(".rv-numbers")
    assert audit(page) == {}
    for gone in (".rv-gt-remove", "[aria-label='Remove fire']", "[aria-label='Remove person lying']"):
        page.focus(gone)
        press(page, "Enter")
        page.wait_for_selector(gone, state="hidden")
        assert page.evaluate(FOCUS)["part"] == "rv-side", gone
    page.fill(".rv-own textarea", "a" * 90)
    page.keyboard.press("Enter")
    page.wait_for_selector(".rv-own-said.rv-wrong")
    assert audit(page) == {}
    page.end()


def test_a_drawn_map(shown):
    shown.click("#rv-tab-map")
    shown.wait_for_function(DRAWN, timeout=MAP_MS)
    assert audit(shown) == {}


@pytest.mark.parametrize(("opener", "dialog"), [(".rv-takeaway", ".rv-export"), (".rv-ask", ".rv-keys")])
def test_dialogs_and_where_the_focus_goes_afterwards(shown, opener, dialog):
    shown.focus(opener)
    press(shown, "Enter")
    shown.wait_for_selector(f"{dialog}[open]")
    assert audit(shown) == {}
    press(shown, "Escape")
    shown.wait_for_selector(f"{dialog}[open]", state="detached")
    assert shown.evaluate(f"document.activeElement === document.querySelector('{opener}')")


def test_the_focus_is_not_lost_by_deciding_or_by_changing_tabs(shown):
    press(shown, "n")
    for action, words in (("confirm", "Confirmed"), ("dismiss", "Dismissed"), ("undo", "Undid"), ("undo", "Undid")):
        shown.focus(f'.rv-decide [data-do="{action}"]')
        press(shown, "Enter")
        wait_ack(shown, words)
        assert shown.evaluate("document.activeElement.dataset.do") == action
    shown.focus("#rv-tab-segments")
    for name in ("why", "classes", "map", "segments"):
        press(shown, "ArrowRight")
        assert shown.evaluate("document.activeElement.id") == f"rv-tab-{name}"
    shown.evaluate("document.activeElement.blur()")
    press(shown, "a", "Shift+ArrowRight", "a")
    wait_ack(shown, "Added")
    shown.focus('.rv-decide [data-do="remove"]')
    press(shown, "Enter")
    wait_ack(shown, "Removed")
    assert shown.evaluate("document.activeElement.dataset.do") == "undo"


@pytest.mark.parametrize("dark", [False, True])
def test_tab_goes_through_the_page_as_it_is_read_and_is_seen(shown, dark):
    shown.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
    shown.evaluate("scrollTo(0, 0); document.activeElement.blur()")
    shown.evaluate("document.querySelector('.rv').tabIndex = -1; document.querySelector('.rv').focus()")
    accent, stops = shown.evaluate(ACCENT), []
    for _ in range(90):
        press(shown, "Tab")
        stop = shown.evaluate(FOCUS)
        if not stop["ours"]:
            break
        assert stop["ring"] >= 2, stop
        assert stop["colour"] == accent, stop
        stops.append(stop)
    shown.evaluate("document.querySelector('.rv').removeAttribute('tabindex')")
    order = list(dict.fromkeys(stop["part"] for stop in stops))
    assert order == ["rv-head", "rv-library", "rv-stage", "rv-timeline", "rv-side", "rv-trust"]
    assert [s["part"] for s in stops] == sorted((s["part"] for s in stops), key=order.index)  # no part twice
    assert len(stops) < 70  # a table, a list of tabs and such are one stop each


def test_library_home_and_errors(browser, server, tmp_path):
    page = Watched(browser, server)
    page.goto(f"{server.url}?clip=ffff")
    page.wait_for_selector(".rv-said:has-text('ffff')")
    assert audit(page) == {}
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear reader, this is no video.")
    page.set_input_files(".rv-file", [str(letter), str(make_video(tmp_path / "alley.mp4", seconds=3))])
    page.wait_for_selector(".rv-upload.rv-failed")
    page.wait_for_selector(".rv-shelf .rv-item:has-text('alley.mp4')")
    assert audit(page) == {}  # at 390 the drawer is open
    page.click(".rv-shelf .rv-item:has-text('alley.mp4') .rv-away")
    page.wait_for_selector(".rv-removal[open]")
    assert audit(page) == {}
    press(page, "Escape")
    page.end()


@pytest.mark.parametrize("width", [1440, 390])
def test_the_events_of_all_clips(browser, server, analysed, width):
    page = Watched(browser, server, width=width)
    page.goto(f"{server.url}?view=events")
    page.wait_for_selector(".rv-ev-card:not([hidden])")
    assert audit(page) == {}
    page.click("text=More filters")
    assert audit(page) == {}
    page.end()


def test_nothing_flagged_and_an_analysis_that_is_broken(browser, server, analysed):
    page = Watched(browser, server)
    page.goto(f"{analysed}&t=0")
    page.wait_result()
    page.fill(".rv-cut input[name=threshold]", "1")
    page.wait_for_selector("text=Nothing reaches 1.00")
    assert audit(page) == {}
    page.goto(server.url)
    page.wait_for_selector(".rv-entry")
    page.route("**/*.curves", lambda route: route.abort())
    page.click(".rv-entry:has-text('plaza') >> nth=0")
    page.wait_for_selector(".rv-act:has-text('Try again')")
    assert audit(page) == {}
    page.close()
