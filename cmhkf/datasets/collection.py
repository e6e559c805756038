"""A data set whose labels come from files alone, whatever its videos are called: one's own CSV, or published lists.

One's own needs a single CSV with the columns `video,split,labels,start_s,end_s`, one line for each event; a video
without events takes one line. `python -m cmhkf extract FILE.csv` finds the videos by it, relative to its folder.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from cmhkf.errors import DataError
from cmhkf.files import read_text
from cmhkf.media.clip import VIDEO_SUFFIXES
from cmhkf.numbers import exact, ratio, short_text, shown

Split = Literal["train", "test"]

NORMAL = "normal"
COLUMNS = ("video", "split", "labels", "start_s", "end_s")
NAME_LENGTH, LABEL_LENGTH = 1000, 80  # characters of a video's path and of a class name


class Span(NamedTuple):
    """An annotated interval `[start, end)` in the unit that the collection counts."""

    label: str
    start: Fraction
    end: Fraction


@dataclass(frozen=True)
class ListedVideo:
    """One video of a collection."""

    name: str
    """As its features are found: without folder and suffix."""
    split: Split
    labels: tuple[str, ...]
    """Names of its anomaly classes; none for a normal video."""
    spans: tuple[Span, ...] = ()
    """Of a test video; those of a training video are not used, for labels are weak."""
    fps: Fraction | None = None
    """Frames per second, where the file says so."""
    path: str = ""
    """Of the video's file, where the file says so."""


@dataclass(frozen=True, eq=False)
class Collection:
    """What the files of a data set say."""

    name: str
    videos: tuple[ListedVideo, ...]
    counts: Literal["seconds", "frames"]
    """Unit of the spans; frames are those of the video's own rate, counted from 0."""
    headline: Literal["ap", "auc"]
    """Frame metric of the literature."""
    classes: tuple[str, ...]
    """Normal first."""

    @cached_property
    def by_name(self) -> dict[str, ListedVideo]:
        """The videos by their names."""
        return {video.name: video for video in self.videos}

    def labels_of(self, name: str) -> tuple[int, ...]:
        """Classes of a video, as indices; (0,) for a normal one."""
        return tuple(self.classes.index(label) for label in self.by_name[name].labels) or (0,)


def read_own(path: Path) -> Collection:
    """Read one's own data set.

    Columns are `video` (a path or a name), `split` (train or test), `labels` (class names separated by `;`; `normal` or
    nothing for a normal video), `start_s` and `end_s` (of an event, in seconds; both empty where a line has none) and,
    if wanted, `fps`, which only features made elsewhere need. Every anomalous test video needs the times of its
    events. Classes are the labels in alphabetical order after `normal`.

    Raises:
        DataError: unreadable, a column is missing, or a line that contradicts itself or another; names the line.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the data set {path}: {error}; give a CSV of {','.join(COLUMNS)}") from error
    table = csv.DictReader(lines, skipinitialspace=True)
    if lacking := [column for column in COLUMNS if column not in (table.fieldnames or ())]:
        raise DataError(f"{path} lacks the column {lacking[0]}; its first line must be {','.join(COLUMNS)}")
    videos: dict[str, ListedVideo] = {}
    for row in table:
        where = f"{path}, line {table.line_num}"
        video = _video({name: (row[name] or "").strip() for name in row if name}, where)
        known = videos.get(video.name)
        videos[video.name] = video if known is None else _joined(known, video, where)
    for video in videos.values():
        unnamed = [label for label in video.labels if label not in {span.label for span in video.spans}]
        if video.split == "test" and unnamed:
            raise DataError(
                f"{path}: the test video {video.name!r} is labelled {unnamed[0]}, but no line says when; "
                "fill in start_s and end_s"
            )
    names = sorted({label for video in videos.values() for label in video.labels})
    if not names:
        raise DataError(f"{path} names no anomaly; write class names under labels, such as fighting")
    return Collection(path.name, tuple(videos.values()), "seconds", "ap", (NORMAL, *names))


def video_files(path: Path) -> list[str]:
    """The files of one's own data set, relative to the CSV's folder, in its order. Raises DataError as `read_own`."""
    return [str(path.parent / video.path) for video in read_own(path).videos]


def stem_of(path: str) -> str:
    """The name by which features of a video are found: without folder, and without a suffix that videos have."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    head, dot, suffix = name.rpartition(".")
    return head if dot and f".{suffix}".lower() in VIDEO_SUFFIXES else name


def _video(row: dict[str, str], where: str) -> ListedVideo:
    path = short_text(row["video"], f"{where}: video", NAME_LENGTH)
    if not stem_of(path):
        raise DataError(f"{where}: no video is named; write its file name")
    if row["split"] not in get_args(Split):
        raise DataError(f"{where}: split is {shown(row['split'])}; write train or test")
    named = (label.strip().lower() for label in row["labels"].split(";"))
    labels = tuple(dict.fromkeys(short_text(label, f"{where}: a label", LABEL_LENGTH) for label in named if label))
    anomalies = tuple(label for label in labels if label != NORMAL)
    if anomalies and anomalies != labels:
        raise DataError(f"{where}: {path!r} is labelled both {NORMAL} and {anomalies[0]}; leave one out")
    fps = ratio(row["fps"], f"{where}: fps") if row.get("fps") else None
    return ListedVideo(stem_of(path), row["split"], anomalies, _spans(row, anomalies, where), fps, path)  # type: ignore[arg-type]


def _spans(row: dict[str, str], labels: Sequence[str], where: str) -> tuple[Span, ...]:
    if not (row["start_s"] or row["end_s"]):
        return ()
    start, end = (exact(row[name], f"{where}: {name}") for name in ("start_s", "end_s"))
    if start >= end:
        raise DataError(
            f"{where}: an event from {row['start_s']} to {row['end_s']} s; the end must come after the start"
        )
    if not labels:
        raise DataError(f"{where}: an event of a normal video; name its class under labels, or leave the times empty")
    return tuple(Span(label, start, end) for label in labels)


def _joined(known: ListedVideo, more: ListedVideo, where: str) -> ListedVideo:
    """A video of several lines."""
    for what, old, new in (
        ("path", known.path, more.path),
        ("split", known.split, more.split),
        ("fps", known.fps, more.fps),
    ):
        if old != new:
            raise DataError(f"{where}: {known.name!r} has the {what} {new} here and {old} above; make them the same")
    if not (known.labels and more.labels):
        raise DataError(f"{where}: {known.name!r} stands here again, and one of the lines is normal; keep one of them")
    labels = tuple(dict.fromkeys((*known.labels, *more.labels)))
    return replace(known, labels=labels, spans=(*known.spans, *more.spans))
