"""The timeline's sound outline and small pictures: made in the background, once per clip, and fetched as files."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from app.doors import Json, guarded
from app.jobs import Jobs
from app.store import Store, file_url
from cmhkf.media import Clip
from cmhkf.previews import make_film, make_peaks

VERSION = 1  # in the files' names: a newer page never reads an older file
Work = Callable[[Clip, Path], Generator[float]]


class Previews:
    """Makes and finds the previews of a store's clips. Sound and pictures have a queue each: sound is soon done."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listening, self._looking = Jobs("sound outlines"), Jobs("small pictures")

    def facts(self, sha256: str) -> Json:
        """How far sound and pictures of a clip are, each {state, url, done, total, error}; begins what is missing.

        `state` is a job's, or "none" for a clip without a sound track. Raises NotFoundError.
        """
        clip = self._store.clip(sha256)
        peaks = self._store.previews_dir / f"{sha256}.v{VERSION}.peaks"
        film = self._store.previews_dir / f"{sha256}.v{VERSION}.film"
        sound = self._part(self._listening, clip, peaks, make_peaks) if clip.has_audio else _facts("none")
        return {"sound": sound, "film": self._part(self._looking, clip, film, make_film)}

    def stop(self, sha256: str) -> None:
        """Nobody looks at that clip any more: what is not finished is given up."""
        for jobs in (self._listening, self._looking):
            job = jobs.find(sha256)
            if job and not job.over:
                jobs.cancel(job.id)

    def close(self) -> None:
        """Stop all work."""
        self._listening.close()
        self._looking.close()

    @staticmethod
    def _part(jobs: Jobs, clip: Clip, made: Path, work: Work) -> Json:
        if made.exists():
            return _facts("done", url=file_url(made))
        job = jobs.find(clip.sha256)
        if job is None or job.state == "cancelled" or job.cancel.is_set():
            job = jobs.submit(clip.sha256, lambda: work(clip, made))
        return _facts(job.state, done=job.step or 0.0, total=clip.duration_s or None, error=job.error)


def _facts(state: str, *, url: str = "", done: float = 0.0, total: float | None = None, error: str = "") -> Json:
    return {"state": state, "url": url, "done": done, "total": total, "error": error}


class PreviewAsks:
    """What the page asks of the previews, each with one object of arguments."""

    def __init__(self, previews: Previews) -> None:
        self._previews = previews

    def functions(self) -> list[Callable[[Json], Json]]:
        """All of them, guarded."""
        return [guarded(self.previews), guarded(self.drop_previews)]

    def previews(self, ask: Json) -> Json:
        """{clip} -> {sound, film}: how far each is, and where it lies."""
        return self._previews.facts(str(ask["clip"]))

    def drop_previews(self, ask: Json) -> dict[str, Any]:
        """{clip} -> {}: the clip is no longer on screen."""
        self._previews.stop(str(ask["clip"]))
        return {}
