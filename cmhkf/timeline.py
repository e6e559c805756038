"""Snippets, seconds and frames: the only code that converts between them.

A grid frame is a tick of the 24 fps grid laid over the video by timestamps (`model.md` C.2), or one decoded frame when
the grid is native; where frames come at a varying rate, a native grid holds when each is shown. Sixteen grid frames
make a snippet, one step of the model; trailing grid frames are dropped (C.1), but a clip shorter than one snippet still
has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np

from cmhkf.numbers import ratio

Grid = Literal["24fps", "native"]
"""Ticks by the clock, or one for each decoded frame."""

SNIPPET_FRAMES = 16  # grid frames in a snippet
GRID_RATE = Fraction(24)  # frames per second of the default grid
WINDOW_SNIPPETS = 256  # snippets given to the model at once


@dataclass(frozen=True)
class Timeline:
    """The snippets of one clip on the clip's own clock (0 = presentation time of its first frame)."""

    n_snippets: int
    duration_s: float
    rate: Fraction = GRID_RATE
    """Grid frames per second: exact, or the mean where `frame_times_s` says when each is shown."""
    frame_times_s: np.ndarray | None = field(default=None, compare=False, repr=False)
    """Native grid at a varying rate: when each frame is shown and where the last one ends, float64 [F + 1]."""

    def __post_init__(self) -> None:
        if self.frame_times_s is not None:
            object.__setattr__(self, "frame_times_s", np.asarray(self.frame_times_s, np.float64))
        if self.n_snippets < 1 or self.rate <= 0 or self.duration_s <= 0:
            raise ValueError(f"a timeline needs snippets, a rate and a duration, got {self}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Timeline:
        """From plain values: n_snippets, duration_s, the rate as text, and frame_times_s where the rate varies."""
        times_s = values.get("frame_times_s")
        return cls(values["n_snippets"], values["duration_s"], ratio(values["rate"], "rate", error=ValueError), times_s)

    @property
    def snippet_s(self) -> float:
        """Seconds covered by one snippet (2/3 on the default grid); the mean where the rate varies."""
        return float(SNIPPET_FRAMES / self.rate)

    @cached_property
    def times_s(self) -> np.ndarray:
        """Start of every snippet in seconds, float64 [N]."""
        return self._edges_s(np.arange(self.n_snippets))

    @cached_property
    def ends_s(self) -> np.ndarray:
        """End of every snippet in seconds, float64 [N]: 16 (n + 1) / rate, or when its last frame gives way."""
        return self._edges_s(np.arange(1, self.n_snippets + 1))

    @cached_property
    def middles_s(self) -> np.ndarray:
        """Middle of every snippet in seconds, no later than the clip's end, float64 [N]."""
        varies = self.frame_times_s is not None
        middles_s = (self.times_s + self.ends_s) / 2 if varies else self.times_s + self.snippet_s / 2
        return np.minimum(middles_s, self.duration_s)

    def _edges_s(self, snippets: np.ndarray) -> np.ndarray:
        if self.frame_times_s is None:
            return snippets * SNIPPET_FRAMES * self.rate.denominator / self.rate.numerator
        return self.frame_times_s[np.minimum(snippets * SNIPPET_FRAMES, len(self.frame_times_s) - 1)]

    def snippet_at(self, time_s: float) -> int:
        """Index of the snippet that covers `time_s`, clipped to the clip."""
        return min(self.frame_at(time_s) // SNIPPET_FRAMES, self.n_snippets - 1)

    def frame_at(self, time_s: float) -> int:
        """Index of the grid frame shown at `time_s`."""
        if self.frame_times_s is not None:
            last = len(self.frame_times_s) - 2
            return int(np.clip(np.searchsorted(self.frame_times_s, time_s, "right") - 1, 0, last))
        return max(0, int(Fraction(time_s).limit_denominator(10**6) * self.rate))

    def frames_from(self, time_s: float) -> int:
        """Index of the first grid frame that begins at `time_s` or later."""
        if self.frame_times_s is not None:
            return int(np.searchsorted(self.frame_times_s, time_s - 1e-6))
        return int(np.ceil(time_s * float(self.rate) - 1e-6))

    def windows(self) -> list[slice]:
        """Slices of at most 256 snippets, in order (C.3; ceil, so no empty window)."""
        return split_windows(self.n_snippets)


def split_windows(n_snippets: int) -> list[slice]:
    """Slices of at most 256 snippets, in order."""
    starts = range(0, n_snippets, WINDOW_SNIPPETS)
    return [slice(start, min(start + WINDOW_SNIPPETS, n_snippets)) for start in starts]


def n_snippets_of(n_grid_frames: int) -> int:
    """Whole snippets in a number of grid frames; at least one, so that a very short clip can be looked at."""
    return max(1, n_grid_frames // SNIPPET_FRAMES)


def edge_frame(time_s: float, rate: Fraction, times_s: np.ndarray | None = None) -> int:
    """Index of the frame that begins nearest to `time_s`, at `rate` frames per second or, where given, at `times_s`.

    Of an interval `[start_s, end_s)` the edges round to a first frame and to one past the last, so that intervals that
    touch share no frame. `times_s` [F] says when each frame of a clip of varying rate is shown (`media.frame_times`).
    """
    if times_s is None:
        return max(0, int(Fraction(time_s).limit_denominator(10**6) * rate + Fraction(1, 2)))
    after = int(np.searchsorted(times_s, time_s))
    if 0 < after < len(times_s):
        return after - int(time_s - times_s[after - 1] < times_s[after] - time_s)
    return after


def frame_time_s(frame: Fraction, rate: Fraction | None, times_s: np.ndarray | None = None) -> float:
    """When a frame begins, at `rate` or, where given, at `times_s` [F]; the inverse of `edge_frame`.

    Past the last of `times_s` frames go on at their mean rate.
    """
    if times_s is None:
        assert rate
        return float(frame / rate)
    step_s = float(times_s[-1]) / max(1, len(times_s) - 1)
    if frame >= len(times_s) - 1:
        return float(times_s[-1]) + (float(frame) - (len(times_s) - 1)) * step_s
    return float(np.interp(float(frame), np.arange(len(times_s)), times_s))
