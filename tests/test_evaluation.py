"""Evaluation on feature folders written by hand, against frames and windows put together one by one."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from feature_files import RECIPE, annotate, rows, write_npy, write_own
from sklearn.metrics import average_precision_score, roc_auc_score
from training_sets import table_of, untrained

from cmhkf.commands import evaluate as command
from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import CheckpointError, ConfigError, DataError, RecipeMismatch
from cmhkf.evaluation.evaluate import evaluate
from cmhkf.evaluation.report import measurements, table, write_report
from cmhkf.features.folders import Rows
from cmhkf.metrics.detection import detection_map
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.config import CvkaConfig, ModelConfig
from cmhkf.model.run import Prediction, predict
from cmhkf.training.mil import mil_config

LENGTHS = {"v=a_label_B1-0-0": 6, "v=b_label_B2-G-0": 9, "v=n_label_A": 4, "v=m_label_A": 5}
ABNORMAL = list(LENGTHS)[:2]
EVENTS = {"v=a_label_B1-0-0": [("B1", 20, 50)], "v=b_label_B2-G-0": [("B2", 0, 33), ("G", 64, 144)]}
CONFIG = ModelConfig(dim=8, video_dim=6, semantic_dim=4, audio_dim=3, cvka=CvkaConfig(k=2))


def listed(folder, names=tuple(LENGTHS)):
    (folder / "test.txt").write_text("\n".join(names))
    return annotate(folder, EVENTS)


@pytest.fixture
def folder(tmp_path):
    for name, n in LENGTHS.items():
        write_npy(tmp_path / "features", name, n, crops=(0, 5), sound=n)
    return listed(tmp_path / "features")


def guess(given: Rows):
    """Made-up scores and probabilities that depend on the rows alone."""
    rng = np.random.default_rng(abs(int(1000 * given.video[0, 0])))
    return Prediction(rng.random(len(given.video)), rng.dirichlet(np.ones(7), len(given.video)))


def map_of(report, protocol, videos):
    (found,) = (m.result for m in report.maps if (m.protocol, m.videos) == (protocol, videos))
    return found


def frame_labels(names):
    labels = []
    for name in names:
        frames = np.zeros(16 * LENGTHS[name], int)
        for _, start, end in EVENTS.get(name, []):
            frames[start:end] = 1
        labels.append(frames)
    return np.concatenate(labels)


def test_every_number_of_a_report(folder):
    """Oracle: scikit-learn on frames, and `detection_map` with segments written by hand."""
    dataset = open_dataset("xd-violence", folder)
    report = evaluate(dataset, guess, model="guess", resamples=50)
    predictions = {name: guess(dataset.folder.load(name)) for name in LENGTHS}
    for branch in (report.classifier, report.alignment):
        for names, found in ((list(LENGTHS), branch.every), (ABNORMAL, branch.abnormal)):
            curves = [predictions[name] for name in names]
            scores = [p.scores if branch.name == "classifier" else 1 - p.class_probs[:, 0] for p in curves]
            frames, labels = np.repeat(np.concatenate(scores), 16), frame_labels(names)
            assert found.ap.value == pytest.approx(average_precision_score(labels, frames))
            assert found.auc.value == pytest.approx(roc_auc_score(labels, frames))
            assert (found.prevalence, found.n_groups) == (pytest.approx(labels.mean()), len(names))
    probs = [predictions[name].class_probs for name in LENGTHS]
    truths = [[(1, 20, 50)], [(2, 0, 33), (6, 64, 144)], [(0, 0, 64)], [(0, 0, 80)]]
    for protocol in ("paper", "clean"):
        for videos, n in (("all", None), ("abnormal", 2)):
            expected = detection_map(probs, truths, protocol, n_abnormal=n)
            np.testing.assert_array_equal(map_of(report, protocol, videos).per_class, expected.per_class)
    first = report.videos[0]
    scores = predictions[first.name].scores
    assert first[:4] == ("v=a_label_B1-0-0", True, 6, 30 / 96)
    assert first.auc == pytest.approx(roc_auc_score(frame_labels(ABNORMAL[:1]), np.repeat(scores, 16)))
    assert (first.peak, first.peak_frame) == (scores.max(), 16 * scores.argmax())
    assert np.isnan(report.videos[2].auc)
    assert (report.headline, report.missing) == ("ap", ())


def test_order_and_absence_of_videos(folder):
    """Normal videos first in the list give the same detection mAP; a video without features is named."""
    names = [*reversed(LENGTHS), "v=gone_label_A"]
    ordered = evaluate(open_dataset("xd-violence", folder), guess, resamples=0)
    report = evaluate(open_dataset("xd-violence", listed(folder, names)), guess, resamples=0)
    assert report.missing == ("v=gone_label_A",)
    assert report.classifier.every.auc.value == ordered.classifier.every.auc.value
    assert map_of(report, "paper", "abnormal").average == pytest.approx(map_of(ordered, "paper", "abnormal").average)


def test_a_scorer_without_classes_or_with_others_has_no_map(folder):
    dataset = open_dataset("xd-violence", folder)
    plain = evaluate(dataset, lambda given: guess(given)._replace(class_probs=None), resamples=0)
    assert (plain.alignment, plain.maps) == (None, ())
    others = evaluate(dataset, guess, classes=("normal", *"abcdef"), resamples=0)
    assert others.alignment is not None
    assert others.maps == ()
    assert "No detection mAP" in table(others)
    (folder / "annotations_multiclasses.txt").unlink()
    assert evaluate(open_dataset("xd-violence", folder), guess, resamples=0).maps == ()


def test_normal_videos_of_ucf_have_no_truth_of_their_own(tmp_path):
    """C.9, item 8: the literature's normal AP is 0 on UCF-Crime, whatever is predicted."""
    for name in ("Abuse001_x264", "Normal_Videos_001_x264"):
        write_npy(tmp_path, name, 8)
    (tmp_path / "Anomaly_Test.txt").write_text("Abuse/Abuse001_x264.mp4\nNormal_Videos_001_x264.mp4\n")
    lines = ["Abuse001_x264.mp4 Abuse 32 64 -1 -1", "Normal_Videos_001_x264.mp4 Normal -1 -1 -1 -1"]
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text("\n".join(lines))

    def perfect(given):
        probs = np.full((8, 14), 0.001)
        probs[:, 0] = np.linspace(0.8, 0.9, 8)
        if given.name.startswith("Abuse"):
            probs[2:4, 1] = 5
        return Prediction(probs[:, 1], probs / probs.sum(axis=1, keepdims=True))

    report = evaluate(open_dataset("ucf-crime", tmp_path), perfect, resamples=0)
    assert (report.headline, map_of(report, "clean", "all").average) == ("auc", 100)
    assert map_of(report, "paper", "all").per_class[0].tolist() == [0] * 5


def test_all_crops_are_averaged_when_asked(folder):
    dataset = open_dataset("xd-violence", folder)
    mean = evaluate(dataset, guess, crops="mean", resamples=0).videos
    for video in mean:
        both = [guess(dataset.folder.load(video.name, crop)).scores for crop in (0, 5)]
        assert video.peak == pytest.approx(np.mean(both, axis=0).max())
    assert evaluate(dataset, guess, resamples=0).videos != mean


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda given: Prediction(np.zeros(3), None), r"3 scores for 'v=a_label_B1-0-0', which has 6 snippets"),
        (lambda given: Prediction(np.full(len(given.video), np.nan), None), "scores of 'v=a_label_B1-0-0' are not all"),
    ],
)
def test_wrong_predictions_are_named(folder, wrong, message):
    with pytest.raises(DataError, match=message):
        evaluate(open_dataset("xd-violence", folder), wrong, resamples=0)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 512, 600])
def test_predict_equals_windows_one_by_one(n):
    """Oracle: each chunk of 256 alone, without padding."""
    torch.manual_seed(0)
    model = build_model(CONFIG).eval()
    text = torch.randn(7, 4)
    given = Rows("v", rows(n, 6), rows(n, 4), rows(n, 3))
    video, semantic, audio = (torch.from_numpy(part) for part in (given.video, given.semantic, given.audio))
    scores, probs = [], []
    with torch.no_grad():
        for start in range(0, n, 256):
            part = slice(start, start + 256)
            lengths = torch.tensor([len(video[part])])
            out = model(video[part][None], lengths, text, semantic=semantic[part][None], audio=audio[part][None])
            scores.append(out.scores[0])
            probs.append(out.class_probs[0])
    found = predict(model, text, given)
    np.testing.assert_allclose(found.scores, torch.cat(scores), atol=1e-5)
    np.testing.assert_allclose(found.class_probs, torch.cat(probs), atol=1e-5)


def test_predict_without_sound_and_by_mil():
    model, text = build_model(CONFIG).eval(), torch.randn(7, 4)
    assert predict(model, text, Rows("v", rows(9, 6), rows(9, 4), None)).scores.shape == (9,)
    ranking = build_model(replace(mil_config("xd-violence"), video_dim=6, semantic_dim=4)).eval()
    found = predict(ranking, text, Rows("v", rows(300, 6), rows(300, 4), None))
    assert found.scores.shape == (300,)
    assert found.class_probs is None


def test_files_of_a_report(folder, tmp_path):
    report = evaluate(open_dataset("xd-violence", folder), guess, model="guess", resamples=20)
    write_report(report, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["model"] == "guess"
    assert content["figures"][0]["value"] == pytest.approx(100 * report.classifier.every.ap.value)
    assert content["figures"][-1]["low"] is None  # no interval of a detection mAP
    assert content["map_per_class"][0]["classes"]["fighting"] == list(report.maps[0].result.per_class[1])
    lines = table_of(tmp_path / "out" / "report.csv")
    assert len(lines) == len(measurements(report)) == 2 * 2 * 3 + 4 * 6
    assert (lines[0]["branch"], lines[0]["videos"], lines[0]["metric"]) == ("classifier", "all", "ap")
    assert float(lines[0]["chance"]) == pytest.approx(100 * frame_labels(LENGTHS).mean())
    videos = table_of(tmp_path / "out" / "per_video.csv")
    assert ([video["name"] for video in videos], videos[2]["auc"]) == (list(LENGTHS), "")
    for plot in ("pr.png", "roc.png"):
        assert (tmp_path / "out" / plot).read_bytes().startswith(b"\x89PNG")


def saved_model(path, config, recipe):
    return untrained(path, config, recipe, texts=rows(7, config.semantic_dim))


@pytest.fixture
def own_folder(tmp_path):
    for name, n in LENGTHS.items():
        (tmp_path / "own").mkdir(exist_ok=True)
        write_own(tmp_path / "own", name, n)
    return listed(tmp_path / "own")


def run(features, tmp_path, **options):
    command.evaluate(features, "xd-violence", out=tmp_path / "out", **({"resamples": 10, "device": "cpu"} | options))


def test_the_command_measures_a_checkpoint(own_folder, tmp_path, capsys):
    path = saved_model(tmp_path / "m.safetensors", CONFIG, RECIPE)
    run(own_folder, tmp_path, model=str(path))
    shown = capsys.readouterr()
    assert "tiny on xd-violence: 4 videos, 2 of them abnormal" in shown.out
    assert "detection, paper" in shown.out
    assert "note:" not in shown.err
    model = build_model(CONFIG).eval()
    model.load_state_dict(load_checkpoint(path).state)
    by_hand = evaluate(
        open_dataset("xd-violence", own_folder), partial(predict, model, torch.from_numpy(rows(7, 4))), resamples=0
    )
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["figures"][0]["value"] == pytest.approx(100 * by_hand.classifier.every.ap.value, abs=1e-6)


def test_features_of_another_recipe_are_refused(own_folder, tmp_path):
    other = replace(RECIPE, video=(("name", "another eye"),))
    path = saved_model(tmp_path / "m.safetensors", CONFIG, other)
    with pytest.raises(RecipeMismatch, match=r"'tiny' was trained on features of recipe .*another eye"):
        run(own_folder, tmp_path, model=str(path))


def test_distributed_features_are_taken_with_a_note_where_they_fit(folder, tmp_path, capsys):
    run(folder, tmp_path, model=str(saved_model(tmp_path / "m.safetensors", ModelConfig(dim=8), RECIPE)))
    assert "does not say how its features were made" in capsys.readouterr().err
    path = saved_model(tmp_path / "n.safetensors", CONFIG, RECIPE)
    with pytest.raises(RecipeMismatch):
        run(folder, tmp_path, model=str(path))


def test_the_command_measures_anybodys_scores(folder, tmp_path, capsys):
    curves = {name + ".mp4": np.linspace(0, 1, n) for name, n in LENGTHS.items()}
    np.savez(tmp_path / "theirs.npz", **curves)
    run(folder, tmp_path, scores=tmp_path / "theirs.npz")
    assert "theirs on xd-violence" in capsys.readouterr().out
    frames = np.repeat(np.concatenate([*curves.values()]), 16)
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["figures"][0]["value"] == pytest.approx(100 * average_precision_score(frame_labels(LENGTHS), frames))
    assert {figure["branch"] for figure in content["figures"]} == {"classifier"}


def test_wrong_scores_are_named(folder, tmp_path):
    path = tmp_path / "theirs.npz"
    np.savez(path, **{"v=a_label_B1-0-0": np.zeros((6, 2))})
    with pytest.raises(DataError, match=r"'v=a_label_B1-0-0' has the shape \(6, 2\)"):
        run(folder, tmp_path, scores=path)
    np.savez(path, other=np.zeros(6))
    with pytest.raises(DataError, match="no scores for 'v=a_label_B1-0-0'"):
        run(folder, tmp_path, scores=path)
    path.write_text("nothing")
    with pytest.raises(DataError, match=r"theirs\.npz is no readable \.npz of scores"):
        run(folder, tmp_path, scores=path)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({}, ConfigError, "give either --model, --scores or --frozen"),
        ({"model": "demo", "crops": "all"}, ConfigError, "crops is 'all'; choose one of listed, centre, mean"),
        ({"model": "zero-shot"}, CheckpointError, "the preset 'zero-shot' has no trained checkpoint"),
        ({"model": "nowhere"}, CheckpointError, "'nowhere' is neither a preset"),
    ],
)
def test_wrong_options_are_refused(folder, tmp_path, options, kind, message):
    with pytest.raises(kind, match=message):
        run(folder, tmp_path, **options)


def test_a_test_set_of_one_kind_is_refused(folder):
    with pytest.raises(DataError, match="of 144 frames 0 are anomalous; both kinds are needed"):
        evaluate(open_dataset("xd-violence", listed(folder, list(LENGTHS)[2:])), guess, resamples=0)
