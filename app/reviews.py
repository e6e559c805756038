"""What other parts ask about reviews: marks to export, how reviewers agree, marks of a file to take in, progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.decision_store import Decisions, Progress, now_iso
from app.desk import Desk
from app.review import Change, Mark, agreement, bare, fold, merged, n_open, touched
from cmhkf import Segment


@dataclass(frozen=True)
class Cut:
    """How segments are cut, and by whose decisions."""

    threshold: float
    min_length_s: float = 0.0
    merge_gap_s: float = 1.0
    reviewer: str = ""
    """Empty: whoever decided last."""


class Reviews:
    """The reviews of the clips of a desk."""

    def __init__(self, desk: Desk, decisions: Decisions) -> None:
        self._desk, self._decisions = desk, decisions

    def marks_of(self, analysis_id: str, cut: Cut) -> list[Mark]:
        """One reviewer's list at a threshold, decided or not. Raises NotFoundError, ConfigError."""
        found = self._desk.segments(
            analysis_id, cut.threshold, min_length_s=cut.min_length_s, merge_gap_s=cut.merge_gap_s
        )
        logs = self._decisions.changes(self._clip(analysis_id))
        marks = fold(logs.get(self._reviewer(analysis_id, cut), ()))
        return merged(marks, [Segment(**s) for s in found["segments"]])

    def agreement(self, analysis_id: str, cut: Cut) -> list[str]:
        """For people: how the other reviewers' decisions compare with that one's, a sentence each."""
        logs = self._decisions.changes(self._clip(analysis_id))
        name = self._reviewer(analysis_id, cut)
        mine = fold(logs.get(name, ()))
        said = []
        for other, log in logs.items():
            if other == name or not (theirs := fold(log)):
                continue
            a = agreement(mine.values(), theirs.values())
            kappa = f"Cohen's kappa {a.kappa:.2f}" if a.kappa is not None else f"no kappa ({a.reason})"
            same = a.both_confirmed + a.both_dismissed
            said.append(f"{name} and {other}: {kappa}; {same} of {a.n} decided alike")
        return said

    def take(self, sha256: str, reviewer: str, marks: Sequence[Mark]) -> int:
        """Make marks the reviewer's, as one change that undo takes back; returns how many were new or different."""
        log = self._decisions.changes(sha256).get(reviewer, [])
        before = fold(log)
        after = {mark.id: bare(mark) for mark in marks if mark.id not in before or bare(before[mark.id]) != bare(mark)}
        if not after:
            return 0
        change = Change(
            reviewer, len(log) + 1, now_iso(), "import", touched(before, after), after, f"import {len(log) + 1}"
        )
        left = n_open(now := fold([*log, change]).values())
        self._decisions.append(sha256, change, n_decided=len(now) - left, n_left=left)
        return len(after)

    def progress_of(self, sha256: str, analysis_id: str | None = None) -> Progress | None:
        """How far a clip's review is; None when nobody decided anything."""
        return self._decisions.progress_of(sha256, analysis_id)

    def forget(self, sha256: str) -> None:
        """Delete every decision on a clip."""
        self._decisions.forget(sha256)

    def _clip(self, analysis_id: str) -> str:
        return self._desk.analysis(analysis_id).clip.sha256

    def _reviewer(self, analysis_id: str, cut: Cut) -> str:
        last = None if cut.reviewer else self._decisions.progress_of(self._clip(analysis_id))
        return last.reviewer if last else cut.reviewer
