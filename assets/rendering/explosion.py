"""Scene: a van blows up in a loading yard."""

from __future__ import annotations

import numpy as np

from assets.rendering import sound
from assets.rendering.backdrop import Box, Setting
from assets.rendering.camera import Camera
from assets.rendering.cars import drive
from assets.rendering.cast import look, stroll
from assets.rendering.particles import Burst
from assets.rendering.people import FPS, Person, walk
from assets.rendering.stage import Scene
from assets.rendering.textures import asphalt, corrugated, facade, paving, plain, stripes


def explosion(seed: int) -> Scene:
    """A loading yard: people come and go, then a parked van blows up."""
    n, bang_s, end_s = 40 * FPS, sound.EXPLOSION_S, 28.0
    steel = corrugated((0.60, 0.63, 0.64), seed=1)
    boxes = (
        Box((-22, 22, 0), (9, 34, 8), steel),
        Box((9, 24, 0), (34, 40, 11), facade((0.54, 0.40, 0.33), seed=6)),
        Box((-12.5, 21.85, 0), (-8.0, 22.0, 4.2), corrugated((0.30, 0.36, 0.42), seed=2)),
        Box((-5.5, 21.85, 0), (-1.0, 22.0, 4.2), corrugated((0.30, 0.36, 0.42), seed=3)),
        Box((-13.0, 20.6, 4.4), (-0.5, 22.0, 4.6), plain((0.34, 0.35, 0.36))),
        Box((-12.6, 12, 0), (-10.1, 18, 2.6), corrugated((0.22, 0.36, 0.48), seed=4), (0.26, 0.4, 0.5), occludes=True),
        Box((9.2, 14.6, 0), (11.0, 16.2, 1.2), plain((0.20, 0.32, 0.24)), (0.12, 0.16, 0.14), occludes=True),
        Box((-7.1, 10.4, 0), (-6.95, 10.55, 6.0), plain((0.3, 0.3, 0.3)), occludes=True),
        Box((-60, 60, 0), (60, 70, 14), facade((0.50, 0.48, 0.46), seed=8)),
    )
    setting = Setting(Camera(z=5.6, pitch_deg=14.5), _ground, boxes, sun=(0.5, -0.45, 0.7))
    cars = (
        drive((226, 226, 220), [(0, 1.6, 17.2, 12)], n, van=True, burnt_from_s=bang_s + 0.25),
        drive((62, 84, 120), [(0, -4.4, 17.0, 0)], n, blinks_from_s=bang_s + 0.6),
        drive((160, 40, 36), [(0, 7.4, 17.2, 180)], n, blinks_from_s=bang_s + 0.8),
    )
    burst = Burst(
        (1.6, 16.6, 1.1), bang_s, seed, burns_s=end_s - bang_s - 1, smokes_s=end_s - bang_s + 3, wall_y_m=21.8
    )
    return Scene(
        "explosion", setting, n, seed, "explosion", ((bang_s, end_s),), sound.explosion,
        _people(n, bang_s), cars, (burst,), clock_s=9 * 3600 + 41 * 60, camera_name="CAM 02",
    )  # fmt: skip


def _people(n: int, bang_s: float) -> tuple[Person, ...]:
    """Three who cower and run, two who are gone in time, two who come to look afterwards."""
    flee = bang_s + 1.2
    near = [(-4, -11, 8.6), (bang_s, 3.4, 9.0), (flee, 3.7, 8.9), (flee + 4.5, -12, 7.2)]
    at_van = [(-1, 11, 10.8), (8, 2.0, 11.4), (13, 2.0, 11.4), (bang_s, -2.4, 11.0), (flee + 0.5, -2.9, 10.6)]
    at_door = [(0, -7.2, 19.4), (flee, -7.2, 19.4), (flee + 4.5, -16, 10)]
    return (
        walk(look(0), near, n, ducks=((bang_s, flee),)),
        walk(look(3), [*at_van, (flee + 5, -13, 8.0)], n, seed=0.5, ducks=((bang_s + 0.05, flee + 0.4),)),
        walk(look(7), at_door, n, face=1.6, seed=0.2, ducks=((bang_s + 0.1, flee + 0.2),)),
        walk(look(5), [(0, -6.2, 19.5), (9, -6.2, 19.5), (16, -11.5, 20.3)], n, face=-1.6, seed=0.9),
        stroll(2, (-10, 8.2), (10, 8.4), 2, n, pace=1.5),
        walk(look(4), [(33, -9, 8.4), (37, -4.0, 9.6)], n, seed=0.6, face=0.4),
        walk(look(10), [(34, -10, 9.2), (38, -5.4, 10.2)], n, seed=0.1, face=0.5),
    )


def _ground(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Colours of the ground."""
    out = asphalt(a, b) * 1.25
    for bay in np.arange(-9, 12, 3):
        inside = (b > 14.5) & (b < 19.6)
        out = np.where(inside[..., None], stripes(out, a, b, at=float(bay), width=0.1), out)
    walkway = b < 7.2
    out[walkway] = paving(a, b)[walkway]
    return np.where((np.abs(b - 7.2) < 0.1)[..., None], (0.7, 0.66, 0.4), out)
