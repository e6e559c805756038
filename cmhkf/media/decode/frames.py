"""Frames on the snippet grid (C.1, C.2), cut to size. Runs in the child process."""

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

from cmhkf.errors import MediaError
from cmhkf.media.decode.clock import FileClock, TrackClock
from cmhkf.media.decode.container import ON_GPU, Decoding, Orientation, orientation, pixel_aspect, video_track
from cmhkf.media.decode.description import declared_s, native_rate
from cmhkf.media.decode.missing import frames_unseen, limit_reached
from cmhkf.media.sampling import FrameSampling
from cmhkf.media.sandbox import REPAIR, MediaLimits
from cmhkf.media.unseen import Unseen, as_rows, joined
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES, n_snippets_of

ROUNDING_S = Fraction(1, 2000)  # Matroska and FLV round timestamps to the millisecond
CELL_PX = 16
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


class Shown(NamedTuple):
    """A decoded frame and when it is on display, in seconds after the first frame's presentation time."""

    frame: VideoFrame
    start_s: Fraction
    end_s: Fraction


def stream(
    source: av.container.InputContainer,
    clock: FileClock,
    limits: MediaLimits,
    *,
    sampling: dict[str, Any],
    grid: str,
    every: int,
) -> Iterator[np.ndarray | dict[str, Any]]:
    """Yield uint8 [len(offsets), *size, 3] of each `every`-th snippet, then the timeline's fields and what was not seen
    as a dict."""
    track = video_track(source, limits)
    cutter = Cutter(FrameSampling(**sampling), pixel_aspect(track))
    # A timestamp stands for times within half a unit of its clock; coarser clocks are taken at their word.
    rounding_s = min((track.time_base or Fraction(0)) / 2, ROUNDING_S)
    shown = Showing(source, track, clock, limits)
    starts_s: list[float] = []  # of the native grid
    ticks, end_s = 0, Fraction(0)
    rows: list[np.ndarray] = []
    for picture in shown:
        cut: np.ndarray | None = None
        end_s = picture.end_s
        last_tick = ticks + 1 if grid == "native" else math.ceil((end_s - rounding_s) * GRID_RATE)
        if grid == "native":
            starts_s.append(float(picture.start_s))
        while ticks < last_tick:
            snippet, offset = divmod(ticks, SNIPPET_FRAMES)
            if snippet % every == 0 and offset in cutter.sampling.offsets:
                cut = cutter.cut(picture.frame) if cut is None else cut
                rows.append(cut)
            ticks += 1
            if ticks % SNIPPET_FRAMES == 0 and rows:
                yield np.stack(rows)
                rows = []
        frame = picture.frame
    if ticks < SNIPPET_FRAMES:  # a very short clip: its last frame stays on display
        last = cutter.cut(frame)  # pyright: ignore[reportPossiblyUnboundVariable]  a clip without any is refused before
        rows += [last] * (len(cutter.sampling.offsets) - len(rows))
        yield np.stack(rows)
    rate, times_s = (GRID_RATE, None) if grid == "24fps" else _native(track, clock, starts_s, end_s)
    timeline = {"n_snippets": n_snippets_of(ticks), "duration_s": float(end_s), "rate": str(rate)}
    by = "the GPU" if track.pix_fmt == ON_GPU else "the CPU"
    yield timeline | {"frame_times_s": times_s, "unseen": as_rows(shown.unseen(float(end_s))), "decoded_by": by}


def _native(
    track: VideoStream, clock: FileClock, starts_s: list[float], end_s: Fraction
) -> tuple[Fraction, list[float] | None]:
    """The rate of the decoded frames; and their times, where no rate gives them."""
    if rate := native_rate(track, clock, np.array(starts_s)):
        return rate, None
    if clock.video.counted or len(starts_s) < 2:
        return Fraction(len(starts_s)) / end_s, None
    return (Fraction(len(starts_s)) / end_s).limit_denominator(10**6), [*starts_s, float(end_s)]


class Showing:
    """Frames with their display times. A frame ends where the next begins, the last by its stated length.

    The first frame that comes is at time 0, or where `zero_s` on the file's clock says, of a source amid its frames.
    """

    def __init__(
        self,
        source: av.container.InputContainer,
        track: VideoStream,
        clock: FileClock,
        limits: MediaLimits,
        zero_s: Fraction | None = None,
    ) -> None:
        self._source, self._track, self._clock, self._limits = source, track, clock, limits
        self._decoding = Decoding(source, track)
        self._zero_s = Fraction(0) if zero_s is None else zero_s
        self._is_first_at_zero = zero_s is None
        self._limit = ""

    def __iter__(self) -> Iterator[Shown]:
        timing = TrackClock(self._clock, self._clock.video, self._track)
        frame, start = None, Fraction(0)
        for n, later in enumerate(self._decoding):
            time_s = timing.start_s(later)
            if frame is None:
                self._zero_s = time_s if self._is_first_at_zero else self._zero_s
            else:
                yield Shown(frame, start - self._zero_s, time_s - self._zero_s)
                if reached := limit_reached(self._limits, n, time_s - self._zero_s):
                    self._limit = reached
                    return
            frame, start = later, time_s
        if frame is None:
            raise MediaError(
                f"none of its pictures can be decoded (codec {self._track.codec.canonical_name}). {REPAIR}"
            )
        yield Shown(frame, start - self._zero_s, start - self._zero_s + timing.step_s)

    def unseen(self, end_s: float) -> tuple[Unseen, ...]:
        """What was not seen of the clip, once it was looked through up to `end_s`."""
        declared = declared_s(self._source, self._track, self._clock, end_s, float(self._zero_s))
        found = list(frames_unseen(self._clock, self._decoding, self._zero_s, end_s, declared))
        if self._limit:
            whole_s = max(declared or 0.0, float(self._clock.times_s(self._clock.video).max() - float(self._zero_s)))
            found = [Unseen(s.start_s, min(s.end_s, end_s), s.reason) for s in found if s.start_s < end_s]
            found.append(Unseen(end_s, max(whole_s, end_s), self._limit))
        return joined(found)


class Cutter:
    """Makes of a decoded frame what an encoder wants to see.

    The result equals Pillow's antialiased resize of the displayed frame, then torchvision's centre
    crop, to within one level of 255, or two when the file is turned. Only what the crop keeps is made.
    """

    def __init__(self, sampling: FrameSampling, aspect: Fraction) -> None:
        self.sampling = sampling
        self._aspect = aspect
        self._reformatter = VideoReformatter()
        self._turn: Orientation | None = None
        self._last: np.ndarray | None = None

    def cut(self, frame: VideoFrame) -> np.ndarray:
        """One frame: uint8 RGB [*size, 3]; of a still camera, the last one again. The first one's orientation holds."""
        cut, still_levels = self._resized(frame), self.sampling.still_levels
        if self._last is None or not still_levels or largest_change(cut, self._last) > still_levels:
            self._last = cut
        return self._last

    def _resized(self, frame: VideoFrame) -> np.ndarray:
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
        assert crop, "a frame that is not stretched is cropped"
        edges: list[tuple[float, float]] = []
        for length, pixels, is_mirrored in zip(shown, (frame.width, frame.height), mirrored, strict=True):
            scaled = int(self.sampling.short_side_px * length / min(shown))
            margin = round((scaled - crop) / 2)
            first = scaled - crop - margin if is_mirrored else margin
            edges.append((first * pixels / scaled, (first + crop) * pixels / scaled))
        (left, right), (top, bottom) = edges
        return left, top, right, bottom


def largest_change(frame: np.ndarray, other: np.ndarray) -> float:
    """The mean difference of two frames [H, W, 3] in levels of 255, of the 16 x 16 pixels in which it is largest."""
    height, width = (size // CELL_PX for size in frame.shape[:2])
    difference = np.abs(frame.astype(np.int16) - other)[: height * CELL_PX, : width * CELL_PX]
    return float(difference.reshape(height, CELL_PX, width, CELL_PX, 3).mean(axis=(1, 3, 4)).max())
