"""Snippets, seconds and frames: the only code that converts between them.

A grid frame is a tick of the 24 fps grid laid over the video by timestamps (`model.md` C.2), or one decoded frame when
the grid is native. Sixteen grid frames make a snippet, one step of the model; trailing grid frames are dropped (C.1),
but a clip shorter than one snippet still has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

Grid = Literal["24fps", "native"]
"""Ticks by the clock, or one for each decoded picture."""

SNIPPET_FRAMES = 16  # grid frames in a snippet
GRID_RATE = Fraction(24)  # frames per second of the default grid
WINDOW_SNIPPETS = 256  # snippets given to the model at once


@dataclass(frozen=True)
class Timeline:
    """The snippets of one clip on the clip's own clock (0 = presentation time of its first picture)."""

    n_snippets: int
    duration_s: float
    rate: Fraction = GRID_RATE
    """Grid frames per second, exact."""

    def __post_init__(self) -> None:
        if self.n_snippets < 1 or self.rate <= 0 or self.duration_s <= 0:
            raise ValueError(f"a timeline needs snippets, a rate and a duration, got {self}")

    @property
    def snippet_s(self) -> float:
        """Seconds covered by one snippet (2/3 on the default grid)."""
        return float(SNIPPET_FRAMES / self.rate)

    @property
    def times_s(self) -> np.ndarray:
        """Start of every snippet in seconds, float64 [N]."""
        return np.arange(self.n_snippets) * SNIPPET_FRAMES * self.rate.denominator / self.rate.numerator

    @property
    def ends_s(self) -> np.ndarray:
        """End of every snippet in seconds, float64 [N]: 16 (n + 1) / rate."""
        return np.arange(1, self.n_snippets + 1) * SNIPPET_FRAMES * self.rate.denominator / self.rate.numerator

    def snippet_at(self, time_s: float) -> int:
        """Index of the snippet that covers `time_s`, clipped to the clip."""
        return min(self.frame_at(time_s) // SNIPPET_FRAMES, self.n_snippets - 1)

    def frame_at(self, time_s: float) -> int:
        """Index of the grid frame shown at `time_s`."""
        return max(0, int(Fraction(time_s).limit_denominator(10**6) * self.rate))

    def windows(self) -> list[slice]:
        """Slices of at most 256 snippets, in order (C.3; ceil, so no empty window)."""
        return [
            slice(start, min(start + WINDOW_SNIPPETS, self.n_snippets))
            for start in range(0, self.n_snippets, WINDOW_SNIPPETS)
        ]


def n_snippets_of(n_grid_frames: int) -> int:
    """Whole snippets in a number of grid frames; at least one, so that a very short clip can be looked at."""
    return max(1, n_grid_frames // SNIPPET_FRAMES)


def edge_frame(time_s: float, rate: Fraction) -> int:
    """Index of the frame that begins nearest to `time_s`, at `rate` frames per second.

    Of an interval `[start_s, end_s)` the edges round to a first frame and to one past the last, so that intervals that
    touch share no frame.
    """
    return max(0, int(Fraction(time_s).limit_denominator(10**6) * rate + Fraction(1, 2)))
