"""One clip's page by hand and eye: speeds, volume, the picture, autoplay, segment ends that are drawn, what gives the
video its room, and the name that the first decision asks for."""

import sqlite3

import pytest
from browser import SECONDS, Watched, address_of, press, states, violations, wait_ack
from fakes import make_video

pytestmark = [pytest.mark.browser, pytest.mark.slow]

VIDEO = "document.querySelector('.rv-video')"
LOOK = f"[{VIDEO}.style.filter, {VIDEO}.style.transform]"
HEIGHT = "document.querySelector('{}').getBoundingClientRect().height"


@pytest.fixture(scope="module")
def two(browser, server, tmp_path_factory):
    """Two analysed clips, hall and gate: their addresses."""
    folder = tmp_path_factory.mktemp("hands")
    files = [make_video(folder / f"{name}.mp4", seconds=SECONDS + 7 + i) for i, name in enumerate(("hall", "gate"))]
    return [address_of(browser, server, file) for file in files]


@pytest.fixture
def analysed(two):
    return two[0]


# Playback -----------------------------------------------------------------------------------------------------------


def test_speeds_below_one_by_key(at):
    page = at()
    rates = []
    for key in ("<", "<", "<", "<", ">", ">", ">", ">"):
        press(page, key)
        rates.append(page.evaluate(f"{VIDEO}.playbackRate"))
    assert rates == [0.5, 0.25, 0.1, 0.1, 0.25, 0.5, 1, 1.5]
    page.wait_for_function("document.querySelector('.rv-speed select').value === '1.5'")
    page.select_option(".rv-speed select", "0.25")
    press(page, "Space")  # the list gave the keys back
    assert page.evaluate(f"[{VIDEO}.paused, {VIDEO}.playbackRate]") == [False, 0.25]


def test_the_volume_by_key_and_slider_stays(at):
    page = at()
    press(page, "Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown")
    assert page.evaluate(f"{VIDEO}.volume") == pytest.approx(0.7)
    page.reload()
    page.wait_result()
    assert page.evaluate(f"[{VIDEO}.volume, {VIDEO}.muted]") == [pytest.approx(0.7), False]
    page.fill(".rv-volume", "0")
    assert page.evaluate(f"{VIDEO}.muted")
    press(page, "Space")  # a slider leaves the keys alone
    assert not page.evaluate(f"{VIDEO}.paused")
    press(page, "Shift+M")
    page.wait_for_selector(".rv-mute[aria-pressed=false]")


def test_autoplay_plays_a_segment_on_arrival_once(at):
    page = at()
    press(page, "n")
    page.wait_for_timeout(300)
    assert page.evaluate(f"{VIDEO}.paused")  # off at first
    page.check(".rv-autoplay")
    press(page, "n")
    page.wait_for_function(f"!{VIDEO}.paused")
    start, end = page.starts()[1], page.evaluate("document.querySelectorAll('.rv-flagged tr')[1].cells[2].textContent")
    page.wait_for_function(f"{VIDEO}.paused")
    assert start < page.time() == pytest.approx(float(end[3:]), abs=0.4)
    page.reload()
    page.wait_result()
    assert page.is_checked(".rv-autoplay")


# The picture --------------------------------------------------------------------------------------------------------


def test_a_brighter_picture_is_marked_and_remembered(at, two):
    page = at()
    assert page.is_hidden(".rv-viewonly")
    press(page, "b", "b", "t", "Shift+T", "Shift+T", "e", "e")
    assert page.evaluate(LOOK) == ["brightness(1.5) contrast(0.75)", "translate(0%, 0%) scale(2)"]
    said = page.inner_text(".rv-viewonly")
    assert "brightness 150 %, contrast 75 %, zoom 2.0×" in said
    assert "The model saw the original" in said
    page.reload()
    page.wait_result()
    assert page.evaluate(LOOK) == ["brightness(1.5) contrast(0.75)", "translate(0%, 0%) scale(2)"]
    page.goto(two[1])  # what lies outside of the zoom would be missed in another clip
    page.wait_result()
    assert page.evaluate(LOOK) == ["brightness(1.5) contrast(0.75)", ""]
    page.click(".rv-viewonly button")
    assert page.evaluate(LOOK) == ["", ""]
    assert page.is_hidden(".rv-viewonly")


def test_the_picture_panel_by_keys_and_a_drag_moves_a_zoomed_picture(at):
    page = at()
    press(page, "v", "ArrowRight", "ArrowRight")
    page.wait_for_selector(".rv-picture output:has-text('150 %')")
    assert violations(page) == []
    page.fill(".rv-picture [name=zoom]", "3")
    press(page, "Escape")
    page.wait_for_selector(".rv-picture", state="hidden")
    box = page.locator(".rv-screen").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - box["width"] / 4, y, steps=3)
    page.mouse.up()
    assert page.evaluate(f"{VIDEO}.style.transform") == "translate(-25%, 0%) scale(3)"
    assert page.evaluate(f"{VIDEO}.paused")  # a drag is no press on Play
    press(page, "Shift+V")
    assert page.evaluate(LOOK) == ["", ""]


# Ends of a segment --------------------------------------------------------------------------------------------------


def drag(page, block, from_share, by_px):
    box = page.locator(block).bounding_box()
    x, y = box["x"] + from_share * box["width"], box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by_px, y, steps=4)
    return box


def test_an_end_is_drawn_as_the_keys_would_move_it(at):
    page = at()
    second = ".rv-strip .rv-block:last-child"
    before = page.starts()
    box = drag(page, second, 0.005, -40)
    assert page.evaluate("document.querySelector('.rv-hit').style.cursor") == "ew-resize"
    assert page.locator(second).bounding_box()["width"] == pytest.approx(box["width"] + 40, abs=2)
    moved = page.time()
    page.mouse.up()
    wait_ack(page, "Moved the start of 2 of 2")
    assert current_start(page) == pytest.approx(moved, abs=0.06)
    assert page.starts()[0] == before[0]
    press(page, "u")
    wait_ack(page, "Undid: edges")
    assert page.starts() == before
    drag(page, second, 0.995, -30)
    press(page, "Escape")
    page.mouse.up()
    page.wait_for_timeout(300)
    assert page.locator(second).bounding_box()["width"] == pytest.approx(box["width"], abs=1)
    assert page.starts() == before
    drag(page, second, 0.5, 0)  # the middle is for seeking
    page.mouse.up()
    assert page.time() == pytest.approx((before[1] + end_of(page)) / 2, abs=0.3)


def current_start(page):
    return float(page.inner_text(".rv-flagged tr[aria-current] td:nth-child(2)")[3:])


def end_of(page):
    return float(page.inner_text(".rv-flagged tr:nth-child(2) td:nth-child(3)")[3:])


# Room for the video -------------------------------------------------------------------------------------------------


def test_the_papers_lanes_are_folded_until_they_are_asked_for(at):
    page = at()
    shut = ".rv-fold[aria-expanded=false]"
    assert page.eval_on_selector_all(shut, "all => all.map(e => e.dataset.lane)") == ["classes", "saliency"]
    assert "class similarity" not in page.inner_text(".rv-legend")
    page.click(".rv-fold[data-lane=classes]")
    page.wait_for_selector(".rv-fold[data-lane=classes][aria-expanded=true]")
    assert "class similarity" in page.inner_text(".rv-legend")
    page.reload()
    page.wait_result()
    assert page.eval_on_selector_all(shut, "all => all.map(e => e.dataset.lane)") == ["saliency"]


def test_the_line_between_gives_room_and_is_remembered(at):
    page = at()
    video, lanes = (page.evaluate(HEIGHT.format(part)) for part in (".rv-screen", ".rv-lanes"))
    split = page.locator(".rv-split").bounding_box()
    page.mouse.move(split["x"] + 100, split["y"] + 4)
    page.mouse.down()
    page.mouse.move(split["x"] + 100, split["y"] + 44, steps=4)
    page.mouse.up()
    page.wait_for_timeout(200)
    assert page.evaluate(HEIGHT.format(".rv-lanes")) == pytest.approx(lanes - 40, abs=4)
    assert page.evaluate(HEIGHT.format(".rv-screen")) == pytest.approx(video + 40, abs=4)
    page.reload()
    page.wait_result()
    assert page.evaluate(HEIGHT.format(".rv-lanes")) == pytest.approx(lanes - 40, abs=4)
    page.focus(".rv-split")
    for _ in range(20):
        press(page, "ArrowUp")
    assert page.get_attribute(".rv-split", "aria-valuenow") == "250"
    page.dblclick(".rv-split")
    assert page.evaluate(HEIGHT.format(".rv-lanes")) == lanes


def test_full_screen_has_the_curve_and_the_keys(at):
    page = at()
    press(page, "Shift+F")
    page.wait_for_function("document.fullscreenElement?.matches('.rv-clip')")
    assert page.is_visible(".rv-plot canvas")
    assert page.is_hidden(".rv-table")
    press(page, "n", "c")
    wait_ack(page, "Confirmed 1 of 2")
    assert page.is_visible(".rv-ack")
    press(page, "?")
    assert page.is_visible(".rv-keys")
    press(page, "?", "Shift+F")
    page.wait_for_function("!document.fullscreenElement")


def test_the_table_shows_the_frame_of_each_peak(at):
    page = at()
    page.wait_for_selector(".rv-framed")
    shown = "all => all.map(e => e.style.backgroundImage.includes('film/0-') && e.offsetHeight > 20)"
    page.wait_for_function(f"({shown})([...document.querySelectorAll('.rv-frameof')]).every(Boolean)")
    assert page.eval_on_selector_all(".rv-frameof", shown) == [True, True, True]


def test_every_lane_says_in_plain_words_what_it_is(at):
    page = at()
    assert page.get_attribute(".rv-fold[data-lane=saliency]", "title").startswith("Which moments stand out")
    press(page, "?")
    page.click(".rv-keys summary")
    said = page.inner_text(".rv-lanehelp")
    assert "How strongly the model thinks something is wrong here." in said
    assert said.index("thinks something is wrong") < said.index("1 − P(normal)")


# Who decides --------------------------------------------------------------------------------------------------------


def reviewers(server):
    with sqlite3.connect(server.home / "review.sqlite3") as file:
        return [name for (name,) in file.execute("select reviewer from decisions order by rowid")]


def test_the_first_decision_asks_for_a_name_and_is_kept(browser, server, two):
    page = Watched(browser, server, reviewer="")
    page.goto(two[0] + "&t=0")
    page.wait_result()
    before = reviewers(server)
    assert page.is_hidden(".rv-whose")
    press(page, "n", "c")
    page.wait_for_selector(".rv-whose", state="visible")
    page.wait_for_function("document.activeElement.name === 'name'")
    assert violations(page) == []
    page.click(".rv-flagged tr:nth-child(2)")  # the page is not held up
    page.click('.rv-decide [data-do="dismiss"]')
    page.wait_for_timeout(300)
    assert (states(page), reviewers(server)) == (["open", "open"], before)
    page.keyboard.type("  mina  k ")
    press(page, "Enter")
    wait_ack(page, "Dismissed 2 of 2 · 0 left · revision 2")
    assert states(page) == ["confirmed", "dismissed"]
    assert reviewers(server) == [*before, "mina k", "mina k"]
    assert page.is_hidden(".rv-whose")
    assert page.input_value(".rv-reviewer input") == "mina k"
    press(page, "o")  # keys are back, and nothing is asked again
    wait_ack(page, "Reopened 2 of 2")
    page.end()


def test_a_decision_without_a_name_is_kept_when_the_clip_is_left(browser, server, two):
    page = Watched(browser, server, reviewer="")
    page.goto(two[0] + "&t=0")
    page.wait_result()
    press(page, "n", "x")
    page.wait_for_selector(".rv-whose", state="visible")
    page.click(".rv-shelf .rv-item:has-text('gate.mp4') .rv-entry")
    page.wait_for_function("document.querySelector('.rv-title').textContent === 'gate.mp4'")
    page.wait_result()
    page.fill(".rv-reviewer input", "otto")
    press(page, "Enter")
    wait_ack(page, "What you decided on hall.mp4 is kept as otto.")
    page.click(".rv-shelf .rv-item:has-text('hall.mp4') .rv-entry")
    page.wait_for_function("document.querySelector('.rv-flagged tr')?.dataset.state === 'dismissed'")
    page.end()
