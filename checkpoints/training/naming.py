"""Naming the class: a linear probe from rows to the anomaly classes, calibrated on videos that it did not see.

It is fitted to the mean row of each video's events. Few videos of a class count as much as many, up to a root.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from checkpoints.training.footage import CLASSES, SHORT, Video
from checkpoints.training.measure import best_factor
from checkpoints.training.teacher import INNER_FOLDS, Linear, split
from cmhkf.encoders.demo.video import VIDEO_DIM

STRENGTH = 1e-3  # C of the logistic regression, on standardised columns
AIM = 0.75  # accuracy among the videos whose name is called clear


class Naming(NamedTuple):
    """A fitted probe, and what it said of the videos it was fitted to when it had not seen them."""

    probe: Linear  # [D_v, C - 1], [C - 1]
    least_share: float  # of the strongest class: below it, the name is unclear
    shares: np.ndarray  # [V, C - 1] of every video, normal ones too: held out, and calibrated on other videos
    clear: np.ndarray  # [V], whether the strongest of these reaches the least share of other videos


def event_row(video: Video) -> np.ndarray:
    """The mean row [D_v] of what lies inside a video's events."""
    seconds = video.anomalous_s()
    return np.average(video.rows.video, axis=0, weights=seconds if seconds.any() else None)


def fit_naming(videos: Sequence[Video], *, seed: int) -> Naming:
    """Fit the probe to the abnormal ones of some videos, and measure it in folds over their groups."""
    rows, labels = np.stack([event_row(video) for video in videos]), np.array([video.label - 1 for video in videos])
    abnormal, fold = labels >= 0, np.zeros(len(videos), int)
    logits = np.zeros((len(videos), len(CLASSES) - 1))
    for i, (train, held) in enumerate(split(videos, INNER_FOLDS, seed)):
        known = train[abnormal[train]]
        weight, bias = fit_probe(rows[known], labels[known])
        logits[held], fold[held] = rows[held] @ weight + bias, i
    hard = abnormal & [video.source not in SHORT for video in videos]  # clips of one collection are alike, and easy
    shares, clear = np.zeros_like(logits), np.zeros(len(videos), bool)
    for i in range(INNER_FOLDS):  # each fold's sharpness is that of the others, and so is the least share below
        others = abnormal & (fold != i)
        shares[fold == i] = softmax(sharpness(logits[others], labels[others]) * logits[fold == i], axis=1)
    for i in range(INNER_FOLDS):
        others = hard & (fold != i)
        clear[fold == i] = shares[fold == i].max(axis=1) >= least_share(shares[others], labels[others])
    final, factor = fit_probe(rows[abnormal], labels[abnormal]), sharpness(logits[abnormal], labels[abnormal])
    probe = Linear((factor * final.weight).astype(np.float32), (factor * final.bias).astype(np.float32))
    return Naming(probe, least_share(shares[hard], labels[hard]), shares, clear)


def fit_probe(rows: np.ndarray, labels: np.ndarray) -> Linear:
    """Logits of the anomaly classes as a function of a row; one that has no video is never named."""
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    weight = 1 / np.sqrt(np.bincount(labels)[labels])
    fitted = LogisticRegression(C=STRENGTH, max_iter=300).fit((rows - mean) / deviation, labels, weight / weight.mean())
    direction, bias = np.zeros((VIDEO_DIM, len(CLASSES) - 1)), np.full(len(CLASSES) - 1, -20.0)
    direction[:, fitted.classes_] = (fitted.coef_ / deviation).T
    bias[fitted.classes_] = fitted.intercept_ - mean @ direction[:, fitted.classes_]
    return Linear(direction, bias)


def sharpness(logits: np.ndarray, labels: np.ndarray) -> float:
    """The factor under which held-out logits are the best probabilities."""

    def loss(factor: float) -> float:
        return -log_softmax(factor * logits, axis=1)[np.arange(len(labels)), labels].mean()

    return best_factor(loss)


def least_share(shares: np.ndarray, labels: np.ndarray) -> float:
    """The lowest share of the strongest class from which on at least `AIM` of the names are right."""
    top = shares.max(axis=1)
    right = shares.argmax(axis=1) == labels
    for lowest in np.unique(top):
        if right[top >= lowest].mean() >= AIM:
            return float(lowest)
    return 1.0
