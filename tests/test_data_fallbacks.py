"""Which crop is read, what is done where data is missing, trimmed or replaced, and what --strict refuses."""

import json

import numpy as np
import pytest
from feature_files import rows, write_npy, write_own
from test_commands_train import train as train_on
from test_datasets_sets import LENGTHS, NORMAL, RIOT, SHOOTING, TRAIN_FIGHT, TRAIN_NORMAL, write_xd
from training_sets import invoke, sets

from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import ConfigError, DataError
from cmhkf.evaluation.evaluate import evaluate
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.run import Prediction
from cmhkf.progress import Fallback

UCF = ("Abuse028_x264", "Normal_Videos_003_x264")


def write_ucf(folder, *, crops=(0, 5), listed=(5,)):
    for name in UCF:
        write_npy(folder, name, 20, crops=crops)
    lines = [f"/x/{name}__{crop}.npy" for name in UCF for crop in listed]
    (folder / "ucf_CLIP_rgbtest.csv").write_text("\n".join(["path", *lines]))
    (folder / "Temporal_Anomaly_Annotation.txt").write_text(
        f"{UCF[0]} Abuse 165 240 -1 -1\n{UCF[1]} Normal -1 -1 -1 -1\n"
    )
    return folder


def first_value(given):
    return Prediction(given.video[:, 0].astype(float), None)


def read(dataset, **options):
    """Crops that a scorer is given, by video, and the report."""
    seen = {}

    def predict_one(given):
        crop = [c for c in dataset.folder.crops(given.name) if np.array_equal(rows(20, 512, c), given.video)]
        seen.setdefault(given.name, []).extend(crop)
        return first_value(given)

    return seen, evaluate(dataset, predict_one, resamples=0, **options)


def test_the_crop_that_the_list_names_is_read(tmp_path):
    seen, report = read(open_dataset("ucf-crime", write_ucf(tmp_path)))
    assert (seen, report.crops) == ({name: [5] for name in UCF}, "crop 5 of 2 videos, as the test list names them")
    assert report.videos[0].peak == pytest.approx(rows(20, 512, 5)[:, 0].max())
    seen, report = read(open_dataset("ucf-crime", tmp_path, crop=0))
    assert (seen, report.crops) == ({name: [0] for name in UCF}, "crop 0 of 2 videos, as asked for")
    assert read(open_dataset("ucf-crime", tmp_path), crops="centre")[0] == {name: [0] for name in UCF}
    with pytest.raises(DataError, match=r"no features of 'Abuse028_x264', crop 3; it has the crops \[0, 5\]"):
        open_dataset("ucf-crime", tmp_path, crop=3)


def test_several_listed_crops_are_averaged_and_none_listed_is_the_centre(tmp_path):
    seen, report = read(open_dataset("ucf-crime", write_ucf(tmp_path, crops=(0, 1, 5), listed=(1, 5))))
    assert seen == {name: [1, 5] for name in UCF}
    mean = (rows(20, 512, 1)[:, 0] + rows(20, 512, 5)[:, 0]) / 2
    assert report.videos[0].peak == pytest.approx(mean.max())
    assert report.crops.startswith("the mean of crops 1, 5 of 2 videos")
    (tmp_path / "test.txt").write_text("\n".join(UCF))
    seen, report = read(open_dataset("ucf-crime", tmp_path))
    assert seen == {name: [0] for name in UCF}
    assert "the test list names none" in report.crops


def test_a_listed_crop_that_is_not_there_is_replaced_and_told(tmp_path):
    dataset = open_dataset("ucf-crime", write_ucf(tmp_path, crops=(0,)))
    assert read(dataset)[0] == {name: [0] for name in UCF}
    (told,) = dataset.fallbacks("test", hears=False)
    assert str(told).startswith("crops that the test list names are not there, others of the video were read (2): ")
    assert told.names == tuple(f"{name}__5" for name in UCF)


def test_a_crop_that_is_asked_for_is_the_one_that_is_trained_on(tmp_path):
    dataset = open_dataset("xd-violence", write_xd(tmp_path), crop=2)
    assert ({entry.crop for entry in dataset.train}, dataset.test_crops) == ({2}, ((2,),) * 3)


def test_a_crop_that_only_test_videos_lack_is_an_error_of_testing(tmp_path):
    folder = write_xd(tmp_path)
    (folder / f"{RIOT}__2.npy").unlink()
    dataset = open_dataset("xd-violence", folder, crop=2)
    dataset.require("train")
    with pytest.raises(DataError, match=r"crop 2; it has the crops \[0, 1\]"):
        dataset.require("test")


def test_everything_odd_about_the_data_is_counted_and_named(tmp_path):
    train = f"path\n{TRAIN_FIGHT}__1.npy\n{TRAIN_NORMAL}__0.npy\n{TRAIN_NORMAL}__0.npy\ngone_label_A__0.npy\n"
    files = {"train.csv": train, "test.csv": f"path\n{SHOOTING}__0.npy\n{NORMAL}__0.npy\n"}
    folder = write_xd(tmp_path, **files)
    (folder / "annotations.txt").write_text(f"{SHOOTING} 3 96\n{RIOT} 0 16\n")  # 16 frames past the last row
    np.save(folder / f"{TRAIN_FIGHT}__vggish.npy", rows(2, 128))
    np.save(folder / f"{SHOOTING}__vggish.npy", rows(5, 128))
    data = open_dataset("xd-violence", folder)
    assert [(f.what.split(",")[0], f.names) for f in data.fallbacks("train", hears=True)] == [
        ("listed training videos or crops without features", ("gone_label_A",)),
        ("training videos without sound", (TRAIN_NORMAL,)),
        ("training videos whose sound is a row or two off", (TRAIN_FIGHT,)),
        ("lines of the training list are repeated and count once", (f"{TRAIN_NORMAL}__0",)),
    ]
    assert [(f.what.split(",")[0], f.names) for f in data.fallbacks("test", hears=True)] == [
        ("test videos without sound", (NORMAL,)),
        ("test videos annotated past their last row", (SHOOTING,)),
        ("annotated videos that the test list does not name", (RIOT,)),
    ]
    assert [f.names for f in data.fallbacks("train", hears=False)][1] == (TRAIN_FIGHT,)
    (folder / "annotations.txt").write_text(f"{SHOOTING} 3 95\n")  # the frames that fill no row
    assert len(open_dataset("xd-violence", folder).fallbacks("test", hears=False)) == 0
    assert str(Fallback("odd", tuple("abcdefg"))) == "odd (7): a, b, c, d, e and 2 more"


def test_sound_of_another_length_is_an_error_before_training(tmp_path):
    folder = write_xd(tmp_path)
    np.save(folder / f"{TRAIN_FIGHT}__vggish.npy", rows(9, 128))
    with pytest.raises(DataError, match="has 3 rows of pictures but 9 of sound"):
        open_dataset("xd-violence", folder).fallbacks("train", hears=True)


def train(folder, out, *options):
    np.save(folder / "text.npy", rows(7, 512))
    small = sets("model.dim=8", "train.epochs=1", "train.batch_size=2", "train.val_fraction=0")
    return train_on(folder, out, *small, *options)


def test_training_without_sound_files_says_so_keeps_it_in_the_card_and_is_an_error_under_strict(tmp_path):
    folder, out = write_xd(tmp_path / "features"), tmp_path / "out"
    told = f"{folder} holds no sound, so the model reads VT instead of VAT"
    with pytest.raises(DataError, match=r"which --strict refuses: .* holds no sound"):
        train(folder, out, "--strict")
    assert not out.exists()
    assert f"note: {told}" in train(folder, out).stderr
    made_by = load_checkpoint(out / "model.safetensors").provenance
    assert (made_by["fallbacks of data"], made_by["recipe"][:7]) == (told, "assumed")
    card = (out / "model_card.md").read_text()
    assert f"| fallbacks of data | {told} |" in card
    assert "| crops trained on | 0, 1 |" in card
    with pytest.raises(ConfigError, match=r"model\.modalities is VA, but .* holds no sound"):
        train(folder, tmp_path / "other", *sets("model.modalities=VA"))
    assert "note:" not in train(folder, tmp_path / "asked", "--strict", *sets("model.modalities=VT")).stderr


def test_one_missing_sound_file_is_told_too(tmp_path):
    folder = write_xd(tmp_path / "features")
    np.save(folder / f"{TRAIN_FIGHT}__vggish.npy", rows(3, 128))
    done = train(folder, tmp_path / "out")
    told = f"training videos without sound, read as if they were silent (1): {TRAIN_NORMAL}"
    assert f"note: {told}" in done.stderr
    got = load_checkpoint(tmp_path / "out" / "model.safetensors")
    assert (got.config.modalities, got.provenance["fallbacks of data"]) == ("VAT", told)


def evaluation(folder, out, *options):
    return invoke(
        "evaluate", "--features", folder, "--dataset", "xd-violence", "--out", out, "--resamples", "0", *options
    )


def test_an_evaluation_tells_its_crops_and_what_is_missing(tmp_path):
    folder = write_xd(tmp_path / "features", videos=[name for name in LENGTHS if name != RIOT])
    np.savez(tmp_path / "theirs.npz", **{name: np.linspace(0, 1, LENGTHS[name]) for name in (SHOOTING, NORMAL, RIOT)})
    done = evaluation(folder, tmp_path / "out", "--scores", tmp_path / "theirs.npz")
    missing = f"listed test videos or crops without features, left out (1): {RIOT}"
    unused = f"scores of videos that are not among those measured, not used (1): {RIOT}"
    for note in (missing, unused):
        assert f"note: {note}" in done.stderr
        assert f"Note: {note}." in done.stdout
    assert "Read:" not in done.stdout
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["crops"] == ""
    late = f"test videos annotated past their last row, where frame metrics and the clean mAP are cut (1): {SHOOTING}"
    assert set(content["notes"]) == {missing, unused, late}
    with pytest.raises(DataError, match="which --strict refuses: listed test videos"):
        evaluation(folder, tmp_path / "out", "--scores", tmp_path / "theirs.npz", "--strict")
    with pytest.raises(ConfigError, match="--crop 1 and --crops mean cannot be used together"):
        evaluation(folder, tmp_path / "out", "--scores", tmp_path / "theirs.npz", "--crop", "1", "--crops", "mean")


def test_results_that_cannot_be_written_are_noticed_before_they_are_computed(tmp_path):
    folder = write_xd(tmp_path / "features")
    (tmp_path / "file").write_text("")
    np.savez(tmp_path / "theirs.npz", **{name: np.zeros((2, 2)) for name in LENGTHS})
    with pytest.raises(ConfigError, match=r"nothing can be written to --out .*file"):
        train(folder, tmp_path / "file")


def test_our_own_features_without_sound_are_counted_from_their_headers(tmp_path):
    for name, sound in ((TRAIN_FIGHT, True), (TRAIN_NORMAL, False)):
        write_own(tmp_path, name, 4, sound=sound)
    (tmp_path / "train.txt").write_text(f"{TRAIN_FIGHT}\n{TRAIN_NORMAL}\n")
    (told,) = open_dataset("xd-violence", tmp_path).fallbacks("train", hears=True)
    assert told.names == (TRAIN_NORMAL,)
