"""Blind looks at what was not flagged: draws them, takes the answers, and says what they found."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import get_args

from app.clips.store import analysis_id
from app.clips.workspace import Cut, Workspace
from app.review.log import now_iso
from app.review.look_log import LookLog
from app.review.looks import (
    LEAST_S,
    MOST_N,
    MOST_S,
    Answer,
    Judged,
    Look,
    Part,
    Told,
    Window,
    confirmed_beside,
    drawn_windows,
    free_part,
)
from app.review.marks import NORMAL, Mark, ReviewError, fold
from app.review.reviews import Decision, Reviews
from app.review.rules import checked_label
from cmhkf import CmhkfError, ConfigError
from cmhkf.numbers import number, whole

ANSWERS = (*get_args(Told), "undo")


class BlindLooks:
    """The blind looks of a workspace's reviewers."""

    def __init__(self, workspace: Workspace, reviews: Reviews) -> None:
        self._workspace, self._reviews = workspace, reviews
        self.log = LookLog(workspace.store)

    def draw(self, reviewer: str, cut: Cut, key: str, *, n: int, window_s: float, seed: int | None = None) -> Judged:
        """Draw windows of what is not flagged in an analysis or, with an empty `key`, in all by the page's model.

        Raises:
            ReviewError: a number out of bounds, or nothing to draw from.
            ConfigError: the page's model is not loaded, or has analysed nothing.
        """
        n = whole(n, "the number of windows", least=1, most=MOST_N, error=ReviewError)
        window_s = number(window_s, "the seconds of a window", least=LEAST_S, most=MOST_S, error=ReviewError)
        seed = secrets.randbelow(2**31) if seed is None else seed
        parts, clip, model_id = list[Part](), "", ""
        for each in [key] if key else self._analysed():
            view = self._reviews.view(each, cut, reviewer)
            parts.append(free_part(view.analysis, each, cut, view.decided.values()))
            clip, model_id = view.sha256 if key else "", view.analysis.model_id
        windows, new_id = drawn_windows(parts, window_s, n, seed), secrets.token_hex(8)
        look = Look(new_id, reviewer, now_iso(), clip, model_id, cut, window_s, seed, tuple(parts), windows)
        with self._workspace.present(*(part.clip for part in parts)):
            self.log.add(look)
        return self._judged(look, [])

    def _analysed(self) -> list[str]:
        """The analyses of the library by the page's own model."""
        store, analyzer = self._workspace.store, self._workspace.analyzer
        if analyzer is None:
            raise ConfigError("the model is still being loaded; try again in a moment")
        made = (analyzer.model_id, analyzer.recipe_hash)
        found = [e.analysis_id for e in store.library() if e.analysis_id == analysis_id(e.sha256, *made)]
        if not found:
            raise ConfigError(f"{analyzer.model_id} has analysed no clip of the library; open one and analyse it first")
        return [each for each in found if each]

    def find(self, key: str, reviewer: str) -> Judged:
        """A look of a reviewer's. Raises ReviewError."""
        return self._judged(*self.log.look(key, reviewer))

    def all(self, reviewer: str, clip: str) -> Iterator[Judged]:
        """A reviewer's looks at a clip, or with an empty `clip` at all clips; newest first."""
        return (self._judged(*each) for each in self.log.looks(reviewer, clip))

    def answer(self, judged: Judged, place: int, answer: str, *, label: str, revision: int, request: str) -> Judged:
        """Say what is in a window, or take the newest answer back (undo, of whatever place).

        `revision` is the newest that the reviewer has seen; the same request twice is one answer.

        Raises:
            ReviewError: no such answer or window, nothing to take back, or answered in another tab meanwhile.
        """
        look = judged.look
        if any(each.request == request for each in judged.log):
            return judged
        if answer not in ANSWERS:
            raise ReviewError(f"there is no answer {answer!r}; there are {', '.join(ANSWERS)}")
        if answer == "undo":
            if not judged.standing:
                raise ReviewError("no answer is there to take back")
            place = list(judged.standing)[-1]
        elif place not in look.windows:
            raise ReviewError(f"there is no window {place} in this look; reload the page")
        if label:
            part = look.part_of(look.windows[place])
            checked_label(label, self._workspace.analysis(part.analysis_id).classes)
        if (label and answer != "something") or label == NORMAL:
            raise ReviewError(f"{label!r} cannot be what is seen in a window answered with {answer!r}")
        if revision != judged.revision:
            raise ReviewError("not saved: answered in another tab meanwhile; the newest state is shown now, try again")
        made = Answer(revision + 1, place, answer, label, now_iso(), request)  # pyright: ignore[reportArgumentType]
        self.log.append(look, [made])
        return replace(judged, log=[*judged.log, made])

    def add(self, judged: Judged, place: int) -> Judged:
        """Make a window in which something was seen a segment added by hand, unless a confirmed one lies there.

        Raises ReviewError: nothing was seen there.
        """
        look, answer = judged.look, judged.standing.get(place)
        if answer is None or answer.answer != "something":
            raise ReviewError("something must be seen in a window before it can be a segment")
        window = look.windows[place]
        part = look.part_of(window)
        if place not in self.added(judged):
            view = self._reviews.view(part.analysis_id, look.cut, look.reviewer)
            decision = Decision("add", label=answer.label, start_s=window.start_s, end_s=window.end_s)
            self._reviews.decide(view, decision, len(view.log), f"look {look.id} {place} {len(view.log)}")
        return judged

    def added(self, judged: Judged) -> set[int]:
        """Places of windows in which something was seen and that a confirmed segment overlaps by now."""
        seen = {p: judged.look.windows[p] for p, a in judged.standing.items() if a.answer == "something"}
        marks = {clip: self._marks(judged.look.reviewer, clip) for clip in {window.clip for window in seen.values()}}
        return {place for place, window in seen.items() if _confirmed_in(window, marks[window.clip])}

    def here(self, judged: Judged) -> set[int]:
        """Places of windows whose clip is still in the library."""
        kept = {entry.sha256 for entry in self._workspace.store.library()}
        return {place for place, window in judged.look.windows.items() if window.clip in kept}

    def classes(self, judged: Judged) -> tuple[str, ...]:
        """What can be seen in a window, by the model that drew them; none once all of its analyses are gone."""
        for part in judged.look.parts:
            with suppress(CmhkfError):
                return self._workspace.analysis(part.analysis_id).classes
        return ()

    def take(self, reviewer: str, looks: Sequence[tuple[Look, Sequence[Answer]]]) -> int:
        """Make looks of a file those of a reviewer; returns how many were new or brought new answers."""
        n = 0
        for look, answers in looks:
            mine = replace(look, reviewer=reviewer)
            known = next((log for each, log in self.log.looks(reviewer, look.clip) if each.id == look.id), None)
            if known is None:
                self.log.add(mine, answers)
            else:
                newest = max((answer.revision for answer in known), default=0)
                answers = [answer for answer in answers if answer.revision > newest]
                self.log.append(mine, answers)
            n += known is None or bool(answers)
        return n

    def _judged(self, look: Look, answers: Sequence[Answer]) -> Judged:
        decided = self._reviews.log.clips_of(look.reviewer)
        parts = [part for part in look.parts if part.clip in decided]
        confirmed_s = sum(confirmed_beside(self._marks(look.reviewer, part.clip), part) for part in parts)
        return Judged(look, answers, confirmed_s)

    def _marks(self, reviewer: str, clip: str) -> Iterable[Mark]:
        return fold(self._reviews.log.changes(clip).get(reviewer, ())).values()


def _confirmed_in(window: Window, marks: Iterable[Mark]) -> bool:
    return any(m.state == "confirmed" and m.start_s < window.end_s and window.start_s < m.end_s for m in marks)
