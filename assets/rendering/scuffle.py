"""Scene: a fight breaks out on a busy square."""

from __future__ import annotations

import numpy as np

from assets.rendering import sound
from assets.rendering.backdrop import Box, Setting, Tree
from assets.rendering.camera import Camera
from assets.rendering.cast import look, stroll
from assets.rendering.people import FPS, Person, walk
from assets.rendering.stage import Scene
from assets.rendering.textures import facade, paving, plain

SPOT = (0.4, 11.2)  # where they fight


def scuffle(seed: int) -> Scene:
    """A busy square: two quarrel, others join in, bystanders draw back, and it ends."""
    n = 38 * FPS
    stone, iron = plain((0.60, 0.58, 0.54)), plain((0.18, 0.19, 0.2))
    boxes = (
        Box((-34, 25, 0), (-9, 33, 12), facade((0.66, 0.56, 0.42), brick=False, shop=(0.16, 0.24, 0.20), seed=11)),
        Box((-9, 26, 0), (7, 33, 14), facade((0.56, 0.38, 0.30), shop=(0.32, 0.16, 0.12), seed=12)),
        Box((7, 25, 0), (30, 33, 11), facade((0.70, 0.68, 0.63), brick=False, shop=(0.14, 0.20, 0.34), seed=13)),
        Box((-8.4, 17.6, 0), (-5.6, 18.8, 0.75), stone, (0.24, 0.34, 0.15), occludes=True),
        Box((5.6, 17.4, 0), (8.4, 18.6, 0.75), stone, (0.24, 0.34, 0.15), occludes=True),
        Box((7.6, 10.2, 0), (7.72, 10.32, 5.5), iron, occludes=True),
        Box((-9, 24.0, 2.9), (7, 26.0, 3.05), plain((0.50, 0.18, 0.15)), (0.62, 0.22, 0.18)),
    )
    trees = (Tree(-7, 18.2, 5.6, 1.7), Tree(7, 18.0, 5.4, 1.6))
    setting = Setting(Camera(z=4.6, pitch_deg=15.5, yaw_deg=3), _ground, boxes, trees, sun=(-0.45, -0.5, 0.8))
    passers = (
        stroll(1, (-12, 16.4), (13, 16.8), -6, n),
        stroll(2, (12, 8.2), (-9, 8.6), -1, n, pace=1.4),
        stroll(4, (-16, 21.6), (17, 21.2), 0, n),
        stroll(5, (16, 22.4), (-18, 22.6), 4, n, pace=1.2),
        stroll(9, (-15, 20.6), (16, 22.0), 17, n, pace=1.5),
        stroll(11, (9, 7.6), (-8, 8.0), 27, n, pace=1.4),
    )
    people = (*_fighters(n), *_watchers(n), *passers)
    return Scene(
        "scuffle", setting, n, seed, "fighting", (sound.SCUFFLE_S,), sound.scuffle,
        people, clock_s=17 * 3600 + 12 * 60, camera_name="CAM 03",
    )  # fmt: skip


def _ground(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Colours of the ground."""
    out = paving(a, b, slab_m=0.7) * [1.0, 0.97, 0.93]
    ring = np.abs(np.hypot(a + 1, b - 13) - 4.2) < 0.28
    out[ring] = out[ring] * [0.72, 0.66, 0.62]
    return out


def _fighters(n: int) -> tuple[Person, ...]:
    """Two begin, two join in."""
    begin_s, end_s = sound.SCUFFLE_S
    return (
        _fighter(0, SPOT, -1, n, come=(8, -3.2, 12.2), go=(-13, 9), span_s=(begin_s, end_s)),
        _fighter(3, SPOT, 1, n, come=(7, 9, 12.6), go=(12, 14), span_s=(begin_s, end_s - 0.3)),
        _fighter(6, (1.0, 10.5), -1, n, come=(10, -2.6, 12.8), go=(-13, 10.6), span_s=(begin_s + 2.2, end_s - 0.8)),
        _fighter(7, (0.7, 12.1), 1, n, come=(9, 2.6, 16.4), go=(13, 16), span_s=(begin_s + 3.0, end_s - 0.5)),
    )


def _watchers(n: int) -> list[Person]:
    """Bystanders who stand about, draw back from the fight, and come back when it is over."""
    begin_s, end_s = sound.SCUFFLE_S
    places = (
        (-5.2, 14.8),
        (-4.3, 14.2),
        (3.8, 14.6),
        (4.7, 15.2),
        (4.1, 15.9),
        (-1.6, 17.6),
        (-0.7, 18.2),
        (2.6, 19.8),
    )
    watchers = []
    for k, (x, y) in enumerate(places):
        out = np.array([x - SPOT[0], y - SPOT[1]])
        back_x, back_y = np.array(SPOT) + out * (1 + 1.2 / np.hypot(*out))
        late = 0.15 * k
        keys = [(0, x, y), (begin_s + 0.8 + late, x, y), (begin_s + 2.2 + late, back_x, back_y),
                (end_s + 3 + late, back_x, back_y), (end_s + 7, x, y)]  # fmt: skip
        watchers.append(walk(look(k + 8), keys, n, face=float(np.arctan2(-out[0], -out[1])), seed=0.61 * k))
    return watchers


def _fighter(
    i: int,
    spot: tuple[float, float],
    side: float,
    n: int,
    *,
    come: tuple[float, float, float],
    go: tuple[float, float],
    span_s: tuple[float, float],
) -> Person:
    """Somebody who walks up from `come` (s, x, y), fights at `spot` from one side (-1 or 1), and walks off to `go`."""
    rng, (begin_s, end_s) = np.random.default_rng(i), span_s
    t, keys = begin_s, [come, (begin_s - 0.6, spot[0] + 0.9 * side, spot[1])]
    surge = 0.0
    while t < end_s:
        keys.append((t, spot[0] + 0.42 * side + surge + rng.normal(0, 0.12), spot[1] + rng.normal(0, 0.22)))
        t += rng.uniform(0.45, 0.8)
        surge = 0.45 * np.sin(2.1 * t)  # the pair reels to and fro together
    keys += [(end_s + 0.5, spot[0] + 1.3 * side, spot[1]), (end_s + 3, spot[0] + 1.5 * side, spot[1]), (end_s + 9, *go)]
    return walk(look(i), keys, n, face=-np.pi / 2 * side, seed=0.37 * i, fights=((begin_s - 0.2, end_s),))
