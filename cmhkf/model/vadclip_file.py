"""VadCLIP's published checkpoints, read safely into our own format (`model.md` C.10).

The file is what `torch.save` wrote of a state dict, or of a training state that holds one. Only tensors are read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cmhkf.encoders.clip import CLIP, CONTEXT, empty_clip
from cmhkf.encoders.tensors import fill, read_tensors
from cmhkf.errors import CheckpointError, WeightsError
from cmhkf.model.build import build_model
from cmhkf.model.config import DATASET_MODELS, ModelConfig
from cmhkf.model.texts import WIDTH, LearnablePrompts

CLIP_PREFIX = "clipmodel."
PROMPTS = "text_prompt_embeddings.weight"
# A training state holds its AP as a number of numpy's, which is no code; the name depends on numpy's version.
NUMPY_SCALAR = np.float64(0).__reduce__()[0]
NUMPY_NUMBER = [
    np.dtype,
    np.dtypes.Float64DType,
    *((NUMPY_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]
UNUSED = ("disAdj.sigma",)  # C.5
# Their name of a module or parameter -> ours. {b} is the number of a block of the transformer.
BLOCK_NAMES = {
    "temporal.resblocks.{b}.attn.out_proj": "temporal.local.blocks.{b}.attention.out",
    "temporal.resblocks.{b}.ln_1": "temporal.local.blocks.{b}.norm_attention",
    "temporal.resblocks.{b}.ln_2": "temporal.local.blocks.{b}.norm_ffn",
    "temporal.resblocks.{b}.mlp.c_fc": "temporal.local.blocks.{b}.ffn.0",
    "temporal.resblocks.{b}.mlp.c_proj": "temporal.local.blocks.{b}.ffn.2",
}
NAMES = {
    "frame_position_embeddings.weight": "temporal.local.position",
    "gc1": "temporal.gcn.likeness.0",
    "gc2": "temporal.gcn.likeness.1",
    "gc3": "temporal.gcn.distance.0",
    "gc4": "temporal.gcn.distance.1",
    "linear": "temporal.gcn.out",
    "mlp1.c_fc": "fine.ffn.0",
    "mlp1.c_proj": "fine.ffn.2",
    "mlp2.c_fc": "classifier.ffn.0",
    "mlp2.c_proj": "classifier.ffn.2",
    "classifier": "classifier.out",
}


class VadclipFile(NamedTuple):
    """A checkpoint of VadCLIP, taken apart."""

    config: ModelConfig
    state: dict[str, Tensor]  # fits `build_model(config)`
    prompts: Tensor  # [77, 512], the table of `LearnablePrompts`
    clip: dict[str, Tensor]  # CLIP's own tensors; empty where they were left out


def vadclip_config(dataset: str, *, compat: bool = False) -> ModelConfig:
    """For "xd-violence" or "ucf-crime"; `compat` lets padded rows take part as the reference does (C.4, C.5)."""
    return replace(DATASET_MODELS[dataset], modalities="V", mask_padding=not compat)


def read_vadclip(path: Path, dataset: str) -> VadclipFile:
    """Read and check a file.

    Raises:
        CheckpointError: no such file, an unreadable one, or keys and shapes that do not fit, all of which are listed.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; VadCLIP's authors publish model_xd.pth and model_ucf.pth")
    try:
        with torch.serialization.safe_globals(NUMPY_NUMBER):
            held = read_tensors(path)
    except WeightsError as error:
        raise CheckpointError(str(error)) from error
    clip = {key.removeprefix(CLIP_PREFIX): value for key, value in held.items() if key.startswith(CLIP_PREFIX)}
    theirs = {key: v for key, v in held.items() if not key.startswith(CLIP_PREFIX) and key not in UNUSED}
    config = vadclip_config(dataset, compat=True)
    with torch.device("meta"):
        ours = build_model(config).state_dict()
        wanted = {PROMPTS: torch.empty(CONTEXT, WIDTH)}
    table = _table(config, ours)
    wanted |= {their: torch.cat([ours[key] for key in keys]) for their, keys in table.items()}
    faults = [
        f"{key} is {_shape(theirs.get(key))}, expected {_shape(wanted.get(key), absent='nothing')}"
        for key in sorted(wanted.keys() | theirs.keys())
        if _shape(wanted.get(key)) != _shape(theirs.get(key))
    ]
    if faults:
        listed = "\n".join(faults)
        raise CheckpointError(
            f"{path} is not a checkpoint of VadCLIP for {dataset}: {len(faults)} of its tensors do not fit\n{listed}\n"
            "If it was trained on the other data set, say so with --dataset."
        )
    if broken := [key for key, value in theirs.items() if not value.isfinite().all()]:
        raise CheckpointError(f"{path} holds values that are not finite, in {', '.join(broken)}")
    state = {
        key: rows.float()
        for their, keys in table.items()
        for key, rows in zip(keys, theirs[their].chunk(len(keys)), strict=True)
    }
    return VadclipFile(config, state, theirs[PROMPTS].float(), clip)


def prompted_texts(classes: tuple[str, ...], prompts: Tensor, clip: CLIP) -> Tensor:
    """The class texts [C, 512] that the learned prompts give, through CLIP's text tower (C.7)."""
    learned = LearnablePrompts(classes)
    with torch.inference_mode():
        learned.table.copy_(prompts)
        return learned.to(clip.token_embedding.weight.device)(clip).cpu()


def clip_of(tensors: Mapping[str, Tensor], path: Path) -> CLIP:
    """The CLIP that a checkpoint holds. Raises CheckpointError where it holds none or another."""
    if not tensors:
        raise CheckpointError(f"{path} holds no CLIP (no {CLIP_PREFIX}...); leave out `--clip file` to use your own")
    clip = empty_clip()
    try:
        fill(clip, tensors, shown=f"CLIP in {path}")
    except WeightsError as error:
        raise CheckpointError(str(error)) from error
    return clip.eval().requires_grad_(False)


def _table(config: ModelConfig, ours: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Each of their names with ours; the rows of a tensor are those of ours one after the other."""
    blocks = range(config.temporal.layers)
    names = NAMES | {their.format(b=b): our.format(b=b) for b in blocks for their, our in BLOCK_NAMES.items()}
    table: dict[str, tuple[str, ...]] = {
        their + key.removeprefix(our): (key,)
        for their, our in names.items()
        for key in ours
        if key == our or key.startswith(our + ".")
    }
    for b in blocks:
        for kind in ("weight", "bias"):
            parts = [f"temporal.local.blocks.{b}.attention.{part}.{kind}" for part in ("query", "key", "value")]
            table[f"temporal.resblocks.{b}.attn.in_proj_{kind}"] = tuple(parts)
    return table


def _shape(tensor: Tensor | None, *, absent: str = "missing") -> str:
    return absent if tensor is None else str([*tensor.shape])
