"""What the page asks about decisions: the marks of a clip as one reviewer sees them, and every change to them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from app.decision_store import Decisions, now_iso, stale
from app.desk import Desk
from app.doors import guarded
from app.review import (
    Action,
    Change,
    Mark,
    Patch,
    ReviewError,
    State,
    agreement,
    bare,
    fold,
    merged,
    n_open,
    touched,
    uncovered,
    undoable,
)
from app.review_edits import add, annotate, decide, merge, move_edges, relabel, remove, split
from cmhkf import Analysis, Segment
from cmhkf.segments import strongest_class

NAME_LENGTH = 60  # characters of a reviewer's name
STATES: dict[str, State] = {"confirm": "confirmed", "dismiss": "dismissed", "reopen": "open"}
ASKED = tuple(action for action in get_args(Action) if action not in ("import", "undo", "redo"))

Json = dict[str, Any]


@dataclass(frozen=True)
class View:
    """What was on the asker's screen: a clip, one analysis of it, cut at a threshold, and everybody's log."""

    sha256: str
    reviewer: str
    analysis_id: str
    analysis: Analysis
    cut: Json
    """As `Desk.segments` answers."""
    logs: dict[str, list[Change]]

    @property
    def log(self) -> list[Change]:
        """The asker's own changes."""
        return self.logs.get(self.reviewer, [])

    def segments(self, which: str) -> list[Segment]:
        """Either `segments` or `near_misses` of the cut."""
        return [Segment(**s) for s in self.cut[which]]


class ReviewAsks:
    """The functions about decisions, each with one object of arguments.

    All of them but `who` take {clip, reviewer, analysis_id, threshold, min_length_s, merge_gap_s} and answer what
    `marks` answers; those that change something take {revision, request} too: the newest revision the asker has seen,
    and its own name for what it asks, so that the same request twice is one change. Their answer has `changed` besides:
    the ids of the marks that were touched.
    """

    def __init__(self, desk: Desk, decisions: Decisions) -> None:
        self._desk = desk
        self._decisions = decisions
        self._user = desk.settings.auth[0] if desk.settings.auth else ""

    def functions(self) -> list[Callable[[Json], Json]]:
        """All of them, guarded."""
        return [guarded(ask) for ask in (self.who, self.marks, self.decide, self.undo, self.redo)]

    def who(self, _: Json) -> Json:
        """Who reviews: the user that logged in, or empty where everybody gives a name."""
        return {"reviewer": self._user}

    def marks(self, ask: Json) -> Json:
        """The review list, near misses, other reviewers' marks and the agreement with them."""
        return review_facts(self._view(ask))

    def decide(self, ask: Json) -> Json:
        """{action, segment} and {label}, {note}, {start_s, end_s} or {at_s}, as the action needs."""
        action = ask["action"]
        if action not in ASKED:
            raise ReviewError(f"there is no decision {action!r}; there are {', '.join(ASKED)}")
        return self._change(ask, lambda view: (action, self._after(view, ask)))

    def undo(self, ask: Json) -> Json:
        """Take back the reviewer's newest change that stands."""

        def take_back(view: View) -> tuple[Action, Patch]:
            change, _ = undoable(view.log)
            if change is None:
                raise ReviewError("nothing to undo on this clip")
            return "undo", change.before

        return self._change(ask, take_back)

    def redo(self, ask: Json) -> Json:
        """Bring back what undo took back last."""

        def bring_back(view: View) -> tuple[Action, Patch]:
            _, change = undoable(view.log)
            if change is None:
                raise ReviewError("nothing to redo on this clip")
            return "redo", change.after

        return self._change(ask, bring_back)

    def _view(self, ask: Json) -> View:
        key, sha256 = str(ask["analysis_id"]), self._desk.store.clip(str(ask["clip"])).sha256
        analysis = self._desk.analysis(key)
        if analysis.clip.sha256 != sha256:
            raise ReviewError(f"analysis {key!r} is of another clip; open the clip from the library again")
        cut = self._desk.segments(
            key, float(ask["threshold"]),
            min_length_s=float(ask["min_length_s"]), merge_gap_s=float(ask["merge_gap_s"]),
        )  # fmt: skip
        reviewer = self._user or reviewer_name(str(ask["reviewer"]))
        return View(sha256, reviewer, key, analysis, cut, self._decisions.changes(sha256))

    def _change(self, ask: Json, make: Callable[[View], tuple[Action, Patch]]) -> Json:
        view, request = self._view(ask), str(ask["request"])
        earlier = next((change for change in view.log if change.request == request), None)
        if earlier:
            return review_facts(view) | {"changed": list(earlier.after)}
        revision = int(ask["revision"])
        if revision != len(view.log):
            raise stale(view.reviewer)
        action, patch = make(view)
        after = {key: mark and bare(mark) for key, mark in patch.items()}
        before = touched(fold(view.log), after)
        change = Change(view.reviewer, revision + 1, now_iso(), action, before, after, request)
        view = replace(view, logs=view.logs | {view.reviewer: [*view.log, change]})
        marks = fold(view.log)
        self._decisions.append(
            view.sha256, change, analysis_id=view.analysis_id,
            n_decided=len(marks) - n_open(marks.values()), n_left=n_open(merged(marks, view.segments("segments"))),
        )  # fmt: skip
        return review_facts(view) | {"changed": list(after)}

    def _after(self, view: View, ask: Json) -> Patch:
        action, new_id = ask["action"], secrets.token_hex(5)
        line = view.analysis.timeline
        if action == "add":
            start_s, end_s = sorted((float(ask["start_s"]), float(ask["end_s"])))
            label, _ = strongest_class(view.analysis, line.snippet_at(start_s), line.snippet_at(end_s) + 1)
            return add(start_s, end_s, label, duration_s=line.duration_s, new_id=new_id)
        marks = fold(view.log)
        shown = merged(marks, view.segments("segments"))
        mark = _find(str(ask["segment"]), [*shown, *uncovered(marks, view.segments("near_misses"))])
        if action in STATES:
            return decide(mark, STATES[action])
        if action == "relabel":
            return relabel(mark, str(ask["label"]), view.analysis.classes)
        if action == "note":
            return annotate(mark, str(ask["note"]))
        if action == "edges":
            return move_edges(mark, float(ask["start_s"]), float(ask["end_s"]), duration_s=line.duration_s)
        if action == "split":
            return split(mark, float(ask["at_s"]), new_id=new_id)
        if action == "merge":
            return merge(mark, shown, new_id=new_id)
        return remove(mark)


def reviewer_name(text: str) -> str:
    """A name as it is kept: one line, no spaces at the ends. Raises ReviewError."""
    name = re.sub(r"\s+", " ", text).strip()
    if not 0 < len(name) <= NAME_LENGTH:
        raise ReviewError(f"a reviewer's name has 1 to {NAME_LENGTH} characters, not {len(name)}; change it above")
    return name


def review_facts(view: View) -> Json:
    """All that the page shows of a review, as JSON: the cut, and what people made of it."""
    marks = fold(view.log)
    undo, redo = undoable(view.log)
    others = {name: fold(log) for name, log in view.logs.items() if name != view.reviewer}
    return view.cut | {
        "clip": view.sha256,
        "reviewer": view.reviewer,
        "revision": len(view.log),
        "marks": [asdict(m) for m in merged(marks, view.segments("segments"))],
        "misses": [asdict(m) for m in uncovered(marks, view.segments("near_misses"))],
        "undo": undo and undo.action,
        "redo": redo and redo.action,
        "others": [_other(name, marks, theirs) for name, theirs in others.items() if theirs],
    }


def _other(name: str, mine: dict[str, Mark], theirs: dict[str, Mark]) -> Json:
    compared = agreement(mine.values(), theirs.values())
    return {
        "reviewer": name,
        "marks": [asdict(m) for m in theirs.values()],
        "agreement": asdict(compared) | {"n": compared.n},
    }


def _find(key: str, marks: list[Mark]) -> Mark:
    found = next((mark for mark in marks if mark.id == key), None)
    if found is None:
        raise ReviewError("that segment is not in the list any more; select one that is")
    return found
