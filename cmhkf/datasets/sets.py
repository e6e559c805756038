"""Data sets as a folder of features, lists of videos and annotations: what is there of them.

Partial sets work: what the lists name and the folder lacks is listed, and the rest is used (`model.md` C.1, E35).
"""

import csv
import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from cmhkf.datasets.annotations import (
    AnnotatedVideo,
    Event,
    GroundTruth,
    class_segments,
    ground_truth,
    read_ucf,
    read_xd,
    ucf_labels,
    xd_labels,
)
from cmhkf.datasets.classes import UCF_CLASSES, XD_CLASSES
from cmhkf.datasets.collection import Collection, ListedVideo, read_own
from cmhkf.datasets.published import PUBLISHED
from cmhkf.errors import ConfigError, DataError
from cmhkf.features.folders import FeatureFolder, split_name
from cmhkf.files import read_text
from cmhkf.progress import Fallback
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

Part = Literal["train", "test"]
UNNAMED_CROPS = (
    "as the test list names none: all of a file that holds several, as RTFM does, else the centre or the first there is"
)


@dataclass(frozen=True)
class DatasetSpec:
    """What sets one data set apart: its classes, its files and the way it is scored."""

    name: str
    classes: tuple[str, ...]
    labels_of: Callable[[str], tuple[int, ...]]
    """Classes from a video's name."""
    headline: Literal["ap", "auc"]
    """Frame metric of the literature."""
    rate: Fraction | None = None
    """Frames a second that its annotations count; None: those of the features."""


@dataclass(frozen=True)
class OfficialFiles:
    """The files of XD-Violence or UCF-Crime, whose videos carry their labels in their names."""

    spec: DatasetSpec
    read_annotations: Callable[[Path], list[AnnotatedVideo]]
    train_lists: tuple[str, ...]
    """File names to look for in the feature folder, best first; so are the next three."""
    test_lists: tuple[str, ...]
    annotations: tuple[str, ...]
    """Frames of the events."""
    class_annotations: tuple[str, ...]
    """Frames and classes of the events."""


_UCF_ANNOTATIONS = ("Temporal_Anomaly_Annotation.txt", "Temporal_Anomaly_Annotation_for_Testing_Videos.txt")
_XD = OfficialFiles(
    DatasetSpec("xd-violence", XD_CLASSES, xd_labels, "ap", GRID_RATE),
    read_xd,
    ("train.csv", "train.txt", "train_videos.csv", "xd_CLIP_rgb.csv", "rgb.list"),
    ("test.csv", "test.txt", "test_videos.csv", "xd_CLIP_rgbtest.csv", "rgb_test.list"),
    ("annotations.txt",),
    ("annotations_multiclasses.txt",),
)
_UCF = OfficialFiles(
    DatasetSpec("ucf-crime", UCF_CLASSES, ucf_labels, "auc", Fraction(30)),
    read_ucf,
    ("train.csv", "train.txt", "Anomaly_Train.txt", "ucf_CLIP_rgb.csv"),
    ("test.csv", "test.txt", "Anomaly_Test.txt", "ucf_CLIP_rgbtest.csv"),
    _UCF_ANNOTATIONS,
    _UCF_ANNOTATIONS,
)
DATASETS = {files.spec.name: files for files in (_XD, _UCF)}
KNOWN = (*DATASETS, *PUBLISHED)


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
    test_crops: tuple[tuple[int, ...], ...]
    """Of each test video: the crops that the list names. Where it names none: all of a file that holds several, else
    the centre or the first that is there (E32). Several are averaged."""
    crops_from: str
    """What chose the crops, in words for people."""
    missing_train: tuple[str, ...]
    """Listed videos without features, and `<video>__<crop>` where only some crops are absent."""
    absent: tuple[str, ...]
    """Lists and annotations that were not found, each with the names that were looked for."""
    lacking_crop: tuple[tuple[str, int], ...]
    """Test videos that do not have the crop that was requested, with its number."""
    oddities: tuple[tuple[Part, Fallback], ...]
    """What was done about lists and annotations that do not fit the features."""

    @property
    def test_names(self) -> tuple[str, ...]:
        """Test videos that are there, in the order of `truth`."""
        return self.truth.names

    @property
    def missing(self) -> tuple[str, ...]:
        """All that is listed and not there, of both lists."""
        return self.missing_train + self.truth.missing

    def require(self, part: Part) -> None:
        """Raise DataError, saying why, unless there is something to train on, or to test on by the crop requested."""
        for name, crop in self.lacking_crop if part == "test" else ():
            self.folder.lengths(name, crop)
        if not (self.train if part == "train" else self.test_names):
            lacking = [f"{len(self.missing):,} listed without features, as {self.missing[0]!r}"] if self.missing else []
            raise DataError(
                f"nothing to {part} on in {self.folder.path} as {self.spec.name}: {'; '.join([*self.absent, *lacking])}"
            )

    def describe(self) -> str:
        """The counts, the crops and which files are absent, in words for people."""
        n_abnormal = sum(self.truth.abnormal)
        lines = [
            f"{self.spec.name}: {len(self.train):,} training samples of {len({e.name for e in self.train}):,} videos; "
            f"{len(self.test_names):,} test videos ({n_abnormal:,} abnormal), {sum(self.truth.n_snippets):,} snippets"
        ]
        if self.test_names:
            lines.append(f"test videos are read by {self.describe_crops()}")
        return "\n".join([*lines, *self.absent])

    def describe_crops(self) -> str:
        """Which crops of the test videos are read, and what chose them: "crop 5 of 290 videos, ..."."""
        return f"{count_crops(self.test_crops)}, {self.crops_from}"

    def fallbacks(self, part: Part, *, hears: bool) -> list[Fallback]:
        """What is done where the data of one part is missing, trimmed or replaced.

        Args:
            part: which part is used.
            hears: whether the model listens; if not, it matters to nobody that a video has no audio.

        Raises:
            DataError: a file is damaged, or audio does not fit the frames.
        """
        word = "training" if part == "train" else "test"
        silent, trimmed = [], []
        for name, crop in self._first_crops(part):
            n, n_audio = self.folder.lengths(name, crop)
            if n_audio is None:
                silent.append(name)
            elif self.folder.n_snippets(name, crop) < max(n, n_audio):
                trimmed.append(name)
        missing = self.missing_train if part == "train" else self.truth.missing
        found = [
            Fallback(f"listed {word} videos or crops without features, left out", tuple(missing)),
            Fallback(f"{word} videos without sound, read as if they were silent", tuple(silent if hears else ())),
            Fallback(f"{word} videos whose sound is a row or two off, cut to the shorter", tuple(trimmed)),
            *(oddity for of, oddity in self.oddities if of == part),
        ]
        return [fallback for fallback in found if fallback.names]

    def _first_crops(self, part: Part) -> Iterator[tuple[str, int]]:
        if part == "test":
            yield from ((name, crops[0]) for name, crops in zip(self.test_names, self.test_crops, strict=True))
            return
        first: dict[str, int] = {}
        for entry in self.train:
            first.setdefault(entry.name, entry.crop)
        yield from first.items()

    def digest(self) -> str:
        """Names the data set by content: the rows that are read, the lists, the labels and the ground truth."""
        tested = [(name, c) for name, crops in zip(self.test_names, self.test_crops, strict=True) for c in crops]
        rows = self.folder.digest([*((entry.name, entry.crop) for entry in self.train), *tested])
        frames = hashlib.sha256(self.truth.frames.tobytes()).hexdigest()
        content = [self.spec.name, rows, self.train, tested, frames, self.truth.abnormal, self.segments]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def count_crops(chosen: Sequence[tuple[int, ...]]) -> str:
    """Which crops of how many videos: "crop 5 of 288 videos, the mean of crops 0, 5 of 2 videos"."""
    counts = Counter(chosen).most_common()
    return ", ".join(
        f"{'crop' if len(crops) == 1 else 'the mean of crops'} {', '.join(map(str, crops))} of {n:,} videos"
        for crops, n in counts
    )


def open_dataset(
    name: str,
    features_dir: str | Path,
    *,
    train_list: str | Path | None = None,
    test_list: str | Path | None = None,
    annotations: str | Path | None = None,
    class_annotations: str | Path | None = None,
    crop: int | None = None,
) -> Dataset:
    """Put features, lists and annotations of a data set together; what is not named is looked for beside the features.

    Args:
        name: one of KNOWN, or the path of a CSV of one's own (`collection.read_own`).
        features_dir: the folder that `FeatureFolder` reads.
        train_list: csv with a column `path` or `video`, or plain text, of feature files or videos.
        test_list: the same, in the order of the protocol. With `annotations` it makes the test set.
        annotations: official annotation file, frames of the file's own rate; of a data set in PUBLISHED, the folder of
            its files.
        class_annotations: the one with classes, where that is another file.
        crop: is read of every video, whatever the lists name.

    Raises:
        ConfigError: an unknown data set, or lists for one that brings its own.
        DataError: unreadable or contradictory files, a video in both lists, or nothing to train or to test on.
    """
    if name not in KNOWN and not name.lower().endswith(".csv"):
        raise ConfigError(f"dataset is {name!r}; choose one of {', '.join(KNOWN)}, or a CSV of your own")
    folder = FeatureFolder(features_dir)
    lists = {"training list": train_list, "test list": test_list, "annotations of classes": class_annotations}
    if name in DATASETS:
        files = _official(DATASETS[name], folder, {**lists, "annotations": annotations})
    else:
        files = _collected(name, folder, lists, annotations)
    spec, absent, listed = files.spec, files.absent, files.train
    train, missing = _train_entries(listed, folder, spec, crop=crop)
    oddities: list[tuple[Part, Fallback]] = [("train", _repeated(listed))]
    protocol, crops_from, replaced = _test_crops(files.test, folder, crop=crop)
    oddities.append(("test", replaced))
    if both := {entry.name for entry in train} & set(protocol):
        raise DataError(f"{min(both)!r} is in the training and in the test list, with {len(both) - 1} others")
    lengths = {video: folder.n_snippets(video, crops[0]) for video, crops in protocol.items() if crops}
    truth, segments = GroundTruth((), (), np.zeros(0, np.uint8), (), (), (), (), ()), None
    if files.annotated is not None:
        truth = ground_truth([*protocol], files.annotated, n_snippets=lengths, labels_of=spec.labels_of)
        oddities.append(("test", _past_the_end(files.annotated, lengths)))
        unlisted = "annotated videos that the test list does not name, not measured"
        oddities.append(("test", Fallback(unlisted, truth.unlisted)))
    if files.with_classes is not None and truth.names:
        classed = ground_truth([*protocol], files.with_classes, n_snippets=lengths, labels_of=spec.labels_of)
        segments = class_segments(classed)
    dataset = Dataset(
        spec,
        folder,
        tuple(train),
        truth,
        segments,
        test_crops=tuple(protocol[name] for name in truth.names),
        crops_from=crops_from,
        missing_train=tuple(missing),
        absent=tuple(absent),
        lacking_crop=tuple((v, crop) for v, c in protocol.items() if crop is not None and v in folder and not c),
        oddities=tuple((part, oddity) for part, oddity in oddities if oddity.names),
    )
    if not train:
        dataset.require("test")
    return dataset


Listed = Sequence[tuple[str, int | None]]
"""Video and crop of each line of a list; None: the line names no crop."""


class _Files(NamedTuple):
    """What the files of a data set say; None: there is no such file."""

    spec: DatasetSpec
    train: Listed
    test: Listed
    annotated: list[AnnotatedVideo] | None
    with_classes: list[AnnotatedVideo] | None
    absent: list[str]


def _official(files: OfficialFiles, folder: FeatureFolder, given: Mapping[str, str | Path | None]) -> _Files:
    absent: list[str] = []

    def locate(what: str, usual: tuple[str, ...]) -> Path | None:
        named = given[what]
        path = Path(named) if named else next((p for file in usual if (p := folder.path / file).is_file()), None)
        if path is None:
            absent.append(f"no {what} (looked for {', '.join(usual)} in {folder.path})")
        return path

    train, test = locate("training list", files.train_lists), locate("test list", files.test_lists)
    annotations = locate("annotations", files.annotations)
    classes = locate("annotations of classes", files.class_annotations)
    return _Files(
        files.spec,
        read_list(train) if train else [],
        read_list(test) if test else [],
        files.read_annotations(annotations) if annotations else None,
        files.read_annotations(classes) if classes and annotations else None,
        absent,
    )


def _collected(
    name: str, folder: FeatureFolder, lists: Mapping[str, str | Path | None], annotations: str | Path | None
) -> _Files:
    """Of one's own CSV, or of a data set in PUBLISHED."""
    own = name not in PUBLISHED
    given = {**lists, "annotations": annotations if own else None}
    refused = [what for what, path in given.items() if path]
    if refused:
        raise ConfigError(f"{name} brings its own {refused[0]}; leave out the option")
    held = read_own(Path(name)) if own else PUBLISHED[name](Path(annotations or folder.path))
    spec = DatasetSpec(held.name, held.classes, held.labels_of, held.headline)
    train, test = ([(v.name, None) for v in held.videos if v.split == split] for split in get_args(Part))
    annotated = [
        AnnotatedVideo(video.name, events_of(video, held, folder)) for video in held.videos if video.split == "test"
    ]
    absent = [f"{held.name} names no video to {part} on" for part, of in (("train", train), ("test", test)) if not of]
    return _Files(spec, train, test, annotated, annotated, absent)


def events_of(video: ListedVideo, held: Collection, folder: FeatureFolder) -> tuple[Event, ...]:
    """The spans of a video of a feature folder as frames of its snippets, each at least one frame long.

    Raises DataError: the features do not tell how the spans' unit and their frames go together.
    """
    frame_at = _frame_at(video, held, folder)
    edges = [(held.classes.index(span.label), frame_at(span.start), frame_at(span.end)) for span in video.spans]
    return tuple(Event(label, start, max(end, start + 1)) for label, start, end in edges)


def _frame_at(video: ListedVideo, held: Collection, folder: FeatureFolder) -> Callable[[Fraction], int]:
    """The frame that begins at a time, or the first after it."""
    if video.name not in folder or not video.spans:
        return int  # nothing is measured of it
    if held.counts == "frames":
        if folder.recipe.grid != "native":
            raise DataError(
                f"{held.name} counts the frames of its files, and {folder.path} was made on the 24 fps grid; extract "
                "with --grid native"
            )
        return int
    if not folder.recipe_assumed:
        line = folder.timeline(video.name)
        return lambda time_s: line.frames_from(float(time_s))
    if not video.fps:
        raise DataError(
            f"{held.name} counts seconds, and {folder.path} does not say how many frames {video.name!r} has a second; "
            "add a column fps"
        )
    fps = video.fps
    return lambda time_s: math.ceil(time_s * fps)


def read_list(path: Path) -> list[tuple[str, int | None]]:
    """Video and crop (None: the whole video) of each line of a list: a csv with a column `path` or `video`, or text.

    Raises:
        DataError: unreadable, without such a column, or empty.
    """
    try:
        lines = read_text(path).splitlines()
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
    listed: Listed, folder: FeatureFolder, spec: DatasetSpec, *, crop: int | None
) -> tuple[list[Entry], list[str]]:
    """A sample for each listed crop that is there, once, and the names of the missing."""
    wanted: dict[tuple[str, int], None] = {}
    missing: dict[str, None] = {}
    for video, named in dict.fromkeys(listed):
        chosen, there = named if crop is None else crop, folder.crops(video)
        if not there:
            missing[video] = None
        elif chosen is None:
            wanted |= dict.fromkeys((video, c) for c in there)
        elif chosen in there:
            wanted[video, chosen] = None
        else:
            missing[f"{video}__{chosen}"] = None
    labels = {video: spec.labels_of(video) for video, _ in wanted}
    return [Entry(video, c, labels[video]) for video, c in wanted], list(missing)


def _test_crops(
    listed: Listed, folder: FeatureFolder, *, crop: int | None
) -> tuple[dict[str, tuple[int, ...]], str, Fallback]:
    """The crops to read of each listed video, none of one without features; what chose them; and what was replaced."""
    named: dict[str, list[int]] = {}
    for video, c in listed:
        named.setdefault(video, []).extend([] if c is None or c in named[video] else [c])
    protocol: dict[str, tuple[int, ...]] = {}
    lost: list[str] = []
    for video, wanted in named.items():
        there = folder.crops(video)
        if crop is not None and there:
            protocol[video] = (crop,) if crop in there else ()
            continue
        kept = tuple(c for c in wanted if c in there)
        lost += [f"{video}__{c}" for c in wanted if there and c not in there]
        if kept or not there:
            protocol[video] = kept
        else:
            protocol[video] = there if folder.in_one_file(video) else (folder.centre(video),)
    chosen_by = "as the test list names them" if any(named.values()) else UNNAMED_CROPS
    replaced = Fallback("crops that the test list names are not there, others of the video were read", tuple(lost))
    return protocol, "as asked for" if crop is not None else chosen_by, replaced


def _repeated(listed: Listed) -> Fallback:
    counts = Counter(listed).items()
    names = tuple(video if crop is None else f"{video}__{crop}" for (video, crop), n in counts if n > 1)
    return Fallback("lines of the training list are repeated and count once", names)


def _past_the_end(annotated: Sequence[AnnotatedVideo], lengths: dict[str, int]) -> Fallback:
    """Events that end in the frames which fill no snippet are the protocol's own, and no oddity."""
    last = {video.name: max((event.end for event in video.events), default=0) for video in annotated}
    late = tuple(name for name, n in lengths.items() if last.get(name, 0) >= SNIPPET_FRAMES * (n + 1))
    return Fallback("test videos annotated past their last row, where frame metrics and the clean mAP are cut", late)
