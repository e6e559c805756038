"""A model that is measured on videos it was trained on says so: on the command line, in reports and on the page."""

import json
from dataclasses import replace

import numpy as np
import pytest
from feature_files import RECIPE, write_own
from test_analyzer import CONFIG as ANALYZED
from test_analyzer import analyse, make_features
from test_analyzer import fake_encoders as encoders
from training_sets import invoke, sets, table_of, untrained

from cmhkf.analyzer import Analyzer
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.config import ModelConfig
from cmhkf.model.trained_on import TRAINING_VIDEOS, digests, learned_from, warning, with_parent
from cmhkf.training.card import card_text

SMALL = [*sets("model.dim=16", "train.batch_size=8", "train.epochs=1"), "--device", "cpu"]
TEST = {"Abuse001_x264": 6, "Arson002_x264": 8, "Normal_Videos_003_x264": 7}
MODEL = ModelConfig(dim=8, video_dim=6, semantic_dim=4, audio_dim=3)


def save(path, videos, config=MODEL, recipe=RECIPE, **metrics):
    provenance = {} if videos is None else {TRAINING_VIDEOS: digests(videos)}
    return untrained(path, config, recipe, provenance=provenance, metrics=metrics)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """Twelve training and three test videos, named as UCF-Crime's."""
    folder = tmp_path_factory.mktemp("features")
    train = [f"{kind}{i:03}_x264" for i in range(10, 16) for kind in ("Abuse", "Normal_Videos_")]
    for i, name in enumerate([*train, *TEST]):
        write_own(folder, name, TEST.get(name, 5 + i % 3))
    (folder / "train.txt").write_text("\n".join(train))
    (folder / "test.txt").write_text("\n".join(TEST))
    (folder / "Temporal_Anomaly_Annotation.txt").write_text(
        "Abuse001_x264.mp4 Abuse 16 48 -1 -1\nArson002_x264.mp4 Arson 20 90 -1 -1\n"
        "Normal_Videos_003_x264.mp4 Normal -1 -1 -1 -1\n"
    )
    np.save(folder / "text.npy", np.random.default_rng(0).normal(size=(14, 4)).astype(np.float32))
    return folder


def run(*arguments):
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    return done


def evaluate(features, model, out):
    options = ["--features", features, "--dataset", "ucf-crime", "--resamples", "0", "--device", "cpu"]
    done = run("evaluate", "--model", model, "--out", out, *options)
    return done, json.loads((out / "report.json").read_text())


def test_names_are_compared_without_folder_and_suffix(tmp_path):
    """Oracle: `printf Arson016_x264 | sha256sum` begins with these twelve digits."""
    assert digests(["Arson016_x264", "a/Arson016_x264.mp4", r"C:\a\Arson016_x264.MKV"]) == ["9c5f9c2aa79e"]
    assert len(digests(["v=1__#00-01", "v=1__#00-02", "Fast.Furious", "Fast.Five"])) == 4
    found = load_checkpoint(save(tmp_path / "m.safetensors", ["x.avi", "Fast.Five"]))
    assert learned_from(found, ["y", "x", "Fast.Five", "Fast.Furious", "x"]) == ("x", "Fast.Five")
    assert learned_from(load_checkpoint(save(tmp_path / "n.safetensors", None)), ["x"]) == ()
    assert with_parent(["z"], found) == digests(["x", "z", "Fast.Five"])


def test_the_sentence_counts_and_names(tmp_path):
    found = load_checkpoint(save(tmp_path / "m.safetensors", [*"abcdefg"]))
    told = warning(found, [*"fedcbaxyz"])
    assert "'tiny' was trained on 6 of these 9 videos, by their names (f, e, d, c, b and 1 more)" in told
    assert warning(found, [*"xyz"]) == ""


def test_evaluation_on_training_videos_warns_and_the_report_keeps_it(features, tmp_path):
    config = replace(MODEL, classes=("normal", "abuse"))
    model = save(tmp_path / "m.safetensors", ["Arson002_x264.mp4", "elsewhere"], config)
    done, report = evaluate(features, model, tmp_path / "out")
    assert "'tiny' was trained on 1 of these 3 videos, by their names (Arson002_x264)" in done.stderr
    assert "Optimistic: the model was trained on 1 of these videos." in done.stdout
    assert done.stdout.count("trained on") == 1
    assert "warning" not in done.output
    assert {row["caution"] for row in table_of(tmp_path / "out" / "report.csv")} == {"optimistic"}
    assert report["learned_from"] == ["Arson002_x264"]
    clean = save(tmp_path / "n.safetensors", ["elsewhere"], config)
    done, report = evaluate(features, clean, tmp_path / "clean")
    assert report["learned_from"] == []
    assert "trained on" not in done.output


def test_training_lists_its_videos_and_those_of_the_model_it_began_from(features, tmp_path):
    given = ["--features", features, "--dataset", "ucf-crime", "--text-features", features / "text.npy", *SMALL]
    run("train", *given, "--out", tmp_path / "first", *sets("train.val_fraction=0"))
    first = load_checkpoint(tmp_path / "first" / "model.safetensors")
    trained = (features / "train.txt").read_text().splitlines()
    assert first.provenance[TRAINING_VIDEOS] == digests(trained)
    card = (tmp_path / "first" / "model_card.md").read_text()
    assert f"| {TRAINING_VIDEOS} | 12, listed in the file by digests of their names |" in card
    assert first.provenance[TRAINING_VIDEOS][0] not in card

    few, parent = tmp_path / "few.txt", tmp_path / "first" / "model.safetensors"
    few.write_text("\n".join(trained[:8]))
    options = ["--features", features, "--dataset", "ucf-crime", "--train-list", few, "--finetune", parent, *SMALL[2:]]
    done = run("train", *options, "--out", tmp_path / "second", *sets("train.val_fraction=0.25"))
    second = load_checkpoint(tmp_path / "second" / "model.safetensors")
    assert second.provenance[TRAINING_VIDEOS] == digests(trained)
    assert "was trained on 2 of these 2 videos" in done.stderr  # those held out, which judge the epochs
    assert "figures on them are optimistic" in second.metrics["note"]


def test_a_card_without_a_list_claims_none(tmp_path):
    assert TRAINING_VIDEOS not in card_text(load_checkpoint(save(tmp_path / "m.safetensors", None)), "m.safetensors")


def test_a_clip_that_was_trained_on_is_told_where_its_calibration_is(tmp_path):
    features = make_features(9)
    recipe = Analyzer(encoders(), ANALYZED, name="x").recipe
    known = "5 an hour; the model was trained on a clip of this name, so its scores here say little"
    for trained, told in ((features.clip.name, known), ("another", "5 an hour")):
        path = save(tmp_path / "m.safetensors", [trained], ANALYZED, recipe, calibration="5 an hour")
        analyzer = Analyzer(encoders(), ANALYZED, name="tiny", checkpoint=load_checkpoint(path))
        assert analyse(analyzer, features).calibration == told
