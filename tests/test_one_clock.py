"""One moment of the footage everywhere: in Chromium, in cut clips and in stills, for every odd clock."""

from dataclasses import dataclass
from io import BytesIO

import av
import numpy as np
import pytest
from media_factory import read_number
from PIL import Image
from time_cases import CASES, CLOCKS, TimeCase

from cmhkf.media.clip import Clip, cut_places, probe, stream_audio
from cmhkf.media.cutting import cut_pieces, plan_piece
from cmhkf.media.proxy import make_proxy, needs_proxy
from cmhkf.media.written import stills

RATE_HZ = 16_000
CLICK_S = 0.05
PAGE = "<video muted preload=auto></video><canvas></canvas>"
LOAD = """source => new Promise((done, fail) => {
  const video = document.querySelector('video');
  video.onloadeddata = () => done(video.duration);
  video.onerror = () => fail(video.error.message);
  video.src = source;
})"""
# The row of pixels in the middle of what is shown at a time, as the eye gets it.
LOOK = """async (time) => {
  const video = document.querySelector('video'), canvas = document.querySelector('canvas');
  const there = new Promise((done) => { video.onseeked = done; });
  // A busy machine shows the frame some time after it is sought; one that is on display already is not shown again.
  const shown = new Promise((done) => { video.requestVideoFrameCallback(done); setTimeout(done, 2000); });
  video.currentTime = time;
  await there;
  await shown;
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const paper = canvas.getContext('2d');
  paper.drawImage(video, 0, 0);
  return [video.currentTime, [...paper.getImageData(0, canvas.height >> 1, canvas.width, 1).data]];
}"""


@dataclass(frozen=True)
class Made:
    case: TimeCase
    clip: Clip


@pytest.fixture(scope="module", params=CLOCKS)
def made(request, tmp_path_factory):
    case = CASES[request.param](tmp_path_factory.mktemp(request.param))
    return Made(case, probe(case.path))


class Player:
    """A page with a video element, and a server of files with ranges."""

    def __init__(self, browser):
        self.page = browser.new_page()
        self.page.set_default_timeout(60_000)
        self.page.route("http://clips.test/**", self._serve)
        self.page.goto("http://clips.test/")
        self.content = b""

    def _serve(self, route):
        if not route.request.url.endswith("/clip"):
            route.fulfill(body=PAGE, content_type="text/html")
            return
        asked = route.request.headers.get("range", "bytes=0-")[6:].split("-")
        first, last = int(asked[0]), int(asked[1] or len(self.content) - 1)
        about = {"accept-ranges": "bytes", "content-range": f"bytes {first}-{last}/{len(self.content)}"}
        route.fulfill(status=206, headers=about, body=self.content[first : last + 1])

    def seen(self, path, times_s):
        """The number shown at each time."""
        self.content = path.read_bytes()
        self.page.evaluate(LOAD, "http://clips.test/clip")
        numbers = []
        for time_s in times_s:
            at_s, row = self.page.evaluate(LOOK, time_s)
            assert at_s == pytest.approx(time_s, abs=1e-3)
            levels = np.array(row).reshape(-1, 4)[:, :3]
            numbers.append(read_number(np.broadcast_to(levels, (len(levels), *levels.shape))))
        return numbers


@pytest.fixture(scope="module")
def player(browser):
    return Player(browser)


def clicks_s(path):
    """When clicks begin in the sound of a file."""
    loud = np.abs(np.concatenate(list(stream_audio(probe(path), RATE_HZ)))) > 0.1
    starts = np.flatnonzero(loud) / RATE_HZ
    return starts[np.diff(starts, prepend=-1.0) > 0.2]


@pytest.mark.serial
@pytest.mark.browser
def test_the_page_plays_the_right_frames_and_the_sound_with_them(made, player, tmp_path):
    played = made.case.path
    if needs_proxy(made.clip):
        played = tmp_path / "copy.mp4"
        list(make_proxy(made.clip, played))
        assert not needs_proxy(probe(played))
        if made.case.clicks_s:
            np.testing.assert_allclose(clicks_s(played), made.case.clicks_s, atol=CLICK_S)
    moments = made.case.moments
    assert player.seen(played, [time_s for time_s, _ in moments]) == [number for _, number in moments]


@pytest.mark.parametrize(
    "twelfths", [(4, 8), pytest.param((0, 3), marks=pytest.mark.slow), pytest.param((9, 12), marks=pytest.mark.slow)]
)
def test_a_cut_clip_holds_the_right_frames_and_the_sound_with_them(made, twelfths, tmp_path):
    case = made.case
    first, last = (len(case.numbers) * part // 12 for part in twelfths)
    edges, places = [*case.times_s, case.length_s], cut_places(made.clip)
    piece = plan_piece(made.clip, edges[first], edges[last], places=places)
    list(cut_pieces(made.clip, [(piece, tmp_path / "p.mp4")]))
    with av.open(str(tmp_path / "p.mp4")) as source:
        shown = [(f.time, read_number(f.to_ndarray(format="rgb24"))) for f in source.decode(video=0)]
    assert [number for _, number in shown] == list(case.numbers[first:last])
    np.testing.assert_allclose([t for t, _ in shown], np.array(edges[first:last]) - edges[first], atol=0.002)
    if case.clicks_s:
        length_s = edges[last] - edges[first]
        inside, heard = (
            [t for t in clicks if 0.1 < t < length_s - 0.1]  # one at an edge may lie on either side
            for clicks in ([t - edges[first] for t in case.clicks_s], clicks_s(tmp_path / "p.mp4"))
        )
        np.testing.assert_allclose(heard, inside, atol=CLICK_S)


def test_stills_are_the_right_frames(made):
    moments = made.case.moments
    for jpeg, (time_s, number) in zip(stills(made.clip, [t for t, _ in moments]), moments, strict=True):
        assert read_number(np.asarray(Image.open(BytesIO(jpeg)))) == number, time_s
