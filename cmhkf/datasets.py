"""XD-Violence and UCF-Crime as a folder of features, lists of videos and official annotations: what is there of them.

Partial sets work: what the lists name and the folder lacks is listed, and the rest is used (`model.md` C.1, E35).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from cmhkf.config import UCF_CLASSES, XD_CLASSES
from cmhkf.data import (
    AnnotatedVideo,
    GroundTruth,
    class_segments,
    ground_truth,
    read_ucf,
    read_xd,
    ucf_labels,
    xd_labels,
)
from cmhkf.errors import ConfigError, DataError
from cmhkf.folders import FeatureFolder, split_name

SHOWN = 5  # missing videos named in a message


@dataclass(frozen=True)
class DatasetSpec:
    """What sets one data set apart: its classes, its files and the way it is scored."""

    name: str
    classes: tuple[str, ...]
    labels_of: Callable[[str], tuple[int, ...]]
    """Classes from a video's name."""
    read_annotations: Callable[[Path], list[AnnotatedVideo]]
    headline: Literal["ap", "auc"]
    """Frame metric of the literature."""
    train_lists: tuple[str, ...]
    """File names to look for in the feature folder, best first; so are the next three."""
    test_lists: tuple[str, ...]
    annotations: tuple[str, ...]
    """Frames of the events."""
    class_annotations: tuple[str, ...]
    """Frames and classes of the events."""


_UCF_ANNOTATIONS = ("Temporal_Anomaly_Annotation.txt", "Temporal_Anomaly_Annotation_for_Testing_Videos.txt")
DATASETS = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            "xd-violence", XD_CLASSES, xd_labels, read_xd, "ap",
            ("train.csv", "train.txt", "train_videos.csv", "xd_CLIP_rgb.csv", "rgb.list"),
            ("test.csv", "test.txt", "test_videos.csv", "xd_CLIP_rgbtest.csv", "rgb_test.list"),
            ("annotations.txt",), ("annotations_multiclasses.txt",),
        ),
        DatasetSpec(
            "ucf-crime", UCF_CLASSES, ucf_labels, read_ucf, "auc",
            ("train.csv", "train.txt", "Anomaly_Train.txt", "ucf_CLIP_rgb.csv"),
            ("test.csv", "test.txt", "Anomaly_Test.txt", "ucf_CLIP_rgbtest.csv"),
            _UCF_ANNOTATIONS, _UCF_ANNOTATIONS,
        ),
    )
}  # fmt: skip


class Entry(NamedTuple):
    """One training sample: a crop of a video."""

    name: str
    crop: int
    labels: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Dataset:
    """What there is of a data set."""

    spec: DatasetSpec
    folder: FeatureFolder
    train: tuple[Entry, ...]
    """Every crop that the list names; every crop that is there, where it names videos."""
    truth: GroundTruth
    """Of the test videos that are there."""
    segments: list[list[tuple[int, int, int]]] | None
    """Of `class_segments`, for `detection_map`; None without annotated classes."""
    missing: tuple[str, ...]
    """Listed videos without features, and `<video>__<crop>` where only some crops are absent."""
    absent: tuple[str, ...]
    """Lists and annotations that were not found, each with the names that were looked for."""

    @property
    def test_names(self) -> tuple[str, ...]:
        """Test videos that are there, in the order of `truth`; one crop of each is used (E32)."""
        return self.truth.names

    def require(self, part: Literal["train", "test"]) -> None:
        """Raise DataError, saying why, unless there is something to train on, or to test on."""
        if not (self.train if part == "train" else self.test_names):
            lacking = [f"{len(self.missing):,} listed without features, as {self.missing[0]!r}"] if self.missing else []
            raise DataError(
                f"nothing to {part} on in {self.folder.path} as {self.spec.name}: {'; '.join([*self.absent, *lacking])}"
            )

    def describe(self) -> str:
        """The counts, and what is missing, in words for people."""
        n_abnormal = sum(self.truth.abnormal)
        lines = [
            f"{self.spec.name}: {len(self.train):,} training samples of {len({e.name for e in self.train}):,} videos; "
            f"{len(self.test_names):,} test videos ({n_abnormal:,} abnormal), {sum(self.truth.n_snippets):,} snippets"
        ]
        if self.missing:
            more = f" and {len(self.missing) - SHOWN:,} more" if len(self.missing) > SHOWN else ""
            lines.append(f"{len(self.missing):,} listed but without features: {', '.join(self.missing[:SHOWN])}{more}")
        return "\n".join([*lines, *self.absent])


def open_dataset(
    name: str,
    features_dir: str | Path,
    *,
    train_list: str | Path | None = None,
    test_list: str | Path | None = None,
    annotations: str | Path | None = None,
    class_annotations: str | Path | None = None,
) -> Dataset:
    """Put features, lists and annotations of a data set together; what is not named is looked for beside the features.

    Args:
        name: "xd-violence" or "ucf-crime".
        features_dir: the folder that `FeatureFolder` reads.
        train_list: csv with a column `path` or `video`, or plain text, of feature files or videos.
        test_list: the same, in the order of the protocol. With `annotations` it makes the test set.
        annotations: official annotation file, frames of the file's own rate.
        class_annotations: the one with classes, where that is another file.

    Raises:
        ConfigError: an unknown data set.
        DataError: unreadable or contradictory files, a video in both lists, or nothing to train or to test on.
    """
    if name not in DATASETS:
        raise ConfigError(f"dataset is {name!r}; choose one of {', '.join(DATASETS)}")
    spec, folder = DATASETS[name], FeatureFolder(features_dir)
    absent: list[str] = []

    def locate(what: str, given: str | Path | None, usual: tuple[str, ...]) -> Path | None:
        path = Path(given) if given else next((p for file in usual if (p := folder.path / file).is_file()), None)
        if path is None:
            absent.append(f"no {what} (looked for {', '.join(usual)} in {folder.path})")
        return path

    train_path = locate("training list", train_list, spec.train_lists)
    test_path = locate("test list", test_list, spec.test_lists)
    annotations_path = locate("annotations", annotations, spec.annotations)
    classes_path = locate("annotations of classes", class_annotations, spec.class_annotations)

    train, missing = _train_entries(read_list(train_path), folder, spec) if train_path else ([], [])
    protocol = list(dict.fromkeys(video for video, _ in read_list(test_path))) if test_path else []
    if both := {entry.name for entry in train} & set(protocol):
        raise DataError(f"{min(both)!r} is in the training and in the test list, with {len(both) - 1} others")
    lengths = {video: folder.n_snippets(video) for video in protocol if video in folder}
    truth, segments = GroundTruth((), (), np.zeros(0, np.uint8), (), (), (), ()), None
    if annotations_path:
        truth = ground_truth(
            protocol, spec.read_annotations(annotations_path), n_snippets=lengths, labels_of=spec.labels_of
        )
    if classes_path and truth.names:
        with_classes = spec.read_annotations(classes_path)
        segments = class_segments(ground_truth(protocol, with_classes, n_snippets=lengths, labels_of=spec.labels_of))
    dataset = Dataset(spec, folder, tuple(train), truth, segments, (*missing, *truth.missing), tuple(absent))
    if not train:
        dataset.require("test")
    return dataset


def read_list(path: Path) -> list[tuple[str, int | None]]:
    """Video and crop (None: the whole video) of each line of a list: a csv with a column `path` or `video`, or text.

    Raises:
        DataError: unreadable, without such a column, or empty.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the list {path}: {error}; give a csv or plain text of one video a line"
        ) from error
    if path.suffix == ".csv":
        table = csv.DictReader(lines)
        column = next((column for column in ("path", "video") if column in (table.fieldnames or ())), None)
        if column is None:
            raise DataError(f"{path} has the columns {table.fieldnames}; one must be called path or video")
        lines = [row[column] or "" for row in table]
    parts = [split_name(line.strip()) for line in lines if line.strip()]
    if not parts:
        raise DataError(f"{path} lists no video")
    return [(video, int(crop) if crop.isdigit() else None) for video, crop in parts]


def _train_entries(
    listed: Sequence[tuple[str, int | None]], folder: FeatureFolder, spec: DatasetSpec
) -> tuple[list[Entry], list[str]]:
    """A sample for each listed crop that is there, once, and the names of the missing."""
    wanted: dict[tuple[str, int], None] = {}
    missing: dict[str, None] = {}
    for video, crop in dict.fromkeys(listed):
        there = folder.crops(video)
        if not there:
            missing[video] = None
        elif crop is None:
            wanted |= dict.fromkeys((video, c) for c in there)
        elif crop in there:
            wanted[video, crop] = None
        else:
            missing[f"{video}__{crop}"] = None
    labels = {video: spec.labels_of(video) for video, _ in wanted}
    return [Entry(video, crop, labels[video]) for video, crop in wanted], list(missing)
