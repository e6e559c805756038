"""Where the class texts of training come from: prompts learned through CLIP's frozen text tower, or fixed features.

Both are modules without arguments that give [C, D_s] at every step; what they give after the last goes into the
checkpoint, so that no text tower is needed afterwards (C.7).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cmhkf.analysis import NPZ_DAMAGE
from cmhkf.config import ModelConfig, Recipe
from cmhkf.encoders.clip import CLIP
from cmhkf.errors import DataError
from cmhkf.prompts import LearnablePrompts


class FixedTexts(nn.Module):
    """Class texts that training leaves as they are."""

    def __init__(self, features: np.ndarray) -> None:
        """`features` [C, D_s]."""
        super().__init__()
        self.features: Tensor
        self.register_buffer("features", torch.tensor(features, dtype=torch.float32))

    def forward(self) -> Tensor:
        """[C, D_s]."""
        return self.features


class PromptTexts(nn.Module):
    """Learnable prompts with the text tower they run through; parameters and state are their table alone."""

    def __init__(self, prompts: LearnablePrompts, clip: CLIP) -> None:
        """`clip` is frozen here, and is already on the device of training."""
        super().__init__()
        self.prompts = prompts
        self._tower = (clip.requires_grad_(False),)  # in a tuple it is no part of this module

    def forward(self) -> Tensor:
        """[C, 512]; gradients reach the table."""
        return self.prompts(self._tower[0])


def texts_for(
    recipe: Recipe, config: ModelConfig, *, file: Path | None = None, device: str = "cpu"
) -> FixedTexts | PromptTexts:
    """The class texts that belong to features of a recipe: learnable prompts with CLIP's, fixed ones with the demo's.

    Plain MIL ranking reads none and gets zeros.

    Args:
        recipe: how the features were made.
        config: brings the classes and the length of the prompts.
        file: features [C, D_s] to take instead, `.npy` or `.npz` of one array, in the order of the classes.
        device: for the text tower.

    Raises:
        WeightsError: an encoder's weights are not here and cannot be fetched.
        DataError: the file cannot be read, or is not [C, D_s].
    """
    if file:
        return FixedTexts(read_texts(file, shape=(len(config.classes), config.semantic_dim)))
    if config.architecture == "mil":
        return FixedTexts(np.zeros((len(config.classes), config.semantic_dim)))
    if dict(recipe.video)["name"].startswith("CLIP"):
        from cmhkf.encoders.clip import load_clip

        prompts = LearnablePrompts(config.classes, prefix=config.prompt.prefix, postfix=config.prompt.postfix)
        return PromptTexts(prompts, load_clip(device=device)[2])
    from cmhkf.encoders.embedded import load_embedded

    return FixedTexts(load_embedded(device).text.encode(config.classes))


def read_texts(file: Path, *, shape: tuple[int, int]) -> np.ndarray:
    """Class texts [C, D_s] from a file. Raises DataError: unreadable, several arrays, not finite, or another shape."""
    try:
        held = np.load(file, allow_pickle=False)
        if isinstance(held, np.lib.npyio.NpzFile):
            with held:
                arrays = [held[name] for name in held.files]
        else:
            arrays = [held]
    except NPZ_DAMAGE as error:
        raise DataError(f"cannot read the class texts {file}: {error}; give one array as .npy or .npz") from error
    if (shapes := [array.shape for array in arrays]) != [shape]:
        raise DataError(f"{file} holds arrays of the shapes {shapes}; one of {shape} is wanted: classes, values")
    if not np.issubdtype(arrays[0].dtype, np.number) or not np.isfinite(arrays[0]).all():
        raise DataError(f"{file} holds values that are not finite numbers; give the texts' features")
    return arrays[0]
