"""A clip with many segments, analysed before the page is started."""

import pytest
from browser import Server
from fakes import FakeAnalyzer, made_up, make_video

from app.store import Store
from cmhkf.media import probe

SEGMENT_S = 4  # one segment in the middle of every four seconds
CLASSES = ("fighting", "car accident", "fighting", "riot", "car accident", "fighting")
PEAKS = (0.7, 0.95, 0.9, 0.6, 0.82, 0.8)
INDEX = {"fighting": 1, "riot": 3, "car accident": 5}


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """The page over a clip of 24 s, whose six segments `CLASSES` and `PEAKS` describe; and the clip's SHA-256."""
    home = tmp_path_factory.mktemp("home")
    store = Store(home, f"sqlite:///{home / 'review.sqlite3'}")
    video = make_video(home / "plaza.mp4", seconds=SEGMENT_S * len(CLASSES))
    clip = store.add_clip(probe(str(video)), "plaza.mp4", move=True)
    n = len(CLASSES)
    bumps = [(INDEX[c], (i + 0.5) / n, 0.17 / n, peak) for i, (c, peak) in enumerate(zip(CLASSES, PEAKS, strict=True))]
    store.save(made_up(clip, FakeAnalyzer(), bumps))
    made = Server(home)
    yield made, clip.sha256
    made.stop()
    assert "Traceback" not in made.said()
