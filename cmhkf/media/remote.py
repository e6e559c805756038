"""Videos behind URLs (s3://, gs://, ...), by fsspec: listed, and fetched one at a time for as long as one is read."""

import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import fsspec
from filelock import FileLock, Timeout
from fsspec.callbacks import Callback

from cmhkf.errors import ConfigError, MediaError
from cmhkf.files import replacing
from cmhkf.home import data_home, lock_of
from cmhkf.numbers import number

VARIABLE = "CMHKF_FETCH_GB"
DEFAULT_GB = 50.0
REMEDY = f"set {VARIABLE} to more GB, or copy the video to this machine and name the file"
HELD = "bytes"  # a file that tells how many the fetched one beside it has, or may get
WAIT_S = 0.5


def is_url(text: str) -> bool:
    """Whether it names something that is not a local path."""
    return "://" in text


def name_of(url: str) -> str:
    """The file name that a URL ends in."""
    return PurePosixPath(urlsplit(url).path).name or PurePosixPath(urlsplit(url).netloc).name


def files_below(url: str) -> list[str]:
    """The URLs of all files of a folder or a pattern, in a stable order; or of the one file that it is.

    Raises:
        ConfigError: the place cannot be listed, or the package for its protocol is not installed.
    """
    try:
        fs, path = fsspec.url_to_fs(url)
        found: Any = fs.glob(path, detail=True) if "*" in path else fs.find(path, detail=True)
        return sorted(fs.unstrip_protocol(file) for file, told in found.items() if told["type"] == "file")
    except Exception as error:  # what it raises is each protocol's own
        raise ConfigError(f"{url} cannot be listed: {type(error).__name__}: {error}") from error


@contextmanager
def fetched(url: str) -> Iterator[Path]:
    """A local copy of a file, under its own name, in a folder that is deleted afterwards.

    It waits until what other workers of this machine have fetched leaves room for it under the limit. One whose server
    tells no size begins in what room is left, and is fetched anew, alone, if it outgrows that.

    Raises:
        MediaError: it cannot be fetched, or is larger than the limit, or than what is free on the disk.
    """
    with scratch() as folder:
        size, limit = _size(url), limit_bytes()
        if size and size > limit:
            raise MediaError(f"{url} has {size:,} bytes, more than the {limit:,} that may be fetched; {REMEDY}")
        if size and size > (free := shutil.disk_usage(folder).free):
            raise MediaError(f"{url} has {size:,} bytes, and the disk of {folder} only {free:,} free")
        least = size or limit // 4
        while True:
            most = _room(folder, least=least, most=size or limit, limit=limit)
            try:
                file = copied(url, folder / "clip", most)
                break
            except TooLargeError:
                if size or least == limit:
                    raise
                least = limit  # once more, with all the room there is
        _hold(folder, file.stat().st_size)
        yield file


@contextmanager
def scratch() -> Iterator[Path]:
    """A new folder, deleted afterwards; should this process be killed, by `sweep`."""
    root = data_home() / "fetched"
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        with FileLock(folder / "lock"):  # while it is held, `sweep` leaves the folder alone
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Delete what processes that were killed had fetched."""
    for lock in (data_home() / "fetched").glob("*/lock"):
        with suppress(Timeout, OSError), FileLock(lock, timeout=0):
            shutil.rmtree(lock.parent, ignore_errors=True)


def limit_bytes() -> int:
    """What all videos that are fetched at a time may take, by the environment.

    Raises ConfigError for what is no number of GB (10^9 bytes).
    """
    return int(1e9 * number(os.environ.get(VARIABLE) or DEFAULT_GB, VARIABLE, error=ConfigError))


def _room(folder: Path, *, least: int, most: int, limit: int) -> int:
    """How many bytes a folder may hold from now on, `least` to `most`: it waits for others to end.

    Whoever waits holds nothing, so all go on in the end; others queue up behind.
    """
    _hold(folder, 0)
    with lock_of("fetched"):
        while (left := limit - _held(folder.parent)) < least:
            time.sleep(WAIT_S)
            sweep()
        _hold(folder, min(left, most))
    return min(left, most)


def _hold(folder: Path, n_bytes: int) -> None:
    with replacing(folder / HELD) as part:
        part.write_text(str(n_bytes))


def _held(root: Path) -> int:
    """The bytes that files fetched, and those being fetched, take or may take."""
    held = 0
    for file in root.glob(f"*/{HELD}"):
        with suppress(OSError):  # gone meanwhile
            held += int(file.read_text())
    return held


def _size(url: str) -> int | None:
    try:
        fs, path = fsspec.url_to_fs(url)
        return fs.size(path) or None
    except Exception as error:  # what it raises is each protocol's own
        raise _failed(url, error) from error


def copied(url: str, folder: Path, most: float = math.inf) -> Path:
    """A copy in a folder, which is made. Raises MediaError: it cannot be fetched, or has more than `most` bytes."""
    folder.mkdir(exist_ok=True)
    file = folder / name_of(url)
    try:
        fs, path = fsspec.url_to_fs(url)
        fs.get_file(path, str(file), callback=_Stop(url, most))
    except MediaError:
        raise
    except Exception as error:  # what it raises is each protocol's own
        raise _failed(url, error) from error
    return file


def _failed(url: str, error: Exception) -> MediaError:
    return MediaError(f"{url} cannot be fetched: {type(error).__name__}: {error}")


class TooLargeError(MediaError):
    """A file has more bytes than there is room for."""


class _Stop(Callback):
    """Ends a copy that becomes too large, which its server had not said."""

    def __init__(self, url: str, most: float) -> None:
        super().__init__()
        self._url, self._most = url, most

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        self._check()

    def absolute_update(self, value: int) -> None:
        super().absolute_update(value)
        self._check()

    def _check(self) -> None:
        if self.value > self._most:
            raise TooLargeError(
                f"{self._url} has more than {self._most:,} bytes, which its server did not say, and was left; {REMEDY}"
            )
