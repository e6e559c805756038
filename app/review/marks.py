"""What a person's decision means: pure functions over flagged segments and the log of one reviewer's changes.

The log is append-only. A change says what became of the marks it touched, by id; None stands for "no such mark", so
that undoing a first decision gives the segment back to the model. The present is a fold over the log, and so is undo.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from cmhkf.analysis import Analysis, Curve
from cmhkf.datasets.labels import State
from cmhkf.errors import CmhkfError
from cmhkf.segments import ClassRun, Segment, class_runs, segment_between

Decided = Literal["confirm", "dismiss", "reopen", "relabel", "edges", "split", "merge", "add", "remove", "note"]
Action = Decided | Literal["import", "undo", "redo", "watch", "unwatch"]
MOST_MARKS = 5000  # of one reviewer on one clip
MOST_CHANGES = 100_000  # in one reviewer's log of a clip
MOST_REVIEWERS = 100  # of one clip
RIVALS = 32  # overlapping marks that are weighed against each other
COVERED = 0.5  # share of the shorter of two intervals that must overlap for both to be the same event
REST_S = 1.0  # flagged time beside a decided mark that is shorter is the mark's edge, and no event of its own
NORMAL = "normal"  # what every list of classes calls the one that is no anomaly
KAPPA_FROM = 10  # decided by both; with fewer the 95 % interval of a fair kappa is wider than 0.5 either way


class ReviewError(CmhkfError):
    """A decision that cannot be taken: it names what stands in the way, or came after a newer one."""


@dataclass(frozen=True)
class Mark:
    """A segment as one reviewer sees it: `[start_s, end_s)`, flagged by the model or added by hand."""

    id: str  # unique within the clip; stays with the segment through every change but a split or a merge
    start_s: float
    end_s: float
    state: State = "open"
    label: str = ""  # what the person calls it; at first the model's word
    note: str = ""
    model_label: str = ""  # the model's word; empty for a segment added by hand, as are the next two
    model_score: float | None = None
    peak_s: float | None = None
    reviewer: str = ""  # empty while nobody has decided anything
    revision: int = 0  # of the reviewer's latest change to it on this clip; 0: none
    decided: str = ""  # when that was: ISO 8601, UTC
    model_start_s: float | None = None
    # What the model had flagged when a person decided; None for one added by hand. The mark stands for all of it.
    model_end_s: float | None = None
    named: bool = False  # whether a person chose the label, which may be the model's word all the same

    @property
    def by_hand(self) -> bool:
        """Whether a person added it."""
        return not self.model_label

    @property
    def is_named(self) -> bool:
        """Whether its label is a person's: chosen, or another than the model's word."""
        return self.named or self.label != self.model_label


Patch = Mapping[str, Mark | None]  # what becomes of marks, by id; None: there is no such mark


@dataclass(frozen=True)
class Change:
    """One row of the log: what one reviewer did to one clip."""

    reviewer: str
    revision: int  # 1, 2, 3... per clip and reviewer.
    decided: str  # ISO 8601, UTC
    action: Action
    before: Patch
    after: Patch  # the same ids as `before`
    request: str = ""  # the caller's own name for it: the same request twice is one change, on however many clips
    number: int = field(default=0, compare=False)  # rises with every change of anybody to any clip


# The log ------------------------------------------------------------------------------------------------------------


def fold(changes: Iterable[Change]) -> dict[str, Mark]:
    """The marks of one reviewer after all changes, by id, in order of time."""
    marks: dict[str, Mark] = {}
    for change in changes:
        for key, mark in change.after.items():
            if mark is None:
                marks.pop(key, None)
            else:
                stamp = {"reviewer": change.reviewer, "revision": change.revision, "decided": change.decided}
                marks[key] = replace(settled(mark), **stamp)
    return {mark.id: mark for mark in sorted(marks.values(), key=in_time)}


def settled(mark: Mark) -> Mark:
    """The mark, dismissed if it is called normal: nothing can be confirmed and normal at once."""
    if mark.label != NORMAL:
        return mark
    return replace(mark, state="dismissed", label=mark.model_label or mark.label)


def undoable(changes: Sequence[Change]) -> tuple[Change | None, Change | None]:
    """The change that undo takes back next, and the one that redo brings back; None: there is none.

    A decision that repeated what was so already changed nothing: it is in the log, and undo passes it by. Each has the
    number of the change that did it last, or took it back.
    """
    done: list[Change] = []
    undone: list[Change] = []
    for change in changes:
        if change.action == "undo":
            undone.append(replace(done.pop(), number=change.number))
        elif change.action == "redo":
            done.append(replace(undone.pop(), number=change.number))
        elif change.before != change.after:
            done.append(change)
            undone.clear()
    return (done[-1] if done else None), (undone[-1] if undone else None)


def is_watched(changes: Sequence[Change]) -> bool:
    """Whether the reviewer says that all of a clip was watched and nothing is there."""
    said = next((c.action for c in reversed(changes) if c.action in ("watch", "unwatch")), "")
    return said == "watch"


def check_room(logs: Mapping[str, Sequence[Change]], reviewer: str) -> None:
    """Raise ReviewError when a clip's logs, the new change included, are larger than anybody's review."""
    log = logs[reviewer]
    if len(logs) > MOST_REVIEWERS and len(log) == 1:
        raise ReviewError(f"{MOST_REVIEWERS} people have reviewed this clip already; take one of their names")
    if len(log) > MOST_CHANGES:
        raise ReviewError(f"{reviewer} has changed this clip {MOST_CHANGES:,} times; go on under another name")
    if (n := len(fold(log))) > MOST_MARKS:
        raise ReviewError(f"{n:,} segments would be {reviewer}'s on this clip; {MOST_MARKS:,} are kept at most")


def touched(marks: Mapping[str, Mark], after: Patch) -> dict[str, Mark | None]:
    """What a patch would overwrite, for the log: the marks as stored, without who and when."""
    return {key: bare(marks[key]) if key in marks else None for key in after}


def bare(mark: Mark) -> Mark:
    """A mark as it is stored: who changed it and when stands in the row."""
    return replace(mark, reviewer="", revision=0, decided="")


# What a reviewer sees ------------------------------------------------------------------------------------------------


def materialise(segment: Segment) -> Mark:
    """A flagged segment as a mark that nobody has decided. Its id hangs on the peak, which no threshold moves."""
    key, start_s, end_s = f"p{round(segment.peak_s * 1000)}", round(segment.start_s, 3), round(segment.end_s, 3)
    mark = Mark(key, start_s, end_s, label=segment.label, model_label=segment.label, model_score=segment.score)
    return replace(mark, peak_s=segment.peak_s, model_start_s=start_s, model_end_s=end_s)


def runs_of(mark: Mark, analysis: Analysis | Curve) -> tuple[ClassRun, ...]:
    """A mark's classes over time, where they change; none where a person gave it a class: that holds of all of it."""
    return () if mark.is_named else class_runs(analysis, mark.start_s, mark.end_s, mark.label)


def name_of(mark: Mark, analysis: Analysis | Curve) -> str:
    """Its class in words; whether the model's own name is unclear is told until a person has decided."""
    if mark.revision or mark.label != mark.model_label or not analysis.least_share:
        return mark.label
    return replace(segment_between(analysis, mark.start_s, mark.end_s), label=mark.label).name


def in_time(mark: Mark) -> tuple[float, float, str]:
    """What lists are sorted by."""
    return mark.start_s, mark.end_s, mark.id


Between = Callable[[float, float], Segment]  # describes the part of a clip from one second to another as a segment


def uncovered(marks: Mapping[str, Mark], segments: Iterable[Segment], between: Between) -> list[Mark]:
    """The flagged time that no mark stands for: segments of which nothing was decided, and the rests of others.

    A mark stands for where it lies and for what the model had flagged when it was decided.
    """
    spent = sorted(interval for mark in marks.values() for interval in _spent(mark))
    found = list[Mark]()
    for segment in segments:
        whole = (segment.start_s, segment.end_s)
        found += [materialise(segment if rest == whole else between(*rest)) for rest in _rests(*whole, spent)]
    return [mark for mark in found if mark.id not in marks]


def uncovered_misses(marks: Mapping[str, Mark], misses: Sequence[Segment], between: Between) -> list[Mark]:
    """Near misses that no mark stands for; of a rest only the one with the peak, which is what came near."""
    peaks = {materialise(miss).id for miss in misses}
    return [mark for mark in uncovered(marks, misses, between) if mark.id in peaks]


def _spent(mark: Mark) -> list[tuple[float, float]]:
    spent = [(mark.start_s, mark.end_s)]
    if mark.model_start_s is not None and mark.model_end_s is not None:
        spent.append((mark.model_start_s, mark.model_end_s))
    return spent


def _rests(start_s: float, end_s: float, spent: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """What is left of an interval without others, in order of their start."""
    rests, reached = list[tuple[float, float]](), start_s
    for begin, end in spent:
        if end <= reached or begin >= end_s:
            continue
        if begin - reached >= REST_S:
            rests.append((reached, begin))
        reached = end
    if reached == start_s or end_s - reached >= REST_S:
        rests.append((reached, end_s))
    return rests


def merged(marks: Mapping[str, Mark], segments: Iterable[Segment], between: Between) -> list[Mark]:
    """The review list: a reviewer's marks and the segments not decided yet, in order of time."""
    return sorted([*marks.values(), *uncovered(marks, segments, between)], key=in_time)


def n_open(marks: Iterable[Mark]) -> int:
    """How many are left to review."""
    return sum(mark.state == "open" for mark in marks)


@dataclass(frozen=True)
class Agreement:
    """How two reviewers decided the segments that both decided: confirmed or dismissed, by the first and the second."""

    both_confirmed: int
    both_dismissed: int
    only_first_confirmed: int
    only_second_confirmed: int
    kappa: float | None  # Cohen's kappa, -1..1; None where it is undefined
    reason: str = ""  # why it is

    @property
    def n(self) -> int:
        """Segments decided by both."""
        return self.both_confirmed + self.both_dismissed + self.only_first_confirmed + self.only_second_confirmed


def agreement(marks_a: Iterable[Mark], marks_b: Iterable[Mark]) -> Agreement:
    """Compare two reviewers over the segments both decided, paired by overlap, each with one other at most."""
    pairs = paired([m for m in marks_a if m.state != "open"], [m for m in marks_b if m.state != "open"])
    states = [(a.state, b.state) for a, b in pairs]
    yes, no = "confirmed", "dismissed"
    counts = [states.count(both) for both in ((yes, yes), (no, no), (yes, no), (no, yes))]
    if not states:
        return Agreement(*counts, kappa=None, reason="no segment was decided by both")
    if len(states) < KAPPA_FROM:
        few = f"too few: {len(states)} decided by both, and a kappa is worth reading from {KAPPA_FROM}"
        return Agreement(*counts, kappa=None, reason=few)
    if len({state for pair in states for state in pair}) == 1:
        return Agreement(*counts, kappa=None, reason=f"both only {states[0][0]}, so chance alone would agree")
    # It takes a second to import, and few clips have two reviewers.
    from sklearn.metrics import cohen_kappa_score  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    return Agreement(*counts, kappa=float(cohen_kappa_score(*zip(*states, strict=True))))


def paired(marks_a: list[Mark], marks_b: list[Mark]) -> list[tuple[Mark, Mark]]:
    """Marks of two reviewers that stand for the same event; each is in one pair at most.

    Greedy: the longest overlaps first. Of one mark its RIVALS longest are looked at."""
    others = sorted(marks_b, key=in_time)
    starts, ends = (np.array([getattr(mark, edge) for mark in others], float) for edge in ("start_s", "end_s"))
    reached = np.maximum.accumulate(ends)  # before the first that reaches past a mark's start, none overlaps it
    candidates = list[tuple[float, int, int]]()
    for i, mark in enumerate(marks_a):
        first, last = np.searchsorted(reached, mark.start_s, "right"), np.searchsorted(starts, mark.end_s)
        overlaps = np.minimum(ends[first:last], mark.end_s) - np.maximum(starts[first:last], mark.start_s)
        shorter = np.minimum(ends[first:last] - starts[first:last], mark.end_s - mark.start_s)
        alike = np.flatnonzero((overlaps >= COVERED * shorter) & (shorter > 0))
        longest = alike[np.argsort(-overlaps[alike], kind="stable")[:RIVALS]]
        candidates += [(-float(overlaps[j]), i, int(first + j)) for j in longest]
    pairs, taken_a, taken_b = list[tuple[Mark, Mark]](), set[int](), set[int]()
    for _, i, j in sorted(candidates):
        if i not in taken_a and j not in taken_b:
            pairs.append((marks_a[i], others[j]))
            taken_a.add(i)
            taken_b.add(j)
    return pairs
