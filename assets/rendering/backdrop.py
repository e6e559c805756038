"""The still part of a scene: ray-cast ground, boxes and sky with sun shadows, then trees; painted once per clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import map_coordinates

from assets.rendering.camera import CANVAS, Camera

Texture = Callable[[np.ndarray, np.ndarray], np.ndarray]  # surface coordinates in metres, a and b -> colour [..., 3]


@dataclass(frozen=True)
class Box:
    """An axis-aligned box with one texture on its four walls and a plain colour on top."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    wall: Texture
    top: tuple[float, float, float] = (0.45, 0.44, 0.42)
    occludes: bool = False
    """True: people and cars can pass behind it, so it is pasted over them in depth order."""


@dataclass(frozen=True)
class Tree:
    """A tree standing at (x, y)."""

    x: float
    y: float
    height: float = 6.0
    spread: float = 2.2


@dataclass(frozen=True)
class Occluder:
    """A piece of the still picture that hides what is farther away."""

    depth: float
    image: Image.Image
    mask: Image.Image
    corner: tuple[int, int]


@dataclass(frozen=True)
class Setting:
    """What a scene is set in; `sun` points from the ground to the sun."""

    camera: Camera
    ground: Texture
    boxes: tuple[Box, ...]
    trees: tuple[Tree, ...] = ()
    sun: tuple[float, float, float] = (-0.55, -0.35, 0.75)
    sky: tuple[float, float, float] = (0.66, 0.74, 0.82)


@dataclass(frozen=True)
class Backdrop:
    """The painted still picture, what in it hides others, and where each pixel lies in the world."""

    image: Image.Image
    occluders: list[Occluder] = field(repr=False)
    points: np.ndarray = field(repr=False)
    """World position of every canvas pixel, [rows, columns, 3]; the sky lies 1000 m away."""


def noise(a: np.ndarray, b: np.ndarray, *, size: float, seed: int, octaves: int = 3) -> np.ndarray:
    """Smooth noise over surface coordinates in metres, about -1..1; `size` metres across its largest lumps."""
    total = np.zeros(np.broadcast(a, b).shape)
    for octave in range(octaves):
        table = np.random.default_rng(seed + octave).uniform(-1, 1, (64, 64))
        scale = 2**octave / size
        total += map_coordinates(table, [a * scale % 64, b * scale % 64], order=1, mode="grid-wrap") / 2**octave
    return total / 1.5


def paint(setting: Setting, *, seed: int) -> Backdrop:
    """Ray cast the setting and add its trees. Deterministic by seed."""
    camera, sun = setting.camera, np.asarray(setting.sun) / np.linalg.norm(setting.sun)
    rays, eye = camera.rays(), camera.position
    distance, which, normal = _cast(np.broadcast_to(eye, rays.shape), rays, setting.boxes)
    points = eye + rays * np.minimum(distance, 1000.0)[..., None]  # [rows, columns, 3]
    albedo = _albedo(setting, points, which, normal)
    lifted = points + normal * 0.02
    shade, _, _ = _cast(lifted, np.broadcast_to(sun, rays.shape), setting.boxes, ground=False)
    facing = np.clip(normal @ sun, 0, 1)
    direct = facing * (shade > 200) * _tree_light(setting, points, sun, seed)
    # Sky light falls off towards the foot of walls: a cheap stand-in for ambient occlusion.
    foot = np.where(np.abs(normal[..., 2]) < 0.5, 0.72 + 0.28 * np.clip(points[..., 2] / 2.5, 0, 1), 1.0)
    ambient = (0.46 + 0.1 * normal[..., 2]) * foot
    light = direct[..., None] * np.array([1.02, 0.95, 0.82]) + ambient[..., None] * np.array([0.92, 1.0, 1.1])
    colour = albedo * light
    sky = np.asarray(setting.sky) * (1.12 - 0.5 * np.clip(rays[..., 2:], 0, 0.4))
    haze = 1 - np.exp(-np.minimum(distance, 300) / 190)[..., None]
    colour = colour * (1 - haze) + sky * haze
    colour[which == -2] = sky[which == -2]
    image = _picture(colour)
    occluders = [_box_occluder(setting, i, image, which) for i, box in enumerate(setting.boxes) if box.occludes]
    for i, tree in enumerate(sorted(setting.trees, key=lambda t: -t.y)):
        occluders.append(_plant(tree, camera, sun, image, seed + i))
    return Backdrop(image, occluders, points)


def _cast(
    origins: np.ndarray, rays: np.ndarray, boxes: tuple[Box, ...], *, ground: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest hit: distance [...], index of the box (-1 ground, -2 sky) and surface normal [..., 3]."""
    safe = np.where(np.abs(rays) < 1e-9, 1e-9, rays)
    best = np.full(rays.shape[:-1], 1e6)
    which = np.full(rays.shape[:-1], -2)
    normal = np.zeros(rays.shape)
    normal[..., 2] = 1
    if ground:
        down = -origins[..., 2] / safe[..., 2]
        hit = (down > 0) & (down < 600)
        best[hit], which[hit] = down[hit], -1
    for i, box in enumerate(boxes):
        near, far = (np.asarray(box.low) - origins) / safe, (np.asarray(box.high) - origins) / safe
        entry = np.minimum(near, far)
        enter, leave = entry.max(axis=-1), np.maximum(near, far).min(axis=-1)
        hit = (enter > 1e-6) & (enter < leave) & (enter < best)
        axis = entry.argmax(axis=-1)[hit]
        best[hit], which[hit] = enter[hit], i
        normal[hit] = np.eye(3)[axis] * -np.sign(safe[hit][np.arange(len(axis)), axis])[:, None]
    return best, which, normal


def _albedo(setting: Setting, points: np.ndarray, which: np.ndarray, normal: np.ndarray) -> np.ndarray:
    albedo = np.zeros(points.shape)
    ground = which == -1
    albedo[ground] = setting.ground(points[ground][:, 0], points[ground][:, 1])
    for i, box in enumerate(setting.boxes):
        for axis, along in ((0, 1), (1, 0)):
            here = (which == i) & (np.abs(normal[..., axis]) > 0.5)
            albedo[here] = box.wall(points[here][:, along] - box.low[along], points[here][:, 2] - box.low[2])
        albedo[(which == i) & (normal[..., 2] > 0.5)] = box.top
    return albedo


def _crown(tree: Tree, seed: int, n: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """Leaf clusters of a crown: positions relative to the trunk's foot [n, 3] and radii [n], lowest first."""
    rng = np.random.default_rng(seed)
    way = rng.normal(size=(n, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    lobes = 1 + 0.22 * np.sin(way @ rng.normal(0, 3, (3, 3))).sum(axis=1) / 1.5
    reach = np.cbrt(rng.uniform(0.25, 1, n)) * lobes
    centre = way * reach[:, None] * [tree.spread, tree.spread, tree.height * 0.33] + [0, 0, tree.height * 0.66]
    order = np.argsort(centre[:, 2] - 0.3 * centre[:, 1])
    return centre[order], (tree.spread * rng.uniform(0.05, 0.13, n))[order]


def _tree_light(setting: Setting, points: np.ndarray, sun: np.ndarray, seed: int) -> np.ndarray:
    """Share of sunlight left under the trees, dappled; [rows, columns] in 0..1."""
    light = np.ones(points.shape[:2])
    low = points[..., 2] < 5
    for tree in setting.trees:
        # Where the ray towards the sun passes the height of the crown's middle.
        rise = (tree.height * 0.66 - points[..., 2]) / sun[2]
        off = (points[..., :2] + rise[..., None] * sun[:2] - [tree.x, tree.y]) / tree.spread
        dapple = noise(points[..., 0], points[..., 1], size=1.1, seed=seed)
        inside = np.clip((1.05 + 0.35 * dapple - np.linalg.norm(off, axis=-1)) * 4, 0, 1)
        trunk = (np.linalg.norm(points[..., :2] - [tree.x, tree.y], axis=-1) < 0.3) & (points[..., 2] < 0.1)
        light = np.where(low, np.minimum(light, 1 - 0.85 * np.maximum(inside, trunk)), light)
    return light


def _picture(colour: np.ndarray) -> Image.Image:
    """Linear-ish colour 0..1 to a picture, with a gentle shoulder for the highlights."""
    return Image.fromarray((255 * np.clip(colour / (1 + 0.18 * colour**2), 0, 1) ** 0.9).astype(np.uint8))


def _box_occluder(setting: Setting, index: int, image: Image.Image, which: np.ndarray) -> Occluder:
    mask = Image.fromarray(((which == index) * 255).astype(np.uint8))
    frame = mask.getbbox() or (0, 0, 1, 1)
    low, high = np.asarray(setting.boxes[index].low), np.asarray(setting.boxes[index].high)
    depth = float(setting.camera.project((low + high) / 2 * [1, 1, 0])[1])
    return Occluder(depth, image.crop(frame), mask.crop(frame), frame[:2])


def _plant(tree: Tree, camera: Camera, sun: np.ndarray, image: Image.Image, seed: int) -> Occluder:
    """Draw a tree on the picture and return it as an occluder."""
    foot = np.array([tree.x, tree.y, 0.0])
    rng = np.random.default_rng(seed)
    layer, mask = image.copy(), Image.new("L", CANVAS)
    draw, cut = ImageDraw.Draw(layer), ImageDraw.Draw(mask)
    trunk, depth = camera.project(foot + np.array([[0, 0, 0], [0.1, 0, tree.height * 0.62]]))
    thick = camera.focal_px / depth[0] * 0.15
    for pen, fill in ((draw, (74, 62, 52)), (cut, 255)):
        pen.line([tuple(p) for p in trunk], fill=fill, width=int(2 * thick))
    draw.line([(p[0] - thick * 0.4, p[1]) for p in trunk], fill=(106, 91, 76), width=max(1, int(thick * 0.6)))
    leaves, radius = _crown(tree, seed)
    at, far = camera.project(leaves + foot)
    lit = np.clip(0.45 + 0.55 * (leaves - [0, 0, tree.height * 0.66]) @ sun / tree.spread, 0.15, 1.1)
    for (u, v), d, r, k in zip(at, far, radius, lit * rng.uniform(0.8, 1.15, len(at)), strict=True):
        size = camera.focal_px / d * r
        green = tuple(int(c) for c in np.array([84, 112, 52]) * k + [10, 14, 12])
        for du, dv, s in rng.uniform(-1, 1, (5, 3)) * [1, 0.8, 0.3]:
            frame = [u + du * size, v + dv * size]
            spot = [frame[0], frame[1], frame[0] + size * (0.8 + s), frame[1] + size * (0.6 + s)]
            draw.ellipse(spot, fill=green)
            cut.ellipse(spot, fill=255)
    frame = mask.getbbox() or (0, 0, 1, 1)
    soft = mask.filter(ImageFilter.GaussianBlur(0.7))
    image.paste(layer, (0, 0), soft)
    return Occluder(float(depth[0]), layer.crop(frame), soft.crop(frame), frame[:2])
