"""I3D's features as distributed: one file for each crop, or all crops in one, and the methods that can use them."""

import numpy as np
import pytest
from feature_files import rows, write_npy
from training_sets import invoke, sets

from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import ConfigError, DataError
from cmhkf.evaluation.evaluate import choose_crops
from cmhkf.features.folders import FeatureFolder
from cmhkf.model.checkpoint import load_checkpoint

CODES = ("A", "B1-0-0", "A", "G-B2-0")
TRAIN = [f"t{i}__#1_label_{CODES[i % 4]}" for i in range(8)]
TEST = [f"s{i}__#1_label_{CODES[i % 4]}" for i in range(4)]


def ten_crops(n, width=1024, seed=0):
    return np.random.default_rng([seed, n]).standard_normal((n, 10, width), np.float32)


@pytest.mark.parametrize("crops_first", [False, True])
def test_all_crops_of_one_file_are_read_either_way_round(tmp_path, crops_first):
    """A video of ten snippets looks the same both ways: the other files of the folder tell."""
    held = {"a_label_A": ten_crops(10), "b_label_A": ten_crops(7)}
    for name, array in held.items():
        np.save(tmp_path / f"{name}_i3d.npy", array.transpose(1, 0, 2) if crops_first else array)
    folder = FeatureFolder(tmp_path)
    assert (folder.names, folder.crops("a_label_A")) == (("a_label_A", "b_label_A"), tuple(range(10)))
    assert (folder.video_dim, folder.n_snippets("a_label_A"), folder.n_snippets("b_label_A")) == (1024, 10, 7)
    for name, array in held.items():
        np.testing.assert_array_equal(folder.load(name, 3).video, array[:, 3])
        np.testing.assert_array_equal(folder.load(name).video, array[:, 2])  # the centre, in RTFM's order


def test_other_shapes_are_refused_and_texts_beside_them_are_no_video(tmp_path):
    np.save(tmp_path / "text.npy", rows(7, 512))
    np.save(tmp_path / "a_label_A_i3d.npy", rows(6, 1024))
    folder = FeatureFolder(tmp_path)
    assert (folder.names, folder.crops("a_label_A"), folder.has_semantics) == (("a_label_A",), (0,), False)
    assert dict(folder.recipe.video) == {"name": "I3D as distributed", "values": "1024"}
    np.save(tmp_path / "b_label_A_i3d.npy", np.zeros((7, 3, 1024), np.float32))
    with pytest.raises(DataError, match=r"b_label_A_i3d\.npy has the shape \(7, 3, 1024\); with several crops it is"):
        FeatureFolder(tmp_path)
    (tmp_path / "b_label_A_i3d.npy").unlink()
    write_npy(tmp_path, "a_label_A", 6, width=1024)
    with pytest.raises(DataError, match="claim the same rows"):
        FeatureFolder(tmp_path)


def test_a_file_of_ten_crops_needs_no_ending_and_other_arrays_are_left_alone(tmp_path):
    np.save(tmp_path / "Abuse001_x264.npy", ten_crops(7, width=2048))
    np.save(tmp_path / "gt.npy", np.zeros(99, np.uint8))
    (tmp_path / "other.npy").write_text("of something else")
    folder = FeatureFolder(tmp_path)
    assert (folder.names, folder.video_dim, folder.n_snippets("Abuse001_x264")) == (("Abuse001_x264",), 2048, 7)


@pytest.mark.parametrize(("whole", "part"), [("v_i3d.npy", "v__5.npy"), ("v.npy", "v__0.npy"), ("v.npy", "x/v.npy")])
def test_a_file_of_all_crops_beside_another_of_the_video_is_refused(tmp_path, whole, part):
    (tmp_path / "x").mkdir()
    for file in (whole, part):
        np.save(tmp_path / file, rows(6, 1024) if "__" in file else ten_crops(6))
    with pytest.raises(DataError, match=f"{whole} and .*{part} claim the same rows|{part} and .*{whole} claim"):
        FeatureFolder(tmp_path)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("i3d")
    for i, name in enumerate(TRAIN + TEST):
        np.save(folder / f"{name}_i3d.npy", ten_crops(4 + i % 5, seed=i))
        np.save(folder / f"{name}__vggish.npy", rows(4 + i % 5, 128))
    (folder / "train.txt").write_text("\n".join(TRAIN))
    (folder / "test.txt").write_text("\n".join(TEST))
    (folder / "annotations.txt").write_text("".join(f"{name} 16 48\n" for name in TEST if "label_A" not in name))
    np.save(folder / "text.npy", rows(7, 512))
    return folder


def test_lists_that_name_no_crop_are_read_by_the_mean_of_all(features):
    data = open_dataset("xd-violence", features)
    assert data.test_crops == (tuple(range(10)),) * 4
    assert data.describe_crops() == (
        "the mean of crops 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 of 4 videos, as the test list names none: all of a file that "
        "holds several, as RTFM does, else the centre or the first there is"
    )
    assert choose_crops(data, "centre")[0] == ((2,),) * 4


@pytest.mark.parametrize(("baseline", "modalities"), [("mil", "V"), ("vadclip", "V"), ("", "VA")])
def test_every_method_that_can_trains_on_them_and_is_measured(features, tmp_path, baseline, modalities):
    small = sets("train.batch_size=40", "train.epochs=1", "train.val_fraction=0")
    small += [] if baseline == "mil" else sets("model.dim=16")
    texts = [] if baseline == "mil" else ["--text-features", features / "text.npy"]
    method = ["--baseline", baseline] if baseline else []
    where = ["--features", features, "--dataset", "xd-violence", "--device", "cpu"]
    result = invoke("train", *where, "--out", tmp_path, *small, *texts, *method)
    said = "holds rows that cannot be compared with class texts, so the model has no text stream"
    assert (said in result.stderr) == (baseline == "")
    got = load_checkpoint(tmp_path / "model.safetensors")
    assert (got.config.video_dim, got.config.semantic_dim, got.config.modalities) == (1024, 512, modalities)
    assert got.provenance["crops trained on"] == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    model = ["--model", tmp_path / "model.safetensors", "--out", tmp_path / "report", "--resamples", "0"]
    assert "classifier" in invoke("evaluate", *where, *model).stdout


def test_a_text_stream_that_is_asked_for_is_refused(features, tmp_path):
    arguments = ["--features", features, "--dataset", "xd-violence", "--out", tmp_path, *sets("model.modalities=VAT")]
    with pytest.raises(ConfigError, match=r"model\.modalities is VAT, but .* cannot be compared with class texts"):
        invoke("train", *arguments)
