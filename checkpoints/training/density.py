"""What the footage of the training looks like: how far apart two cameras may lie, and what is normal."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA

from checkpoints.training.footage import Video
from checkpoints.training.student import MODEL
from cmhkf.model.familiar import FAMILIAR_DIM, Density
from cmhkf.model.run import run_untrained

INSIDE = 0.95  # of the clips are as near to a clip of another camera as the limit says


def fit_density(videos: Sequence[Video]) -> Density:
    """Principal components of the mean rows, and the limit."""
    rows = np.stack([video.rows.video.mean(axis=0) for video in videos]).astype(np.float64)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    fitted = PCA(FAMILIAR_DIM, random_state=0).fit((rows - mean) / deviation)
    weight = fitted.components_ / deviation
    bias = -weight @ (mean + deviation * fitted.mean_)
    clips = rows @ weight.T + bias
    limit = np.quantile(to_others(clips, np.array([video.group for video in videos])), INSIDE)
    return Density(weight.astype(np.float32), bias.astype(np.float32), clips.astype(np.float32), float(limit))


def normal_footage(videos: Sequence[Video], texts: np.ndarray) -> dict[str, Any]:
    """How similar normal footage is to each class text, and how salient: no training takes part in either.

    Returns:
        "similarity": the median and the 99.9th percentile for each of the texts [C, D_s]; "saliency": the 99.9th of
        the windowed one.
    """
    normal = [video.rows.semantic for video in videos if not video.abnormal and video.rows.semantic is not None]
    found = [run_untrained(MODEL, torch.from_numpy(texts), rows, tau=1.0) for rows in normal]
    similarity = np.concatenate([one.similarity for one in found])
    saliency = np.concatenate([one.windowed_saliency for one in found])
    return {
        "similarity": np.quantile(similarity, (0.5, 0.999), axis=0).T.round(4).tolist(),
        "saliency": round(float(np.quantile(saliency, 0.999)), 3),
    }


def to_others(clips: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The distance [V] from each clip [V, 16] to the nearest one of another group [V]."""
    distances = np.linalg.norm(clips[:, None] - clips[None], axis=-1)
    return np.where(groups[:, None] == groups[None], np.inf, distances).min(axis=1)
