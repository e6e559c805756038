"""Long work in the background, one piece at a time, apart from any browser: a reload or a lost tab stops nothing.

A piece of work is an iterator of `Progress` whose last item is its result; between, it may tell what is known of the
result `SoFar`, of which the newest is kept, in memory alone, until the job is over. Cancelling closes the iterator,
which is how the analyzer ends its child processes.
"""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cmhkf.errors import CmhkfError
from cmhkf.progress import Progress

KEPT = 200  # finished jobs remembered
MOST_WAITING = 500  # jobs in a queue; an evening has some tens of clips

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
Work = Callable[[], Generator[Any, None, None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SoFar:
    """A result that is not complete."""

    value: Any


@dataclass(frozen=True)
class JobStatus:
    """How far a piece of work is: one shape for analyses, playback copies, previews, maps and exports."""

    state: JobState | Literal["none"]  # "none": there is nothing to do
    job: str = ""  # id of the job; empty when the work was done before
    stopping: bool = False  # told to stop, and still at it
    stage: str = "waiting"
    done: float = 0.0
    total: float | None = None
    message: str = ""
    elapsed_s: float = 0.0
    result: str | Path | None = None  # an analysis id, or the file that was made
    error: str = ""  # for people
    grown: int = 0  # how often more of the result became known before its end; 0: nothing is known of it
    left_s: float | None = None  # about how long it takes until it is done, with what comes before it


@dataclass
class Job:
    """One piece of work. Read it freely; only `JobQueue` changes it."""

    key: str  # what it works on: at most one job of a key is under way
    work: Work
    clips: frozenset[str] = frozenset()  # SHA-256 of the clips that it works on
    footage_s: float | None = None  # how much footage it is to go through, where that says how long it takes
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    state: JobState = "queued"
    step: Any = None  # the newest progress
    result: Any = None
    so_far: Any = None  # the newest of what is known of the result before the end
    grown: int = 0
    error: str = ""  # for people
    raised: CmhkfError | None = None  # what `error` tells of, when it is one that a user can act on
    begun: float = field(default_factory=time.monotonic)
    stages: dict[str, float] = field(default_factory=dict)  # when each began
    ended: float | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    ending: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """True once nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was requested, until it ended."""
        return (self.ended or time.monotonic()) - self.begun

    @property
    def status(self) -> JobStatus:
        """How far it is."""
        step = self.step if isinstance(self.step, Progress) else Progress("waiting", 0, 0)
        made = self.result if self.state == "done" and isinstance(self.result, str | Path) else None
        stops, total = self.cancel.is_set() and not self.over, step.total or None
        told = (step.stage, step.done, total, step.message, self.elapsed_s, made, self.error, self.grown)
        return JobStatus(self.state, self.id, stops, *told)

    def wait(self) -> Any:
        """The result, when it is there. Raises CmhkfError when there is none."""
        self.ending.wait()
        if self.state != "done":
            raise self.raised or CmhkfError(self.error or "the work was cancelled; ask for it again")
        return self.result


class JobQueue:
    """A queue with one worker thread, started when first needed.

    `using` is entered with a job's clips while it is queued, and again while it runs; it raises CmhkfError when nobody
    may work on one of them.
    """

    def __init__(
        self, name: str, *, using: Callable[..., AbstractContextManager[None]] | None = None, most: int = MOST_WAITING
    ) -> None:
        self._name, self._most = name, most
        self._using = using or (lambda *_: nullcontext())
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._wake = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closed = False

    def submit(self, key: str, work: Work, *, clips: Iterable[str] = (), footage_s: float | None = None) -> Job:
        """Queue work on clips, by SHA-256; while a job of the same key is under way, that job is returned instead.

        Raises CmhkfError when one of the clips is leaving, or when too much is waiting already.
        """
        clips = frozenset(clips)
        with self._using(*clips), self._wake:
            for job in self._jobs.values():
                if job.key == key and not job.over and not job.cancel.is_set():
                    return job
            if len(self._waiting) >= self._most:
                raise CmhkfError(f"{self._most} {self._name} are waiting already; try again when some are done")
            job = Job(key, work, clips, footage_s)
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

    def under_way(self) -> list[Job]:
        """The job that runs, and those that wait, in their order."""
        with self._wake:
            running = [job for job in self._jobs.values() if job.state == "running"]
            return running + list(self._waiting)

    def move(self, job_id: str, before: str = "") -> None:
        """Put a job that waits before another that waits, or after all. Raises CmhkfError when one waits no more."""
        with self._wake:
            job, other = self.get(job_id), self.get(before) if before else None
            if job not in self._waiting or (other and other not in self._waiting):
                raise CmhkfError("that work does not wait any more; the queue shows what does")
            self._waiting.remove(job)
            self._waiting.insert(self._waiting.index(other) if other else len(self._waiting), job)

    def forget(self, clip: str) -> None:
        """Drop the finished jobs on a clip."""
        with self._wake:
            for old in [job.id for job in self._jobs.values() if job.over and clip in job.clips]:
                del self._jobs[old]

    def stop(self, clip: str = "") -> bool:
        """Tell every job on a clip, or without one every job, to stop; whether one of them has not stopped yet."""
        with self._wake:
            jobs = [job for job in self._jobs.values() if not job.over and (not clip or clip in job.clips)]
            for job in jobs:
                self.cancel(job.id)
            return not all(job.over for job in jobs)

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
            self.stop()
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
                job.error, job.raised = str(error), error
                self._end(job, "failed")
            except Exception:
                log.exception("job %s (%s) failed", job.id, job.key)
                job.error = f"Something went wrong inside (id {job.id}); the server's log has the details."
                self._end(job, "failed")

    def _work(self, job: Job) -> None:
        state: JobState = "done"
        with self._using(*job.clips):
            steps = job.work()
            try:
                for step in steps:
                    if job.cancel.is_set():
                        state = "cancelled"
                        break
                    if isinstance(step, SoFar):
                        job.so_far = step.value
                        job.grown += 1
                    else:
                        if isinstance(step, Progress):
                            job.stages.setdefault(step.stage, time.monotonic())
                        job.step = job.result = step
            finally:
                steps.close()
        self._end(job, state)

    @staticmethod
    def _end(job: Job, state: JobState) -> None:
        job.ended = time.monotonic()
        job.so_far, job.grown = None, 0
        job.state = state
        job.ending.set()
