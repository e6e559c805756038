"""`python -m cmhkf train` on made-up features: what it writes, what it starts from, what it says and refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from feature_files import RECIPE, write_npy, write_own
from training_sets import invoke, sets, table_of

from cmhkf.datasets.classes import UCF_CLASSES, XD_CLASSES
from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import ConfigError, DataError, RecipeMismatch, WeightsError
from cmhkf.metrics.frames import frame_ap
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.run import NORMAL_FOOTAGE, predict

CODES = ("A", "B1-0-0", "A", "G-B2-0")
TRAIN = [f"t{i}__#1_label_{CODES[i % 4]}" for i in range(24)]
TEST = [f"s{i}__#1_label_{CODES[i % 4]}" for i in range(4)]
LISTS = {
    "train.txt": "\n".join(TRAIN),
    "test.txt": "\n".join(TEST),
    "annotations.txt": "".join(f"{name} 16 48\n" for name in TEST if "label_A" not in name),
}
FILES = {"model.safetensors", "model_card.md", "state.pt", "training.csv", "curves.png"}
SMALL = sets("model.dim=16", "train.batch_size=8", "train.epochs=2", "train.lr=1e-3")


def write_lists(folder):
    for name, text in LISTS.items():
        (folder / name).write_text(text)
    np.save(folder / "text.npy", np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """28 videos of 5 to 12 rows with sound, in our own form, two crops of each."""
    folder = tmp_path_factory.mktemp("features")
    for i, name in enumerate(TRAIN + TEST):
        write_own(folder, name, 5 + i % 8, crops=(0, 1))
    return write_lists(folder)


def train(features, out, *options, dataset="xd-violence", texts=True):
    given = ["--text-features", features / "text.npy"] if texts else []
    where = ["--features", features, "--dataset", dataset, "--out", out, "--device", "cpu"]
    return invoke("train", *where, *given, *options)


def test_it_writes_a_checkpoint_that_says_how_it_was_made(features, tmp_path):
    done = train(features, tmp_path, *SMALL, *sets("train.val_fraction=0.25", "train.milestones=1", "train.seed=3"))
    assert (done.exit_code, {path.name for path in tmp_path.iterdir()}) == (0, FILES)
    got = load_checkpoint(tmp_path / "model.safetensors")
    assert (got.name, got.recipe, got.classes) == ("xd-violence", RECIPE, XD_CLASSES)
    dims = got.config.dim, got.config.video_dim, got.config.semantic_dim, got.config.audio_dim, got.config.modalities
    assert dims == (16, 6, 4, 3, "VAT")
    np.testing.assert_array_equal(got.text_features, np.load(features / "text.npy"))
    told = got.provenance
    assert told["videos"] == {"trained on": 18, "held out": 6, "listed but without features": 0}
    assert told["recipe"] == "stamped on the features"
    assert (told["seed"], told["config"]["milestones"], told["config"]["batch_size"]) == (3, [1], 8)
    assert told["torch"] == torch.__version__
    rows = table_of(tmp_path / "training.csv")
    assert [row["step"] for row in rows] == ["5", "10"]  # 36 samples in steps of 8
    assert [float(row["lr"]) for row in rows] == pytest.approx([1e-3, 1e-4])
    best = max(float(row["value"]) for row in rows)
    scale = got.metrics.pop(NORMAL_FOOTAGE)
    assert got.metrics == {"video AUC, training videos held out": best}
    assert len(scale["similarity"]) == len(XD_CLASSES)
    assert all(-1 <= median < highest <= 1 for median, highest in scale["similarity"])
    assert told["selection"].endswith(f"video AUC, training videos held out {best:.4f}")
    assert told["selection"] in done.stdout
    assert "48 training samples of 24 videos" in done.stderr
    assert f"{best:.4f} video AUC, training videos held out" in done.stderr


def test_the_seed_decides_the_result(features, tmp_path):
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(features, tmp_path / name, *SMALL, *sets("train.epochs=1", "train.val_fraction=0", f"train.seed={seed}"))
        texts.append(load_checkpoint(tmp_path / name / "model.safetensors").state["classifier.out.weight"])
    assert torch.equal(texts[0], texts[1])
    assert not torch.equal(texts[0], texts[2])


def test_selection_on_the_test_set_is_labelled_and_is_the_alignment_branchs_ap(features, tmp_path):
    train(features, tmp_path, *SMALL, "--select", "test")
    got = load_checkpoint(tmp_path / "model.safetensors")
    label = "AP of the alignment branch, 1 - P(normal), on the test set (optimistic)"
    assert {row["metric"] for row in table_of(tmp_path / "training.csv")} == {label}
    assert label in got.provenance["selection"]
    assert got.provenance["videos"]["held out"] == 0
    model = build_model(got.config).eval()
    model.load_state_dict(got.state)
    data = open_dataset("xd-violence", features)
    found = [predict(model, torch.tensor(got.text_features), data.folder.load(name)) for name in data.test_names]
    curves = [1 - one.class_probs[:, 0] for one in found]
    assert got.metrics == {label: pytest.approx(frame_ap(np.repeat(np.concatenate(curves), 16), data.truth.frames))}


def test_without_videos_held_out_the_last_epoch_is_taken(features, tmp_path):
    done = train(features, tmp_path, *SMALL, *sets("train.val_fraction=0"))
    got = load_checkpoint(tmp_path / "model.safetensors")
    assert (got.metrics, got.provenance["selection"]) == ({}, "the last of 2 epochs")
    assert "nothing: the last is taken" in done.stderr


@pytest.mark.parametrize(("baseline", "modalities"), [("vadclip", "V"), ("mil", "V")])
def test_baselines_are_trained_by_the_same_command(baseline, modalities, features, tmp_path):
    small = SMALL if baseline == "vadclip" else SMALL[2:]  # MIL ranking has no width to set
    train(features, tmp_path, *small, *sets("train.val_fraction=0"), "--baseline", baseline, texts=baseline != "mil")
    got = load_checkpoint(tmp_path / "model.safetensors")
    assert (got.name, got.config.modalities) == (f"{baseline}-xd-violence", modalities)
    assert got.config.architecture == ("mil" if baseline == "mil" else "cmhkf")


def test_a_run_goes_on_when_asked_to(features, tmp_path):
    train(features, tmp_path, *SMALL)
    with pytest.raises(ConfigError, match="holds a run; continue it with --resume"):
        train(features, tmp_path, *SMALL)
    train(features, tmp_path, *SMALL, *sets("train.epochs=3"), "--resume")
    assert [row["epoch"] for row in table_of(tmp_path / "training.csv")] == ["1", "2", "3"]


def test_finetuning_starts_from_the_checkpoint(features, tmp_path):
    train(features, tmp_path / "first", *SMALL)
    first = tmp_path / "first" / "model.safetensors"
    options = [*sets("train.batch_size=8", "train.epochs=1", "train.lr=0"), "--finetune", first]
    train(features, tmp_path / "second", *options, texts=False)
    before, after = load_checkpoint(first), load_checkpoint(tmp_path / "second" / "model.safetensors")
    assert all(torch.equal(value, after.state[name]) for name, value in before.state.items())
    np.testing.assert_array_equal(after.text_features, before.text_features)
    for wrong, message in (
        (sets("model.dim=24"), "dim=24 needs other weights than 'xd-violence' has"),
        (sets("model.prompt.prefix=4"), "prompt.prefix changes nothing in 'xd-violence'"),
        (["--baseline", "mil"], "architecture 'cmhkf': give the --baseline that it was trained as"),
    ):
        with pytest.raises(ConfigError, match=message):
            train(features, tmp_path / "third", *options, *wrong)
    other = tmp_path / "other"
    for name in TRAIN:
        write_own(other, name, 5, recipe=replace(RECIPE, video=(("name", "another eye"),)))
    with pytest.raises(RecipeMismatch, match="another eye"):
        train(write_lists(other), tmp_path / "third", *options, texts=False)


def test_clips_features_ask_for_clips_text_tower(tmp_path, monkeypatch):
    write_npy(tmp_path, TRAIN[0], 6)
    write_npy(tmp_path, TRAIN[1], 6)
    (tmp_path / "train.txt").write_text("\n".join(TRAIN[:2]))
    monkeypatch.setenv("CMHKF_CLIP_WEIGHTS", str(tmp_path / "absent.pt"))
    with pytest.raises(WeightsError, match="CMHKF_CLIP_WEIGHTS"):
        train(tmp_path, tmp_path / "out", *SMALL, *sets("train.val_fraction=0"), texts=False)


def test_ucf_crime_is_trained_on_pictures_and_text_in_balanced_steps(tmp_path):
    folder = tmp_path / "features"
    names = [f"{kind}{i:03d}_x264" for i in range(6) for kind in ("Abuse", "Normal_Videos")]
    for name in names:
        write_own(folder, name, 6)
    (folder / "train.txt").write_text("\n".join(names))
    np.save(folder / "text.npy", np.random.default_rng(0).normal(size=(4, 14)).T)  # columns first
    small = sets("model.dim=16", "train.batch_size=4", "train.epochs=1", "train.val_fraction=0")
    train(folder, tmp_path / "out", *small, dataset="ucf-crime")
    got = load_checkpoint(tmp_path / "out" / "model.safetensors")
    assert (got.classes, got.config.modalities, got.config.cvka.k) == (UCF_CLASSES, "VT", 4)
    assert got.provenance["config"]["balanced"]
    assert dict(got.recipe.audio)["name"] == "none"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (sets("train.milestones=3;6"), ConfigError, "train.milestones is '3;6'; it must be: whole numbers, as 3,6,10"),
        (sets("train.epochs=0"), ConfigError, "train.epochs is 0"),
        (["--baseline", "s3r"], ConfigError, "the method is 's3r'; choose one of cmhkf, vadclip, avadclip, mil"),
        (
            ["--baseline", "vadclip", *sets("model.modalities=VAT", "model.dim=16")],
            ConfigError,
            r"--baseline vadclip does not take model\.modalities, .* it takes model\.dim and train\.\*",
        ),
        (["--baseline", "mil", *sets("model.dim=16")], ConfigError, r"mil does not take model\.dim, .*takes train\.\*"),
        (["--device", "tpu"], ConfigError, "device is 'tpu'"),
        (sets("train.precision=fp16"), ConfigError, "fp16, which needs CUDA"),
        (["--train-list", "absent.txt"], DataError, r"cannot read the list .*absent\.txt"),
    ],
)
def test_bad_settings_are_refused(options, error, message, features, tmp_path):
    with pytest.raises(error, match=message):
        train(features, tmp_path, *options)


def test_selection_on_a_test_set_that_is_not_there_is_refused_at_once(features, tmp_path):
    folder = tmp_path / "features"
    for name in TRAIN[:4]:
        write_own(folder, name, 5)
    (folder / "train.txt").write_text("\n".join(TRAIN[:4]))
    with pytest.raises(DataError, match="nothing to test on"):
        train(folder, tmp_path / "out", "--select", "test", texts=False)
