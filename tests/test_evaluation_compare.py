"""The paired bootstrap against loops over whole frames, and scores that leave as a file and come back."""

import json

import numpy as np
import pytest
from feature_files import RECIPE, annotate, write_npy, write_own
from sklearn.metrics import average_precision_score, roc_auc_score
from training_sets import invoke, untrained

from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import DataError
from cmhkf.evaluation.compare import compare, compared
from cmhkf.evaluation.scores import read_scores, write_scores
from cmhkf.metrics.paired import measure_pair
from cmhkf.model.config import ModelConfig
from cmhkf.model.run import Prediction

LENGTHS = {"v=a_label_B1-0-0": 6, "v=b_label_B2-G-0": 9, "v=n_label_A": 4, "v=m_label_A": 5}
EVENTS = {"v=a_label_B1-0-0": [("B1", 20, 50)], "v=b_label_B2-G-0": [("B2", 0, 33), ("G", 64, 144)]}


@pytest.fixture
def folder(tmp_path):
    for name, n in LENGTHS.items():
        write_npy(tmp_path / "features", name, n)
    (tmp_path / "features" / "test.txt").write_text("\n".join(LENGTHS))
    return annotate(tmp_path / "features", EVENTS)


def curves(seed):
    rng = np.random.default_rng(seed)
    return {name: rng.random(n) for name, n in LENGTHS.items()}


def test_every_difference_is_that_of_both_scorers_on_the_same_draw():
    """Oracle: the frames of the drawn videos laid one after the other, measured by scikit-learn."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(8), 5)
    positive = rng.integers(0, 17, size=40)
    first, second = rng.random(40), rng.random(40).round(1)
    found = measure_pair(first, second, positive, 16 - positive, groups, resamples=30, seed=5)

    def metric(function, scores, drawn):
        rows = [row for video in drawn for row in np.flatnonzero(groups == video)]
        labels = np.concatenate([[1] * positive[row] + [0] * (16 - positive[row]) for row in rows])
        return function(labels, np.repeat(scores[rows], 16))

    random = np.random.default_rng(5)
    draws = [random.integers(8, size=8) for _ in range(30)]
    for name, function in (("ap", average_precision_score), ("auc", roc_auc_score)):
        apart = [metric(function, first, drawn) - metric(function, second, drawn) for drawn in draws]
        pair = found[name]
        assert pair.first == pytest.approx(metric(function, first, range(8)))
        assert pair.second == pytest.approx(metric(function, second, range(8)))
        assert pair.difference.value == pytest.approx(pair.first - pair.second)
        assert pair.difference[1:] == pytest.approx(np.quantile(apart, (0.025, 0.975)))
        beyond = min(sum(d <= 0 for d in apart), sum(d >= 0 for d in apart))
        assert pair.p == pytest.approx(min(1, 2 * (beyond + 1) / 31))


def test_equal_scorers_do_not_differ_and_a_perfect_one_beats_chance(folder):
    truth = open_dataset("xd-violence", folder).truth
    chance = [Prediction(curves(1)[name], None) for name in truth.names]
    perfect = [
        Prediction(part.reshape(-1, 16).mean(axis=1), None)
        for part in np.split(truth.frames, 16 * np.cumsum(truth.n_snippets)[:-1])
    ]
    same = compare(truth, chance, chance, names=("a", "b"), dataset="d", resamples=50)
    for pair in same.pairs["all"].values():
        assert (*pair.difference, pair.p) == (0, 0, 0, 1)
    better = compare(truth, perfect, chance, names=("a", "b"), dataset="d", resamples=200).pairs["all"]["auc"]
    assert better.difference.low > 0
    assert better.p == pytest.approx(2 / 201, rel=0.2)  # a few draws hold no anomaly and do not count
    assert set(same.pairs) == {"all", "abnormal"}
    assert "A a, B b on d: 4 videos, 50 resamples" in compared(same)


def test_rows_of_one_kind_alone_cannot_be_compared():
    ones = np.ones(4)
    with pytest.raises(DataError, match="frames of one kind alone"):
        measure_pair(ones, ones, 16 * ones, 0 * ones, ones)


def test_scores_leave_as_they_are_read(tmp_path):
    scores = {"file": np.array([0.25, 1 / 3]), "v=a_label_A": np.arange(3, dtype=np.float32)}
    write_scores(tmp_path / "s.npz", scores)
    found = read_scores(tmp_path / "s.npz")
    assert {name: values.tolist() for name, values in found.items()} == {
        "file": [0.25, 1 / 3],
        "v=a_label_A": [0, 1, 2],
    }


def test_the_commands_agree(tmp_path):
    """A model's scores, written by evaluate, measure as the model does, and do not differ from it."""
    features = tmp_path / "features"
    for name, n in LENGTHS.items():
        write_own(features, name, n)
    (features / "test.txt").write_text("\n".join(LENGTHS))
    annotate(features, EVENTS)
    config = ModelConfig(dim=8, video_dim=6, semantic_dim=4, audio_dim=3)
    model = untrained(tmp_path / "m.safetensors", config, RECIPE)
    data = ("--features", features, "--dataset", "xd-violence", "--resamples", 20)
    for given, out in (("--model", model), "a"), (("--scores", tmp_path / "s.npz"), "b"):
        keep = ("--scores-out", tmp_path / "s.npz") if out == "a" else ()
        assert invoke("evaluate", *given, *data, "--out", tmp_path / out, *keep).exit_code == 0
    first, second = (json.loads((tmp_path / out / "report.json").read_text())["figures"] for out in "ab")
    assert second == [figure for figure in first if figure["branch"] == "classifier"]
    shown = invoke("compare", model, tmp_path / "s.npz", *data, "--out", tmp_path / "c.json")
    assert "A tiny, B s on xd-violence: 4 videos, 20 resamples" in shown.output
    pairs = json.loads((tmp_path / "c.json").read_text())["pairs"]
    assert [(pair["videos"], pair["metric"], pair["difference"], pair["p"]) for pair in pairs] == [
        (videos, metric, 0, 1) for videos in ("all", "abnormal") for metric in ("ap", "pr_auc", "auc")
    ]
    assert pairs[0]["first"] == pytest.approx(first[0]["value"])
