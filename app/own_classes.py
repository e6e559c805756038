"""Class names that a person types, and how well a clip's pictures match them over time."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from app.why import pooled
from cmhkf.errors import ConfigError
from cmhkf.timeline import Timeline

MAX_NAMES = 12
MAX_CHARACTERS = 80
CURVE_POINTS = 1200


def typed_names(text: str) -> list[str]:
    """Names separated by commas or lines, without repeats. Raises ConfigError: none, too many, or one too long."""
    names = list(dict.fromkeys(" ".join(name.split()) for name in re.split(r"[,;\n]", text) if name.strip()))
    if not names:
        raise ConfigError("no class name was typed; write a few words, such as: fire, person lying on the ground")
    if len(names) > MAX_NAMES:
        raise ConfigError(f"{len(names)} class names were typed; at most {MAX_NAMES} can be compared at once")
    if long := next((name for name in names if len(name) > MAX_CHARACTERS), None):
        raise ConfigError(f"{long[:30]!r}... has {len(long)} characters; a class name may have {MAX_CHARACTERS}")
    return names


@dataclass(frozen=True, eq=False)
class OwnClass:
    """A typed class over the clip."""

    name: str
    peak: float
    peak_s: float
    """Middle of the most similar snippet."""
    mean: float
    curve: np.ndarray
    """Similarity, at most 1200 values, each the greatest of as many snippets."""


def own_classes(names: list[str], similarity: np.ndarray, line: Timeline) -> list[OwnClass]:
    """What to show of each name from the similarities [N, C]."""
    peaks = similarity.argmax(axis=0)
    middles = line.times_s[peaks] + line.snippet_s / 2
    return [
        OwnClass(name, float(row[i]), float(min(at, line.duration_s)), float(row.mean()), pooled(row, CURVE_POINTS))
        for name, row, i, at in zip(names, similarity.T, peaks, middles, strict=True)
    ]
