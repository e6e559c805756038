"""A blind look: random windows of what was not flagged, drawn once and kept, and what a person answered to each.

The footage below the threshold and outside flagged and decided segments is cut into windows of nearly one length. Some
are drawn without a second time, each with the same chance: so no second is likelier than another, no two windows
overlap, and none holds a flagged second. Their order is random too: those answered first are a sample as good as all.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np

from app.clips.workspace import Cut
from app.review.marks import Mark, ReviewError
from cmhkf.analysis import Analysis, Curve
from cmhkf.metrics.misses import MissEstimate, Tally, miss_estimate, miss_text
from cmhkf.segments import runs

MOST_N = 500  # windows
LEAST_S, MOST_S = 2.0, 60.0  # seconds of one
REST_S = 1.0  # a stretch that is shorter is an edge of what was flagged, and too short to be judged

Told = Literal["nothing", "something", "unsure", "skipped"]
Span = tuple[float, float]  # [start_s, end_s)


@dataclass(frozen=True)
class Window:
    """A piece of a clip that somebody is to look at."""

    clip: str  # SHA-256
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Part:
    """What is drawn from in one clip."""

    clip: str  # SHA-256
    analysis_id: str
    free_s: tuple[Span, ...]  # neither flagged nor decided when it was drawn, to the millisecond
    left_out_s: float  # nor these, which are not drawn from: see `free_part`


@dataclass(frozen=True)
class Look:
    """One draw for one reviewer."""

    id: str
    reviewer: str
    drawn: str  # when: ISO 8601, UTC
    clip: str  # SHA-256; empty: of all clips that one model analysed
    model_id: str
    cut: Cut
    window_s: float
    seed: int
    parts: tuple[Part, ...]
    windows: Mapping[int, Window]  # by their place in the order of the draw, from 0

    @property
    def pool(self) -> list[Window]:
        """All windows that could have been drawn."""
        return pool(self.parts, self.window_s)

    def part_of(self, window: Window) -> Part:
        """The clip that a window lies in."""
        return next(part for part in self.parts if part.clip == window.clip)


@dataclass(frozen=True)
class Answer:
    """One row of a look's log."""

    revision: int
    place: int
    answer: Told | Literal["undo"]  # undo: takes the newest answer to that window back
    label: str  # what was seen, if the person says it
    decided: str  # ISO 8601, UTC
    request: str


@dataclass(frozen=True)
class Judged:
    """A look with its answers, and what was confirmed in its clips outside the windows' footage."""

    look: Look
    log: Sequence[Answer]
    confirmed_s: float

    @property
    def revision(self) -> int:
        """Of the newest answer."""
        return max((answer.revision for answer in self.log), default=0)

    @cached_property
    def standing(self) -> dict[int, Answer]:
        """The answers that stand, by place, in the order in which they were given."""
        stack = list[Answer]()
        for answer in self.log:
            if answer.answer == "undo":
                stack.remove(next(a for a in reversed(stack) if a.place == answer.place))
            else:
                stack.append(answer)
        return {answer.place: answer for answer in stack}

    @property
    def seen(self) -> list[tuple[Window, str]]:
        """The windows in which something was seen, in order of time, each with what if the person said it."""
        told = [(self.look.windows[place], a.label) for place, a in self.standing.items() if a.answer == "something"]
        return sorted(told, key=lambda each: (each[0].clip, each[0].start_s))

    @property
    def tally(self) -> Tally:
        """How many windows were answered how."""
        told = [answer.answer for answer in self.standing.values()]
        n_left = sum(place not in self.standing for place in self.look.windows)
        return Tally(*(told.count(name) for name in ("nothing", "something", "unsure", "skipped")), left=n_left)

    @property
    def estimate(self) -> MissEstimate | None:
        """What the answers say; None while none counts."""
        windows = self.look.pool
        return miss_estimate(
            self.tally,
            n_windows=len(windows),
            unflagged_s=sum(window.end_s - window.start_s for window in windows),
            confirmed_s=self.confirmed_s,
        )

    @property
    def said(self) -> list[str]:
        """The figures, and what they were drawn from, in sentences."""
        found, n_left = self.estimate, self.tally.left
        figures = miss_text(found) if found else ["No window was told yet, so how much was missed is not known."]
        waiting = [f"Not answered yet: {n_left} of the {len(self.look.windows)} windows drawn."] if n_left else []
        return [*figures, *waiting, self.terms]

    def other_terms(self, cut: Cut, model_id: str) -> str:
        """What was otherwise for the windows than now, in a sentence; empty: nothing was."""
        look, differs = self.look, list[str]()
        if look.cut != cut:
            differs.append(f"at threshold {look.cut.threshold:.2f} ({_cut_words(look.cut)}), not {cut.threshold:.2f}")
        if look.model_id != model_id:
            differs.append(f"by {look.model_id}, not {model_id}")
        if not differs:
            return ""
        return f"Drawn {', and '.join(differs)} as now: it says nothing of what is unflagged now. Draw anew for that."

    @property
    def terms(self) -> str:
        """What was drawn from, by which model and threshold, by whom and when."""
        look = self.look
        windows, left_out_s = look.pool, sum(part.left_out_s for part in look.parts)
        total_s = sum(window.end_s - window.start_s for window in windows)
        n = len(look.parts)
        clips = "this clip" if look.clip else f"{n} clip{'' if n == 1 else 's'}, all that this model had analysed"
        rest = f" {left_out_s:.1f} s more were neither flagged nor drawn from." if left_out_s >= 0.1 else ""
        cut = "" if look.cut == Cut(look.cut.threshold) else f" ({_cut_words(look.cut)})"
        return (
            f"Drawn from {total_s:.1f} s of {clips}, in {len(windows)} windows of {look.window_s:g} s at most, by "
            f"{look.model_id}, unflagged at threshold {look.cut.threshold:.2f}{cut}; seed {look.seed}; looked at by "
            f"{look.reviewer}, {look.drawn[:10]}.{rest}"
        )


def _cut_words(cut: Cut) -> str:
    return f"segments from {cut.min_length_s:g} s, gaps to {cut.merge_gap_s:g} s"


def free_part(analysis: Analysis | Curve, analysis_id: str, cut: Cut, marks: Iterable[Mark]) -> Part:
    """The footage that is neither flagged nor decided, and how much of the rest is not drawn from.

    Left out is what the model could not see, what reaches the threshold and is too short for a segment, and stretches
    under a second.
    """
    line = analysis.timeline
    duration_s = line.duration_s
    found = [(s.start_s, s.end_s) for s in cut.segments(analysis) if not s.near_miss]
    found += [(mark.start_s, mark.end_s) for mark in marks]
    ends_s = np.append(line.ends_s[:-1], duration_s)  # the last snippet stands for the frames after it too
    above = [(line.times_s[a], ends_s[b - 1]) for a, b in runs(analysis.scores >= cut.threshold)]
    unseen = [(each.start_s, each.end_s) for each in analysis.unseen_s or () if not each.only_sound]
    inward = [
        (math.ceil(start_s * 1000 - 1e-6) / 1000, math.floor(end_s * 1000 + 1e-6) / 1000)
        for start_s, end_s in without((0.0, duration_s), [*found, *above, *unseen])
    ]
    free_s = tuple((start_s, end_s) for start_s, end_s in inward if end_s - start_s >= REST_S)
    left_out_s = length(without((0.0, duration_s), found)) - length(free_s)
    return Part(analysis.clip.sha256, analysis_id, free_s, round(max(0.0, left_out_s), 3))


def pool(parts: Iterable[Part], window_s: float) -> list[Window]:
    """Each free stretch, cut into as few equal windows as fit the length."""
    return [
        Window(part.clip, start_s, end_s)
        for part in parts
        for first_s, last_s in part.free_s
        for start_s, end_s in pairwise(
            np.linspace(first_s, last_s, _n_in(last_s - first_s, window_s) + 1).round(3).tolist()
        )
    ]


def _n_in(stretch_s: float, window_s: float) -> int:
    return math.ceil(stretch_s / window_s - 1e-6)


def drawn_windows(parts: Sequence[Part], window_s: float, n: int, seed: int) -> dict[int, Window]:
    """`n` windows of the pool in random order, or all where there are fewer. Raises ReviewError: there is none."""
    windows = pool(parts, window_s)
    if not windows:
        raise ReviewError("all of the footage is flagged or decided, so there is nothing to draw from")
    chosen = np.random.default_rng(seed).choice(len(windows), min(n, len(windows)), replace=False)
    return {place: windows[i] for place, i in enumerate(chosen.tolist())}


def without(whole: Span, taken: Iterable[Span]) -> list[Span]:
    """What is left of an interval without others, in order of time."""
    left, reached = list[Span](), whole[0]
    for start_s, end_s in sorted(taken):
        if start_s > reached:
            left.append((reached, min(start_s, whole[1])))
        reached = max(reached, end_s)
        if reached >= whole[1]:
            return left
    return [*left, (reached, whole[1])]


def length(spans: Iterable[Span]) -> float:
    """Seconds in intervals that do not overlap."""
    return sum(end_s - start_s for start_s, end_s in spans)


def confirmed_beside(marks: Iterable[Mark], part: Part) -> float:
    """Seconds of a clip that were confirmed, each counted once, outside what the windows were drawn from.

    What was added after the draw lies inside and is part of the estimate already.
    """
    confirmed = [(mark.start_s, mark.end_s) for mark in marks if mark.state == "confirmed"]
    end_s = max((end_s for _, end_s in [*confirmed, *part.free_s]), default=0.0)
    free = length(part.free_s)
    return max(0.0, round(end_s - free - length(without((0.0, end_s), [*confirmed, *part.free_s])), 3))
