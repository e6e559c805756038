"""The timeline's lanes in Chromium: sound, pictures, folding, the minimap, and how long a dragged threshold takes."""

import dataclasses
import json
import statistics

import numpy as np
import pytest
from analyses import make_analysis
from browser import DRAG, SECONDS, Watched
from fakes import FakeAnalyzer, busy_scores, made_up, make_video
from media_factory import ffmpeg

from app.charts import timeline_curves
from app.player import STATIC
from app.settings import Settings
from app.store import Store
from cmhkf import flag_segments
from cmhkf.media import probe

pytestmark = pytest.mark.browser

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
    clip_file = make_video(
        tmp_path_factory.mktemp("long") / "long.mp4", seconds=LONG_S, size="64x36", rate=2, sound=False,
        options=("-preset", "ultrafast"),
    )  # fmt: skip
    store = Store(server.home, Settings(home=server.home).store_url)
    clip = store.add_clip(probe(clip_file), clip_file.name, move=False)
    analysis = made_up(clip, FakeAnalyzer())
    return store.save(dataclasses.replace(analysis, scores=busy_scores(analysis.n_snippets, 1)))


@pytest.fixture(scope="module")
def seen(browser, server, tmp_path_factory):
    """A clip that is red and silent for 10 s, then blue with a tone."""
    file = tmp_path_factory.mktemp("halves") / "halves.mp4"
    half = SECONDS // 2
    colours = [f"color={name}:size=160x90:rate=24:duration={half}" for name in ("red", "blue")]
    ffmpeg(
        "-f", "lavfi", "-i", colours[0], "-f", "lavfi", "-i", colours[1],
        "-f", "lavfi", "-i", f"sine=440:duration={half}",
        "-filter_complex", f"[0][1]concat[v];[2]adelay={half * 1000}[a]", "-map", "[v]", "-map", "[a]",
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", file,
    )  # fmt: skip
    made = Watched(browser, server)
    made.page.goto(server.url)
    made.upload(file)
    made.wait_result()
    done(made.page)
    yield made
    made.page.close()
    assert made.faults == []


@pytest.fixture(scope="module")
def long(browser, server, long_id):
    made = Watched(browser, server)
    made.page.goto(f"{server.url}?analysis={long_id}&threshold=0.75")
    made.wait_result()
    yield made
    made.page.close()
    assert made.faults == []


def view(page):
    return page.evaluate("(f) => [Number(f.dataset.from), Number(f.dataset.to)]", page.query_selector(".rv-field"))


def test_pictures_show_at_the_pointer_with_their_time(seen):
    box = seen.page.locator(".rv-hit").bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 150)
    seen.page.wait_for_selector(".rv-still", state="visible")
    said = seen.page.inner_text(".rv-still")
    snippet = 2 / 3
    middle = (SECONDS / 2 // snippet + 0.5) * snippet
    assert said == f"frame at 00:{middle:05.2f}"
    style = seen.page.evaluate("getComputedStyle(document.querySelector('.rv-still')).backgroundImage")
    assert style.endswith('film/0-0.jpg")')


def test_sound_is_a_waveform_and_pictures_lie_where_they_belong(seen):
    seen.page.mouse.move(5, 5)
    before, after = seen.page.evaluate(HALVES, "sound")
    assert before[0] <= 5  # the level's line and the middle
    assert after[0] >= 28
    before, after = seen.page.evaluate(HALVES, "film")
    assert (before[1] > 200, before[2] < 60) == (True, True)
    assert (after[1] < 60, after[2] > 200) == (True, True)
    assert "0 dB" in seen.page.inner_text(".rv-gutter")


def test_zoomed_in_pictures_and_sound_stay_with_their_time(seen):
    """The change at 10 s lies in the middle of any view round it."""
    page = seen.page
    box = page.locator(".rv-hit").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 150)
    for _ in range(4):
        page.keyboard.press("+")
    page.wait_for_timeout(300)
    (_, left_red, left_blue), (_, right_red, right_blue) = page.evaluate(HALVES, "film")
    assert left_red > left_blue + 100
    assert right_blue > right_red + 100
    before, after = page.evaluate(HALVES, "sound")
    assert before[0] <= 5
    assert after[0] >= 28
    page.keyboard.press("f")


def test_a_lane_folds_away_and_stays_so(seen):
    page = seen.page
    before = page.locator(".rv-lanes").bounding_box()["height"]
    page.click(".rv-fold[data-lane=film]")
    page.wait_for_selector(".rv-fold[data-lane=film][aria-expanded=false]")
    assert page.locator(".rv-lanes").bounding_box()["height"] < before - 20
    page.keyboard.press("Enter")  # the button kept the focus
    page.wait_for_selector(".rv-fold[data-lane=film][aria-expanded=true]")
    assert page.locator(".rv-lanes").bounding_box()["height"] == before


def test_short_clips_have_no_minimap(seen):
    assert not seen.page.is_visible(".rv-mini")


def test_no_sound_track_is_said_in_words(long):
    long.page.wait_for_selector(".rv-said-sound:has-text('no sound track')")


def test_the_minimap_moves_the_view_by_pointer_and_by_key(long):
    page = long.page
    mini = page.locator(".rv-mini").bounding_box()
    page.keyboard.press("f")
    for _ in range(4):
        page.keyboard.press("+")
    span = view(page)[1] - view(page)[0]
    assert span == pytest.approx(LONG_S * 0.6**4, rel=0.01)
    y = mini["y"] + mini["height"] / 2
    page.mouse.click(mini["x"] + mini["width"] * 0.75, y)  # outside the window: it is put there
    assert sum(view(page)) / 2 == pytest.approx(0.75 * LONG_S, abs=3)
    page.mouse.move(mini["x"] + mini["width"] * 0.75, y)
    page.mouse.down()
    page.mouse.move(mini["x"] + mini["width"] * 0.25, y, steps=5)
    page.mouse.up()
    assert sum(view(page)) / 2 == pytest.approx(0.25 * LONG_S, abs=3)
    pane = page.locator(".rv-pane").bounding_box()
    assert pane["width"] == pytest.approx(mini["width"] * span / LONG_S, abs=2)
    position = long.time()
    page.focus(".rv-pane")
    start = view(page)[0]
    page.keyboard.press("ArrowRight")
    assert view(page)[0] == pytest.approx(start + span / 10, abs=0.1)
    page.keyboard.press("Home")
    assert view(page)[0] == 0
    assert page.get_attribute(".rv-pane", "aria-valuetext").startswith("00:00 to 01:1")
    assert long.time() == position  # moving the view is no seek
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("f")
    assert view(page) == pytest.approx([0, LONG_S], abs=0.7)


def test_dragging_the_threshold_recuts_at_once(long):
    frame_ms = statistics.median(long.page.evaluate(FRAME_GAPS))
    steps_ms = long.page.evaluate(DRAG)
    # The median, and never less than a few frames: others may be at work on this machine.
    assert statistics.median(steps_ms) < max(DRAG_LIMIT_MS, 3 * frame_ms)


def test_a_held_threshold_says_how_much_is_left(long):
    page = long.page
    box = page.locator(".rv-threshold").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + box["height"] / 2 + 15, steps=5)
    assert page.is_visible(".rv-threshold small")
    said = page.inner_text(".rv-threshold small")
    assert said == page.inner_text(".rv-count")
    assert "to review" in said
    page.mouse.up()
    page.evaluate("document.activeElement.blur()")
    assert not page.is_visible(".rv-threshold small")


CUT_VALUES = ("start_s", "end_s", "peak_s", "score", "label_prob")


def test_the_page_cuts_as_python_does(browser):
    """Oracle: cmhkf.flag_segments on random curves, thresholds, lengths and gaps."""
    rng = np.random.default_rng(7)
    page = browser.new_page()
    script = (STATIC / "cut.js").read_text()
    for n in (1, 2, 3, 17, 64, 300) * 12:
        smooth = np.convolve(rng.random(n + 4), np.ones(5) / 5, "valid") if rng.random() < 0.7 else rng.random(n)
        scores = np.round(np.clip(1.6 * (smooth - 0.2), 0, 1), 2)
        probs = rng.dirichlet(np.ones(3), n).round(4)
        probs[:, 0] = 1 - probs[:, 1:].sum(axis=1)
        analysis = make_analysis(scores, class_probs=probs, duration_s=n * 2 / 3 + float(rng.random()) / 2)
        cut = {
            "threshold": round(float(rng.choice([rng.random(), 0, 1, 0.5])), 2),
            "min_length_s": float(rng.choice([0, 0.5, 2, 5])),
            "merge_gap_s": float(rng.choice([0, 0.7, 1, 3])),
        }
        curves = json.loads(json.dumps(timeline_curves(analysis)))
        here = page.evaluate(f"([curves, cut]) => {{ {script}; return cutHere(curves, cut); }}", [curves, cut])
        there = flag_segments(analysis, **cut, near_misses=True)
        for mine, theirs in (
            (here["segments"], [s for s in there if not s.near_miss]),
            (here["near_misses"], [s for s in there if s.near_miss]),
        ):
            assert [s["label"] for s in mine] == [s.label for s in theirs], (n, cut)
            for name in CUT_VALUES:
                assert [s[name] for s in mine] == pytest.approx([getattr(s, name) for s in theirs], abs=2e-4), name
    page.close()
