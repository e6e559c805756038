"""What browsers and scripts send: Gradio puts it into a folder; here each file is taken once, and what fails goes."""

import secrets
import shutil
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from gradio.data_classes import FileData
from gradio.utils import get_upload_folder
from starlette.types import ASGIApp, Receive, Scope, Send

from app.clips.workspace import Workspace
from cmhkf import MediaError
from cmhkf.media.clip import Clip, probe

KEPT_S = 6 * 3600.0  # a script's call may wait for long before its turn comes
REMEMBERED = 1000  # uploads taken
CLOCK_S = 1.0  # by so much may the clock of the disk be behind


@contextmanager
def uploaded(name: str) -> Iterator[Path]:
    """A file that was uploaded here, and no other file of this machine; it is gone afterwards. Raises MediaError."""
    path = _inside(name)
    mine = Path(get_upload_folder()) / secrets.token_hex(8) / path.name
    if not path.is_file():
        raise MediaError("that upload is not here any more; drop the file on the page again")
    mine.parent.mkdir()
    try:
        path.rename(mine)  # the same bytes may come again meanwhile, and Gradio puts them at the same place
        yield mine
    finally:
        shutil.rmtree(mine.parent, ignore_errors=True)
        with suppress(OSError):
            path.parent.rmdir()


def uploaded_path(payload: FileData | None) -> str | None:
    """In place of `gr.File.preprocess`, which leaves an empty temporary file behind with every call."""
    return payload and payload.path


class Uploads:
    """Takes uploaded videos into the library."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._taken: OrderedDict[Path, str] = OrderedDict()
        self._locks: WeakValueDictionary[Path, Lock] = WeakValueDictionary()
        self._lock = Lock()

    def take(self, upload: str, name: str) -> tuple[Clip, bool]:
        """Keep an uploaded video; and whether it was in the library already.

        Raises MediaError when it is none, or was not uploaded here.

        Gradio names an upload by its content, so whoever comes second with the same bytes may find the file taken.
        """
        path = _inside(upload)
        with self._lock:
            lock = self._locks.setdefault(path, Lock())
        with lock:
            if path in self._taken and not path.exists():
                return self._workspace.store.clip(self._taken[path]), True
            with uploaded(upload) as file:
                probed = probe(file)
                known = self._workspace.store.knows(probed.sha256)
                clip = self._workspace.add(probed, name, move=True)
            self._taken[path] = clip.sha256
            while len(self._taken) > REMEMBERED:
                self._taken.popitem(last=False)
        return clip, known

    @staticmethod
    def sweep() -> None:
        """Delete what was sent and has waited too long to be taken."""
        for folder in Path(get_upload_folder()).iterdir():
            if folder.is_dir() and time.time() - folder.stat().st_mtime > KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)


class FailedUploads:
    """Middleware that deletes what an upload leaves that failed, was cancelled or found the disk full.

    Gradio writes an upload under a temporary name and gives it its own when it is complete. A file of a temporary name
    that is older than every upload under way is nobody's.
    """

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app, self._folder = app, folder
        self._begun: dict[int, float] = {}
        self._numbers = count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, and look for rests after an upload."""
        if scope["type"] != "http" or not scope["path"].endswith("/upload"):
            return await self._app(scope, receive, send)
        number = next(self._numbers)
        self._begun[number] = time.time()
        try:
            await self._app(scope, receive, send)
        finally:
            del self._begun[number]
            self._clear()

    def _clear(self) -> None:
        oldest = min(self._begun.values(), default=float("inf")) - CLOCK_S
        for path in self._folder.iterdir():
            with suppress(OSError):
                if path.is_file() and path.stat().st_mtime < oldest:
                    path.unlink()


def _inside(name: str) -> Path:
    path = Path(name).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise MediaError("that file was not uploaded here; drop it on the page again")
    return path
