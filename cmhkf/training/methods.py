"""What can be trained and compared on a data set: CMHKF and the baselines, each a model and an objective."""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from cmhkf.errors import ConfigError
from cmhkf.features.folders import FeatureFolder
from cmhkf.model.config import ModelConfig, settings_like
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


def method_for(name: str, dataset: str, config: TrainConfig, *, classes: tuple[str, ...] = ()) -> Method:
    """One of METHODS with its settings for a data set, whose own classes are given where it is not one of the paper's.

    Raises ConfigError for an unknown name.

    VadCLIP is the published one, which lets padded rows take part.
    """
    like = settings_like(dataset)
    match name:
        case "cmhkf":
            found = Method(PRESETS[like].model, paper_objective(config))
        case "vadclip":
            objective = partial(vadclip_objective, lambda_text=LAMBDA_TEXT[like])
            found = Method(vadclip_config(like, compat=True), objective)
        case "mil":
            found = Method(mil_config(like), mil_objective)
        case _:
            raise ConfigError(f"the method is {name!r}; choose one of {', '.join(METHODS)}")
    return found._replace(model=replace(found.model, classes=classes or found.model.classes))


def in_widths_of(folder: FeatureFolder, model: ModelConfig) -> ModelConfig:
    """A model that takes the rows of a folder; its modalities stay."""
    widths = picked(folder, "video_dim", "semantic_dim")
    return replace(model, **widths, audio_dim=folder.audio_dim or model.audio_dim)
