"""A library of thousands in Chromium: only what is in view is drawn, with its keyframe, and nothing loses its place."""

import json
from datetime import datetime, timedelta

import pytest
from analyses import make_clip
from browser import Watched, press, serving, violations
from fakes import FakeAnalyzer, made_up, make_video
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from app.clips.store import ClipRow, Store, _stored
from app.settings import Settings
from cmhkf.media.clip import probe

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MANY = 5000
BEGUN = datetime(2026, 1, 1)
MIDDLE = MANY // 2
SHELF = "document.querySelector('.rv-shelf')"
ROWS = ".rv-shelf .rv-item"
# Rows that are drawn, and those whose place in the list is not where they stand.
DRAWN = """() => [...document.querySelectorAll('.rv-shelf li')].map((row) => [
  Number(row.ariaPosInSet), row.getBoundingClientRect().top - row.parentElement.getBoundingClientRect().top])"""
# Scrolls in so many steps, one for each frame, and answers how often the middle of the view showed no row.
SCROLL = """async ([to, steps]) => {
  const shelf = document.querySelector('.rv-shelf');
  const box = shelf.getBoundingClientRect();
  const frame = () => new Promise(requestAnimationFrame);
  const from = shelf.scrollTop;
  let empty = 0;
  for (let i = 1; i <= steps; i++) {
    shelf.scrollTop = from + ((to - from) * i) / steps;
    await frame();
    await frame();
    empty += !document.elementFromPoint(box.x + 40, box.y + box.height / 2).closest('.rv-item');
  }
  return empty;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """5,000 clips whose files are gone, none analysed, and in their middle three that are, with frames to show."""
    home = tmp_path_factory.mktemp("home")
    store = Store(home, Settings(home=home).store_url)
    rows = []
    for i in range(MANY):
        clip = make_clip(sha256=f"{i:08x}" * 8, name=f"gate {i % 7} camera {i:04d}.mp4", duration_s=10.0 + i)
        at = BEGUN + timedelta(minutes=i)
        rows.append(
            {"sha256": clip.sha256, "name": clip.name, "file": "gone.mp4", "probed": _stored(clip), "created": at}
        )
    with Session(store.engine) as session, session.begin():
        session.execute(insert(ClipRow), rows)
    for i in range(3):
        file = make_video(home / f"yard {i}.mp4", seconds=6 + i)
        clip = store.add_clip(probe(file), file.name, move=True)
        store.save(made_up(clip, FakeAnalyzer()))
        at = BEGUN + timedelta(minutes=MIDDLE, seconds=10 + i)
        with Session(store.engine) as session, session.begin():
            session.execute(update(ClipRow).where(ClipRow.sha256 == clip.sha256).values(created=at))
    yield from serving(home)


@pytest.fixture
def page(watched):
    listed(watched, MANY + 3)
    return watched


def listed(page, count):
    page.wait_for_function("n => document.querySelector('.rv-tally')?.textContent === `${n}`", arg=count)


def names(page):
    return page.locator(".rv-shelf .rv-name").all_text_contents()


def go_to(page, index, steps=1):
    """Scrolls until the clip with that place in the list is the first in view; how many frames were empty meanwhile."""
    high = page.evaluate("document.querySelector('.rv-shelf li').offsetHeight")
    return page.evaluate(SCROLL, [index * high, steps])


def test_a_few_rows_are_drawn_each_at_its_place(page):
    assert page.locator(ROWS).count() < 40
    assert page.get_attribute(f"{ROWS} >> nth=0", "aria-setsize") == str(MANY + 3)
    assert go_to(page, MANY, steps=60) == 0
    page.wait_for_selector(f"{ROWS}:has-text('camera 0000.mp4')")
    high = page.evaluate("document.querySelector('.rv-shelf li').offsetHeight")
    places = page.evaluate(DRAWN)
    assert places[-1][0] == MANY + 3
    assert len(places) < 40
    assert all(top == pytest.approx((place - 1) * high, abs=1) for place, top in places)
    assert [place for place, _ in places] == sorted(place for place, _ in places)


@pytest.mark.serial
def test_thousands_are_found_and_sorted_at_once_from_their_top(page):
    go_to(page, MANY)
    begun = page.evaluate("performance.now()")
    page.fill(".rv-sift [name=q]", "camera 49")
    spent_ms = page.evaluate("t => performance.now() - t", begun)
    found = [i for i in reversed(range(MANY)) if "49" in f"{i:04d}"]
    assert names(page)[:9] == [f"gate {i % 7} camera {i:04d}.mp4" for i in found[:9]]
    assert spent_ms < 1000
    page.select_option(".rv-sift [name=sort]", "name")
    assert names(page)[:9] == sorted(f"gate {i % 7} camera {i:04d}.mp4" for i in found)[:9]
    page.fill(".rv-sift [name=q]", "camera 4999")
    assert names(page) == [f"gate {4999 % 7} camera 4999.mp4"]


def test_the_keyboard_goes_further_than_what_is_drawn(page):
    page.focus(f"{ROWS} >> nth=0 >> .rv-entry")
    press(page, *["ArrowDown"] * 60)
    focused = "document.activeElement.closest('li').ariaPosInSet"
    assert page.evaluate(focused) == "61"
    assert page.evaluate(f"document.activeElement.querySelector('.rv-name').textContent.endsWith('{MANY - 61}.mp4')")
    go_to(page, MANY)  # by the wheel: the focus stays where it was, and is not lost
    assert page.evaluate(focused) == "61"
    press(page, "ArrowUp")
    assert page.evaluate(focused) == "60"
    press(page, "Tab", "Tab", "Tab")
    assert page.evaluate(focused) == "61"
    assert violations(page) == []


def test_back_and_a_clip_that_comes_in_keep_the_place(page, tmp_path):
    go_to(page, MIDDLE - 2)
    row = page.locator(f"{ROWS}:has-text('yard 1.mp4')")
    before = row.bounding_box()["y"]
    row.locator(".rv-entry").click()
    page.wait_result()
    page.set_input_files(".rv-file", str(make_video(tmp_path / "late.mp4", seconds=3)))
    listed(page, MANY + 4)
    assert row.bounding_box()["y"] == pytest.approx(before, abs=1)
    page.go_back()
    page.wait_for_selector(".rv[data-view=home]")
    assert row.bounding_box()["y"] == pytest.approx(before, abs=1)
    page.go_forward()
    page.wait_result()
    assert row.locator(".rv-entry").get_attribute("aria-current") == "true"
    page.wait_for_function("!document.querySelector('.rv-is-analysing')")
    page.evaluate(f"{SHELF}.scrollTop = 0")
    page.click(f"{ROWS}:has-text('late.mp4') .rv-away")
    page.click(".rv-danger")
    listed(page, MANY + 3)


@pytest.mark.parametrize("width", [1440, 390])
def test_keyframes_come_for_what_is_in_sight_and_move_nothing(browser, server, width):
    page, asked = Watched(browser, server, width=width), []

    def note(request):
        body = json.loads(request.post_data or "{}")
        if "component_server" in request.url and body.get("fn_name") == "keyframes":
            asked.extend([*body["data"]["analyses"], *body["data"]["clips"]])

    page.on("request", note)
    page.goto(server.url)
    listed(page, MANY + 3)
    if width < 760:
        page.wait_for_timeout(300)
        assert asked == []  # nobody sees the list
        page.click(".rv-menu")
    page.wait_for_function(f"{SHELF}.clientHeight > 0")
    go_to(page, MIDDLE - 2)
    boxes = (
        "[...document.querySelectorAll('.rv-thumb')].map((e) => [e.offsetWidth, e.offsetHeight, e.offsetTop].join())"
    )
    before = page.evaluate(boxes)
    for i in range(3):
        image = page.locator(f"{ROWS}:has-text('yard {i}.mp4') .rv-thumb img")
        image.wait_for()
        page.wait_for_function("i => i.complete && i.naturalWidth > 0", arg=image.element_handle())
        assert image.get_attribute("alt") == ""
    assert page.locator(f"{ROWS}:has-text('camera') .rv-thumb img").count() == 0  # their files are gone
    assert (page.evaluate(boxes), len(set(before))) == (before, 1)
    assert 0 < len(set(asked)) < 40
    assert violations(page) == []
    page.end()
