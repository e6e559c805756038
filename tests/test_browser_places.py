"""Where a reviewer is and stays: the browser's history, files that come in meanwhile, begun reviews, words that go when
what they were about is over, and the focus."""

import sqlite3
import time

import pytest
from browser import SECONDS, Server, address_of, opened_on, press, states, wait_ack
from fakes import make_video

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DROP = """([name, text, target]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], name, { type: 'text/plain' }));
  document.querySelector(target).dispatchEvent(
    new DragEvent('drop', { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""
FOCUS = "document.activeElement.className + ' ' + (document.activeElement.getAttribute('aria-label') ?? '')"
VIEW = "document.querySelector('.rv').dataset.view"
TITLE = "document.querySelector('.rv-title').textContent"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    return [make_video(folder / f"{name}.mp4", seconds=SECONDS + i) for i, name in enumerate(("dock", "yard"))]


@pytest.fixture(scope="module")
def two(browser, server, files):
    """Two analysed clips, dock and yard: their addresses."""
    return [address_of(browser, server, file) for file in files]


@pytest.fixture
def analysed(two):
    return two[0]


def opened(page, name):
    page.wait_for_function(f"{TITLE} === {name!r} && {VIEW} === 'clip'")


def row(page, text):
    return page.locator(f".rv-shelf .rv-item:has-text('{text}')")


def open_from_list(watched, name):
    row(watched, name).locator(".rv-entry").click()
    opened(watched, name)
    watched.wait_result()


# History ------------------------------------------------------------------------------------------------------------


def test_back_and_forward_go_between_clips_and_the_library(watched, server, two):
    watched.wait_for_selector(".rv-shelf .rv-entry")
    open_from_list(watched, "dock.mp4")
    press(watched, "n", "n")
    watched.wait_time(watched.starts()[1])
    at = watched.time()
    open_from_list(watched, "yard.mp4")  # at once: the moment in the first clip was not written yet
    watched.click(".rv-brand")
    watched.wait_for_function(f"{VIEW} === 'home'")
    watched.go_back()
    opened(watched, "yard.mp4")
    watched.go_back()
    opened(watched, "dock.mp4")
    watched.wait_result()
    watched.wait_time(at)
    watched.wait_for_selector(".rv-flagged tr:nth-child(2)[aria-current]")
    watched.go_back()
    watched.wait_for_function(f"{VIEW} === 'home'")
    assert watched.url.startswith(server.url)
    watched.go_forward()
    opened(watched, "dock.mp4")
    watched.go_forward()
    opened(watched, "yard.mp4")
    watched.wait_for_url("**clip=*")
    assert watched.evaluate("history.length") <= 6


def test_back_restores_how_a_clip_was_looked_at(watched, two):
    watched.wait_for_selector(".rv-shelf .rv-entry")
    open_from_list(watched, "dock.mp4")
    watched.fill(".rv-cut input[name=threshold]", "0.95")
    watched.click(".rv-sortby[data-sort=peak]")
    watched.wait_for_url("**threshold=0.95**seg_sort=peak**")
    watched.click(".rv-brand")
    watched.wait_for_function(f"{VIEW} === 'home'")
    watched.go_back()
    opened(watched, "dock.mp4")
    watched.wait_result()
    assert (watched.input_value(".rv-cut input[name=threshold]"), len(watched.starts())) == ("0.95", 1)
    watched.go_back()
    watched.go_forward()
    opened(watched, "dock.mp4")
    assert watched.get_attribute("th:has(.rv-sortby[data-sort=peak])", "aria-sort") == "descending"


def test_a_clip_that_cannot_be_opened_leaves_the_one_in_hand(at, server):
    page = at()
    page.evaluate("history.pushState(history.state, '', location.pathname + '?clip=' + 'e'.repeat(64))")
    page.evaluate("history.pushState(history.state, '', location.pathname)")
    page.go_back()
    page.wait_for_selector(".rv-ack.rv-failed")
    assert (page.evaluate(TITLE), page.evaluate(VIEW)) == ("dock.mp4", "clip")


# Files while a clip is in hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        ".rv-stage",
        ".rv-timeline",
        ".rv-library",
    ],
)
def test_an_annotation_file_dropped_anywhere_is_about_the_clip_in_hand(at, target):
    page = at(more="&t=3")
    page.evaluate(DROP, ["gt.csv", "clip,class,segments_s\ndock.mp4,riot,2-4\n", target])
    page.wait_for_selector(".rv-gt-said:has-text('1 anomalous interval, from gt.csv')")
    assert (page.evaluate(VIEW), page.evaluate(TITLE)) == ("clip", "dock.mp4")
    assert page.time() == pytest.approx(3, abs=0.1)
    assert page.get_attribute("#rv-tab-classes", "aria-selected") == "true"


def test_an_annotation_file_without_a_clip_is_explained(watched):
    watched.wait_for_selector(".rv[data-view=home]")
    watched.evaluate(DROP, ["gt.txt", "x", ".rv-drop"])
    watched.wait_for_selector(".rv-said:has-text('gt.txt is no video')")
    assert "open the clip that it describes first" in watched.inner_text(".rv-said")
    assert watched.locator(".rv-upload").count() == 0


def test_a_video_that_comes_in_during_a_review_joins_the_queue(at, tmp_path):
    page = at(more="&t=3")
    page.upload(make_video(tmp_path / "late.mp4", seconds=4))
    page.wait_for_selector(".rv-ack:has-text('late.mp4')")
    press(page, "n", "c")  # the review goes on
    wait_ack(page, "Confirmed")
    page.wait_for_selector(".rv-shelf .rv-item:has-text('late.mp4')")
    page.wait_for_selector(".rv-is-todo:has-text('late.mp4')")
    assert (page.evaluate(VIEW), page.evaluate(TITLE)) == ("clip", "dock.mp4")


def test_a_video_that_came_in_is_offered_and_a_bad_one_leaves_the_clip(at, tmp_path):
    page = at(more="&t=3")
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear reader, this is no video.")
    page.upload(letter)
    page.wait_for_selector(".rv-ack.rv-failed:has-text('letter.mp4')")
    assert (page.evaluate(VIEW), page.evaluate(TITLE)) == ("clip", "dock.mp4")
    page.upload(make_video(tmp_path / "next.mp4", seconds=5))
    page.click(".rv-ack button:has-text('Open it')")
    opened(page, "next.mp4")
    page.wait_result()
    page.go_back()
    opened(page, "dock.mp4")


# Begun reviews ------------------------------------------------------------------------------------------------------


def test_a_begun_review_opens_at_the_first_segment_left(at, server):
    page = at()
    press(page, "n", "c")
    wait_ack(page, "Confirmed 1 of 2 · 1 left")
    second = page.starts()[1]
    page.goto(server.url)
    open_from_list(page, "dock.mp4")
    page.wait_for_selector(".rv-flagged tr:nth-child(2)[aria-current]")
    page.wait_time(second)
    press(page, "x")
    wait_ack(page, "Dismissed 2 of 2 · 0 left")
    page.goto(server.url)
    open_from_list(page, "dock.mp4")
    page.wait_for_selector(".rv-count:has-text('all decided')")
    assert page.locator("tr[aria-current]").count() == 0
    page.goto(server.url)
    open_from_list(page, "yard.mp4")  # not begun
    assert (page.locator("tr[aria-current]").count(), page.time()) == (0, 0)


def test_a_link_to_a_moment_stays_at_its_moment(at):
    watched = at()
    press(watched, "n", "c")
    wait_ack(watched, "1 left")
    again = at(more="&t=1.5")
    again.wait_time(1.5)
    assert again.locator("tr[aria-current]").count() == 0


# Words that go ------------------------------------------------------------------------------------------------------


def test_the_words_of_one_reviewer_go_with_the_reviewer(at):
    page = at("first")
    press(page, "n", "c", "x")
    wait_ack(page, "0 left · revision 2")
    page.fill(".rv-reviewer input", "second")
    press(page, "Enter")
    page.wait_for_function("document.querySelector('.rv-count').textContent.startsWith('2 of 2 left')")
    assert page.inner_text(".rv-ack") == ""
    press(page, "c")
    wait_ack(page, "revision 1")


def test_decisions_under_way_belong_to_who_took_them(at, server):
    page = at("early")
    press(page, "n", *"cxcxc")
    page.fill(".rv-reviewer input", "late")
    press(page, "Enter")
    page.wait_for_function("document.querySelector('.rv-count').textContent.startsWith('2 of 2 left')")
    end, found = time.monotonic() + 30, []
    while len(found) < 5 and time.monotonic() < end:  # they are saved one after the other
        with sqlite3.connect(server.home / "review.sqlite3") as file:
            found = file.execute("select reviewer from decisions where reviewer in ('early', 'late')").fetchall()
    assert found == [("early",)] * 5


def test_the_last_segment_says_so_and_offers_what_is_left(at):
    page = at()
    press(page, "n", "n", "n")
    wait_ack(page, "No segment follows in this list.")
    page.click(".rv-ack button:has-text('Go to one left to review')")
    page.wait_for_selector(".rv-flagged tr:nth-child(1)[aria-current]")
    assert page.inner_text(".rv-ack") == ""
    press(page, "c", "c", "n")
    wait_ack(page, "No segment follows")
    page.click(".rv-ack button:has-text('Go to the first')")
    page.wait_time(page.starts()[0])
    press(page, "x", "n", "n")
    wait_ack(page, "No segment follows")
    page.click(".rv-ack button:has-text('Go to the first')")
    page.wait_time(page.starts()[1])  # the first that N goes to
    press(page, "p")
    wait_ack(page, "This list begins here.")
    page.fill(".rv-cut input[name=threshold]", "1")
    page.evaluate("document.activeElement.blur()")
    page.select_option("[name=seg_state]", "open")
    page.evaluate("document.activeElement.blur()")
    press(page, "n")
    wait_ack(page, "There is no segment to go to.")


def test_zero_dismisses_as_normal(at, server):
    page = at()
    press(page, "n", "c", "p", "0")
    wait_ack(page, "Normal, so dismissed: 1 of 2")
    assert states(page) == ["dismissed", "open"]
    assert "fighting" in page.inner_text(".rv-flagged tr:nth-child(1) .rv-class")
    page.select_option(".rv-label", "normal")
    wait_ack(page, "Normal, so dismissed: 2 of 2")
    assert states(page) == ["dismissed", "dismissed"]
    with sqlite3.connect(server.home / "review.sqlite3") as file:
        (kept,) = file.execute('select count(*) from decisions where after like \'%"label": "normal"%\'').fetchone()
    assert kept == 0


def test_what_was_said_of_a_lost_server_goes_when_it_is_back(browser, files, tmp_path):
    server = Server(tmp_path)
    try:
        page = opened_on(browser, server, files[0])
        page.click("#rv-tab-why")
        press(page, "n")
        page.wait_for_selector("#rv-panel-why .rv-nearest")
        server.process.kill()
        server.process.wait()
        press(page, "n", "c")
        page.wait_for_selector(".rv-ack:has-text('does not answer')")
        page.wait_for_selector("#rv-panel-why:has-text('does not answer')")
        page.wait_for_selector(".rv-offline", state="visible")
        server.start()
        page.wait_for_selector(".rv-offline", state="hidden")
        wait_ack(page, "Confirmed 2 of 2 · 1 left · revision 1")  # sent again
        page.wait_for_selector("#rv-panel-why .rv-whyhead:has-text('fighting')")  # it moved on
        assert "does not answer" not in page.inner_text(".rv-main")
        press(page, "x")
        wait_ack(page, "Dismissed 1 of 2")
        page.close()
        assert all("console" in fault for fault in page.faults), page.faults
    finally:
        server.stop()


# Focus --------------------------------------------------------------------------------------------------------------


def test_after_the_last_decision_space_plays_and_opens_nothing(watched, server, two, tmp_path):
    """The list shows what is to be reviewed; the clip in hand leaves it, and with it the row that had the focus."""
    watched.bring(make_video(tmp_path / "porch.mp4", seconds=SECONDS + 5))
    watched.goto(server.url + "?state=todo")
    row(watched, "porch.mp4").locator(".rv-entry").focus()
    press(watched, "Enter")
    opened(watched, "porch.mp4")
    watched.wait_result()
    press(watched, "n", "c", "c")
    wait_ack(watched, "0 left")
    row(watched, "porch.mp4").wait_for(state="detached")
    assert "Playback position" in watched.evaluate(FOCUS)
    press(watched, "Space")
    watched.wait_for_function("!document.querySelector('.rv-video').paused")
    assert watched.evaluate(TITLE) == "porch.mp4"


RINGS = """() => {
  // Of every control that can have the focus: those whose ring is cut off by something round it.
  const cut = [];
  const controls = '.rv button, .rv input, .rv select, .rv textarea, .rv summary, .rv a, .rv [tabindex="0"]';
  for (const control of document.querySelectorAll(controls)) {
    if (control.disabled || !control.offsetParent || control.closest('dialog')) continue;
    control.focus({ focusVisible: true });
    if (document.activeElement !== control) continue;
    const style = getComputedStyle(control);
    if (style.outlineStyle === 'none') continue;
    const reach = Math.max(0, parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth));
    const box = control.getBoundingClientRect();
    for (let round = control.parentElement; round && round.closest('.rv'); round = round.parentElement) {
      const drawn = getComputedStyle(round);
      const clips = drawn.overflowX !== 'visible' || /paint|content|strict/.test(drawn.contain) ||
        drawn.contentVisibility === 'auto';
      if (!clips) continue;
      const edge = round.getBoundingClientRect();
      if (box.left - reach < edge.left - 0.1 || box.right + reach > edge.right + 0.1 ||
          box.top - reach < edge.top - 0.1 || box.bottom + reach > edge.bottom + 0.1) {
        cut.push(control.className + ' ' + (control.ariaLabel ?? control.name ?? '') + ' in ' + round.className);
        break;
      }
    }
  }
  return cut;
}"""


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844), (390, 420)])
def test_no_focus_ring_is_cut_off(at, width, height):
    page = at("rings", width=width, height=height)
    press(page, "n")
    if width < 760:
        page.click(".rv-menu")
    page.click(".rv-sift summary")
    page.wait_for_timeout(300)
    assert page.evaluate(RINGS) == []
