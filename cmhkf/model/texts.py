"""Where the class texts of training come from: prompts learned through CLIP's frozen text tower (C.7), fixed features,
or features that are learned themselves.

All are modules without arguments that give [C, D_s] at every step; what they give after the last goes into the
checkpoint, so that no text tower is needed afterwards (C.7).
"""

import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cmhkf.encoders.clip import CLIP, CONTEXT, run_text_tower, tokenise
from cmhkf.encoders.protocols import Encoders
from cmhkf.errors import ConfigError, DataError
from cmhkf.features.recipe import Recipe
from cmhkf.files import NPZ_DAMAGE, open_npz
from cmhkf.model.config import ModelConfig

WIDTH = 512  # of CLIP ViT-B/16's text tower


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


class LearnedTexts(nn.Module):
    """Class texts that are themselves learned, from where they stand: what prompts are to CLIP, for other encoders."""

    def __init__(self, features: Tensor) -> None:
        """`features` [C, D_s]."""
        super().__init__()
        self.features = nn.Parameter(features.clone())

    def forward(self) -> Tensor:
        """t_c [C, D_s]."""
        return self.features


class LearnablePrompts(nn.Module):
    """Class texts whose context is a table of vectors, shared by all classes and indexed by position.

    A prompt of k label tokens is: start, `prefix` learned vectors, the label, `postfix` learned vectors, end (C.7).
    Its only parameter is the table; the text tower is handed to `forward`, so that no checkpoint holds CLIP.
    """

    def __init__(self, classes: Sequence[str], *, prefix: int = 10, postfix: int = 10) -> None:
        """Raises ConfigError when a prompt is longer than CLIP's 77 tokens."""
        super().__init__()
        self.table = nn.Parameter(torch.randn(CONTEXT, WIDTH) * 0.01)  # E of C.7
        labels, ends = tokenise(classes)  # [C, l] with start and end tokens, [C]
        n = ends[:, None] - 1  # [C, 1], label tokens
        end_idx = n + prefix + postfix + 1
        if (longest := int(end_idx.max()) + 1) > CONTEXT:
            name = classes[int(end_idx.argmax())]
            raise ConfigError(
                f"the prompt of the class {name!r} takes {longest} tokens with prefix {prefix} and postfix {postfix}; "
                f"CLIP reads {CONTEXT}: shorten the prefix, the postfix or the name"
            )
        position = torch.arange(longest).expand(len(classes), -1)  # [C, L]
        in_label = (position > prefix) & (position <= prefix + n)
        # Where each position's own token stands in `labels`; learned positions point anywhere.
        source = torch.where(in_label, position - prefix, torch.where(position == end_idx, ends[:, None], 0))
        self.tokens: Tensor
        self.learned: Tensor
        self.end_idx: Tensor
        self.register_buffer("tokens", labels.gather(1, source), persistent=False)  # [C, L]
        self.register_buffer("learned", ~in_label & (position != 0) & (position != end_idx), persistent=False)
        self.register_buffer("end_idx", end_idx[:, 0], persistent=False)  # [C]

    def embeddings(self, clip: CLIP) -> Tensor:
        """The prompts as token embeddings [C, L, 512], cut to the longest."""
        fixed = clip.token_embedding(self.tokens)  # [C, L, 512]
        return torch.where(self.learned[..., None], self.table[: self.tokens.shape[1]], fixed)

    def forward(self, clip: CLIP) -> Tensor:
        """Class features t_c [C, 512], not normalised. Gradients reach the table through CLIP's text tower."""
        return run_text_tower(clip, self.embeddings(clip), self.end_idx)


class PromptTexts(nn.Module):
    """Learnable prompts with the text tower they run through; parameters and state are their table alone."""

    def __init__(self, prompts: LearnablePrompts, clip: CLIP) -> None:
        """`clip` is frozen here, and is already on the device of training."""
        super().__init__()
        self.prompts = prompts
        self._tower = (clip.requires_grad_(False),)  # in a tuple it is no part of this module

    @property
    def table(self) -> np.ndarray:
        """What was learned so far, float32 [77, 512]."""
        return self.prompts.table.detach().float().cpu().numpy()

    def forward(self) -> Tensor:
        """[C, 512]; gradients reach the table."""
        return self.prompts(self._tower[0])


class TextSource:
    """The class texts that belong to features of a recipe: learnable prompts with CLIP's, fixed ones with the demo's.

    The encoder is loaded when it is first needed, once for all the texts that are made.
    """

    def __init__(self, recipe: Recipe, *, file: Path | None = None, device: str = "cpu") -> None:
        """`file`: features [C, D_s] to take instead, `.npy` or `.npz` of one array, in the order of the classes."""
        self.recipe, self.file, self.device = recipe, file, device

    def make(self, config: ModelConfig, *, prompts: np.ndarray | None = None) -> FixedTexts | PromptTexts:
        """New texts for a model. One that knows no classes reads none and gets zeros.

        Args:
            config: brings the classes and the length of the prompts.
            prompts: the table [77, 512] that learnable prompts begin with; None: a fresh one.

        Raises:
            WeightsError: an encoder's weights are not here and cannot be fetched.
            DataError: the file cannot be read, or is not [C, D_s].
        """
        if self.file:
            return FixedTexts(read_texts(self.file, shape=(len(config.classes), config.semantic_dim)))
        if not config.knows_classes:
            return FixedTexts(np.zeros((len(config.classes), config.semantic_dim)))
        if dict(self.recipe.text)["name"].startswith("CLIP"):
            learned = LearnablePrompts(config.classes, prefix=config.prompt.prefix, postfix=config.prompt.postfix)
            if prompts is not None:
                learned.table.data.copy_(torch.from_numpy(prompts))
            return PromptTexts(learned, self._clip)
        return FixedTexts(self._demo.text.encode(config.classes))

    @cached_property
    def _clip(self) -> CLIP:
        from cmhkf.encoders.clip import load_clip

        return load_clip(device=self.device)[2]

    @cached_property
    def _demo(self) -> Encoders:
        from cmhkf.encoders.demo.load import load_demo

        return load_demo(self.device)


def read_texts(file: Path, *, shape: tuple[int, int]) -> np.ndarray:
    """Class texts [C, D_s] from a file. Raises DataError: unreadable, several arrays, not finite, or another shape."""
    try:
        if zipfile.is_zipfile(file):
            with open_npz(file) as held:
                arrays = [held[name] for name in held.files]
        else:
            arrays = [np.load(file, allow_pickle=False)]
    except NPZ_DAMAGE as error:
        raise DataError(f"cannot read the class texts {file}: {error}; give one array as .npy or .npz") from error
    if (shapes := [array.shape for array in arrays]) != [shape]:
        raise DataError(f"{file} holds arrays of the shapes {shapes}; one of {shape} is wanted: classes, values")
    if not np.issubdtype(arrays[0].dtype, np.number) or not np.isfinite(arrays[0]).all():
        raise DataError(f"{file} holds values that are not finite numbers; give the texts' features")
    return arrays[0]
