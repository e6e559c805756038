"""Exports and imports as the page and scripts request them: written in the background, files in a public folder."""

import secrets
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from app.clips.jobs import Job, JobQueue
from app.clips.truths import TruthStore
from app.clips.workspace import Cut, Workspace
from app.export.bundle import PAPERS, ExportError, Writing, packed, write_export
from app.export.event_table import write_event_table
from app.export.looks_file import admitted_looks
from app.export.marks_file import MarksFile
from app.export.reel import write_reel
from app.export.reviewed import LookedAt, Reviewed, safe_stem
from app.export.shots import ReelChoice, Shot, shots_of
from app.export.training_labels import newest, write_training_labels
from app.review.blind import BlindLooks
from app.review.event_list import Event
from app.review.reviews import Reviews, View
from app.review.rules import admitted
from cmhkf import CmhkfError
from cmhkf.progress import Progress

LABELS = "labels"
FORMATS = (*PAPERS, "zip", LABELS)
MOST_EXPORTS = 20  # waiting at once
KEPT_S = 86400  # how long a file waits to be fetched

Write = Callable[[Path], Writing]  # writes into the folder that it is given


class Exports:
    """What can be taken away of an analysis, and brought back. The result of a job is the file."""

    def __init__(self, workspace: Workspace, reviews: Reviews) -> None:
        self._workspace, self._store, self._reviews = workspace, workspace.store, reviews
        self._truths, self._blind = TruthStore(workspace.store), BlindLooks(workspace, reviews)
        self._queue, self._awaited = (
            workspace.scheduler.queue(name, most=MOST_EXPORTS) for name in ("exports", "exports that scripts wait for")
        )
        for folder in self._store.unregistered(self._store.exports_dir):  # of earlier releases, or ended by a kill
            shutil.rmtree(folder, ignore_errors=True)

    def reviewed(self, analysis_id: str, cut: Cut, reviewer: str = "", *, with_dismissed: bool = True) -> Reviewed:
        """An analysis with the marks of a reviewer, or of whoever decided last. Raises NotFoundError, ConfigError."""
        analysis = self._workspace.analysis(analysis_id)  # first, so that the view is cut from it and reads nothing
        view = self._reviews.view(analysis_id, cut, reviewer)
        truth = self._truths.kept(view.sha256)
        marks = tuple(mark for mark in view.marks if with_dismissed or mark.state != "dismissed")
        return Reviewed(
            analysis_id,
            replace(analysis, clip=self._store.clip(view.sha256)),  # where the file lies now
            marks,
            cut.threshold,
            datetime.now(timezone.utc).isoformat(timespec="seconds"),
            tuple(agreements(view)),
            truth and tuple(truth.segments),
            self._looks_at(view),
            len(view.marks) - len(marks),
        )

    def _looks_at(self, view: View) -> tuple[LookedAt, ...]:
        """The reviewer's blind looks at the clip, or at all clips with this one, that hold an answer."""
        looks = [*self._blind.all(view.reviewer, view.sha256), *self._blind.all(view.reviewer, "")]
        return tuple(
            LookedAt(judged, judged.other_terms(view.cut, view.analysis.model_id))
            for judged in looks
            if judged.standing and any(part.clip == view.sha256 for part in judged.look.parts)
        )

    def begin(self, reviewed: Reviewed, kinds: Sequence[str], reel: ReelChoice | None = None) -> Job:
        """Begin to write what was chosen."""
        write = partial(write_export, reviewed, kinds, zipped=len(kinds) > 1, reel=reel)
        return self._submit(self._queue, write, [reviewed.analysis.clip.sha256])

    def begin_labels(self, cut: Cut) -> Job:
        """Begin to write the training labels of every reviewed clip, as whoever decided last sees each."""
        return self._submit(self._queue, self._labels("", cut), self._analysed())

    def begin_reel(self, choice: ReelChoice, cut: Cut, reviewer: str = "", analysis_id: str = "") -> Job:
        """Begin to write a reel of one analysis, of the spans that were selected, or else of the library.

        Raises ExportError, NotFoundError.
        """
        if analysis_id:
            clips = [self._workspace.analysis(analysis_id).clip.sha256]
        elif choice.which == "whole":
            raise ExportError("a reel of whole clips would be as long as all of them; open a clip and choose it there")
        else:
            clips = [*dict.fromkeys(sha256 for sha256, _, _ in choice.spans)] or self._analysed()
        return self._submit(self._queue, partial(self._reel, choice, cut, reviewer, analysis_id), clips)

    def _reel(self, choice: ReelChoice, cut: Cut, reviewer: str, analysis_id: str, folder: Path) -> Writing:
        shots, faults, n_dismissed = dict[int, list[Shot]](), list[tuple[str, str]](), 0
        stem = "library"
        if analysis_id:
            reviewed = self.reviewed(analysis_id, cut, reviewer)
            shots[0], stem = shots_of(reviewed, choice), safe_stem(reviewed.analysis.clip.name)
            n_dismissed = reviewed.n_dismissed
        for name, key, parts in [] if analysis_id else self._parts(choice):
            yield Progress("reading decisions", len(shots), 0)
            try:
                if not key:
                    raise ExportError("it is not analysed; analyse it first")
                reviewed = self.reviewed(key, cut, reviewer)
            except CmhkfError as error:
                faults.append((name, str(error)))
                continue
            n_dismissed += reviewed.n_dismissed
            for place, part in parts.items():
                try:
                    shots[place] = shots_of(reviewed, part)
                except ExportError as error:
                    faults.append((name, str(error)))
        in_order = [shot for place in sorted(shots) for shot in shots[place]]
        with TemporaryDirectory() as work:
            inside = Path(work)
            reel = inside / f"{stem}-reel.mp4"
            yield from write_reel(in_order, choice, reel, faults=faults, n_dismissed=n_dismissed)
            return (yield from packed(inside, f"{stem}-reel", folder, zipped=True))

    def _parts(self, choice: ReelChoice) -> Iterator[tuple[str, str, dict[int, ReelChoice]]]:
        """Names of clips, ids of their newest analyses, and what is wanted of each, by its place in the reel: spans as
        they are given, else clips by their names."""
        entries = {entry.sha256: entry for entry in newest(self._workspace)}
        spans: dict[str, dict[int, ReelChoice]] = {}
        for place, span in enumerate(choice.spans):
            spans.setdefault(span[0], {})[place] = replace(choice, spans=(span,))
        for sha256, parts in spans.items():
            key = entries[sha256].analysis_id if sha256 in entries else ""
            yield self._store.clip(sha256).name, key or "", parts
        for place, entry in enumerate([] if spans else sorted(entries.values(), key=lambda entry: entry.name)):
            if choice.which != "confirmed" or self._reviews.log.progress_of(entry.sha256):
                yield entry.name, entry.analysis_id or "", {place: choice}

    def file(self, analysis_id: str, form: str, cut: Cut, reviewer: str = "") -> Path:
        """Write one of FORMATS now; labels without an analysis are those of all clips.

        Raises ExportError, NotFoundError, ConfigError, DataError.
        """
        if form not in FORMATS:
            raise ExportError(f"there is no format {form!r}; choose from {', '.join(FORMATS)}")
        if form == LABELS:
            write = self._labels(analysis_id, cut, reviewer)
            clips = [self._workspace.analysis(analysis_id).clip.sha256] if analysis_id else self._analysed()
        else:
            kinds, reviewed = PAPERS if form == "zip" else (form,), self.reviewed(analysis_id, cut, reviewer)
            write = partial(write_export, reviewed, kinds, zipped=form == "zip")
            clips = [reviewed.analysis.clip.sha256]
        return self._submit(self._awaited, write, clips).wait()

    def table(self, events: Sequence[Event], reviewer: str) -> Path:
        """Write events of many clips as one CSV now, as a reviewer sees them. Raises ExportError: there is none."""
        if not events:
            raise ExportError("no event is selected; select some first")
        write = partial(write_event_table, events, reviewer)
        return self._submit(self._awaited, write, sorted({event.clip for event in events})).wait()

    def import_marks(self, analysis_id: str, cut: Cut, reviewer: str, found: MarksFile) -> int:
        """Give what was decided in a file to a reviewer; returns how many marks were new or changed.

        Raises:
            ReviewError: a mark could not have been entered here.
        """
        view = self._reviews.view(analysis_id, cut, reviewer)
        # A segment that nobody decided is the model's, and comes and goes with the threshold.
        decided = [m for m in found.marks if m.revision or not m.model_label or m.state != "open"]
        return self._reviews.take(view, admitted(decided, view.analysis))

    def import_looks(self, analysis_id: str, reviewer: str, found: MarksFile) -> int:
        """Give the blind looks of a file at this clip to a reviewer; returns how many were new or had new answers.

        Raises:
            ReviewError: one that could not have been drawn here.
        """
        analysis = self._workspace.analysis(analysis_id)
        with self._workspace.present(analysis.clip.sha256):
            return self._blind.take(reviewer, admitted_looks(found.looks, analysis, analysis_id))

    def _labels(self, analysis_id: str, cut: Cut, reviewer: str = "") -> Write:
        return partial(write_training_labels, self._workspace, self._reviews, analysis_id, cut, reviewer)

    def _analysed(self) -> list[str]:
        """The clips that labels of the whole library may hold."""
        return sorted({entry.sha256 for entry in self._store.library() if entry.analysis_id})

    def _submit(self, queue: JobQueue, write: Write, clips: Sequence[str]) -> Job:
        """Begin to write a file of these clips."""
        with self._workspace.present(*clips):
            return queue.submit(secrets.token_urlsafe(16), partial(self._within, write, clips), clips=clips)

    def _within(self, write: Write, clips: Sequence[str]) -> Generator[Progress | Path, None, None]:
        """Let something be written into a public folder of its own, which is gone again when nothing comes of it."""
        self.sweep()
        folder = self._store.exports_dir / secrets.token_urlsafe(16)  # found by nobody who was not told its name
        self._store.register(folder, clips)
        folder.mkdir()
        try:
            yield (yield from write(folder))
        finally:
            if not any(folder.iterdir()):
                self._store.discard(folder)

    def sweep(self) -> None:
        """Delete the files that have waited long enough to be fetched."""
        for folder in self._store.exports_dir.iterdir():
            if time.time() - folder.stat().st_mtime > KEPT_S:
                self._store.discard(folder)


def agreements(view: View) -> list[str]:
    """For people: how other reviewers' decisions compare with a reviewer's, a sentence each."""
    said = []
    for other, (_, found) in view.others.items():
        kappa = f"no kappa ({found.reason})" if found.kappa is None else f"Cohen's kappa {found.kappa:.2f}"
        same = found.both_confirmed + found.both_dismissed
        said.append(f"{view.reviewer} and {other}: {kappa}; {same} of {found.n} decided alike")
    return said
