"""Sprite strips: a few small frames of an event, or a clip's keyframe alone, in one JPEG, made when a list shows it."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Condition, Thread

import numpy as np
from PIL import Image

from app.clips.scheduler import Scheduler
from app.clips.store import Store
from cmhkf import CmhkfError
from cmhkf.analysis import Analysis, Curve
from cmhkf.media.clip import Clip
from cmhkf.media.written import stills

VERSION = 1  # in the files' names
FRAMES = 8  # of a strip, evenly over the event
EARLY_S = 1.0  # where a clip without an analysis is looked at: its first frame is often black
LAST_S = 0.1  # no keyframe is nearer to a clip's end, where none may be on display any more
LONG_SIDE_PX = 256
MOST_WAITING = 120  # strips; those that were asked for longest ago are not on screen any more
QUALITY = 70
MOST_TOGETHER = 8  # strips of one clip that one pass over it makes


@dataclass(frozen=True)
class Wanted:
    """Part of a clip, or one moment of it, which begins and ends at once."""

    sha256: str
    start_s: float
    end_s: float
    peak_s: float | None

    @property
    def n_frames(self) -> int:
        """How many frames its strip has."""
        return FRAMES if self.end_s > self.start_s else 1

    @classmethod
    def moment(cls, sha256: str, at_s: float) -> "Wanted":
        """One frame."""
        return cls(sha256, at_s, at_s, at_s)


class Strips:
    """Makes and finds them; what was asked for last comes first."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store, self._scheduler = store, scheduler
        self._waiting: OrderedDict[Wanted, None] = OrderedDict()
        self._failed: OrderedDict[Wanted, str] = OrderedDict()
        self._wake = Condition()
        self._worker: Thread | None = None

    def of(self, wanted: Sequence[Wanted]) -> list[tuple[Path | None, str]]:
        """Where each lies, or None while it is being made; and why one cannot be made."""
        found = [(path if (path := self._path(each)).exists() else None) for each in wanted]
        missing = [each for each, path in zip(wanted, found, strict=True) if path is None]
        with self._wake:
            for each in reversed(missing):
                if each not in self._failed:
                    self._waiting[each] = None
                    self._waiting.move_to_end(each)
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
            if self._waiting and self._worker is None:
                self._worker = Thread(target=self._run, name="strips", daemon=True)
                self._worker.start()
            self._wake.notify()
            return [(path, self._failed.get(each, "")) for each, path in zip(wanted, found, strict=True)]

    def _path(self, wanted: Wanted) -> Path:
        part = f"{round(wanted.start_s * 1000)}-{round(wanted.end_s * 1000)}"
        return self._store.previews_dir / f"{wanted.sha256}.v{VERSION}.{part}.strip.jpg"

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting)
                newest = next(reversed(self._waiting))
                together = [each for each in self._waiting if each.sha256 == newest.sha256][-MOST_TOGETHER:]
                for each in together:
                    del self._waiting[each]
            try:
                self._make(newest.sha256, sorted(together, key=lambda each: each.start_s))
            except (CmhkfError, OSError) as error:
                with self._wake:
                    self._failed |= dict.fromkeys(together, str(error))
                    while len(self._failed) > MOST_WAITING:
                        self._failed.popitem(last=False)

    def _make(self, sha256: str, together: Sequence[Wanted]) -> None:
        """The strips of one clip, in order of time, so that one pass over it finds their frames."""
        with self._scheduler.using(sha256):
            clip = self._store.clip(sha256)
            times = sorted((at_s, i) for i, each in enumerate(together) for at_s in frame_times_of(each))
            frames: list[list[Image.Image]] = [[] for _ in together]
            found = stills(clip, [at_s for at_s, _ in times], long_side_px=LONG_SIDE_PX)
            for (_, i), jpeg in zip(times, found, strict=True):
                if jpeg:
                    frames[i].append(Image.open(BytesIO(jpeg)))
            for each, own in zip(together, frames, strict=True):
                if not own:
                    raise CmhkfError(f"{clip.name} shows no frame there")
                width, height = own[0].size
                strip = Image.new("RGB", (width * each.n_frames, height))
                for i in range(each.n_frames):
                    strip.paste(own[min(i, len(own) - 1)], (i * width, 0))
                with self._store.scratch.making(self._path(each)) as part:
                    strip.save(part, "JPEG", quality=QUALITY)


def frame_times_of(wanted: Wanted) -> list[float]:
    """When the frames of a strip are: the middles of equal parts, the one nearest to the peak at the peak."""
    edges = np.linspace(wanted.start_s, wanted.end_s, wanted.n_frames + 1)
    times = (edges[:-1] + edges[1:]) / 2
    if wanted.peak_s is not None:
        times[peak_frame(wanted)] = min(max(wanted.peak_s, wanted.start_s), wanted.end_s)
    return times.tolist()


def peak_frame(wanted: Wanted) -> int:
    """Which frame of a strip shows the peak, from 0; the middle one without a peak."""
    if wanted.peak_s is None:
        return wanted.n_frames // 2
    share = (wanted.peak_s - wanted.start_s) / max(wanted.end_s - wanted.start_s, 1e-9)
    return int(np.clip(share * wanted.n_frames, 0, wanted.n_frames - 1))


def peak_moment(curve: Curve | Analysis) -> Wanted:
    """The moment of the highest score: the keyframe of a clip that is analysed."""
    line = curve.timeline
    at_s = min(float(line.middles_s[curve.scores.argmax()]), line.duration_s - LAST_S)
    return Wanted.moment(curve.clip.sha256, max(0.0, at_s))


def early_moment(clip: Clip) -> Wanted:
    """The keyframe of a clip that is not."""
    return Wanted.moment(clip.sha256, min(EARLY_S, clip.duration_s / 2))
