"""Two scorers on the same videos: how far apart their metrics are, by a paired bootstrap over videos.

Each resample draws the videos once and measures both scorers on them, so that what makes a draw easy or hard for both
cancels out: the interval of the difference is narrower than two intervals apart would suggest.
"""

from typing import NamedTuple

import numpy as np

from cmhkf.errors import DataError
from cmhkf.metrics.frames import FrameMetrics, Ranking
from cmhkf.metrics.intervals import LEVEL, RESAMPLES, Interval, draws

PAIRED = ("ap", "pr_auc", "auc")


class Pair(NamedTuple):
    """One metric of two scorers, in [0, 1]."""

    first: float
    second: float
    difference: Interval
    """First minus second."""
    p: float
    """Two-sided: twice the share of resamples in which the difference is 0 or on the other side, each share counted
    with one more resample, at most 1. NaN without a resample."""


def measure_pair(
    first: np.ndarray,
    second: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
    groups: np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Pair]:
    """Compare two scorers row by row; the metrics of PAIRED by name.

    Args:
        first: scores of each row by the first scorer, any scale, [R].
        second: by the second, on a scale of its own, [R].
        positive: anomalous frames in each row, [R].
        negative: normal frames, [R].
        groups: the video of each row, any integers, [R].
        resamples: how many times the videos are drawn; one without both kinds of frames does not count.
        seed: of the draws, which are those of `measure`.

    Raises:
        DataError: one of the two kinds does not occur.
    """
    if not (positive.any() and negative.any()):
        raise DataError("the videos hold frames of one kind alone; both are needed to compare anything")
    rankings = Ranking(first), Ranking(second)
    whole = [ranking.metrics(positive, negative) for ranking in rankings]
    drawn = [
        [ranking.metrics(positive * times, negative * times) for ranking in rankings]
        for times in draws(groups, resamples, seed=seed)
        if (positive * times).any() and (negative * times).any()
    ]
    return {name: _pair(name, whole, drawn) for name in PAIRED}


def _pair(name: str, whole: list[FrameMetrics], drawn: list[list[FrameMetrics]]) -> Pair:
    first, second = (getattr(metrics, name) for metrics in whole)
    apart = np.array([getattr(a, name) - getattr(b, name) for a, b in drawn])
    if not len(apart):
        return Pair(first, second, Interval(first - second, np.nan, np.nan), np.nan)
    low, high = np.quantile(apart, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    beyond = min((apart <= 0).sum(), (apart >= 0).sum())
    p = min(1.0, 2 * (beyond + 1) / (len(apart) + 1))
    return Pair(first, second, Interval(first - second, float(low), float(high)), float(p))
