"""Where a browser gets a clip's video: the file itself, or a copy that every browser can play."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from app.clips.jobs import Job
from app.clips.scheduler import Scheduler
from app.clips.store import Store
from cmhkf.media.clip import Clip
from cmhkf.media.proxy import make_proxy, needs_proxy
from cmhkf.progress import Progress


@dataclass(frozen=True)
class Playable:
    """What can be played of a clip."""

    file: Path | None  # None while the copy that is needed is not there yet
    is_copy: bool = False
    job: Job | None = None  # makes the copy


class Playback:
    """Finds and makes the playback copies of a store's clips."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store, self._scheduler = store, scheduler
        self._copies = scheduler.queue("playback copies")

    def ready(self, clip: Clip) -> Path | None:
        """The file to play, if there is one without making a copy."""
        made = self._copy_of(clip)
        if made.exists():
            return made
        return None if needs_proxy(clip) else Path(clip.path)

    def open(self, clip: Clip, *, copy: bool = False) -> Playable:
        """What to play; a copy is begun when browsers cannot play the file, or with `copy`: one said that it could not.

        Raises NotFoundError.
        """
        made = self._copy_of(clip)
        if made.exists():
            return Playable(made, is_copy=True)
        if not copy and not needs_proxy(clip):
            return Playable(Path(clip.path))
        with self._scheduler.using(clip.sha256):
            self._store.clip(clip.sha256)
            key = f"copy {clip.sha256}"
            return Playable(None, job=self._copies.submit(key, lambda: self._steps(clip, made), clips=[clip.sha256]))

    def _copy_of(self, clip: Clip) -> Path:
        return self._store.playback_dir / f"{clip.sha256}.mp4"

    def _steps(self, clip: Clip, made: Path) -> Generator[Progress, None, None]:
        with self._store.scratch.making(made) as path:
            for seconds in make_proxy(clip, path):
                yield Progress("copying", seconds, clip.duration_s)
