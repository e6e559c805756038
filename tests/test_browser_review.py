"""Review by keyboard and by mouse in Chromium, over the real server; what was decided is read from its database."""

import json
import sqlite3
from itertools import pairwise

import pytest
from browser import SCREENS, address_of, current, press, states, wait_ack
from fakes import make_video

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def analysed(browser, server, tmp_path_factory):
    """A clip of this module's own, analysed: its address."""
    return address_of(browser, server, make_video(tmp_path_factory.mktemp("review") / "gate.mp4", seconds=20, rate=25))


def rows(server, reviewer):
    with sqlite3.connect(server.home / "review.sqlite3") as file:
        return file.execute(
            "select revision, action, after from decisions where reviewer = ? order by revision", (reviewer,)
        ).fetchall()


def test_a_clip_is_reviewed_by_keyboard_alone(at, server):
    page = at()
    assert page.inner_text(".rv-count").startswith("2 of 2 left")
    assert page.is_visible(".rv-hint")
    press(page, "n", "c")
    wait_ack(page, "Confirmed 1 of 2 · 1 left · revision 1")
    assert page.is_hidden(".rv-hint")
    assert current(page) == 1  # moved on to the next open one
    press(page, "3")
    wait_ack(page, "Called riot: 2 of 2")
    assert "model: car accident" in page.inner_text(".rv-flagged tr:nth-child(2) .rv-class")
    press(page, "m")
    page.keyboard.type("c x n: keys are off <b>here</b>")
    press(page, "Enter")
    wait_ack(page, "Noted on 2 of 2")
    press(page, "x")
    wait_ack(page, "Dismissed 2 of 2 · 0 left · revision 4")
    assert states(page) == ["confirmed", "dismissed"]
    assert "all decided" in page.inner_text(".rv-count")
    press(page, "o")
    wait_ack(page, "Reopened 2 of 2 · 1 left")
    press(page, "u")
    wait_ack(page, "Undid: reopen")
    press(page, "Shift+U")
    wait_ack(page, "Redid: reopen")
    press(page, "Control+z", "Control+z")
    wait_ack(page, "Undid: dismiss")
    press(page, "Control+Shift+Z")
    wait_ack(page, "Redid: dismiss")
    assert states(page) == ["confirmed", "dismissed"]
    actions = [action for _, action, _ in rows(server, "a_clip_is_reviewed_by_keyboard")]
    assert actions == ["confirm", "relabel", "note", "dismiss", "reopen", "undo", "redo", "undo", "undo", "redo"]
    (kept,) = json.loads(rows(server, "a_clip_is_reviewed_by_keyboard")[3][2]).values()
    said = kept["note"], kept["label"], kept["model_label"]
    assert said == ("c x n: keys are off <b>here</b>", "riot", "car accident")


def test_ten_quick_decisions_are_ten_rows_and_survive_reload_and_restart(at, server):
    watched = at()
    press(watched, "n", *"cxcxcxcxcx")
    wait_ack(watched, "revision 10")
    mine = "ten_quick_decisions_are_ten_ro"
    assert [revision for revision, _, _ in rows(server, mine)] == list(range(1, 11))
    shown = states(watched)
    watched.reload()
    watched.wait_result()
    assert states(watched) == shown
    watched.goto("about:blank")
    server.stop()
    server.start()
    watched.faults.clear()
    watched.goto(server.url)
    watched.click(".rv-entry:has-text('gate.mp4')")
    watched.wait_result()
    assert states(watched) == shown
    press(watched, "u")
    wait_ack(watched, "Undid: dismiss")
    press(watched, "Shift+U")
    wait_ack(watched, "revision 12")
    assert states(watched) == shown


def test_edges_split_merge_add_and_remove(at):
    page = at()
    press(page, "n", "ArrowRight", "Shift+ArrowLeft")  # 4 s later
    start = page.starts()[0]
    page.wait_time(start + 4)
    press(page, "]")
    wait_ack(page, "Moved the end of 1 of 2")
    press(page, "]")
    wait_ack(page, "The end of this segment is here already.")
    press(page, "u", "p")
    page.wait_time(start)
    press(page, "[")
    wait_ack(page, "The start of this segment is here already.")
    press(page, "u")
    wait_ack(page, "Nothing to undo")
    press(page, "ArrowRight", "Shift+ArrowLeft", "Shift+U")
    wait_ack(page, "Redid: edges")
    page.wait_time(start + 4)
    assert page.inner_text(".rv-flagged tr:first-child td:nth-child(3)") == f"00:0{start + 4:.1f}"
    press(page, "Shift+ArrowLeft", "Shift+ArrowLeft", "s")
    wait_ack(page, "Split 1 of 2 · 3 left")
    assert len(states(page)) == 3
    press(page, "p", "g")
    wait_ack(page, "Merged with its next: 1 of 3")
    assert len(states(page)) == 2
    press(page, "]")
    wait_ack(page, "is not before end")
    assert page.get_attribute(".rv-ack", "class").endswith("rv-failed")
    page.wait_for_timeout(300)
    press(page, "f", "ArrowRight", "a", "Shift+ArrowRight", "a")
    wait_ack(page, "Added from")
    assert states(page) == ["open", "confirmed", "open"]
    # What a busy browser says late: it is still where the segment ends, which is inside a near miss.
    page.evaluate("document.querySelector('.rv-video').dispatchEvent(new Event('timeupdate'))")
    assert "by hand" in page.inner_text(".rv-flagged tr[aria-current]")
    press(page, "Delete")
    wait_ack(page, "Removed 2 of 3")
    for key in ("Escape", "u"):
        press(page, "a", key)
        wait_ack(page, "Nothing was added")
        assert page.get_attribute("[data-do=add]", "aria-pressed") == "false"
    press(page, "n", "Delete")
    wait_ack(page, "dismiss it instead")
    assert len(states(page)) == 2


def test_every_action_is_reachable_by_mouse(at):
    page = at()
    assert page.is_disabled('.rv-decide [data-do="confirm"]')
    page.click(".rv-flagged tr:nth-child(2)")
    page.click('.rv-decide [data-do="dismiss"]')
    wait_ack(page, "Dismissed 2 of 2")
    assert current(page) == 0  # the only one left
    page.select_option(".rv-label", "abuse")
    wait_ack(page, "Called abuse: 1 of 2")
    page.click('.rv-decide [data-do="undo"]')
    wait_ack(page, "Undid: relabel")
    page.fill(".rv-note", "seen")
    page.click(".rv-title")
    wait_ack(page, "Noted on 1 of 2")
    page.focus(".rv-note")
    page.keyboard.type(" and forgotten")
    press(page, "Escape")
    page.wait_for_timeout(300)
    assert page.input_value(".rv-note") == "seen"
    assert page.inner_text(".rv-ack").startswith("Noted on 1 of 2")
    page.click(".rv-misses tr[data-id]")
    page.click('.rv-decide [data-do="confirm"]')
    wait_ack(page, "Confirmed near miss")
    assert sorted(states(page)) == ["confirmed", "dismissed", "open"]
    assert page.get_attribute('.rv-decide [data-do="edgeStart"]', "title") == "Start to the playhead ([)"
    page.uncheck(".rv-moveon input")
    page.click(".rv-flagged tr:nth-child(1)")
    page.click('.rv-decide [data-do="confirm"]')
    wait_ack(page, "Confirmed 1 of 3")
    assert current(page) == 0


def test_two_reviewers_see_each_other(at):
    ann = at("ann")
    press(ann, "n", "c", "x")
    wait_ack(ann, "revision 2")
    ben = at("ben")
    assert states(ben) == ["open", "open"]
    ben.wait_for_selector(".rv-othername:has-text('ann')")
    assert ben.locator(".rv-others .rv-block[data-state='dismissed']").count() >= 1
    press(ben, "n", "c", "c")
    wait_ack(ben, "revision 2")
    agreed = ben.inner_text(".rv-agree tr:has-text('with ann')")
    assert "1 of 2 decided alike, no κ: too few" in agreed
    ben.fill(".rv-reviewer input", "ann")
    press(ben, "Enter")
    ben.wait_for_function("document.querySelectorAll('.rv-flagged tr[data-state=dismissed]').length === 1")
    assert "with ben" in ben.inner_text(".rv-agree")


def test_a_second_tab_is_told_that_it_is_behind_and_catches_up(at):
    one, two = at(), at()
    press(one, "n", "c")
    wait_ack(one, "revision 1")
    press(two, "n", "x")
    wait_ack(two, "decided something in another tab meanwhile")
    two.wait_for_function("document.querySelector('.rv-flagged tr').dataset.state === 'confirmed'")
    press(two, "x")
    wait_ack(two, "revision 2")


def test_the_address_names_the_segment(at):
    watched = at()
    press(watched, "n", "n")
    watched.wait_for_url("**segment=p*")
    segment = watched.url.split("segment=")[1].split("&")[0]
    again = at(more=f"&t=0.5&segment={segment}")
    assert (current(again), again.time()) == (1, pytest.approx(0.5, abs=0.1))
    assert current(at(more="&t=0.5&segment=1")) == 0


def test_a_segment_plays_over_and_over(at):
    page = at()
    press(page, "n", "ArrowRight", "Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "]")
    start = page.starts()[0]
    wait_ack(page, "Moved the end")  # one second long now
    press(page, "r", "p", "k")
    page.wait_for_function("document.querySelector('.rv-video').currentTime > 0")
    seen = [page.time() for _ in range(30) if not page.wait_for_timeout(100)]
    press(page, "k")
    assert max(seen) < start + 1.5
    assert any(b < a for a, b in pairwise(seen))


OUTSIDE = """() => {
  const bar = document.querySelector('.rv-bar');
  const { left, right, top, bottom } = bar.getBoundingClientRect();
  const controls = [...bar.querySelectorAll("button, select, input, .rv-clock")];
  const boxes = controls.map((c) => [c, c.getBoundingClientRect()]);
  const isIn = (b) => b.left >= left && b.right <= right && b.top >= top && b.bottom <= bottom;
  return boxes.filter(([c, b]) => b.width && !isIn(b)).map(([c]) => c.ariaLabel ?? c.className);
}"""


def test_every_control_of_the_playback_lies_in_its_bar_at_every_width(at):
    page = at("bars")
    for end in ("00:24.00", "12:00:00.00"):
        page.evaluate("text => { document.querySelector('.rv-end').textContent = text; }", end)
        for width in (360, 390, 759, 760, 900, 1024, 1099, 1100, 1280, 1366, 1440, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(OUTSIDE) == [], (width, end)


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_the_controls_fit(at, width, height):
    page = at("fits", width=width, height=height)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    stage = page.locator(".rv-stage").bounding_box()
    for control in page.locator(".rv-decide button, .rv-decide select, .rv-decide input").all():
        box = control.is_visible() and control.bounding_box()
        assert not box or box["x"] + box["width"] <= stage["x"] + stage["width"] + 1
