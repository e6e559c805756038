"""The library as the page lists it: every clip with its work, what was found in it, and how far its review is.

Also the two ways in which a clip leaves: a person removes it, or the server's time for keeping clips is over.
"""

import json
import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Row

from app.clips.jobs import Job
from app.clips.store import Entry
from app.clips.workspace import Workspace
from app.review.events import EventIndex
from app.review.reviews import Reviews
from cmhkf import CmhkfError
from cmhkf.media.unseen import Unseen, from_rows

STOP_S = 20.0  # how long a removal waits for the clip's work to end; loading a model cannot be interrupted
SWEEP_S = 900.0  # seconds between two sweeps

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Glance:
    """What a list shows of an analysis, as the library is cut for a reviewer, and of his own review of it."""

    n_segments: int | None = None
    n_left: int = 0
    n_decided: int = 0
    watched: bool = False  # by the reviewer, who found nothing
    label: str | None = None  # the class of the segment with the highest score
    called: str = ""  # the same in words
    unseen_s: tuple[Unseen, ...] | None = None  # what of the footage was not seen; None where that is not known
    error: str = ""  # why the analysis cannot be read


@dataclass(frozen=True)
class Listed:
    """A line of the library list."""

    entry: Entry
    job: Job | None  # the newest analysis of the clip that was requested
    glance: Glance | None  # None without an analysis, or when it was not looked into yet

    @property
    def under_way(self) -> str | None:
        """Id of the job that makes the first analysis of the clip."""
        return self.job.id if self.job and not self.job.over and not self.entry.analysis_id else None


class Library:
    """The clips of a workspace, with the progress of their reviews."""

    def __init__(self, workspace: Workspace, reviews: Reviews, index: EventIndex) -> None:
        self._workspace, self._log, self._index = workspace, reviews.log, index

    def listed(self, glance_s: float = math.inf, reviewer: str = "") -> list[Listed]:
        """Every analysis and every clip without one, what came in last first; looks into them for so many seconds."""
        jobs = {job.key: job for job in self._workspace.analyses.all()}  # the newest of each key stays
        counts = self._index.counts(self._index.ready(reviewer, glance_s))
        return [
            Listed(entry, jobs.get(entry.sha256), _glance(counts.get(entry.analysis_id or "")))
            for entry in self._workspace.store.library()
        ]

    def remove(self, sha256: str, *, decisions: bool = False) -> None:
        """Stop all work on a clip, then delete it with everything made of it; what people decided only if asked.

        Raises:
            NotFoundError: no such clip.
            CmhkfError: its work does not stop, or a file cannot be deleted.
        """
        store = self._workspace.store
        store.clip(sha256)
        with self._workspace.scheduler.alone(sha256, STOP_S):
            keys = store.remove(sha256)
            self._workspace.forget(sha256, keys)
            if decisions:
                self._log.forget(sha256)
            store.scrub()

    def sweep(self, now: datetime | None = None) -> list[str]:
        """Remove the clips that came in more than `keep_days` ago, with their decisions; returns their SHA-256.

        Clips that are being worked on wait for the next sweep, and so do those that cannot be removed.
        """
        if not self._workspace.settings.keep_days:
            return []
        oldest = (now or datetime.now(timezone.utc)) - timedelta(days=self._workspace.settings.keep_days)
        busy = self._workspace.scheduler.busy()
        removed = []
        for sha256 in self._workspace.store.added_before(oldest):
            if sha256 in busy:
                continue
            try:
                self.remove(sha256, decisions=True)
            except CmhkfError as error:
                log.warning("clip %s is past its time and stays: %s", sha256[:12], error)
            else:
                removed.append(sha256)
        if self._log.forget_gone(oldest):
            self._workspace.store.scrub()
        if removed:
            log.info("deleted %d clips older than %d days", len(removed), self._workspace.settings.keep_days)
        return removed


def _glance(row: Row[Any] | None) -> Glance | None:
    if row is None:
        return None
    if row.error:
        return Glance(error=row.error)
    unseen = json.loads(row.unseen)
    return Glance(
        row.n_marks,
        row.n_open,
        row.n_decided,
        row.watched,
        row.label or None,
        row.called,
        None if unseen is None else from_rows(unseen),
    )


def sweep_now_and_then(*sweeps: Callable[[], object], every_s: float = SWEEP_S) -> threading.Event:
    """Sweep in the background, at once and then at each interval; setting the event that is returned ends it."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            for sweep in sweeps:
                try:
                    sweep()
                except Exception:
                    log.exception("the sweep failed; the next one tries again")
            stop.wait(every_s)

    threading.Thread(target=run, name="sweep", daemon=True).start()
    return stop
