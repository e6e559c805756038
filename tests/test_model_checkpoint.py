"""Checkpoints: the way to disk and back, and every kind of wrong file with its reason."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cmhkf.errors import CheckpointError, RecipeMismatch
from cmhkf.features.recipe import Recipe
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import load_checkpoint, save_checkpoint
from cmhkf.model.config import ModelConfig

CONFIG = ModelConfig(classes=("normal", "fighting", "riot"), dim=8, video_dim=10, semantic_dim=6, audio_dim=4)
RECIPE = Recipe(video=(("name", "eye"),), text=(("name", "word"),), audio=(("name", "ear"),))
TEXT = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)


def save(path, **changes):
    torch.manual_seed(0)
    model = changes.pop("model", None) or build_model(CONFIG).eval()
    facts = {"provenance": {"seed": 3, "data": ["made up"]}, "metrics": {"AP": 0.5}}
    save_checkpoint(path, model, **{"recipe": RECIPE, "text_features": TEXT, "name": "tiny"} | facts | changes)
    return model


@pytest.fixture
def path(tmp_path):
    save(tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def rewritten(path, tensors=None, **header):
    """The file with other header values (None takes one away) or other tensors, as a foreign program might write it."""
    with safe_open(path, "pt") as file:
        old = json.loads(file.metadata()["cmhkf"]) | header
        kept = {key: file.get_tensor(key) for key in file.keys()} | (tensors or {})  # noqa: SIM118
    text = json.dumps({key: value for key, value in old.items() if value is not None})
    save_file({key: value for key, value in kept.items() if value is not None}, path, {"cmhkf": text})
    return path


def test_a_checkpoint_comes_back_whole(tmp_path):
    path = tmp_path / "new folder" / "tiny.safetensors"
    model = save(path)
    got = load_checkpoint(path)
    assert (got.name, got.config, got.recipe, got.classes) == ("tiny", CONFIG, RECIPE, CONFIG.classes)
    assert (got.provenance, got.metrics) == ({"seed": 3, "data": ["made up"]}, {"AP": 0.5})
    assert got.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    np.testing.assert_array_equal(got.text_features, TEXT)
    again = build_model(got.config).eval()
    again.load_state_dict(got.state)
    rows = {"video": torch.randn(1, 9, 10), "lengths": torch.tensor([9]), "text": torch.tensor(TEXT)}
    rows |= {"audio": torch.randn(1, 9, 4), "semantic": torch.randn(1, 9, 6)}
    assert model(**rows).logits.equal(again(**rows).logits)


def test_the_header_is_readable_by_others(path):
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["cmhkf"])
    assert set(header) == {"format", "name", "config", "recipe", "classes", "provenance", "metrics"}
    assert (header["format"], header["classes"]) == ("cmhkf-checkpoint-1", ["normal", "fighting", "riot"])


def test_half_precision_is_accepted(path):
    state = load_checkpoint(path).state
    rewritten(path, tensors={f"model.{key}": value.half() for key, value in state.items()})
    model = build_model(CONFIG)
    model.load_state_dict(load_checkpoint(path).state)
    assert model.state_dict()["classifier.out.weight"].dtype == torch.float32


def test_saving_replaces_only_when_complete(path):
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save(path, metrics={"AP": object()})
    with pytest.raises(ValueError, match=r"text_features is \[2, 6\], expected \[3, 6\]"):
        save(path, text_features=TEXT[:2])
    assert (path.read_bytes(), [p.name for p in path.parent.iterdir()]) == (before, [path.name])


def test_a_recipe_that_differs_is_refused_with_both(path):
    checkpoint = load_checkpoint(path)
    checkpoint.require_recipe(RECIPE)
    other = replace(RECIPE, audio=(("name", "other ear"),))
    with pytest.raises(RecipeMismatch) as caught:
        checkpoint.require_recipe(other)
    assert RECIPE.describe() in str(caught.value)
    assert other.describe() in str(caught.value)
    assert "'tiny'" in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.safetensors: no such file; check the path"):
        load_checkpoint(tmp_path / "gone.safetensors")
    with pytest.raises(CheckpointError, match=r"cannot be read|not a usable checkpoint"):
        load_checkpoint(tmp_path)


WEIGHT = {"weight": torch.zeros(2)}


def write_old_pickle(path):
    torch.save(WEIGHT, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: torch.save(WEIGHT, p), "it is a pickled file .* never loaded"),
        (write_old_pickle, "it is a pickled file .* never loaded"),
        (lambda p: p.write_text("\n<!DOCTYPE html><html>Not found</html>"), "it is a web page, so the download went"),
        (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0"), "Git LFS pointer"),
        (lambda p: p.write_bytes(b""), "damaged or cut short"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "damaged or cut short"),
        (lambda p: p.write_bytes(p.read_bytes()[:100]), "damaged or cut short"),
        (lambda p: p.write_bytes(bytes(range(256)) * 40), "damaged or cut short"),
        (lambda p: save_file({"weight": torch.zeros(2)}, p), "a safetensors file of something else: it has no 'cmhkf'"),
        (lambda p: save_file({"w": torch.zeros(2)}, p, {"format": "pt"}), "a safetensors file of something else"),
        (lambda p: save_file({"w": torch.zeros(2)}, p, {"cmhkf": "hello"}), "header that cannot be understood"),
        (lambda p: save_file({"w": torch.zeros(2)}, p, {"cmhkf": "[]"}), "header that cannot be understood"),
        (lambda p: rewritten(p, format="cmhkf-checkpoint-9"), "of format 'cmhkf-checkpoint-9', not"),
        (lambda p: rewritten(p, config={"warmth": 3}), "ModelConfig has no field 'warmth'; .* newer version"),
        (lambda p: rewritten(p, config={"dim": "wide"}), "ModelConfig.dim is 'wide'; it must be of type int"),
        (lambda p: rewritten(p, recipe={"video": []}), "header that cannot be understood: .*'text'"),
        (lambda p: rewritten(p, metrics=None), r"damaged header: \['metrics'\]"),
        (lambda p: rewritten(p, classes=["normal", "riot", "fighting"]), "damaged header: classes disagree"),
    ],
)
def test_wrong_files_are_refused_with_their_reason(path, write, message):
    write(path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"model.extra": torch.zeros(3)}, r"model\.extra is \[3\], expected nothing$"),
        ({"model.counter": torch.zeros(3).long()}, r"model\.counter is \[3\] of torch\.int64, expected nothing$"),
        (
            {"model.classifier.out.bias": torch.zeros(1).int()},
            r"model\.classifier\.out\.bias is \[1\] of torch\.int32, expected \[1\]$",
        ),
        ({"model.classifier.out.bias": None}, r"model\.classifier\.out\.bias is missing, expected \[1\]$"),
        ({"text_features": torch.zeros(3, 5)}, r"text_features is \[3, 5\], expected \[3, 6\]$"),
        ({"text_features": None}, r"text_features is missing, expected \[3, 6\]$"),
        ({f"model.{i}": torch.zeros(1) for i in range(9)}, r"model\.0 is .*model\.5 is .* and 3 more$"),
    ],
)
def test_tensors_that_do_not_fit_are_listed(path, tensors, message):
    rewritten(path, tensors=tensors)
    with pytest.raises(CheckpointError, match="tensors that do not fit its own config: " + message):
        load_checkpoint(path)


def test_values_that_are_not_finite_are_refused(path):
    rewritten(path, tensors={"model.classifier.out.bias": torch.tensor([float("nan")])})
    with pytest.raises(CheckpointError, match=r"not finite, in model\.classifier\.out\.bias; the training diverged"):
        load_checkpoint(path)
