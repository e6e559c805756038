"""A model whose epoch was chosen on a test set: the word goes wherever its numbers go."""

import json

import pytest
from fake_encoders import fake_encoders
from feature_files import RECIPE
from test_commands_train import SMALL, features, train  # noqa: F401 (features is a fixture)
from training_sets import invoke, sets, table_of, untrained

from cmhkf.analyzer import Analyzer
from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import ConfigError
from cmhkf.evaluation.ablate import Study, measure_table
from cmhkf.evaluation.ablation_report import markdown
from cmhkf.evaluation.tables import AP, Row, Table
from cmhkf.features.recipe import recipe_of
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.config import ModelConfig
from cmhkf.training.config import TrainConfig

LABEL = "AP of the alignment branch, 1 - P(normal), on the test set (optimistic)"
SAID = f"optimistic: the epoch was chosen by {LABEL}, so that figures on that test set are too good"


def evaluation(features, model, out, *options):  # noqa: F811
    given = ["--features", features, "--dataset", "xd-violence", "--model", model, "--out", out]
    return invoke("evaluate", *given, "--device", "cpu", "--resamples", "0", *options)


@pytest.fixture(scope="module")
def chosen(features, tmp_path_factory):  # noqa: F811
    out = tmp_path_factory.mktemp("chosen")
    train(features, out, *SMALL, "--select", "test", *sets("model.cvka.k=3"))
    return out / "model.safetensors"


def test_the_word_is_in_the_checkpoint_its_card_and_its_evaluation(features, chosen, tmp_path):  # noqa: F811
    assert load_checkpoint(chosen).optimistic == SAID
    assert f"- O{SAID[1:]}." in (chosen.parent / "model_card.md").read_text()
    assert f"These figures are {SAID}." in evaluation(features, chosen, tmp_path).stdout
    assert json.loads((tmp_path / "report.json").read_text())["optimistic"] == SAID
    assert {row["caution"] for row in table_of(tmp_path / "report.csv")} == {"optimistic"}


def test_what_is_trained_from_it_says_so_too(features, chosen, tmp_path):  # noqa: F811
    options = [*sets("train.batch_size=8", "train.epochs=1"), "--finetune", chosen]
    train(features, tmp_path, *options, texts=False)
    got = load_checkpoint(tmp_path / "model.safetensors")
    assert got.optimistic == f"optimistic: it started from 'xd-violence', of which: {SAID}"


def test_a_model_chosen_on_held_out_videos_does_not_say_it(features, tmp_path):  # noqa: F811
    train(features, tmp_path / "run", *SMALL, *sets("train.val_fraction=0.25"))
    model = tmp_path / "run" / "model.safetensors"
    assert load_checkpoint(model).optimistic == ""
    assert "too good" not in (tmp_path / "run" / "model_card.md").read_text()  # its command may name this file
    assert "optimistic" not in evaluation(features, model, tmp_path / "out").stdout


def saved(path, recipe, config, **provenance):
    return untrained(path, config, recipe, provenance=provenance, metrics={"calibration": "0.5 is so and so"})


def test_older_checkpoints_say_it_by_their_selection(tmp_path):
    said = "epoch 2 of 3, test AP (selected on the test set: optimistic) 0.5000"
    assert load_checkpoint(saved(tmp_path / "a.safetensors", RECIPE, ModelConfig(dim=8), selection=said)).optimistic


def test_the_pages_calibration_text_says_it(tmp_path):
    encoders = fake_encoders()
    recipe = recipe_of(encoders, "24fps")
    config = ModelConfig(dim=8, video_dim=4, semantic_dim=4, audio_dim=2)
    checkpoint = load_checkpoint(saved(tmp_path / "m.safetensors", recipe, config, optimistic="chosen there"))
    analyzer = Analyzer(encoders, config, name="m", checkpoint=checkpoint, cache_dir=tmp_path)
    assert analyzer.calibration == "0.5 is so and so; optimistic: chosen there"


def test_what_was_set_is_in_the_checkpoint_and_the_card(features, chosen, tmp_path):  # noqa: F811
    got = load_checkpoint(chosen)
    assert got.config.cvka.k == 3
    small = {"model.dim": 16, "train.batch_size": 8, "train.epochs": 2, "train.lr": 1e-3}
    assert got.provenance["set"] == small | {"model.cvka.k": 3, "train.select": "test"}
    assert '"model.cvka.k": 3' in (chosen.parent / "model_card.md").read_text()


def test_evaluation_changes_only_what_the_weights_allow_and_says_what(features, chosen, tmp_path):  # noqa: F811
    evaluation(features, chosen, tmp_path / "plain")
    other = evaluation(features, chosen, tmp_path / "other", *sets("model.cvka.k=1")).stdout
    assert "Note: the model is read with model.cvka.k=1, other than it was trained." in other
    plain, changed = ((tmp_path / name / "per_video.csv").read_text() for name in ("plain", "other"))
    assert plain != changed
    with pytest.raises(ConfigError, match=r"dim=8 needs other weights than 'xd-violence' has \(.*; train with it"):
        evaluation(features, chosen, tmp_path / "x", *sets("model.dim=8"))


def test_rows_of_ones_own_stand_in_tables_and_alone(features, tmp_path):  # noqa: F811
    options = ["--seeds", "1", "--device", "cpu", *SMALL, *sets("train.val_fraction=0")]
    rows = ["--row", "k = 1: model.cvka.k=1", "--row", "by the test set: train.select=test"]
    done = invoke("ablate", "--features", features, "--dataset", "xd-violence", "--out", tmp_path, *rows, *options)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("| Own rows: on xd-violence | AP | AUC | AP of the alignment | AVG mAP |")
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| k = 1", "| by the test set (optimistic)"]
    assert "In every row: model.dim=16, train.batch_size=8" in done.stdout
    settings = [json.loads(path.read_text())["settings"] for path in (tmp_path / "runs").iterdir()]
    assert {(s["model"]["cvka"]["k"], s["train"]["select"]) for s in settings} == {(1, "validation"), (2, "test")}
    assert {file.name for file in tmp_path.iterdir()} == {"runs", *(f"rows.{e}" for e in ("md", "csv", "json", "png"))}


def test_a_row_added_to_a_table_goes_before_the_settings_of_all_rows(features, tmp_path):  # noqa: F811
    table = Table(3, "t", "xd-violence", (AP,), (Row("full", (80.0,)),)).with_rows([Row("own", (), {"cvka.k": 1})])
    config = TrainConfig(epochs=1, batch_size=8, val_fraction=0.0)
    data, changes = open_dataset("xd-violence", features), {"dim": 8, "cvka.k": 4}
    study = Study(data, config, tmp_path, model=changes, text_features=features / "text.npy")
    assert [study.model_config(row).cvka.k for row in table.rows] == [4, 1]
    baseline = study.model_config(Row("", (), method="vadclip"))
    assert (baseline.dim, baseline.cvka.k) == (8, 2)
    lines = markdown(table, measure_table(study, table, (1,))).splitlines()
    assert lines[0] == "| Table 3: t | AP | paper |"
    assert [line.rsplit(" | ", 1)[1] for line in lines[2:4]] == ["80.00 |", "– |"]
    with pytest.raises(ConfigError, match="Table 3 would have 2 rows called 'own'"):
        table.with_rows([Row("own", ())])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --table, or --row with --dataset"),
        (["--row", "a: model.cvka.k=1"], "give --table, or --row with --dataset"),
        (["--table", "3", "--row", "model.cvka.k=1"], "the row 'model.cvka.k=1' has no name; write NAME: model"),
        (["--table", "3", "--row", "a: model.cvka.kk=1"], "no setting 'model.cvka.kk'"),
        (["--table", "3", "--row", "a: train.seed=1"], "'a' cannot have a train.seed"),
        (["--table", "3", "--dataset", "ucf-crime"], "each table has its own"),
    ],
)
def test_rows_that_are_none_are_refused(options, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        invoke("ablate", "--features", tmp_path, *options)
