"""The one place for temporary files: a folder inside the home, which goes when the process ends, and at the latest when
the next one starts.

Every process has a folder of its own in `home/scratch`, with a lock beside it. The system releases the lock of a
process that was killed, and so whoever starts next knows which folders nobody needs any more.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from cmhkf.errors import ConfigError

FOLDER = "scratch"
OTHERS = 0o077  # what group and others may do
START_S = 30.0  # how long a start waits for another one in the same home


class Scratch:
    """The temporary files of this process. They lie on the same disk as the home, so moving one into it is at once.

    Raises:
        ConfigError: the home cannot be written.
    """

    def __init__(self, home: Path) -> None:
        self.root = home / FOLDER
        try:
            _make_private(home)
            self.root.mkdir(mode=0o700, exist_ok=True)
            with self.starting():
                _sweep(self.root)
                self.path = Path(tempfile.mkdtemp(dir=self.root))
                self._lock = FileLock(_lock_of(self.path), timeout=0)
                self._lock.acquire()
            self.uploads.mkdir(mode=0o700)
        except Timeout:
            raise ConfigError(f"another start in {str(home)!r} does not finish; end it, then try again") from None
        except OSError as error:
            raise ConfigError(f"home {str(home)!r} cannot be written ({error}); choose another with --home") from None

    @property
    def uploads(self) -> Path:
        """Where Gradio puts what a browser or a script sends."""
        return self.path / "uploads"

    def starting(self) -> FileLock:
        """A lock, as a context, for what only one start at a time may do in a home."""
        return FileLock(self.root / "start.lock", timeout=START_S)

    def use_everywhere(self) -> None:
        """Let `tempfile`, Gradio and every child process put their temporary files here too."""
        tempfile.tempdir = os.environ["TMPDIR"] = str(self.path)
        os.environ["GRADIO_TEMP_DIR"] = str(self.uploads)

    def folder(self) -> TemporaryDirectory[str]:
        """A folder for one piece of work, as a context; it is gone afterwards."""
        return TemporaryDirectory(dir=self.path)

    @contextmanager
    def making(self, final: Path) -> Iterator[Path]:
        """A path of the same name to write a file or a folder to; it is moved to `final` when the block succeeds.

        So nothing half made ever lies under its name, nor beside it.
        """
        with self.folder() as folder:
            made = Path(folder) / final.name
            yield made
            made.chmod(0o700 if made.is_dir() else 0o600)
            os.replace(made, final)  # noqa: PTH105

    def close(self) -> None:
        """Delete everything here."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()
        _lock_of(self.path).unlink(missing_ok=True)


def _make_private(home: Path) -> None:
    """Make the home where there is none, and let nobody else read it.

    A folder that holds other things than the page's, such as somebody's home, stays as open as it is.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    names = {path.name for path in home.iterdir()}
    ours = not names or "review.sqlite3" in names or {"analyses", "clips"} <= names  # the database may lie elsewhere
    if not (home.stat().st_mode & OTHERS and ours):
        return
    with suppress(PermissionError):  # somebody else's, who lets us write there
        for path in (home, *home.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~OTHERS)


def _sweep(root: Path) -> None:
    """Delete the folders of processes that have ended. The caller holds the lock of the start."""
    for folder in root.iterdir():
        if not folder.is_dir():
            continue
        lock = FileLock(_lock_of(folder), timeout=0)
        with suppress(Timeout), lock:
            shutil.rmtree(folder, ignore_errors=True)
            _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + ".lock")
