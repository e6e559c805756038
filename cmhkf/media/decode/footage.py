"""Frames and audio of a file by clip time, as everything that is written shows them. Runs in the child process."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain

import av.error
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from cmhkf.errors import MediaError
from cmhkf.media.decode.audio import Hearing, _joined
from cmhkf.media.decode.clock import FileClock
from cmhkf.media.decode.container import opened, video_track
from cmhkf.media.decode.description import first_frame
from cmhkf.media.decode.frames import ROUNDING_S, Showing, Shown
from cmhkf.media.sandbox import MediaLimits

AUDIO_HZ = 48_000
SOUGHT = ("mov", "matroska")  # containers with an index of key frames and the time of every frame
WORTH_SEEKING_S = 10  # what is less far ahead is decoded
PREROLL_S = Fraction(1)  # read before what is requested


def zero_of(path: str, clock: FileClock, limits: MediaLimits) -> Fraction:
    """When the file's joined clock shows the first frame, which is clip time 0."""
    with opened(path) as source:
        return first_frame(source, video_track(source, limits), clock).zero_s


class Frames:
    """What is on display when. Asked in order, it decodes the file once; requested an earlier time, it begins anew."""

    def __init__(self, path: str, clock: FileClock, limits: MediaLimits, zero_s: Fraction) -> None:
        self._path, self._clock, self._limits, self._zero_s = path, clock, limits, zero_s
        self._coming: Iterator[Shown] = iter(())
        self._held: Shown | None = None

    def between(self, start_s: Fraction, end_s: Fraction | None) -> Iterator[Shown | None]:
        """The frames on display from `start_s` to `end_s` (None: to the last), the first and the last cut to it.

        None is yielded for every frame that is passed over on the way there. Raises MediaError when the clip ends
        before `start_s`.
        """
        self._go_near(start_s)
        while self._held and self._held.end_s <= start_s + ROUNDING_S:
            self._held = next(self._coming, None)
            yield None
        if self._held is None:
            raise MediaError(f"it ends before {float(start_s):.2f} s")
        while self._held:
            frame, shown_s, gone_s = self._held
            over = end_s is not None and gone_s >= end_s - ROUNDING_S
            yield Shown(frame, max(shown_s, start_s), end_s if over and end_s is not None else gone_s)
            if over:
                return
            self._held = next(self._coming, None)

    def _go_near(self, start_s: Fraction) -> None:
        """Hold a frame that is shown at `start_s` or before."""
        if self._held and self._held.start_s <= start_s + ROUNDING_S < self._held.end_s + WORTH_SEEKING_S:
            return
        if start_s > WORTH_SEEKING_S and may_seek(self._clock):
            with suppress(av.error.FFmpegError, MediaError):
                self._open(start_s)
        if self._held is None or self._held.start_s > start_s + ROUNDING_S:
            self._open(None)

    def _open(self, near_s: Fraction | None) -> None:
        source = opened(self._path)
        track = video_track(source, self._limits)
        if near_s is not None:
            seek(source, track, self._zero_s + near_s)
        self._coming = iter(Showing(source, track, self._clock, self._limits, self._zero_s))
        self._held = next(self._coming)


class Audio:
    """The first audio track as stereo at 48 kHz on the clock of the frames; silence where it has none."""

    def __init__(self, path: str, clock: FileClock, limits: MediaLimits, zero_s: Fraction) -> None:
        self._path, self._clock, self._limits, self._zero_s = path, clock, limits, zero_s
        self.fault = ""
        """Why audio is missing, for people."""
        self._take(self._placed(opened(path)), 0)
        self._held = self._next(0)
        """The samples from index `_reached` on that were decoded and not requested yet."""
        self.is_readable = not self.fault

    def between(self, first: int, last: int) -> Iterator[np.ndarray]:
        """The samples `first` to `last` in blocks float32 [S, 2], which are empty on the way there."""
        if not 0 <= first - self._reached < WORTH_SEEKING_S * AUDIO_HZ:
            self._go_near(first)
        while self._reached < last:
            if not len(self._held):
                self._held = self._next(last - self._reached)
            used = min(len(self._held), last - self._reached)
            yield self._held[max(0, first - self._reached) : used]
            self._held, self._reached = self._held[used:], self._reached + used

    def _go_near(self, first: int) -> None:
        if may_seek(self._clock):
            source = opened(self._path)
            with suppress(av.error.FFmpegError, MediaError):
                seek(source, video_track(source, self._limits), self._zero_s + Fraction(first, AUDIO_HZ))
                placed = self._placed(source)
                found = next(placed)
                if found[0] <= first:  # else what lies between may be audio that the jump missed
                    self._take(chain([found], placed), first)
                    return
        if self._reached > first:
            self._take(self._placed(opened(self._path)), 0)

    def _placed(self, source: InputContainer) -> Iterator[tuple[int, np.ndarray]]:
        return Hearing(source, self._clock, self._zero_s).placed(AUDIO_HZ, "stereo")

    def _take(self, placed: Iterator[tuple[int, np.ndarray]], first: int) -> None:
        self._coming = _joined(placed, int(self._limits.duration_s * AUDIO_HZ), first)
        self._reached, self._held = first, np.empty((0, 2), np.float32)

    def _next(self, silence: int) -> np.ndarray:
        """The next samples, or silence after the last and after what cannot be decoded."""
        try:
            return next(self._coming, np.zeros((silence, 2), np.float32))
        except MediaError as error:
            self.fault = str(error)
            return np.zeros((silence, 2), np.float32)


def may_seek(clock: FileClock) -> bool:
    """Whether the frames found after a jump are sure to have the times that they have when all are decoded."""
    return clock.source_format.split(",")[0] in SOUGHT and len(clock.shift_s) == 1 and not clock.video.counted


def seek(source: InputContainer, track: VideoStream, time_s: Fraction) -> None:
    """Jump to a key frame some time before `time_s` on the file's clock."""
    assert track.time_base
    source.seek(round((time_s - PREROLL_S) / track.time_base), stream=track)
