"""People: a track on the ground, a pose from a gait model, and a body of shaded capsules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import ImageDraw
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from assets.rendering.camera import Camera

FPS = 24
Colour = tuple[int, int, int]
Spans = tuple[tuple[float, float], ...]  # intervals in seconds


class Pose(NamedTuple):
    """Joint angles in radians, forward positive, and the drop of the hips in metres."""

    hip_l: float
    knee_l: float
    hip_r: float
    knee_r: float
    arm_l: float
    elbow_l: float
    arm_r: float
    elbow_r: float
    spread: float = 0.12
    lean: float = 0.03
    twist: float = 0.0
    drop: float = 0.0

    def blend(self, other: Pose, share: float) -> Pose:
        """This pose moved towards the other by `share` in 0..1."""
        return Pose(*(a + (b - a) * share for a, b in zip(self, other, strict=True)))


class Capsules(NamedTuple):
    """M rounded cylinders: ends [M, 2, 3] and radii [M, 2] in metres, colours [M, 3] in 0..255."""

    ends: np.ndarray
    radii: np.ndarray
    colours: np.ndarray


@dataclass(frozen=True)
class Look:
    """What a person wears and how tall they are."""

    height_m: float = 1.75
    top: Colour = (60, 75, 110)
    legs: Colour = (45, 48, 58)
    skin: Colour = (205, 160, 130)
    hair: Colour = (50, 38, 30)
    coat: bool = False
    bag: Colour | None = None


@dataclass(frozen=True)
class Person:
    """A person's way through the clip, sampled at every frame."""

    look: Look
    xy: np.ndarray  # [T, 2]
    heading: np.ndarray  # [T], radians, 0 = ahead along y
    speed: np.ndarray  # [T], m/s
    phase: np.ndarray  # [T], of the gait
    seed: float
    fights: Spans = ()
    """Intervals in seconds during which the person fights."""
    ducks: Spans = ()
    """Intervals during which the person cowers, arms over the head."""

    def pose_at(self, frame: int) -> Pose:
        """The pose in one frame."""
        t, speed = frame / FPS, float(self.speed[frame])
        pose = _idle(t, self.seed).blend(_gait(float(self.phase[frame]), speed), min(speed / 0.5, 1))
        pose = pose.blend(_brawl(t, self.seed), _ramp(t, self.fights))
        return pose.blend(_cower(t, self.seed), _ramp(t, self.ducks))

    def capsules(self, frame: int) -> Capsules:
        """The body in one frame, in world coordinates."""
        local = _body(self.pose_at(frame), self.look)
        a = float(self.heading[frame])
        turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])  # right, ahead, up
        ends = local.ends @ turn + [*self.xy[frame], 0]
        return Capsules(ends, local.radii, local.colours)


def walk(
    look: Look,
    keys: list[tuple[float, float, float]],
    n_frames: int,
    *,
    face: float | None = None,
    seed: float = 0.0,
    fights: Spans = (),
    ducks: Spans = (),
) -> Person:
    """A person who passes (x, y) at the given seconds, smoothly; `face` is the heading while standing."""
    t = np.arange(n_frames) / FPS
    knots = np.array(keys)
    if len(knots) == 1:
        xy = np.repeat(knots[:, 1:], n_frames, axis=0)
    else:
        xy = np.stack([PchipInterpolator(knots[:, 0], knots[:, i])(np.clip(t, *knots[[0, -1], 0])) for i in (1, 2)], 1)
        xy = gaussian_filter1d(xy, 5, axis=0, mode="nearest")
    step = np.gradient(xy, axis=0) * FPS  # m/s
    speed = np.linalg.norm(step, axis=1)
    way = step + 1e-9
    moving = speed > 0.2
    if face is not None or not moving.any():
        way = np.where(moving[:, None], way, [np.sin(face or 0.0), np.cos(face or 0.0)])
    else:  # while standing, keep the last heading (the first one before the first step)
        last = np.maximum.accumulate(np.where(moving, np.arange(n_frames), 0))
        last[: np.argmax(moving)] = np.argmax(moving)
        way = way[last]
    unit = gaussian_filter1d(way / np.linalg.norm(way, axis=1, keepdims=True), 4, axis=0, mode="nearest")
    stride = 0.75 + 0.35 * speed  # metres of a double step
    phase = np.cumsum(speed / np.maximum(stride, 0.5)) / FPS * 2 * np.pi + seed * 7
    return Person(look, xy, np.arctan2(unit[:, 0], unit[:, 1]), speed, phase, seed, fights, ducks)


def _ramp(t: float, spans: Spans) -> float:
    """1 inside a span, rising and falling over 0.4 s at its ends."""
    return max((float(np.clip(min(t - a, b - t) / 0.4, 0, 1)) for a, b in spans), default=0.0)


def _gait(phase: float, speed: float) -> Pose:
    """One phase of walking, or of running when fast."""
    run = float(np.clip((speed - 1.8) / 2, 0, 1))
    swing = 0.28 + 0.14 * min(speed, 1.6) + 0.3 * run

    def leg(p: float) -> tuple[float, float]:
        return swing * np.sin(p) + 0.08, 0.12 + (0.85 + 0.7 * run) * max(0.0, np.cos(p + 0.4)) ** 2

    (hip_l, knee_l), (hip_r, knee_r) = leg(phase), leg(phase + np.pi)
    arm = 0.4 + 0.5 * run
    return Pose(
        hip_l, knee_l, hip_r, knee_r,
        -arm * np.sin(phase), 0.3 + 1.2 * run, arm * np.sin(phase), 0.3 + 1.2 * run,
        lean=0.05 + 0.2 * run, twist=-0.1 * np.sin(phase), drop=0.025 * np.cos(2 * phase) + 0.03,
    )  # fmt: skip


def _idle(t: float, seed: float) -> Pose:
    sway = np.sin(0.9 * t + 9 * seed)
    talk = max(0.0, np.sin(0.5 * t + 17 * seed)) ** 3  # a hand that speaks now and then
    return Pose(
        0.04 + 0.02 * sway, 0.06, 0.0, 0.05 - 0.03 * sway,
        0.1 + 0.03 * sway, 0.35, 0.1 + talk * (0.5 + 0.25 * np.sin(5 * t)), 0.4 + 1.1 * talk,
        lean=0.02 * sway, twist=0.15 * np.sin(0.37 * t + 5 * seed),
    )  # fmt: skip


def _brawl(t: float, seed: float) -> Pose:
    """Guard, punches from alternate arms, and a wide unsteady stance."""
    beat = 2 * np.pi * (1.5 + 0.25 * np.sin(seed * 5)) * t + seed * 11
    left, right = max(0.0, np.sin(beat)) ** 2, max(0.0, -np.sin(beat)) ** 2
    sway = np.sin(0.37 * beat)
    return Pose(
        0.45 + 0.2 * sway, 0.45, -0.4 + 0.2 * sway, 0.3,
        0.75 + 0.95 * left, 1.9 - 1.7 * left, 0.75 + 0.95 * right, 1.9 - 1.7 * right,
        spread=0.25, lean=0.2 + 0.16 * sway, twist=0.55 * (left - right), drop=0.1,
    )  # fmt: skip


def _cower(t: float, seed: float) -> Pose:
    shake = 0.05 * np.sin(9 * t + seed)
    return Pose(0.95, 1.5, 0.75, 1.35, 2.2 + shake, 1.8, 2.2 - shake, 1.8, spread=0.2, lean=0.55, drop=0.3)


def _body(pose: Pose, look: Look) -> Capsules:
    """Capsules of a standing body: x right, y ahead, z up from the ground between the feet."""
    parts: list[tuple[np.ndarray, np.ndarray, float, float, Colour]] = []
    hips = np.array([0, 0, 0.93 - pose.drop])

    def at(*offset: float) -> np.ndarray:
        return np.array(offset)

    def swing(start: np.ndarray, angle: float, length: float, side: float = 0.0) -> np.ndarray:
        return start + length * np.array([np.sin(side), np.cos(side) * np.sin(angle), -np.cos(side) * np.cos(angle)])

    soles = []
    for side, hip, knee in ((-1, pose.hip_l, pose.knee_l), (1, pose.hip_r, pose.knee_r)):
        joint = hips + at(0.09 * side, 0, 0)
        bent = swing(joint, hip, 0.43)
        ankle = swing(bent, hip - knee, 0.42)
        toe = ankle + 0.17 * np.array([0, np.cos(0.5 * (hip - knee)), 0.5 * np.sin(hip - knee) - 0.1])
        parts += [(joint, bent, 0.095, 0.065, look.legs), (bent, ankle, 0.064, 0.047, look.legs)]
        parts.append((ankle - [0, 0.03, 0.03], toe, 0.048, 0.036, (38, 34, 32)))
        soles.append(min(ankle[2], toe[2]) - 0.04)
    neck = hips + 0.5 * np.array([0, np.sin(pose.lean), np.cos(pose.lean)])
    across = np.array([np.cos(pose.twist), -np.sin(pose.twist), 0])
    for side in (-0.75, 0.75, 0.0):
        parts.append((hips + at(0.1 * side, 0, 0.02), neck + across * 0.15 * side, 0.115, 0.12, look.top))
    if look.coat:
        parts += [(hips, hips + at(0.06 * s, 0.01, -0.34), 0.15, 0.15, look.top) for s in (-1, 1)]
    for side, arm, elbow in ((-1, pose.arm_l, pose.elbow_l), (1, pose.arm_r, pose.elbow_r)):
        shoulder = neck + across * 0.2 * side + [0, 0, -0.02]
        bent = swing(shoulder, arm, 0.29, side * pose.spread)
        hand = swing(bent, arm + elbow, 0.25, side * pose.spread * 0.4)
        parts += [(shoulder, bent, 0.062, 0.05, look.top), (bent, hand, 0.048, 0.038, look.top)]
        parts.append((hand, swing(hand, arm + elbow, 0.06), 0.04, 0.036, look.skin))
    if look.bag:
        parts.append((neck - [0, 0.17, 0.08], neck - [0, 0.18, 0.36], 0.12, 0.13, look.bag))
    head = neck + at(0, 0.05 + 0.25 * np.sin(pose.lean), 0.24)
    parts.append((neck, head, 0.055, 0.06, look.skin))
    parts.append((head - [0, 0, 0.03], head + at(0, 0.01, 0.05), 0.088, 0.095, look.skin))
    parts.append((head + at(0, -0.035, 0.02), head + at(0, -0.015, 0.08), 0.095, 0.092, look.hair))
    ends = np.array([[a, b] for a, b, *_ in parts])
    ends[..., 2] -= min(soles)  # the lower foot stands on the ground
    radii = np.array([[r0, r1] for _, _, r0, r1, _ in parts])
    tall = look.height_m / 1.75
    return Capsules(ends * tall, radii * tall, np.array([p[4] for p in parts], float))


def outlines(camera: Camera, ends: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Canvas polygons of capsules: points [M, 18, 2], mean radius in pixels [M], depth [M]."""
    at, depth = camera.project(ends)  # [M, 2, 2], [M, 2]
    px = radii * camera.focal_px / depth
    along = at[:, 1] - at[:, 0]
    base = np.arctan2(along[:, 1], along[:, 0])[:, None]
    arc = np.linspace(-np.pi / 2, np.pi / 2, 9)
    caps = [
        at[:, i, None] + px[:, i, None, None] * np.stack([np.cos(base + arc + i0), np.sin(base + arc + i0)], -1)
        for i, i0 in ((1, 0.0), (0, np.pi))
    ]
    return np.concatenate(caps, axis=1), px.mean(axis=1), depth.mean(axis=1)


def draw_capsules(
    draw: ImageDraw.ImageDraw, camera: Camera, body: Capsules, *, light_px: tuple[float, float], gain: float
) -> None:
    """Draw capsules far to near in three tones, lit from the canvas direction `light_px`."""
    polygons, radius, depth = outlines(camera, body.ends, body.radii)
    shift = np.asarray(light_px)
    core, _, _ = outlines(camera, body.ends, body.radii * 0.72)
    rim, _, _ = outlines(camera, body.ends, body.radii * 0.36)
    core += (shift * radius[:, None] * 0.28)[:, None]
    rim += (shift * radius[:, None] * 0.5)[:, None]
    for i in np.argsort(-depth, kind="stable"):
        for shape, tone in ((polygons, 0.62), (core, 0.86), (rim, 1.06)):
            colour = tuple(int(c) for c in np.clip(body.colours[i] * tone * gain, 0, 255))
            draw.polygon(shape[i].ravel().tolist(), fill=colour)


def draw_shadow(draw: ImageDraw.ImageDraw, camera: Camera, body: Capsules, sun: np.ndarray) -> None:
    """Draw the capsules' shadows on the ground into a mask."""
    flat = body.ends - sun * (body.ends[..., 2:] / sun[2])
    polygons, _, _ = outlines(camera, flat, body.radii * 0.85)
    for shape in polygons:
        draw.polygon(shape.ravel().tolist(), fill=255)
