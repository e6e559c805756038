"""Long work in the background, one piece at a time, apart from any browser: a reload or a lost tab stops nothing.

A piece of work is an iterator of `Progress`-like steps whose last item is its result. Cancelling closes the iterator,
which is how the analyzer ends its child processes.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Literal

from cmhkf.errors import CmhkfError

KEPT = 200  # finished jobs remembered

State = Literal["queued", "running", "done", "failed", "cancelled"]
Work = Callable[[], Generator[Any, None, None]]

log = logging.getLogger(__name__)


@dataclass
class Job:
    """One piece of work. Read it freely; only `Jobs` changes it."""

    key: str
    """What it works on: at most one job of a key is under way."""
    work: Work
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    state: State = "queued"
    step: Any = None
    """The newest progress."""
    result: Any = None
    error: str = ""
    """For people."""
    begun: float = field(default_factory=time.monotonic)
    ended: float | None = None
    cancel: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """True once nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was asked for, until it ended."""
        return (self.ended or time.monotonic()) - self.begun


class Jobs:
    """A queue with one worker thread, started when first needed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._wake = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closed = False

    def submit(self, key: str, work: Work) -> Job:
        """Queue work; while a job of the same key is under way, that job is returned instead."""
        with self._wake:
            for job in self._jobs.values():
                if job.key == key and not job.over and not job.cancel.is_set():
                    return job
            job = Job(key, work)
            self._jobs[job.id] = job
            self._waiting.append(job)
            for old in [j.id for j in self._jobs.values() if j.over][:-KEPT]:
                del self._jobs[old]
            if self._worker is None:
                self._worker = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._worker.start()
            self._wake.notify()
        return job

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def get(self, job_id: str) -> Job:
        """The job with that id. Raises CmhkfError when it is not known (any more)."""
        job = self._jobs.get(job_id)
        if job is None:
            raise CmhkfError(f"no job {job_id!r}; the server was restarted, or it ended long ago")
        return job

    def find(self, key: str) -> Job | None:
        """The newest job of that key."""
        with self._wake:
            return next((job for job in reversed(self._jobs.values()) if job.key == key), None)

    def all(self) -> list[Job]:
        """Every job that is remembered, oldest first."""
        with self._wake:
            return list(self._jobs.values())

    def forget(self, key: str) -> None:
        """Drop the finished jobs whose key holds that text."""
        with self._wake:
            for old in [job.id for job in self._jobs.values() if job.over and key in job.key]:
                del self._jobs[old]

    def cancel(self, job_id: str) -> None:
        """Stop a job: one that waits at once, one that runs at its next step."""
        with self._wake:
            job = self.get(job_id)
            job.cancel.set()
            if job in self._waiting:
                self._waiting.remove(job)
                self._end(job, "cancelled")

    def close(self, timeout_s: float = 5.0) -> None:
        """Cancel everything and wait for the worker."""
        with self._wake:
            self._closed = True
            for job in self._jobs.values():
                job.cancel.set()
            self._wake.notify()
        if self._worker:
            self._worker.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._waiting.popleft()
                job.state = "running"
            try:
                self._work(job)
            except CmhkfError as error:
                job.error = str(error)
                self._end(job, "failed")
            except Exception:
                log.exception("job %s (%s) failed", job.id, job.key)
                job.error = f"Something went wrong inside (id {job.id}); the server's log has the details."
                self._end(job, "failed")

    def _work(self, job: Job) -> None:
        steps = job.work()
        try:
            for step in steps:
                if job.cancel.is_set():
                    return self._end(job, "cancelled")
                job.step = job.result = step
        finally:
            steps.close()
        self._end(job, "done")

    @staticmethod
    def _end(job: Job, state: State) -> None:
        job.ended = time.monotonic()
        job.state = state


def job_facts(job: Job) -> dict[str, Any]:
    """A job as JSON; `result` is an analysis id, or the playback copy's state."""
    step = job.step
    return {
        "job": job.id,
        "state": job.state,
        "stopping": job.cancel.is_set() and not job.over,
        "stage": getattr(step, "stage", "waiting"),
        "done": getattr(step, "done", 0.0),
        "total": getattr(step, "total", None),
        "message": getattr(step, "message", ""),
        "elapsed_s": job.elapsed_s,
        "result": job.result if job.state == "done" and isinstance(job.result, str) else None,
        "error": job.error,
    }
