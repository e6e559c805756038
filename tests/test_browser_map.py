"""The Map tab in Chromium: snippets before the model beside after it, linked to time both ways."""

import pytest
from browser import SECONDS, Server, Watched

pytestmark = pytest.mark.browser

DRAWN = "document.querySelector('.rv-map-plot')?._fullLayout?.xaxis && !document.querySelector('.rv-map-empty')"
PLACE = """([panel, point]) => {
  const plot = document.querySelector('.rv-map-plot'), nth = panel ? '2' : '';
  plot.scrollIntoView({ block: 'center' });
  const box = plot.getBoundingClientRect();
  const [x, y] = [plot._fullLayout['xaxis' + nth], plot._fullLayout['yaxis' + nth]], data = plot.data[panel];
  return [box.x + x._offset + x.l2p(data.x[point]), box.y + y._offset + y.l2p(data.y[point])];
}"""
SNIPPET_S = 2 / 3
MAP_MS = 180_000  # a new process, scikit-learn and t-SNE: 5 s on an idle machine


def middle(point):
    return (point + 0.5) * SNIPPET_S


@pytest.fixture(scope="module")
def mapped(browser, tmp_path_factory, clips):
    """A clip seen by a trained model, its map open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CMHKF_FAKE_TRAINED", "1")
        server = Server(tmp_path_factory.mktemp("home"))
    made = Watched(browser, server)
    try:
        made.page.set_default_timeout(60000)
        made.page.goto(server.url)
        made.upload(clips["main"])
        made.wait_result()
        made.page.click("#rv-tab-map")
        made.page.wait_for_function(DRAWN, timeout=MAP_MS)
        yield made
        assert made.faults == []
    finally:
        made.page.close()
        server.stop()
    assert "Traceback" not in server.said()


def test_both_panels_and_the_key_are_there(mapped):
    page = mapped.page
    assert page.evaluate("document.querySelector('.rv-map-plot').data.map(t => t.x.length)") == [30, 30]
    assert "before the model" in page.inner_text(".rv-map-plot")
    assert "after CMHKF" in page.inner_text(".rv-map-plot")
    assert "car accident" in page.inner_text(".rv-map-key")
    assert "t-SNE, perplexity 9.67" in page.inner_text(".rv-map-note")
    shown = page.eval_on_selector_all(
        "select[name=colouring] option", "list => list.filter(o => !o.hidden).map(o => o.value)"
    )
    assert shown == ["class", "score"]  # nobody decided anything, and there is no ground truth


def test_hover_shows_the_frame_and_a_click_goes_there(mapped):
    page = mapped.page
    x, y = page.evaluate(PLACE, [1, 21])
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y, steps=3)
    page.wait_for_selector(".rv-map-card", state="visible")
    assert "00:14.3" in page.inner_text(".rv-map-card")
    page.wait_for_function(
        "document.querySelector('.rv-map-card canvas').getContext('2d').getImageData(9, 9, 1, 1).data[3]"
    )
    page.mouse.click(x, y)
    mapped.wait_time(middle(21))
    ring = page.locator(".rv-map-here").nth(1).bounding_box()
    assert ring["x"] + ring["width"] / 2 == pytest.approx(x, abs=2)
    assert ring["y"] + ring["height"] / 2 == pytest.approx(y, abs=2)


def test_arrow_keys_walk_the_points_and_enter_goes_there(mapped):
    page = mapped.page
    before = mapped.time()
    page.focus(".rv-map-field")
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert page.get_attribute(".rv-map-field", "aria-valuenow") == "4"
    assert page.get_attribute(".rv-map-field", "aria-valuetext").startswith("00:03.0 · ")
    assert mapped.time() == before  # the arrows are the map's here
    page.keyboard.press("Enter")
    mapped.wait_time(middle(4))
    page.evaluate("document.activeElement.blur()")


def test_decisions_colour_the_points_once_there_are_some(mapped):
    page = mapped.page
    page.click("#rv-tab-segments")
    page.click(".rv-flagged tr >> nth=0")
    page.keyboard.press("c")
    page.click("#rv-tab-map")
    page.wait_for_function("!document.querySelector('select[name=colouring] option[value=decision]').disabled")
    page.select_option("select[name=colouring]", "decision")
    page.wait_for_selector(".rv-map-key:has-text('confirmed')")
    page.select_option("select[name=colouring]", "class")


def test_the_lasso_marks_the_timeline_and_lists_the_moments(mapped):
    page = mapped.page
    box = page.evaluate(
        "(() => { document.querySelector('.rv-map-plot').scrollIntoView({ block: 'center' }); "
        "const b = document.querySelector('.rv-map-plot').getBoundingClientRect(), "
        "l = document.querySelector('.rv-map-plot')._fullLayout; "
        "return [b.x + l.xaxis._offset + 2, b.y + l.yaxis._offset + 2, l.xaxis._length - 4, l.yaxis._length - 4]; })()"
    )
    x, y, wide, high = box
    page.mouse.move(x, y)
    page.mouse.down()
    for to in ((x + wide, y), (x + wide, y + high), (x, y + high), (x, y + 4)):
        page.mouse.move(*to, steps=5)
    page.mouse.up()
    page.wait_for_selector(".rv-map-chosen:has-text('snippets chosen')")
    assert page.inner_text(".rv-map-chosen span") == "30 snippets chosen"
    span = page.locator(".rv-lassoed span").bounding_box()
    hit = page.locator(".rv-hit").bounding_box()
    assert span["width"] == pytest.approx(hit["width"] * 30 * SNIPPET_S / SECONDS, abs=2)
    selected = page.evaluate("document.querySelector('.rv-map-plot').data.map(t => t.selectedpoints.length)")
    assert selected == [30, 30]
    page.click(".rv-map-chosen button:has-text('Clear')")
    page.wait_for_selector(".rv-map-chosen", state="hidden")
    assert page.locator(".rv-lassoed span").count() == 0


def test_this_segment_shows_only_its_snippets(mapped):
    page = mapped.page
    page.keyboard.press("n") if mapped.time() < 3 else page.keyboard.press("p")
    page.select_option("select[name=scope]", "segment")
    page.wait_for_function("document.querySelector('.rv-map-plot').data[0].x.length < 15")
    assert "Positions are those of the whole clip" in page.inner_text(".rv-map-note")
    page.select_option("select[name=scope]", "clip")
    page.wait_for_function("document.querySelector('.rv-map-plot').data[0].x.length === 30")


def test_score_has_a_scale_and_wider_gives_room(mapped):
    page = mapped.page
    page.select_option("select[name=colouring]", "score")
    page.wait_for_selector(".rv-map-scale:has-text('anomaly score')")
    narrow = page.locator(".rv-map-field").bounding_box()["width"]
    page.click(".rv-map-tools button:has-text('Wider')")
    page.wait_for_function(f"document.querySelector('.rv-map-field').clientWidth > {1.3 * narrow}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    page.click("#rv-tab-segments")
    page.wait_for_function("!document.querySelector('.rv-map-wide')")
    page.click("#rv-tab-map")
    page.select_option("select[name=colouring]", "class")


def test_another_method_can_be_cancelled_and_begun_again(mapped):
    page = mapped.page
    page.select_option("select[name=method]", "umap")
    page.click(".rv-map-work button:has-text('Cancel')")
    page.wait_for_function("document.querySelector('.rv-map-note').textContent.startsWith('Cancelled')")
    page.select_option("select[name=method]", "tsne")
    page.wait_for_function(DRAWN)


def test_untrained_shows_one_panel_and_says_why(watched, clips):
    page = watched.page
    page.set_default_timeout(60000)
    watched.upload(clips["main"])
    watched.wait_result()
    page.click("#rv-tab-map")
    page.wait_for_function(DRAWN, timeout=MAP_MS)
    assert page.evaluate("document.querySelector('.rv-map-plot').data.length") == 1
    assert "Untrained: no trained head took part" in page.inner_text(".rv-map-note")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
