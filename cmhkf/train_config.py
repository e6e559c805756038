"""Settings of a training run, and those of the paper (section 4, appendix; E26 for what it leaves out)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cmhkf.config import check_fields, check_least
from cmhkf.errors import ConfigError

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained; the defaults are the paper's for XD-Violence."""

    epochs: int = 10
    batch_size: int = 96
    """Samples of a step; a sample is one crop of one video."""
    balanced: bool = False
    """Each step holds as many normal as anomalous samples, `batch_size` in all."""
    lr: float = 1e-5
    lr_new: float | None = None
    """Learning rate of what is not VadCLIP's: projections, sound stream and fusion (E26). None: `lr`."""
    weight_decay: float = 0.01
    milestones: tuple[int, ...] = (3, 6, 10)
    """After so many epochs the learning rates are multiplied by `gamma`."""
    gamma: float = 0.1
    lambda_na: float = 1e-3
    """λ1 of Eq. 11."""
    lambda_aa: float = 1e-4
    """λ2 of Eq. 11."""
    lambda_snippets: float = 1.0
    """Weight of the cross-entropy of snippets of which more is known than the video's label, where there are any."""
    drop_audio: float = 0.2
    """Share of the samples whose sound is taken away, so that the model can do without (E22)."""
    seed: int = 234
    val_fraction: float = 0.1
    """Share of the training videos that is held out to choose the epoch (E33). 0: the last epoch is taken."""
    select: Literal["validation", "test"] = "validation"
    """What chooses the epoch. "test" is the literature's habit: optimistic, and no video is held out."""
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        check_fields(self)
        check_least(self, epochs=1, batch_size=1, lr=0, weight_decay=0, gamma=0, lambda_na=0, lambda_aa=0, seed=0)
        check_least(self, lambda_snippets=0, drop_audio=0, val_fraction=0)
        if self.lr_new is not None:
            check_least(self, lr_new=0)
        for name in ("drop_audio", "val_fraction"):
            if getattr(self, name) >= 1:
                raise ConfigError(f"TrainConfig.{name} is {getattr(self, name)!r}; it is a share, below 1")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ConfigError(f"TrainConfig.milestones are {self.milestones}; they must be ascending numbers of epochs")


TRAIN_PRESETS = {
    "xd-violence": TrainConfig(),
    # 32 normal and 32 anomalous samples
    "ucf-crime": TrainConfig(epochs=20, batch_size=64, balanced=True, lr=2e-5, milestones=(4, 8), drop_audio=0.0),
}

# For adapting a trained model to segments that people decided; see benchmarks/feedback.py.
FEEDBACK = TrainConfig(epochs=10, batch_size=16, lr=1e-4, milestones=(), val_fraction=0.0)
