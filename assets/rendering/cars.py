"""Cars: a lofted body of flat-shaded faces on wheels, and their tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw
from scipy.interpolate import PchipInterpolator
from scipy.spatial import ConvexHull

from assets.rendering.camera import Camera
from assets.rendering.people import FPS

Colour = tuple[int, int, int]
NEVER_S = 1e9
# Outline of the body in metres, nose first: along, up, half width. Then the glasshouse, foot and roof.
SEDAN = (
    (2.12, 0.22, 0.8), (2.2, 0.5, 0.82), (2.08, 0.7, 0.84), (0.95, 0.92, 0.88),
    (-1.5, 0.96, 0.88), (-2.12, 0.9, 0.84), (-2.2, 0.52, 0.84), (-2.12, 0.24, 0.8),
)  # fmt: skip
SEDAN_GLASS = ((0.95, 0.92, 0.82), (0.2, 1.42, 0.62), (-0.9, 1.42, 0.62), (-1.65, 0.96, 0.8))
VAN = (
    (2.3, 0.25, 0.85), (2.4, 0.6, 0.88), (2.2, 1.0, 0.9), (1.5, 1.15, 0.92),
    (-2.3, 1.15, 0.93), (-2.4, 0.7, 0.93), (-2.35, 0.3, 0.9), (-2.3, 0.25, 0.9),
)  # fmt: skip
VAN_GLASS = ((1.5, 1.15, 0.9), (0.85, 1.95, 0.8), (-2.25, 1.98, 0.82), (-2.3, 1.15, 0.9))


@dataclass(frozen=True)
class Car:
    """A car's way through the clip, sampled at every frame."""

    colour: Colour
    xy: np.ndarray  # [T, 2]
    heading: np.ndarray  # [T], radians, 0 = ahead along y
    van: bool = False
    crushed_from_s: float = NEVER_S
    """From then on the nose is crumpled."""
    blinks_from_s: float = NEVER_S
    """From then on the hazard lights blink."""
    burnt_from_s: float = NEVER_S
    """From then on the paint is black and the glass gone."""

    def speed(self, frame: int) -> float:
        """Speed in m/s."""
        a, b = max(frame - 1, 0), min(frame + 1, len(self.xy) - 1)
        return float(np.linalg.norm(self.xy[b] - self.xy[a])) * FPS / (b - a)


def drive(
    colour: Colour,
    keys: list[tuple[float, float, float, float]],
    n_frames: int,
    *,
    van: bool = False,
    crushed_from_s: float = NEVER_S,
    blinks_from_s: float = NEVER_S,
    burnt_from_s: float = NEVER_S,
) -> Car:
    """A car that is at (x, y) with the given heading in degrees at the given seconds, smoothly between."""
    knots = np.array(keys)
    t = np.clip(np.arange(n_frames) / FPS, *knots[[0, -1], 0])
    if len(knots) == 1:
        x, y, a = (np.full(n_frames, knots[0, i]) for i in (1, 2, 3))
    else:
        x, y, a = (PchipInterpolator(knots[:, 0], knots[:, i])(t) for i in (1, 2, 3))
    return Car(colour, np.stack([x, y], axis=1), np.radians(a), van, crushed_from_s, blinks_from_s, burnt_from_s)


def _place(car: Car, frame: int, local: np.ndarray) -> np.ndarray:
    """Car coordinates (along, left, up) to the world."""
    a = float(car.heading[frame])
    axes = np.array([[np.sin(a), np.cos(a), 0], [-np.cos(a), np.sin(a), 0], [0, 0, 1]])
    return local @ axes + [*car.xy[frame], 0]


def _sections(outline: tuple[tuple[float, float, float], ...], crush: bool) -> tuple[np.ndarray, np.ndarray]:
    """Left and right edge of the outline, [K, 3] each."""
    points = np.array(outline)
    if crush:
        nose = points[:, 0] > 1.2
        points[nose] += np.array([[-0.62, 0.02, 0], [-0.75, 0.08, 0.03], [-0.5, 0.26, -0.1]])[: nose.sum()]
    left = points[:, [0, 2, 1]]
    return left, left * [1, -1, 1]


def draw_car(draw: ImageDraw.ImageDraw, camera: Camera, car: Car, frame: int, *, sun: np.ndarray) -> None:
    """Draw a car: body, wheels, glasshouse, lamps."""
    t = frame / FPS
    burnt = t >= car.burnt_from_s
    paint = np.array((34, 31, 30) if burnt else car.colour, float)
    glass = np.array((14, 12, 12) if burnt else (52, 62, 72), float)
    left, right = _sections(VAN if car.van else SEDAN, t >= car.crushed_from_s)
    top_left, top_right = _sections(VAN_GLASS if car.van else SEDAN_GLASS, False)

    def face(points: np.ndarray, colour: np.ndarray, tone: float = 1.0) -> None:
        _face(draw, camera, _place(car, frame, points), colour * tone, sun)

    for k in range(len(left) - 1):
        face(np.stack([right[k], left[k], left[k + 1], right[k + 1]]), paint)
    for side in (left[::-1], right):
        face(side, paint, 0.78)
        face(np.column_stack([side[:, :2], np.maximum(side[:, 2], 0.55)]), paint)
    _wheels(draw, camera, car, frame)
    for k in range(3):
        pane = np.stack([top_right[k], top_left[k], top_left[k + 1], top_right[k + 1]])
        face(pane, paint if k == 1 or (car.van and k == 2) else glass)
    for side in (top_left[::-1], top_right):
        face(side, paint)
        centre = side.mean(axis=0)
        window = centre + (side - centre) * [0.86, 1.0, 0.74]
        if car.van:  # only the cab has side windows
            window[:, 0] = np.maximum(window[:, 0], 0.35)
        face(window, glass, 1.1)
    if not burnt:
        _lamps(draw, camera, car, frame)


def _face(draw: ImageDraw.ImageDraw, camera: Camera, points: np.ndarray, colour: np.ndarray, sun: np.ndarray) -> None:
    """Draw a face if its front (points counter-clockwise seen from outside) looks at the camera."""
    normal = np.zeros(3)
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        normal += np.cross(a, b)
    normal /= max(float(np.linalg.norm(normal)), 1e-9)
    if normal @ (camera.position - points.mean(axis=0)) <= 0:
        return
    light = 0.5 + 0.18 * normal[2] + 0.5 * max(0.0, float(normal @ sun))
    at, _ = camera.project(points)
    draw.polygon(at.ravel().tolist(), fill=tuple(int(c) for c in np.clip(colour * light, 0, 255)))


def _wheels(draw: ImageDraw.ImageDraw, camera: Camera, car: Car, frame: int) -> None:
    ring = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    circle = np.stack([np.cos(ring), np.zeros(20), np.sin(ring)], axis=1)
    turned = float(np.linalg.norm(np.diff(car.xy[: frame + 1], axis=0), axis=1).sum()) / 0.32
    for side in (1, -1):
        outward = _place(car, frame, np.array([[0.0, side, 0], [0, 0, 0]]))
        if (outward[0] - outward[1]) @ (camera.position - outward[0]) <= 0:
            continue
        for along in (1.35, -1.35):
            hub = np.array([along, 0.9 * side, 0.33])
            for radius, colour in (
                (0.39, (20, 20, 22)),
                (0.33, (34, 34, 36)),
                (0.2, (140, 142, 146)),
                (0.07, (50, 50, 54)),
            ):
                at, _ = camera.project(_place(car, frame, hub + circle * radius))
                draw.polygon(at.ravel().tolist(), fill=colour)
            for k in range(5):
                spoke = turned + k * 2 * np.pi / 5
                tip = hub + 0.19 * np.array([np.cos(spoke), 0, -np.sin(spoke)])
                at, _ = camera.project(_place(car, frame, np.stack([hub, tip])))
                draw.line([tuple(p) for p in at], fill=(60, 60, 64), width=2)


def _lamps(draw: ImageDraw.ImageDraw, camera: Camera, car: Car, frame: int) -> None:
    t, end = frame / FPS, 2.42 if car.van else 2.2
    braking = 2 <= frame < len(car.xy) and car.speed(frame) < car.speed(max(frame - 4, 0)) - 0.25
    flash = t >= car.blinks_from_s and t % 0.8 < 0.4
    for along, colour in (
        (end, (255, 178, 50) if flash else (238, 240, 230)),
        (-end, (255, 178, 50) if flash else (255, 48, 36) if braking else (140, 22, 22)),
    ):
        if along > 0 and t >= car.crushed_from_s:
            continue
        facing = _place(car, frame, np.array([[along, 0.0, 0.6], [0, 0, 0.6]]))
        if (facing[0] - facing[1]) @ (camera.position - facing[0]) <= 0:
            continue
        for side in (-1, 1):
            lamp = np.array([[along, side * y, z] for y, z in ((0.5, 0.55), (0.8, 0.55), (0.8, 0.7), (0.5, 0.7))])
            at, _ = camera.project(_place(car, frame, lamp))
            draw.polygon(at.ravel().tolist(), fill=colour)


def draw_car_shadow(draw: ImageDraw.ImageDraw, camera: Camera, car: Car, frame: int, sun: np.ndarray) -> None:
    """Draw the car's shadow on the ground into a mask."""
    parts = (VAN, VAN_GLASS) if car.van else (SEDAN, SEDAN_GLASS)
    solid = _place(car, frame, np.concatenate([np.concatenate(_sections(p, False)) for p in parts]))
    under = solid * [1, 1, 0]
    at, _ = camera.project(np.concatenate([under, solid - sun * (solid[:, 2:] / sun[2])]))
    draw.polygon(at[ConvexHull(at).vertices].ravel().tolist(), fill=255)
