"""Training samples from what people decided (`labels.py`), for adapting a model that is trained already.

A sample is a window of a video as the model sees it at test (C.3), so every row keeps its context. Of its snippets
those of confirmed segments are known to be anomalous, those of dismissed ones not to be; of the others nothing is
known. Its weak label is the classes of its confirmed segments; normal, where all that was flagged in it was dismissed.
A window in which nothing was confirmed and something is still open has no such label, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from cmhkf.datasets.labels import LabelledSegment, LabelledVideo, Labels
from cmhkf.errors import DataError
from cmhkf.features.folders import FeatureFolder, Rows
from cmhkf.model.build import Model
from cmhkf.model.run import predict
from cmhkf.timeline import Timeline
from cmhkf.training.batches import Sample


@dataclass(frozen=True, eq=False)
class Window:
    """A window of a video in which segments were decided."""

    place: slice  # its snippets in the video
    rows: Rows  # of these; `name` is the video's
    # Class (0: dismissed) and snippets, counted from the window's first, of each segment or the part of it inside
    decided: tuple[tuple[int, slice], ...]
    undecided: bool  # whether a segment inside is still open

    @property
    def labels(self) -> tuple[int, ...]:
        """Its weak label; empty: not known."""
        anomalous = tuple(sorted({class_idx for class_idx, _ in self.decided if class_idx}))
        return anomalous or (() if self.undecided else (0,))

    @property
    def targets(self) -> np.ndarray:
        """float32 [n]: 1 anomalous, 0 not, NaN unknown; where segments overlap, the confirmed one counts."""
        known = np.full(self.place.stop - self.place.start, np.nan, np.float32)
        for class_idx, place in sorted(self.decided, key=lambda segment: segment[0]):
            known[place] = float(class_idx > 0)
        return known


@dataclass(frozen=True)
class FeedbackSamples:
    """Windows with labels, in memory: each epoch and each fold of a check reads them again."""

    windows: tuple[Window, ...]

    @property
    def labels(self) -> Sequence[tuple[int, ...]]:
        """Of each window."""
        return [window.labels for window in self.windows]

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, i: int) -> Sample:
        window = self.windows[i]
        rows = window.rows
        return Sample(rows.name, rows.video, rows.semantic, rows.audio, window.labels, window.targets)

    @property
    def videos(self) -> list[str]:
        """In order."""
        return list(dict.fromkeys(window.rows.name for window in self.windows))

    def of(self, videos: set[str]) -> FeedbackSamples:
        """Those of some videos."""
        return FeedbackSamples(tuple(window for window in self.windows if window.rows.name in videos))


def feedback_samples(
    folder: FeatureFolder, labels: Labels, classes: tuple[str, ...]
) -> tuple[FeedbackSamples, tuple[str, ...]]:
    """What can be trained on, and the windows with decisions that cannot, since their label is not known.

    Raises DataError: a segment was confirmed as a class that is none of `classes`, or there is nothing to train on.
    """
    windows = [window for video in labels.videos for window in _windows(video, folder, classes)]
    known = tuple(window for window in windows if window.labels)
    if not known:
        raise DataError(
            f"the labels of {len(labels.videos)} videos hold nothing to train on: of {len(windows)} windows with "
            "decisions, all have open segments and none confirmed; decide more segments and export again"
        )
    names = {video.sha256: video.name for video in labels.videos}
    unknown = tuple(
        f"{names[w.rows.name]}, snippets {w.place.start} to {w.place.stop - 1}" for w in windows if not w.labels
    )
    return FeedbackSamples(known), unknown


def segment_peaks(model: Model, text: Tensor, samples: FeedbackSamples) -> Iterator[tuple[int, float]]:
    """Class (0: dismissed) and highest score of every decided segment; model and texts [C, D_s] on one device."""
    for window in samples.windows:
        scores = predict(model, text, window.rows).scores
        yield from ((class_idx, float(scores[place].max())) for class_idx, place in window.decided)


def snippets_of(segment: LabelledSegment, line: Timeline) -> slice:
    """The snippets whose middle lies in a segment; at least one."""
    middles = line.middles_s
    first, last = (int(np.searchsorted(middles, edge)) for edge in (segment.start_s, segment.end_s))
    if first < last:
        return slice(first, last)
    first = line.snippet_at((segment.start_s + segment.end_s) / 2)
    return slice(first, first + 1)


def _windows(video: LabelledVideo, folder: FeatureFolder, classes: tuple[str, ...]) -> Iterator[Window]:
    """The windows that hold a decided segment."""
    line, rows = folder.timeline(video.sha256), None
    segments = [(segment, snippets_of(segment, line)) for segment in video.segments]
    for window in line.windows():
        inside = [
            (segment, slice(max(place.start, window.start) - window.start, min(place.stop, window.stop) - window.start))
            for segment, place in segments
            if place.start < window.stop and window.start < place.stop
        ]
        decided = tuple((_class_of(s, video, classes), place) for s, place in inside if s.state != "open")
        if decided:
            rows = rows or folder.load(video.sha256)
            yield Window(window, rows.part(window), decided, len(decided) < len(inside))


def _class_of(segment: LabelledSegment, video: LabelledVideo, classes: tuple[str, ...]) -> int:
    if segment.state == "dismissed":
        return 0
    if segment.label not in classes:
        raise DataError(
            f"{video.name!r} has a segment at {segment.start_s:.1f} s that was confirmed as {segment.label!r}, which "
            f"the model does not know; it knows {', '.join(classes)}. Give it one of these labels and export again"
        )
    return classes.index(segment.label)
