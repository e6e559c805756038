"""Why a segment was flagged, as far as an Analysis can say: pure functions, and the search for what looks like it."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.clips.curves import HEARD
from cmhkf.analysis import Analysis
from cmhkf.errors import CmhkfError
from cmhkf.timeline import WINDOW_SNIPPETS

CONTEXT_S = 6.0  # shown on either side of a segment, or its own length where that is more
CURVE_POINTS = 240  # as many as a narrow panel can draw
NO_CHANGE = 0.02  # of a mean score or similarity: too little to speak of
NOTICEABLE = 0.05  # of a cue that is a probability, in the mean: less is noise
MOTION_NOISE = 0.003  # likewise of "motion": what a camera that stands still shows
FAR_ABOVE = 2.0  # times a cue's mean in the rest of the clip
MANY_TIMES = 20  # likewise; more is not counted
APART_S = 4.0  # two neighbours of one clip lie this far apart, and this far from the segment
MATRICES_BYTES = 512_000_000  # of unit rows kept in memory: 250 clips of 1000 snippets

log = logging.getLogger(__name__)


def inside(analysis: Analysis, start_s: float, end_s: float) -> np.ndarray:
    """Which snippets have their middle in `[start_s, end_s)`, bool [N]; the one at its start if none has."""
    middle = analysis.timeline.middles_s
    found = (middle >= start_s) & (middle < end_s)
    if not found.any():
        found[analysis.timeline.snippet_at(max(0.0, start_s))] = True
    return found


@dataclass(frozen=True)
class Contrast:
    """The mean of something inside a segment beside its mean in the rest of the clip."""

    name: str
    inside: float
    rest: float | None  # None when the segment is the whole clip
    low: float  # least and greatest value in the clip: the scale of the bars
    high: float


def contrast(name: str, values: np.ndarray, there: np.ndarray) -> Contrast:
    """Means of `values` [N] where `there` [N] is true and where it is not."""
    rest = None if there.all() else float(values[~there].mean())
    return Contrast(name, float(values[there].mean()), rest, float(values.min()), float(values.max()))


def chosen_classes(analysis: Analysis, there: np.ndarray) -> list[Contrast]:
    """The classes that CVKA chose in the windows of the segment, most similar inside first."""
    windows = np.unique(np.flatnonzero(there) // WINDOW_SNIPPETS)
    found = [
        contrast(analysis.classes[c], analysis.similarity[:, c], there)
        for c in np.unique(analysis.top_classes[windows]).tolist()
    ]
    return sorted(found, key=lambda c: -c.inside)


def shares(analysis: Analysis, there: np.ndarray) -> list[Contrast]:
    """What names the class: each anomaly class's part of P(anomaly), the largest inside first."""
    anomalies = analysis.class_probs[:, 1:] / np.maximum(analysis.class_probs[:, 1:].sum(axis=1, keepdims=True), 1e-9)
    found = [contrast(name, part, there) for name, part in zip(analysis.classes[1:], anomalies.T, strict=True)]
    return sorted(found, key=lambda c: -c.inside)


def cues(analysis: Analysis, there: np.ndarray) -> list[Contrast]:
    """The encoders' named signals."""
    return [contrast(name, values, there) for name, values in analysis.cues.items()]


def reasons(analysis: Analysis, signals: Sequence[Contrast]) -> list[Contrast]:
    """The signals that may speak for a segment: no noise, and no kind of sound that was never heard in the clip."""
    noticed = [c for c in signals if c.inside >= (MOTION_NOISE if c.name == "motion" else NOTICEABLE)]
    return [c for c in noticed if c.name not in analysis.audio_cues or c.high >= HEARD]


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The score with one modality left out."""

    name: str  # "sound" or "text"
    words: str  # what it means, in words for people
    scores: np.ndarray | None = None  # [N]; None when the modality played no part
    change: float = 0.0  # how much higher the mean score in the segment is with the modality than without


def what_ifs(analysis: Analysis, there: np.ndarray) -> list[WhatIf]:
    """What leaving out audio and text does to the score inside the segment."""
    made = []
    for key, name in (("without_audio", "sound"), ("without_text", "text")):
        without = analysis.modality_scores.get(key)
        if without is None:
            made.append(WhatIf(name, _no_part(analysis, name)))
            continue
        full, left = float(analysis.scores[there].mean()), float(without[there].mean())
        words = f"Without {name} the mean score here goes from {full:.2f} to {left:.2f}: {_verdict(name, full - left)}."
        made.append(WhatIf(name, words, without, full - left))
    return made


def _verdict(name: str, change: float) -> str:
    if abs(change) < NO_CHANGE:
        return f"{name} made no difference"
    return f"{name} raised it" if change > 0 else f"{name} held it down"


def headline(called: str, classes: Sequence[Contrast], found: Sequence[WhatIf], signals: Sequence[Contrast]) -> str:
    """The strongest reasons in one line: the class, a modality that moved the score, and a cue far above its rest.

    `called` is what the model calls the segment, empty where that is unclear; where its pictures resemble another
    class, that is said.
    """
    best = classes[0]
    more = best.rest is None or best.inside > best.rest + NO_CHANGE
    said = [f"Its pictures look most like {best.name}" + ("" if more else ", but no more than the rest of the clip")]
    said += [f"the model calls it {called}, so the two disagree"] if called not in ("", best.name) else []
    moved = [w for w in found if abs(w.change) >= NO_CHANGE]
    said += [f"{w.name} {'raised' if w.change > 0 else 'lowered'} the score by {abs(w.change):.2f}" for w in moved]
    times = {c.name: c.inside / c.rest for c in signals if c.rest and c.rest > 0}
    if times and times[top := max(times, key=times.__getitem__)] >= FAR_ABOVE:
        said.append(f"{top} {_about(times[top])} as strong as in the rest of the clip")
    return "; ".join(said) + "."


def _about(times: float) -> str:
    """A ratio in words. Beyond twenty it says more of how quiet the rest is than of the segment."""
    if times > MANY_TIMES:
        return f"more than {MANY_TIMES} times"
    return f"about {round(times * 2) / 2:g} times" if times < 10 else f"about {times:.0f} times"


def _no_part(analysis: Analysis, name: str) -> str:
    if name == "sound":
        if analysis.audio_level_db is None:
            return "Sound played no part: the clip has no sound track that could be read."
        if "A" not in analysis.modalities:
            return "Sound played no part: the track is silent, or this model does not listen."
        return "Sound played no part in this score: it compares pictures with class texts alone."
    if analysis.trained or "T" not in analysis.modalities:
        return "Text played no part: this model's score is made without it."
    if "P(normal)" in analysis.score_source:
        return "Text cannot be left out: this untrained score is itself a comparison with the class texts."
    return "Text played no part in this score, which comes from the cues below; text only names the class."


def extract(analysis: Analysis, start_s: float, end_s: float) -> slice:
    """The snippets of a segment and its surroundings."""
    pad = max(CONTEXT_S, end_s - start_s)
    line = analysis.timeline
    return slice(line.snippet_at(max(0.0, start_s - pad)), line.snippet_at(end_s + pad) + 1)


def pooled(values: np.ndarray, n_points: int) -> np.ndarray:
    """At most `n_points` values, each the greatest of as many neighbours, so that no peak is lost."""
    step = -(-len(values) // n_points)
    return np.maximum.reduceat(values, np.arange(0, len(values), step))


@dataclass(frozen=True)
class Neighbour:
    """A snippet that looks like the one requested."""

    analysis_id: str
    snippet: int
    similarity: float  # cosine


def unit_rows(analysis: Analysis) -> np.ndarray:
    """What snippets are compared by: the fused embeddings of a trained head, else the frames'; float32 [N, D]."""
    rows = analysis.fused_embeddings if analysis.trained else analysis.clip_embeddings
    rows = rows.astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


class Neighbours:
    """Nearest snippets among many analyses; their unit rows stay in memory up to a limit, the least used go first."""

    def __init__(self, load: Callable[[str], Analysis], *, limit_bytes: int = MATRICES_BYTES) -> None:
        """`load` reads an analysis by its id."""
        self._load, self._limit = load, limit_bytes
        self._rows: OrderedDict[str, np.ndarray] = OrderedDict()
        self._reading = threading.Lock()

    def rows(self, analysis_id: str) -> np.ndarray:
        """Unit rows [N, D] of one analysis. Raises what `load` does."""
        with self._reading:
            if analysis_id not in self._rows:
                self._rows[analysis_id] = unit_rows(self._load(analysis_id))
            self._rows.move_to_end(analysis_id)
            while len(self._rows) > 1 and sum(rows.nbytes for rows in self._rows.values()) > self._limit:
                self._rows.popitem(last=False)
            return self._rows[analysis_id]

    def forget(self, keys: Sequence[str]) -> None:
        """Drop the rows of these analyses from memory."""
        with self._reading:
            for key in keys:
                self._rows.pop(key, None)

    def nearest(
        self,
        analysis_id: str,
        snippet: int,
        *,
        among: Sequence[str],
        avoid: np.ndarray,
        snippet_s: float,
        count: int = 6,
    ) -> list[Neighbour]:
        """The `count` most similar snippets of the analyses `among`, best first.

        Args:
            analysis_id: the analysis of the snippet requested.
            snippet: its index.
            among: ids of analyses of the same model and recipe; one that cannot be read is left out.
            avoid: the segment's own snippets, bool [N]; they and what is closer than 4 s to them are left out.
            snippet_s: seconds of a snippet; of neighbours closer than 4 s to each other the best one stays.
            count: how many.
        """
        apart = max(1, round(APART_S / snippet_s))
        wanted = self.rows(analysis_id)[snippet]
        own = np.flatnonzero(avoid)
        found: list[Neighbour] = []
        for key in among:
            try:
                cosine = self.rows(key) @ wanted
            except CmhkfError as error:
                log.warning("not searched for neighbours: %s", error)
                continue
            if key == analysis_id:
                cosine[max(0, own[0] - apart + 1) : own[-1] + apart] = -np.inf
            found += [Neighbour(key, i, float(cosine[i])) for i in _peaks(cosine, apart, count)]
        return sorted(found, key=lambda n: -n.similarity)[:count]


def _peaks(values: np.ndarray, apart: int, count: int) -> list[int]:
    """Indices of the greatest values, best first, no two closer than `apart`; -inf is never one."""
    left = values.copy()
    found: list[int] = []
    while len(found) < count and left[best := int(left.argmax())] > -np.inf:
        found.append(best)
        left[max(0, best - apart + 1) : best + apart] = -np.inf
    return found
