"""The timeline's lanes in Chromium: sound, pictures, folding, the minimap, and how long a dragged threshold takes."""

import dataclasses
import statistics

import pytest
from browser import DRAG, SECONDS, Watched, keep, opened_on
from fakes import FakeAnalyzer, busy_scores, made_up, make_video
from media_factory import ffmpeg

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LONG_S = 600
DRAG_LIMIT_MS = 50

FRAME_GAPS = """async () => {
  const gaps = [];
  let last = await new Promise(requestAnimationFrame);
  while (gaps.length < 20) {
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - last);
    last = now;
  }
  return gaps;
}"""

HALVES = """(lane) => {
  // For the left and the right half of a lane: the medians, over columns, of painted pixels in 30 and of red and blue.
  const canvas = document.querySelector('.rv-plot canvas');
  const field = document.querySelector('.rv-field').getBoundingClientRect();
  const middle = parseFloat(document.querySelector(`.rv-fold[data-lane=${lane}]`).style.top);
  const width = Math.floor(field.width);
  const left = field.x - canvas.getBoundingClientRect().x;
  const data = canvas.getContext('2d').getImageData(left, middle - 15, width, 30).data;
  const columns = Array.from({ length: width }, (_, x) => {
    const sum = [0, 0, 0];
    for (let y = 0; y < 30; y++) {
      const at = 4 * (y * width + x);
      sum[0] += data[at + 3] > 60;
      sum[1] += data[at] / 30;
      sum[2] += data[at + 2] / 30;
    }
    return sum;
  });
  const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const half = (part) => [0, 1, 2].map((i) => median(part.map((column) => column[i])));
  return [half(columns.slice(20, width / 2 - 20)), half(columns.slice(width / 2 + 20, -20))];
}"""


def done(page):
    """Both previews are on screen: nothing is said of them any more."""
    page.wait_for_function("window.performance.getEntriesByType('resource').some(e => e.name.endsWith('film.json'))")
    page.wait_for_function("[...document.querySelectorAll('.rv-laneword')].every((e) => e.hidden)")


@pytest.fixture(scope="module")
def long_id(server, tmp_path_factory):
    """An analysis of ten minutes with many segments, kept in the server's home as if made before."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    fast = ("-preset", "ultrafast")
    clip_file = make_video(path, seconds=LONG_S, size="64x36", rate=2, sound=False, options=fast)

    def analyse(clip):
        analysis = made_up(clip, FakeAnalyzer())
        return dataclasses.replace(analysis, scores=busy_scores(analysis.n_snippets, 1))

    return keep(server, clip_file, analyse)[1]


@pytest.fixture(scope="module")
def seen(browser, server, tmp_path_factory):
    """A clip that is red and silent for 10 s, then blue with a tone."""
    file = tmp_path_factory.mktemp("halves") / "halves.mp4"
    half = SECONDS // 2
    colours = [f"color={name}:size=160x90:rate=24:duration={half}" for name in ("red", "blue")]
    inputs = [word for source in (*colours, f"sine=440:duration={half}") for word in ("-f lavfi -i", source)]
    graph = f"-filter_complex [0][1]concat[v];[2]adelay={half * 1000}[a] -map [v] -map [a]"
    ffmpeg(*inputs, graph, "-c:v libx264 -pix_fmt yuv420p -c:a aac", file)
    made = opened_on(browser, server, file)
    done(made)
    yield made
    made.end()


@pytest.fixture(scope="module")
def long(browser, server, long_id):
    made = Watched(browser, server)
    made.goto(f"{server.url}?analysis={long_id}&threshold=0.75")
    made.wait_result()
    yield made
    made.end()


def view(page):
    return page.evaluate("(f) => [Number(f.dataset.from), Number(f.dataset.to)]", page.query_selector(".rv-field"))


def test_pictures_show_at_the_pointer_with_their_time(seen):
    box = seen.locator(".rv-hit").bounding_box()
    seen.mouse.move(box["x"] + box["width"] / 2, box["y"] + 150)
    seen.wait_for_selector(".rv-still", state="visible")
    said = seen.inner_text(".rv-still")
    snippet = 2 / 3
    middle = (SECONDS / 2 // snippet + 0.5) * snippet
    assert said == f"frame at 00:{middle:05.2f}"
    style = seen.evaluate("getComputedStyle(document.querySelector('.rv-still')).backgroundImage")
    assert style.endswith('film/0-0.jpg")')


def test_sound_is_a_waveform_and_pictures_lie_where_they_belong(seen):
    seen.mouse.move(5, 5)
    before, after = seen.evaluate(HALVES, "sound")
    assert before[0] <= 5  # the level's line and the middle
    assert after[0] >= 28
    before, after = seen.evaluate(HALVES, "film")
    assert (before[1] > 200, before[2] < 60, after[1] < 60, after[2] > 200) == (True, True, True, True)
    assert "0 dB" in seen.inner_text(".rv-gutter")


def test_a_kind_of_sound_that_was_heard_has_a_row(seen):
    assert seen.get_attribute(".rv-fold[data-lane=heard]", "aria-label") == "kinds of sound"
    rows = seen.locator(".rv-gutter .rv-row").all_inner_texts()
    assert ("gunshot" in rows, "crowd" in rows) == (True, False)  # the latter never reaches a half
    box = seen.locator(".rv-hit").bounding_box()
    seen.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 150)
    seen.wait_for_selector(".rv-readout span:has-text('gunshot')", state="visible")
    assert "crowd" not in seen.inner_text(".rv-readout")
    open_px = seen.locator(".rv-lanes").bounding_box()["height"]
    seen.locator(".rv-fold[data-lane=heard]").press("Enter")
    seen.wait_for_selector(".rv-fold[data-lane=heard]:has-text('kinds of sound')")
    assert seen.locator(".rv-lanes").bounding_box()["height"] <= open_px
    seen.keyboard.press("Enter")
    seen.wait_for_selector(".rv-row:has-text('gunshot')")


def test_zoomed_in_pictures_and_sound_stay_with_their_time(seen):
    """The change at 10 s lies in the middle of any view round it."""
    box = seen.locator(".rv-hit").bounding_box()
    seen.mouse.click(box["x"] + box["width"] / 2, box["y"] + 150)
    for _ in range(4):
        seen.keyboard.press("+")
    seen.wait_for_timeout(300)
    (_, left_red, left_blue), (_, right_red, right_blue) = seen.evaluate(HALVES, "film")
    assert left_red > left_blue + 100
    assert right_blue > right_red + 100
    before, after = seen.evaluate(HALVES, "sound")
    assert before[0] <= 5
    assert after[0] >= 28
    seen.keyboard.press("f")


def test_a_lane_folds_away_and_stays_so(seen):
    before = seen.locator(".rv-lanes").bounding_box()["height"]
    seen.click(".rv-fold[data-lane=film]")
    seen.wait_for_selector(".rv-fold[data-lane=film][aria-expanded=false]")
    assert seen.locator(".rv-lanes").bounding_box()["height"] < before - 20
    seen.keyboard.press("Enter")  # the button kept the focus
    seen.wait_for_selector(".rv-fold[data-lane=film][aria-expanded=true]")
    assert seen.locator(".rv-lanes").bounding_box()["height"] == before


def test_no_sound_track_is_said_in_words(long):
    long.wait_for_selector(".rv-said-sound:has-text('no sound track')")


def test_the_minimap_moves_the_view_by_pointer_and_by_key(long):
    mini = long.locator(".rv-mini").bounding_box()
    long.keyboard.press("f")
    for _ in range(4):
        long.keyboard.press("+")
    span = view(long)[1] - view(long)[0]
    assert span == pytest.approx(LONG_S * 0.6**4, rel=0.01)
    y = mini["y"] + mini["height"] / 2
    long.mouse.click(mini["x"] + mini["width"] * 0.75, y)  # outside the window: it is put there
    assert sum(view(long)) / 2 == pytest.approx(0.75 * LONG_S, abs=3)
    long.mouse.move(mini["x"] + mini["width"] * 0.75, y)
    long.mouse.down()
    long.mouse.move(mini["x"] + mini["width"] * 0.25, y, steps=5)
    long.mouse.up()
    assert sum(view(long)) / 2 == pytest.approx(0.25 * LONG_S, abs=3)
    pane = long.locator(".rv-pane").bounding_box()
    assert pane["width"] == pytest.approx(mini["width"] * span / LONG_S, abs=2)
    position = long.time()
    long.focus(".rv-pane")
    start = view(long)[0]
    long.keyboard.press("ArrowRight")
    assert view(long)[0] == pytest.approx(start + span / 10, abs=0.1)
    long.keyboard.press("Home")
    assert view(long)[0] == 0
    assert long.get_attribute(".rv-pane", "aria-valuetext").startswith("00:00 to 01:1")
    assert long.time() == position  # moving the view is no seek
    long.evaluate("document.activeElement.blur()")
    long.keyboard.press("f")
    assert view(long) == pytest.approx([0, LONG_S], abs=0.7)


@pytest.mark.serial
def test_dragging_the_threshold_recuts_at_once(long):
    frame_ms = statistics.median(long.evaluate(FRAME_GAPS))
    steps_ms = long.evaluate(DRAG)
    # The median, and never less than a few frames: others may be at work on this machine.
    assert statistics.median(steps_ms) < max(DRAG_LIMIT_MS, 3 * frame_ms)


def test_a_held_threshold_says_how_much_is_left(long):
    box = long.locator(".rv-threshold").bounding_box()
    long.mouse.move(box["x"] + 300, box["y"] + box["height"] / 2)
    long.mouse.down()
    long.mouse.move(box["x"] + 300, box["y"] + box["height"] / 2 + 15, steps=5)
    assert long.is_visible(".rv-threshold small")
    said = long.inner_text(".rv-threshold small")
    assert said == long.inner_text(".rv-count")
    assert "to review" in said
    long.mouse.up()
    long.evaluate("document.activeElement.blur()")
    assert not long.is_visible(".rv-threshold small")
