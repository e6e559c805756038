"""What an export is made of: a clip's analysis and what people made of it."""

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np

from app.review.looks import Judged
from app.review.marks import Mark, name_of, runs_of
from cmhkf import Analysis
from cmhkf.datasets.truth import Truth
from cmhkf.errors import MediaError
from cmhkf.media.clip import frame_times
from cmhkf.segments import ClassRun
from cmhkf.timeline import GRID_RATE, edge_frame

STEM_LENGTH = 60  # characters of a clip's name in the names of files made of it


@dataclass(frozen=True)
class LookedAt:
    """A blind look with its answers."""

    judged: Judged
    other: str = ""  # for people: what was otherwise for it than for the rest of the export, if anything


@dataclass(frozen=True)
class Reviewed:
    """One clip as one reviewer leaves it."""

    analysis_id: str
    analysis: Analysis
    marks: tuple[Mark, ...]  # in order of time
    threshold: float
    exported: str  # when: ISO 8601, UTC
    agreement: tuple[str, ...] = ()  # for people: how other reviewers' decisions compare, a sentence each
    truth: tuple[Truth, ...] | None = None  # where the clip is anomalous by an annotation file, if there is one
    looks: tuple[LookedAt, ...] = ()  # the reviewer's blind looks at what was not flagged in this clip, or in all
    n_left_out: int = 0  # dismissed marks that `marks` is to lack

    @property
    def rate(self) -> Fraction | None:
        """Frames per second of the clip; None where it varies. 24 where the file is gone too."""
        return self.analysis.clip.native_rate or (GRID_RATE if self.frame_times_s is None else None)

    @cached_property
    def frame_times_s(self) -> np.ndarray | None:
        """When each frame of the file is shown, [F]; None where `rate` gives it, or the file is gone."""
        if self.analysis.clip.native_rate:
            return None
        try:
            return frame_times(self.analysis.clip)
        except MediaError:
            return None

    def frame(self, edge_s: float) -> int:
        """The frame that begins nearest to an edge, or one past the last for the end of the clip."""
        times_s = self.frame_times_s
        edges_s = None if times_s is None else np.append(times_s, self.analysis.timeline.duration_s)
        return edge_frame(edge_s, self.rate or GRID_RATE, edges_s)

    def name(self, mark: Mark) -> str:
        """Its class in words, "unclear: riot or fighting" where that is all that the model says."""
        return name_of(mark, self.analysis)

    def class_runs(self, mark: Mark) -> tuple[ClassRun, ...]:
        """Its classes over time, where they change."""
        return runs_of(mark, self.analysis)

    @property
    def kept(self) -> list[Mark]:
        """The marks that are not dismissed."""
        return [mark for mark in self.marks if mark.state != "dismissed"]

    @property
    def n_dismissed(self) -> int:
        """How many marks are, whether or not `marks` holds them."""
        return self.n_left_out + len(self.marks) - len(self.kept)

    @property
    def trust(self) -> str:
        """What to think of the scores, in one word or two."""
        return "trained" if self.analysis.trained else "NOT TRAINED"


def safe_stem(name: str) -> str:
    """A clip's name as the beginning of a file's name: letters, digits, `.`, `_` and `-`."""
    plain = unicodedata.normalize("NFKD", Path(name).stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-_")[:STEM_LENGTH] or "clip"
