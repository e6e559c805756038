"""Marks where no decisions are kept: what the model flagged, all of it open."""

from __future__ import annotations

from collections.abc import Sequence

from app.desk import Desk
from app.exports import Cut
from app.review import Mark
from cmhkf import CmhkfError


class Undecided:
    """Flagged segments as marks that nobody has decided."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def marks_of(self, analysis_id: str, cut: Cut) -> list[Mark]:
        """The marks of an analysis. Raises NotFoundError, ConfigError."""
        found = self._desk.segments(
            analysis_id, cut.threshold, min_length_s=cut.min_length_s, merge_gap_s=cut.merge_gap_s
        )
        return [
            Mark(
                f"p{round(s['peak_s'] * 1000)}", s["start_s"], s["end_s"], label=s["label"], model_label=s["label"],
                model_score=s["score"], peak_s=s["peak_s"],
            )
            for s in found["segments"]
        ]  # fmt: skip

    def agreement(self, _: str, __: Cut) -> list[str]:
        """Nobody decided, so nobody agrees."""
        return []

    def take(self, _: str, __: str, marks: Sequence[Mark]) -> int:
        """There is nowhere to put them."""
        raise CmhkfError(f"no decisions are kept here, so the {len(marks)} segments of the file cannot be taken in")
