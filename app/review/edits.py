"""What each decision does to the marks: every function returns the marks it touches as they become, by id.

Times are seconds on the clip's clock, kept to the millisecond. Raises ReviewError when a decision makes no sense.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.review.marks import NORMAL, Between, Mark, Patch, ReviewError, State, in_time
from app.review.rules import NOTE_LENGTH, checked_label, checked_note


def decide(mark: Mark, state: State) -> Patch:
    """Confirm, dismiss or reopen it."""
    return _changed(mark, replace(mark, state=state))


def relabel(mark: Mark, label: str, classes: Sequence[str]) -> Patch:
    """Call it by a class of the model; the model's own word stays beside it, and may be the same, which a person then
    stands for. Normal dismisses it."""
    if checked_label(label, classes) == NORMAL:
        return {mark.id: replace(mark, state="dismissed")}
    return {mark.id: replace(mark, label=label, named=True)}


def annotate(mark: Mark, note: str) -> Patch:
    """Write a note to it, in place of the one it had."""
    return _changed(mark, replace(mark, note=checked_note(note)))


def move_edges(mark: Mark, start_s: float, end_s: float, between: Between, *, duration_s: float) -> Patch:
    """Move its start and end; it has what the model says of what then lies inside, unless it was added by hand."""
    moved = _between(mark, start_s, end_s, duration_s)
    return {} if moved == mark else {mark.id: _described(moved, between)}


def split(mark: Mark, at_s: float, between: Between, *, new_id: str) -> Patch:
    """Two marks in place of one; each has what the model says of its part, unless it was added by hand."""
    at_s = round(at_s, 3)
    if not mark.start_s < at_s < mark.end_s:
        raise ReviewError(
            f"{at_s:.3f} s does not lie inside {mark.start_s:.3f} to {mark.end_s:.3f} s; "
            "move the playhead to where it should be split"
        )
    halves = (replace(mark, id=f"{new_id}a", end_s=at_s), replace(mark, id=f"{new_id}b", start_s=at_s))
    return {mark.id: None} | {half.id: _described(half, between) for half in halves}


def merge(mark: Mark, shown: Sequence[Mark], between: Between, *, new_id: str) -> Patch:
    """One mark in place of this and the next in the list that is not dismissed.

    It has what the model says of the whole, and the name that a person gave a half; where both have one, that of the
    half with the higher score. It is open when the two were decided apart.
    """
    later = (m for m in shown if in_time(m) > in_time(mark))
    other = next((m for m in later if m.state != "dismissed"), None)
    if other is None:
        raise ReviewError(f"no segment follows the one at {mark.start_s:.3f} s; select an earlier one to merge")
    halves = sorted((mark, other), key=lambda m: m.model_score or -1.0, reverse=True)
    starts = [m.model_start_s for m in halves if m.model_start_s is not None]
    ends = [m.model_end_s for m in halves if m.model_end_s is not None]
    state = mark.state if mark.state == other.state else "open"
    note = "\n".join(dict.fromkeys(filter(None, (mark.note, other.note))))[:NOTE_LENGTH]
    end_s = max(mark.end_s, other.end_s)
    flagged = {"model_start_s": min(starts, default=None), "model_end_s": max(ends, default=None)}
    whole = replace(halves[0], id=new_id, start_s=mark.start_s, end_s=end_s, state=state, note=note, **flagged)
    whole = _described(whole, between)
    if named := [m for m in halves if m.is_named or m.state == "confirmed"]:
        whole = replace(whole, label=named[0].label, named=any(m.named for m in named))
    return {mark.id: None, other.id: None, new_id: whole}


def add(start_s: float, end_s: float, label: str, *, duration_s: float, new_id: str) -> Patch:
    """A segment that the model missed: confirmed, since a person says that it is there."""
    empty = Mark(id=new_id, start_s=0, end_s=0, state="confirmed", label=label)
    return {new_id: _between(empty, min(start_s, end_s), max(start_s, end_s), duration_s)}


def remove(mark: Mark) -> Patch:
    """Take back a segment that was added by hand."""
    if not mark.by_hand:
        raise ReviewError(f"the model flagged the segment at {mark.start_s:.3f} s; dismiss it instead of removing it")
    return {mark.id: None}


def _changed(mark: Mark, made: Mark) -> Patch:
    """Nothing where it is as it was: a segment that nobody has decided stays the model's."""
    return {} if made == mark else {mark.id: made}


def _between(mark: Mark, start_s: float, end_s: float, duration_s: float) -> Mark:
    start_s, end_s = round(start_s, 3), round(end_s, 3)
    if not start_s < end_s:
        raise ReviewError(f"start {start_s:.3f} s is not before end {end_s:.3f} s; move the playhead, then try again")
    if start_s < 0 or end_s > round(duration_s, 3):
        raise ReviewError(
            f"{start_s:.3f} to {end_s:.3f} s reaches out of the clip, which lasts {duration_s:.3f} s; stay inside it"
        )
    return replace(mark, start_s=start_s, end_s=end_s)


def _described(part: Mark, between: Between) -> Mark:
    """A part of a mark with the model's word, score and peak for it; what a person decided keeps its name."""
    if part.by_hand:
        return part
    said = between(part.start_s, part.end_s)
    label = said.label if part.state == "open" and not part.is_named else part.label
    return replace(part, label=label, model_label=said.label, model_score=said.score, peak_s=said.peak_s)
