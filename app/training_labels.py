"""Decisions as training labels, with the features they were made on: of one clip, or of every reviewed clip."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from app.bundle import ExportError, Work
from app.desk import Desk, Step
from app.review import Mark
from app.reviewed import safe_stem
from app.reviews import Cut
from cmhkf import Analysis
from cmhkf.labels import LabelledSegment, LabelledVideo, Labels, write_labels


class Marks(Protocol):
    """Where decisions come from."""

    def marks_of(self, analysis_id: str, cut: Cut, /) -> list[Mark]:
        """A clip's segments as a reviewer sees them, decided or not."""
        ...


def write_training_labels(desk: Desk, marks: Marks, analysis_id: str, cut: Cut, folder: Path) -> Work:
    """Write the labels of a clip, or with an empty id those of all clips, into `folder`; returns the one file.

    Clips without a decision are left out, and so are those with features of another recipe than the newest's.

    Raises:
        ExportError: nothing was decided.
        ConfigError: a model of that recipe is not loaded.
        DataError: the features of a clip are not kept any more.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    analyses, videos = list[Analysis](), list[LabelledVideo]()
    for key in [analysis_id] if analysis_id else _newest(desk):
        analysis, decided = desk.analysis(key), marks.marks_of(key, cut)
        yield Step("reading decisions", len(videos), None)
        if all(mark.state == "open" for mark in decided):
            continue
        if not analyses or analysis.recipe_hash == analyses[0].recipe_hash:
            analyses.append(analysis)
            videos.append(_labelled(analysis, decided))
    if not videos:
        raise ExportError("no segment was confirmed or dismissed, so there is nothing to learn from; decide some first")
    analyzer = desk.analyzer_for(analyses[0].recipe_hash)
    labels = Labels(now, analyses[0].model_id, analyzer.recipe, tuple(videos))
    features = {video.sha256: analyzer.features_file(video.sha256) for video in videos}
    stem = safe_stem(analyses[0].clip.name) if analysis_id else "library"
    with TemporaryDirectory(dir=folder, prefix=".work-") as work:
        made = Path(work) / f"{stem}-training-labels.zip"
        for done in write_labels(made, labels, features):
            yield Step("packing", done, len(videos))
        return made.rename(folder / made.name)


def _newest(desk: Desk) -> Iterator[str]:
    """The newest analysis of each clip."""
    seen: set[str] = set()
    for entry in desk.store.library():
        if entry.analysis_id and entry.clip.sha256 not in seen:
            seen.add(entry.clip.sha256)
            yield entry.analysis_id


def _labelled(analysis: Analysis, marks: list[Mark]) -> LabelledVideo:
    reviewers = sorted({mark.reviewer for mark in marks if mark.reviewer})
    segments = tuple(LabelledSegment(mark.start_s, mark.end_s, mark.state, mark.label) for mark in marks)
    return LabelledVideo(analysis.clip.sha256, analysis.clip.name, ", ".join(reviewers), segments)
