"""Class texts of training: fixed ones stay, prompts learn through a tower that is no part of what is saved."""

import numpy as np
import pytest
import torch
from fake_encoders import text_tower

from cmhkf.encoders.demo.load import load_demo
from cmhkf.encoders.demo.minilm import WIDTH
from cmhkf.errors import DataError
from cmhkf.features.folders import released_recipe
from cmhkf.features.recipe import Recipe
from cmhkf.model.config import ModelConfig
from cmhkf.model.texts import FixedTexts, LearnablePrompts, PromptTexts, TextSource, read_texts

CLASSES = ("normal", "fighting", "car accident")
CONFIG = ModelConfig(classes=CLASSES, semantic_dim=4)
DEMO = Recipe(video=(("name", "demo"),), text=(("name", "demo"),), audio=(("name", "demo"),))


@pytest.fixture(scope="module")
def clip():
    """Its parameters are still free."""
    return text_tower()


def test_prompts_train_their_table_alone(clip):
    prompts = LearnablePrompts(CLASSES)
    texts = PromptTexts(prompts, clip)
    texts().square().sum().backward()
    assert [name for name, _ in texts.named_parameters()] == ["prompts.table"]
    assert list(texts.state_dict()) == ["prompts.table"]
    assert prompts.table.grad is not None
    assert prompts.table.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in clip.parameters())
    torch.testing.assert_close(texts(), prompts(clip))


def test_the_demos_features_get_the_demos_texts():
    got = TextSource(DEMO).make(CONFIG)
    assert isinstance(got, FixedTexts)
    np.testing.assert_array_equal(got().numpy(), load_demo("cpu").text.encode(CLASSES))
    assert got().shape == (3, WIDTH)


def test_texts_from_a_file_come_before_all_others(tmp_path):
    features = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.save(tmp_path / "t.npy", features)
    np.savez(tmp_path / "t.npz", anything=features)
    for name in ("t.npy", "t.npz"):
        got = TextSource(released_recipe(audio=True), file=tmp_path / name).make(CONFIG)
        np.testing.assert_array_equal(got().numpy(), features)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.npy", np.zeros((3, 5)), r"shapes \[\(3, 5\)\]; one of \(3, 4\) is wanted: classes, values"),
        ("t.npz", {"a": np.zeros((3, 4)), "b": np.zeros(2)}, r"shapes \[\(3, 4\), \(2,\)\]; one of \(3, 4\)"),
        ("t.npy", np.full((3, 4), np.nan), "values that are not finite numbers"),
        ("t.npy", np.full((3, 4), "word"), "values that are not finite numbers"),
        ("t.npy", np.full((3, 4), None), "cannot read the class texts"),
        ("t.npy", b"<html>", "cannot read the class texts"),
        ("t.npy", None, "cannot read the class texts"),
    ],
)
def test_bad_files_are_refused(name, content, message, tmp_path):
    match content:
        case bytes():
            (tmp_path / name).write_bytes(content)
        case dict():
            np.savez(tmp_path / name, **content)
        case np.ndarray():
            np.save(tmp_path / name, content)
    with pytest.raises(DataError, match=message):
        read_texts(tmp_path / name, shape=(3, 4))


def test_ranking_reads_no_texts_and_needs_no_encoder(monkeypatch, tmp_path):
    monkeypatch.setenv("CMHKF_CLIP_WEIGHTS", str(tmp_path / "absent.pt"))
    texts = TextSource(released_recipe(audio=True)).make(
        ModelConfig(classes=CLASSES, semantic_dim=4, architecture="mil")
    )
    assert texts().tolist() == [[0.0] * 4] * 3
