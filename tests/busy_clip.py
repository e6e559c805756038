"""A clip with many segments, analysed before; a module that imports `busy_address` opens it with `at`."""

import pytest
from browser import keep
from fakes import FakeAnalyzer, made_up, make_video

SEGMENT_S = 4  # one segment in the middle of every four seconds
CLASSES = ("fighting", "car accident", "fighting", "riot", "car accident", "fighting")
PEAKS = (0.7, 0.95, 0.9, 0.6, 0.82, 0.8)
INDEX = {"fighting": 1, "riot": 3, "car accident": 5}


@pytest.fixture(scope="module")
def busy(server, tmp_path_factory, request):
    """The SHA-256 of a clip of 24 s, the module's own, whose six segments `CLASSES` and `PEAKS` describe."""
    n, title = len(CLASSES), ("-metadata", f"title={request.module.__name__}")
    video = make_video(tmp_path_factory.mktemp("busy") / "plaza.mp4", seconds=SEGMENT_S * n, options=title)
    bumps = [(INDEX[c], (i + 0.5) / n, 0.17 / n, peak) for i, (c, peak) in enumerate(zip(CLASSES, PEAKS, strict=True))]
    return keep(server, video, lambda clip: made_up(clip, FakeAnalyzer(), bumps))[0]


@pytest.fixture(scope="module", name="analysed")
def busy_address(server, busy):
    return f"{server.url}?clip={busy}"
