"""What can be trained and compared on a data set: CMHKF and the baselines, each a model and an objective."""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from cmhkf.errors import ConfigError
from cmhkf.features.folders import FeatureFolder
from cmhkf.model.baselines.avadclip import avadclip_objective
from cmhkf.model.baselines.hl_net import hl_net_objective
from cmhkf.model.baselines.macil_sd import macil_sd_objective
from cmhkf.model.baselines.rtfm import rtfm_objective
from cmhkf.model.baselines.ur_dmu import ur_dmu_objective
from cmhkf.model.config import DATASET_MODELS, Architecture, Modalities, ModelConfig, TemporalConfig, settings_like
from cmhkf.model.vadclip_file import vadclip_config
from cmhkf.presets import PRESETS
from cmhkf.settings import picked
from cmhkf.training.config import TrainConfig
from cmhkf.training.fit import ObjectiveFunction, paper_objective
from cmhkf.training.mil import mil_config, mil_objective
from cmhkf.training.vadclip import LAMBDA_TEXT, vadclip_objective

METHODS = ("cmhkf", "vadclip", "avadclip", "mil", "rtfm", "ur-dmu", "hl-net", "macil-sd")
PAIRING = ("mil", "rtfm", "ur-dmu", "macil-sd")  # those that compare the samples of a step with each other


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
        case "rtfm":
            found = Method(_scorer(like, "rtfm", "V"), rtfm_objective)
        case "ur-dmu":
            found = Method(_scorer(like, "ur-dmu", "V"), ur_dmu_objective)
        case "hl-net":
            found = Method(_scorer(like, "hl-net", "VA"), hl_net_objective)
        case "macil-sd":
            found = Method(_scorer(like, "macil-sd", "VA"), macil_sd_objective)
        case "avadclip":
            # Its code's settings for XD-Violence
            model = replace(_scorer(like, "avadclip", "VA"), temporal=TemporalConfig(layers=2, window=4))
            found = Method(model, avadclip_objective)
        case _:
            raise ConfigError(f"the method is {name!r}; choose one of {', '.join(METHODS)}")
    return found._replace(model=replace(found.model, classes=classes or found.model.classes))


def _scorer(like: str, architecture: Architecture, modalities: Modalities) -> ModelConfig:
    return replace(DATASET_MODELS[like], architecture=architecture, modalities=modalities)


def in_widths_of(folder: FeatureFolder, model: ModelConfig) -> ModelConfig:
    """A model that takes the rows of a folder; its modalities stay."""
    widths = picked(folder, "video_dim", "semantic_dim")
    return replace(model, **widths, audio_dim=folder.audio_dim or model.audio_dim)
