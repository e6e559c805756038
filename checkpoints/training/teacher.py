"""The teacher: linear heads on the demo encoders' rows, fitted to labels and put on one scale.

Heads of two kinds, each a logistic regression. Those fitted to single rows, inside events and outside, learn *when*;
those fitted to the mean row of whole videos learn *which video*. On videos it was fitted to a head
is far too sure of itself, so what the student is trained on are the heads' views of videos held out (cross-fitting).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from checkpoints.training.footage import (
    COMPLETE,
    CRASHES,
    FIGHTS,
    MORE,
    SAMPLES,
    SHORT,
    SNIPPET_S,
    SOURCES,
    UCF,
    Video,
)
from cmhkf.encoders.demo.video import ACTION, APPEARANCE, CHANGE, LOCAL, MOTION, VIDEO_DIM
from cmhkf.model.cmhkf import PROBED_SNIPPETS

INNER_FOLDS = 5
STRENGTH = 1e-3  # C of the logistic regressions, on standardised columns


class Head(NamedTuple):
    """What a logistic regression is fitted to."""

    sources: tuple[str, ...]
    blocks: tuple[slice, ...]  # columns of the rows
    whole: bool  # to mean rows of videos instead of to single rows
    averaged: int = 1  # snippets of whose rows the mean is taken first


WHEN = (
    Head(SOURCES, (ACTION, APPEARANCE, CHANGE, LOCAL), whole=False),
    Head((FIGHTS, CRASHES, MORE), (CHANGE, LOCAL), whole=False),
    Head((FIGHTS, CRASHES, MORE), (ACTION, CHANGE, LOCAL), whole=False),
    Head((FIGHTS, CRASHES, MORE), (ACTION, LOCAL), whole=False),
    Head((FIGHTS,), (ACTION, LOCAL), whole=False),
    Head((FIGHTS,), (ACTION, CHANGE, LOCAL), whole=False),
    Head((CRASHES,), (ACTION, CHANGE, LOCAL), whole=False),
)
WHICH = (
    Head(SOURCES, (ACTION, APPEARANCE, CHANGE, LOCAL), whole=True),
    Head((UCF,), (ACTION, APPEARANCE, CHANGE, LOCAL), whole=True),
    Head((UCF,), (CHANGE,), whole=True),
)
HEADS = WHEN + WHICH  # whose views the student sees
SLOW = (  # know when, at few frames a second: asked for the score alone
    Head((UCF,), (ACTION, LOCAL), whole=False, averaged=PROBED_SNIPPETS),
    Head((UCF,), (LOCAL,), whole=False, averaged=PROBED_SNIPPETS),
    Head((UCF,), (CHANGE, LOCAL), whole=False, averaged=PROBED_SNIPPETS),
)


class Linear(NamedTuple):
    """x @ weight + bias."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class Teacher:
    """Fitted heads, and what they say of the videos they were fitted to, each by heads that had not seen it."""

    # [D_v, dim], [dim]: the heads, then how much changes and moves, then principal components; unit deviation
    project: Linear
    say: Linear  # [D_v, 1], [1]: the mean of the heads that know when, SLOW among them, of unit deviation each
    held_out: list[np.ndarray]  # `project` of each video's rows, [N, dim], the heads' columns cross-fitted


def split(videos: Sequence[Video], folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Training and held-out indices: groups stay together, sources and labels are spread evenly."""
    kinds = ["rare" if v.source in (COMPLETE, SAMPLES) else f"{v.source} {v.abnormal}" for v in videos]
    shuffled = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    yield from shuffled.split(np.zeros(len(videos)), kinds, [video.group for video in videos])


def fit_head(videos: Sequence[Video], head: Head) -> Linear:
    """The logit of "abnormal" as a function of a whole row. Sources, their labels and clips all weigh the same."""
    # A video that has both weighs once for its time inside events, and once for the rest.
    columns = np.concatenate([np.arange(block.start, block.stop) for block in head.blocks])
    chosen = [video for video in videos if video.source in head.sources]
    parts = [video.rows.video[:, columns] for video in chosen]
    if head.averaged > 1:
        parts = [blur(part, head.averaged) for part in parts]
    told = [video.anomalous_s() > SNIPPET_S / 2 for video in chosen]
    if head.whole:
        parts, told = [part.mean(axis=0, keepdims=True) for part in parts], [[video.abnormal] for video in chosen]
    rows, abnormal = np.concatenate(parts), np.concatenate(told)
    of_video = np.repeat(np.arange(len(chosen)), [len(part) for part in parts])
    samples, sample, counts = np.unique(2 * of_video + abnormal, return_inverse=True, return_counts=True)
    _, kind = np.unique([f"{chosen[s // 2].source} {s % 2}" for s in samples], return_inverse=True)
    weight = (1 / np.bincount(kind)[kind] / counts)[sample]
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    fitted = LogisticRegression(C=STRENGTH, max_iter=300).fit(
        (rows - mean) / deviation, abnormal, weight / weight.mean()
    )
    direction = np.zeros(VIDEO_DIM, np.float32)
    direction[columns] = fitted.coef_[0] / deviation
    return Linear(direction, fitted.intercept_[0] - direction[columns] @ mean)


def fit_teacher(videos: Sequence[Video], *, dim: int, seed: int) -> Teacher:
    """Fit and cross-fit the heads.

    Args:
        videos: to fit to.
        dim: columns of the projection, at least len(HEADS) + 5.
        seed: of the inner folds and the principal components.
    """
    asked, n = HEADS + SLOW, len(HEADS)
    held_out = [np.zeros((video.n_snippets, len(asked)), np.float32) for video in videos]
    for train, held in split(videos, INNER_FOLDS, seed):
        fitted = [fit_head([videos[i] for i in train], head) for head in asked]
        for i in held:
            held_out[i] = np.stack([videos[i].rows.video @ w + b for w, b in fitted], axis=1)
    every = np.concatenate(held_out)
    mean, deviation = every.mean(axis=0), every.std(axis=0) + 1e-6
    final = [fit_head(videos, head) for head in asked]
    heads = Linear(
        np.stack([w for w, _ in final], axis=1) / deviation, (np.array([b for _, b in final]) - mean) / deviation
    )
    rest = _rest(np.concatenate([video.rows.video for video in videos]), dim - n, seed)
    project = Linear(
        *(np.concatenate([of[..., :n], also], axis=-1, dtype=np.float32) for of, also in zip(heads, rest, strict=True))
    )
    when = [i for i, head in enumerate(asked) if not head.whole]
    say = Linear(*(of[..., when].mean(axis=-1, keepdims=True, dtype=np.float32) for of in heads))
    seen = [
        np.concatenate([z[:, :n], video.rows.video @ rest.weight + rest.bias], axis=1, dtype=np.float32)
        for z, video in zip(((z - mean) / deviation for z in held_out), videos, strict=True)
    ]
    return Teacher(project, say, seen)


def _rest(rows: np.ndarray, n: int, seed: int) -> Linear:
    """Columns that know no labels: the sum of CHANGE, the four of MOTION, and principal components, n in all."""
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    cues = np.zeros((rows.shape[1], 1 + MOTION.stop - MOTION.start))
    cues[CHANGE, 0] = 1
    cues[MOTION, 1:] = np.eye(MOTION.stop - MOTION.start)
    components = np.asarray(PCA(n - cues.shape[1], random_state=seed).fit((rows - mean) / deviation).components_)
    weight = np.concatenate([cues, components.T / deviation[:, None]], axis=1)
    values = rows @ weight
    mean, deviation = values.mean(axis=0), values.std(axis=0) + 1e-6
    return Linear(weight / deviation, -mean / deviation)


def opinion(rows: np.ndarray, source: str) -> np.ndarray:
    """What the heads together say of each row of a video, a logit [N], from rows [N, dim] as the teacher projects them.

    Of short clips, the mean of the heads fitted to their source; else the mean of the heads that know when, blurred,
    and of those that know which video. Of UCF-Crime and films every head is asked.
    """
    asked = [i for i, head in enumerate(HEADS) if source not in (*SHORT, MORE) or source in head.sources]
    when = blur(rows[:, [i for i in asked if i < len(WHEN)]].mean(axis=1), PROBED_SNIPPETS)
    return 2 * when if source in SHORT else when + rows[:, [i for i in asked if i >= len(WHEN)]].mean()


def blur(values: np.ndarray, n: int) -> np.ndarray:
    """Mean over n values or rows, over fewer at the ends, [N] or [N, D]."""
    at = np.arange(len(values))
    first, end = np.maximum(at - n // 2, 0), np.minimum(at + n // 2 + 1, len(values))
    sums = np.concatenate([np.zeros_like(values[:1], float), np.cumsum(values, axis=0, dtype=float)])
    return ((sums[end] - sums[first]).T / (end - first)).T.astype(values.dtype)
