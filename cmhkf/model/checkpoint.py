"""A trained head as one safetensors file: tensors, and a JSON header with all that is needed to use them.

The header stands in the file's metadata under the key "cmhkf": {format, name, config, recipe, classes, provenance,
metrics}. The tensors are the model's state under "model." and the class texts. Nothing pickled is ever loaded. Where
the class texts were learned as prompts, the prompts' table stands in the metadata too, under "cmhkf.prompts": programs
that know nothing of it read the rest as ever.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cmhkf.errors import CheckpointError, ConfigError, RecipeMismatch
from cmhkf.features.recipe import Recipe
from cmhkf.files import replacing, sha256_of
from cmhkf.model.build import Model, build_model
from cmhkf.model.config import ModelConfig
from cmhkf.settings import changed, describe, from_dict

FORMAT = "cmhkf-checkpoint-1"
HEADER = "cmhkf"
PROMPTS = "cmhkf.prompts"
PROMPTS_SHAPE = (77, 512)  # of CLIP's text tower
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
    prompts: np.ndarray | None = None
    """float32 [77, 512], the table of `LearnablePrompts` that gave the class texts; None: they were given otherwise."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; index 0 is the normal class."""
        return self.config.classes

    @property
    def optimistic(self) -> str:
        """Why figures measured on its test set are too good, beginning with that word; empty where they are not."""
        selection = str(self.provenance.get("selection", ""))  # all that older checkpoints say
        said = self.provenance.get("optimistic") or (selection if "optimistic" in selection else "")
        return f"optimistic: {said}" if said else ""

    def changed(self, settings: Mapping[str, Any]) -> Checkpoint:
        """The same weights and texts under a config with other fields, by dotted name ("cvka.k").

        Raises:
            ConfigError: the weights do not fit the new config, or the fields change nothing in it.
        """
        if not settings:
            return self
        config, said = changed(self.config, settings), describe(settings)
        idle = [name for name in settings if self.config.architecture != "cmhkf" or name.startswith("prompt.")]
        if idle:
            raise ConfigError(f"{', '.join(idle)} changes nothing in {self.name!r}, which is trained already")
        tensors = {MODEL + key: value for key, value in self.state.items()} | {TEXT: torch.tensor(self.text_features)}
        if differences := _differences(config, tensors):
            raise ConfigError(
                f"{said} needs other weights than {self.name!r} has ({differences}); train with it instead"
            )
        return replace(self, config=config)

    def require_recipe(self, recipe: Recipe) -> None:
        """Raise RecipeMismatch, saying both, unless features of `recipe` are what it was trained on."""
        if recipe.hash != self.recipe.hash:
            raise RecipeMismatch(
                f"{self.name!r} was trained on features of recipe {self.recipe.describe()}, but these are of recipe "
                f"{recipe.describe()}; make the features with the first, or use a checkpoint made for the second"
            )


def save_checkpoint(
    path: str | Path,
    model: Model,
    *,
    recipe: Recipe,
    text_features: np.ndarray,
    name: str,
    provenance: Mapping[str, Any],
    metrics: Mapping[str, Any],
    prompts: np.ndarray | None = None,
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
        prompts: float32 [77, 512], the table of prompts that gave the class texts.
    """
    path, config = Path(path), model.config
    header = {"format": FORMAT, "name": name, "classes": config.classes, "metrics": dict(metrics)}
    header |= {"config": asdict(config), "recipe": asdict(recipe), "provenance": dict(provenance)}
    tensors = {MODEL + key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    tensors[TEXT] = torch.tensor(np.ascontiguousarray(text_features, np.float32))
    if differences := _differences(config, tensors):
        raise ValueError(f"text features and model do not fit the config: {differences}")
    metadata = {HEADER: json.dumps(header)}
    if prompts is not None:
        metadata[PROMPTS] = base64.b64encode(np.asarray(prompts, "<f4").reshape(PROMPTS_SHAPE).tobytes()).decode()
    with replacing(path) as part:
        save_file(tensors, part, metadata=metadata)
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
        sha256 = sha256_of(path)
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
    name, provenance, metrics = (header[key] for key in ("name", "provenance", "metrics"))
    texts, prompts = tensors.pop(TEXT).float().numpy(), _prompts(path, metadata.get(PROMPTS))
    state = {key.removeprefix(MODEL): value for key, value in tensors.items()}
    return Checkpoint(name, config, recipe, texts, state, provenance, metrics, sha256, prompts)


def _prompts(path: Path, text: str | None) -> np.ndarray | None:
    if text is None:
        return None
    try:
        table = np.frombuffer(base64.b64decode(text, validate=True), "<f4").reshape(PROMPTS_SHAPE)
    except ValueError as error:
        raise CheckpointError(f"{path} has a damaged table of prompts ({error}); fetch or save it again") from error
    if not np.isfinite(table).all():
        raise CheckpointError(f"{path} has a table of prompts that is not finite; the training diverged")
    return table.astype(np.float32)


def _parse(path: Path, text: str) -> tuple[dict[str, Any], ModelConfig, Recipe]:
    try:
        header = json.loads(text)
        if header["format"] != FORMAT:
            raise CheckpointError(f"{path} is of format {header['format']!r}, not {FORMAT!r}; update the program")
        if header["config"].get("audio", {}).pop("stream", False):  # older ones say so either way
            raise CheckpointError(f"{path} hears whole videos at once (audio.stream), which was dropped; train anew")
        config, recipe = from_dict(ModelConfig, header["config"]), from_dict(Recipe, header["recipe"])
        missing = {"name", "provenance", "metrics"} - set(header)
        if missing or tuple(header["classes"]) != config.classes:
            raise CheckpointError(f"{path} has a damaged header: {sorted(missing) or 'classes disagree'}")
    except (ConfigError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} has a header that cannot be understood: {error}") from error
    return header, config, recipe


def _differences(config: ModelConfig, tensors: Mapping[str, Tensor]) -> str:
    """Name and shape of whatever is missing, too many or of another shape than the config wants; else empty."""
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
    # A pickle begins with \x80 too where a safetensors file has the length of its header, but not with zeros after it.
    if start.startswith(b"pk") or (start.startswith(b"\x80") and any(start[2:8])):
        return "it is a pickled file (.pt, .pth), which is never loaded since it can run code; convert it first"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, so the download went wrong; fetch the file itself"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer; run `git lfs pull`"
    return "it is damaged or cut short, or of another kind; fetch or save it again"
