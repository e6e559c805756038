"""What the lists say in Chromium: files that cannot be taken in, videos known already, settings that are not as usual,
and the whole of a short clip while a part of it is in view."""

import pytest
from browser import WAIT_MS, press

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Notes how wide each small picture is drawn, in shares of the width that its shape wants.
WATCH_STRIP = """() => {
  window.shares = [];
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...a) {
    if (a.length === 9 && a[8] < 100) window.shares.push(a[7] / (a[8] * 192 / 108));
    return draw.apply(this, a);
  };
}"""


def item(page, name):
    return page.locator(f".rv-queue .rv-upload:has-text('{name}')")


def bring(page, name, content):
    page.set_input_files(".rv-file", [{"name": name, "mimeType": "video/mp4", "buffer": content}])


def test_another_try_is_offered_only_where_it_may_help(watched):
    watched.wait_for_selector('.rv:not([data-view="loading"])')
    for name, content, words in (("empty.mp4", b"", "is empty"), ("letter.mp4", b"Dear madam, " * 99, "")):
        bring(watched, name, content)
        row = item(watched, name)
        row.locator(".rv-what").filter(has_text=words).wait_for()
        watched.wait_for_function("n => document.querySelector('.rv-queue').textContent.includes(n)", arg=name)
        watched.wait_for_selector(f".rv-queue .rv-failed:has-text('{name}')")
        assert not row.locator(".rv-retry").is_visible()
        row.locator(".rv-away").click()
    watched.route("**/gradio_api/upload", lambda route: route.abort())
    bring(watched, "later.mp4", b"video")
    watched.wait_for_selector(".rv-queue .rv-failed:has-text('later.mp4')")
    assert item(watched, "later.mp4").locator(".rv-retry").is_visible()
    watched.faults.clear()  # the browser's own words on the upload that was broken off


def test_a_video_that_is_known_already_says_under_which_name(watched, clips):
    watched.bring(clips["main"])
    watched.click(".rv-brand")
    listed = watched.inner_text(".rv-tally")
    bring(watched, "another name.mp4", clips["main"].read_bytes())
    watched.wait_result()
    assert "In the library already, as corridor.mp4" in item(watched, "another name.mp4").text_content()
    assert watched.inner_text(".rv-tally") == listed


def test_settings_that_are_not_as_usual_are_marked_and_taken_back(watched, clips):
    watched.bring(clips["main"])
    assert watched.locator(".rv-unusual").count() == 0
    assert not watched.is_visible(".rv-cut button")
    before = watched.inner_text(".rv-count")
    watched.fill(".rv-cut [name=merge_gap_s]", "30")
    watched.wait_for_function("b => document.querySelector('.rv-count').textContent !== b", arg=before)
    assert watched.locator(".rv-unusual").all_inner_texts()[0].startswith("Merge gap")
    watched.click(".rv-cut button")
    watched.wait_for_function("b => document.querySelector('.rv-count').textContent === b", arg=before)
    assert (watched.input_value(".rv-cut [name=merge_gap_s]"), watched.locator(".rv-unusual").count()) == ("1", 0)


def test_a_short_clip_has_a_minimap_while_it_is_zoomed_and_a_strip_of_whole_pictures(watched, clips):
    watched.bring(clips["main"])
    watched.wait_for_function("!document.querySelector('.rv-said-film').textContent", timeout=WAIT_MS)
    assert not watched.is_visible(".rv-mini")
    watched.evaluate(WATCH_STRIP)
    press(watched, "+", "+", "+")
    watched.wait_for_selector(".rv-mini", state="visible")
    watched.wait_for_function("window.shares.length > 10")
    assert min(watched.evaluate("window.shares")) > 0.6
    press(watched, "f")
    watched.wait_for_selector(".rv-mini", state="hidden")
