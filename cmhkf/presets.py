"""Presets: named ways to look at a clip, and where the trained model of each is found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cmhkf.errors import CheckpointError
from cmhkf.home import CHECKPOINTS, data_home
from cmhkf.model.config import DATASET_MODELS, ModelConfig

HUB_FILE = "model.safetensors"


@dataclass(frozen=True)
class Preset:
    """A named way to look at a clip: which encoders, which classes, and where a trained head is looked for."""

    encoders: Literal["clip", "demo"]
    model: ModelConfig  # the classes and, for training, the architecture. A checkpoint brings its own.
    needs_checkpoint: bool  # True: refuse to run without one. False: run untrained, and say so.
    uses_checkpoint: bool = True


PRESETS = {
    "demo": Preset("demo", ModelConfig(), needs_checkpoint=False),
    "xd-violence": Preset("clip", DATASET_MODELS["xd-violence"], needs_checkpoint=True),
    "ucf-crime": Preset("clip", DATASET_MODELS["ucf-crime"], needs_checkpoint=True),
    "zero-shot": Preset("clip", ModelConfig(modalities="VT"), needs_checkpoint=False, uses_checkpoint=False),
}


def checkpoint_path(spec: str) -> Path | None:
    """The file that `load` would read; None for a preset without one. Raises CheckpointError as `load` does."""
    return find_checkpoint(spec) if spec in PRESETS else _locate(spec)


def find_checkpoint(preset: str) -> Path | None:
    """The preset's checkpoint in the data home or among those shipped; the user's own comes first."""
    if not PRESETS[preset].uses_checkpoint:
        return None
    for folder in (data_home() / "checkpoints", CHECKPOINTS):
        if (path := folder / f"{preset}.safetensors").exists():
            return path
    return None


def _locate(spec: str) -> Path:
    """A checkpoint file, or "hf:owner/repo"'s model.safetensors through the Hub's cache."""
    if not spec.startswith("hf:"):
        if (path := Path(spec).expanduser()).is_file():
            return path
        raise CheckpointError(f"{spec!r} is neither a preset ({', '.join(PRESETS)}) nor a checkpoint file")
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    from cmhkf.encoders.weights import hub_url, offline_reason

    repo = spec.removeprefix("hf:")
    try:
        if reason := offline_reason(hub_url(repo, "main", HUB_FILE)):
            cached = try_to_load_from_cache(repo, HUB_FILE)
            if not isinstance(cached, str):
                raise OSError(f"not in its cache, and {reason}")
            return Path(cached)
        return Path(hf_hub_download(repo, HUB_FILE, etag_timeout=5))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"{HUB_FILE} of {repo!r} cannot be had from the Hub ({error}); "
            "check the name and the network, or download it by hand and pass its path"
        ) from error
