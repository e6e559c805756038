"""A trained head as one safetensors file: tensors, and a JSON header with all that is needed to use them.

The header stands in the file's metadata under the key "cmhkf": {format, name, config, recipe, classes, provenance,
metrics}. The tensors are the model's state under "model." and the class texts. Nothing pickled is ever loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cmhkf.config import ModelConfig, Recipe, from_dict, to_dict
from cmhkf.errors import CheckpointError, ConfigError, RecipeMismatch
from cmhkf.model import CMHKF, build_model

FORMAT = "cmhkf-checkpoint-1"
HEADER = "cmhkf"
TEXT = "text_features"
MODEL = "model."
SHOWN = 6  # differences listed in a message


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint as read and checked: `build_model(config).load_state_dict(state)` fits."""

    name: str
    config: ModelConfig
    recipe: Recipe
    """How the features it was trained on were made."""
    text_features: np.ndarray
    """float32 [C, D_s]: the class texts, prompts and all (C.7)."""
    state: Mapping[str, Tensor]
    provenance: Mapping[str, Any]
    """Who trained it, on what, when, with which seed and version."""
    metrics: Mapping[str, Any]
    sha256: str

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; index 0 is the normal class."""
        return self.config.classes

    def require_recipe(self, recipe: Recipe) -> None:
        """Raise RecipeMismatch, saying both, unless features of `recipe` are what it was trained on."""
        if recipe.hash != self.recipe.hash:
            raise RecipeMismatch(
                f"{self.name!r} was trained on features of recipe {self.recipe.describe()}, but these are of recipe "
                f"{recipe.describe()}; make the features with the first, or use a checkpoint made for the second"
            )


def save_checkpoint(
    path: str | Path,
    model: CMHKF,
    *,
    recipe: Recipe,
    text_features: np.ndarray,
    name: str,
    provenance: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> Path:
    """Write a checkpoint; an existing file is replaced only when the new one is complete.

    Args:
        path: the file to write.
        model: from `build_model`; its config goes into the header.
        recipe: how the features it was trained on were made.
        text_features: float32 [C, D_s].
        name: what people call it.
        provenance: values that JSON can hold, as are those of `metrics`.
        metrics: figures measured on held-out data.
    """
    path, config = Path(path), model.config
    header = {
        "format": FORMAT, "name": name, "config": to_dict(config), "recipe": to_dict(recipe),
        "classes": config.classes, "provenance": dict(provenance), "metrics": dict(metrics),
    }  # fmt: skip
    tensors = {MODEL + key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    tensors[TEXT] = torch.tensor(np.ascontiguousarray(text_features, np.float32))
    if differences := _differences(config, tensors):
        raise ValueError(f"text features and model do not fit the config: {differences}")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    save_file(tensors, part, metadata={HEADER: json.dumps(header)})
    part.replace(path)
    return path


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read and check a file written by `save_checkpoint`.

    Raises:
        CheckpointError: no such file, not safetensors, truncated, made by another program or a newer version, or
            tensors that do not fit its own config.
    """
    path = Path(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; check the path, or train a model first") from None
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a usable checkpoint: {_what_is(path)} ({error})") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error})") from error
    if HEADER not in metadata:
        raise CheckpointError(f"{path} is a safetensors file of something else: it has no {HEADER!r} header")
    header, config, recipe = _parse(path, metadata[HEADER])
    if differences := _differences(config, tensors):
        raise CheckpointError(f"{path} holds tensors that do not fit its own config: {differences}")
    if broken := [key for key, value in tensors.items() if not value.isfinite().all()]:
        raise CheckpointError(f"{path} holds values that are not finite, in {_listed(broken)}; the training diverged")
    return Checkpoint(
        name=header["name"], config=config, recipe=recipe, text_features=tensors.pop(TEXT).float().numpy(),
        state={key.removeprefix(MODEL): value for key, value in tensors.items()},
        provenance=header["provenance"], metrics=header["metrics"], sha256=sha256,
    )  # fmt: skip


def _parse(path: Path, text: str) -> tuple[dict[str, Any], ModelConfig, Recipe]:
    try:
        header = json.loads(text)
        if header["format"] != FORMAT:
            raise CheckpointError(f"{path} is of format {header['format']!r}, not {FORMAT!r}; update the program")
        config, recipe = from_dict(ModelConfig, header["config"]), from_dict(Recipe, header["recipe"])
        missing = {"name", "provenance", "metrics"} - set(header)
        if missing or tuple(header["classes"]) != config.classes:
            raise CheckpointError(f"{path} has a damaged header: {sorted(missing) or 'classes disagree'}")
    except (ConfigError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} has a header that cannot be understood: {error}") from error
    return header, config, recipe


def _differences(config: ModelConfig, tensors: Mapping[str, Tensor]) -> str:
    """Name and shape of whatever is missing, too many or of another shape than the config asks for; else empty."""
    with torch.device("meta"):
        wanted = {MODEL + key: _shape(value) for key, value in build_model(config).state_dict().items()}
        wanted[TEXT] = _shape(torch.empty(len(config.classes), config.semantic_dim))
    found = {key: _shape(value) for key, value in tensors.items()}
    return _listed(
        [
            f"{key} is {found.get(key, 'missing')}, expected {wanted.get(key, 'nothing')}"
            for key in sorted(wanted.keys() | found.keys())
            if wanted.get(key) != found.get(key)
        ]
    )


def _shape(tensor: Tensor) -> str:
    """The shape, and the type unless it is a floating point one (which of them does not matter)."""
    return f"{[*tensor.shape]}" + ("" if tensor.is_floating_point() else f" of {tensor.dtype}")


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return "; ".join(items[:SHOWN]) + more


def _what_is(path: Path) -> str:
    """What a file that is not safetensors seems to be, from its first bytes, and what to do."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith((b"pk", b"\x80")):
        return "it is a pickled file (.pt, .pth), which is never loaded since it can run code; convert it first"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, so the download went wrong; fetch the file itself"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer; run `git lfs pull`"
    return "it is damaged or cut short, or of another kind; fetch or save it again"
