"""Surfaces: functions from surface coordinates in metres to colours 0..1."""

from __future__ import annotations

import numpy as np

from assets.rendering.backdrop import Texture, noise

Colour = tuple[float, float, float]


def _tint(shape: np.ndarray, colour: Colour) -> np.ndarray:
    return np.asarray(colour) * np.ones_like(shape)[..., None]


def plain(colour: Colour, *, seed: int = 0, grain: float = 0.06) -> Texture:
    """One colour with stains."""
    return lambda a, b: _tint(a, colour) * (1 + grain * noise(a, b, size=1.7, seed=seed, octaves=4))[..., None]


def asphalt(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Worn grey road with patches."""
    tone = 1 + 0.09 * noise(a, b, size=5, seed=3) + 0.1 * noise(a, b, size=0.25, seed=5, octaves=2)
    return _tint(a, (0.30, 0.30, 0.31)) * tone[..., None]


def paving(a: np.ndarray, b: np.ndarray, *, slab_m: float = 0.9) -> np.ndarray:
    """Concrete slabs with joints, each slab of its own tone."""
    row = np.floor(b / slab_m)
    shifted = a / slab_m + 0.5 * (row % 2)
    tone = 0.05 * np.sin(np.floor(shifted) * 12.9 + row * 78.2) + 0.05 * noise(a, b, size=3, seed=11)
    joint = np.minimum(shifted % 1, (b / slab_m) % 1) < 0.045
    return _tint(a, (0.58, 0.56, 0.52)) * (1 + tone - 0.22 * joint)[..., None]


def grass(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mown grass."""
    tone = 1 + 0.14 * noise(a, b, size=4, seed=21) + 0.2 * noise(a, b, size=0.3, seed=23, octaves=2)
    return _tint(a, (0.27, 0.36, 0.15)) * tone[..., None]


def stripes(
    base: np.ndarray, across: np.ndarray, along: np.ndarray, *, at: float, dash: float = 0.0, width: float = 0.14
) -> np.ndarray:
    """Paint a white line on `base` where `across` is near `at`; dashed with period 2 `dash` when given."""
    on = (np.abs(across - at) < width / 2) & ((along % (2 * dash) < dash) if dash else True)
    wear = 0.85 + 0.25 * noise(across, along, size=0.5, seed=31)
    return np.where(on[..., None], np.clip(wear, 0.4, 1)[..., None] * np.array([0.82, 0.82, 0.79]), base)


def facade(
    wall: Colour,
    *,
    storey_m: float = 3.2,
    bay_m: float = 2.6,
    shop: Colour | None = None,
    brick: bool = True,
    seed: int = 0,
) -> Texture:
    """A house front: courses of brick, windows by storey, and a glazed shop on the ground floor if `shop` is set."""

    def colour(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        tone = 1 + 0.07 * noise(a, b, size=2.5, seed=seed + 40)
        if brick:
            tone -= 0.08 * ((b % 0.24) < 0.04)
        out = _tint(a, wall) * tone[..., None]
        bay, storey = np.floor(a / bay_m), np.floor(b / storey_m)
        u, v = a % bay_m / bay_m, b % storey_m / storey_m
        frame = (np.abs(u - 0.5) < 0.25) & (np.abs(v - 0.52) < 0.29)
        pane = (np.abs(u - 0.5) < 0.215) & (np.abs(v - 0.52) < 0.25) & (np.abs(u - 0.5) > 0.015)
        sill = (np.abs(u - 0.5) < 0.29) & (np.abs(v - 0.215) < 0.03)
        blind = 0.5 + 0.5 * np.sin(bay * 3.7 + storey * 5.1 + seed)
        glass = np.array([0.16, 0.2, 0.25]) + 0.22 * (v * (0.3 + 0.7 * blind))[..., None]
        out[frame | sill] = (0.72, 0.70, 0.66)
        out[pane] = glass[pane]
        cornice = b % storey_m < 0.16
        out[cornice] *= 0.82
        if shop is not None:
            _shop_front(out, a, b, shop, storey_m)
        return out

    return colour


def _shop_front(out: np.ndarray, a: np.ndarray, b: np.ndarray, shop: Colour, storey_m: float) -> None:
    """Overwrite the ground floor with glass, mullions, a plinth and a sign band."""
    ground = b < storey_m
    u = a % 3.4
    out[ground] = (0.2, 0.2, 0.21)
    glass = ground & (u > 0.12) & (b > 0.5) & (b < storey_m - 0.85)
    lit = np.clip(0.5 + 0.5 * noise(a, b, size=1.3, seed=60), 0, 1)
    out[glass] = np.array([0.20, 0.22, 0.23]) + lit[glass][:, None] * np.array([0.26, 0.22, 0.16])
    band = ground & (b > storey_m - 0.75)
    out[band] = np.asarray(shop)
    letters = band & (np.abs(b - storey_m + 0.4) < 0.14) & (np.sin(a * 9) + np.sin(a * 23) > -0.2) & (a % 6.8 > 2.2)
    letters &= a % 6.8 < 5.2
    out[letters] = (0.88, 0.86, 0.8)


def corrugated(colour: Colour, *, seed: int = 0) -> Texture:
    """Ribbed sheet metal."""

    def sheet(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        rib = 0.1 * np.sin(a * 2 * np.pi / 0.4)
        rust = np.clip(noise(a, b * 0.3, size=1.5, seed=seed + 70) - 0.35, 0, 1)[..., None]
        return _tint(a, colour) * (1 + rib)[..., None] * (1 - rust) + rust * np.array([0.3, 0.19, 0.12])

    return sheet
