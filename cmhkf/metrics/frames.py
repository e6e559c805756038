"""Precision-recall and ROC curves of rows that stand for several frames each, and their areas.

A row is a snippet of 16 frames, a run of equal scores, or a second of video: it has one score, and so many positive and
negative frames. Sorted once, the same scores can be measured under many weightings, as a bootstrap does.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cmhkf.errors import ConfigError
from cmhkf.timeline import SNIPPET_FRAMES


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


def frame_ap(scores: np.ndarray, labels: np.ndarray, *, mask: np.ndarray | None = None) -> float:
    """Average precision, Σ (recall step) × precision as in scikit-learn (VadCLIP's metric). See `frame_metrics`."""
    return frame_metrics(scores, labels, mask=mask).ap


def pr_auc(scores: np.ndarray, labels: np.ndarray, *, mask: np.ndarray | None = None) -> float:
    """Trapezoid under the precision-recall curve from (0, 1), as XDVioDet and RTFM report it. See `frame_metrics`."""
    return frame_metrics(scores, labels, mask=mask).pr_auc


def frame_auc(scores: np.ndarray, labels: np.ndarray, *, mask: np.ndarray | None = None) -> float:
    """Area under the ROC curve; tied frames count half. See `frame_metrics`."""
    return frame_metrics(scores, labels, mask=mask).auc


def frame_metrics(scores: np.ndarray, labels: np.ndarray, *, mask: np.ndarray | None = None) -> FrameMetrics:
    """Every frame metric from one sort.

    Args:
        scores: anomaly score of each frame of all videos one after the other, any scale, [F].
        labels: 1 or True for an anomalous frame, else 0, any type, [F].
        mask: frames that count, bool [F]; the frames of the abnormal videos give Ano-AP and Ano-AUC.

    Raises:
        ConfigError: lengths differ, a score is not finite, a label is not 0 or 1, or only one of the two is present.
    """
    scores, labels = _frames(scores, labels, mask)
    runs = np.flatnonzero(np.diff(scores, prepend=np.nan))  # frames of a snippet share a score: sort them as one
    positive = np.add.reduceat(labels, runs, dtype=np.int64)
    return Ranking(scores[runs]).metrics(positive, np.diff(runs, append=len(scores)) - positive)


def _frames(scores: np.ndarray, labels: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    for name, values in (("scores", scores), ("labels", labels), ("mask", mask)):
        if values is not None and np.shape(values) != (len(scores.ravel()),):
            raise ConfigError(
                f"{name} has shape {np.shape(values)} and scores {scores.shape}; give one value for each frame in both "
                f"(repeat a snippet's score {SNIPPET_FRAMES} times)"
            )
    if mask is not None:
        if np.asarray(mask).dtype != bool:
            raise ConfigError(f"mask is of type {np.asarray(mask).dtype}; it must be bool, one for each frame")
        scores, labels = scores[mask], labels[mask]
    if not np.isfinite(scores).all():
        raise ConfigError(f"scores hold {int((~np.isfinite(scores)).sum())} values that are not finite; remove them")
    values = np.unique(labels).tolist()
    if values != [0, 1]:
        raise ConfigError(f"labels hold the values {values[:5]}; they must be 0 and 1, and both must occur")
    return scores, labels == 1
