"""The JSON of every answer, made of the values that the rest of the application deals in."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from app.clips.curves import short
from app.clips.jobs import JobStatus
from app.clips.playback import Playable, Playback
from app.clips.store import Entry
from app.clips.strips import Strips, Wanted, peak_frame
from app.clips.truths import KeptTruth, fit
from app.explain.explain import Explanation, Neighbourhood
from app.export.marks_file import MarksFile
from app.library import Listed
from app.review.looks import Judged
from app.review.marks import is_watched, undoable
from app.review.reviews import View
from cmhkf import Analysis, Segment
from cmhkf.analysis import Curve, Growing
from cmhkf.caution import caution
from cmhkf.media.clip import Clip
from cmhkf.media.unseen import as_public_rows, as_rows
from cmhkf.metrics.misses import miss_short
from cmhkf.settings import picked

Json = dict[str, Any]


def plain(value: Any) -> Any:
    """A value as JSON: dataclasses as objects by field, arrays as rounded lists, files as their addresses."""
    if value is None or isinstance(value, str | int | float):  # first: a long clip has thousands
        return value
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return short(value)
    return file_url(value) if isinstance(value, Path) else value


def file_url(path: Path) -> str:
    """A file of the public folders, relative to the page so that a sub-path works."""
    return "gradio_api/file=" + quote(str(path))


def clip_json(clip: Clip, playable: Playable) -> Json:
    """A clip as the player needs it."""
    fps, aspect = float(clip.native_rate) if clip.native_rate else 24.0, clip.width_px / clip.height_px
    shown = {"url": plain(playable.file), "is_copy": playable.is_copy, "copy_job": playable.job and playable.job.id}
    return picked(clip, "sha256", "name", "duration_s") | shown | {"fps": fps, "aspect": aspect}


def analysis_json(analysis_id: str | None, analysis: Analysis) -> Json:
    """What a reader must know to judge an analysis."""
    names = ("model_id", "encoders", "trained", "score_source", "modalities", "n_snippets", "device", "elapsed_s")
    told = picked(analysis, *names, "recipe_hash", "calibration", "declared_duration_s")
    line, unseen_s = analysis.timeline, as_public_rows(analysis.unseen_s)
    ids = {"analysis_id": analysis_id, "clip": analysis.clip.sha256, "caution": caution(analysis)}
    return told | ids | {"n_windows": len(line.windows()), "duration_s": line.duration_s, "unseen_s": unseen_s}


def growing_json(growing: Growing) -> Json:
    """The same of a clip that is still being read, which has no id yet; `duration_s` is what was read of it."""
    told = analysis_json(None, growing.analysis) | {"final": False}
    ends_s = growing.analysis.timeline.ends_s
    return told | {"final_s": float(ends_s[growing.n_final - 1]) if growing.n_final else 0.0}


def segments_json(
    analysis_id: str | None, analysis: Analysis | Curve, threshold: float, segments: list[Segment]
) -> Json:
    """Where an analysis is flagged at a threshold, and where nearly."""
    return {
        "analysis_id": analysis_id,
        "unseen_s": as_public_rows(analysis.unseen_s),
        "threshold": threshold,
        "segments": [plain(segment) for segment in segments if not segment.near_miss],
        "near_misses": [plain(segment) for segment in segments if segment.near_miss],
    }


def entry_json(entry: Entry, job: str | None) -> Json:
    """A line of the library; `job` is the id of the analysis under way."""
    about = {"clip": entry.sha256, "name": entry.name, "added": entry.added.isoformat(), "job": job}
    return about | picked(entry, "duration_s", "analysis_id", "model_id", "trained", "peak")


def listed_json(listed: Listed, left_s: Mapping[str, float | None]) -> Json:
    """The same with the work on the clip, what was found in it, and how far its review is.

    `left_s`: about how many seconds until each job is done.
    """
    entry, job, glance = listed.entry, listed.job, listed.glance
    unread = not entry.analysis_id or bool(glance and glance.error)
    ended = job is None or job.state in ("done", "cancelled")
    return entry_json(entry, listed.under_way) | {
        "seen": glance is not None,
        "segments": glance and glance.n_segments,
        "label": glance and glance.label,
        "called": glance and glance.called,
        "error": glance.error if glance else "",
        "unseen_s": as_rows(glance.unseen_s) if glance else None,
        "work": plain(job.status) | {"left_s": left_s.get(job.id)} if job and unread and not ended else None,
        "review": {"left": glance.n_left, "decided": glance.n_decided} if glance and glance.n_decided else None,
        "watched": bool(glance and glance.watched),
    }


def preview_json(status: JobStatus) -> Json:
    """How far a preview is, and the address of its file."""
    return plain(status) | {"url": plain(status.result) or ""}


def strips_json(strips: Strips, wanted: Mapping[str, Wanted]) -> Json:
    """For each key the address of its strip, empty while it is made, or why there is none."""
    made = zip(wanted.items(), strips.of([*wanted.values()]), strict=True)
    return {
        key: {"url": plain(path) or "", "error": why, "peak": peak_frame(each), "frames": each.n_frames}
        for (key, each), (path, why) in made
    }


def review_json(view: View) -> Json:
    """The segments, and what people made of them."""
    undo, redo = undoable(view.log)
    return segments_json(view.analysis_id, view.analysis, view.cut.threshold, view.segments) | {
        "clip": view.sha256,
        "reviewer": view.reviewer,
        "revision": len(view.log),
        "marks": plain(view.marks),
        "misses": plain(view.misses),
        "undo": undo and undo.action,
        "redo": redo and redo.action,
        "others": [
            {"reviewer": name, "marks": plain(marks), "agreement": plain(found) | {"n": found.n}}
            for name, (marks, found) in view.others.items()
        ],
        "changed": plain(view.changed),
        "watched": is_watched(view.log),
    }


def look_json(judged: Judged, added: set[int], here: set[int], other: str, classes: Sequence[str]) -> Json:
    """A blind look and how far it is; nothing of what the model says of its windows."""
    look, standing, found = judged.look, judged.standing, judged.estimate
    windows = [
        {"place": place, "answer": None, "label": ""}
        | picked(window, "clip", "start_s", "end_s")
        | (picked(standing[place], "answer", "label") if place in standing else {})
        | {"added": place in added}
        for place, window in look.windows.items()
    ]
    return {
        "look": look.id,
        "revision": judged.revision,
        "threshold": look.cut.threshold,
        "classes": list(classes),
        "windows": windows,
        "next": next((place for place in look.windows if place in here and place not in standing), None),
        "last": next(reversed(standing), None),
        "short": found and miss_short(found),
        "said": judged.said,
        "other": other,
    }


def why_json(why: Explanation) -> Json:
    """Why a segment was flagged."""
    return plain(why) | {"saliency": plain(why.saliency) | {"curve": plain(why.saliency_curve)}}


def neighbours_json(near: Neighbourhood, playback: Playback) -> Json:
    """What looks like a segment. A look at it sets off the making of no copy."""
    clips, analysis = near.clips, near.analysis
    return {
        "n_clips": len(clips),
        "by": "fused embeddings of the trained head" if analysis.trained else "picture embeddings",
        "neighbours": [
            {
                "analysis_id": found.analysis_id,
                "name": clips[found.analysis_id].name,
                "here": clips[found.analysis_id].sha256 == analysis.clip.sha256,
                "time_s": found.snippet * analysis.timeline.snippet_s,
                "similarity": found.similarity,
                "url": plain(playback.ready(clips[found.analysis_id])),
            }
            for found in near.found
        ],
    }


def truth_json(analysis: Analysis, truth: KeptTruth | None) -> Json:
    """The ground truth kept of a clip, and how the score fits it."""
    if truth is None:
        return {"source": None, "segments": []}
    segments = [{"start_s": start, "end_s": end, "label": label} for start, end, label in truth.segments]
    return {"source": truth.source, "segments": segments} | plain(fit(analysis, truth.segments))


def marks_file_json(found: MarksFile, analysis: Analysis) -> Json:
    """What a file of marks holds, before anything is taken from it."""
    states = [mark.state for mark in found.marks]
    return {
        "n": len(states),
        "states": {state: states.count(state) for state in ("confirmed", "dismissed", "open")},
        "looks": len(found.looks),
        "reviewers": sorted({mark.reviewer for mark in found.marks if mark.reviewer}),
        "clip_name": found.clip_name,
        "same_clip": found.clip_sha256 in ("", analysis.clip.sha256),
    }
