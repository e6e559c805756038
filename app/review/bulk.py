"""Decisions on events of many clips at once: one request, one change for each clip, one step to take it back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.clips.workspace import Cut
from app.review.marks import Action, ReviewError
from app.review.reviews import Decision, Reviews, View
from cmhkf import CmhkfError

ALLOWED = ("confirm", "dismiss", "reopen", "relabel", "note", "remove")


@dataclass(frozen=True)
class Outcome:
    """What came of a decision on many events, or of taking one back."""

    action: Action
    changed: tuple[str, ...]  # keys of events
    left_out: tuple[tuple[str, str], ...] = ()  # key of an event, and why
    n_clips: int = 0


class Bulk:
    """Takes such decisions."""

    def __init__(self, reviews: Reviews) -> None:
        self._reviews = reviews

    def decide(self, reviewer: str, cut: Cut, keys: Sequence[str], decision: Decision, request: str) -> Outcome:
        """Carry a decision out on every event that is named by its key; the same request twice is one.

        What cannot be decided is left out and told; the others are. Raises ReviewError for an action that needs a clip.
        """
        if decision.action not in ALLOWED:
            raise ReviewError(f"{decision.action!r} is decided in its clip; here there are {', '.join(ALLOWED)}")
        by_analysis: dict[str, list[str]] = {}
        for key in keys:
            analysis_id, _, segment = key.partition("/")
            by_analysis.setdefault(analysis_id, []).append(segment)
        changed, left_out, n_clips = list[str](), list[tuple[str, str]](), 0
        for analysis_id, segments in by_analysis.items():
            try:
                view = self._reviews.view(analysis_id, cut, reviewer)
                decisions = [replace(decision, segment=segment) for segment in segments]
                view, reasons = self._reviews.decide_many(view, decisions, request)
            except CmhkfError as error:
                reasons = dict.fromkeys(segments, str(error))
            else:
                n_clips += len(reasons) < len(segments)
            changed += [f"{analysis_id}/{segment}" for segment in segments if segment not in reasons]
            left_out += [(f"{analysis_id}/{segment}", reason) for segment, reason in reasons.items()]
        return Outcome(decision.action, tuple(changed), tuple(left_out), n_clips)

    def undo(self, reviewer: str, cut: Cut, request: str) -> Outcome:
        """Take back the last that stands, on all clips that it changed. Raises ReviewError when there is nothing."""
        return _stepped(self._reviews.step(reviewer, "undo", cut, request))

    def redo(self, reviewer: str, cut: Cut, request: str) -> Outcome:
        """Bring back what was taken back last."""
        return _stepped(self._reviews.step(reviewer, "redo", cut, request))


def _stepped(step: tuple[Action, Sequence[View]]) -> Outcome:
    action, views = step
    changed = tuple(f"{view.analysis_id}/{mark}" for view in views for mark in view.changed)
    return Outcome(action, changed, n_clips=len(views))
