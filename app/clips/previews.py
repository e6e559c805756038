"""The timeline's waveform and filmstrip: made in the background, once per clip, and fetched as files."""

from collections.abc import Callable, Generator
from pathlib import Path

from app.clips.jobs import JobQueue, JobStatus
from app.clips.scheduler import Scheduler
from app.clips.store import Store
from cmhkf.media.clip import Clip
from cmhkf.media.filmstrip import make_film, make_peaks
from cmhkf.progress import Progress

VERSION = 1  # in the files' names: a newer page never reads an older file
Maker = Callable[[Clip, Path], Generator[float]]


class Previews:
    """Makes and finds the previews of a store's clips. The two have a queue each: the waveform is soon done."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store, self._scheduler = store, scheduler
        self._waveforms, self._filmstrips = scheduler.queue("waveforms"), scheduler.queue("filmstrips")

    def of(self, sha256: str) -> tuple[JobStatus, JobStatus]:
        """How far the waveform and the filmstrip of a clip are; begins what is missing. Raises NotFoundError."""
        with self._scheduler.using(sha256):
            clip = self._store.clip(sha256)
            waveform = self._part(self._waveforms, clip, "peaks", make_peaks) if clip.has_audio else JobStatus("none")
            return waveform, self._part(self._filmstrips, clip, "film", make_film)

    def stop(self, sha256: str) -> None:
        """Nobody looks at that clip any more: what is not finished is given up."""
        for queue in (self._waveforms, self._filmstrips):
            job = queue.find(sha256)
            if job and not job.over:
                queue.cancel(job.id)

    def _part(self, queue: JobQueue, clip: Clip, kind: str, make: Maker) -> JobStatus:
        made = self._store.previews_dir / f"{clip.sha256}.v{VERSION}.{kind}"
        if made.exists():
            return JobStatus("done", result=made)
        job = queue.find(clip.sha256)
        if job is None or job.state == "cancelled" or job.cancel.is_set():
            job = queue.submit(clip.sha256, lambda: self._steps(make, clip, made), clips=[clip.sha256])
        return job.status

    def _steps(self, make: Maker, clip: Clip, made: Path) -> Generator[Progress | Path, None, None]:
        if not made.exists():  # or a job that was given up ended well after all
            with self._store.scratch.making(made) as path:
                for seconds in make(clip, path):
                    yield Progress("previews", seconds, clip.duration_s)
        yield made
