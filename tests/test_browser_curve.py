"""The curve in Chromium: where segments begin and end, what a press on it does, and footage that was not seen."""

import dataclasses
import re

import numpy as np
import pytest
from browser import SCREENS, keep, press
from fakes import FakeAnalyzer, made_up, make_video

from cmhkf.media.unseen import Unseen

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SNIPPET_S = 2 / 3
DURATION_S = 24
SCORES = np.full(36, 0.1, np.float32)
SCORES[3:6] = 0.45, 0.9, 0.45  # 2 to 4 s, with edges between the two lines
SCORES[10:13] = 0.8, 0.2, 0.8  # 6.67 to 8.67 s, joined over a gap of 0.67 s
SCORES[20:22] = 0.7  # 13.33 to 14.67 s
RATE = "(v => [v.paused, v.playbackRate])(document.querySelector('.rv-video'))"


@pytest.fixture(scope="module")
def analysed(server, tmp_path_factory):
    """The address of a clip whose score is `SCORES`."""
    video = make_video(tmp_path_factory.mktemp("curve") / "plaza.mp4", seconds=DURATION_S, size="160x90")
    sha256, _ = keep(server, video, lambda clip: dataclasses.replace(made_up(clip, FakeAnalyzer()), scores=SCORES))
    return f"{server.url}?clip={sha256}"


def y_of(page, selector):
    return page.locator(selector).evaluate("e => e.getBoundingClientRect().y")


def set_threshold(page, value):
    page.fill(".rv-cut input[name=threshold]", value)
    page.evaluate("document.activeElement.blur()")


def readout(page, time):
    box = page.locator(".rv-hit").bounding_box()
    page.mouse.move(box["x"] + box["width"] * time / DURATION_S, box["y"] + 150)
    return page.inner_text(".rv-readout")


def test_the_line_below_which_segments_end_is_drawn_and_said(at):
    page = at()
    assert page.inner_text(".rv-exit") == "segments end below 0.40"
    assert "flagged: from 0.50 until below 0.40" in page.inner_text(".rv-legend")
    behind = page.locator(".rv-exit small").evaluate("e => getComputedStyle(e).backgroundColor")
    assert behind.startswith("rgb(")  # no curve shows through the words
    ticks = [y_of(page, f".rv-tick:has-text('{value}')") for value in ("1.0", "0.0")]
    line = y_of(page, ".rv-threshold") + 5
    assert y_of(page, ".rv-exit") - line == pytest.approx(0.1 * (ticks[1] - ticks[0]), abs=1.5)
    set_threshold(page, "0.07")
    page.wait_for_selector(".rv-exit:has-text('segments end below 0.035')")
    assert "from 0.07 until below 0.035" in page.inner_text(".rv-legend")


def test_the_readout_explains_red_below_the_line(at):
    page = at()
    assert "still flagged\nuntil below 0.40" in readout(page, 3.5 * SNIPPET_S)
    assert "still flagged" not in readout(page, 4.5 * SNIPPET_S)
    assert "still flagged\nshort gap, joined" in readout(page, 11.5 * SNIPPET_S)
    assert "still flagged" not in readout(page, 8.5 * SNIPPET_S)


def threshold(page):
    return page.input_value(".rv-cut input[name=threshold]")


def test_a_click_at_the_height_of_the_threshold_is_a_seek(at):
    page = at()
    box = page.locator(".rv-threshold").bounding_box()
    y = box["y"] + box["height"] / 2
    for share in (0.3, 0.8):
        page.mouse.click(box["x"] + share * box["width"], y)
        page.wait_time(share * DURATION_S)
    assert threshold(page) == "0.5"
    press(page, "ArrowLeft")  # the keys go on to move the playhead
    page.wait_time(0.8 * DURATION_S - 5)
    assert threshold(page) == "0.5"
    page.mouse.move(box["x"] + 0.1 * box["width"], y)  # along the line: scrubbing
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], y + 2, steps=8)
    page.mouse.up()
    page.wait_time(0.6 * DURATION_S)
    assert threshold(page) == "0.5"


def test_the_threshold_moves_by_its_line_and_its_tag(at):
    page = at()
    box = page.locator(".rv-threshold").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 6)
    page.mouse.down()
    page.mouse.move(box["x"] + 301, box["y"] + 26, steps=5)
    page.mouse.up()
    lower = float(threshold(page))
    assert lower < 0.45
    tag = page.locator(".rv-threshold b").bounding_box()
    page.mouse.click(tag["x"] + tag["width"] / 2, tag["y"] + tag["height"] / 2)
    page.mouse.move(tag["x"] + tag["width"] / 2, tag["y"] + tag["height"] / 2)
    page.mouse.down()
    page.mouse.move(tag["x"] + tag["width"] / 2, tag["y"] - 12, steps=5)
    page.mouse.up()
    assert float(threshold(page)) > lower
    assert page.time() == pytest.approx(0, abs=0.05)


SHUTTLED = [
    ("l l l l l", False, 16),
    ("l l l Space Space", False, 1),
    ("l l j j l", False, 1),
    ("l l l n", False, 4),  # going to a segment does not change the speed
    ("l l l l l k", True, 1),
    ("l l l l l k Space", False, 1),
    ("l l l j", True, 1),
    ("j j j k Space", False, 1),
    ("l l , Space", False, 1),
    ("l k l l", False, 2),
]


@pytest.mark.parametrize(("keys", "paused", "rate"), SHUTTLED)
def test_what_the_shuttle_leaves_behind(at, keys, paused, rate):
    watched = at("shuttle", more="&t=6")
    press(watched, *keys.split())
    watched.wait_for_function(f"String({RATE}) === '{str(paused).lower()},{rate}'", timeout=5000)
    watched.wait_for_function(f"document.querySelector('.rv-speed select').value === '{rate}'")


def test_the_chosen_speed_comes_back_after_the_shuttle(at):
    watched = at()
    watched.select_option(".rv-speed select", "0.5")
    watched.evaluate("document.activeElement.blur()")
    press(watched, "l", "l", "l", "k", "Space")
    assert watched.evaluate(RATE) == [False, 0.5]


# Footage that was not seen ------------------------------------------------------------------------------------------

COMPONENT = re.compile("component_server")
CUT_SHORT = {"unseen_s": [[24.0, 33.7, "the file ends early", False]], "declared_duration_s": 33.7}
GAPS = {"unseen_s": [[5.0, 6.5, "damaged", False], [9.0, 9.5, "damaged", False]], "declared_duration_s": 24.0}


def unseen(page, facts):
    """The server's answer with footage that was not seen."""

    def spoil(route):
        response = route.fetch()
        answer = response.json()
        if isinstance(answer, dict) and isinstance(answer.get("analysis"), dict):
            answer["analysis"] |= facts
        route.fulfill(response=response, json=answer)

    page.route(COMPONENT, spoil)
    page.reload()


def hatched(page, start_s, end_s, shown_s):
    """The share of painted pixels of the saliency lane's stretch that are of the hatch's hue."""
    if page.locator(".rv-fold[data-lane=saliency][aria-expanded=false]").count():
        page.click(".rv-fold[data-lane=saliency]")
        page.wait_for_timeout(100)  # until it is painted
    return page.evaluate(
        """([from, to]) => {
          const canvas = document.querySelector('.rv-plot canvas');
          const field = document.querySelector('.rv-field').getBoundingClientRect();
          const left = field.x - canvas.getBoundingClientRect().x;
          const top = parseFloat(document.querySelector('.rv-fold[data-lane=saliency]').style.top) - 15;
          const width = Math.floor((to - from) * field.width) - 4;
          const data = canvas.getContext('2d').getImageData(left + from * field.width + 2, top, width, 30).data;
          let amber = 0;
          for (let i = 0; i < data.length; i += 4) amber += data[i + 3] > 60 && data[i] > data[i + 2] + 40;
          return amber / (data.length / 4);
        }""",
        [start_s / shown_s, end_s / shown_s],
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_file_that_ends_early_is_drawn_and_said(at, theme):
    page = at("unseen", more=f"&t=0&__theme={theme}")
    unseen(page, CUT_SHORT)
    page.wait_result()
    assert page.inner_text(".rv-unseen") == "24.0 of 33.7 s could be read: the file ends early (24.0–33.7 s)."
    assert "9.7 of 33.7 s: the file ends early (24.0–33.7 s)" in page.inner_text(
        ".rv-trust .rv-warn:has-text('Not seen')"
    )
    assert "not seen" in page.inner_text(".rv-legend")
    assert page.get_attribute(".rv-field", "data-to") == "33.7"
    assert hatched(page, 24.5, 33.7, 33.7) > 0.1
    assert hatched(page, 16, 23, 33.7) < 0.02
    box = page.locator(".rv-hit").bounding_box()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 120)
    assert page.inner_text(".rv-readout").split("\n")[-2:] == ["not seen", "the file ends early"]
    set_threshold(page, "0.99")
    page.wait_for_selector(".rv-nothing:has-text('In the part that could be read, nothing reaches 0.99')")
    assert page.inner_text(".rv-count") == "No segments in the 24.0 s that could be read"


def test_what_an_analysis_did_not_see_or_hear_reaches_the_page(watched, server, tmp_path):
    lost = (Unseen(6.0, 15.5, "cut off: the file states more"), Unseen(2.0, 4.0, "the sound is damaged", True))
    facts = {"unseen_s": lost, "declared_duration_s": 15.5}
    video = make_video(tmp_path / "cut.mp4", seconds=6)
    short, _ = keep(server, video, lambda clip: dataclasses.replace(made_up(clip, FakeAnalyzer()), **facts))
    watched.goto(f"{server.url}?clip={short}&t=0")
    watched.wait_result()
    said = watched.inner_text(".rv-unseen")
    assert said.startswith("6.0 of 15.5 s could be read: ")
    assert "cut off, the file states more (6.0–15.5 s)" in said
    assert said.endswith(". Not heard: the sound is damaged (2.0–4.0 s).")
    assert hatched(watched, 6.2, 15.5, 15.5) > 0.1
    assert hatched(watched, 2, 4, 15.5) < 0.02  # in the lane of the sound alone


def test_gaps_inside_a_clip_are_drawn_where_they_lie(at):
    page = at("unseen")
    unseen(page, GAPS)
    page.wait_result()
    said = page.inner_text(".rv-unseen")
    assert said == "22.0 of 24.0 s could be read: damaged (5.0–6.5, 9.0–9.5 s)."
    assert hatched(page, 5, 6.5, 24) > 0.1
    assert hatched(page, 16, 22, 24) < 0.02
    assert "not seen\ndamaged" in readout(page, 5.5)


@pytest.mark.parametrize(
    ("facts", "line", "row"),
    [
        (
            {"unseen_s": [[0.0, 24.0, "the sound is damaged", True]]},
            "Not heard: the sound is damaged (0.0–24.0 s).",
            "Not heard",
        ),
        ({"unseen_s": None}, "", "Not seen\nan earlier version analysed it: what was not seen is not known"),
    ],
)
def test_lost_sound_and_what_is_not_known_are_called_so(at, facts, line, row):
    watched = at("unseen")
    unseen(watched, facts)
    watched.wait_result()
    assert watched.inner_text(".rv-unseen") == line
    assert row in watched.inner_text(".rv-trust")
    assert watched.locator(".rv-trust button", has_text="Analyse again").count() == (facts["unseen_s"] is None)
    assert "could be read" not in watched.inner_text(".rv-main")


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_footage_on_which_scores_do_not_hold_is_said_once_beside_the_clip(watched, server, tmp_path, width, height):
    video = make_video(tmp_path / f"slow {width}.mp4", seconds=6, rate="15/8", sound=False)
    demo = {"model_id": "demo@a75ffa5695d9", "trained": True}
    slow, _ = keep(server, video, lambda clip: dataclasses.replace(made_up(clip, FakeAnalyzer()), **demo))
    watched.set_viewport_size({"width": width, "height": height})
    watched.goto(f"{server.url}?clip={slow}&t=0")
    watched.wait_result()
    said = watched.inner_text(".rv-trust .rv-warn:has-text('Caution')")
    assert "on such footage: 1.9 frames a second (they hold from 8 on" in said
    assert watched.inner_text(".rv").count("Expect misses and false alarms.") == 1
    assert watched.evaluate("document.documentElement.scrollWidth") <= width
    watched.locator(".rv-trust").scroll_into_view_if_needed()


def test_a_clip_that_was_seen_whole_says_nothing_of_it(at):
    page = at()
    assert page.is_hidden(".rv-unseen")
    assert "Not seen" not in page.inner_text(".rv-trust")
    assert "Caution" not in page.inner_text(".rv-trust")
    set_threshold(page, "0.99")
    page.wait_for_function("document.querySelector('.rv-count').textContent === 'No segments'")


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_lines_and_warnings_fit(at, width, height):
    watched = at("unseen", width=width, height=height)
    unseen(watched, CUT_SHORT)
    watched.wait_result()
    assert watched.evaluate("document.documentElement.scrollWidth") <= width
    box = watched.locator(".rv-unseen").bounding_box()
    assert box["x"] + box["width"] <= width
