"""Ground truth of one clip from an annotation file of any known form: where it is anomalous, in seconds.

Known are XD-Violence's `annotations.txt` and `annotations_multiclasses.txt`, UCF-Crime's
`Temporal_Anomaly_Annotation.txt`, and a CSV with the columns `clip`, `class` and `segments_s` or `segments_frames`:
`start-end` in seconds or in frames of the file, several of them separated by spaces, none for a normal clip. The CSV
of a data set of one's own (`collection.py`) is known too.
"""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from cmhkf.analysis import Analysis
from cmhkf.datasets.annotations import SLACK_FRAMES, XD_CODES, AnnotatedVideo, read_ucf, read_xd, xd_labels
from cmhkf.datasets.classes import UCF_CLASSES, XD_CLASSES
from cmhkf.datasets.collection import COLUMNS, read_own, stem_of
from cmhkf.errors import DataError, MediaError
from cmhkf.features.folders import video_name
from cmhkf.files import read_text
from cmhkf.media.clip import frame_times
from cmhkf.metrics.frames import FrameMetrics, frame_metrics
from cmhkf.numbers import exact, short_text, shown
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES, Timeline, frame_time_s

Truth = tuple[float, float, str]
"""An anomalous interval `[start_s, end_s)` and what it is called."""
Truths = Sequence[Sequence[Truth] | None]
"""Of several clips; None: not known."""

MOST_SEGMENTS = 2000  # of one clip; the data sets have some tens
CLASS_LENGTH = 80  # characters of a class's name
UNNAMED = "anomaly"  # where a file does not say what it is
SLACK_S = float(SLACK_FRAMES / GRID_RATE)
FORMS = (
    "XD-Violence's annotations.txt or annotations_multiclasses.txt, UCF-Crime's Temporal_Anomaly_Annotation.txt, or a "
    "CSV with the columns clip, class and segments_s or segments_frames, or one of a data set, with the columns "
    "video, split, labels, start_s and end_s"
)


def truth_of(path: Path, analysis: Analysis) -> list[Truth]:
    """The anomalous intervals of an analysed clip, as `read_truth` finds them.

    Where frames come at a varying rate, numbers of frames are put into seconds by when each frame is shown, which the
    clip's file says if the analysis does not. Raises DataError.
    """
    clip = analysis.clip

    def times_s() -> np.ndarray:
        held = analysis.timeline.frame_times_s
        try:
            return frame_times(clip) if held is None else held[:-1]
        except MediaError as error:
            raise DataError(
                f"{path.name} counts frames, and those of {clip.name!r} come at a varying rate, so that its file is "
                f"needed: {error} Or give a CSV of segments_s."
            ) from error

    return read_truth(
        path, clip.name, native_rate=clip.native_rate, duration_s=analysis.timeline.duration_s, times_s=times_s
    )


def read_truth(
    path: Path,
    clip_name: str,
    *,
    native_rate: Fraction | None,
    duration_s: float,
    times_s: Callable[[], np.ndarray] | None = None,
) -> list[Truth]:
    """The anomalous intervals of one clip, in order of time and cut at its end; none for a normal clip.

    Args:
        path: an annotation file of any of the known forms.
        clip_name: the clip's file name; folders and suffixes make no difference.
        native_rate: frames per second of the clip, for files that count frames; None where the rate varies.
        duration_s: length of the clip in seconds.
        times_s: gives when each frame is shown, [F]; requested files that count frames where there is no rate.

    Raises:
        DataError: unreadable, of no known form, without this clip, or annotated past the clip's end.
    """
    lines = _lines(path)
    names = {video_name(clip_name), video_name(Path(clip_name).stem)}
    if _columns(lines[0]) >= {"clip", "class"}:
        found = _from_csv(path, lines, names)
    elif _columns(lines[0]) >= set(COLUMNS):
        found = _from_own(path, names | {stem_of(clip_name)})
    else:
        found = _from_annotations(path, lines, names)
    if found is None:
        raise DataError(f"{video_name(clip_name)!r} is not among the clips of {path.name}; is the clip's name right?")
    unit, intervals = found
    if len(intervals) > MOST_SEGMENTS:
        raise DataError(
            f"{path.name} has {len(intervals):,} segments of {clip_name!r}; at most {MOST_SEGMENTS:,} are read"
        )
    rate, shown_s = (native_rate, None) if unit == "frames" else (Fraction(1), None)
    if intervals and not rate:
        if times_s is None:
            raise DataError(
                f"{path.name} counts frames, but {clip_name!r} has no constant frame rate; give a CSV of segments_s"
            )
        shown_s = times_s()
    truth = sorted(
        (frame_time_s(start, rate, shown_s), frame_time_s(end, rate, shown_s), label) for start, end, label in intervals
    )
    last = max((end for _, end, _ in truth), default=0.0)
    if last > duration_s + SLACK_S:
        raise DataError(
            f"{clip_name!r} lasts {duration_s:.1f} s and {path.name} annotates it up to {last:.1f} s; "
            "is it a cut, or a copy at another frame rate than the annotated file's?"
        )
    return [(start, min(end, duration_s), label) for start, end, label in truth if start < duration_s]


def frame_labels(truth: list[Truth], timeline: Timeline) -> np.ndarray:
    """Every grid frame of the clip's whole snippets, uint8 [16 N], 1 where an interval holds the frame's time."""
    labels = np.zeros(timeline.n_snippets * SNIPPET_FRAMES, np.uint8)
    for start_s, end_s, _ in truth:
        first, last = (timeline.frames_from(edge) for edge in (start_s, end_s))
        labels[first:last] = 1
    return labels


def snippets_inside(truth: Iterable[Truth], timeline: Timeline) -> np.ndarray:
    """Which snippets have their middle in an interval, bool [N]."""
    middles = timeline.middles_s
    return np.any([(middles >= start_s) & (middles < end_s) for start_s, end_s, _ in truth] or [middles < 0], axis=0)


def clip_metrics(scores: np.ndarray, truth: list[Truth], timeline: Timeline) -> FrameMetrics:
    """Frame metrics of one clip from its snippets' scores [N].

    Raises:
        ConfigError: no frame is anomalous, or every frame is.
    """
    return frame_metrics(np.repeat(scores, SNIPPET_FRAMES), frame_labels(truth, timeline))


Found = tuple[str, list[tuple[Fraction, Fraction, str]]]


def _lines(path: Path) -> list[str]:
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the annotations {path.name}: {error}; give {FORMS}") from error
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise DataError(f"{path.name} is empty; give {FORMS}")
    return lines


def _columns(line: str) -> set[str]:
    return {word.strip() for word in line.split(",")}


def _from_annotations(path: Path, lines: list[str], names: set[str]) -> Found | None:
    word = [*lines[0].split(), "", ""][1]
    if re.fullmatch("[0-9]+", word) or word in XD_CODES:
        videos, classes = read_xd(path), XD_CLASSES
    elif word.lower() in UCF_CLASSES:
        videos, classes = read_ucf(path), UCF_CLASSES
    else:
        raise DataError(f"{path.name} is no annotation file known here; give {FORMS}")
    video = next((video for video in videos if video.name in names), None)
    if video is None and classes is XD_CLASSES:
        # XD-Violence annotates no normal video; their names say what they are.
        video = next((AnnotatedVideo(name, ()) for name in names if re.search(r"_label_A(?![A-Za-z0-9])", name)), None)
    if video is None:
        return None
    unnamed = _name_in(video.name) if classes is XD_CLASSES else UNNAMED
    return "frames", [
        (Fraction(event.start), Fraction(event.end), unnamed if event.class_idx is None else classes[event.class_idx])
        for event in video.events
    ]


def _name_in(video: str) -> str:
    """The class in an XD-Violence name, when it is the only one."""
    try:
        labels = xd_labels(video)
    except DataError:
        return UNNAMED
    return XD_CLASSES[labels[0]] if len(labels) == 1 else UNNAMED


def _from_csv(path: Path, lines: list[str], names: set[str]) -> Found | None:
    table = csv.DictReader(lines, skipinitialspace=True)
    column = next((name for name in table.fieldnames or () if name.strip() in ("segments_s", "segments_frames")), None)
    if column is None:
        raise DataError(f"{path.name} has the columns {table.fieldnames}; segments_s or segments_frames is missing")
    rows = [(number, row) for number, row in enumerate(table, start=2) if video_name(row["clip"] or "") in names]
    if not rows:
        return None
    return column.strip().removeprefix("segments_"), [
        (*_interval(span, f"{path.name}, line {line}"), _class_name(row["class"] or "", f"{path.name}, line {line}"))
        for line, row in rows
        for span in re.split(r"[\s;]+", (row[column] or "").strip())
        if span
    ]


def _from_own(path: Path, names: set[str]) -> Found | None:
    video = next((video for video in read_own(path).videos if video.name in names), None)
    return None if video is None else ("s", [(span.start, span.end, span.label) for span in video.spans])


def _interval(span: str, where: str) -> tuple[Fraction, Fraction]:
    edges = span.split("-")
    if len(edges) != 2:
        raise DataError(f"{where}: {shown(span)} is no segment; write start-end, such as 12.5-17")
    start, end = (exact(edge, f"{where}: an edge of the segment {shown(span)}") for edge in edges)
    if end <= start:
        raise DataError(f"{where}: the segment {span!r} ends before it starts; correct it")
    return start, end


def _class_name(word: str, where: str) -> str:
    word = short_text(word.strip(), f"{where}: the class", CLASS_LENGTH)
    return XD_CLASSES[XD_CODES.index(word)] if word in XD_CODES else word.lower() or UNNAMED
