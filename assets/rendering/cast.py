"""Who appears in the scenes: many looks, and the plain walk from one place to another."""

from __future__ import annotations

import numpy as np

from assets.rendering.people import Look, Person, walk

TOPS = (
    (58, 74, 112), (138, 46, 44), (196, 186, 170), (52, 86, 68),
    (60, 60, 66), (150, 122, 60), (96, 70, 110), (210, 210, 206),
)  # fmt: skip
LEGS = ((44, 48, 60), (74, 80, 96), (92, 80, 64), (34, 34, 38), (58, 66, 88))
SKINS = ((214, 170, 140), (150, 106, 80), (104, 72, 54), (196, 148, 116))
HAIRS = ((48, 36, 28), (28, 24, 24), (120, 88, 50), (140, 136, 130))
BAGS = (None, None, (40, 44, 60), None, (120, 50, 40), None)


def look(i: int) -> Look:
    """One of many people; neighbours in i differ."""
    tall, coat = 1.62 + 0.045 * (i * 5 % 6), i % 3 == 1
    return Look(tall, TOPS[i * 3 % 8], LEGS[i * 2 % 5], SKINS[i % 4], HAIRS[i * 3 % 4], coat, BAGS[i % 6])


def stroll(
    i: int, start: tuple[float, float], end: tuple[float, float], t0: float, n: int, *, pace: float = 1.3
) -> Person:
    """Somebody who walks from start to end, leaving at t0."""
    took = float(np.hypot(end[0] - start[0], end[1] - start[1])) / pace
    return walk(look(i), [(t0, *start), (t0 + took, *end)], n, seed=0.37 * i)
