"""A curve in Chromium while its clip is still being read: drawn as far as it is known, dashed where provisional."""

import re

import pytest
from browser import SCREENS, Server, Watched, press, serving, violations, wait_ack
from fakes import make_video

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HELD = (5, 9)  # the steps after which it waits
SECONDS = 40  # 60 snippets, of which each of ten steps tells 6 more; half of what is told is final
GROWING = ".rv[data-view='clip'][data-work='growing']"
# The share of the columns of a stretch [from, to) of the clip in which the score is drawn.
DRAWN = """([from, to]) => {
  const canvas = document.querySelector('.rv-plot canvas'), ratio = window.devicePixelRatio;
  const field = document.querySelector('.rv-field').getBoundingClientRect();
  const place = canvas.getBoundingClientRect();
  const ticks = [...document.querySelectorAll('.rv-tick')].map((t) => t.getBoundingClientRect());
  const [top, bottom] = [ticks[2].y - 4, ticks[0].y + ticks[0].height + 4];
  const tip = new OffscreenCanvas(1, 1).getContext('2d');
  tip.fillStyle = getComputedStyle(document.querySelector('.rv-lanes')).getPropertyValue('--rv-score');
  tip.fillRect(0, 0, 1, 1);
  const [r, g, b] = tip.getImageData(0, 0, 1, 1).data;
  const width = Math.floor((to - from) * field.width * ratio), height = Math.floor((bottom - top) * ratio);
  const left = (field.x - place.x + from * field.width) * ratio;
  const { data } = canvas.getContext('2d').getImageData(left, (top - place.y) * ratio, width, height);
  let columns = 0;
  for (let x = 0; x < width; x++)
    for (let y = 0; y < height; y++) {
      const at = 4 * (y * width + x);
      if (data[at + 3] > 200 && Math.hypot(data[at] - r, data[at + 1] - g, data[at + 2] - b) < 40) {
        columns++;
        break;
      }
    }
  return columns / width;
}"""


class Slow(Server):
    """Its analyzer tells what is known so far, and waits after half of its steps and before the last."""

    def environment(self):
        return {**super().environment(), "CMHKF_FAKE_GROWS": str(self.home)}

    def go_on(self, step="*"):
        """Let it go on, from one of both places or to its end."""
        for hold in self.home.glob(f"*.hold{step}"):
            hold.unlink()


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    yield from serving(tmp_path_factory.mktemp("home"), Slow)


@pytest.fixture
def grows(browser, slow, tmp_path, request):
    """Opens the page, brings a new clip in, and answers when its first segment is known."""
    pages = []

    def open_page(width=1440, height=900, theme="light"):
        name = f"{request.node.name} {len(pages)}"
        for step in HELD:
            (slow.home / f"{name}.mp4.hold{step}").touch()
        made = Watched(browser, slow, width, height)
        pages.append(made)
        made.goto(f"{slow.url}?__theme={theme}")
        made.upload(make_video(tmp_path / f"{name}.mp4", seconds=SECONDS, options=("-metadata", f"title={name}")))
        made.wait_for_selector(f"{GROWING} .rv-flagged tr")
        return made

    yield open_page
    slow.go_on()
    for made in pages:
        made.end()


def drawn(page, start_s, end_s):
    return page.evaluate(DRAWN, [start_s / SECONDS, end_s / SECONDS])


def final_until(page):
    """Seconds, by the line above the list."""
    minutes, seconds = map(int, re.search(r"final until (\d+):(\d+)", page.inner_text(".rv-count")).groups())
    return 60 * minutes + seconds


def files_of(server):
    """Curves and analyses."""
    return {path for folder in ("curves", "analyses") for path in (server.home / folder).iterdir()}


def test_a_curve_grows_and_becomes_final(grows, slow):
    page = grows()
    first = final_until(page)
    assert re.fullmatch(
        r"1 segment so far · untrained peak 0\.\d\d · final until 00:\d\d, then provisional",
        page.inner_text(".rv-count"),
    )
    assert drawn(page, 0, 1) > 0.95
    assert drawn(page, 30, 40) == 0  # not read yet
    assert 0.3 < drawn(page, first + 1, first + 4) < 0.85  # dashed
    slow.go_on(5)
    page.wait_for_function("document.querySelectorAll('.rv-flagged tr').length === 2")
    page.wait_for_function(f"!document.querySelector('.rv-count').textContent.includes('final until 00:{first}')")
    assert final_until(page) > first
    assert drawn(page, first - 2, first + 1) > 0.95  # was dashed before
    slow.go_on()
    page.wait_result()
    assert "left" in page.inner_text(".rv-count")
    assert drawn(page, 0, 40) > 0.95
    assert "provisional" not in page.inner_text(".rv-clip")


def test_the_readout_and_the_legend_say_what_is_provisional(grows):
    page = grows()
    assert "provisional" in page.inner_text(".rv-legend")
    box = page.locator(".rv-hit").bounding_box()

    def readout(time):
        page.mouse.move(box["x"] + box["width"] * time / SECONDS, box["y"] + 150)
        return page.inner_text(".rv-readout")

    assert "final" in readout(1)
    assert "provisional\nstill being read" in readout(final_until(page) + 2)
    assert readout(39.5).split("\n")[1:] == ["not read yet"]


def test_segments_are_walked_and_cut_but_not_decided(grows, slow):
    page = grows()
    press(page, "n")
    page.wait_time(page.starts()[0])
    assert page.locator(".rv-table tr[aria-current]").count() == 1
    assert page.locator(".rv-decide [data-do=confirm]").is_disabled()
    assert page.locator(".rv-note").is_disabled()
    assert page.is_hidden(".rv-takeaway")
    assert page.locator("#rv-tab-why").is_disabled()
    for key in ("c", "x", "3", "u", "a", "m"):
        page.evaluate("document.querySelector('.rv-ack').textContent = ''")
        press(page, key)
        wait_ack(page, "still being read")
    page.fill(".rv-cut input[name=threshold]", "0.99")
    page.wait_for_selector(".rv-nothing:has-text('Nothing reaches 0.99 so far.')")
    page.fill(".rv-cut input[name=threshold]", "0.5")
    page.evaluate("document.activeElement.blur()")
    press(page, "z")
    view = page.evaluate("document.querySelector('.rv-field').dataset.to")
    slow.go_on()
    page.wait_result()
    assert page.evaluate("document.querySelector('.rv-field').dataset.to") == view  # what was zoomed to stays
    press(page, "c")
    wait_ack(page, "Confirmed")


def test_a_clip_is_shown_as_far_as_it_is_known_after_a_reload(grows, slow):
    page = grows()
    page.reload()
    page.wait_for_selector(f"{GROWING} .rv-flagged tr")
    slow.go_on()
    page.wait_result()


def test_cancelling_leaves_nothing(grows, slow):
    before = files_of(slow)
    page = grows()
    page.click(".rv-act:has-text('Cancel')")
    page.wait_for_selector(".rv[data-work='rest'] .rv-stagename:has-text('Stopped')")
    assert page.locator(".rv-flagged tr").count() == 0
    assert page.inner_text(".rv-count") == "Segments appear here after the analysis."
    assert files_of(slow) == before


def test_a_failure_leaves_nothing(grows, slow):
    """The page is told that the job failed."""
    page = grows()

    def fails(route):
        response = route.fetch()
        answer = response.json()
        if isinstance(answer, dict) and answer.get("state") == "running":
            answer |= {"state": "failed", "error": "the disk is full", "grown": 0}
        route.fulfill(response=response, json=answer)

    page.route(re.compile("component_server"), fails)
    page.wait_for_selector(".rv[data-work='rest'] .rv-worktext:has-text('the disk is full')")
    assert page.locator(".rv-flagged tr").count() == 0
    page.unroute_all()


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_a_growing_curve_fits(grows, width, height):
    page = grows(width, height)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box, lanes = (page.locator(part).bounding_box() for part in (".rv-work", ".rv-lanes"))
    assert box["y"] >= lanes["y"] + lanes["height"] - 1
    assert box["height"] < 110
    assert violations(page) == []
