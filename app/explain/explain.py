"""What the tabs "Why" and "Classes" show: why a segment was flagged, what looks like it, and classes of one's own."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.clips.workspace import Workspace
from app.explain import why
from cmhkf import Analysis, ConfigError
from cmhkf.media.clip import Clip
from cmhkf.timeline import Timeline

MAX_NAMES = 12
MAX_CHARACTERS = 80
CURVE_POINTS = 1200


@dataclass(frozen=True, eq=False)
class Explanation:
    """What an analysis holds about a segment, and curves round it of at most 240 points each."""

    headline: str
    shares: list[why.Contrast]
    classes: list[why.Contrast]
    cues: list[why.Contrast]
    saliency: why.Contrast
    saliency_curve: np.ndarray
    scores: np.ndarray
    what_ifs: list[why.WhatIf]  # with their scores cut to the same curve
    from_s: float
    to_s: float
    step_s: float  # seconds between two points of a curve
    peak_s: float


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """What of the library looks most like a segment's peak."""

    analysis: Analysis  # of the segment
    clips: Mapping[str, Clip]  # what was searched, by the id of the analysis
    found: list[why.Neighbour]


@dataclass(frozen=True, eq=False)
class OwnClass:
    """A typed class over the clip."""

    name: str
    peak: float
    peak_s: float  # middle of the most similar snippet
    mean: float
    curve: np.ndarray  # similarity, at most 1200 values, each the greatest of as many snippets


@dataclass(frozen=True, eq=False)
class Comparison:
    """Typed classes beside each other."""

    classes: list[OwnClass]
    duration_s: float
    step_s: float  # seconds between two points of a curve
    weak: bool  # whether the encoders are too small to trust it


class Explainer:
    """Explains the analyses of a workspace. `start_s` and `end_s` are a segment's, on the clip's clock."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._neighbours = why.Neighbours(workspace.store.load)
        workspace.when_forgotten(self._neighbours.forget)
        self._comparing = threading.Lock()  # an analyzer's text encoder is for one caller at a time

    def why(self, analysis_id: str, start_s: float, end_s: float) -> Explanation:
        """What the analysis holds about a segment. Raises NotFoundError."""
        analysis = self._workspace.analysis(analysis_id)
        there, shown = why.inside(analysis, start_s, end_s), why.extract(analysis, start_s, end_s)

        def curve(values: np.ndarray) -> np.ndarray:
            return why.pooled(values[shown], why.CURVE_POINTS)

        salient = analysis.saliency  # Eq. 5: its mean over the clip is 1, which Eq. 6's is not
        shares = why.shares(analysis, there)
        called = shares[0].name if shares[0].inside >= analysis.least_share else ""
        classes, cues = why.chosen_classes(analysis, there), why.cues(analysis, there)
        what_ifs = why.what_ifs(analysis, there)
        return Explanation(
            headline=why.headline(called, classes, what_ifs, why.reasons(analysis, cues)),
            shares=shares,
            classes=classes,
            cues=cues,
            saliency=why.contrast("saliency", salient, there),
            saliency_curve=curve(salient),
            scores=curve(analysis.scores),
            what_ifs=[w if w.scores is None else replace(w, scores=curve(w.scores)) for w in what_ifs],
            from_s=float(analysis.times_s[shown.start]),
            to_s=float(min(analysis.timeline.ends_s[shown.stop - 1], analysis.timeline.duration_s)),
            step_s=analysis.timeline.snippet_s * -(-(shown.stop - shown.start) // why.CURVE_POINTS),
            peak_s=float(analysis.times_s[_peak(analysis, there)]),
        )

    def neighbours(self, analysis_id: str, start_s: float, end_s: float) -> Neighbourhood:
        """The snippets of the library that look most like the segment's peak. Raises NotFoundError."""
        analysis = self._workspace.analysis(analysis_id)
        there, snippet_s = why.inside(analysis, start_s, end_s), analysis.timeline.snippet_s
        clips = self._workspace.store.alike(analysis)
        peak = _peak(analysis, there)
        found = self._neighbours.nearest(analysis_id, peak, among=[*clips], avoid=there, snippet_s=snippet_s)
        return Neighbourhood(analysis, clips, found)

    def compare(self, analysis_id: str, text: str) -> Comparison:
        """How similar the clip is to each class name in a text, over time. Raises ConfigError, DataError."""
        names = typed_names(text)
        analysis = self._workspace.analysis(analysis_id)
        analyzer = self._workspace.analyzer_for(analysis.recipe_hash)
        with self._comparing:
            similarity = analyzer.compare(analysis.clip.sha256, names)
        made, line = own_classes(names, similarity, analysis.timeline), analysis.timeline
        step_s = line.snippet_s * -(-analysis.n_snippets // len(made[0].curve))
        return Comparison(made, line.duration_s, step_s, "demo" in analysis.encoders)


def _peak(analysis: Analysis, there: np.ndarray) -> int:
    """The segment's snippet with the highest score."""
    return int(np.where(there, analysis.scores, -1).argmax())


def typed_names(text: str) -> list[str]:
    """Names separated by commas or lines, without repeats. Raises ConfigError: none, too many, or one too long."""
    names = list(dict.fromkeys(" ".join(name.split()) for name in re.split(r"[,;\n]", text) if name.strip()))
    if not names:
        raise ConfigError("no class name was typed; write a few words, such as: fire, person lying on the ground")
    if len(names) > MAX_NAMES:
        raise ConfigError(f"{len(names)} class names were typed; at most {MAX_NAMES} can be compared at once")
    if long := next((name for name in names if len(name) > MAX_CHARACTERS), None):
        raise ConfigError(f"{long[:30]!r}... has {len(long)} characters; a class name may have {MAX_CHARACTERS}")
    return names


def own_classes(names: list[str], similarity: np.ndarray, line: Timeline) -> list[OwnClass]:
    """What to show of each name from the similarities [N, C]."""
    peaks = similarity.argmax(axis=0)
    middles = line.middles_s[peaks]
    return [
        OwnClass(name, float(row[i]), float(min(at, line.duration_s)), float(row.mean()), why.pooled(row, CURVE_POINTS))
        for name, row, i, at in zip(names, similarity.T, peaks, middles, strict=True)
    ]
