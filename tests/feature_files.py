"""Feature folders written by hand, in the distributed form and in our own."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np

from cmhkf.config import Recipe
from cmhkf.features import Features
from cmhkf.folders import write_recipe
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
        Features(
            clip=SimpleNamespace(), timeline=Timeline(n, n * 2 / 3, Fraction(24)), recipe_hash=recipe.hash,
            video=rows(n, 6, crop), semantic=rows(n, 4, crop), audio=rows(n, 3) if sound else None,
            audio_level_db=None, audio_state="heard", cues={"motion": np.zeros(n, np.float32)},
        ).save(folder / f"{name}__{crop}.npz")  # fmt: skip
    write_recipe(folder, recipe)
    return folder
