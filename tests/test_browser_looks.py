"""A blind look at what was not flagged, in Chromium: windows answered by keys, and the estimate on page and report."""

import os

import pytest
from browser import Watched, keep, press, violations, wait_ack
from fakes import make_video, open_workspace

from app.clips.workspace import Cut
from app.export.exports import Exports
from app.review.reviews import Reviews

pytestmark = pytest.mark.browser

SCORES = ("score", "peak", "threshold", "saliency", "similar", "arcade.mp4, ")
PLACE = "w => document.querySelector('.rv-lookplace').textContent.startsWith(w)"
# Where the video goes on each time that it has gone back.
TURNS = """() => {
  const video = document.querySelector('.rv-lookscreen video');
  window.turns = [];
  video.addEventListener('seeked', () => turns.push(video.currentTime));
}"""
WIDE = "(() => { const d = document.querySelector('.rv-look'); return d.scrollWidth - d.clientWidth; })()"


@pytest.fixture(scope="module")
def kept(server, tmp_path_factory):
    """A clip of 75 s, analysed: its SHA-256 and the id of the analysis."""
    file = make_video(tmp_path_factory.mktemp("looks") / "arcade.mp4", seconds=75, rate=8)
    return keep(server, file)


@pytest.fixture(scope="module", name="analysed")
def address(server, kept):
    return f"{server.url}?clip={kept[0]}"


def wait_window(page, n):
    page.wait_for_function(PLACE, arg=f"Window {n} of")


def drawn(page, n="20", seconds="2"):
    page.click(".rv-lookline button")
    page.wait_for_selector(".rv-lookdraw:visible")
    page.fill(".rv-lookdraw [name=n]", n)
    page.fill(".rv-lookdraw [name=window_s]", seconds)
    page.keyboard.press("Enter")
    wait_window(page, 1)


def test_windows_are_answered_by_keys_and_the_estimate_stands_on_page_and_report(at, server, kept):
    page = at("ann")
    press(page, "n", "c")
    wait_ack(page, "Confirmed")
    page.click(".rv-lookline button")
    page.wait_for_selector(".rv-lookdraw:visible")
    assert "If 20 hold nothing, at most 14 % of what was not flagged" in page.inner_text(".rv-lookdraw")
    page.keyboard.press("Escape")
    drawn(page)
    shown = page.inner_text(".rv-look").lower()
    assert not any(word in shown for word in SCORES)
    page.wait_for_function("document.querySelector('.rv-lookscreen video').currentTime > 0.05")
    page.evaluate(TURNS)
    page.wait_for_function("turns.length >= 2")
    assert page.evaluate("Math.abs(turns[1] - turns[0])") < 1  # each time near the window's start
    press(page, "x", "x", "c")
    wait_window(page, 4)
    assert "Last answer: Something." in page.inner_text(".rv-lookback")
    for key, n in (("u", 3), ("t", 4), ("u", 3), ("x", 4)):
        press(page, key)
        wait_window(page, n)
    page.reload()
    page.wait_result()
    page.wait_for_selector(".rv-lookline:has-text('0 of 3')")
    page.click(".rv-lookline button")
    wait_window(page, 4)
    for n in range(4, 20):
        press(page, "x")
        wait_window(page, n + 1)
    press(page, "x")
    page.wait_for_selector(".rv-lookfound:has-text('0 of 20 windows: at most 14 % of what was not flagged, 95 % sure')")
    said = page.inner_text(".rv-lookfound")
    assert "Miss rate: at most" in said
    assert "unflagged at threshold 0.50" in said
    press(page, "Escape")
    page.wait_for_selector(".rv-lookline:has-text('0 of 20: at most 14 % (below 0.50)')")
    page.fill(".rv-cut [name=threshold]", "0.3")
    page.click(".rv-lookline button")
    page.wait_for_selector(".rv-lookother:has-text('Drawn at threshold 0.50')")
    press(page, "Escape")
    workspace = open_workspace(server.home)
    report = Exports(workspace, Reviews(workspace)).file(kept[1], "html", Cut(), "ann").read_text(encoding="utf-8")
    workspace.close()
    assert "0 of 20 windows: at most 14 % of what was not flagged, 95 % sure" in report


def test_what_is_seen_becomes_a_segment_by_one_key(at):
    page = at("ben")
    before = len(page.starts())
    drawn(page, "3")
    press(page, "3")
    wait_window(page, 2)
    assert "Last answer: Something, riot." in page.inner_text(".rv-lookback")
    press(page, "a")
    page.wait_for_selector(".rv-lookback:has-text('a segment now')")
    press(page, "x", "s")
    page.wait_for_selector(".rv-lookfound:has-text('1 of 2 windows')")
    assert "a segment" in page.inner_text(".rv-lookfound li")
    page.click(".rv-lookfound li button")
    page.wait_for_function("n => document.querySelectorAll('.rv-flagged tr').length === n", arg=before + 1)
    assert "riot" in page.inner_text(".rv-flagged")
    assert page.is_hidden(".rv-look")


@pytest.mark.slow
def test_the_dialog_is_readable_everywhere_and_of_all_clips(browser, server, kept):
    page = Watched(browser, server)
    page.goto(f"{server.url}?clip={kept[0]}")
    page.wait_result()
    for step in ("draw", "window", "offer", "end"):
        if step == "draw":
            page.click(".rv-lookall")
            page.wait_for_selector(".rv-lookdraw:visible")
            page.fill(".rv-lookdraw [name=n]", "3")
        elif step == "window":
            page.keyboard.press("Enter")
            wait_window(page, 1)
        elif step == "offer":
            press(page, "4", "c")
            wait_window(page, 3)
        else:
            press(page, "x")
            page.wait_for_selector(".rv-lookfound li")
        for width, dark in [(w, d) for w in (1440, 1024, 390) for d in (False, True)]:
            page.set_viewport_size({"width": width, "height": 844})
            page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
            page.wait_for_timeout(200)
            wide = page.evaluate(WIDE)
            assert (violations(page), wide) == ([], 0), (step, width, dark)
            if shots := os.environ.get("CMHKF_SHOTS"):
                page.screenshot(path=f"{shots}/look_{step}_{width}_{dark}.png")
    page.set_viewport_size({"width": 1440, "height": 844})  # where the library is in view, and its button
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className").endswith("rv-lookall")
    page.end()
