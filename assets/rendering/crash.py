"""Scene: two cars collide at a crossing."""

from __future__ import annotations

import numpy as np

from assets.rendering import sound
from assets.rendering.backdrop import Box, Setting, Tree
from assets.rendering.camera import Camera
from assets.rendering.cars import Car, drive
from assets.rendering.cast import look, stroll
from assets.rendering.particles import Burst
from assets.rendering.people import FPS, Person, walk
from assets.rendering.stage import Scene
from assets.rendering.textures import asphalt, facade, paving, plain, stripes

ROAD_X, ROAD_Y = (14.0, 21.0), (-3.5, 3.5)  # the road along x lies between these y, the road along y between these x


def crash(seed: int) -> Scene:
    """A crossing with traffic: a car jumps the light and is hit from the side."""
    n, hit_s, (skid_s, end_s) = 36 * FPS, sound.CRASH_S, sound.CRASH_SEGMENT_S
    iron = plain((0.17, 0.18, 0.18))
    boxes = (
        Box((-40, 26, 0), (-6.5, 38, 13), facade((0.60, 0.44, 0.34), shop=(0.36, 0.14, 0.12), seed=21)),
        Box((6.5, 26, 0), (40, 38, 11), facade((0.68, 0.65, 0.58), brick=False, shop=(0.14, 0.26, 0.22), seed=22)),
        Box((-60, 90, 0), (60, 100, 22), facade((0.55, 0.52, 0.50), seed=23)),
        Box((-30, 45, 0), (-6.5, 80, 15), facade((0.50, 0.42, 0.36), seed=24)),
        Box((6.5, 45, 0), (30, 80, 13), facade((0.60, 0.50, 0.44), seed=25)),
        Box((4.4, 21.9, 0), (4.54, 22.04, 3.4), iron, occludes=True),
        Box((4.3, 21.8, 2.6), (4.64, 22.1, 3.5), plain((0.12, 0.13, 0.12)), occludes=True),
        Box((-4.6, 12.9, 0), (-4.46, 13.04, 3.4), iron, occludes=True),
        Box((-4.7, 12.85, 2.6), (-4.36, 13.1, 3.5), plain((0.12, 0.13, 0.12)), occludes=True),
    )
    trees = (Tree(-10.5, 24, 6, 1.8), Tree(11, 24, 5.5, 1.7))
    camera = Camera(x=1.5, z=7.2, pitch_deg=21, yaw_deg=-5)
    setting = Setting(camera, _ground, boxes, trees, sun=(-0.5, -0.45, 0.8))
    burst = Burst((-2.4, 15.6, 0.7), hit_s, seed, fireball=False, burns_s=7.0, n_debris=46, throw_m_s=6.0, power=0.35)
    return Scene(
        "crash", setting, n, seed, "car accident", ((skid_s, end_s),), sound.crash,
        _people(n, hit_s), _traffic(n, hit_s), (burst,), clock_s=11 * 3600 + 26 * 60, camera_name="CAM 04",
    )  # fmt: skip


def _people(n: int, hit_s: float) -> tuple[Person, ...]:
    """Some pass by; three stop at the kerb, look, and go to help."""
    south_east = [(2, 15, 12.4), (9, 7.6, 11.4), (hit_s + 2.5, 7.6, 11.4), (hit_s + 7, 5.4, 12.2)]
    north_west = [(6, -16, 23.2), (14, -5.6, 22.9), (hit_s + 3, -5.6, 22.9), (hit_s + 8, -3.8, 18.6)]
    north_east = [(8, 16, 22.8), (15, 6.2, 22.6), (hit_s + 4, 6.2, 22.6), (hit_s + 9, 3.6, 19.0)]
    return (
        stroll(1, (-14, 12.2), (-4.5, 11.6), -2, n),
        stroll(2, (14, 23.6), (-16, 24.2), 0, n),
        stroll(5, (-15, 24.4), (15, 24.6), 12, n),
        walk(look(4), south_east, n, face=-0.9, seed=0.4),
        walk(look(7), north_west, n, face=2.6, seed=0.7),
        walk(look(8), north_east, n, face=-2.2, seed=0.1),
    )


def _ground(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Colours of the ground."""
    out = paving(a, b)
    along, across = (b > ROAD_X[0]) & (b < ROAD_X[1]), (a > ROAD_Y[0]) & (a < ROAD_Y[1])
    kerb = ((np.abs(b - 14) < 0.14) | (np.abs(b - 21) < 0.14)) & ~across | ((np.abs(np.abs(a) - 3.5) < 0.14) & ~along)
    out[kerb] = (0.68, 0.67, 0.64)
    road = asphalt(a, b)
    lane_x, lane_y = stripes(road, b, a, at=17.5, dash=1.8), stripes(road, a, b, at=0.0, dash=1.8)
    zebra = (np.abs(np.abs(a) - 5.4) < 1.2) & (b % 1 < 0.5) | (np.minimum(np.abs(b - 12.2), np.abs(b - 22.8)) < 1.2) & (
        a % 1 < 0.5
    )
    box = np.where((along & across)[..., None], road, np.where(along[..., None], lane_x, lane_y))
    box = np.where((zebra & ~(along & across))[..., None], np.array([0.74, 0.74, 0.71]), box)
    return np.where((along | across)[..., None], box, out)


def _traffic(n: int, hit_s: float) -> tuple[Car, ...]:
    """Cars that pass, the two that collide, and those that stop behind."""
    hitter = [
        (hit_s - 4.5, -62, 15.8, 90), (hit_s - 1.2, -19, 15.8, 90), (hit_s, -4.85, 15.8, 90),
        (hit_s + 0.35, -3.7, 15.5, 97), (hit_s + 1.1, -2.9, 15.3, 104), (hit_s + 1.5, -2.9, 15.3, 104),
    ]  # fmt: skip
    struck = [
        (hit_s - 7, -1.75, 86, 180), (hit_s - 0.05, -1.75, 16.4, 180), (hit_s + 0.3, 0.2, 14.7, 205),
        (hit_s + 0.8, 2.0, 13.6, 244), (hit_s + 1.5, 3.0, 13.1, 262), (hit_s + 1.9, 3.0, 13.1, 262),
    ]  # fmt: skip
    from_east = [(hit_s - 1, 44, 19.3, -90), (hit_s + 3.2, 10.6, 19.3, -90), (hit_s + 4, 10.6, 19.3, -90)]
    from_west = [(hit_s + 1, -46, 15.8, 90), (hit_s + 5, -12.5, 15.8, 90), (hit_s + 6, -12.5, 15.8, 90)]
    return (
        drive((150, 38, 36), hitter, n, crushed_from_s=hit_s, blinks_from_s=hit_s + 4),
        drive((196, 198, 200), struck, n, blinks_from_s=hit_s + 3),
        drive((70, 92, 124), [(0.5, -36, 15.8, 90), (6.5, 34, 15.8, 90)], n),
        drive((44, 46, 50), [(2, 34, 19.3, -90), (8.5, -36, 19.3, -90)], n, van=True),
        drive((176, 168, 150), [(7.5, -38, 15.8, 90), (13.5, 34, 15.8, 90)], n),
        drive((206, 206, 204), [(10.0, 36, 19.3, -90), (16.5, -38, 19.3, -90)], n),
        drive((58, 98, 78), from_east, n, blinks_from_s=hit_s + 5),
        drive((90, 96, 110), from_west, n),
    )
