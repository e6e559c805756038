"""Scores without training against loops over the rows."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from feature_files import RECIPE, annotate, rows, write_npy
from training_sets import invoke, table_of

from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import ConfigError, DataError
from cmhkf.evaluation import frozen
from cmhkf.evaluation.frozen import change, frozen_scorer
from cmhkf.features.extract import Features
from cmhkf.features.folders import Rows, write_recipe
from cmhkf.timeline import Timeline

TRAIN = {"t=a_label_A": 7, "t=b_label_A": 4, "t=c_label_B1-0-0": 5}
TEST = {"v=a_label_B1-0-0": 6, "v=n_label_A": 4}


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture
def folder(tmp_path):
    for i, (name, n) in enumerate((TRAIN | TEST).items()):
        video = rows(n, 6, i)
        seen = (
            video,
            video[:, :4],
            None,
            None,
            "no sound track",
            {"speed": video[:, 0], "motion": np.arange(n) + 10.0 * i},
        )
        Features(SimpleNamespace(sha256=""), Timeline(n, n * 2 / 3, Fraction(24)), RECIPE.hash, *seen).save(
            tmp_path / f"{name}__0.npz"
        )
    write_recipe(tmp_path, RECIPE)
    for file, names in (("train.txt", TRAIN), ("test.txt", TEST)):
        (tmp_path / file).write_text("\n".join(names))
    return annotate(tmp_path, {"v=a_label_B1-0-0": [("B1", 20, 50)]})


def scores(name, folder):
    data = open_dataset("xd-violence", folder)
    return frozen_scorer(name, data)(data.folder.load("v=a_label_B1-0-0")).scores


def test_change_is_the_mean_step_of_five():
    video = rows(6, 5)
    steps = [1 - cosine(video[max(i, 1)], video[max(i, 1) - 1]) for i in range(6)]
    expected = [np.mean(steps[max(0, i - 2) : i + 3]) for i in range(6)]
    np.testing.assert_allclose(change(video), expected, rtol=1e-5)
    assert change(video[:1]).tolist() == [0]
    assert change(np.ones((4, 3))) == pytest.approx(np.zeros(4), abs=1e-12)


def test_novelty_is_the_distance_to_the_nearest_normal_row(folder, monkeypatch):
    video = rows(6, 6, 3)
    normal = [*rows(7, 6, 0), *rows(4, 6, 1)]
    expected = [1 - max(cosine(row, other) for other in normal) for row in video]
    np.testing.assert_allclose(scores("novelty", folder), expected, rtol=1e-4)
    monkeypatch.setattr(frozen, "MOST_ROWS", 6)  # of 11: every second row of each video
    few = [*rows(7, 6, 0)[::2], *rows(4, 6, 1)[::2]]
    expected = [1 - max(cosine(row, other) for other in few) for row in video]
    np.testing.assert_allclose(scores("novelty", folder), expected, rtol=1e-4)


def test_motion_is_what_the_features_keep(folder):
    assert scores("motion", folder).tolist() == [30, 31, 32, 33, 34, 35]


def test_what_cannot_be_scored_is_said(folder, tmp_path):
    data = open_dataset("xd-violence", folder)
    with pytest.raises(ConfigError, match="frozen is 'luck'; choose one of motion, change, novelty"):
        frozen_scorer("luck", data)
    (folder / "train.txt").write_text("t=c_label_B1-0-0")
    with pytest.raises(DataError, match=r"novelty compares with normal training videos, and .* lists none"):
        scores("novelty", folder)
    released = annotate(write_npy(tmp_path / "released", "v=a_label_B1-0-0", 6), {"v=a_label_B1-0-0": [("B1", 0, 9)]})
    (released / "test.txt").write_text("v=a_label_B1-0-0")
    data = open_dataset("xd-violence", released)
    with pytest.raises(DataError, match="holds no motion"):
        frozen_scorer("motion", data)(Rows("v=a_label_B1-0-0", rows(6, 512), None, None))


def test_the_command_measures_them(folder, tmp_path):
    out = tmp_path / "out"
    shown = invoke("evaluate", "--features", folder, "--dataset", "xd-violence", "--frozen", "change", "--out", out)
    assert "change on xd-violence: 2 videos, 1 of them abnormal" in shown.output
    peak = float(table_of(out / "per_video.csv")[0]["peak"])
    assert peak == pytest.approx(change(rows(6, 6, 3)).max(), rel=1e-5)
