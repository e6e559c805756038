"""Feature folders written by hand, in the distributed form and in our own."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np

from cmhkf.features.extract import Features
from cmhkf.features.folders import write_recipe
from cmhkf.features.recipe import Recipe
from cmhkf.timeline import Timeline

RECIPE = Recipe(video=(("name", "v"),), text=(("name", "t"),), audio=(("name", "a"),))


def rows(n, width, seed=0):
    return np.random.default_rng([seed, n, width]).standard_normal((n, width), np.float32)


def write_npy(folder, name, n, *, crops=(0,), width=512, sound=None, dtype=np.float32):
    """`sound`: rows of `__vggish.npy`; None: no such file."""
    folder.mkdir(parents=True, exist_ok=True)
    for crop in crops:
        np.save(folder / f"{name}__{crop}.npy", rows(n, width, crop).astype(dtype))
    if sound is not None:
        np.save(folder / f"{name}__vggish.npy", rows(sound, 128))
    return folder


def write_own(folder, name, n, *, crops=(0,), sound=True, recipe=RECIPE):
    for crop in crops:
        line, heard = Timeline(n, n * 2 / 3, Fraction(24)), rows(n, 3) if sound else None
        seen = rows(n, 6, crop), rows(n, 4, crop), heard, None, "heard", {"motion": np.zeros(n, np.float32)}
        Features(SimpleNamespace(sha256=""), line, recipe.hash, *seen).save(folder / f"{name}__{crop}.npz")
    write_recipe(folder, recipe)
    return folder


def annotate(folder, events):
    """XD-Violence's two files of annotations, without and with classes, of {video: [(code, start, end)]}."""
    for file, tells in (("annotations.txt", False), ("annotations_multiclasses.txt", True)):
        lines = [
            " ".join([name, *(f"{code} {start} {end}" if tells else f"{start} {end}" for code, start, end in found)])
            for name, found in events.items()
            if found
        ]
        (folder / file).write_text("\n".join(lines))
    return folder
