"""The Map tab in Chromium: snippets before the model beside after it, linked to time both ways."""

import pytest
from browser import SECONDS, Held, Watched, keep
from fakes import FakeAnalyzer, made_up

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DRAWN = "document.querySelector('.rv-map-plot')?._fullLayout?.xaxis && !document.querySelector('.rv-map-empty')"
PLACE = """([panel, point]) => {
  const plot = document.querySelector('.rv-map-plot'), nth = panel ? '2' : '';
  plot.scrollIntoView({ block: 'center' });
  const box = plot.getBoundingClientRect();
  const [x, y] = [plot._fullLayout['xaxis' + nth], plot._fullLayout['yaxis' + nth]], data = plot.data[panel];
  return [box.x + x._offset + x.l2p(data.x[point]), box.y + y._offset + y.l2p(data.y[point])];
}"""
LONELIEST = """() => {
  const [x, y] = ['x', 'y'].map(axis => document.querySelector('.rv-map-plot').data[1][axis]);
  const room = x.map((_, i) => Math.min(...x.flatMap((_, j) => (i === j ? [] : Math.hypot(x[i] - x[j], y[i] - y[j])))));
  return room.indexOf(Math.max(...room));
}"""  # the point on the right that no other lies upon, wherever t-SNE put them on this machine
SNIPPET_S = 2 / 3
MAP_MS = 180_000  # a new process, scikit-learn and t-SNE: 5 s on an idle machine


def middle(point):
    return (point + 0.5) * SNIPPET_S


@pytest.fixture(scope="module")
def mapped(browser, server, clips):
    """A clip seen by a trained model, its map open."""
    clip, _ = keep(server, clips["main"], lambda clip: made_up(clip, FakeAnalyzer(trained=True, model_id="trained")))
    made = Watched(browser, server)
    made.goto(f"{server.url}?clip={clip}&t=0")
    made.wait_result()
    made.click("#rv-tab-map")
    made.wait_for_function(DRAWN, timeout=MAP_MS)
    yield made
    made.end()


def test_both_panels_and_the_key_are_there(mapped):
    assert mapped.evaluate("document.querySelector('.rv-map-plot').data.map(t => t.x.length)") == [30, 30]
    assert "before the model" in mapped.inner_text(".rv-map-plot")
    assert "after CMHKF" in mapped.inner_text(".rv-map-plot")
    assert "car accident" in mapped.inner_text(".rv-map-key")
    assert "t-SNE, perplexity 9.67" in mapped.inner_text(".rv-map-note")
    shown = mapped.eval_on_selector_all(
        "select[name=colouring] option", "list => list.filter(o => !o.hidden).map(o => o.value)"
    )
    assert shown == ["class", "score"]  # nobody decided anything, and there is no ground truth


def test_hover_shows_the_frame_and_a_click_goes_there(mapped):
    point = mapped.evaluate(LONELIEST)
    x, y = mapped.evaluate(PLACE, [1, point])
    mapped.mouse.move(x - 3, y - 3)
    mapped.mouse.move(x, y, steps=3)
    mapped.wait_for_selector(f".rv-map-card:has-text('00:{middle(point):04.1f}')", state="visible")
    mapped.wait_for_function(
        "document.querySelector('.rv-map-card canvas').getContext('2d').getImageData(9, 9, 1, 1).data[3]"
    )
    mapped.mouse.click(x, y)
    mapped.wait_time(middle(point))
    ring = mapped.locator(".rv-map-here").nth(1).bounding_box()
    assert ring["x"] + ring["width"] / 2 == pytest.approx(x, abs=2)
    assert ring["y"] + ring["height"] / 2 == pytest.approx(y, abs=2)


def test_arrow_keys_walk_the_points_and_enter_goes_there(mapped):
    before = mapped.time()
    mapped.focus(".rv-map-field")
    mapped.keyboard.press("Home")
    for _ in range(4):
        mapped.keyboard.press("ArrowRight")
    assert mapped.get_attribute(".rv-map-field", "aria-valuenow") == "4"
    assert mapped.get_attribute(".rv-map-field", "aria-valuetext").startswith("00:03.0 · ")
    assert mapped.time() == before  # the arrows are the map's here
    mapped.keyboard.press("Enter")
    mapped.wait_time(middle(4))
    mapped.evaluate("document.activeElement.blur()")


def test_decisions_colour_the_points_once_there_are_some(mapped):
    mapped.click("#rv-tab-segments")
    mapped.click(".rv-flagged tr >> nth=0")
    mapped.keyboard.press("c")
    mapped.click("#rv-tab-map")
    mapped.wait_for_function("!document.querySelector('select[name=colouring] option[value=decision]').disabled")
    mapped.select_option("select[name=colouring]", "decision")
    mapped.wait_for_selector(".rv-map-key:has-text('confirmed')")
    mapped.select_option("select[name=colouring]", "class")


def test_the_lasso_marks_the_timeline_and_lists_the_moments(mapped):
    box = mapped.evaluate(
        "(() => { document.querySelector('.rv-map-plot').scrollIntoView({ block: 'center' }); "
        "const b = document.querySelector('.rv-map-plot').getBoundingClientRect(), "
        "l = document.querySelector('.rv-map-plot')._fullLayout; "
        "return [b.x + l.xaxis._offset + 2, b.y + l.yaxis._offset + 2, l.xaxis._length - 4, l.yaxis._length - 4]; })()"
    )
    x, y, wide, high = box
    mapped.mouse.move(x, y)
    mapped.mouse.down()
    for to in ((x + wide, y), (x + wide, y + high), (x, y + high), (x, y + 4)):
        mapped.mouse.move(*to, steps=5)
    mapped.mouse.up()
    mapped.wait_for_selector(".rv-map-chosen:has-text('snippets chosen')")
    assert mapped.inner_text(".rv-map-chosen span") == "30 snippets chosen"
    span = mapped.locator(".rv-lassoed span").bounding_box()
    hit = mapped.locator(".rv-hit").bounding_box()
    assert span["width"] == pytest.approx(hit["width"] * 30 * SNIPPET_S / SECONDS, abs=2)
    selected = mapped.evaluate("document.querySelector('.rv-map-plot').data.map(t => t.selectedpoints.length)")
    assert selected == [30, 30]
    mapped.click(".rv-map-chosen button:has-text('Clear')")
    mapped.wait_for_selector(".rv-map-chosen", state="hidden")
    assert mapped.locator(".rv-lassoed span").count() == 0


def test_this_segment_shows_only_its_snippets(mapped):
    mapped.keyboard.press("n") if mapped.time() < 3 else mapped.keyboard.press("p")
    mapped.select_option("select[name=scope]", "segment")
    mapped.wait_for_function("document.querySelector('.rv-map-plot').data[0].x.length < 15")
    assert "Positions are those of the whole clip" in mapped.inner_text(".rv-map-note")
    mapped.select_option("select[name=scope]", "clip")
    mapped.wait_for_function("document.querySelector('.rv-map-plot').data[0].x.length === 30")


def test_score_has_a_scale_and_wider_gives_room(mapped):
    mapped.select_option("select[name=colouring]", "score")
    mapped.wait_for_selector(".rv-map-scale:has-text('anomaly score')")
    narrow = mapped.locator(".rv-map-field").bounding_box()["width"]
    mapped.click(".rv-map-tools button:has-text('Wider')")
    mapped.wait_for_function(f"document.querySelector('.rv-map-field').clientWidth > {1.3 * narrow}")
    assert mapped.evaluate("document.documentElement.scrollWidth") <= 1440
    mapped.click("#rv-tab-segments")
    mapped.wait_for_function("!document.querySelector('.rv-map-wide')")
    mapped.click("#rv-tab-map")
    mapped.select_option("select[name=colouring]", "class")


def test_another_method_can_be_cancelled_and_begun_again(mapped):
    held = Held(mapped, "map_job")
    mapped.select_option("select[name=method]", "umap")
    mapped.wait_for_selector(".rv-map-work .rv-progress")
    parts = [mapped.locator(f".rv-map-work .rv-progress{part}").bounding_box() for part in (" i", "")]
    assert 0 < 2 * parts[0]["width"] < parts[1]["width"], "it looks done"
    held.release()
    mapped.click(".rv-map-work button:has-text('Cancel')")
    mapped.wait_for_function("document.querySelector('.rv-map-note').textContent.startsWith('Cancelled')")
    mapped.select_option("select[name=method]", "tsne")
    mapped.wait_for_function(DRAWN)


def test_a_map_that_is_there_already_ends_the_wait_for_another(mapped):
    held = Held(mapped, "map_job")
    mapped.select_option("select[name=method]", "umap")
    mapped.wait_for_selector(".rv-map-work")
    mapped.select_option("select[name=method]", "tsne")
    mapped.wait_for_selector(".rv-map-work", state="hidden")
    held.release()
    mapped.wait_for_function(DRAWN)


def test_untrained_shows_one_panel_and_says_why(watched, footage):
    watched.bring(footage[0])
    watched.click("#rv-tab-map")
    watched.wait_for_function(DRAWN, timeout=MAP_MS)
    assert watched.evaluate("document.querySelector('.rv-map-plot').data.length") == 1
    assert "Untrained: no trained head took part" in watched.inner_text(".rv-map-note")
    watched.set_viewport_size({"width": 390, "height": 844})
    watched.wait_for_timeout(300)
    assert watched.evaluate("document.documentElement.scrollWidth") <= 390
