"""Score curve to flagged segments: enter and exit thresholds, gaps merged, short ones dropped, near misses apart."""

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from cmhkf.analysis import Analysis, Curve
from cmhkf.errors import ConfigError
from cmhkf.timeline import Timeline

EXIT_MARGIN = 0.1  # a segment goes on until the score falls this far below the threshold that opened it
MERGE_GAP_S = 1.0  # segments closer than this are one, unless asked otherwise
NEAR_MISS_MARGIN = 0.15  # curves that peak this close under the threshold are near misses
RUN_S, RUN_SNIPPETS = 2.0, 2  # a class that is the strongest for less, in a row, is noise
RUN_SHARE = 0.5  # of the anomaly classes that such a class has, where no `least_share` was measured


@dataclass(frozen=True)
class ClassRun:
    """A stretch `[start_s, end_s)` of a segment and the class that is the strongest in it."""

    label: str
    start_s: float
    end_s: float

    def __str__(self) -> str:
        return f"{self.label} {self.start_s:.1f} to {self.end_s:.1f} s"


@dataclass(frozen=True)
class Segment:
    """A flagged interval `[start_s, end_s)`."""

    start_s: float
    end_s: float
    peak_s: float
    """Middle of the snippet with the highest score."""
    score: float
    """The highest score inside."""
    label: str
    """The anomaly class with the highest mean probability inside; never the normal class."""
    label_prob: float
    """That class's share among the anomaly classes, mean over the segment."""
    near_miss: bool = False
    """True: the curve came close to the threshold and did not reach it."""
    second: str = ""
    """The next class, where the name is unclear: `label_prob` is below the analysis' `least_share`. Else empty."""
    class_runs: tuple[ClassRun, ...] = ()
    """Its classes over time, where one that is not `label` lasts (`class_runs` below). Else empty."""

    @property
    def name(self) -> str:
        """The class in words for people: "fighting", or "unclear: fighting or riot"."""
        return f"unclear: {self.label} or {self.second}" if self.second else self.label


def flag_segments(
    analysis: Analysis | Curve,
    threshold: float = 0.5,
    *,
    min_length_s: float = 0.0,
    merge_gap_s: float = MERGE_GAP_S,
    near_misses: bool = False,
) -> list[Segment]:
    """Flag where `analysis.scores` reaches `threshold`, in order of time.

    A segment opens at a score >= threshold and closes when the score falls below threshold - 0.1 (half the threshold
    where that is higher). Segments closer than `merge_gap_s` are joined, then those under `min_length_s` dropped.
    With `near_misses`, intervals that peak within 0.15 under the threshold, and those dropped for their length, are
    returned too, marked.

    Raises:
        ConfigError: a value out of range.
    """
    for name, value, top in (
        ("threshold", threshold, 1.0),
        ("min_length_s", min_length_s, float("inf")),
        ("merge_gap_s", merge_gap_s, float("inf")),
    ):
        if not 0 <= value <= top:
            raise ConfigError(f"{name} is {value!r}; it must lie between 0 and {top:g}")
    flagged = [
        segment
        for segment in _intervals(analysis, threshold, merge_gap_s)
        if segment.end_s - segment.start_s >= min_length_s
    ]
    if not near_misses:
        return flagged
    lower = max(threshold - NEAR_MISS_MARGIN, 1e-6)
    ends_s = [segment.end_s for segment in flagged]

    def is_flagged(miss: Segment) -> bool:
        after = flagged[bisect_right(ends_s, miss.start_s) :][:1]  # the first that ends after it begins
        return bool(after) and after[0].start_s < miss.end_s

    misses = [replace(s, near_miss=True) for s in _intervals(analysis, lower, merge_gap_s) if not is_flagged(s)]
    return sorted(flagged + misses, key=lambda s: s.start_s)


def _intervals(analysis: Analysis | Curve, threshold: float, merge_gap_s: float) -> list[Segment]:
    line = analysis.timeline
    found = cut(analysis.scores, line.times_s, line.ends_s, threshold=threshold, merge_gap_s=merge_gap_s)
    return [_segment(analysis, a, b) for a, b in found]


def cut(
    scores: np.ndarray,
    starts_s: np.ndarray,
    ends_s: np.ndarray,
    *,
    threshold: float,
    merge_gap_s: float = MERGE_GAP_S,
) -> list[tuple[int, int]]:
    """Half-open index pairs of the snippets of each flagged interval, of scores, starts and ends in seconds, [N]."""
    leave = max(threshold - EXIT_MARGIN, threshold / 2)
    # A snippet is inside when its stretch above `leave` holds one that reaches `threshold`.
    found = [(a, b) for a, b in runs(scores >= leave) if scores[a:b].max() >= threshold]
    merged: list[tuple[int, int]] = []
    for a, b in found:
        if merged and starts_s[a] - ends_s[merged[-1][1] - 1] < merge_gap_s:
            merged[-1] = (merged[-1][0], b)
        else:
            merged.append((a, b))
    return merged


def runs(inside: np.ndarray) -> list[tuple[int, int]]:
    """Half-open index pairs of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], inside.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _segment(analysis: Analysis | Curve, a: int, b: int, span_s: tuple[float, float] | None = None) -> Segment:
    """What snippets [a, b) say of themselves, or of the part `span_s` of the clip."""
    scores, line = analysis.scores, analysis.timeline
    start_s, end_s = span_s or (float(line.times_s[a]), _end_s(line, b))
    peak = a + int(scores[a:b].argmax())
    peak_s = min(max(float(line.middles_s[peak]), start_s), end_s)
    label, share = strongest_class(analysis, a, b)
    second = second_class(analysis, a, b) if share < analysis.least_share else ""
    runs = class_runs(analysis, start_s, end_s, label)
    return Segment(start_s, end_s, peak_s, float(scores[peak]), label, share, second=second, class_runs=runs)


def _end_s(line: Timeline, b: int) -> float:
    """Where snippets [a, b) end. The clip's last stands for the frames after it too (C.1 drops fewer than 16)."""
    return line.duration_s if b == line.n_snippets else float(line.ends_s[b - 1])


def segment_between(analysis: Analysis | Curve, start_s: float, end_s: float) -> Segment:
    """A part `[start_s, end_s)` of a flagged interval, described by the snippets whose middle lies in it."""
    return _segment(analysis, *_snippets(analysis.timeline, start_s, end_s), (start_s, end_s))


def _snippets(line: Timeline, start_s: float, end_s: float) -> tuple[int, int]:
    """The half-open index pair of the snippets whose middle lies in `[start_s, end_s)`; the one there if none has."""
    a, b = np.searchsorted(line.middles_s, (start_s, end_s)).tolist()
    return (a, b) if a < b else (line.snippet_at(start_s), line.snippet_at(start_s) + 1)


def strongest_class(analysis: Analysis | Curve, a: int, b: int) -> tuple[str, float]:
    """The anomaly class with the highest mean probability in snippets [a, b), and its share among those classes."""
    anomaly = analysis.class_probs[a:b, 1:].mean(axis=0)
    label_idx = int(anomaly.argmax())
    return analysis.classes[1 + label_idx], float(anomaly[label_idx] / max(anomaly.sum(), 1e-9))


def second_class(analysis: Analysis | Curve, a: int, b: int) -> str:
    """The anomaly class that comes next in snippets [a, b); empty where there is only one."""
    means = analysis.class_probs[a:b, 1:].mean(axis=0)
    return analysis.classes[1 + int(means.argsort()[-2])] if len(means) > 1 else ""


def class_runs(analysis: Analysis | Curve, start_s: float, end_s: float, label: str) -> tuple[ClassRun, ...]:
    """The anomaly classes that last in `[start_s, end_s)`, in order of time; empty where none but `label` does.

    A class lasts where it is the strongest for at least 2 s and two snippets in a row, and its name is clear there: its
    share reaches the analysis' `least_share`, or a half where none was measured. Runs of one class with no other that
    lasts between them are one.
    """
    line, least_share = analysis.timeline, analysis.least_share or RUN_SHARE
    a, b = _snippets(line, start_s, end_s)
    strongest = analysis.class_probs[a:b, 1:].argmax(axis=1)
    found = list[ClassRun]()
    for first, after in pairwise([a, *(a + 1 + np.flatnonzero(np.diff(strongest))).tolist(), b]):
        begin_s, stop_s = float(line.times_s[first]), _end_s(line, after)
        if after - first < RUN_SNIPPETS or stop_s - begin_s < RUN_S - 1e-6:
            continue
        name, share = strongest_class(analysis, first, after)
        if share < least_share:
            continue
        begin_s = found.pop().start_s if found and found[-1].label == name else max(begin_s, start_s)
        found.append(ClassRun(name, begin_s, min(stop_s, end_s)))
    return tuple(found) if any(run.label != label for run in found) else ()
