"""Settings of a training run: the paper's (section 4, appendix; E26 for what it leaves out), and where ours differ.

Both presets have the paper's optimiser, schedule, batches and losses. "held-out", the default, is ours: the epoch is
chosen on training videos held out (E33), and samples lose their audio now and then (E22). "paper" leaves both away, as
the paper and VadCLIP's line do: it trains on every video, chooses the epoch on the test set, which is optimistic and
labelled so, and starts attention as VadCLIP's does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from cmhkf.errors import ConfigError
from cmhkf.model.config import Init, settings_like
from cmhkf.settings import check_fields, check_least

TrainPreset = Literal["held-out", "paper"]
Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained; the defaults are those of the preset "held-out" for XD-Violence."""

    epochs: int = 10
    """Passes over the training samples; with `balanced`, over the rarer kind."""
    batch_size: int = 96
    """Samples of a step; a sample is one crop of one video."""
    balanced: bool = False
    """Each step holds as many normal as anomalous samples, `batch_size` in all."""
    lr: float = 1e-5
    """Learning rate of AdamW."""
    lr_new: float | None = None
    """Learning rate of what is not VadCLIP's: projections, audio stream and fusion (E26). None: `lr`."""
    weight_decay: float = 0.01
    """AdamW's."""
    milestones: tuple[int, ...] = (3, 6, 10)
    """After so many epochs the learning rates are multiplied by `gamma`."""
    gamma: float = 0.1
    """Factor by which the learning rates fall at a milestone."""
    lambda_na: float = 1e-3
    """λ1 of Eq. 11."""
    lambda_aa: float = 1e-4
    """λ2 of Eq. 11."""
    lambda_snippets: float = 1.0
    """Weight of the cross-entropy of snippets of which more is known than the video's label, where there are any."""
    drop_audio: float = 0.2
    """Share of the samples whose audio is taken away, so that the model can do without (E22)."""
    seed: int = 234
    """Of fresh weights, order, split and modality dropout."""
    val_fraction: float = 0.1
    """Share of the training videos that is held out to choose the epoch (E33). 0: the last epoch is taken."""
    select: Literal["validation", "test"] = "validation"
    """What chooses the epoch. "test" is the literature's habit: optimistic, and no video is held out."""
    precision: Precision = "fp32"
    """Of the forward and backward pass; fp16 needs CUDA."""
    init: Init = "linear"
    """Start of the attention layers; "multihead" is VadCLIP's."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_least(self, epochs=1, batch_size=1, lr=0, weight_decay=0, gamma=0, lambda_na=0, lambda_aa=0, seed=0)
        check_least(self, lambda_snippets=0, drop_audio=0, val_fraction=0)
        if self.seed >= 2**63:
            raise ConfigError(f"TrainConfig.seed is {self.seed}; it must be below 2**63")
        if self.lr_new is not None:
            check_least(self, lr_new=0)
        for name in ("drop_audio", "val_fraction"):
            if getattr(self, name) >= 1:
                raise ConfigError(f"TrainConfig.{name} is {getattr(self, name)!r}; it is a share, below 1")
        whole = all(type(milestone) is int for milestone in self.milestones)
        if not whole or list(self.milestones) != sorted(set(self.milestones)):
            raise ConfigError(f"TrainConfig.milestones are {self.milestones}; they must be ascending numbers of epochs")


PAPER = {"drop_audio": 0.0, "val_fraction": 0.0, "select": "test", "init": "multihead"}
"""What the preset "paper" changes."""
PUBLISHED_VADCLIP: Mapping[str, Mapping[str, Any]] = {
    "xd-violence": {"init": "multihead"},
    "ucf-crime": {"init": "multihead", "batch_size": 128, "epochs": 10},  # 64 normal and 64 anomalous samples (C.8)
}
"""What VadCLIP as published trains with where CMHKF does not, under any preset."""
PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "rtfm": {"lr": 1e-3, "weight_decay": 5e-3, "batch_size": 64, "balanced": True, "milestones": ()},
    "ur-dmu": {"lr": 1e-4, "weight_decay": 5e-5, "batch_size": 128, "balanced": True, "milestones": ()},
    "hl-net": {"lr": 1e-4, "weight_decay": 0.0, "batch_size": 128, "epochs": 50, "milestones": (10,)},
    "macil-sd": {"lr": 4e-4, "weight_decay": 0.0, "batch_size": 128, "epochs": 50, "milestones": ()},
    "avadclip": {"init": "multihead"},
}
"""What other baselines' code trains with, as far as it can be set here, on every data set. They lose no audio."""
TRAIN_PRESETS = {
    "xd-violence": TrainConfig(),
    # 32 normal and 32 anomalous samples
    "ucf-crime": TrainConfig(epochs=20, batch_size=64, balanced=True, lr=2e-5, milestones=(4, 8), drop_audio=0.0),
}


def train_settings(dataset: str, *, preset: str = "held-out", method: str = "cmhkf") -> TrainConfig:
    """The settings of a preset for a data set and a method. Raises ConfigError: an unknown preset."""
    if preset not in get_args(TrainPreset):
        raise ConfigError(f"the training preset is {preset!r}; choose one of {', '.join(get_args(TrainPreset))}")
    changes = (PAPER if preset == "paper" else {}) | method_settings(method, dataset)
    return replace(TRAIN_PRESETS[settings_like(dataset)], **changes)


def method_settings(method: str, dataset: str) -> dict[str, Any]:
    """What a method trains with in place of the preset's own."""
    if method in PUBLISHED:
        return {"drop_audio": 0.0, **PUBLISHED[method]}
    return dict(PUBLISHED_VADCLIP[settings_like(dataset)]) if method == "vadclip" else {}


# For adapting a trained model to segments that people decided; see benchmarks/feedback.py.
FEEDBACK = TrainConfig(epochs=10, batch_size=16, lr=1e-4, milestones=(), val_fraction=0.0)
