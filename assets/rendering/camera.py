"""A fixed pinhole camera over a flat world: x right, y ahead, z up, in metres; pictures in canvas pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import cos, radians, sin

import numpy as np

WIDTH, HEIGHT = 640, 360  # the finished picture
SCALE = 2  # canvas pixels per picture pixel: drawn larger, then averaged, so that edges are smooth
MARGIN = 16  # canvas pixels round the picture, for camera shake
CANVAS = (WIDTH * SCALE + 2 * MARGIN, HEIGHT * SCALE + 2 * MARGIN)


@dataclass(frozen=True)
class Camera:
    """Where the camera hangs and where it looks."""

    x: float = 0.0
    y: float = 0.0
    z: float = 5.0
    yaw_deg: float = 0.0
    pitch_deg: float = 16.0
    fov_deg: float = 62.0

    @cached_property
    def position(self) -> np.ndarray:
        """The eye, [3]."""
        return np.array([self.x, self.y, self.z])

    @cached_property
    def axes(self) -> np.ndarray:
        """Rows: right, up, ahead; [3, 3]."""
        a, p = radians(self.yaw_deg), radians(self.pitch_deg)
        ahead = np.array([sin(a) * cos(p), cos(a) * cos(p), -sin(p)])
        right = np.array([cos(a), -sin(a), 0.0])
        return np.stack([right, np.cross(right, ahead), ahead])

    @cached_property
    def focal_px(self) -> float:
        """Focal length in canvas pixels."""
        return WIDTH * SCALE / 2 / np.tan(radians(self.fov_deg) / 2)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points [..., 3] to canvas pixels [..., 2] and depths in metres [...], at least 0.3."""
        local = (np.asarray(points, float) - self.position) @ self.axes.T
        depth = np.maximum(local[..., 2], 0.3)
        xy = local[..., :2] * (self.focal_px / depth)[..., None]
        return np.stack([CANVAS[0] / 2 + xy[..., 0], CANVAS[1] / 2 - xy[..., 1]], axis=-1), depth

    def rays(self) -> np.ndarray:
        """Unit direction of every canvas pixel's ray, [rows, columns, 3]."""
        u = (np.arange(CANVAS[0]) + 0.5 - CANVAS[0] / 2) / self.focal_px
        v = (CANVAS[1] / 2 - np.arange(CANVAS[1]) - 0.5) / self.focal_px
        grid = np.stack([*np.meshgrid(u, v), np.ones(CANVAS[::-1])], axis=-1)
        world = grid @ self.axes
        return world / np.linalg.norm(world, axis=-1, keepdims=True)
