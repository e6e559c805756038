"""What a reel shows: which segments, with how much of the clip before and after, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np

from app.clips.names import named
from app.export.checks import ExportError
from app.export.reviewed import Reviewed
from app.review.marks import Mark, in_time
from cmhkf.errors import ConfigError
from cmhkf.figures.style import ONLY_RANKS, UNTRAINED
from cmhkf.media.clip import Clip
from cmhkf.numbers import number, shown

Which = Literal["confirmed", "flagged", "selected", "whole"]
Span = tuple[str, float, float]  # SHA-256 of a clip, from when to when in it
WHICH = get_args(Which)
MOST_CONTEXT_S = 30.0
LEAST_S, MOST_S = 5.0, 3600.0  # of a whole reel
TITLE_S = 2.5  # how long a title card is shown
CURVE_S = 30.0  # so much of the curve is drawn at least, where the clip is that long


@dataclass(frozen=True)
class ReelChoice:
    """What a reel is to show, and how. `read` checks the values."""

    which: Which = "confirmed"
    """The confirmed segments, all that are not dismissed, the `spans`, or the whole clip."""
    titles: bool = True
    """Whether each segment begins with a title card."""
    context_s: float = 2.0
    """Seconds before and after each segment."""
    most_s: float = 600.0
    """The reel is no longer: segments with lower scores are left out, or one that is longer is cut short."""
    spans: tuple[Span, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, Any], spans: Any = ()) -> ReelChoice:
        """From a request, in which what it does not say is as usual; `spans` as [[clip, start_s, end_s], ...].

        Raises:
            ConfigError: a value that cannot be; it is named.
            ExportError: nothing is selected where the selection is wanted.
        """
        which, titles = values.get("which", cls.which), bool(values.get("titles", cls.titles))
        if which not in WHICH:
            raise ConfigError(f"which is {shown(which)}; it must be one of {', '.join(WHICH)}")
        context_s = number(values.get("context_s", cls.context_s), "context_s", most=MOST_CONTEXT_S, error=ConfigError)
        most_s = number(values.get("most_s", cls.most_s), "most_s", least=LEAST_S, most=MOST_S, error=ConfigError)
        found = _spans(spans)
        if which == "selected" and not found:
            raise ExportError("no segment is selected, so there is no reel; select one, or choose others")
        return cls(which, titles, context_s, most_s, found if which == "selected" else ())


def _spans(value: Any) -> tuple[Span, ...]:
    each = value if isinstance(value, list | tuple) else [value]
    if any(not isinstance(span, list | tuple) or len(span) != 3 for span in each):
        raise ConfigError(f"spans is {shown(value)}; it must be a list of [clip, start_s, end_s]")
    return tuple(_span(*span) for span in each)


def _span(clip: Any, start: Any, end: Any) -> Span:
    start_s, end_s = number(start, "start_s", error=ConfigError), number(end, "end_s", error=ConfigError)
    if end_s <= start_s:
        raise ConfigError(f"a span goes from {start_s:g} s to {end_s:g} s; it must end after it starts")
    return str(clip), start_s, end_s


@dataclass(frozen=True, eq=False)
class Shot:
    """One piece of a clip, and what the reel says while it is shown. Light: of the analysis only the curve is kept."""

    clip: Clip
    start_s: float
    end_s: float
    about: Mark | None
    """The segment that it shows; None: whatever is there."""
    marks: tuple[Mark, ...]
    """Every segment of the clip that lies in it or in the part of the curve that is drawn."""
    names: Mapping[str, str]
    """What the model calls each of them in words, by id; `name_of` says how."""
    model_id: str
    trained: bool
    threshold: float
    duration_s: float
    """Of the clip."""
    curve_s: tuple[float, float]
    """The part of the clip whose curve is drawn."""
    times_s: np.ndarray
    """[K] when the snippets of that part begin."""
    scores: np.ndarray
    """[K]"""

    @property
    def length_s(self) -> float:
        """How long the footage is."""
        return self.end_s - self.start_s

    @property
    def segment_s(self) -> tuple[float, float]:
        """From when to when the segment lasts, as far as it is shown; all of it where it is about no segment."""
        if self.about is None:
            return self.start_s, self.end_s
        return max(self.start_s, self.about.start_s), min(self.end_s, self.about.end_s)

    @property
    def recorded(self) -> str:
        """The camera, and the day and time at the segment's start, as far as the clip's name tells them."""
        told = named(self.clip.name)
        if told.begun is None:
            return ""
        at = told.begun + timedelta(seconds=self.segment_s[0])
        when = at.isoformat(" ", told.timespec) if told.timespec else f"dated {told.begun:%Y-%m-%d}"
        return " · ".join(filter(None, (told.camera, when)))

    @property
    def rank(self) -> float:
        """How much it is worth keeping: by the model's score, what a person added first."""
        scored = self.about and self.about.model_score
        return 2.0 if self.about and self.about.by_hand else scored or 0.0

    def at(self, time_s: float) -> Mark | None:
        """The segment that there is at a moment."""
        found = [mark for mark in self.marks if mark.start_s <= time_s < mark.end_s]
        return self.about if self.about in found else next(iter(found), None)

    def model_said(self, mark: Mark | None) -> str:
        """What the model said of a segment; nothing of one that was added by hand."""
        if mark and mark.by_hand:
            return "added by hand"
        by = f"model: {self.model_id}" + ("" if self.trained else " (NOT TRAINED)")
        if mark is None:
            return f"not flagged · {by}"
        scored = "no score" if mark.model_score is None else f"score {mark.model_score:.2f}"
        return f"{self.names[mark.id]}, {scored} · {by}"

    @property
    def trust(self) -> str:
        """What to think of the scores, where the model is not trained."""
        return "" if self.trained else f"{UNTRAINED} {ONLY_RANKS}"


@dataclass
class Shown:
    """Where in a reel a shot is, or why it is not."""

    shot: Shot
    start_s: float | None = None
    """When its title card, or else its footage, begins in the reel; None: it is not there."""
    end_s: float | None = None
    until_s: float | None = None
    """Up to where in the clip it is shown."""
    remark: str = ""


def person_said(mark: Mark | None) -> str:
    """What a person said of a segment."""
    if mark is None:
        return ""
    by = mark.reviewer or "somebody"
    if mark.state == "confirmed":
        return f"confirmed by {by}: {mark.label}"
    if mark.state == "dismissed":
        return f"dismissed by {by}"
    called = f"; called {mark.label} by {by}" if mark.revision and mark.label != mark.model_label else ""
    return "not reviewed" + called


def shots_of(reviewed: Reviewed, choice: ReelChoice) -> list[Shot]:
    """The shots of one clip, in order of time; those that were selected in the order of their selection."""
    sha256, duration_s = reviewed.analysis.clip.sha256, reviewed.analysis.timeline.duration_s
    if choice.which == "whole":
        return [_shot(reviewed, 0.0, duration_s, None)]
    if choice.which == "selected":
        spans = [(start_s, end_s) for clip, start_s, end_s in choice.spans if clip == sha256]
        if beyond := [start_s for start_s, _ in spans if start_s >= duration_s]:
            raise ExportError(
                f"{reviewed.analysis.clip.name} ends at {duration_s:.2f} s, so it shows nothing at {beyond[0]:.2f} s"
            )
        return [_selected(reviewed, start_s, min(end_s, duration_s), choice.context_s) for start_s, end_s in spans]
    marks = [m for m in reviewed.kept if choice.which == "flagged" or m.state == "confirmed"]
    marks.sort(key=in_time)
    starts, ends = _with_context(marks, choice.context_s, duration_s)
    return [_shot(reviewed, *each) for each in zip(starts, ends, marks, strict=True)]


def _with_context(marks: Sequence[Mark], context_s: float, duration_s: float) -> tuple[list[float], list[float]]:
    """Starts and ends with the footage before and after; what lies between two is shown once."""
    starts = [max(0.0, mark.start_s - context_s) for mark in marks]
    ends = [min(duration_s, mark.end_s + context_s) for mark in marks]
    for i, (one, other) in enumerate(pairwise(marks)):
        if one.end_s <= other.start_s:
            ends[i] = min(ends[i], other.start_s)
            starts[i + 1] = max(starts[i + 1], ends[i])
    return starts, ends


def _selected(reviewed: Reviewed, start_s: float, end_s: float, context_s: float) -> Shot:
    shared = {m: min(end_s, m.end_s) - max(start_s, m.start_s) for m in reviewed.marks}
    about = max(shared, key=lambda mark: shared[mark], default=None)
    about = about if about and shared[about] > 0 else None
    duration_s = reviewed.analysis.timeline.duration_s
    return _shot(reviewed, max(0.0, start_s - context_s), min(duration_s, end_s + context_s), about)


def _shot(reviewed: Reviewed, start_s: float, end_s: float, about: Mark | None) -> Shot:
    analysis = reviewed.analysis
    line = analysis.timeline
    wider_s = max(0.0, CURVE_S - (end_s - start_s)) / 2
    from_s = max(0.0, min(start_s - wider_s, line.duration_s - CURVE_S))
    to_s = min(line.duration_s, max(end_s + wider_s, from_s + CURVE_S))
    first, last = line.snippet_at(from_s), line.snippet_at(to_s) + 1
    inside = tuple(mark for mark in reviewed.marks if mark.start_s < to_s and from_s < mark.end_s)
    return Shot(
        analysis.clip,
        start_s,
        end_s,
        about,
        inside,
        {mark.id: reviewed.name(replace(mark, label=mark.model_label)) for mark in inside},
        analysis.model_id,
        analysis.trained,
        reviewed.threshold,
        line.duration_s,
        (from_s, to_s),
        line.times_s[first:last].copy(),
        analysis.scores[first:last].copy(),
    )


def limited(shots: Iterable[Shot], choice: ReelChoice) -> tuple[list[Shot], list[Shot]]:
    """The shots that fit into the reel, in their order, and those that are left out: the ones of lower scores."""
    shots = list(shots)
    title_s, left_s, kept = (TITLE_S if choice.titles else 0.0), choice.most_s, set[int]()
    for i in sorted(range(len(shots)), key=lambda i: -shots[i].rank):
        needed_s = title_s + shots[i].length_s
        if needed_s <= left_s or not kept:  # one that is too long by itself is cut short
            kept.add(i)
            left_s -= needed_s
    return [shots[i] for i in sorted(kept)], [shot for i, shot in enumerate(shots) if i not in kept]
