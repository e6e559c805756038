"""What can be trained and compared on a data set: CMHKF and the baselines, each a model and an objective."""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from cmhkf.errors import ConfigError
from cmhkf.features.folders import FeatureFolder
from cmhkf.model.config import ModelConfig
from cmhkf.model.vadclip_file import vadclip_config
from cmhkf.presets import PRESETS
from cmhkf.settings import picked
from cmhkf.training.config import TrainConfig
from cmhkf.training.fit import ObjectiveFunction, paper_objective
from cmhkf.training.mil import mil_config, mil_objective
from cmhkf.training.vadclip import LAMBDA_TEXT, vadclip_objective

METHODS = ("cmhkf", "vadclip", "mil")


class Method(NamedTuple):
    """A model in the widths of the released features, and what it minimises."""

    model: ModelConfig
    objective: ObjectiveFunction


def method_for(name: str, dataset: str, config: TrainConfig) -> Method:
    """One of METHODS with its settings for "xd-violence" or "ucf-crime". Raises ConfigError for an unknown name.

    VadCLIP is the published one, which lets padded rows take part.
    """
    match name:
        case "cmhkf":
            return Method(PRESETS[dataset].model, paper_objective(config))
        case "vadclip":
            objective = partial(vadclip_objective, lambda_text=LAMBDA_TEXT[dataset])
            return Method(vadclip_config(dataset, compat=True), objective)
        case "mil":
            return Method(mil_config(dataset), mil_objective)
    raise ConfigError(f"the method is {name!r}; choose one of {', '.join(METHODS)}")


def in_widths_of(folder: FeatureFolder, model: ModelConfig) -> ModelConfig:
    """A model that takes the rows of a folder; its modalities stay."""
    widths = picked(folder, "video_dim", "semantic_dim")
    return replace(model, **widths, audio_dim=folder.audio_dim or model.audio_dim)
