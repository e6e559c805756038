"""Intervals by resampling whole videos, for frames of one video are not independent of each other; and of counts.

The videos are drawn with replacement, as many as there are; the interval is that of the percentiles. The scores are
sorted once: a draw only changes how often each row counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, gammaincinv  # pyright: ignore[reportMissingTypeStubs]

from cmhkf.errors import DataError
from cmhkf.metrics.frames import Curves, FrameMetrics, Ranking

RESAMPLES = 1000
LEVEL = 0.95  # share of the resamples within an interval


class Interval(NamedTuple):
    """A metric and its percentile interval, NaN where nothing was resampled."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class MeasuredCurve:
    """One scorer on one set of videos; metrics in [0, 1]."""

    ap: Interval
    pr_auc: Interval
    auc: Interval
    prevalence: float
    """The AP of a scorer without skill."""
    n_groups: int
    """Videos."""
    n_resamples: int
    """Those that count: a resample without a positive or without a negative frame has no metrics and is skipped."""
    curves: Curves


def measure(
    scores: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
    groups: np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> MeasuredCurve:
    """Measure rows of any kind: snippets, seconds, frames.

    Args:
        scores: anomaly score of each row, any scale, [R].
        positive: anomalous frames (or seconds, or any other weight >= 0) in each row, [R].
        negative: the same of what is normal, [R].
        groups: the video of each row, any integers, [R].
        resamples: how many times the videos are drawn; 0: no intervals.
        seed: of the draws.

    Raises:
        DataError: lengths differ, a score is not finite, or one of the two kinds does not occur.
    """
    if len({len(scores), len(positive), len(negative), len(groups)}) > 1:
        raise DataError(
            f"{len(scores)} scores, {len(positive)} and {len(negative)} weights and {len(groups)} videos; "
            "give one of each for every row"
        )
    if not np.isfinite(scores).all():
        raise DataError(f"{int((~np.isfinite(scores)).sum())} scores are not finite; mend or leave out their videos")
    if not (positive.any() and negative.any()):
        raise DataError(
            f"of {positive.sum() + negative.sum():g} frames {positive.sum():g} are anomalous; "
            "both kinds are needed to measure anything"
        )
    ranking = Ranking(scores)
    whole = ranking.metrics(positive, negative)
    drawn = list[FrameMetrics]()
    for times in draws(groups, resamples, seed=seed):
        drawn_positive, drawn_negative = positive * times, negative * times
        if drawn_positive.any() and drawn_negative.any():
            drawn.append(ranking.metrics(drawn_positive, drawn_negative))

    def interval(name: str) -> Interval:
        return percentiles(getattr(whole, name), np.array([getattr(metrics, name) for metrics in drawn]))

    ap, trapezoid, auc = (interval(name) for name in ("ap", "pr_auc", "auc"))
    curves = ranking.curves(positive, negative)
    return MeasuredCurve(ap, trapezoid, auc, whole.prevalence, len(np.unique(groups)), len(drawn), curves)


def draws(groups: np.ndarray, resamples: int, *, seed: int) -> Iterator[np.ndarray]:
    """How often each row counts, [R], in each resample: groups are drawn with replacement, as many as there are."""
    _, group = np.unique(groups, return_inverse=True)
    n_groups, random = int(group.max()) + 1, np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(n_groups, size=n_groups), minlength=n_groups)[group]


def percentiles(value: float, drawn: np.ndarray) -> Interval:
    """A figure with the interval of its resamples [B]; those in which it is not defined are NaN and left out."""
    defined, edge = drawn[~np.isnan(drawn)], (1 - LEVEL) / 2
    low, high = np.quantile(defined, (edge, 1 - edge)) if len(defined) else (np.nan, np.nan)
    return Interval(value, float(low), float(high))


def poisson_interval(count: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact (Garwood) interval of the mean of a Poisson count."""
    edge = (1 - level) / 2
    low = gammaincinv(count, edge) if count else 0.0
    return float(low), float(gammaincinv(count + 1, 1 - edge))


def binomial_interval(count: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of a share of which `count` of `n` were seen."""
    edge = (1 - level) / 2
    low = betaincinv(count, n - count + 1, edge) if count else 0.0
    high = betaincinv(count + 1, n - count, 1 - edge) if count < n else 1.0
    return float(low), float(high)


def binomial_at_most(count: int, n: int, level: float = LEVEL) -> float:
    """The exact upper bound of that share alone: where nothing was seen, 1 - (1 - level)^(1/n)."""
    return binomial_interval(count, n, 2 * level - 1)[1]
