"""The whole page in Chromium, over the real server and a made-up analyzer."""

import pytest
from browser import SECONDS, Server, Watched, click_axis, opened_on

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(reviewed):
    """The shared page as a newcomer finds it: at the beginning, the whole clip in view, the usual threshold."""
    reviewed.fill(".rv-cut input[name=min_length_s]", "0")
    reviewed.fill(".rv-cut input[name=threshold]", "0.5")
    reviewed.evaluate("document.activeElement.blur()")
    reviewed.keyboard.press("f")
    click_axis(reviewed, 0.001)
    reviewed.wait_time(0)
    reviewed.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 2")
    yield reviewed
    assert reviewed.faults == []


def test_upload_shows_progress_then_the_timeline(watched, clips):
    watched.upload(clips["main"])
    watched.wait_for_selector(".rv-work .rv-stagename:has-text('Looking at the pictures')")
    assert "elapsed" in watched.inner_text(".rv-worktext")
    watched.keyboard.press("k")  # the clip plays while it is analysed
    watched.wait_for_function("document.querySelector('.rv-video').currentTime > 0.1")
    watched.wait_result()
    assert watched.starts() == pytest.approx([3.3, 12.7], abs=0.8)
    assert watched.inner_text(".rv-title") == "corridor.mp4"
    for place in (".rv-model", ".rv-trust"):
        assert "NOT TRAINED" in watched.inner_text(place)
    assert "untrained score" in watched.inner_text(".rv-gutter")
    assert "Untrained peak" in watched.inner_text(".rv-table thead")
    assert "video-text saliency" in watched.inner_text(".rv-gutter")
    watched.click('.rv-fold[data-lane="classes"]')
    assert "car accident" in watched.inner_text(".rv-gutter")


@pytest.mark.parametrize("share", [0.25, 0.8])
def test_a_click_on_the_axis_is_an_exact_seek(opened, share):
    x = click_axis(opened, share)
    opened.wait_time(share * SECONDS)
    assert opened.cursor_x() == pytest.approx(x, abs=3)


def test_the_cursor_follows_playback(opened):
    click_axis(opened, 0.25)
    opened.wait_time(5)
    t0, x0 = opened.time(), opened.cursor_x()
    opened.keyboard.press("Space")
    opened.wait_for_function("t => document.querySelector('.rv-video').currentTime > t + 0.7", arg=t0)
    opened.keyboard.press("k")
    t1, x1 = opened.time(), opened.cursor_x()
    width = opened.locator(".rv-hit").bounding_box()["width"]
    assert x1 - x0 == pytest.approx((t1 - t0) / SECONDS * width, abs=0.15 / SECONDS * width)


def test_keys_walk_segments_seconds_and_frames(opened):
    first, second = opened.starts()
    opened.keyboard.press("n")
    opened.wait_time(first)
    opened.keyboard.press("n")
    opened.wait_time(second)
    assert opened.locator('.rv-flagged tr[aria-current="true"]').count() == 1
    opened.keyboard.press("p")
    opened.wait_time(first)
    opened.keyboard.press("ArrowRight")
    opened.wait_time(first + 5)
    opened.keyboard.press("Shift+ArrowLeft")
    opened.wait_time(first + 4)
    before = opened.inner_text(".rv-frame")
    opened.keyboard.press(".")
    opened.wait_for_function("t => document.querySelector('.rv-frame').textContent !== t", arg=before)
    frame = int(opened.inner_text(".rv-frame").split()[1])
    assert frame == int(before.split()[1]) + 1
    opened.wait_time((frame + 0.5) / 24, 0.005)


def test_help_lists_the_keys_and_escape_closes_it(opened):
    opened.keyboard.press("?")
    assert "Next, previous segment" in opened.inner_text(".rv-keys")
    opened.keyboard.press("Escape")
    assert not opened.is_visible(".rv-keys")


def test_the_threshold_recuts_by_number_and_by_key(opened):
    opened.fill(".rv-cut input[name=threshold]", "0.95")
    opened.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 1")
    opened.focus(".rv-threshold")
    opened.keyboard.press("PageDown")
    opened.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 2")
    assert opened.get_attribute(".rv-threshold", "aria-valuenow") == "0.85"
    assert opened.input_value(".rv-cut input[name=threshold]") == "0.85"
    opened.fill(".rv-cut input[name=threshold]", "7")
    opened.keyboard.press("Enter")
    opened.locator(".rv-ack").filter(has_text="Threshold cannot be 7: Value must be less than or equal to 1").wait_for()
    assert opened.input_value(".rv-cut input[name=threshold]") == "0.85"
    opened.fill(".rv-cut input[name=threshold]", "1")
    opened.wait_for_selector("text=Nothing reaches 1.00")


def test_near_misses_stand_apart(opened):
    assert "riot" in opened.inner_text(".rv-misses")
    assert "riot" not in opened.inner_text(".rv-flagged")


def test_wheel_and_keys_zoom_and_the_cursor_stays_true(opened):
    click_axis(opened, 0.5)
    opened.wait_time(10)
    box = opened.locator(".rv-hit").bounding_box()
    gutter = opened.locator(".rv-gutter").bounding_box()
    names = gutter | {"height": gutter["height"] - 24}  # the labels of the time axis may reach below the names
    before = opened.screenshot(clip=names)
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    opened.mouse.wheel(0, -400)
    view = "['from', 'to'].map((edge) => Number(document.querySelector('.rv-field').dataset[edge]))"
    span = "(([from, to]) => to - from)(" + view + ")"
    opened.wait_for_function(f"{span} < 15")
    assert opened.cursor_x() == pytest.approx(box["x"] + box["width"] / 2, abs=4)
    opened.wait_for_url("**t=10.*")
    assert opened.screenshot(clip=names) == before  # curves never run over the names beside them
    click_axis(opened, 0.25)
    low, high = opened.evaluate(view)
    opened.wait_time(low + (high - low) / 4)
    opened.keyboard.press("f")
    opened.wait_for_function(f"Math.abs({span} - {SECONDS}) < 0.2")


def test_a_reload_keeps_analysis_moment_and_threshold(watched, clips):
    watched.bring(clips["main"])
    watched.fill(".rv-cut input[name=threshold]", "0.95")
    watched.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 1")
    click_axis(watched, 0.7)
    watched.wait_time(14)
    watched.wait_for_url("**t=14.*")
    watched.reload()
    watched.wait_result()
    watched.wait_time(14)
    assert len(watched.starts()) == 1


def test_cancel_stops_and_offers_to_begin_again(watched, clips):
    watched.upload(clips["slow"])
    watched.click(".rv-act:has-text('Cancel')")
    watched.wait_for_selector(".rv-act:has-text('Analyse')")
    assert watched.inner_text(".rv-title") == clips["slow"].name  # as text, not as markup or script
    assert "not analysed" in watched.inner_text(".rv-entry[aria-current]")
    watched.click(".rv-act")
    watched.wait_result()


def test_what_browsers_cannot_play_gets_a_copy(watched, clips):
    watched.bring(clips["old"])
    watched.wait_for_function("document.querySelector('.rv-video').videoWidth > 0")


def test_a_desk_shows_all_on_one_screen(browser, server, clips):
    watched = opened_on(browser, server, clips["main"], 1440, 900)
    wide, high = watched.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    main = watched.evaluate("(e => [e.scrollHeight, e.clientHeight])(document.querySelector('.rv-main'))")
    assert (wide <= 1440, high <= 900, main[0] <= main[1]) == (True, True, True), (wide, high, main)
    watched.end()


@pytest.mark.slow
def test_an_analysis_of_another_model_offers_the_pages_own(browser, clips, tmp_path, monkeypatch):
    server = Server(tmp_path)
    try:
        page = Watched(browser, server)
        page.goto(server.url)
        page.confirm_first(clips["main"])
        assert not page.is_visible(".rv-trust button:has-text('Analyse')")
        server.stop()
        monkeypatch.setenv("CMHKF_FAKE_MODEL", "fake-adapted@12ab")
        server.start()
        page.reload()
        page.wait_for_selector(".rv-model:has-text('fake-adapted')")
        page.click(".rv-trust button:has-text('Analyse with fake-adapted@12ab')")
        page.wait_for_selector(".rv-trust dt:has-text('Model') + dd:has-text('fake-adapted@12ab')")
        page.wait_result()
        assert not page.is_visible(".rv-trust button:has-text('Analyse')")
        page.wait_for_selector(".rv-flagged tr[data-state=confirmed]")  # decisions belong to the clip
        page.close()
    finally:
        server.stop()
