"""Pictures on the snippet grid (C.1, C.2), cut to size. Runs in the child process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import av.container
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from cmhkf.decode.container import Orientation, clock_of, decoded, orientation, pixel_aspect, video_track
from cmhkf.encoders import FrameSampling
from cmhkf.errors import MediaError
from cmhkf.sandbox import REPAIR, MediaLimits
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES, n_snippets_of

ROUNDING_S = Fraction(1, 2000)  # Matroska and FLV round timestamps to the millisecond
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


class Shown(NamedTuple):
    """A decoded picture and when it is on display, in seconds after the first picture's presentation time."""

    frame: VideoFrame
    start_s: Fraction
    end_s: Fraction


def stream(
    source: av.container.InputContainer, limits: MediaLimits, *, sampling: dict[str, Any], grid: str
) -> Iterator[np.ndarray | dict[str, Any]]:
    """Yield uint8 [len(offsets), *size, 3] per snippet, then the timeline's fields as a dict."""
    track = video_track(source, limits)
    cutter = Cutter(FrameSampling(**sampling), pixel_aspect(track))
    # A timestamp stands for times within half a unit of its clock; coarser clocks are taken at their word.
    rounding_s = min((track.time_base or Fraction(0)) / 2, ROUNDING_S)
    ticks, end_s = 0, Fraction(0)
    rows: list[np.ndarray] = []
    for picture in _shown(source, track, limits):
        cut: np.ndarray | None = None
        end_s = picture.end_s
        last_tick = ticks + 1 if grid == "native" else math.ceil((end_s - rounding_s) * GRID_RATE)
        while ticks < last_tick:
            offset = ticks % SNIPPET_FRAMES
            if offset in cutter.sampling.offsets:
                cut = cutter.cut(picture.frame) if cut is None else cut
                rows.append(cut)
            ticks += 1
            if ticks % SNIPPET_FRAMES == 0:
                yield np.stack(rows)
                rows = []
        frame = picture.frame
    if ticks < SNIPPET_FRAMES:  # a very short clip: its last picture stays on display
        rows += [cutter.cut(frame)] * (len(cutter.sampling.offsets) - len(rows))
        yield np.stack(rows)
    rate = (track.average_rate or Fraction(ticks) / end_s) if grid == "native" else GRID_RATE
    yield {"n_snippets": n_snippets_of(ticks), "duration_s": float(end_s), "rate": str(rate)}


def _shown(source: av.container.InputContainer, track: VideoStream, limits: MediaLimits) -> Iterator[Shown]:
    """Pictures with their display times. A picture ends where the next begins, the last by its stated length."""
    clock = clock_of(source, track)
    frame, start, first = None, Fraction(0), Fraction(0)
    for n, later in enumerate(decoded(source, track)):
        time_s = clock.start_s(later)
        if frame is None:
            first = time_s
        else:
            yield Shown(frame, start - first, time_s - first)
        frame, start = later, time_s
        if n >= limits.pictures:
            raise MediaError(f"it has more than {limits.pictures:,} pictures, the limit. Cut it into shorter parts.")
        if start - first > limits.duration_s:
            raise MediaError(f"it is longer than the limit of {limits.duration_s:,.0f} s. Cut it into shorter parts.")
    if frame is None:
        raise MediaError(f"none of its pictures can be decoded (codec {track.codec.canonical_name}). {REPAIR}")
    yield Shown(frame, start - first, start - first + clock.step_s)


class Cutter:
    """Makes of a decoded picture what an encoder wants to see.

    The result equals Pillow's antialiased resize of the displayed picture, then torchvision's centre
    crop, to within one level of 255, or two when the file is turned. Only what the crop keeps is made.
    """

    def __init__(self, sampling: FrameSampling, aspect: Fraction) -> None:
        self.sampling = sampling
        self._aspect = aspect
        self._reformatter = VideoReformatter()
        self._turn: Orientation | None = None

    def cut(self, frame: VideoFrame) -> np.ndarray:
        """One picture: uint8 RGB [*size, 3]. The first one's orientation holds for all."""
        if self._turn is None:
            self._turn = orientation(frame)
        rgb = Image.fromarray(self._reformatter.reformat(frame, format="rgb24").to_ndarray())
        height, width = self.sampling.size_px
        size = (height, width) if self._turn.transposed else (width, height)
        box = None if self.sampling.stretched_px else self._box(frame, self._turn)
        cut = np.asarray(rgb.resize(size, FILTERS[self.sampling.filter], box=box))
        cut = cut.transpose(1, 0, 2) if self._turn.transposed else cut
        return cut[:: -1 if self._turn.mirror_y else 1, :: -1 if self._turn.mirror_x else 1]

    def _box(self, frame: VideoFrame, turn: Orientation) -> tuple[float, float, float, float]:
        """The stored pixels that become the crop: left, top, right, bottom."""
        shown = (frame.width * self._aspect, Fraction(frame.height))  # stored axes, displayed lengths
        mirrored = (turn.mirror_y, turn.mirror_x) if turn.transposed else (turn.mirror_x, turn.mirror_y)
        crop = self.sampling.crop_px
        assert crop, "a picture that is not stretched is cropped"
        edges: list[tuple[float, float]] = []
        for length, pixels, is_mirrored in zip(shown, (frame.width, frame.height), mirrored, strict=True):
            scaled = int(self.sampling.short_side_px * length / min(shown))
            margin = round((scaled - crop) / 2)
            first = scaled - crop - margin if is_mirrored else margin
            edges.append((first * pixels / scaled, (first + crop) * pixels / scaled))
        (left, right), (top, bottom) = edges
        return left, top, right, bottom
