"""What a person's decision means: pure functions over an Analysis and the decisions made on its clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["open", "confirmed", "dismissed"]


@dataclass(frozen=True)
class Mark:
    """A segment as one reviewer sees it: `[start_s, end_s)`, flagged by the model or added by hand."""

    id: str
    """Unique within the clip; stays with the segment through every change but a split or a merge."""
    start_s: float
    end_s: float
    state: State = "open"
    label: str = ""
    """What the person calls it; at first the model's word."""
    note: str = ""
    model_label: str = ""
    """The model's word; empty for a segment added by hand, as are the next two."""
    model_score: float | None = None
    peak_s: float | None = None
    reviewer: str = ""
    """Empty while nobody has decided anything."""
    revision: int = 0
    """Of the reviewer's latest change to it on this clip; 0: none."""
    decided: str = ""
    """When that was: ISO 8601, UTC."""
