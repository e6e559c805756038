"""What an export is made of: a clip's analysis and what people made of it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from app.review import Mark
from cmhkf import Analysis
from cmhkf.timeline import GRID_RATE, edge_frame
from cmhkf.truth import Truth

STEM_LENGTH = 60  # characters of a clip's name in the names of files made of it


@dataclass(frozen=True)
class Reviewed:
    """One clip as one reviewer leaves it."""

    analysis_id: str
    analysis: Analysis
    marks: tuple[Mark, ...]
    """In order of time."""
    threshold: float
    exported: str
    """When: ISO 8601, UTC."""
    agreement: tuple[str, ...] = ()
    """For people: how other reviewers' decisions compare, a sentence each."""
    truth: tuple[Truth, ...] | None = None
    """Where the clip is anomalous by an annotation file, if there is one."""

    @property
    def rate(self) -> Fraction:
        """Frames per second in which exports count: the file's own, or 24 where it states none."""
        return self.analysis.clip.native_rate or GRID_RATE

    def frame(self, edge_s: float) -> int:
        """The frame that begins nearest to an edge."""
        return edge_frame(edge_s, self.rate)

    @property
    def kept(self) -> list[Mark]:
        """The marks that are not dismissed."""
        return [mark for mark in self.marks if mark.state != "dismissed"]

    @property
    def trust(self) -> str:
        """What to think of the scores, in one word or two."""
        return "trained" if self.analysis.trained else "NOT TRAINED"


def safe_stem(name: str) -> str:
    """A clip's name as the beginning of a file's name: letters, digits, `.`, `_` and `-`."""
    plain = unicodedata.normalize("NFKD", Path(name).stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-_")[:STEM_LENGTH] or "clip"
