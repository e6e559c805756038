"""Exports and imports as the page and scripts ask for them: long ones in the background, files in a public folder."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from app.bundle import PAPERS, ExportError, Work, write_export
from app.desk import Desk, job_facts
from app.doors import Json, explained, guarded
from app.jobs import Job, Jobs
from app.marks_file import MarksFile, read_marks
from app.review import Mark
from app.reviewed import Reviewed
from app.reviews import Cut
from app.store import file_url
from app.training_labels import write_training_labels
from app.truth import TruthKeeper

LABELS = "labels"
FORMATS = (*PAPERS, "zip", LABELS)
KEPT_S = 86400  # how long a file waits to be fetched
SLACK_S = 0.05  # by so much may a segment run past the measured end of the clip


class Decisions(Protocol):
    """Where marks come from, and where imported ones go."""

    def marks_of(self, analysis_id: str, cut: Cut, /) -> list[Mark]:
        """The marks of an analysis, decided or not."""
        ...

    def agreement(self, analysis_id: str, cut: Cut, /) -> list[str]:
        """For people: how other reviewers' decisions compare, a sentence each."""
        ...

    def take(self, sha256: str, reviewer: str, marks: Sequence[Mark], /) -> int:
        """Make marks of a clip the reviewer's; returns how many were new or changed."""
        ...


class Exports:
    """What can be taken away of an analysis, and brought back."""

    def __init__(self, desk: Desk, decisions: Decisions) -> None:
        self._desk, self._decisions, self._truths = desk, decisions, TruthKeeper(desk.settings.home)
        self._jobs = Jobs("exports")

    def close(self) -> None:
        """Stop all work."""
        self._jobs.close()

    def reviewed(self, analysis_id: str, cut: Cut, *, with_dismissed: bool = True) -> Reviewed:
        """An analysis with its marks. Raises NotFoundError, ConfigError."""
        analysis = self._desk.analysis(analysis_id)
        analysis = replace(analysis, clip=self._desk.store.clip(analysis.clip.sha256))  # where the file lies now
        truth = self._truths.kept(analysis.clip.sha256)
        marks = sorted(self._decisions.marks_of(analysis_id, cut), key=lambda m: (m.start_s, m.end_s, m.id))
        return Reviewed(
            analysis_id, analysis, tuple(m for m in marks if with_dismissed or m.state != "dismissed"), cut.threshold,
            datetime.now(timezone.utc).isoformat(timespec="seconds"),
            tuple(self._decisions.agreement(analysis_id, cut)), truth and tuple(truth.segments),
        )  # fmt: skip

    def begin(self, reviewed: Reviewed, kinds: Sequence[str]) -> Job:
        """Begin to write what was chosen; the job's result is the file's address."""
        return self._submit(lambda folder: write_export(reviewed, kinds, folder, zipped=len(kinds) > 1))

    def begin_labels(self, cut: Cut) -> Job:
        """Begin to write the training labels of every reviewed clip; the job's result is the file's address."""
        return self._submit(self._labels("", cut))

    def job(self, job_id: str) -> Json:
        """How far it is."""
        return job_facts(self._jobs.get(job_id))

    def cancel(self, job_id: str) -> Json:
        """Stop it."""
        self._jobs.cancel(job_id)
        return self.job(job_id)

    def file(self, analysis_id: str, form: str, cut: Cut) -> Path:
        """Write one of FORMATS now; labels without an analysis are those of all clips.

        Raises ExportError, NotFoundError, ConfigError, DataError.
        """
        if form not in FORMATS:
            raise ExportError(f"there is no format {form!r}; choose from {', '.join(FORMATS)}")
        if form == LABELS:
            steps = self._within(self._labels(analysis_id, cut))
        else:
            kinds, reviewed = PAPERS if form == "zip" else (form,), self.reviewed(analysis_id, cut)
            steps = self._within(lambda folder: write_export(reviewed, kinds, folder, zipped=form == "zip"))
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    def import_preview(self, analysis_id: str, found: MarksFile) -> Json:
        """What a file holds, before anything is taken from it. Raises NotFoundError."""
        states = [mark.state for mark in found.marks]
        return {
            "n": len(states),
            "states": {state: states.count(state) for state in ("confirmed", "dismissed", "open")},
            "reviewers": sorted({mark.reviewer for mark in found.marks if mark.reviewer}),
            "clip_name": found.clip_name,
            "same_clip": found.clip_sha256 in ("", self._desk.analysis(analysis_id).clip.sha256),
        }

    def import_marks(self, analysis_id: str, reviewer: str, found: MarksFile) -> int:
        """Give what was decided in a file to a reviewer; returns how many marks were new or changed.

        Raises:
            ExportError: a mark lies beyond the end of the clip, or nobody is there to give them to.
        """
        analysis, auth = self._desk.analysis(analysis_id), self._desk.settings.auth
        reviewer = auth[0] if auth else reviewer.strip()
        if not reviewer:
            raise ExportError("decisions belong to a reviewer; give a name first")
        for mark in found.marks:
            if mark.end_s > analysis.timeline.duration_s + SLACK_S:
                raise ExportError(
                    f"segment {mark.id!r} ends at {mark.end_s:.2f} s and this clip at "
                    f"{analysis.timeline.duration_s:.2f} s; open the clip that the file was made of"
                )
        # A segment that nobody decided is the model's, and comes and goes with the threshold.
        decided = [m for m in found.marks if m.revision or not m.model_label or m.state != "open"]
        return self._decisions.take(analysis.clip.sha256, reviewer, decided)

    def _labels(self, analysis_id: str, cut: Cut) -> Callable[[Path], Work]:
        return lambda folder: write_training_labels(self._desk, self._decisions, analysis_id, cut, folder)

    def _submit(self, write: Callable[[Path], Work]) -> Job:
        def addressed() -> Generator[Any, None, None]:
            yield file_url((yield from self._within(write)))

        return self._jobs.submit(secrets.token_urlsafe(16), addressed)

    def _within(self, write: Callable[[Path], Work]) -> Work:
        """Let something be written into a public folder of its own, which is gone again when nothing comes of it."""
        self._sweep()
        folder = self._desk.store.exports_dir / secrets.token_urlsafe(16)  # found by nobody who was not told its name
        folder.mkdir()
        try:
            return (yield from write(folder))
        finally:
            if not any(folder.iterdir()):
                folder.rmdir()

    def _sweep(self) -> None:
        for folder in self._desk.store.exports_dir.iterdir():
            if time.time() - folder.stat().st_mtime > KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)


class ExportAsks:
    """The functions about exports that the page calls, each with one object of arguments."""

    def __init__(self, exports: Exports) -> None:
        self._exports = exports

    def functions(self) -> list[Callable[[Json], Json]]:
        """All of them, guarded."""
        asks = (
            self.export, self.export_labels, self.export_job, self.export_cancel, self.import_preview,
            self.import_marks,
        )  # fmt: skip
        return [guarded(ask) for ask in asks]

    def export(self, ask: Json) -> Json:
        """{analysis_id, threshold, min_length_s, merge_gap_s, reviewer, kinds, with_dismissed} -> a job."""
        cut = _cut(ask, str(ask["reviewer"]))
        reviewed = self._exports.reviewed(str(ask["analysis_id"]), cut, with_dismissed=bool(ask["with_dismissed"]))
        return self._exports.job(self._exports.begin(reviewed, [str(kind) for kind in ask["kinds"]]).id)

    def export_labels(self, ask: Json) -> Json:
        """{threshold, min_length_s, merge_gap_s} -> a job: every clip, with the decisions of whoever decided last."""
        return self._exports.job(self._exports.begin_labels(_cut(ask, "")).id)

    def export_job(self, ask: Json) -> Json:
        """{job} -> how far it is; `result` is the file's address when it is done."""
        return self._exports.job(str(ask["job"]))

    def export_cancel(self, ask: Json) -> Json:
        """{job} -> how far it came."""
        return self._exports.cancel(str(ask["job"]))

    def import_preview(self, ask: Json) -> Json:
        """{analysis_id, name, text} -> what the file holds."""
        return self._exports.import_preview(str(ask["analysis_id"]), _file(ask))

    def import_marks(self, ask: Json) -> Json:
        """{analysis_id, reviewer, name, text} -> {n}: how many marks were new or changed."""
        return {"n": self._exports.import_marks(str(ask["analysis_id"]), str(ask["reviewer"]), _file(ask))}


def _cut(ask: Json, reviewer: str) -> Cut:
    return Cut(*(float(ask[name]) for name in ("threshold", "min_length_s", "merge_gap_s")), reviewer=reviewer)


def _file(ask: Json) -> MarksFile:
    return read_marks(str(ask["name"]), str(ask["text"]).encode("utf-8", errors="replace"))


def export_door(exports: Exports) -> None:
    """Add the public listener /export(analysis_id, format, threshold=0.5, reviewer="") to the page being built."""

    def export(analysis_id: str, form: str, threshold: float, reviewer: str) -> str:
        with explained():
            return str(exports.file(analysis_id, form, Cut(float(threshold), reviewer=reviewer)))

    asked = [
        gr.Textbox(visible=False, label="analysis_id"), gr.Textbox(visible=False, label="format"),
        gr.Number(0.5, visible=False, label="threshold"), gr.Textbox("", visible=False, label="reviewer"),
    ]  # fmt: skip
    file = gr.File(visible=False, label="file")
    gr.Button(visible=False).click(export, asked, file, api_name="export", concurrency_limit=2)
