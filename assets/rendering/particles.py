"""Fire, smoke, steam and flying pieces: every particle is a closed function of time, so frames need no history."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops
from scipy.ndimage import gaussian_filter

from assets.rendering.camera import CANVAS, Camera
from assets.rendering.people import Capsules

COARSE = 4  # canvas pixels per pixel of the smoke layer: smoke has no edges to lose
WIND = np.array([0.55, 0.15, 0.0])  # m/s
# Colours of hot gas from its birth to soot.
HEAT = np.array([[255, 244, 205], [255, 205, 95], [250, 138, 38], [190, 72, 18], [80, 42, 26], [42, 38, 36]], float)


@dataclass(frozen=True)
class Burst:
    """A sudden event at a place: a fireball with smoke, or only steam and broken pieces."""

    at: tuple[float, float, float]
    start_s: float
    seed: int
    fireball: bool = True
    burns_s: float = 8.0
    """Seconds during which flames (or steam) come out after the event."""
    smokes_s: float = 10.0
    n_debris: int = 60
    throw_m_s: float = 11.0
    power: float = 1.0
    """Scale of the camera shake."""

    wall_y_m: float = 1e9
    """Flying pieces stop at a wall this far back."""

    def shake_px(self, t: float) -> np.ndarray:
        """Displacement of the camera in canvas pixels, [2]."""
        age = t - self.start_s
        if age < 0:
            return np.zeros(2)
        sway = [np.sin(61 * age) + 0.5 * np.sin(97 * age + 1), np.sin(73 * age + 2) + 0.6 * np.sin(41 * age)]
        return 10 * self.power * np.exp(-age / 0.45) * np.array(sway)

    def exposure(self, t: float) -> float:
        """Gain of the picture: a blinding flash, then the camera closes down and recovers."""
        age = t - self.start_s
        if age < 0 or not self.fireball:
            return 1.0
        return float(1 + 1.5 * np.exp(-age / 0.09) - 0.32 * (np.exp(-age / 1.5) - np.exp(-age / 0.2)))

    def glow(self, t: float) -> float:
        """Brightness of the light thrown on the surroundings, 0..1."""
        age = t - self.start_s
        if age < 0 or not self.fireball:
            return 0.0
        flicker = 0.8 + 0.2 * np.sin(23 * age) * np.sin(7.3 * age)
        burning = float(np.clip((self.burns_s - age) / 3, 0, 1))
        return float(np.exp(-age / 0.6) + 0.28 * flicker * burning * min(age, 1))


class Puffs(NamedTuple):
    """M soft balls: centres [M, 3] and radii [M] in metres, colours [M, 3], opacity [M], own light [M] in 0..1."""

    centres: np.ndarray
    radii: np.ndarray
    colours: np.ndarray
    opacity: np.ndarray
    shines: np.ndarray

    def composite(self, canvas: Image.Image, camera: Camera) -> None:
        """Blend the puffs over the canvas, far to near."""
        if not len(self.radii):
            return
        size = (CANVAS[0] // COARSE, CANVAS[1] // COARSE)
        colour = np.zeros((size[1], size[0], 3), np.float32)
        through = np.ones((size[1], size[0], 1), np.float32)
        at, depth = camera.project(self.centres)
        px = self.radii * camera.focal_px / depth / COARSE
        for i in np.argsort(-depth, kind="stable"):
            self._blend(i, at[i] / COARSE, float(px[i]), colour, through)
        layer = Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8)).resize(CANVAS, Image.Resampling.BICUBIC)
        clear = Image.fromarray((through[..., 0] * 255).astype(np.uint8)).resize(CANVAS, Image.Resampling.BICUBIC)
        behind = ImageChops.multiply(canvas, Image.merge("RGB", [clear] * 3))
        canvas.paste(ImageChops.add(behind, layer))

    def _blend(self, i: int, at: np.ndarray, px: float, colour: np.ndarray, through: np.ndarray) -> None:
        side = max(3, int(2.6 * px))
        left, top = int(at[0] - side / 2), int(at[1] - side / 2)
        a, b = max(left, 0), max(top, 0)
        c, d = min(left + side, colour.shape[1]), min(top + side, colour.shape[0])
        if a >= c or b >= d:
            return
        seen = (slice(b - top, d - top), slice(a - left, c - left))
        mask, shade = (
            np.asarray(part.resize((side, side), Image.Resampling.BILINEAR), np.float32)[seen][..., None]
            for part in _sprites()[i % 8]
        )
        alpha = mask * np.float32(self.opacity[i] / 255)
        tone = self.shines[i] + (1 - self.shines[i]) * shade / 255
        keep = 1 - alpha * np.float32(1 - 0.35 * self.shines[i])  # what shines also lets some light through
        colour[b:d, a:c] = colour[b:d, a:c] * keep + alpha * tone * self.colours[i].astype(np.float32)
        through[b:d, a:c] *= keep


@cache
def _sprites() -> list[tuple[Image.Image, Image.Image]]:
    """Eight ragged balls: opacity, and shading with the light from the upper left; 64 x 64 each."""
    rng = np.random.default_rng(7)
    v, u = np.mgrid[-1.3:1.3:64j, -1.3:1.3:64j]
    sprites = []
    for _ in range(8):
        lumps = sum(gaussian_filter(rng.normal(size=(64, 64)), s, mode="wrap") * s for s in (2, 4, 7))
        ball = np.clip(1.05 - np.hypot(u, v) + 0.22 * lumps, 0, 1)
        mask = 255 * np.clip(ball * 1.6, 0, 1) ** 1.3
        shade = 255 * np.clip(0.72 - 0.2 * u - 0.3 * v + 0.13 * lumps, 0.3, 1)
        sprites.append(tuple(Image.fromarray(part.astype(np.uint8)) for part in (mask, shade)))
    return sprites


def puffs_at(burst: Burst, t: float) -> Puffs:
    """The burst's soft particles at a time in seconds."""
    groups = [_fireball(burst, t), _flames(burst, t), _smoke(burst, t)] if burst.fireball else [_steam(burst, t)]
    return Puffs(*(np.concatenate(parts) for parts in zip(*groups, strict=True)))


def _alive(born: np.ndarray, life: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Which particles live at t, and the age of those as a share of their life."""
    here = (t >= born) & (t < born + life)
    return here, ((t - born) / life)[here]


def _fireball(burst: Burst, t: float) -> Puffs:
    rng = np.random.default_rng(burst.seed)
    n = 70
    born = burst.start_s + rng.uniform(0, 0.18, n)
    life = rng.uniform(0.9, 2.1, n)
    way = rng.normal(size=(n, 3)) * [1, 0.7, 0.7] + [0, 0, 0.5]
    throw = way / np.linalg.norm(way, axis=1, keepdims=True) * rng.uniform(0.3, 1, (n, 1)) * 2.6
    here, age = _alive(born, life, t)
    seconds = (age * life[here])[:, None]
    centres = np.asarray(burst.at) + throw[here] * (1 - np.exp(-seconds * 4)) + [0, 0, 1.8] * seconds
    radii = 0.5 + rng.uniform(0.9, 1.6, n)[here] * np.sqrt(age)
    opacity, shines = np.clip((1 - age) * 2, 0, 0.95), np.clip(1.3 - 1.5 * age, 0, 1)
    return Puffs(centres, radii, _heat(age**0.8), opacity, shines)


def _heat(age: np.ndarray) -> np.ndarray:
    """Colour of hot gas by age 0..1, [M, 3]."""
    steps = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(age, steps, HEAT[:, i]) for i in range(3)], axis=1)


def _flames(burst: Burst, t: float) -> Puffs:
    rng = np.random.default_rng(burst.seed + 1)
    n = int(26 * burst.burns_s)
    when = rng.uniform(0.2, 1, n) ** 1.3 * burst.burns_s
    life = rng.uniform(0.45, 1.0, n)
    here, age = _alive(burst.start_s + when, life, t)
    weak = 1 - 0.7 * (when / burst.burns_s)[here]
    spot = rng.normal(size=(n, 3)) * [0.7, 0.4, 0.1]
    centres = np.asarray(burst.at) + (spot[here] + [0, 0, 2.3] * age[:, None]) * weak[:, None]
    radii = (0.75 - 0.45 * age) * weak
    return Puffs(centres, radii, _heat(0.12 + 0.5 * age), 0.8 * (1 - age), 1 - 0.3 * age)


def _smoke(burst: Burst, t: float) -> Puffs:
    rng = np.random.default_rng(burst.seed + 2)
    n = 45 + int(8 * burst.smokes_s)
    when = np.concatenate([rng.uniform(0.1, 0.9, 45), rng.uniform(0.6, burst.smokes_s, n - 45)])
    life = rng.uniform(4, 7.5, n)
    here, age = _alive(burst.start_s + when, life, t)
    seconds = (age * life[here])[:, None]
    thin = 1 - 0.75 * np.clip(when[here] / burst.smokes_s, 0, 1)
    spot = rng.normal(size=(n, 3)) * [0.9, 0.5, 0.6]
    rise = np.array([0, 0, 1.0]) * (2.6 * (1 - np.exp(-seconds * 0.8)) + 0.75 * seconds)
    centres = np.asarray(burst.at) + [0, 0, 0.8] + spot[here] * (1 + 0.5 * seconds) + rise + WIND * seconds
    grey = 34 + 75 * age[:, None] + rng.uniform(0, 22, (n, 1))[here]
    opacity = 0.75 * np.clip(age * 9, 0, 1) * (1 - age) ** 0.9 * thin
    return Puffs(centres, (0.8 + 2.1 * age) * (0.5 + 0.5 * thin), grey * [1.02, 1, 0.98], opacity, 0 * age)


def _steam(burst: Burst, t: float) -> Puffs:
    rng = np.random.default_rng(burst.seed + 3)
    n = 26 + int(9 * burst.burns_s)
    when = np.concatenate([rng.uniform(0, 0.12, 26), rng.uniform(0.3, burst.burns_s, n - 26)])
    life = np.concatenate([rng.uniform(0.7, 1.6, 26), rng.uniform(1.2, 2.6, n - 26)])
    here, age = _alive(burst.start_s + when, life, t)
    seconds = (age * life[here])[:, None]
    spot = rng.normal(size=(n, 3)) * [0.5, 0.5, 0.2]
    centres = np.asarray(burst.at) + spot[here] * (1 + seconds) + WIND * seconds + [0, 0, 0.7] * seconds
    thin = 1 - 0.6 * (when / max(burst.burns_s, 1))[here]
    colours = np.repeat(rng.uniform(165, 215, (n, 1))[here], 3, axis=1)
    return Puffs(centres, 0.25 + 0.8 * age, colours, 0.42 * np.clip(age * 8, 0, 1) * (1 - age) * thin, 0 * age)


def debris_at(burst: Burst, t: float) -> Capsules:
    """The burst's flying and fallen pieces at a time in seconds."""
    n = burst.n_debris if t >= burst.start_s else 0
    rng = np.random.default_rng(burst.seed + 4)
    speed = rng.uniform(0.25, 1, (burst.n_debris, 1)) * burst.throw_m_s
    way = rng.normal(size=(burst.n_debris, 3)) * [1, 1, 0.6]
    way[:, 2] = np.abs(way[:, 2]) + 0.25
    velocity = way / np.linalg.norm(way, axis=1, keepdims=True) * speed
    z0 = burst.at[2]
    lands = (velocity[:, 2] + np.sqrt(velocity[:, 2] ** 2 + 2 * 9.81 * z0)) / 9.81
    flight = np.minimum(max(t - burst.start_s, 0), lands)[:, None]
    slide = 0.25 * (1 - np.exp(-4 * np.maximum(t - burst.start_s - lands, 0)))[:, None] * velocity * [1, 1, 0]
    middle = np.asarray(burst.at) + velocity * flight - [0, 0, 4.905] * flight**2 + slide
    middle[:, 1] = np.minimum(middle[:, 1], burst.wall_y_m)
    middle[:, 2] = np.maximum(middle[:, 2], 0.03)
    spin = rng.uniform(0, 6, (burst.n_debris, 1)) + flight * rng.uniform(5, 20, (burst.n_debris, 1))
    length = rng.uniform(0.04, 0.22, (burst.n_debris, 1))
    half = length * np.concatenate([np.cos(spin), 0.4 * np.sin(spin), 0.2 * np.sin(2 * spin)], axis=1)
    ends = np.stack([middle - half, middle + half], axis=1)
    radii = np.repeat(rng.uniform(0.02, 0.06, (burst.n_debris, 1)), 2, axis=1)
    colours = np.repeat(rng.uniform(35, 120, (burst.n_debris, 1)), 3, axis=1)
    return Capsules(ends[:n], radii[:n], colours[:n])


def glow_map(image: Image.Image, points: np.ndarray, burst: Burst) -> Image.Image:
    """What the burst's light adds to the still picture at full brightness."""
    away = np.linalg.norm(points - np.asarray(burst.at), axis=-1)
    falloff = (1.6 / (1 + (away / 5.5) ** 2))[..., None] * np.array([1.0, 0.62, 0.28])
    return Image.fromarray(np.clip(np.asarray(image) * falloff, 0, 255).astype(np.uint8))
