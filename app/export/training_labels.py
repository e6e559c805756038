"""Decisions as training labels, with the features they were made on: of one clip, or of every reviewed clip."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from app.clips.store import Entry
from app.clips.workspace import Cut, Workspace
from app.export.bundle import ExportError, Writing
from app.export.reviewed import safe_stem
from app.review.marks import Mark
from app.review.reviews import Reviews
from cmhkf import Analysis
from cmhkf.analysis import Curve
from cmhkf.datasets.labels import LabelledSegment, LabelledVideo, Labels, write_labels
from cmhkf.progress import Progress


def write_training_labels(
    workspace: Workspace, reviews: Reviews, analysis_id: str, cut: Cut, reviewer: str, folder: Path
) -> Writing:
    """Write the labels of a clip, or with an empty id those of all clips, into `folder`; returns the one file.

    Clips without a decision are left out, and so are those with features of another recipe than the newest's.

    Raises:
        ExportError: nothing was decided.
        ConfigError: a model of that recipe is not loaded.
        DataError: the features of a clip are not kept any more.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    analyses, videos = list[Analysis | Curve](), list[LabelledVideo]()
    keys = (entry.analysis_id or "" for entry in newest(workspace))
    for key in [analysis_id] if analysis_id else keys:
        view = reviews.view(key, cut, reviewer)
        analysis = view.analysis
        yield Progress("reading decisions", len(videos), 0)
        if all(mark.state == "open" for mark in view.marks):
            continue
        if not analyses or analysis.recipe_hash == analyses[0].recipe_hash:
            analyses.append(analysis)
            videos.append(_labelled(analysis, view.marks))
    if not videos:
        raise ExportError("no segment was confirmed or dismissed, so there is nothing to learn from; decide some first")
    analyzer = workspace.analyzer_for(analyses[0].recipe_hash)
    labels = Labels(now, analyses[0].model_id, analyzer.recipe, tuple(videos))
    features = {video.sha256: analyzer.features_file(video.sha256) for video in videos}
    stem = safe_stem(analyses[0].clip.name) if analysis_id else "library"
    with TemporaryDirectory() as work:
        made = Path(work) / f"{stem}-training-labels.zip"
        for done in write_labels(made, labels, features):
            yield Progress("packing", done, len(videos))
        return Path(shutil.move(made, folder / made.name))


def newest(workspace: Workspace) -> Iterator[Entry]:
    """Each clip with its newest analysis; those without one are left out."""
    seen: set[str] = set()
    for entry in workspace.store.library():
        if entry.analysis_id and entry.sha256 not in seen:
            seen.add(entry.sha256)
            yield entry


def _labelled(analysis: Analysis | Curve, marks: list[Mark]) -> LabelledVideo:
    reviewers = sorted({mark.reviewer for mark in marks if mark.reviewer})
    segments = tuple(LabelledSegment(mark.start_s, mark.end_s, mark.state, mark.label) for mark in marks)
    return LabelledVideo(analysis.clip.sha256, analysis.clip.name, ", ".join(reviewers), segments)
