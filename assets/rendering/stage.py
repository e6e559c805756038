"""Puts backdrop, shadows, people, cars and particles together into one frame, as a cheap fixed camera would see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from assets.rendering.backdrop import Backdrop, Setting, paint
from assets.rendering.camera import HEIGHT, MARGIN, SCALE, WIDTH
from assets.rendering.cars import Car, draw_car, draw_car_shadow
from assets.rendering.particles import Burst, debris_at, glow_map, puffs_at
from assets.rendering.people import FPS, Person, draw_capsules, draw_shadow

CAPTION = "rendered scene"


@dataclass(frozen=True)
class Scene:
    """Everything that happens in one clip."""

    name: str
    setting: Setting
    n_frames: int
    seed: int
    label: str
    """Class of the event, or `normal`."""
    segments_s: tuple[tuple[float, float], ...]
    """When the event lasts; empty for a normal clip."""
    sound: Callable[[int, float], np.ndarray] = field(repr=False)
    """Seed and seconds to the clip's sound, float [samples] in -1..1, without the people's steps."""
    people: tuple[Person, ...] = ()
    cars: tuple[Car, ...] = ()
    bursts: tuple[Burst, ...] = ()
    clock_s: int = 14 * 3600
    """Time of day at the first frame, for the stamp in the picture."""
    camera_name: str = "CAM 01"


class Stage:
    """Renders the frames of a scene; each frame depends on its index alone."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.backdrop: Backdrop = paint(scene.setting, seed=scene.seed)
        self.sun = np.asarray(scene.setting.sun) / np.linalg.norm(scene.setting.sun)
        local = scene.setting.camera.axes @ self.sun
        self.light_px = (float(local[0]), -float(local[1]))
        self.glows = {b: glow_map(self.backdrop.image, self.backdrop.points, b) for b in scene.bursts if b.fireball}
        grain = np.random.default_rng(scene.seed).normal(0, 1.5, (HEIGHT + 64, WIDTH + 64, 1))
        self.grain = grain.astype(np.float32)
        v, u = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
        self.vignette = (1 - 0.16 * (u**2 + v**2) ** 1.2).astype(np.float32)[..., None]
        self.font = ImageFont.load_default(13)

    def frame(self, index: int) -> np.ndarray:
        """One finished frame, uint8 [360, 640, 3]."""
        canvas = self.backdrop.image.copy()
        self._shadows(canvas, index)
        for _, draw in sorted(self._things(index), key=lambda thing: -thing[0]):
            draw(canvas)
        for burst in self.scene.bursts:
            if (glow := burst.glow(index / FPS)) > 0.01:
                light = self.glows[burst].point([min(255, int(v * glow)) for v in range(256)] * 3)
                canvas = ImageChops.add(canvas, light)
        return self._as_filmed(canvas, index)

    def _shadows(self, canvas: Image.Image, index: int) -> None:
        mask = Image.new("L", canvas.size)
        pen, camera = ImageDraw.Draw(mask), self.scene.setting.camera
        for person in self.scene.people:
            draw_shadow(pen, camera, person.capsules(index), self.sun)
        for car in self.scene.cars:
            draw_car_shadow(pen, camera, car, index, self.sun)
        if (drawn := mask.getbbox()) is not None:
            left, top, right, bottom = (edge + grow for edge, grow in zip(drawn, (-4, -4, 4, 4), strict=True))
            soft = mask.crop((left, top, right, bottom)).filter(ImageFilter.BoxBlur(2))
            canvas.paste((22, 26, 34), (left, top), soft.point([int(v * 0.52) for v in range(256)]))

    def _things(self, index: int) -> list[tuple[float, Callable[[Image.Image], None]]]:
        """Depth and drawing of everything that stands on the ground."""
        camera, things = self.scene.setting.camera, []

        def depth(xy: np.ndarray) -> float:
            return float(camera.project(np.array([*xy, 0.0]))[1])

        for person in self.scene.people:
            things.append((depth(person.xy[index]), lambda c, p=person: self._person(c, p, index)))
        for car in self.scene.cars:
            things.append((depth(car.xy[index]), lambda c, k=car: self._car(c, k, index)))
        for hider in self.backdrop.occluders:
            things.append((hider.depth, lambda c, h=hider: c.paste(h.image, h.corner, h.mask)))
        for burst in self.scene.bursts:
            things.append((depth(np.array(burst.at[:2])), lambda c, b=burst: self._burst(c, b, index)))
        return things

    def _person(self, canvas: Image.Image, person: Person, index: int) -> None:
        x, y = person.xy[index]
        gain = self._brightness(float(x), float(y))
        body = person.capsules(index)
        draw_capsules(ImageDraw.Draw(canvas), self.scene.setting.camera, body, light_px=self.light_px, gain=gain)

    def _brightness(self, x: float, y: float) -> float:
        """Dimmer in the shade: as bright as the ground there is against the backdrop's usual ground."""
        at, _ = self.scene.setting.camera.project(np.array([x, y, 0.0]))
        u, v = (int(np.clip(a, 0, n - 1)) for a, n in zip(at, self.backdrop.image.size, strict=True))
        pixel = self.backdrop.image.getpixel((u, v))
        assert isinstance(pixel, tuple)
        return float(np.clip(0.7 + sum(pixel[:3]) / 3 / 420, 0.8, 1.1))

    def _car(self, canvas: Image.Image, car: Car, index: int) -> None:
        draw_car(ImageDraw.Draw(canvas), self.scene.setting.camera, car, index, sun=self.sun)

    def _burst(self, canvas: Image.Image, burst: Burst, index: int) -> None:
        camera, t = self.scene.setting.camera, index / FPS
        draw_capsules(ImageDraw.Draw(canvas), camera, debris_at(burst, t), light_px=self.light_px, gain=1.0)
        puffs_at(burst, t).composite(canvas, camera)

    def _as_filmed(self, canvas: Image.Image, index: int) -> np.ndarray:
        """Shake, average down, drift and overshoot of the exposure, vignette, grain, and the stamps."""
        t = index / FPS
        shake = sum((burst.shake_px(t) for burst in self.scene.bursts), np.zeros(2))
        u, v = MARGIN + np.clip(shake, -MARGIN, MARGIN)
        box = (u, v, u + WIDTH * SCALE, v + HEIGHT * SCALE)
        small = np.asarray(canvas.resize((WIDTH, HEIGHT), Image.Resampling.BOX, box=box), np.float32)
        drift = 1 + 0.012 * np.sin(0.21 * t + self.scene.seed) + 0.006 * np.sin(1.3 * t)
        exposure = drift * np.prod([burst.exposure(t) for burst in self.scene.bursts])
        rng = np.random.default_rng(self.scene.seed * 100_003 + index)
        a, b = rng.integers(0, 64, 2)
        filmed = small * (self.vignette * np.float32(exposure)) + self.grain[a : a + HEIGHT, b : b + WIDTH]
        picture = Image.fromarray(np.clip(filmed, 0, 255).astype(np.uint8))
        self._stamp(picture, int(self.scene.clock_s + t))
        return np.asarray(picture)

    def _stamp(self, picture: Image.Image, clock_s: int) -> None:
        draw = ImageDraw.Draw(picture)
        clock = f"{clock_s // 3600:02d}:{clock_s // 60 % 60:02d}:{clock_s % 60:02d}"
        for text, at, anchor in (
            (f"{self.scene.camera_name}   {clock}", (10, 8), "la"),
            (CAPTION, (WIDTH - 10, HEIGHT - 8), "rd"),
        ):
            draw.text((at[0] + 1, at[1] + 1), text, fill=(20, 20, 20), font=self.font, anchor=anchor)
            draw.text(at, text, fill=(232, 232, 226), font=self.font, anchor=anchor)
