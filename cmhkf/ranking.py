"""Precision-recall and ROC curves of rows that stand for several frames each, and their areas.

A row is a snippet of 16 frames, a run of equal scores, or a second of video: it has one score, and so many positive and
negative frames. Sorted once, the same scores can be measured under many weightings, as a bootstrap does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class FrameMetrics:
    """Frame metrics of one scorer, each in [0, 1]."""

    ap: float
    pr_auc: float
    auc: float
    prevalence: float
    """Share of positive frames: the AP (and nearly the `pr_auc`) of a scorer without skill, whose `auc` is 0.5."""


class Curves(NamedTuple):
    """Both curves from the strictest threshold to the loosest, [K + 1] each, beginning where nothing is flagged."""

    recall: np.ndarray
    precision: np.ndarray
    fall_out: np.ndarray


class Ranking:
    """Rows sorted by score, highest first; equal scores share one threshold."""

    def __init__(self, scores: np.ndarray) -> None:
        """`scores` [R], finite, any scale."""
        self.order = np.argsort(-scores)
        self.last = np.flatnonzero(np.diff(scores[self.order], append=np.nan))  # of each distinct score, [K]

    def metrics(self, positive: np.ndarray, negative: np.ndarray) -> FrameMetrics:
        """The areas under `curves`: AP is the step sum, the other two are trapezoids."""
        true_pos, false_pos = self._flagged(positive), self._flagged(negative)
        n_positive, n_negative = float(true_pos[-1]), float(false_pos[-1])
        gained, added = np.diff(true_pos, prepend=0), np.diff(false_pos, prepend=0)
        precision = _precision(true_pos, false_pos)
        # Sums of products, not dot products: these are spread over threads, which costs more than they take.
        step_sum = (gained * precision).sum()
        step_sum_before = gained[0] + (gained[1:] * precision[:-1]).sum()  # precision is 1 where nothing is flagged
        return FrameMetrics(
            ap=float(step_sum / n_positive),
            pr_auc=float((step_sum + step_sum_before) / (2 * n_positive)),
            auc=float((added * (true_pos - gained / 2)).sum() / (n_positive * n_negative)),
            prevalence=n_positive / (n_positive + n_negative),
        )

    def curves(self, positive: np.ndarray, negative: np.ndarray) -> Curves:
        """From the frames of each kind in each row [R], in the order of the scores given; both kinds must occur."""
        true_pos, false_pos = self._flagged(positive), self._flagged(negative)
        return Curves(
            recall=np.append(0.0, true_pos / true_pos[-1]),
            precision=np.append(1.0, _precision(true_pos, false_pos)),
            fall_out=np.append(0.0, false_pos / false_pos[-1]),
        )

    def _flagged(self, frames: np.ndarray) -> np.ndarray:
        """Those at or above each threshold, [K]."""
        return np.cumsum(frames[self.order])[self.last]


def _precision(true_pos: np.ndarray, false_pos: np.ndarray) -> np.ndarray:
    """1 as long as nothing is flagged: the first rows may weigh nothing."""
    flagged = true_pos + false_pos
    return np.divide(true_pos, flagged, out=np.ones(len(flagged)), where=flagged > 0)
