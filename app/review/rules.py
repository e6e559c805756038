"""What a decision must fulfil, whichever way it comes in: from the page, a script, or a file of marks."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from app.review.marks import Mark, ReviewError, materialise
from cmhkf import Analysis, flag_segments
from cmhkf.analysis import Curve
from cmhkf.numbers import short_text
from cmhkf.segments import segment_between

NAME_LENGTH = 60  # characters of a reviewer's name
NOTE_LENGTH = 2000  # characters
SLACK_S = 0.05  # by so much may an imported segment run past the measured end of the clip


def reviewer_name(text: str) -> str:
    """A name as it is kept: one line, no spaces at the ends. Raises ReviewError."""
    name = re.sub(r"\s+", " ", short_text(text, "a reviewer's name", 100 * NAME_LENGTH, error=ReviewError)).strip()
    if not 0 < len(name) <= NAME_LENGTH:
        raise ReviewError(f"a reviewer's name has 1 to {NAME_LENGTH} characters, not {len(name)}; change it above")
    return name


def checked_note(note: str) -> str:
    """A note as it is kept. Raises ReviewError."""
    if len(note) > NOTE_LENGTH:
        raise ReviewError(f"the note has {len(note)} characters; {NOTE_LENGTH} are kept, so shorten it")
    return short_text(note, "the note", NOTE_LENGTH, error=ReviewError).strip()


def checked_label(label: str, classes: Sequence[str]) -> str:
    """One of the model's classes. Raises ReviewError."""
    if label not in classes:
        raise ReviewError(f"label {label[:100]!r} is not one of {', '.join(classes)}")
    return label


def admitted(marks: Iterable[Mark], analysis: Analysis | Curve) -> list[Mark]:
    """The marks of a file as decisions on an analysed clip: what people said of them, and the model's own values, which
    are read from the analysis and never from the file.

    Raises:
        ReviewError: a note, a class or a time that could not have been decided here; it names the segment.
    """
    flagged = _Flagged(analysis)
    return [_admitted(mark, analysis, flagged) for mark in marks]


class _Flagged:
    """What the model flags at one threshold or another."""

    def __init__(self, analysis: Analysis | Curve) -> None:
        self.words: dict[str, set[str]] = {}
        """What it calls the segment with a peak, by the id that it gives it."""
        self.intervals = set[tuple[int, int] | None]()
        for percent in range(5, 101, 5):
            for mark in map(materialise, flag_segments(analysis, percent / 100)):
                self.words.setdefault(mark.id, set()).add(mark.label)
                self.intervals.add(_interval_ms(mark))


def _interval_ms(mark: Mark) -> tuple[int, int] | None:
    if mark.model_start_s is None or mark.model_end_s is None:
        return None
    return round(mark.model_start_s * 1000), round(mark.model_end_s * 1000)


def _admitted(mark: Mark, analysis: Analysis | Curve, flagged: _Flagged) -> Mark:
    duration_s, line = analysis.timeline.duration_s, analysis.timeline
    try:
        times = [("starts", mark.start_s), ("ends", mark.end_s), ("peaks", mark.peak_s or 0.0)]
        times += [("was flagged", time_s or 0.0) for time_s in (mark.model_start_s, mark.model_end_s)]
        for does, time_s in times:
            if not 0 <= time_s <= duration_s + SLACK_S or (does == "starts" and time_s >= duration_s):
                raise ReviewError(
                    f"it {does} at {time_s:.2f} s and this clip ends at {duration_s:.2f} s; open the clip that the "
                    "file was made of"
                )
        label, note = checked_label(mark.label, analysis.classes), checked_note(mark.note)
    except ReviewError as error:
        raise ReviewError(f"segment {mark.id!r}: {error}") from None
    kept = replace(mark, label=label, note=note, end_s=min(mark.end_s, round(duration_s, 3)))
    if _interval_ms(mark) not in flagged.intervals:  # else it could hide what nobody looked at
        kept = replace(kept, model_start_s=kept.start_s, model_end_s=kept.end_s)
    if mark.by_hand:
        return replace(kept, model_score=None, peak_s=None, model_start_s=None, model_end_s=None)
    if mark.peak_s is None:
        score, known = None, set[str]()
    else:
        score = float(analysis.scores[line.snippet_at(mark.peak_s)])
        known = flagged.words.get(f"p{round(mark.peak_s * 1000)}", set())
    word = mark.model_label if mark.model_label in known else segment_between(analysis, kept.start_s, kept.end_s).label
    return replace(kept, model_label=word, model_score=score)
