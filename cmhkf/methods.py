"""What can be trained and compared on a data set: CMHKF and the baselines, each a model and an objective."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from cmhkf.baselines.mil import mil_config, mil_objective
from cmhkf.baselines.vadclip import LAMBDA_TEXT, vadclip_config, vadclip_objective
from cmhkf.config import PRESETS, ModelConfig
from cmhkf.errors import ConfigError
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
