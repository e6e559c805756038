"""What the page tells of how good its model is, from the panels beside a checkpoint."""

import hashlib

import numpy as np
import pytest

from app.explain.quality import quality_of
from cmhkf.metrics.panel import ScoredVideo, measure_panel
from cmhkf.metrics.panel_file import quality_file, write_panels
from cmhkf.metrics.panel_text import panel_lines

WEIGHTS = b"made up"
MODEL = "demo@" + hashlib.sha256(WEIGHTS).hexdigest()[:12]


def made_panel(**options):
    videos = [
        ScoredVideo("a", np.array([0.1, 0.9, 0.2]), [(0.7, 1.3, "fire")], kind="phone"),
        ScoredVideo("b", np.array([0.1, 0.2, 0.6]), [], kind="film"),
    ]
    return measure_panel(videos, **({"model": "demo", "dataset": "two clips", "resamples": 20} | options))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("CMHKF_HOME", str(tmp_path))
    path = tmp_path / "checkpoints" / "demo.safetensors"
    path.parent.mkdir()
    path.write_bytes(WEIGHTS)
    return path


def test_the_page_is_given_every_panel_and_its_words(weights, handlers):
    panel = made_panel()
    write_panels(weights, [panel, made_panel(dataset="other")])
    answer = handlers["quality"]({"model_id": MODEL})
    assert (answer["model_id"], answer["missing"]) == (MODEL, "")
    assert [shown["panel"]["dataset"] for shown in answer["panels"]] == ["two clips", "other"]
    assert answer["panels"][0]["lines"] == [[*line] for line in panel_lines(panel)]
    assert answer["panels"][0]["panel"]["alarms"][0]["n_alarms"] == 1


@pytest.mark.parametrize(
    ("preset", "asked", "words"),
    [
        ("demo", "demo", "no trained head takes part"),
        ("demo", "demo@0123456789ab", "this clip was analysed by demo@0123456789ab"),
        ("hf:owner/repo", "hf:owner/repo@0123456789ab", "--quality CLIPS.csv --model hf:owner/repo"),
        ("demo", MODEL, "evaluate --model demo --keep"),
        ("no such file", MODEL, "'no such file' is neither a preset"),
    ],
)
@pytest.mark.usefixtures("weights")
def test_where_nothing_is_measured_the_page_says_why(preset, asked, words):
    found = quality_of(preset, asked)
    assert found.panels == ()
    assert found.missing.startswith("Not measured")
    assert words in found.missing


def test_figures_of_other_weights_are_not_shown(weights):
    write_panels(weights, [made_panel()])
    text = quality_file(weights).read_text()
    weights.write_bytes(b"trained anew")
    quality_file(weights).write_text(text)
    found = quality_of("demo", "demo@" + hashlib.sha256(b"trained anew").hexdigest()[:12])
    assert (found.panels, "of other weights" in found.missing) == ((), True)
