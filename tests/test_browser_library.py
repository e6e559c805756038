"""The library in Chromium: many videos at once, finding, removing, a server that goes away, and a list of 500.

Made videos of one length are the same clip, so every test has lengths of its own.
"""

import time

import pytest
from analyses import make_analysis, make_clip
from browser import SCREENS, Server, Watched, serving, violations
from fakes import make_video

from app.clips.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MANY = 500
LONG_MS = 180000  # for work that a busy machine draws out
TALLY = "document.querySelector('.rv-tally').textContent"


class Slow(Server):
    """Four seconds for each analysis, so that there is something to wait for and to cancel."""

    def environment(self):
        return super().environment() | {"CMHKF_FAKE_DELAY_S": "0.4"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server whose library holds 500 clips already; clip i peaks at 0.3 + i / 1000, every tenth is not analysed."""
    home = tmp_path_factory.mktemp("home")
    store = Store(home, f"sqlite:///{home / 'review.sqlite3'}")
    source = home / "in.tmp"
    for i in range(MANY):
        source.write_bytes(b"video")
        probed = make_clip(path=str(source), name="x", sha256=f"{i:04x}" * 16, duration_s=10.0 + i)
        clip = store.add_clip(probed, f"gate {i % 7} camera {i:03d}.mp4", move=True)
        if i % 10:
            store.save(make_analysis([0.1, 0.3 + i / 1000], duration_s=10.0 + i, clip=clip))
    yield from serving(home, Slow)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    return [make_video(folder / f"yard {i}.mp4", seconds=3 + i) for i in range(3)]


def row(page, text):
    return page.locator(f".rv-shelf .rv-item:has-text('{text}')")


def names(page):
    return page.locator(".rv-shelf .rv-name").all_text_contents()


def shown(page, expected):
    """Waits until these are listed, of which those in view are drawn; no more than these may be in the library."""
    script = "n => document.querySelector('.rv-shelf li')?.ariaSetSize === String(n)"
    page.wait_for_function(script, arg=len(expected), timeout=LONG_MS)
    assert names(page) == expected[: page.locator(".rv-shelf .rv-name").count()]


def ready(watched):
    watched.wait_for_selector('.rv:not([data-view="loading"])')
    watched.wait_for_function(f"{TALLY} !== ''")
    return watched


@pytest.mark.serial
def test_five_hundred_clips_are_found_sorted_and_filtered_at_once(watched):
    page = ready(watched)
    page.wait_for_function(f"{TALLY} === '{MANY}'")
    begun = page.evaluate("performance.now()")
    page.fill(".rv-sift [name=q]", "12 camera")
    spent_ms = page.evaluate("t => performance.now() - t", begun)
    expected = [f"gate {i % 7} camera {i:03d}.mp4" for i in reversed(range(MANY)) if "12" in f"{i:03d}"]
    shown(page, expected)
    assert page.inner_text(".rv-tally") == f"{len(expected)} of {MANY}"
    assert spent_ms < 1000
    page.select_option(".rv-sift [name=sort]", "name")
    shown(page, sorted(expected))


def test_what_is_looked_for_is_in_the_address_and_survives_a_reload(watched):
    page = ready(watched)
    page.wait_for_selector(".rv-sift [name=class] option[value=fighting]", state="attached")
    page.fill(".rv-sift [name=q]", "gate 3")
    page.select_option(".rv-sift [name=sort]", "peak")
    page.click(".rv-sift summary")
    page.select_option(".rv-sift [name=class]", "fighting")
    page.select_option(".rv-sift [name=state]", "todo")
    page.fill(".rv-sift [name=min]", "0.7")
    page.wait_for_url("**q=gate+3&sort=peak&class=fighting&state=todo&min=0.7**")
    expected = [f"gate {i % 7} camera {i}.mp4" for i in range(MANY - 1, 399, -1) if i % 10]
    before = [name for name in expected if "3" in name]
    shown(page, before)
    page.reload()
    ready(watched)
    shown(page, before)
    assert page.inner_text(".rv-sift summary") == "Filters (3)"
    page.fill(".rv-sift [name=q]", "no such clip")
    page.click(".rv-nomatch button")
    page.wait_for_function(f"{TALLY} === '{MANY}'")
    page.wait_for_function("!location.search.includes('min=') && location.search.includes('sort=peak')")


def test_several_videos_at_once_each_fails_alone_and_nothing_blocks(watched, three, tmp_path):
    page = ready(watched)
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear reader, this is no video.")
    page.set_input_files(".rv-file", [str(three[0]), str(letter), str(three[1]), str(three[2])])
    page.wait_for_selector(".rv-upload:has-text('yard 2.mp4')")
    failed = page.locator(".rv-upload.rv-failed")
    failed.wait_for()
    assert "letter.mp4" in failed.inner_text()
    assert "not a video" in failed.inner_text()
    page.wait_for_selector(".rv-is-analysing .rv-what:has-text('Looking at the pictures')")
    row(page, "gate 2 camera 499.mp4").locator(".rv-entry").click()  # meanwhile something else is reviewed
    page.wait_for_selector(".rv-field[data-to]", state="attached")
    for i in range(3):
        page.wait_for_selector(f".rv-is-todo:has-text('yard {i}.mp4'):has-text('car accident')", timeout=LONG_MS)
    assert page.inner_text(".rv-title") == "gate 2 camera 499.mp4"
    failed.locator(".rv-away").click()
    page.wait_for_selector(".rv-queue", state="hidden")


def test_a_folder_brings_its_videos_and_names_what_it_leaves_out(watched, three, tmp_path):
    page = ready(watched)
    inner = tmp_path / "footage" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "footage" / "notes.txt").write_text("notes")
    for i in range(2):
        make_video(inner / f"lobby {i}.mp4", seconds=1 + i)
    page.set_input_files(".rv-folder", str(tmp_path / "footage"))
    assert "2 videos" in page.inner_text(".rv-said")
    assert "1 file is no video" in page.inner_text(".rv-said")
    page.wait_for_selector(".rv-shelf .rv-item:has-text('lobby 1.mp4')", timeout=LONG_MS)
    page.wait_for_selector(".rv-is-todo:has-text('lobby 1.mp4')", timeout=LONG_MS)


def test_removal_says_what_goes_and_really_takes_it_away(watched, server, three):
    watched.bring(three[2])
    watched.wait_for_url("**clip=*")
    clip = watched.url.split("clip=")[1].split("&")[0]
    assert list(server.home.rglob(f"{clip}*"))
    row(watched, "yard 2.mp4").locator(".rv-away").click()
    assert "every analysis of it" in watched.inner_text(".rv-removal")
    assert (watched.evaluate("document.activeElement.textContent"), violations(watched)) == ("Keep it", [])
    watched.keyboard.press("Escape")
    assert row(watched, "yard 2.mp4").count() == 1
    row(watched, "yard 2.mp4").locator(".rv-away").click()
    watched.click(".rv-danger")
    watched.wait_for_selector(".rv[data-view=home]")
    watched.wait_for_function("!document.querySelector('.rv-shelf').textContent.includes('yard 2.mp4')")
    assert watched.inner_text(".rv-live") == "yard 2.mp4 was removed"
    assert not list(server.home.rglob(f"{clip}*"))
    # The player may have asked once more; the console says so without naming the file.
    watched.faults = [fault for fault in watched.faults if clip not in fault and "status of 403" not in fault]
    watched.reload()
    ready(watched)
    assert row(watched, "yard 2.mp4").count() == 0


def test_the_list_cancels_and_begins_again_without_opening(watched, tmp_path):
    page = ready(watched)
    files = [make_video(tmp_path / f"dock {i}.mp4", seconds=6 + i) for i in range(2)]
    page.set_input_files(".rv-file", [str(file) for file in files])
    row(page, "dock 1.mp4").locator("text=Cancel").click()
    page.locator(".rv-is-unseen:has-text('dock 1.mp4') .rv-link").click()
    page.wait_for_selector(".rv-is-todo:has-text('dock 1.mp4')", timeout=LONG_MS)
    assert page.get_attribute(".rv", "data-view") == "home"


LINE = "[...document.querySelectorAll('.rv-line .rv-name')].map((e) => e.textContent)"


def test_the_queue_is_put_in_order_by_hand_and_says_how_long_it_takes(watched, tmp_path):
    page = ready(watched)
    files = [make_video(tmp_path / f"pier {i}.mp4", seconds=9 + i) for i in range(8)]
    page.set_input_files(".rv-file", [str(file) for file in files])
    page.wait_for_function(f"{LINE}.includes('pier 7.mp4')", timeout=LONG_MS)
    page.click(".rv-line summary")
    assert violations(page) == []
    page.wait_for_function(f"first => {LINE}[0] !== first", arg=page.evaluate(LINE)[0])  # one has just begun
    page.locator(".rv-line li:has-text('pier 7.mp4')").get_by_role("button", name="Do first").click()
    page.wait_for_function(f"{LINE}.indexOf('pier 7.mp4') === 1")
    assert page.evaluate("document.activeElement.title") == "Do first: pier 7.mp4"  # the keyboard stays where it was
    page.wait_for_selector(".rv-line .rv-what:has-text('done in')", timeout=LONG_MS)
    page.wait_for_selector(".rv-line summary:has-text('clips to analyse · ')")
    page.reload()
    ready(page)
    order = page.evaluate(LINE)
    assert "pier 7.mp4" not in order[2:]
    for name in order[1:]:
        page.get_by_role("button", name=f"Cancel the analysis of {name}").first.click()
        page.wait_for_function(f"name => !{LINE}.includes(name)", arg=name, timeout=LONG_MS)
    assert row(page, order[-1]).locator("button:text-is('Analyse')").count() == 1
    assert page.inner_text(".rv-all").startswith("Analyse all ")


def test_failed_uploads_say_why_one_by_one_known_ones_are_one_line_and_both_go_at_once(watched, tmp_path):
    page = ready(watched)
    moles = [make_video(tmp_path / f"mole {i}.mp4", seconds=13 + i) for i in range(2)]
    bad = [tmp_path / f"letter {i} that has a name too long to stand in a column.mp4" for i in range(3)]
    for i, file in enumerate(bad):
        file.write_text(f"Dear reader, this is no video; neither is the one before, number {i}.")
    page.set_input_files(".rv-file", [str(file) for file in moles])
    for file in moles:
        row(page, file.name).wait_for(timeout=LONG_MS)
    page.set_input_files(".rv-file", [str(file) for file in (*bad, *moles)])
    page.wait_for_selector(".rv-folded:has-text('3 uploads failed')", timeout=LONG_MS)
    page.wait_for_selector(".rv-folded:has-text('2 duplicates')", timeout=LONG_MS)
    page.wait_for_selector(".rv-said:has-text('is in the library already, as mole 1.mp4')")
    assert page.locator(".rv-queue > li").count() == 2
    assert page.is_hidden(".rv-upload:has-text('mole 1.mp4') .rv-what")
    right = page.locator(".rv-queue").bounding_box()["width"]
    for i in range(3):
        said = page.locator(f".rv-upload .rv-failed:has-text('letter {i}') .rv-what")
        assert said.inner_text() == "Is text, not a video: was an error page saved in its place? Fetch it again."
        assert said.evaluate("e => e.scrollHeight <= e.clientHeight"), "its end is cut off"
        away = page.locator(f".rv-upload .rv-failed:has-text('letter {i}') .rv-away").bounding_box()
        assert away["x"] + away["width"] <= right
    assert violations(page) == []
    page.locator(".rv-upload .rv-failed:has-text('letter 1') .rv-away").click()
    page.wait_for_selector(".rv-folded:has-text('2 uploads failed')")
    page.locator(".rv-folded:has-text('failed')").get_by_role("button", name="Dismiss all").click()
    page.locator(".rv-folded:has-text('duplicates')").get_by_role("button", name="Dismiss all").click()
    page.wait_for_selector(".rv-queue", state="hidden")


def test_a_lost_server_is_said_and_the_page_goes_on_when_it_is_back(watched, server, tmp_path):
    watched.upload(make_video(tmp_path / "stairs.mp4", seconds=8))
    watched.wait_for_selector(".rv-stagename:has-text('Looking')")
    server.process.kill()
    server.process.wait()
    watched.wait_for_selector(".rv-offline", state="visible")
    assert "tries again by itself" in watched.inner_text(".rv-offline")
    assert violations(watched) == []
    server.start()
    watched.wait_for_selector(".rv-offline", state="hidden", timeout=60000)
    watched.wait_result()  # the server took the interrupted analysis up again
    watched.wait_for_selector(".rv-is-todo:has-text('stairs.mp4')")
    assert all("console" in fault for fault in watched.faults), watched.faults
    watched.faults.clear()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_views_are_accessible(browser, server, three, theme):
    page = Watched(browser, server)
    page.goto(server.url + f"?__theme={theme}&min=0.1&q=yard")
    ready(page)
    assert violations(page) == []
    page.bring(three[0])
    assert violations(page) == []
    page.end()


def test_the_search_stays_while_the_list_scrolls(watched):
    page = ready(watched)
    page.evaluate("document.querySelector('.rv-shelf').scrollTop = 5000")
    shelf, search = (page.locator(each).bounding_box() for each in (".rv-shelf", ".rv-sift [name=q]"))
    assert page.evaluate("document.querySelector('.rv-shelf').scrollTop") > 500
    assert 46 < search["y"] < search["y"] + search["height"] <= shelf["y"]
    assert shelf["y"] + shelf["height"] <= 900


def test_the_keyboard_walks_from_the_search_down_the_list(watched):
    page = ready(watched)
    page.focus(".rv-sift [name=q]")
    for expected in ("SELECT", "SUMMARY", "BUTTON"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") == expected
    first = page.evaluate("document.activeElement.querySelector('.rv-name').textContent")
    page.keyboard.press("ArrowDown")
    second = page.evaluate("document.activeElement.querySelector('.rv-name').textContent")
    assert [first, second] == names(page)[:2]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").endswith(second)


@pytest.mark.parametrize(("width", "height"), SCREENS[1:])
def test_the_drawer_fits_small_screens(browser, server, width, height):
    page = Watched(browser, server, width, height)
    page.goto(server.url)
    ready(page)
    page.click(".rv-menu")
    box = page.locator(".rv-library").bounding_box()
    assert box["x"] == 0
    assert box["width"] <= 0.9 * width
    assert box["y"] + box["height"] <= height + 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.mouse.click(width - 8, height / 2)
    page.wait_for_selector(".rv-library", state="hidden")
    page.end()


@pytest.mark.serial
def test_the_page_is_usable_soon_after_the_server(watched):
    begun = time.monotonic()
    watched.reload()
    ready(watched)
    assert time.monotonic() - begun < 15  # the promise is 3 s on an idle machine
