"""Footage that an analysis did not see or hear: where it is, and why."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

JOIN_S = 0.1  # stretches of one reason that lie closer are one
SAYS_SOUND = re.compile(r"\bsound\b", re.IGNORECASE)
MOST_SAID = 10  # stretches that are named in a line; JSON has all


@dataclass(frozen=True, order=True)
class Unseen:
    """An interval `[start_s, end_s)` of clip time (0 = the first shown frame); it may lie behind the last frame."""

    start_s: float
    end_s: float
    reason: str
    """In words for people, without the interval: "cut off: the file states more than it holds"."""

    only_sound: bool = False
    """Whether the frames were seen, and only the audio is missing."""

    def __str__(self) -> str:
        return f"{self.start_s:.1f} to {self.end_s:.1f} s: {self.reason}"


def joined(stretches: Iterable[Unseen]) -> tuple[Unseen, ...]:
    """In order of time; those of one reason that touch or overlap become one."""
    found: list[Unseen] = []
    for stretch in sorted(stretches, key=lambda s: (_kind(s), s.start_s)):
        last = found[-1] if found else None
        if last and _kind(last) == _kind(stretch) and stretch.start_s <= last.end_s + JOIN_S:
            found[-1] = replace(last, end_s=max(last.end_s, stretch.end_s))
        else:
            found.append(stretch)
    return tuple(sorted(found))


def _kind(stretch: Unseen) -> tuple[bool, str]:
    return stretch.only_sound, stretch.reason


def length_s(stretches: Iterable[Unseen]) -> float:
    """Seconds inside any of them, each counted once."""
    total, reached = 0.0, 0.0
    for stretch in sorted(stretches):
        total += max(0.0, stretch.end_s - max(stretch.start_s, reached))
        reached = max(reached, stretch.end_s)
    return total


def as_rows(stretches: Sequence[Unseen] | None) -> list[list[Any]] | None:
    """As they are stored, [[start_s, end_s, reason, only_sound], ...]; null where it is not known."""
    return None if stretches is None else [list(astuple(s)) for s in stretches]


def as_public_rows(stretches: Sequence[Unseen] | None) -> list[list[Any]] | None:
    """As scripts get them, [[start_s, end_s, reason], ...]; null where it is not known."""
    return None if stretches is None else [[s.start_s, s.end_s, s.reason] for s in stretches]


def as_cell(stretches: Sequence[Unseen] | None) -> str:
    """For a table: "17.3-33.7 the file is cut off; ...", empty when all was seen, "not known" where that is so."""
    if stretches is None:
        return "not known"
    return _listed([f"{s.start_s:.3f}-{s.end_s:.3f} {s.reason}" for s in stretches])


def from_rows(rows: Iterable[Sequence[Any]]) -> tuple[Unseen, ...]:
    """The inverse of `as_rows`. Earlier versions did not store `only_sound`: there the words of the reason tell it."""
    return tuple(
        Unseen(float(start), float(end), str(reason), bool(kind[0]) if kind else SAYS_SOUND.search(reason) is not None)
        for start, end, reason, *kind in rows
    )


def in_words(stretches: Sequence[Unseen] | None) -> str:
    """One sentence for people; empty when all was seen."""
    if stretches is None:
        return "Whether all of the footage was seen is not known: an earlier version analysed it. Analyse it again."
    return _listed([f"not {'heard' if s.only_sound else 'seen'} {s}" for s in stretches])


def _listed(said: list[str]) -> str:
    more = len(said) - MOST_SAID
    return "; ".join([*said[:MOST_SAID], *([f"and {more} more"] if more > 0 else [])])
