"""The whole page in Chromium, over the real server and a made-up analyzer."""

import pytest
from browser import SECONDS, Server, Watched, click_axis
from fakes import make_video
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def reviewed(browser, server, clips):
    """The main clip, analysed, on a page that several tests share."""
    made = Watched(browser, server)
    made.page.goto(server.url)
    made.upload(clips["main"])
    made.wait_result()
    yield made
    made.page.close()


@pytest.fixture
def opened(reviewed):
    """The shared page as a newcomer finds it: at the beginning, the whole clip in view, the usual threshold."""
    page = reviewed.page
    page.fill(".rv-cut input[name=min_length_s]", "0")
    page.fill(".rv-cut input[name=threshold]", "0.5")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("f")
    click_axis(reviewed, 0.001)
    reviewed.wait_time(0)
    page.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 2")
    yield reviewed
    assert reviewed.faults == []


def test_the_empty_page_says_what_to_do(watched):
    watched.page.wait_for_selector(".rv-home", state="visible")
    assert "Drop a video here" in watched.page.inner_text(".rv-drop")


def test_upload_shows_progress_then_the_timeline(watched, clips):
    watched.upload(clips["main"])
    watched.page.wait_for_selector(".rv-work .rv-stagename:has-text('Looking at the pictures')")
    assert "elapsed" in watched.page.inner_text(".rv-worktext")
    watched.page.keyboard.press("k")  # the clip plays while it is analysed
    watched.page.wait_for_function("document.querySelector('.rv-video').currentTime > 0.1")
    watched.wait_result()
    assert watched.starts() == pytest.approx([3.3, 12.7], abs=0.8)
    assert watched.page.inner_text(".rv-title") == "corridor.mp4"
    for place in (".rv-model", ".rv-trust"):
        assert "NOT TRAINED" in watched.page.inner_text(place)
    assert "untrained score" in watched.page.inner_text(".rv-gutter")
    assert "Untrained peak" in watched.page.inner_text(".rv-table thead")
    assert "video-text saliency" in watched.page.inner_text(".rv-gutter")
    assert "car accident" in watched.page.inner_text(".rv-gutter")


@pytest.mark.parametrize("share", [0.25, 0.8])
def test_a_click_on_the_axis_is_an_exact_seek(opened, share):
    x = click_axis(opened, share)
    opened.wait_time(share * SECONDS)
    assert opened.cursor_x() == pytest.approx(x, abs=3)


def test_dragging_scrubs_to_where_it_ends(opened):
    box = opened.page.locator(".rv-hit").bounding_box()
    y = box["y"] + 200
    opened.page.mouse.move(box["x"] + 0.1 * box["width"], y)
    opened.page.mouse.down()
    for step in range(10, 61, 5):
        opened.page.mouse.move(box["x"] + step / 100 * box["width"], y)
    opened.page.mouse.up()
    opened.wait_time(0.6 * SECONDS)


def test_the_cursor_follows_playback(opened):
    click_axis(opened, 0.25)
    opened.wait_time(5)
    t0, x0 = opened.time(), opened.cursor_x()
    opened.page.keyboard.press("Space")
    opened.page.wait_for_function("t => document.querySelector('.rv-video').currentTime > t + 0.7", arg=t0)
    opened.page.keyboard.press("k")
    t1, x1 = opened.time(), opened.cursor_x()
    width = opened.page.locator(".rv-hit").bounding_box()["width"]
    assert x1 - x0 == pytest.approx((t1 - t0) / SECONDS * width, abs=0.15 / SECONDS * width)


def test_keys_walk_segments_seconds_and_frames(opened):
    first, second = opened.starts()
    opened.page.keyboard.press("n")
    opened.wait_time(first)
    opened.page.keyboard.press("n")
    opened.wait_time(second)
    assert opened.page.locator('.rv-flagged tr[aria-current="true"]').count() == 1
    opened.page.keyboard.press("p")
    opened.wait_time(first)
    opened.page.keyboard.press("ArrowRight")
    opened.wait_time(first + 5)
    opened.page.keyboard.press("Shift+ArrowLeft")
    opened.wait_time(first + 4)
    before = opened.page.inner_text(".rv-frame")
    opened.page.keyboard.press(".")
    opened.page.wait_for_function("t => document.querySelector('.rv-frame').textContent !== t", arg=before)
    frame = int(opened.page.inner_text(".rv-frame").split()[1])
    assert frame == int(before.split()[1]) + 1
    opened.wait_time((frame + 0.5) / 24, 0.005)


def test_keys_are_off_while_typing(opened):
    opened.page.keyboard.press("n")
    opened.wait_time(opened.starts()[0])
    before = opened.time()
    opened.page.focus(".rv-cut input[name=min_length_s]")
    opened.page.keyboard.type("nn")
    opened.page.wait_for_timeout(200)
    assert opened.time() == before


def test_help_lists_the_keys_and_escape_closes_it(opened):
    opened.page.keyboard.press("?")
    assert "Next, previous segment" in opened.page.inner_text(".rv-keys")
    opened.page.keyboard.press("Escape")
    assert not opened.page.is_visible(".rv-keys")


def test_the_threshold_recuts_by_number_by_key_and_by_drag(opened):
    page = opened.page
    page.fill(".rv-cut input[name=threshold]", "0.95")
    page.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 1")
    page.focus(".rv-threshold")
    page.keyboard.press("PageDown")
    page.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 2")
    assert page.get_attribute(".rv-threshold", "aria-valuenow") == "0.85"
    assert page.input_value(".rv-cut input[name=threshold]") == "0.85"
    box = page.locator(".rv-threshold").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 6)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 6 + 60, steps=6)
    page.mouse.up()
    page.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 3")
    assert float(page.input_value(".rv-cut input[name=threshold]")) < 0.42
    page.fill(".rv-cut input[name=threshold]", "1")
    page.wait_for_selector("text=Nothing reaches 1.00")


def test_near_misses_stand_apart(opened):
    assert "riot" in opened.page.inner_text(".rv-misses")
    assert "riot" not in opened.page.inner_text(".rv-flagged")


def test_wheel_and_keys_zoom_and_the_cursor_stays_true(opened):
    click_axis(opened, 0.5)
    opened.wait_time(10)
    box = opened.page.locator(".rv-hit").bounding_box()
    gutter = opened.page.locator(".rv-gutter").bounding_box()
    names = gutter | {"height": gutter["height"] - 24}  # the labels of the time axis may reach below the names
    before = opened.page.screenshot(clip=names)
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    opened.page.mouse.wheel(0, -400)
    view = "['from', 'to'].map((edge) => Number(document.querySelector('.rv-field').dataset[edge]))"
    span = "(([from, to]) => to - from)(" + view + ")"
    opened.page.wait_for_function(f"{span} < 15")
    assert opened.cursor_x() == pytest.approx(box["x"] + box["width"] / 2, abs=4)
    opened.page.wait_for_url("**t=10.*")
    assert opened.page.screenshot(clip=names) == before  # curves never run over the names beside them
    click_axis(opened, 0.25)
    low, high = opened.page.evaluate(view)
    opened.wait_time(low + (high - low) / 4)
    opened.page.keyboard.press("f")
    opened.page.wait_for_function(f"Math.abs({span} - {SECONDS}) < 0.2")


def test_reload_and_restart_keep_analysis_moment_and_threshold(watched, server, clips):
    watched.upload(clips["main"])
    watched.wait_result()
    watched.page.fill(".rv-cut input[name=threshold]", "0.95")
    watched.page.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 1")
    click_axis(watched, 0.7)
    watched.wait_time(14)
    watched.page.wait_for_url("**t=14.*")
    watched.page.reload()
    watched.wait_result()
    watched.wait_time(14)
    assert len(watched.starts()) == 1
    watched.page.goto("about:blank")
    server.stop()
    server.start()
    watched.faults.clear()  # the browser noticed that the server was away
    watched.page.goto(server.url)
    watched.page.click(".rv-entry:has-text('corridor.mp4')")
    watched.wait_result()
    watched.page.wait_for_timeout(100)


def test_cancel_stops_and_offers_to_begin_again(watched, clips):
    watched.upload(clips["slow"])
    watched.page.click(".rv-act:has-text('Cancel')")
    watched.page.wait_for_selector(".rv-act:has-text('Analyse')")
    assert watched.page.inner_text(".rv-title") == clips["slow"].name  # as text, not as markup or script
    assert "not analysed" in watched.page.inner_text(".rv-entry[aria-current]")
    watched.page.click(".rv-act")
    watched.wait_result()


def test_another_clip_opens_while_one_is_analysed(watched, tmp_path):
    watched.upload(make_video(tmp_path / "third.mp4", seconds=4))
    watched.page.wait_for_selector(".rv-stagename:has-text('Looking')")
    watched.page.click(".rv-entry:has-text('corridor.mp4')")
    watched.wait_result()
    assert watched.page.inner_text(".rv-title") == "corridor.mp4"
    watched.page.wait_for_selector(".rv-entry:has-text('third.mp4'):has-text('untrained 0.')")
    assert watched.page.inner_text(".rv-title") == "corridor.mp4"


def test_what_browsers_cannot_play_gets_a_copy(watched, clips):
    watched.upload(clips["old"])
    watched.wait_result()
    watched.page.wait_for_function("document.querySelector('.rv-video').videoWidth > 0")


def test_what_is_no_video_is_refused_where_the_user_looks(watched, tmp_path):
    file = tmp_path / "letter.mp4"
    file.write_text("Dear reader, this is no video.")
    watched.upload(file)
    watched.page.wait_for_function("document.querySelector('.rv-said').textContent.includes('letter.mp4')")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_no_overflow_and_one_screen_on_a_desk(browser, server, clips, width, height):
    watched = Watched(browser, server, width, height)
    watched.page.goto(server.url)
    watched.upload(clips["main"])
    watched.wait_result()
    wide, high = watched.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert wide <= width
    if width == 1440:
        main = watched.page.evaluate("(e => [e.scrollHeight, e.clientHeight])(document.querySelector('.rv-main'))")
        assert high <= height
        assert main[0] <= main[1]
    watched.page.close()
    assert watched.faults == []


def test_scripts_use_the_same_door(server, clips):
    client = Client(server.url, verbose=False)
    answer = client.predict(handle_file(str(clips["main"])), "demo", 0.5, api_name="/analyze")
    assert len(answer["scores"]) == len(answer["times_s"]) == 30
    assert [s["label"] for s in answer["segments"]] == ["fighting", "car accident"]
    assert answer["trained"] is False
    fewer = client.predict(answer["analysis_id"], 0.95, api_name="/segments")
    assert len(fewer["segments"]) == 1
    assert answer["analysis_id"] in [e["analysis_id"] for e in client.predict(api_name="/library")]
    with pytest.raises(AppError, match="no analysis 'nope'"):
        client.predict("nope", 0.5, api_name="/segments")
    doors = client.view_api(return_format="dict")["named_endpoints"]
    assert sorted(doors) == ["/analyze", "/export", "/library", "/segments"]


def test_an_analysis_of_another_model_offers_the_pages_own(browser, clips, tmp_path, monkeypatch):
    server = Server(tmp_path)
    try:
        watched = Watched(browser, server)
        page = watched.page
        page.goto(server.url)
        watched.confirm_first(clips["main"])
        assert not page.is_visible(".rv-trust button")
        server.stop()
        monkeypatch.setenv("CMHKF_FAKE_MODEL", "fake-adapted@12ab")
        server.start()
        page.reload()
        page.wait_for_selector(".rv-model:has-text('fake-adapted')")
        page.click(".rv-trust button:has-text('Analyse with fake-adapted@12ab')")
        page.wait_for_selector(".rv-trust dd:has-text('fake-adapted@12ab')")
        watched.wait_result()
        assert not page.is_visible(".rv-trust button")
        page.wait_for_selector(".rv-flagged tr[data-state=confirmed]")  # decisions belong to the clip
        page.close()
    finally:
        server.stop()
