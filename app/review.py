"""What a person's decision means: pure functions over flagged segments and the log of one reviewer's changes.

The log is append-only. A change says what became of the marks it touched, by id; None stands for "no such mark", so
that undoing a first decision gives the segment back to the model. The present is a fold over the log, and so is undo.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cmhkf.errors import CmhkfError
from cmhkf.segments import Segment

State = Literal["open", "confirmed", "dismissed"]
Action = Literal[
    "confirm",
    "dismiss",
    "reopen",
    "relabel",
    "edges",
    "split",
    "merge",
    "add",
    "remove",
    "note",
    "import",
    "undo",
    "redo",
]
COVERED = 0.5  # share of the shorter of two intervals that must overlap for both to be the same event


class ReviewError(CmhkfError):
    """A decision that cannot be taken: it names what stands in the way, or came after a newer one."""


@dataclass(frozen=True)
class Mark:
    """A segment as one reviewer sees it: `[start_s, end_s)`, flagged by the model or added by hand."""

    id: str
    """Unique within the clip; stays with the segment through every change but a split or a merge."""
    start_s: float
    end_s: float
    state: State = "open"
    label: str = ""
    """What the person calls it; at first the model's word."""
    note: str = ""
    model_label: str = ""
    """The model's word; empty for a segment added by hand, as are the next two."""
    model_score: float | None = None
    peak_s: float | None = None
    reviewer: str = ""
    """Empty while nobody has decided anything."""
    revision: int = 0
    """Of the reviewer's latest change to it on this clip; 0: none."""
    decided: str = ""
    """When that was: ISO 8601, UTC."""

    @property
    def by_hand(self) -> bool:
        """Whether a person added it."""
        return not self.model_label


Patch = Mapping[str, Mark | None]
"""What becomes of marks, by id; None: there is no such mark."""


@dataclass(frozen=True)
class Change:
    """One row of the log: what one reviewer did to one clip."""

    reviewer: str
    revision: int
    """1, 2, 3... per clip and reviewer."""
    decided: str
    """ISO 8601, UTC."""
    action: Action
    before: Patch
    after: Patch
    """The same ids as `before`."""
    request: str = ""
    """The asker's own name for it: the same request twice is one change."""


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
                marks[key] = replace(mark, **stamp)
    return {mark.id: mark for mark in sorted(marks.values(), key=in_time)}


def undoable(changes: Sequence[Change]) -> tuple[Change | None, Change | None]:
    """The change that undo takes back next, and the one that redo brings back; None: there is none.

    A decision that repeated what was so already changed nothing: it is in the log, and undo passes it by.
    """
    done: list[Change] = []
    undone: list[Change] = []
    for change in changes:
        if change.action == "undo":
            undone.append(done.pop())
        elif change.action == "redo":
            done.append(undone.pop())
        elif change.before != change.after:
            done.append(change)
            undone.clear()
    return (done[-1] if done else None), (undone[-1] if undone else None)


def touched(marks: Mapping[str, Mark], after: Patch) -> dict[str, Mark | None]:
    """What a patch would overwrite, for the log: the marks as stored, without who and when."""
    return {key: bare(marks[key]) if key in marks else None for key in after}


def bare(mark: Mark) -> Mark:
    """A mark as it is stored: who changed it and when stands in the row."""
    return replace(mark, reviewer="", revision=0, decided="")


# What a reviewer sees ------------------------------------------------------------------------------------------------


def materialise(segment: Segment) -> Mark:
    """A flagged segment as a mark that nobody has decided. Its id hangs on the peak, which no threshold moves."""
    return Mark(
        id=f"p{round(segment.peak_s * 1000)}",
        start_s=round(segment.start_s, 3),
        end_s=round(segment.end_s, 3),
        label=segment.label,
        model_label=segment.label,
        model_score=segment.score,
        peak_s=segment.peak_s,
    )


def in_time(mark: Mark) -> tuple[float, float, str]:
    """What lists are sorted by."""
    return mark.start_s, mark.end_s, mark.id


def same_event(one: Mark, other: Mark) -> bool:
    """Whether two intervals overlap by at least half of the shorter."""
    shorter = min(one.end_s - one.start_s, other.end_s - other.start_s)
    return _overlap_s(one, other) >= COVERED * shorter > 0


def uncovered(marks: Mapping[str, Mark], segments: Iterable[Segment]) -> list[Mark]:
    """Segments that no mark stands for: neither their own, wherever its edges went, nor one over the same event."""
    fresh = [materialise(s) for s in segments]
    return [s for s in fresh if s.id not in marks and not any(same_event(m, s) for m in marks.values())]


def merged(marks: Mapping[str, Mark], segments: Iterable[Segment]) -> list[Mark]:
    """The review list: a reviewer's marks and the segments not decided yet, in order of time."""
    return sorted([*marks.values(), *uncovered(marks, segments)], key=in_time)


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
    kappa: float | None
    """Cohen's kappa, -1..1; None where it is undefined."""
    reason: str = ""
    """Why it is."""

    @property
    def n(self) -> int:
        """Segments decided by both."""
        return self.both_confirmed + self.both_dismissed + self.only_first_confirmed + self.only_second_confirmed


def agreement(marks_a: Iterable[Mark], marks_b: Iterable[Mark]) -> Agreement:
    """Compare two reviewers over the segments both decided, paired by overlap, each with one other at most."""
    pairs = _paired([m for m in marks_a if m.state != "open"], [m for m in marks_b if m.state != "open"])
    states = [(a.state, b.state) for a, b in pairs]
    counts = (
        states.count(("confirmed", "confirmed")), states.count(("dismissed", "dismissed")),
        states.count(("confirmed", "dismissed")), states.count(("dismissed", "confirmed")),
    )  # fmt: skip
    if not states:
        return Agreement(*counts, kappa=None, reason="no segment was decided by both")
    if len({state for pair in states for state in pair}) == 1:
        return Agreement(*counts, kappa=None, reason=f"both only {states[0][0]}, so chance alone would agree")
    from sklearn.metrics import cohen_kappa_score  # takes a second to import, and few clips have two reviewers

    return Agreement(*counts, kappa=float(cohen_kappa_score(*zip(*states, strict=True))))


def _paired(marks_a: list[Mark], marks_b: list[Mark]) -> list[tuple[Mark, Mark]]:
    """Greedy: the longest overlaps first."""
    candidates = [(a, b) for a in marks_a for b in marks_b if same_event(a, b)]
    pairs: list[tuple[Mark, Mark]] = []
    for a, b in sorted(candidates, key=lambda pair: -_overlap_s(*pair)):
        if all(a is not x and b is not y for x, y in pairs):
            pairs.append((a, b))
    return pairs


def _overlap_s(one: Mark, other: Mark) -> float:
    return max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))
