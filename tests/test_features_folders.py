"""Feature folders as distributed and as extracted: what is found, what is read, and what is refused."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from feature_files import RECIPE, rows, write_npy, write_own

from cmhkf.datasets.sets import Entry
from cmhkf.encoders.clip import HUB_SHA256, ClipTextEncoder, ClipVideoEncoder
from cmhkf.encoders.crops import in_crops
from cmhkf.encoders.protocols import NO_ENCODER, Encoders
from cmhkf.encoders.vggish import SHA256, VggishEncoder
from cmhkf.errors import DataError
from cmhkf.features.folders import FeatureFolder, is_whole, released_recipe, split_name
from cmhkf.features.recipe import needs_crops, recipe_of
from cmhkf.training.batches import FolderSamples

XD = "Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6"


PARTS = {f"/home/x/XDTest/{XD}__0.npy": "0", f"{XD}.mp4__7.npy": "7", f"{XD}__vggish.npy": "vggish", f"{XD}.mp4": ""}
PARTS |= {f"D:\\features\\{XD}__5.npz": "5"}
OTHERS = {"Abuse/Abuse028_x264__5.npy": ("Abuse028_x264", "5"), "Abuse/Abuse028_x264.mp4": ("Abuse028_x264", "")}
OTHERS |= {"a/Abuse001_x264_i3d.npy": ("Abuse001_x264", ""), "v=a__b__#1_label_A": ("v=a__b__#1_label_A", "")}


@pytest.mark.parametrize(("path", "parts"), [*((path, (XD, part)) for path, part in PARTS.items()), *OTHERS.items()])
def test_split_name(path, parts):
    assert split_name(path) == parts


def test_distributed_features_share_their_sound(tmp_path):
    write_npy(tmp_path / "RGB", XD, 7, crops=(3, 0, 11), sound=6)
    write_npy(tmp_path / "more", "b", 4, dtype=np.float64)
    (tmp_path / "more" / "gt.npy").write_bytes(b"of something else")
    (tmp_path / "RGB" / "gt.npy").write_bytes(b"of something else")
    folder = FeatureFolder(tmp_path)
    assert (folder.names, folder.crops(XD), folder.crops("none")) == ((XD, "b"), (0, 3, 11), ())
    assert (XD in folder, "none" in folder) == (True, False)
    assert (folder.video_dim, folder.semantic_dim, folder.audio_dim) == (512, 512, 128)
    assert (folder.n_snippets(XD), folder.n_snippets("b")) == (6, 4)
    for crop in (0, 3, 11):
        got = folder.load(XD, crop)
        np.testing.assert_array_equal(got.video, rows(7, 512, crop)[:6])
        np.testing.assert_array_equal(got.audio, rows(6, 128))
        assert got.semantic is None
    assert folder.load("b").video.dtype == np.float32
    assert folder.load("b").audio is None


def test_the_centre_crop_is_taken_or_else_the_first(tmp_path):
    write_npy(tmp_path, "a", 3, crops=(0, 5))
    write_npy(tmp_path, "b", 4, crops=(5, 7))
    folder = FeatureFolder(tmp_path)
    np.testing.assert_array_equal(folder.load("a").video, rows(3, 512, 0))
    np.testing.assert_array_equal(folder.load("b").video, rows(4, 512, 5))
    with pytest.raises(DataError, match=r"no features of 'b', crop 0; it has the crops \[5, 7\]"):
        folder.load("b", 0)
    with pytest.raises(DataError, match="no features of 'c'"):
        folder.n_snippets("c")


@pytest.mark.parametrize(("sound", "n"), [(8, 8), (9, 9), (10, 10), (11, 10), (12, 10)])
def test_sound_one_or_two_rows_off_is_trimmed(tmp_path, sound, n):
    folder = FeatureFolder(write_npy(tmp_path, "v", 10, sound=sound))
    assert folder.n_snippets("v") == n
    assert len(folder.load("v").video) == len(folder.load("v").audio) == n


@pytest.mark.parametrize("sound", [7, 13])
def test_sound_of_another_length_is_refused(tmp_path, sound):
    folder = FeatureFolder(write_npy(tmp_path, "v", 10, sound=sound))
    for read in (folder.n_snippets, folder.load):
        message = f"'v' has 10 rows of pictures but {sound} of sound.* different frame rates"
        with pytest.raises(DataError, match=message):
            read("v")


def test_own_features(tmp_path):
    write_own(tmp_path, "a", 5, crops=(0, 1))
    write_own(tmp_path, "b", 2, sound=False)
    folder = FeatureFolder(tmp_path)
    assert (folder.names, folder.recipe, folder.recipe_assumed) == (("a", "b"), RECIPE, False)
    assert (folder.video_dim, folder.semantic_dim, folder.audio_dim) == (6, 4, 3)
    assert (folder.n_snippets("a"), folder.n_snippets("b")) == (5, 2)
    got = folder.load("a", 1)
    np.testing.assert_array_equal(got.video, rows(5, 6, 1))
    np.testing.assert_array_equal(got.semantic, rows(5, 4, 1))
    np.testing.assert_array_equal(got.audio, rows(5, 3))
    assert folder.load("b").audio is None
    assert (folder.recipe_for("VAT"), folder.recipe_for("VT").audio) == (RECIPE, NO_ENCODER)


def test_a_set_without_sound_has_no_audio_dim(tmp_path):
    assert FeatureFolder(write_own(tmp_path / "own", "a", 2, sound=False)).audio_dim is None
    assert FeatureFolder(write_npy(tmp_path / "npy", "a", 2)).audio_dim is None


def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


def pickled(path):
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)


@pytest.mark.parametrize("damage", [truncate, pickled, lambda path: path.write_bytes(b"")])
def test_a_damaged_array_is_named(tmp_path, damage):
    folder = FeatureFolder(write_npy(tmp_path, "v", 10))
    damage(tmp_path / "v__0.npy")
    for read in (folder.n_snippets, folder.load):
        with pytest.raises(DataError, match=r"v__0\.npy is damaged, cut short or of another kind"):
            read("v")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"v__0\.npy has the shape \(5,\)"),
        (np.zeros((0, 512)), r"has the shape \(0, 512\)"),
        (np.full((2, 512), np.nan), "v__0.npy holds values that are not finite"),
        (np.zeros((2, 511)), "'v' has rows of 511 values, others in .* of 512; are kinds mixed"),
    ],
)
def test_arrays_that_are_no_rows_are_named(tmp_path, array, message):
    write_npy(tmp_path, "a", 2)
    np.save(tmp_path / "v__0.npy", array)
    with pytest.raises(DataError, match=message):
        FeatureFolder(tmp_path).load("v")


def test_own_files_that_are_damaged_or_of_another_recipe_are_named(tmp_path):
    other = RECIPE.__class__(video=(("name", "other"),), text=RECIPE.text, audio=RECIPE.audio)
    write_own(tmp_path, "a", 5, recipe=other)
    write_own(tmp_path, "b", 5)
    write_own(tmp_path, "c", 5)
    truncate(tmp_path / "b__0.npz")
    folder = FeatureFolder(tmp_path)
    for read in (folder.n_snippets, folder.load):
        with pytest.raises(DataError, match=rf"a__0\.npz was made by recipe {other.hash}, its folder by {RECIPE.hash}"):
            read("a")
        with pytest.raises(DataError, match=r"b__0\.npz is damaged"):
            read("b")
    whole = {name: is_whole(tmp_path / f"{name}__0.npz", RECIPE) for name in "abcd"}
    assert whole == {"a": False, "b": False, "c": True, "d": False}


@pytest.mark.parametrize("text", ["", "[1]", '{"video": []}', json.dumps({"size": 3})])
def test_a_damaged_recipe_is_named(tmp_path, text):
    write_own(tmp_path, "a", 5)
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(DataError, match=r"recipe\.json is no recipe"):
        FeatureFolder(tmp_path).load("a")


def test_folders_without_or_with_twice_the_features(tmp_path):
    with pytest.raises(DataError, match=r"holds no features: no file is called <video>__<crop>\.npy"):
        FeatureFolder(tmp_path / "absent")
    write_npy(tmp_path / "RGB", "v", 2)
    write_npy(tmp_path / "Flow", "v", 2)
    with pytest.raises(DataError, match=r"Flow.v__0\.npy and .*RGB.v__0\.npy claim the same rows"):
        FeatureFolder(tmp_path)


def test_released_features_get_the_recipe_that_the_app_can_follow(tmp_path):
    folder = FeatureFolder(write_npy(tmp_path, "v", 2, sound=2))
    tower = SimpleNamespace(device="cpu", dtype=torch.float32)
    encoders = Encoders(
        "CLIP",
        ClipVideoEncoder(tower, weights_sha256=HUB_SHA256),
        ClipTextEncoder(tower, weights_sha256=HUB_SHA256),
        VggishEncoder(torch.nn.Linear(1, 1), weights_sha256=SHA256),
    )
    assert folder.recipe_assumed
    assert folder.recipe == released_recipe(audio=True) == recipe_of(in_crops(encoders), "native")
    assert needs_crops(folder.recipe)
    assert not needs_crops(recipe_of(encoders, "native"))
    assert folder.recipe_for("VT") == released_recipe(audio=False)


def test_rows_of_an_unknown_width_have_no_known_recipe(tmp_path):
    folder = FeatureFolder(write_npy(tmp_path, "v", 2, width=1000))
    assert folder.load("v").video.shape == (2, 1000)
    with pytest.raises(DataError, match="video rows of 1000 values and sound rows of None; known are CLIP's 512"):
        _ = folder.recipe


def test_a_digest_names_content_and_not_names(tmp_path):
    """Two folders with the same names: equal only where pictures and sound of what is read are."""
    one, same = (write_npy(tmp_path / name, "a", 3, crops=(0, 5), sound=3) for name in ("one", "same"))
    digest = FeatureFolder(one).digest([("a", 0), ("a", 5)])
    assert FeatureFolder(same).digest([("a", 5), ("a", 0), ("a", 0)]) == digest
    assert FeatureFolder(one).digest([("a", 0)]) != digest
    for file in ("a__5.npy", "a__vggish.npy"):
        other = write_npy(tmp_path / f"other-{file}", "a", 3, crops=(0, 5), sound=3)
        np.save(other / file, np.load(other / file) + 1)
        assert FeatureFolder(other).digest([("a", 0), ("a", 5)]) != digest
    with pytest.raises(DataError, match="no features of 'b', crop 0"):
        FeatureFolder(one).digest([("b", 0)])


def test_samples_are_named_by_labels_and_rows(tmp_path):
    entries = [Entry("a", 0, (1,)), Entry("a", 1, (1,))]
    folders = [FeatureFolder(write_own(tmp_path / str(n), "a", n, crops=(0, 1))) for n in (3, 4)]
    digests = [FolderSamples(folders[0], e).digest for e in (entries, entries[::-1], [Entry("a", 0, (2,)), entries[1]])]
    digests.append(FolderSamples(folders[1], entries).digest)
    assert (len(set(digests)), FolderSamples(FeatureFolder(tmp_path / "3"), entries).digest) == (4, digests[0])
