"""Scene: a shopping street on a calm afternoon."""

from __future__ import annotations

import numpy as np

from assets.rendering import sound
from assets.rendering.backdrop import Box, Setting, Tree
from assets.rendering.camera import Camera
from assets.rendering.cars import drive
from assets.rendering.cast import look, stroll
from assets.rendering.people import FPS, walk
from assets.rendering.stage import Scene
from assets.rendering.textures import asphalt, facade, grass, paving, plain, stripes


def quiet_street(seed: int) -> Scene:
    """A shopping street on a calm afternoon: passers-by and a few slow cars."""
    n = 32 * FPS
    iron, wood = plain((0.16, 0.18, 0.18)), plain((0.40, 0.27, 0.16), grain=0.2)
    boxes = (
        Box((-40, 28, 0), (-14, 34, 11), facade((0.55, 0.36, 0.28), shop=(0.15, 0.30, 0.25), seed=1)),
        Box((-14, 27.5, 0), (2, 34, 14), facade((0.72, 0.66, 0.54), brick=False, shop=(0.40, 0.12, 0.10), seed=2)),
        Box((2, 28, 0), (20, 34, 10), facade((0.50, 0.42, 0.38), shop=(0.12, 0.18, 0.35), seed=3)),
        Box((20, 28, 0), (50, 36, 16), facade((0.62, 0.60, 0.58), brick=False, seed=4)),
        Box((1.4, 12.6, 0.38), (3.2, 13.1, 0.46), wood, (0.50, 0.35, 0.21), occludes=True),
        Box((1.5, 12.7, 0), (1.6, 13.0, 0.38), iron, occludes=True),
        Box((3.0, 12.7, 0), (3.1, 13.0, 0.38), iron, occludes=True),
        Box((-2.9, 16.2, 0), (-2.78, 16.32, 6.5), iron, occludes=True),
        Box((3.7, 16.0, 0), (4.2, 16.5, 0.95), plain((0.2, 0.33, 0.24)), occludes=True),
        Box((-13.0, 26.2, 0), (-11.2, 27.5, 0.7), plain((0.5, 0.4, 0.3)), (0.25, 0.35, 0.15), occludes=True),
    )
    setting = Setting(
        Camera(yaw_deg=-14), _ground, boxes, (Tree(-9.5, 17, 7, 2.6), Tree(-8.6, 11.5, 5.2, 1.7), Tree(6.5, 15.5, 6.0))
    )
    people = (
        stroll(0, (-14, 15.2), (9, 14.6), -6, n),
        stroll(1, (-13.2, 15.6), (9, 15.2), -5.3, n),
        stroll(2, (9, 11.4), (-4.5, 2.6), 1, n, pace=1.15),
        stroll(3, (6, 15.6), (-16, 15.6), 9, n, pace=1.45),
        stroll(4, (-25, 25.6), (14, 25.4), -9, n),
        stroll(5, (14, 26.2), (-26, 26.4), -2, n, pace=1.2),
        stroll(6, (-3.6, 2.6), (3.0, 15.6), 12, n, pace=1.2),
        stroll(7, (-16, 14.9), (8, 14.9), 16, n, pace=1.35),
        stroll(9, (12, 25.2), (-26, 25.0), 12, n, pace=1.3),
        walk(look(8), [(0, -9.0, 26.6)], n, face=2.4, seed=0.3),
        walk(look(10), [(0, -8.2, 26.2), (21, -8.2, 26.2), (33, 6, 25.8)], n, face=-1.2, seed=0.8),
    )
    cars = (
        drive((128, 134, 140), [(2, -34, 18.8, 90), (10.5, 26, 18.8, 90)], n),
        drive((120, 32, 34), [(15, 26, 22.3, -90), (23, -36, 22.3, -90)], n),
        drive((186, 188, 186), [(22, -38, 18.8, 90), (31, 26, 18.8, 90)], n, van=True),
    )
    return Scene("quiet_street", setting, n, seed, "normal", (), sound.quiet_street, people, cars, camera_name="CAM 01")


def _ground(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Colours of the ground."""
    out = paving(a, b)
    road = (b > 17) & (b < 24)
    street = stripes(asphalt(a, b), b, a, at=20.5, dash=2)
    kerb = (np.abs(b - 17) < 0.12) | (np.abs(b - 24) < 0.12)
    lawn = (a < -5.5) & (b < 14.2)
    edge = lawn & ((a > -5.75) | (b > 13.95))
    out[road], out[kerb] = street[road], (0.66, 0.65, 0.62)
    out[lawn] = grass(a, b)[lawn]
    out[edge] = (0.5, 0.48, 0.45)
    return out
