"""The paper's tables: what their rows change, trained on a tiny simulated set, kept on disk and reported."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from feature_files import write_own
from sklearn.metrics import roc_auc_score
from test_benchmarks_simulate_xd import BOTH, NORMAL, RIOT, SETTINGS, write_annotations
from training_sets import invoke, sets, table_of

from benchmarks.simulate_xd import simulate
from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import ConfigError, DataError
from cmhkf.evaluation.ablate import MeasuredRow, RowResult, Study, group_auc, measure_table, number_key, read_groups
from cmhkf.evaluation.ablation_report import cells_of, markdown, write_table
from cmhkf.evaluation.tables import TABLES, Row, note_of
from cmhkf.model.config import ModelConfig
from cmhkf.model.texts import LearnedTexts
from cmhkf.training.config import TrainConfig

FORMATS = ("csv", "json", "md", "png")
FAST = TrainConfig(epochs=1, batch_size=4, lr=1e-3, val_fraction=0.0)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    base = tmp_path_factory.mktemp("ablate")
    train = [f"v={i}__#1_label_{code}" for i in range(3) for code in ("A", "B1-0-0", "B2-G-0")]
    simulate(write_annotations(base / "annotations", train=train), base / "features", SETTINGS)
    return base / "features"


@pytest.fixture
def study(features, tmp_path):
    return Study(
        open_dataset("xd-violence", features), FAST, tmp_path, model={"dim": 8}, text_features=features / "text.npy"
    )


def settings_of(study, number):
    return {row.label: (study.model_config(row), study.train_config(row, 1)) for row in TABLES[number].rows}


def test_every_row_has_a_number_or_none_for_each_column_and_its_own_settings(study):
    for number, table in TABLES.items():
        assert table.number == number
        assert all(len(row.paper) == len(table.columns) for row in table.rows)
        if table.dataset == "xd-violence":
            methods = {(row.method, *map(repr, settings_of(study, number)[row.label])) for row in table.rows}
            assert len(methods) == len(table.rows), number


def test_every_ablation_ends_in_the_whole_model_or_holds_it(study):
    """One training serves all tables; the paper gives it one pair of numbers."""
    whole = study.model_config(Row("", ())), study.train_config(Row("", ()), 1)
    for number in (3, 4, 5, 6, 10, 11):
        held = [row for row in TABLES[number].rows if settings_of(study, number)[row.label] == whole]
        assert [row.paper for row in held] == [(86.57, 26.70)], number
    assert settings_of(study, 3)["k = 0 (without CVKA)"] == settings_of(study, 6)["video, audio"]  # E29


def test_rows_change_what_they_say(study):
    of = {n: {label: model for label, (model, _) in settings_of(study, n).items()} for n in (3, 4, 5, 6, 11)}
    assert [model.cvka.k for model in of[3].values()][1:] == [1, 2, 3, 4, 5, 6, 7]
    assert [2 * model.afae.w + 1 for model in of[5].values()] == [1, 3, 5, 7, 9, 11]
    afae = [(model.afae.aggregate, model.afae.w) for model in of[4].values()]
    assert afae == [("none", 2), ("weight", -1), ("weight", 2)]
    assert [model.modalities for model in of[6].values()] == ["V", "VA", "VT", "VAT"]
    assert [model.mkaf.type for model in of[11].values()] == ["bilinear_concat", "bilinear_add", "concat", "xattn"]
    weights = [(train.lambda_na, train.lambda_aa) for _, train in settings_of(study, 10).values()]
    assert weights == [(0, 0), (1e-3, 0), (0, 1e-4), (1e-3, 1e-4)]
    sizes = {(m.dim, m.video_dim, m.semantic_dim, m.audio_dim) for models in of.values() for m in models.values()}
    assert sizes == {(8, 8, 8, 7)}


def test_a_table_is_measured_and_kept(study, features):
    study = replace(study, groups=read_groups(features / "groups.csv"))
    told = []
    measured = measure_table(study, TABLES[6], (1, 2), on_run=lambda *run: told.append(run))
    assert [m.row.label for m in measured] == [row.label for row in TABLES[6].rows]
    assert [(row.label, seed) for row, seed, _ in told[:3]] == [("video", 1), ("video", 2), ("video, audio", 1)]
    for m in measured:
        first, second = m.results
        assert 0 <= first.numbers[number_key("classifier", "all", "ap")] <= 100
        assert first.numbers != second.numbers
        assert number_key("detection, paper", "all", "mAP avg") in first.numbers
    assert len([*(study.out / "runs").glob("*.json")]) == 8


def test_a_killed_run_goes_on_and_equal_rows_are_trained_once(study):
    whole = measure_table(study, TABLES[6], (1,))
    sorted((study.out / "runs").iterdir(), key=lambda file: file.stat().st_mtime_ns)[-1].unlink()
    again = measure_table(study, TABLES[6], (1,))
    assert [m.results for m in again[:3]] == [m.results for m in whole[:3]]
    assert again[3].results[0].numbers == whole[3].results[0].numbers  # the same seed
    assert again[3].results[0].seconds != whole[3].results[0].seconds
    known = {file.name for file in (study.out / "runs").iterdir()}
    measure_table(study, replace(TABLES[3], rows=TABLES[3].rows[:1]), (1,))  # table 6's video and audio
    assert {file.name for file in (study.out / "runs").iterdir()} == known
    measure_table(replace(study, train_fraction=0.7), replace(TABLES[6], rows=TABLES[6].rows[:1]), (1,))
    assert len([*(study.out / "runs").iterdir()]) == len(known) + 1


def test_baselines_are_rows_too(study):
    few = replace(TABLES[1], rows=(TABLES[1].rows[0], *TABLES[1].rows[-3:]))
    mil, vadclip, light, full = measure_table(study, few, (1,))
    assert number_key("alignment", "all", "ap") not in mil.results[0].numbers
    assert number_key("alignment", "all", "ap") in vadclip.results[0].numbers
    assert light.results[0].numbers != full.results[0].numbers
    assert str(cells_of(TABLES[1], [mil])[0][1]) == "–"


def test_the_note_claims_of_vadclip_only_what_no_setting_changes():
    told = "start, batches, epochs (train.init=multihead, train.batch_size=128, train.epochs=10);"
    assert f"VadCLIP's as published: model (padded rows take part), {told}" in note_of(TABLES[8], ())
    few = note_of(TABLES[8], ("train.init", "train.epochs", "model.dim"))
    assert "VadCLIP's as published: batches (train.batch_size=128);" in few
    assert note_of(TABLES[3], ()) == TABLES[3].note


def test_rows_that_need_sound_are_skipped_without_it(tmp_path):
    names = ("v=t__#1_label_B1-0-0", "v=w__#1_label_A", RIOT, NORMAL)
    for name in names:
        write_own(tmp_path, name, 20, sound=False)
    (tmp_path / "train.txt").write_text("\n".join(names[:2]))
    (tmp_path / "test.txt").write_text("\n".join(names[2:]))
    (tmp_path / "annotations.txt").write_text(f"{RIOT} 0 100\n")
    np.save(tmp_path / "text.npy", np.eye(7, 4))
    data = open_dataset("xd-violence", tmp_path)
    study = Study(data, FAST, tmp_path / "out", model={"dim": 8}, text_features=tmp_path / "text.npy")
    measured = measure_table(study, TABLES[6], (1,))
    assert [bool(m.results) for m in measured] == [True, False, True, False]
    assert "Skipped: video, audio: " + str(tmp_path) + " holds no sound." in markdown(TABLES[6], measured)


def test_losses_on_texts_need_texts_that_are_trained(study):
    skipped = [study.lacks(row) for row in TABLES[10].rows]
    assert ["class texts are not trained" in reason for reason in skipped] == [True, True, True, False]
    learning = replace(study, learn_texts=True)
    assert [learning.lacks(row) for row in TABLES[10].rows] == [""] * 4
    texts = learning.make_texts(ModelConfig(semantic_dim=8))
    assert isinstance(texts, LearnedTexts)
    np.testing.assert_array_equal(texts().detach(), np.load(study.text_features))


def test_group_auc_is_scikit_learns_on_the_group_and_the_normal_videos(study):
    truth = study.dataset.truth
    scores = [np.random.default_rng(i).random(n) for i, n in enumerate(truth.n_snippets)]
    found = group_auc(study.dataset, scores, {RIOT: "one", BOTH: "two", NORMAL: "none"})
    frames = np.split(truth.frames, np.cumsum(np.array(truth.n_snippets) * 16)[:-1])
    for group, i in (("one", 0), ("two", 1)):
        curve = np.repeat(np.concatenate([scores[i], scores[2]]), 16)
        assert found[group] == pytest.approx(100 * roc_auc_score(np.concatenate([frames[i], frames[2]]), curve))
    assert set(found) == {"one", "two"}


def test_groups_without_their_columns_are_refused(tmp_path):
    (tmp_path / "g.csv").write_text("name,group\nx,y\n")
    with pytest.raises(DataError, match=r"cannot read the groups .*g\.csv \(KeyError\('video'\)\); a csv with columns"):
        read_groups(tmp_path / "g.csv")


def result(ap, avg, **groups):
    figures = {number_key("classifier", "all", "ap"): ap, number_key("detection, paper", "all", "mAP avg"): avg}
    return RowResult(figures, groups, 1.0)


def made_up():
    rows = TABLES[4].rows
    return [
        MeasuredRow(rows[0], (result(80.0, 20.0, sound=60.0), result(84.0, 21.0, sound=64.0))),
        MeasuredRow(rows[1], (result(85.0, 22.0, sound=65.0),)),
        MeasuredRow(rows[2], (), "no sound"),
    ]


def test_markdown_sets_the_paper_beside():
    assert markdown(TABLES[4], made_up()).splitlines() == [
        "| Table 4: AFAE | AP | paper | AVG mAP | paper | AUC, sound |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| without AFAE | 82.00 ± 2.83 | 85.06 | 20.50 ± 0.71 | 25.15 | 62.00 ± 2.83 |",
        "| AFAE without windows | 85.00 | 85.81 | 22.00 | 26.03 | 65.00 |",
        "| AFAE with windows | – | 86.57 | – | 26.70 | – |",
        "",
        "Skipped: AFAE with windows: no sound.",
    ]


def test_files_of_a_table(tmp_path):
    write_table(TABLES[4], made_up(), tmp_path, note="made up")
    assert (tmp_path / "table4.md").read_text().endswith("\n\nmade up\n")
    lines = table_of(tmp_path / "table4.csv")
    assert list(lines[0]) == ["row", "column", "mean", "spread", "n_seeds", "paper"]
    assert list(lines[0].values()) == ["without AFAE", "AP", "82.0000", "2.8284", "2", "85.06"]
    assert list(lines[-1].values()) == ["AFAE with windows", "AUC, sound", "", "", "0", ""]
    content = json.loads((tmp_path / "table4.json").read_text())
    assert content["rows"][0]["columns"]["AVG mAP"] == {"values": [20.0, 21.0], "paper": 25.15}
    assert content["rows"][2]["skipped"] == "no sound"
    assert (tmp_path / "table4.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_finds_texts_and_groups_beside_the_features(features, tmp_path):
    options = ["--features", features, "--out", tmp_path, "--seeds", "1", *sets("model.dim=8")]
    options += [*sets("train.epochs=1", "train.batch_size=4", "train.val_fraction=0"), "--device", "cpu"]
    result = invoke("ablate", "--table", "7", *options)
    assert result.exit_code == 0
    assert "| Table 7: all videos and abnormal videos only | AP | paper | Ano-AP | paper |" in result.stdout
    assert "1 trainings (seeds from 234) on 100% of 9 samples in features: 1 epochs of batch 4" in result.stdout
    assert "VadCLIP, seed 234: AP " in result.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"runs", *(f"table7.{kind}" for kind in FORMATS)}


def test_an_unknown_table_is_refused(features):
    with pytest.raises(ConfigError, match="there is no table 12; choose from 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"):
        invoke("ablate", "--table", "12", "--features", features)


def test_the_same_names_with_other_content_are_trained_anew(study, features, tmp_path):
    """Names, counts, recipe and settings are equal; rows, labels in the lists, or the ground truth are not."""
    table = replace(TABLES[6], rows=TABLES[6].rows[:1])
    (first,) = measure_table(study, table, (1,))
    runs = tmp_path / "runs"
    for n, change in enumerate((other_rows, other_list, other_truth), start=2):
        folder = tmp_path / change.__name__
        shutil.copytree(features, folder)
        change(folder)
        other = replace(study, dataset=open_dataset("xd-violence", folder), text_features=folder / "text.npy")
        measure_table(other, table, (1,))
        assert len([*runs.iterdir()]) == n, change.__name__
    again = replace(study, dataset=open_dataset("xd-violence", features))
    assert (measure_table(again, table, (1,))[0].results, len([*runs.iterdir()])) == (first.results, 4)


def other_rows(folder):
    one, two = sorted(folder.glob("v=?__#1_label_*__0.npz"))[:2]
    held = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)


def other_list(folder):
    (name,) = [name for name in ("train.csv", "train_videos.csv") if (folder / name).exists()]
    head, *lines = (folder / name).read_text().splitlines()
    (folder / name).write_text("\n".join([head, *lines[::-1]]))


def other_truth(folder):
    file = folder / "annotations.txt"
    file.write_text(file.read_text().replace(f"{RIOT} 0 100", f"{RIOT} 0 90"))
