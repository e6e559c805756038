"""The reviews of the clips: reads the log, folds it, merges it with what the model flagged, and adds to it."""

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal, get_args

from app.clips.workspace import Cut, Workspace
from app.review.edits import add, annotate, decide, merge, move_edges, relabel, remove, split
from app.review.log import DecisionLog, StaleError, now_iso, stale
from app.review.marks import (
    Action,
    Agreement,
    Change,
    Decided,
    Mark,
    Patch,
    ReviewError,
    State,
    agreement,
    bare,
    check_room,
    fold,
    merged,
    n_open,
    touched,
    uncovered_misses,
    undoable,
)
from app.review.reviewers import Reviewers
from cmhkf import Analysis, Segment
from cmhkf.analysis import Curve
from cmhkf.segments import segment_between, strongest_class

STATES: dict[str, State] = {"confirm": "confirmed", "dismiss": "dismissed", "reopen": "open"}
DECISIONS = get_args(Decided)
TRIES = 3  # of a change that another tab overtakes


@dataclass(frozen=True)
class Decision:
    """What a reviewer decides: an action, the segment it concerns, and what the action needs."""

    action: Decided
    segment: str = ""
    label: str = ""
    note: str = ""
    start_s: float = 0.0
    end_s: float = 0.0
    at_s: float = 0.0


@dataclass(frozen=True)
class View:
    """A clip's review as one reviewer sees it: an analysis of the clip, cut at a threshold, and everybody's log."""

    reviewer: str
    analysis_id: str
    analysis: Analysis | Curve
    cut: Cut
    logs: Mapping[str, Sequence[Change]]
    blind: bool = False  # others' marks are hidden as long as one is open
    changed: tuple[str, ...] = ()  # ids of the marks that the decision touched which led to this view

    @property
    def sha256(self) -> str:
        """The clip."""
        return self.analysis.clip.sha256

    @property
    def log(self) -> Sequence[Change]:
        """The reviewer's own changes."""
        return self.logs.get(self.reviewer, ())

    @cached_property
    def segments(self) -> list[Segment]:
        """What the model flagged, and its near misses."""
        return self.cut.segments(self.analysis)

    @cached_property
    def decided(self) -> dict[str, Mark]:
        """The reviewer's marks, by id."""
        return fold(self.log)

    @cached_property
    def marks(self) -> list[Mark]:
        """The review list: the reviewer's marks, and the segments that were not decided yet."""
        flagged = [segment for segment in self.segments if not segment.near_miss]
        return merged(self.decided, flagged, partial(segment_between, self.analysis))

    @cached_property
    def misses(self) -> list[Mark]:
        """The near misses that were not decided yet."""
        misses = [segment for segment in self.segments if segment.near_miss]
        return uncovered_misses(self.decided, misses, partial(segment_between, self.analysis))

    @cached_property
    def others(self) -> dict[str, tuple[list[Mark], Agreement]]:
        """Other reviewers' marks, and how they agree with these; without those who have none.

        Whoever reads blind sees none of them before all is decided.
        """
        if self.blind and n_open(self.marks):
            return {}
        folded = {name: list(fold(log).values()) for name, log in self.logs.items() if name != self.reviewer}
        return {name: (marks, agreement(self.decided.values(), marks)) for name, marks in folded.items() if marks}

    def find(self, key: str) -> Mark:
        """The mark with that id among those shown. Raises ReviewError."""
        found = next((mark for mark in [*self.marks, *self.misses] if mark.id == key), None)
        if found is None:
            raise ReviewError("that segment is not in the list any more; select one that is")
        return found


def _change_to(view: View, action: Literal["undo", "redo"]) -> Change:
    change = undoable(view.log)[action == "redo"]
    if change is None:
        raise ReviewError(f"nothing to {action} on this clip")
    return change


Make = Callable[[View], tuple[Action, Patch]]  # what a change is to be, on the view that it is made on


class Reviews:
    """The reviews of the clips of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.log, self.reviewers = DecisionLog(workspace.store), Reviewers(workspace.store)

    def view(self, analysis_id: str, cut: Cut, reviewer: str = "") -> View:
        """A clip's review as a reviewer sees it; without a name, as whoever decided last. Raises NotFoundError."""
        analysis = self._workspace.curve(analysis_id)
        sha256 = analysis.clip.sha256
        if not reviewer and (last := self.log.progress_of(sha256)):
            reviewer = last.reviewer
        blind = self.reviewers.of(reviewer).blind
        return View(reviewer, analysis_id, analysis, cut, self.log.changes(sha256), blind)

    def decide(self, view: View, decision: Decision, revision: int, request: str) -> View:
        """Carry a decision out; returns the view after it.

        `revision` is the newest that the reviewer has seen, `request` the caller's own name for the request: the same
        request twice is one change.

        Raises:
            ReviewError: it makes no sense, or the reviewer decided something meanwhile.
        """
        if decision.action not in DECISIONS:
            raise ReviewError(f"there is no decision {decision.action!r}; there are {', '.join(DECISIONS)}")
        return self._change(view, lambda v: (decision.action, _patch(v, decision)), revision, request)

    def decide_many(self, view: View, decisions: Sequence[Decision], request: str) -> tuple[View, dict[str, str]]:
        """Carry out decisions of one kind on segments of a clip as one change; returns the view after it, and why some
        were left out, by segment.

        It says nothing of a revision: each decision holds of the segment that it names, whatever was decided on others
        meanwhile. The same request twice is one change.
        """
        for attempt in range(TRIES):
            if _with_request(view.log, request):
                return view, {}
            patch, left_out = dict[str, Mark | None](), dict[str, str]()
            for decision in decisions:
                try:
                    patch |= _patch(view, decision)
                except ReviewError as error:
                    left_out[decision.segment] = str(error)
            if not patch:
                return view, left_out
            try:
                return self._append(view, decisions[0].action, patch, request), left_out
            except StaleError:
                if attempt == TRIES - 1:
                    raise
                view = replace(view, logs=self.log.changes(view.sha256))
        raise AssertionError

    def watch(self, view: View, revision: int, request: str, *, on: bool) -> View:
        """Say that all of a clip was watched and nothing is there, or take that back; otherwise as `decide`."""
        if view.marks:
            raise ReviewError("this clip has segments; decide on them instead")
        return self._change(view, lambda _: ("watch" if on else "unwatch", {}), revision, request)

    def step(self, reviewer: str, action: Literal["undo", "redo"], cut: Cut, request: str) -> tuple[Action, list[View]]:
        """Take back, or bring back, what a reviewer did last anywhere: on all the clips that it changed.

        Returns what was done then, and the view of each clip now.
        A clip that was changed since keeps what it has; the same request twice is one. Raises ReviewError when there is
        nothing.
        """
        last = self._stepped(reviewer, action, request) or self._newest(reviewer, action)
        if last is None:
            raise ReviewError(f"nothing to {action}")
        views = list[View]()
        for sha256 in self.log.with_request(reviewer, last.request):
            key = self._workspace.store.latest(sha256)
            view = key and self.view(key, cut, reviewer)
            if not view:
                continue
            change = undoable(view.log)[action == "redo"]
            if done := _with_request(view.log, request):
                views.append(replace(view, changed=tuple(done.after)))
            elif change and change.request == last.request:
                views.append(self._append(view, action, change.before if action == "undo" else change.after, request))
        return last.action, views

    def _newest(self, reviewer: str, action: Literal["undo", "redo"]) -> Change | None:
        """The reviewer's change that is next to be taken or brought back, on whichever clip."""
        last: Change | None = None
        for sha256, number in self.log.touched(reviewer):
            if last and last.number > number:
                break
            found = undoable(self.log.changes(sha256).get(reviewer, ()))[action == "redo"]
            if found and (last is None or found.number > last.number):
                last = found
        return last

    def _stepped(self, reviewer: str, action: Literal["undo", "redo"], request: str) -> Change | None:
        """The change that this request took or brought back before."""
        for sha256 in self.log.with_request(reviewer, request):
            made = self.log.changes(sha256)[reviewer]
            before = itertools.takewhile(lambda change: change.request != request, made)
            return undoable([*before])[action == "redo"]
        return None

    def undo(self, view: View, revision: int, request: str) -> View:
        """Take back the reviewer's newest change that stands; otherwise as `decide`."""
        return self._change(view, lambda v: ("undo", _change_to(v, "undo").before), revision, request)

    def redo(self, view: View, revision: int, request: str) -> View:
        """Bring back what undo took back last; otherwise as `decide`."""
        return self._change(view, lambda v: ("redo", _change_to(v, "redo").after), revision, request)

    def take(self, view: View, marks: Sequence[Mark]) -> int:
        """Make marks those of the reviewer, as one change that undo takes back; returns how many were new or
        different."""
        before = view.decided
        after = {mark.id: bare(mark) for mark in marks if mark.id not in before or bare(before[mark.id]) != bare(mark)}
        if after:
            self._append(view, "import", after, f"import {secrets.token_hex(8)}")  # no other clip has it
        return len(after)

    def _change(self, view: View, make: Make, revision: int, request: str) -> View:
        if saved := _saved(view, make, revision, request):
            return saved
        if revision != len(view.log):
            raise stale(view.reviewer)
        try:
            return self._append(view, *make(view), request)
        except ReviewError:
            now = replace(view, logs=self.log.changes(view.sha256))
            if saved := _saved(now, make, revision, request):  # sent twice at once
                return saved
            raise

    def _append(self, view: View, action: Action, patch: Patch, request: str) -> View:
        after = _bare(patch)
        before = touched(view.decided, after)
        change = Change(view.reviewer, len(view.log) + 1, now_iso(), action, before, after, request)
        view = replace(view, logs={**view.logs, view.reviewer: [*view.log, change]}, changed=tuple(after))
        check_room(view.logs, view.reviewer)
        n_decided = len(view.decided) - n_open(view.decided.values())
        with self._workspace.present(view.sha256):
            self.log.append(
                view.sha256, change, analysis_id=view.analysis_id, n_decided=n_decided, n_left=n_open(view.marks)
            )
        return view


def _with_request(log: Sequence[Change], request: str) -> Change | None:
    return next((change for change in log if change.request == request), None)


def _bare(patch: Patch) -> Patch:
    return {key: mark and bare(mark) for key, mark in patch.items()}


def _saved(view: View, make: Make, revision: int, request: str) -> View | None:
    """The view when that was carried out before: the same request, or the same change to the same revision."""
    earlier = _with_request(view.log, request)
    if earlier is None and 0 <= revision < len(view.log):
        then = replace(view, logs={**view.logs, view.reviewer: view.log[:revision]})
        with suppress(ReviewError):
            action, patch = make(then)
            found = view.log[revision]
            earlier = found if (found.action, dict(found.after)) == (action, _bare(patch)) else None
    return earlier and replace(view, changed=tuple(earlier.after))


def _patch(view: View, decision: Decision) -> Patch:
    action, new_id, line = decision.action, secrets.token_hex(5), view.analysis.timeline
    between = partial(segment_between, view.analysis)
    if action == "add":
        start_s, end_s = sorted((decision.start_s, decision.end_s))
        label, _ = strongest_class(view.analysis, line.snippet_at(start_s), line.snippet_at(end_s) + 1)
        return add(start_s, end_s, decision.label or label, duration_s=line.duration_s, new_id=new_id)
    mark = view.find(decision.segment)
    if action in STATES:
        return decide(mark, STATES[action])
    if action == "relabel":
        return relabel(mark, decision.label, view.analysis.classes)
    if action == "note":
        return annotate(mark, decision.note)
    if action == "edges":
        return move_edges(mark, decision.start_s, decision.end_s, between, duration_s=line.duration_s)
    if action == "split":
        return split(mark, decision.at_s, between, new_id=new_id)
    if action == "merge":
        return merge(mark, view.marks, between, new_id=new_id)
    return remove(mark)
