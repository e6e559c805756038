"""The tabs "Why" and "Classes" and the ground truth on the real page, over a made-up analyzer."""

import numpy as np
import pytest
from browser import SCREENS, SECONDS, Watched, click_axis, opened_on, serving
from fakes import make_video
from gradio_client import Client, handle_file

from cmhkf.metrics.frames import frame_metrics

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TRUTH = "clip,class,segments_s\ncorridor.mp4,riot,2-4 12-16\nother.mp4,riot,0-1\n"
SHADE = """[...document.querySelectorAll('.rv-truths span:not([hidden])')]
    .map(span => span.getBoundingClientRect()).map(box => [box.left, box.right])"""
OVERFLOW = """[document.documentElement, ...document.querySelectorAll('.rv-panel')]
    .filter(box => box.scrollWidth > box.clientWidth + 1).length"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One whose library holds nothing but what these tests bring: the neighbours are known."""
    yield from serving(tmp_path_factory.mktemp("home"))


@pytest.fixture
def page(reviewed):
    """At the beginning of the clip, the whole of it in view, no key pressed into a field."""
    reviewed.evaluate("document.activeElement.blur()")
    reviewed.keyboard.press("f")
    click_axis(reviewed, 0.001)
    reviewed.wait_time(0)
    yield reviewed
    assert reviewed.faults == []


@pytest.fixture
def truth_file(tmp_path):
    file = tmp_path / "gt.csv"
    file.write_text(TRUTH)
    return str(file)


def test_without_a_segment_the_tab_says_what_to_do(browser, server, clips):
    watched = opened_on(browser, server, clips["main"])
    watched.click("#rv-tab-why")
    assert "Select a segment" in watched.inner_text("#rv-panel-why")
    watched.click("#rv-panel-why button:has-text('car accident')")
    watched.wait_time(14, 1.5)  # on the plateau of the second bump
    watched.wait_for_selector(".rv-whyhead h3:has-text('car accident')")
    watched.end()


def test_a_segment_is_explained(reviewed, page):
    page.click("#rv-tab-why")
    page.keyboard.press("n")
    page.wait_for_selector(".rv-whyhead h3:has-text('fighting')")
    said = page.inner_text("#rv-panel-why")
    for words in ("CVKA chose", "no sound is in it", "sound raised it", "motion"):
        assert words in said
    rows = page.locator("#rv-panel-why .rv-contrast").all_inner_texts()
    assert rows[0].startswith("fighting")
    inside, rest = (float(number) for number in rows[0].split("\n")[-2:])
    assert inside > rest
    page.keyboard.press("n")
    page.wait_for_selector(".rv-whyhead h3:has-text('car accident')")
    assert page.locator("#rv-panel-why .rv-contrast").first.inner_text().startswith("car accident")


def test_a_look_at_a_similar_moment_keeps_the_segment_explained(reviewed, page):
    page.click("#rv-tab-why")
    page.keyboard.press("n")
    page.wait_for_selector(".rv-whyhead h3:has-text('fighting')")
    neighbour = page.locator(".rv-neighbour").first
    when = neighbour.locator(".rv-nearfacts span").inner_text()
    neighbour.click()
    reviewed.wait_time(60 * int(when[:2]) + float(when[3:]), 0.15)
    start, other = reviewed.starts()
    page.locator(".rv-nearest").evaluate("list => list.closest('.rv-panel').scrollTo(0, 0)")
    page.click(".rv-whyhead button >> nth=0")
    reviewed.wait_time(start)
    assert page.inner_text(".rv-whyhead h3") == "fighting"
    assert not page.is_visible(".rv-other")
    curve = page.locator("#rv-panel-why .rv-curve").first
    curve.scroll_into_view_if_needed()
    curve.click(position={"x": 0.9 * curve.bounding_box()["width"], "y": 20})  # between two segments
    page.wait_for_function(f"document.querySelector('.rv-video').currentTime > {start + 6}")
    assert page.inner_text(".rv-whyhead h3") == "fighting"
    page.keyboard.press("n")
    reviewed.wait_time(other)
    page.wait_for_selector(".rv-whyhead h3:has-text('car accident')")


def test_a_neighbour_in_another_clip_opens_it_there(browser, server, clips, reviewed, tmp_path):
    watched = opened_on(browser, server, make_video(tmp_path / "yard.mp4", seconds=SECONDS + 1))
    watched.click("#rv-tab-why")
    watched.keyboard.press("n")
    found = watched.locator(".rv-neighbour:has-text('corridor.mp4')").first
    when = found.locator(".rv-nearfacts span").inner_text()
    found.click()
    watched.wait_for_selector(".rv-title:has-text('corridor.mp4')")
    watched.wait_for_selector('.rv[data-work="none"]')
    watched.wait_time(60 * int(when[:2]) + float(when[3:]), 0.15)
    watched.end()


def test_typed_classes_are_compared_at_once(reviewed, page):
    page.click("#rv-tab-classes")
    page.fill(".rv-own textarea", "fire, <b>person</b> falling,\nknife")
    page.keyboard.press("Enter")
    page.wait_for_selector(".rv-ownclass >> nth=2")
    assert page.locator(".rv-ownclass .rv-what").all_inner_texts() == ["fire", "<b>person</b> falling", "knife"]
    assert "not a probability" in page.inner_text(".rv-own-said")
    page.click(".rv-ownclass:has-text('knife') button >> nth=0")
    reviewed.wait_time(0.75 * SECONDS, 0.7)
    box = page.locator(".rv-ownclass .rv-curve").first.bounding_box()
    page.mouse.click(box["x"] + 0.4 * box["width"], box["y"] + 10)
    reviewed.wait_time(0.4 * SECONDS)
    page.click(".rv-ownclass:has-text('knife') button >> nth=1")
    page.wait_for_function("document.querySelectorAll('.rv-ownclass').length === 2")
    assert page.input_value(".rv-own textarea") == "fire, <b>person</b> falling"
    page.click(".rv-own [type=reset]")
    page.wait_for_function("document.querySelectorAll('.rv-ownclass').length === 0")
    page.keyboard.type("nnn, n" + "x" * 90)
    page.click(".rv-own [type=submit]")
    page.wait_for_selector(".rv-own-said.rv-wrong:has-text('a class name may have 80')")
    page.click(".rv-own [type=reset]")


def test_a_link_restores_typed_classes(browser, server, reviewed, page):
    page.click("#rv-tab-classes")
    page.fill(".rv-own textarea", "fire,  person <i>lying</i>\n&knife")
    page.keyboard.press("Enter")
    page.wait_for_url("**words=fire%2Cperson+%3Ci%3Elying*")
    watched = Watched(browser, server)
    watched.goto(page.url)
    watched.wait_result()
    assert watched.locator(".rv-ownclass").count() == 0  # nothing is computed that nobody sees
    watched.click("#rv-tab-classes")
    watched.wait_for_selector(".rv-ownclass >> nth=2")
    assert watched.locator(".rv-ownclass .rv-what").all_inner_texts() == ["fire", "person <i>lying</i>", "&knife"]
    watched.end()
    page.click(".rv-own [type=reset]")
    page.wait_for_function("!location.search.includes('words=')")


def test_truth_is_shaded_measured_kept_and_removed(reviewed, page, server, clips, truth_file):
    page.click("#rv-tab-classes")
    page.set_input_files(".rv-gt-file", truth_file)
    page.wait_for_selector(".rv-gt-said:has-text('2 anomalous intervals, from gt.csv')")
    field = page.locator(".rv-hit").bounding_box()
    x = [field["x"] + second / SECONDS * field["width"] for second in (2, 4, 12, 16)]
    assert np.ravel(page.evaluate(SHADE)) == pytest.approx(x, abs=3)
    name, below = (page.locator(f".rv-{each}").bounding_box() for each in ("truthname", 'fold[data-lane="classes"]'))
    assert name["y"] + name["height"] + 3 <= below["y"]

    scores = Client(server.url, verbose=False).predict(
        handle_file(str(clips["main"])), "demo", 0.5, api_name="/analyze"
    )["scores"]
    labels = [int(2 <= i / 24 < 4 or 12 <= i / 24 < 16) for i in range(16 * len(scores))]
    expected = frame_metrics(np.repeat(scores, 16), np.array(labels))
    shown = page.locator(".rv-numbers dd:nth-child(2)").all_inner_texts()
    assert shown == [f"{expected.ap:.3f}", f"{expected.auc:.3f}"]
    assert f"prevalence {expected.prevalence:.3f}" in page.inner_text(".rv-numbers")

    page.click(".rv-jumps button >> nth=1")
    reviewed.wait_time(12)
    page.keyboard.press("+")
    page.wait_for_function(f"{SHADE}[0][1] - {SHADE}[0][0] > {1.3 * (x[1] - x[0])} || {SHADE}.length === 1")
    page.reload()
    reviewed.wait_result()
    page.wait_for_function(f"{SHADE}.length === 2")
    page.click("#rv-tab-classes")
    page.click(".rv-gt-remove")
    page.wait_for_function(f"{SHADE}.length === 0")
    assert "Drop an annotation file" in page.inner_text(".rv-gt")


@pytest.mark.parametrize(("width", "height"), SCREENS[1:])
def test_both_tabs_fit_narrow_screens(browser, server, clips, truth_file, width, height):
    watched = opened_on(browser, server, clips["main"], width, height)
    watched.click("#rv-tab-why")
    watched.keyboard.press("n")
    watched.wait_for_selector(".rv-neighbour")
    assert watched.evaluate(OVERFLOW) == 0
    watched.click("#rv-tab-classes")
    watched.fill(".rv-own textarea", "a rather long name of a class that nobody would type every day, fire")
    watched.keyboard.press("Enter")
    watched.wait_for_selector(".rv-ownclass >> nth=1")
    watched.set_input_files(".rv-gt-file", truth_file)
    watched.wait_for_selector(".rv-numbers")
    assert watched.evaluate(OVERFLOW) == 0
    watched.click(".rv-gt-remove")
    watched.wait_for_selector(".rv-numbers", state="detached")
    watched.end()
