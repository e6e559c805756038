"""Videos behind URLs (s3://, gs://, ...), by fsspec: listed, and fetched one at a time for as long as one is read."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import fsspec
from filelock import FileLock, Timeout

from cmhkf.errors import ConfigError, MediaError
from cmhkf.home import data_home


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

    Raises:
        MediaError: it cannot be fetched, or is larger than what is free on the disk.
    """
    root = data_home() / "fetched"
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        with FileLock(folder / "lock"):  # while it is held, `sweep` leaves the folder alone
            yield _fetch(url, folder / "clip")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Delete what processes that were killed had fetched."""
    for lock in (data_home() / "fetched").glob("*/lock"):
        with suppress(Timeout, OSError), FileLock(lock, timeout=0):
            shutil.rmtree(lock.parent, ignore_errors=True)


def _fetch(url: str, folder: Path) -> Path:
    folder.mkdir()
    try:
        fs, path = fsspec.url_to_fs(url)
        size, free = fs.size(path), shutil.disk_usage(folder).free
        if size and size > free:
            raise MediaError(f"{url} has {size:,} bytes, and the disk of {folder} only {free:,} free")
        fs.get_file(path, str(folder / name_of(url)))
    except MediaError:
        raise
    except Exception as error:  # what it raises is each protocol's own
        raise MediaError(f"{url} cannot be fetched: {type(error).__name__}: {error}") from error
    return folder / name_of(url)
