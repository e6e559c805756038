"""Settings: what is refused, with which words, and the way through JSON and back."""

import json
from dataclasses import asdict, replace

import pytest

from cmhkf.errors import ConfigError
from cmhkf.features.recipe import Recipe
from cmhkf.model.config import (
    AfaeConfig,
    AudioConfig,
    CvkaConfig,
    FineConfig,
    MkafConfig,
    ModelConfig,
    PromptConfig,
    TemporalConfig,
)
from cmhkf.presets import PRESETS
from cmhkf.settings import from_dict

RECIPE = Recipe(video=(("name", "eye"),), text=(("name", "word"), ("revision", "1")), audio=(("name", "ear"),))


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (CvkaConfig, {"norm": "rows"}, r"CvkaConfig\.norm is 'rows'; choose one of time, class"),
        (CvkaConfig, {"scale": "n"}, r"CvkaConfig\.scale is 'n'; choose one of length, none"),
        (CvkaConfig, {"k": -1}, r"CvkaConfig\.k is -1; it must be 0 or more"),
        (CvkaConfig, {"k": 2.0}, r"CvkaConfig\.k is 2\.0; it must be of type int"),
        (CvkaConfig, {"k": True}, r"CvkaConfig\.k is True; it must be of type int"),
        (CvkaConfig, {"tau": 0.0}, r"CvkaConfig\.tau is 0\.0; it must be 1e-06 or more"),
        (CvkaConfig, {"tau": float("nan")}, r"CvkaConfig\.tau is nan; it must be 1e-06 or more"),
        (AfaeConfig, {"overlap": "mean"}, r"AfaeConfig\.overlap is 'mean'; choose one of max, sum"),
        (AfaeConfig, {"aggregate": "sum"}, r"AfaeConfig\.aggregate is 'sum'; choose one of weight, pool, residual"),
        (AfaeConfig, {"w": -2}, r"AfaeConfig\.w is -2; it must be -1 or more"),
        (AfaeConfig, {"renorm": "no"}, r"AfaeConfig\.renorm is 'no'; it must be of type bool"),
        (AudioConfig, {"layer_norm": 1}, r"AudioConfig\.layer_norm is 1; it must be of type bool"),
        (MkafConfig, {"type": "sum"}, r"MkafConfig\.type is 'sum'; choose one of xattn, jca, concat, bilinear_concat"),
        (MkafConfig, {"heads": 0}, r"MkafConfig\.heads is 0; it must be 1 or more"),
        (MkafConfig, {"type": "jca", "heads": 2}, r"mkaf\.heads has no effect with mkaf\.type 'jca'"),
        (MkafConfig, {"type": "concat", "layer_norm": True}, r"mkaf\.layer_norm has no effect .* 'concat'"),
        (MkafConfig, {"type": "jca", "residual": True}, r"mkaf\.residual has no effect with mkaf\.type 'jca'"),
        (FineConfig, {"weight": "prob"}, r"FineConfig\.weight is 'prob'; choose one of logit, sigmoid"),
        (TemporalConfig, {"window": 0}, r"TemporalConfig\.window is 0; it must be 1 or more"),
        (PromptConfig, {"prefix": -1}, r"PromptConfig\.prefix is -1; it must be 0 or more"),
        (ModelConfig, {"modalities": "AT"}, r"ModelConfig\.modalities is 'AT'; choose one of V, VA, VT, VAT"),
        (ModelConfig, {"light": None}, r"ModelConfig\.light is None; it must be of type bool"),
        (ModelConfig, {"cvka": {"k": 2}}, r"ModelConfig\.cvka is \{'k': 2\}; it must be of type CvkaConfig"),
        (ModelConfig, {"classes": ("normal",)}, r"two or more different names, normal first; got \('normal',\)"),
        (ModelConfig, {"classes": ("a", "b", "a")}, "two or more different names"),
        (ModelConfig, {"classes": ("a", 1)}, "two or more different names"),
        (ModelConfig, {"cvka": CvkaConfig(k=8)}, r"cvka\.k is 8 but there are only 7 classes"),
        (ModelConfig, {"mkaf": MkafConfig(heads=3)}, r"mkaf\.heads is 3, which does not divide dim = 512"),
        (ModelConfig, {"temporal": TemporalConfig(heads=5)}, r"temporal\.heads is 5, which does not divide dim = 512"),
        (ModelConfig, {"dim": 9}, "dim is 9; the BiLSTM has two directions and needs an even width"),
        (ModelConfig, {"dim": 4}, r"ModelConfig\.dim is 4; it must be 8 or more"),
        (Recipe, vars(RECIPE) | {"grid": "25fps"}, r"Recipe\.grid is '25fps'; choose one of 24fps, native"),
    ],
)
def test_refused(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind(**values)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_configs_survive_json(name):
    config = PRESETS[name].model
    assert from_dict(ModelConfig, json.loads(json.dumps(asdict(config)))) == config


def test_recipes_survive_json():
    again = from_dict(Recipe, json.loads(json.dumps(asdict(RECIPE))))
    assert (again, again.hash) == (RECIPE, RECIPE.hash)


def test_unknown_fields_are_refused_by_name():
    values = asdict(ModelConfig())
    values["cvka"]["warmth"] = 3
    with pytest.raises(ConfigError, match="CvkaConfig has no field 'warmth'; was the file written by a newer version"):
        from_dict(ModelConfig, values)


def test_the_papers_defaults():
    """Oracle: the block of defaults at the end of the reading, and UCF-Crime's settings in the paper's appendix."""
    xd, ucf = ModelConfig(), PRESETS["ucf-crime"].model
    assert (xd.dim, len(xd.classes), xd.modalities, xd.audio_dim) == (512, 7, "VAT", 128)
    assert xd.temporal == TemporalConfig(layers=1, heads=1, window=64, gcn_threshold=0.7)
    assert (xd.prompt.prefix, xd.prompt.postfix) == (10, 10)
    assert xd.cvka == CvkaConfig(k=2, tau=0.07, norm="time", scale="length")
    assert xd.afae == AfaeConfig(w=2, tau=0.07, overlap="max", aggregate="weight", renorm=False)
    assert xd.mkaf == MkafConfig(type="xattn", heads=1, residual=False, layer_norm=False)
    assert (xd.fine.weight, xd.fine.tau, xd.audio.layer_norm, xd.mask_padding) == ("logit", 0.07, True, True)
    assert (len(ucf.classes), ucf.modalities, ucf.cvka.k) == (14, "VT", 4)
    assert (ucf.temporal.layers, ucf.temporal.window) == (2, 8)


def test_a_recipe_is_named_by_what_it_holds():
    assert RECIPE.describe() == f"{RECIPE.hash} (eye + word + ear, 24fps grid)"
    others = [
        replace(RECIPE, grid="native"),
        replace(RECIPE, audio=(("name", "none"),)),
        replace(RECIPE, text=(("name", "word"), ("revision", "2"))),
        replace(RECIPE, snippet_frames=8),
    ]
    assert len({r.hash for r in [RECIPE, *others]}) == 5
