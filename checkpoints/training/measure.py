"""How well a score finds what people marked in the footage: one protocol for the demo checkpoint and for its rivals.

UCF-Crime: AUC over snippets weighted by their seconds inside and outside the marked segments, all videos together, and
over the abnormal videos alone. Fights and crashes: AUC over clips by their peak. Intervals resample cameras.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import expit

from checkpoints.training.footage import COMPLETE, CRASHES, FIGHTS, MORE, SNIPPET_S, UCF, Video
from checkpoints.training.student import MODEL
from cmhkf.metrics.intervals import Interval, measure
from cmhkf.model.run import normal_footage, run_untrained
from cmhkf.segments import cut

FACTORS = 0.1, 10.0  # between which logits are scaled


class SubsetAuc(NamedTuple):
    """One number of one score."""

    name: str
    auc: Interval
    n_videos: int
    n_cameras: int


@dataclass(frozen=True, eq=False)
class Subset:
    """Videos that are measured together."""

    name: str
    source: str
    by_clip: bool  # by the peak of each clip against its label, instead of by snippet against the segments
    abnormal_only: bool = False


SUBSETS = (
    Subset("UCF-Crime snippets, frame AUC", UCF, by_clip=False),
    Subset("the same, abnormal videos only", UCF, by_clip=False, abnormal_only=True),
    Subset("full-rate videos, frame AUC", COMPLETE, by_clip=False),
    Subset("CCTV fights, AUC by clip peak", FIGHTS, by_clip=True),
    Subset("CCTV crashes, AUC by clip peak", CRASHES, by_clip=True),
    Subset("footage of many kinds, AUC by clip peak", MORE, by_clip=True),
)


def subset_aucs(videos: Sequence[Video], scores: Sequence[np.ndarray]) -> list[SubsetAuc]:
    """Every subset's AUC of the scores [N] of each video; subsets of one kind alone are left out."""
    found = []
    for subset in SUBSETS:
        chosen = [
            (video, curve)
            for video, curve in zip(videos, scores, strict=True)
            if video.source == subset.source and (video.abnormal or not subset.abnormal_only)
        ]
        if subset.by_clip:
            rows = [np.array([curve.max()]) for _, curve in chosen]
            positive = [np.array([float(video.abnormal)]) for video, _ in chosen]
            negative = [1 - part for part in positive]
        else:
            rows = [curve for _, curve in chosen]
            positive = [video.anomalous_s() for video, _ in chosen]
            negative = [SNIPPET_S - part for part in positive]
        if not chosen or not np.concatenate(positive).any() or not np.concatenate(negative).any():
            continue
        _, camera = np.unique([video.group for video, _ in chosen], return_inverse=True)
        groups = np.repeat(camera, [len(part) for part in rows])
        measured = measure(np.concatenate(rows), np.concatenate(positive), np.concatenate(negative), groups)
        found.append(SubsetAuc(subset.name, measured.auc, len(chosen), measured.n_groups))
    return found


def per_class(videos: Sequence[Video], scores: Sequence[np.ndarray]) -> list[SubsetAuc]:
    """Frame AUC of each class of UCF-Crime: its own videos against themselves and all the normal ones."""
    found = []
    ucf = [(v, s) for v, s in zip(videos, scores, strict=True) if v.source == UCF]
    for kind in sorted({video.kind for video, _ in ucf if video.abnormal}):
        chosen = [(v, s) for v, s in ucf if not v.abnormal or v.kind == kind]
        figure = subset_aucs(*zip(*chosen, strict=True))[0]
        found.append(figure._replace(name=kind, n_videos=sum(v.abnormal for v, _ in chosen)))
    return found


def hours(curves: Sequence[np.ndarray]) -> float:
    """Length of the videos of some curves."""
    return sum(map(len, curves)) * SNIPPET_S / 3600


def count_alarms(curves: Sequence[np.ndarray], threshold: float, temperature: float) -> int:
    """Segments that normal video raises where the logit `threshold` scores 0.5, cut as everywhere."""
    alarms = 0
    for curve in curves:
        starts_s = np.arange(len(curve)) * SNIPPET_S
        alarms += len(cut(expit((curve - threshold) / temperature), starts_s, starts_s + SNIPPET_S, threshold=0.5))
    return alarms


def temperature(videos: Sequence[Video], curves: Sequence[np.ndarray], threshold: float) -> float:
    """What to divide the logits above `threshold` by, for scores that tell best what lies inside events (log loss)."""
    inside = np.concatenate([video.anomalous_s() for video in videos]) / SNIPPET_S
    logits = np.concatenate(curves) - threshold

    def loss(divisor: float) -> float:
        scaled = logits / divisor
        return (np.logaddexp(0, scaled) - inside * scaled).mean()

    return best_factor(loss)


def best_factor(loss: Callable[[float], float]) -> float:
    """The factor of least loss, sought between a tenth and ten on a logarithmic scale."""
    found: Any = minimize_scalar(lambda log: loss(np.exp(log)), bounds=np.log(FACTORS), method="bounded")
    return float(np.exp(found.x))


def untrained_scale(videos: Sequence[Video], texts: np.ndarray) -> dict[str, Any]:
    """What `normal_footage` tells of the normal videos beside texts [C, D_s]: no training takes part in it."""
    rows = [video.rows.semantic for video in videos if not video.abnormal and video.rows.semantic is not None]
    return normal_footage(run_untrained(MODEL, torch.from_numpy(texts), each, tau=1.0) for each in rows)
