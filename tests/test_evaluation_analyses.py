"""Figures straight from a feature folder and a checkpoint: the scores are the model's, the axes those of the video."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from fakes import make_video
from feature_files import RECIPE, rows, write_npy, write_own
from test_figures import run, words
from training_sets import untrained

from cmhkf.commands import figure as command
from cmhkf.errors import DataError
from cmhkf.evaluation.analyses import analyse_folder
from cmhkf.features.folders import FeatureFolder, released_recipe
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.config import ModelConfig
from cmhkf.model.run import predict

CONFIG = ModelConfig(dim=8, video_dim=6, semantic_dim=4, audio_dim=3)


@pytest.fixture
def own(tmp_path):
    for name, n in (("yard", 6), ("gate", 9)):
        write_own(tmp_path / "features", name, n)
    untrained(tmp_path / "m.safetensors", CONFIG, RECIPE)
    return tmp_path


def test_an_analysis_of_rows_is_what_the_model_says(own):
    """Oracle: `predict`, and the rows that were written."""
    folder, checkpoint = FeatureFolder(own / "features"), load_checkpoint(own / "m.safetensors")
    (found,) = analyse_folder(folder, checkpoint, ["gate"])
    model = build_model(CONFIG).eval()
    model.load_state_dict(checkpoint.state)
    expected = predict(model, torch.from_numpy(checkpoint.text_features), folder.load("gate"))
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.class_probs, expected.class_probs)
    np.testing.assert_array_equal(found.clip_embeddings, rows(9, 4))
    assert (found.clip.name, found.timeline.duration_s, found.trained, found.modalities) == ("gate", 6, True, "VAT")
    assert found.fused_embeddings.shape[0] == 9
    with pytest.raises(DataError, match="no features of 'gone'; it has 2 videos"):
        analyse_folder(folder, checkpoint, ["gone"])


def test_distributed_features_take_the_rate_that_is_given(tmp_path):
    write_npy(tmp_path / "f", "Abuse001_x264", 15)
    untrained(tmp_path / "m.safetensors", ModelConfig(dim=8, modalities="VT"), released_recipe(audio=False))
    folder, checkpoint = FeatureFolder(tmp_path / "f"), load_checkpoint(tmp_path / "m.safetensors")
    (found,) = analyse_folder(folder, checkpoint, ["Abuse001_x264"], rate=Fraction(30))
    assert (found.clip.native_rate, found.timeline.duration_s, found.modalities) == (30, 8, "VT")


def test_the_command_draws_both_figures(own, monkeypatch, capsys):
    (own / "truth.csv").write_text("clip,class,segments_s\nyard,fighting,1-3\ngate,normal,\n")
    make_video(own / "videos.mp4", seconds=1).rename(own / "yard.mp4")
    data = ["figure", "--features", own / "features", "--model", own / "m.safetensors", "--truth", own / "truth.csv"]
    drawn = [*data, "--kind", "qualitative", "--out", own / "4.svg", "yard", "--videos", own / "*.mp4"]
    assert run(monkeypatch, *drawn) == 0
    said = words(own / "4.svg")
    assert "yard" in said
    assert "ground truth" in said
    assert "ntrained" not in said
    drawn = [*data, "--kind", "embeddings", "--colour", "class,truth", "--out", own / "5.svg"]
    assert run(monkeypatch, *drawn) == 0
    assert "fused embeddings, after CMHKF" in words(own / "5.svg")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--features", "features"], "--features needs --model"),
        (["--model", "m.safetensors"], "give analyses, or --features with --model"),
        (["--features", "features", "--model", "m.safetensors", "--fps", "fast"], "--fps is 'fast'; it must be a rate"),
        (["--features", "features", "--model", "m.safetensors"], "2 videos do not fit on a figure; name up to 1"),
        ([], "give analyses, or --features with --model"),
    ],
)
def test_what_cannot_be_drawn_is_said(own, monkeypatch, capsys, given, message):
    monkeypatch.chdir(own)
    monkeypatch.setattr(command, "MOST_CLIPS", 1)
    assert run(monkeypatch, "figure", "--kind", "saliency", "--out", "f.svg", *given) == 2
    assert message in capsys.readouterr().err
    assert not (own / "f.svg").exists()
