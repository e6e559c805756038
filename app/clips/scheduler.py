"""The queues of all background work, and which clips are in use: one is removed only when nobody needs it."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from app.clips.jobs import MOST_WAITING, Job, JobQueue
from cmhkf.errors import CmhkfError

LOOK_S = 0.02  # how often a removal looks whether the work has ended


class Scheduler:
    """The queues of one workspace, and the clips in use, by a job or not."""

    def __init__(self) -> None:
        self._queues: list[JobQueue] = []
        self._users: Counter[str] = Counter()
        self._leaving: set[str] = set()
        self._lock = Lock()

    def queue(self, name: str, *, most: int = MOST_WAITING) -> JobQueue:
        """A new queue, in which so many jobs may wait. A job stops when a clip of its leaves."""
        made = JobQueue(name, using=self.using, most=most)
        self._queues.append(made)
        return made

    def job(self, job_id: str) -> Job:
        """The job with that id, in whichever queue. Raises CmhkfError when it is not known (any more)."""
        return self._queue_of(job_id).get(job_id)

    def cancel(self, job_id: str) -> Job:
        """Stop a job; returns it."""
        queue = self._queue_of(job_id)
        queue.cancel(job_id)
        return queue.get(job_id)

    def _queue_of(self, job_id: str) -> JobQueue:
        return next((queue for queue in self._queues if job_id in queue), self._queues[0])

    @contextmanager
    def using(self, *clips: str) -> Iterator[None]:
        """Keep clips, by SHA-256, from leaving while the block runs. Raises CmhkfError when one is leaving."""
        with self._lock:
            if self._leaving.intersection(clips):
                raise CmhkfError("this clip is being removed; if you need it again, bring it in again in a moment")
            self._users.update(clips)
        try:
            yield
        finally:
            with self._lock:
                self._users.subtract(clips)
                self._users += Counter()  # forgets zeros

    @contextmanager
    def alone(self, clip: str, timeout_s: float) -> Iterator[None]:
        """Stop all work on a clip, wait until it has ended, and let none begin while the block runs.

        Raises:
            CmhkfError: it does not end in time, or somebody else is removing the clip.
        """
        with self._lock:
            if clip in self._leaving:
                raise CmhkfError("this clip is being removed already")
            self._leaving.add(clip)
        try:
            end = time.monotonic() + timeout_s
            while self._at_work(clip):
                if time.monotonic() > end:
                    raise CmhkfError("the work on this clip is still stopping; remove it again in a moment")
                time.sleep(LOOK_S)
            yield
        finally:
            with self._lock:
                self._leaving.discard(clip)

    def busy(self) -> set[str]:
        """The clips that somebody is at work on, or is waiting to be."""
        with self._lock:
            used = set(self._users)
        return used.union(*(job.clips for queue in self._queues for job in queue.all() if not job.over))

    def forget(self, clip: str) -> None:
        """Drop the finished jobs on a clip, and with them their results."""
        for queue in self._queues:
            queue.forget(clip)

    def close(self) -> None:
        """Stop all work."""
        for queue in self._queues:
            queue.stop()
        for queue in self._queues:
            queue.close()

    def _at_work(self, clip: str) -> bool:
        """Whether somebody still is; the jobs among them are told to stop."""
        with self._lock:
            used = self._users[clip] > 0
        stopping = [queue.stop(clip) for queue in self._queues]
        return used or any(stopping)
