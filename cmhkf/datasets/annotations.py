"""Official annotations of XD-Violence and UCF-Crime: class labels, annotated events and the frame ground truth.

Both sets count frames of the original file; sixteen of them make a snippet (`model.md` C.1, C.9). A class is an index
into `XD_CLASSES` or `UCF_CLASSES`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cmhkf.datasets.classes import UCF_CLASSES, XD_CLASSES
from cmhkf.errors import DataError
from cmhkf.features.folders import video_name
from cmhkf.files import read_text
from cmhkf.numbers import whole
from cmhkf.timeline import SNIPPET_FRAMES

XD_CODES = ("A", "B1", "B2", "B4", "B5", "B6", "G")  # of XD_CLASSES, in their order
# Annotations count the frames that fill no snippet, and features may have lost two rows to a shorter audio (C.2).
SLACK_FRAMES = 3 * SNIPPET_FRAMES


class Event(NamedTuple):
    """An annotated interval `[start, end)` in frames."""

    class_idx: int | None
    """None where the file does not say (`annotations.txt` of XD-Violence)."""
    start: int
    end: int


@dataclass(frozen=True)
class AnnotatedVideo:
    """One line of an annotation file."""

    name: str
    """Without folder and `.mp4`."""
    events: tuple[Event, ...]
    """As in the file: they may overlap and run past the end. Empty for a normal video."""


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The test set of the protocol, as far as features are there."""

    names: tuple[str, ...]
    """V videos, in the protocol's order."""
    n_snippets: tuple[int, ...]
    frames: np.ndarray
    """uint8 [sum of 16 n_snippets], 1 = anomalous; the videos one after the other."""
    annotated: tuple[tuple[Event, ...], ...]
    """Of each video, as in the file: an event may end, or even begin, after the last whole snippet."""
    events: tuple[tuple[Event, ...], ...]
    """The same, cut at the last whole snippet."""
    abnormal: tuple[bool, ...]
    """True where the video is annotated, even if nothing is left within its snippets."""
    missing: tuple[str, ...]
    """Videos of the protocol without features."""
    unlisted: tuple[str, ...]
    """Annotated videos that the protocol does not list."""


def xd_labels(name: str) -> tuple[int, ...]:
    """Classes in an XD-Violence video's name, in its order: `..._label_B2-G-0` -> (2, 6); A -> (0,).

    Raises:
        DataError: no code in the name, an unknown one, or normal beside an anomaly.
    """
    found = re.search(r"_label_([A-Za-z0-9-]+)", name)
    codes = [code for code in found[1].split("-") if code != "0"] if found else []
    if not codes:
        raise DataError(f"{name!r} has no label code; XD-Violence names end like _label_B2-G-0 or _label_A")
    labels = tuple(dict.fromkeys(_xd_class(code, name) for code in codes))
    if 0 in labels and len(labels) > 1:
        raise DataError(f"{name!r} is labelled both normal (A) and anomalous; correct the name")
    return labels


def ucf_labels(name: str) -> tuple[int, ...]:
    """Class of a UCF-Crime video, from the letters its file name begins with: `Abuse/Abuse028_x264.mp4` -> (1,).

    Raises:
        DataError: the name begins with no class.
    """
    found = re.match(r"[A-Za-z]*", video_name(name))
    return (_ucf_class(found[0] if found else "", name),)


def read_xd(path: Path) -> list[AnnotatedVideo]:
    """Read `annotations.txt` (name, then start and end of each event) or `annotations_multiclasses.txt` (name, then
    class code, start and end of each event) of XD-Violence. Normal videos are in neither. The frame ground truth of
    the protocol comes from the first: the two differ by some frames in five videos.

    Raises:
        DataError: unreadable, or a line that is not like that; names the file and the line.
    """
    return _read(path, _xd_line)


def read_ucf(path: Path) -> list[AnnotatedVideo]:
    """Read `Temporal_Anomaly_Annotation.txt` of UCF-Crime: name, class, start, end, start, end; -1 = absent.

    Raises:
        DataError: unreadable, or a line that is not like that; names the file and the line.
    """
    return _read(path, _ucf_line)


def ground_truth(
    protocol: Sequence[str],
    annotations: Sequence[AnnotatedVideo],
    *,
    n_snippets: Mapping[str, int],
    labels_of: Callable[[str], tuple[int, ...]],
) -> GroundTruth:
    """Lay the annotations over the features that are there (C.9).

    Args:
        protocol: the test list, in the order in which the videos are joined.
        annotations: what `read_xd` or `read_ucf` returned; a normal video needs none.
        n_snippets: rows of the features by `video_name`; videos outside the protocol are ignored.
        labels_of: `xd_labels` or `ucf_labels`; finds anomalous videos that lost their annotation.

    Raises:
        DataError: a video that is listed twice, is annotated against its label, or whose features end more than
            48 frames before its annotation does.
    """
    names = [video_name(entry) for entry in protocol]
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"the list names {name!r} {count} times; keep one line")
    events_of = {video.name: video.events for video in annotations}
    for name in names:
        _check_label(name, events_of.get(name, ()), labels_of(name))
    present = [name for name in names if name in n_snippets]
    annotated = tuple(events_of.get(name, ()) for name in present)
    events = tuple(_cut(name, found, n_snippets[name]) for name, found in zip(present, annotated, strict=True))
    lengths = tuple(n_snippets[name] for name in present)
    curves = [_curve(*video) for video in zip(events, lengths, strict=True)]
    frames, abnormal = np.concatenate([np.zeros(0, np.uint8), *curves]), tuple(map(bool, annotated))
    missing = tuple(name for name in names if name not in n_snippets)
    unlisted = tuple(sorted(events_of.keys() - set(names)))
    return GroundTruth(tuple(present), lengths, frames, annotated, events, abnormal, missing, unlisted)


def class_segments(truth: GroundTruth) -> list[list[tuple[int, int, int]]]:
    """(class_idx, start_frame, end_frame) of each video for `detection_map`, as annotated: the literature's are not cut
    at the last whole snippet. A normal video is one segment of class 0 over its whole snippets (C.9).

    Raises:
        DataError: the annotations do not tell the classes.
    """
    segments: list[list[tuple[int, int, int]]] = []
    for name, n, events, abnormal in zip(truth.names, truth.n_snippets, truth.annotated, truth.abnormal, strict=True):
        known = [(e.class_idx, e.start, e.end) for e in events if e.class_idx is not None]
        if len(known) < len(events):
            raise DataError(f"the annotation of {name!r} tells no class; read annotations_multiclasses.txt instead")
        segments.append(known if abnormal else [(0, 0, n * SNIPPET_FRAMES)])
    return segments


def _xd_class(code: str, where: str) -> int:
    if code not in XD_CODES:
        known = ", ".join(f"{c} {name}" for c, name in zip(XD_CODES, XD_CLASSES, strict=True))
        raise DataError(f"{code!r} in {where!r} is no XD-Violence class; known are {known}")
    return XD_CODES.index(code)


def _ucf_class(word: str, where: str) -> int:
    if word.lower() not in UCF_CLASSES:
        raise DataError(f"{word!r} in {where!r} is no UCF-Crime class; known are {', '.join(UCF_CLASSES)}")
    return UCF_CLASSES.index(word.lower())


def _read(path: Path, parse: Callable[[list[str]], tuple[Event, ...]]) -> list[AnnotatedVideo]:
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the annotations {path}: {error}; give the data set's own text file") from error
    videos: dict[str, AnnotatedVideo] = {}
    for number, line in enumerate(lines, start=1):
        name, *fields = line.split() or [""]
        if not name:
            continue
        name = video_name(name)
        if name in videos:
            raise DataError(f"{path}, line {number}: {name!r} is annotated twice; keep one line")
        try:
            videos[name] = AnnotatedVideo(name, parse(fields))
        except (ValueError, DataError) as error:
            raise DataError(f"{path}, line {number} ({name!r}): {error}; correct the line") from error
    return list(videos.values())


def _xd_line(fields: list[str]) -> tuple[Event, ...]:
    if fields and fields[0].isascii() and fields[0].isdigit():
        return tuple(_event(None, start, end) for start, end in _groups(fields, 2))
    return tuple(_event(_xd_class(code, " ".join(fields)), start, end) for code, start, end in _groups(fields, 3))


def _ucf_line(fields: list[str]) -> tuple[Event, ...]:
    word, *bounds = fields or [""]
    class_idx = _ucf_class(word, " ".join(fields))
    present = [(start, end) for start, end in _groups(bounds, 2) if (start, end) != ("-1", "-1")]
    if bool(present) != bool(class_idx):
        raise ValueError(f"class {word} has {len(present)} events; only normal videos have none")
    return tuple(_event(class_idx, start, end) for start, end in present)


def _groups(fields: list[str], size: int) -> Iterable[tuple[str, ...]]:
    if not fields or len(fields) % size:
        raise ValueError(f"{len(fields)} fields after the name; events take {size} each")
    return zip(*[iter(fields)] * size, strict=True)


def _event(class_idx: int | None, start: str, end: str) -> Event:
    first, last = whole(start, "the first frame of an event"), whole(end, "its end")
    if first >= last:
        raise ValueError(f"an event from frame {start} to {end}; the end must come after the start")
    return Event(class_idx, first, last)


def _check_label(name: str, events: tuple[Event, ...], labels: tuple[int, ...]) -> None:
    if labels == (0,) and events:
        raise DataError(f"{name!r} is normal by its name but annotated; do list and annotations belong together?")
    if labels != (0,) and not events:
        raise DataError(f"{name!r} is anomalous by its name but not annotated; is the annotation file complete?")


def _cut(name: str, events: tuple[Event, ...], n_snippets: int) -> tuple[Event, ...]:
    n_frames = n_snippets * SNIPPET_FRAMES
    last = max((event.end for event in events), default=0)
    if n_snippets < 1 or last > n_frames + SLACK_FRAMES:
        raise DataError(
            f"{name!r}: features of {n_snippets} snippets ({n_frames} frames), annotated up to frame {last}; "
            "were the features cut short, or made at another frame rate than the file's own?"
        )
    return tuple(event._replace(end=min(event.end, n_frames)) for event in events if event.start < n_frames)


def _curve(events: tuple[Event, ...], n_snippets: int) -> np.ndarray:
    frames = np.zeros(n_snippets * SNIPPET_FRAMES, np.uint8)
    for event in events:
        frames[event.start : event.end] = 1
    return frames
