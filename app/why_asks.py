"""What the tabs "Why" and "Classes" ask for: arguments in, JSON out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from app import why
from app.charts import short
from app.desk import Desk
from app.doors import Json, guarded, uploaded
from app.own_classes import own_classes, typed_names
from app.store import Entry, analysis_id
from app.truth import KeptTruth, TruthKeeper, fit
from cmhkf import Analysis
from cmhkf.proxy import needs_proxy


class WhyAsks:
    """The functions that the page calls, each with one object of arguments."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._neighbours = why.Neighbours(desk.store.load)
        self._truths = TruthKeeper(desk.settings.home)
        self._comparing = threading.Lock()  # an analyzer's text encoder is for one caller at a time

    def functions(self) -> list[Callable[[Json], Json]]:
        """All of them, guarded."""
        asks = (self.why, self.neighbours, self.compare, self.truth, self.take_truth, self.drop_truth)
        return [guarded(ask) for ask in asks]

    def why(self, ask: Json) -> Json:
        """{analysis_id, start_s, end_s} -> what the analysis holds about that segment, and curves round it."""
        analysis, there = self._segment(ask)
        shown = why.extract(analysis, float(ask["start_s"]), float(ask["end_s"]))
        peak = _peak(analysis, there)

        def curve(values: np.ndarray) -> list[float]:
            return short(why.pooled(values[shown], why.CURVE_POINTS))

        salient = analysis.saliency  # Eq. 5: its mean over the clip is 1, which Eq. 6's is not
        scores = curve(analysis.scores)
        classes, cues = why.chosen_classes(analysis, there), why.cues(analysis, there)
        what_ifs = why.what_ifs(analysis, there)
        return {
            "headline": why.headline(classes, what_ifs, cues),
            "classes": [asdict(c) for c in classes],
            "cues": [asdict(c) for c in cues],
            "saliency": asdict(why.contrast("saliency", salient, there)) | {"curve": curve(salient)},
            "scores": scores,
            "what_ifs": [
                {"name": w.name, "words": w.words, "scores": None if w.scores is None else curve(w.scores)}
                for w in what_ifs
            ],
            "from_s": float(analysis.times_s[shown.start]),
            "to_s": float(min(analysis.timeline.ends_s[shown.stop - 1], analysis.timeline.duration_s)),
            "step_s": analysis.timeline.snippet_s * -(-(shown.stop - shown.start) // why.CURVE_POINTS),
            "peak_s": float(analysis.times_s[peak]),
        }

    def neighbours(self, ask: Json) -> Json:
        """{analysis_id, start_s, end_s} -> the snippets of the library that look most like the segment's peak."""
        key = str(ask["analysis_id"])
        analysis, there = self._segment(ask)
        entries = {e.analysis_id: e for e in self._desk.store.library() if e.analysis_id and _same_making(e, analysis)}
        found = self._neighbours.nearest(
            key, _peak(analysis, there), among=[*entries], avoid=there, snippet_s=analysis.timeline.snippet_s
        )
        return {
            "n_clips": len(entries),
            "by": "fused embeddings of the trained head" if analysis.trained else "picture embeddings",
            "neighbours": [self._shown(n, entries[n.analysis_id], analysis) for n in found],
        }

    def compare(self, ask: Json) -> Json:
        """{analysis_id, text} -> how similar the clip is to each class name in the text, over time."""
        names = typed_names(str(ask["text"]))
        analysis = self._desk.analysis(str(ask["analysis_id"]))
        analyzer = self._desk.analyzer_for(analysis.recipe_hash)
        with self._comparing:
            similarity = analyzer.compare(analysis.clip.sha256, names)
        made = own_classes(names, similarity, analysis.timeline)
        return {
            "classes": [asdict(c) | {"curve": short(c.curve)} for c in made],
            "duration_s": analysis.timeline.duration_s,
            "step_s": analysis.timeline.snippet_s * -(-analysis.n_snippets // len(made[0].curve)),
            "weak": "demo" in analysis.encoders,
        }

    def truth(self, ask: Json) -> Json:
        """{analysis_id} -> the ground truth kept of its clip, and how the score fits it."""
        analysis = self._desk.analysis(str(ask["analysis_id"]))
        return _truth_facts(analysis, self._truths.kept(analysis.clip.sha256))

    def take_truth(self, ask: Json) -> Json:
        """{analysis_id, upload, name} -> the ground truth of its clip in that file, kept from now on."""
        analysis = self._desk.analysis(str(ask["analysis_id"]))
        with uploaded(str(ask["upload"])) as file:
            return _truth_facts(analysis, self._truths.take(file, str(ask["name"]), analysis))

    def drop_truth(self, ask: Json) -> Json:
        """{analysis_id} -> nothing kept of its clip any more."""
        analysis = self._desk.analysis(str(ask["analysis_id"]))
        self._truths.drop(analysis.clip.sha256)
        return _truth_facts(analysis, None)

    def _segment(self, ask: Json) -> tuple[Analysis, np.ndarray]:
        analysis = self._desk.analysis(str(ask["analysis_id"]))
        return analysis, why.inside(analysis, float(ask["start_s"]), float(ask["end_s"]))

    def _shown(self, found: why.Neighbour, entry: Entry, analysis: Analysis) -> Json:
        clip = entry.clip
        copied = (self._desk.store.playback_dir / f"{clip.sha256}.mp4").exists()
        return {
            "analysis_id": found.analysis_id,
            "name": clip.name,
            "here": clip.sha256 == analysis.clip.sha256,
            "time_s": found.snippet * analysis.timeline.snippet_s,
            "similarity": found.similarity,
            # A look at a list must not set off the making of copies.
            "url": self._desk.playback(clip)["url"] if copied or not needs_proxy(clip) else None,
        }


def _peak(analysis: Analysis, there: np.ndarray) -> int:
    """The segment's snippet with the highest score."""
    return int(np.where(there, analysis.scores, -1).argmax())


def _same_making(entry: Entry, analysis: Analysis) -> bool:
    """Whether a line of the library is of the same model and recipe, so that embeddings can be compared."""
    return entry.analysis_id == analysis_id(entry.clip.sha256, analysis.model_id, analysis.recipe_hash)


def _truth_facts(analysis: Analysis, truth: KeptTruth | None) -> Json:
    if truth is None:
        return {"source": None, "segments": []}
    segments = [{"start_s": start, "end_s": end, "label": label} for start, end, label in truth.segments]
    return {"source": truth.source, "segments": segments} | asdict(fit(analysis, truth.segments))
