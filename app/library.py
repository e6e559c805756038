"""The library as the page lists it: every clip with its work, what was found in it, and how far its review is.

Also the two ways in which a clip leaves: a person removes it, or the server's time for keeping clips is over.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from app.desk import Desk
from app.jobs import Job, job_facts
from cmhkf import CmhkfError, flag_segments

GLANCE_S = 0.3  # seconds that one listing may spend on reading analyses it has not seen yet
STOP_S = 20.0  # how long a removal waits for the clip's work to end; loading a model cannot be interrupted

log = logging.getLogger(__name__)


class Progress(Protocol):
    """How far the review of an analysis is."""

    @property
    def reviewer(self) -> str:
        """Who decided last."""
        ...

    @property
    def n_decided(self) -> int:
        """Segments with a decision."""
        ...

    @property
    def n_left(self) -> int:
        """Segments without one."""
        ...


class Reviews(Protocol):
    """What people decided, as far as the library shows it."""

    def progress_of(self, sha256: str, analysis_id: str) -> Progress | None:
        """How far the review is; None when nobody decided anything."""
        ...

    def forget(self, sha256: str) -> None:
        """Delete every decision on a clip."""
        ...


@dataclass(frozen=True)
class Glance:
    """What a list shows of an analysis, at the usual threshold."""

    n_segments: int | None = None
    label: str | None = None
    """The class of the segment with the highest score."""
    error: str = ""
    """Why the analysis cannot be read."""


class Library:
    """The clips of a desk. `reviews` is asked for the progress of each."""

    def __init__(self, desk: Desk, reviews: Reviews | None = None) -> None:
        self._desk = desk
        self._reviews = reviews
        self._glances: dict[str, Glance] = {}

    def listing(self) -> dict[str, Any]:
        """Every entry of the desk's library and more; `complete` is False while some were not looked into yet."""
        jobs = {job.key: job for job in self._desk.jobs()}  # the newest of each key stays
        end = time.monotonic() + GLANCE_S
        entries = [self._shown(entry, jobs.get(entry["clip"]), end) for entry in self._desk.library()]
        return {
            "library": entries,
            "keep_days": self._desk.settings.keep_days,
            "complete": all(entry["analysis_id"] is None or entry["seen"] for entry in entries),
        }

    def _shown(self, entry: dict[str, Any], job: Job | None, end: float) -> dict[str, Any]:
        key = entry["analysis_id"]
        glance = self._glance(key, end) if key else None
        unread = not key or bool(glance and glance.error)
        review = self._reviews.progress_of(entry["clip"], key) if key and self._reviews else None
        return entry | {
            "seen": glance is not None,
            "segments": glance.n_segments if glance else None,
            "label": glance.label if glance else None,
            "error": glance.error if glance else "",
            "work": job_facts(job) if job and unread and job.state not in ("done", "cancelled") else None,
            "review": review and {"left": review.n_left, "decided": review.n_decided, "reviewer": review.reviewer},
        }

    def _glance(self, key: str, end: float) -> Glance | None:
        """A look into an analysis, taken once; None when it was not taken before `end`, in `time.monotonic` seconds."""
        if key not in self._glances and time.monotonic() < end:
            try:
                found = flag_segments(self._desk.store.load(key))
            except CmhkfError as error:
                return Glance(error=str(error))  # not kept: the clip may be analysed again
            top = max(found, key=lambda segment: segment.score, default=None)
            self._glances[key] = Glance(len(found), top and top.label)
        return self._glances.get(key)

    def remove(self, sha256: str, *, decisions: bool = False) -> None:
        """Stop all work on a clip, then delete it with everything made of it; what people decided only if asked.

        Raises:
            NotFoundError: no such clip.
            CmhkfError: its work does not stop, or a file cannot be deleted.
        """
        self._desk.store.clip(sha256)
        self._stop(sha256)
        keys = self._desk.store.remove(sha256)
        self._desk.forget(sha256, keys)
        for key in keys:
            self._glances.pop(key, None)
        if decisions and self._reviews:
            self._reviews.forget(sha256)

    def _stop(self, sha256: str) -> None:
        working = [job for job in self._desk.jobs() if sha256 in job.key and not job.over]
        for job in working:
            self._desk.cancel(job.id)
        end = time.monotonic() + STOP_S
        while not all(job.over for job in working):
            if time.monotonic() > end:
                raise CmhkfError("the work on this clip is still stopping; remove it again in a moment")
            time.sleep(0.02)

    def sweep(self, now: datetime | None = None) -> list[str]:
        """Remove the clips that came in more than `keep_days` ago, with their decisions; returns their SHA-256.

        Clips that are being worked on wait for the next sweep, and so do those that cannot be removed.
        """
        if not self._desk.settings.keep_days:
            return []
        oldest = (now or datetime.now(timezone.utc)) - timedelta(days=self._desk.settings.keep_days)
        busy = [job.key for job in self._desk.jobs() if not job.over]
        removed = []
        for sha256 in self._desk.store.added_before(oldest):
            if any(sha256 in key for key in busy):
                continue
            try:
                self.remove(sha256, decisions=True)
            except CmhkfError as error:
                log.warning("clip %s is past its time and stays: %s", sha256[:12], error)
            else:
                removed.append(sha256)
        if removed:
            log.info("deleted %d clips older than %d days", len(removed), self._desk.settings.keep_days)
        return removed
