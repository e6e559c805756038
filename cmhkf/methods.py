"""What can be trained and compared on a data set: CMHKF and the baselines, each a model and an objective."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from cmhkf.baselines.mil import mil_config, mil_objective
from cmhkf.baselines.vadclip import LAMBDA_TEXT, vadclip_config, vadclip_objective
from cmhkf.config import PRESETS, ModelConfig
from cmhkf.errors import ConfigError
from cmhkf.folders import FeatureFolder
from cmhkf.train import ObjectiveFunction, paper_objective
from cmhkf.train_config import TrainConfig

METHODS = ("cmhkf", "vadclip", "mil")


class Method(NamedTuple):
    """A model in the widths of the released features, and what it minimises."""

    model: ModelConfig
    objective: ObjectiveFunction


def method_for(name: str, dataset: str, config: TrainConfig) -> Method:
    """One of METHODS with its settings for "xd-violence" or "ucf-crime". Raises ConfigError for an unknown name."""
    match name:
        case "cmhkf":
            return Method(PRESETS[dataset].model, paper_objective(config))
        case "vadclip":
            return Method(vadclip_config(dataset), partial(vadclip_objective, lambda_text=LAMBDA_TEXT[dataset]))
        case "mil":
            return Method(mil_config(dataset), mil_objective)
    raise ConfigError(f"the method is {name!r}; choose one of {', '.join(METHODS)}")


def in_widths_of(folder: FeatureFolder, model: ModelConfig, *, dim: int | None = None) -> ModelConfig:
    """A model that takes the rows of a folder, itself `dim` wide (None: as it is); its modalities stay."""
    return replace(
        model, dim=dim or model.dim, video_dim=folder.video_dim, semantic_dim=folder.semantic_dim,
        audio_dim=folder.audio_dim or model.audio_dim,
    )  # fmt: skip
