"""Scores that need no training, on the same rows: what a trained model has to beat.

- motion: the encoders' own signal of motion, which features of our own form keep.
- change: 1 - cosine of a snippet's row with the one before it (the first with the one after), mean of five snippets.
- novelty: 1 - the highest cosine of a row with a row of the normal training videos; labels say which are normal, and
  nothing is fitted.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from cmhkf.datasets.sets import Dataset
from cmhkf.errors import ConfigError, DataError
from cmhkf.features.folders import Rows
from cmhkf.model.run import Prediction

FROZEN = ("motion", "change", "novelty")
SMOOTH_SNIPPETS = 5
MOST_ROWS = 20_000  # of normal videos that novelty compares with, taken evenly


def frozen_scorer(name: str, dataset: Dataset) -> Callable[[Rows], Prediction]:
    """One of FROZEN.

    Raises:
        ConfigError: an unknown name.
        DataError: the features hold no motion, or there is no normal training video to compare with.
    """
    match name:
        case "motion":
            return lambda rows: Prediction(dataset.folder.cue(rows.name, "motion"), None)
        case "change":
            return lambda rows: Prediction(change(rows.video), None)
        case "novelty":
            return partial(_novel, normal=normal_rows(dataset))
    raise ConfigError(f"frozen is {name!r}; choose one of {', '.join(FROZEN)}")


def change(rows: np.ndarray) -> np.ndarray:
    """How much rows [N, D] change, [N]; 0 for a single one."""
    unit = _unit(rows)
    steps = 1 - (unit[1:] * unit[:-1]).sum(axis=1)
    steps = np.concatenate([steps[:1], steps]) if len(steps) else np.zeros(len(rows))
    box, inner = np.ones(SMOOTH_SNIPPETS), slice(SMOOTH_SNIPPETS // 2, SMOOTH_SNIPPETS // 2 + len(rows))
    return np.convolve(steps, box)[inner] / np.convolve(np.ones(len(rows)), box)[inner]


def novelty(rows: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """How far rows [N, D] are from the nearest of unit rows [M, D], [N]: 0 to 2."""
    return 1 - (_unit(rows) @ normal.T).max(axis=1)


def normal_rows(dataset: Dataset) -> np.ndarray:
    """Unit rows [M, D] of the normal training videos' first crops, M <= MOST_ROWS. Raises DataError: there is none."""
    crops: dict[str, int] = {}
    for entry in dataset.train:
        if 0 in entry.labels:
            crops.setdefault(entry.name, entry.crop)
    if not crops:
        raise DataError(f"novelty compares with normal training videos, and {dataset.folder.path} lists none; add some")
    every = -(-sum(dataset.folder.n_snippets(*video) for video in crops.items()) // MOST_ROWS)
    return np.concatenate([_unit(dataset.folder.load(*video).video[::every]) for video in crops.items()])


def _novel(rows: Rows, *, normal: np.ndarray) -> Prediction:
    return Prediction(novelty(rows.video, normal), None)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
