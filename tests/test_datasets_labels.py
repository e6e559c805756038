"""Training labels as files: what is written is read, of two files the newer counts, and bad ones are named."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from feature_files import RECIPE, write_own

from cmhkf.datasets.labels import LABELS_FILE, LabelledSegment, LabelledVideo, Labels, read_labels, write_labels
from cmhkf.errors import ConfigError, DataError
from cmhkf.features.folders import FeatureFolder

A, B = "a" * 64, "b" * 64
SEGMENTS = (
    LabelledSegment(1.0, 3.5, "confirmed", "fighting"),
    LabelledSegment(4.0, 5.0, "dismissed", "riot"),
    LabelledSegment(6.0, 6.5, "open", "riot"),
)


def labels(*videos, exported="2026-01-02T03:04:05+00:00", recipe=RECIPE):
    return Labels(exported, "demo@123", recipe, videos)


def video(sha256=A, segments=SEGMENTS):
    return LabelledVideo(sha256, "Hof <1>.mp4", "anna", segments)


def write(path, held, features):
    assert list(write_labels(path, held, features)) == list(range(len(held.videos)))
    return path


@pytest.fixture
def features(tmp_path):
    folder = tmp_path / "kept"
    for n, name in ((12, A), (9, B)):
        write_own(folder, name, n)
    return {name: folder / f"{name}__0.npz" for name in (A, B)}


def test_what_is_written_is_read_and_its_features_make_a_folder(features, tmp_path):
    held = labels(video(), video(B, SEGMENTS[:1]))
    file = write(tmp_path / "labels.zip", held, features)
    out = tmp_path / "out"
    out.mkdir()
    got = read_labels([file], out)
    assert (got, got.count("confirmed"), got.count("dismissed"), got.count("open")) == (held, 2, 1, 1)
    folder = FeatureFolder(out)
    assert (folder.names, folder.recipe, folder.timeline(A).n_snippets) == ((A, B), RECIPE, 12)
    with np.load(features[A]) as kept:
        assert np.array_equal(folder.load(A).video, kept["video"])


def test_of_two_files_the_one_exported_last_counts(features, tmp_path):
    old = write(tmp_path / "1.zip", labels(video(), video(B)), features)
    new = write(tmp_path / "2.zip", labels(video(A, SEGMENTS[:1]), exported="2026-01-03T00:00:00+00:00"), features)
    for files in ([old, new], [new, old]):
        got = read_labels(files, tmp_path)
        assert {v.sha256: len(v.segments) for v in got.videos} == {A: 1, B: 3}
        assert got.exported == "2026-01-03T00:00:00+00:00"


def test_files_of_different_recipes_are_not_mixed(features, tmp_path):
    one = write(tmp_path / "1.zip", labels(video()), features)
    other = write(tmp_path / "2.zip", labels(video(B), recipe=replace(RECIPE, grid="native")), features)
    with pytest.raises(ConfigError, match=r"different ways .*native grid"):
        read_labels([one, other], tmp_path)


def altered(file, **changes):
    """The file with other values in its header; None: without the key."""
    with zipfile.ZipFile(file) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    header = {k: v for k, v in (json.loads(held[LABELS_FILE]) | changes).items() if v is not None}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (held | {LABELS_FILE: json.dumps(header).encode()}).items():
            archive.writestr(name, content)
    return file


SEGMENT = {"start_s": 1.0, "end_s": 2.0, "state": "confirmed", "label": "riot"}


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "cmhkf-labels-99"},
        {"recipe": None},
        {"videos": None},
        {"videos": [{"sha256": "../../evil", "name": "x", "reviewer": "", "segments": []}]},
        {"videos": [{"sha256": "c" * 64, "name": "x", "reviewer": "", "segments": []}]},  # no such features
        {"videos": [{"sha256": A, "name": "x", "reviewer": "", "segments": [SEGMENT | {"end_s": 1.0}]}]},
        {"videos": [{"sha256": A, "name": "x", "reviewer": "", "segments": [SEGMENT | {"start_s": float("nan")}]}]},
        {"videos": [{"sha256": A, "name": "x", "reviewer": "", "segments": [SEGMENT | {"state": "maybe"}]}]},
        {"videos": [{"sha256": A, "name": "x", "reviewer": "", "segments": 3}]},
    ],
)
def test_a_file_of_another_kind_is_named(features, tmp_path, changes):
    file = altered(write(tmp_path / "labels.zip", labels(video()), features), **changes)
    with pytest.raises(DataError, match=r"labels.zip holds no training labels, or is damaged .* again"):
        read_labels([file], tmp_path)
    assert not (tmp_path.parent / "evil__0.npz").exists()


def test_no_zip_and_no_file_are_named(tmp_path):
    (tmp_path / "x.zip").write_text("labels")
    with pytest.raises(DataError, match=r"x.zip holds no training labels"):
        read_labels([tmp_path / "x.zip"], tmp_path)
    with pytest.raises(DataError, match=r"y.zip: no such file"):
        read_labels([tmp_path / "y.zip"], tmp_path)


def test_lost_features_are_named(features, tmp_path):
    features[A].unlink()
    with pytest.raises(DataError, match=r"features of 'Hof <1>.mp4' cannot be read"):
        list(write_labels(tmp_path / "x.zip", labels(video()), features))


def packed_again(file, target, change):
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


@pytest.mark.parametrize(
    "change",
    [
        lambda name, old: bytes(100_000_000) if name.endswith(".npz") else old,
        lambda name, old: old + b" " * 60_000_000 if name == LABELS_FILE else old,
    ],
)
def test_a_file_that_unpacks_to_far_more_than_it_has_is_refused_before_it_is(features, tmp_path, change):
    bomb = packed_again(write(tmp_path / "1.zip", labels(video()), features), tmp_path / "bomb.zip", change)
    assert bomb.stat().st_size < 500_000
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(DataError, match=r"unpack to [0-9,]+ bytes, more than the [0-9,]+ accepted"):
        read_labels([bomb], out)
    assert sum(path.stat().st_size for path in out.iterdir()) < 1_000_000


def test_features_within_that_unpack_to_far_more_are_refused(features, tmp_path, monkeypatch):
    file = write(tmp_path / "1.zip", labels(video()), features)
    monkeypatch.setattr("cmhkf.datasets.labels.MOST_NPZ_BYTES", 1000)
    with pytest.raises(DataError, match=r"more than the 1,000 accepted"):
        read_labels([file], tmp_path)


@pytest.mark.parametrize(
    "change", [{"end_s": "1e8000000"}, {"end_s": float("nan")}, {"end_s": 10**400}, {"label": "x" * 300}, {"label": 3}]
)
def test_numbers_and_names_of_labels_have_bounds(features, tmp_path, change):
    file = write(tmp_path / "1.zip", labels(video()), features)
    held = {"sha256": A, "name": "x", "reviewer": "y", "segments": [SEGMENT | change]}
    with pytest.raises(DataError, match=r"holds no training labels, or is damaged \((end_s|label) "):
        read_labels([altered(file, videos=[held])], tmp_path)
