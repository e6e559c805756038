"""Where a batch writes: a folder of this machine, or one behind a URL (s3://, gs://, ...), by fsspec.

Both have the same methods. A file takes its name only when it is whole, whatever the store: behind a URL it is uploaded
under another name and moved.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import fsspec
from filelock import FileLock
from fsspec.utils import get_protocol

from cmhkf.errors import ConfigError
from cmhkf.files import NPZ_DAMAGE, PART, PART_KEPT_S, replacing, sweep_parts
from cmhkf.home import lock_of
from cmhkf.media import remote

T = TypeVar("T")

LOCKS = ".locks"  # one for each content at work, so that two workers never analyse the same
READERS = 16  # of a store at once, which answers each request late
BLOCK = 1 << 16  # bytes that a look into a file behind a URL fetches
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


def outputs_at(out: Path | str) -> Folder | Bucket:
    """The place of that path or URL."""
    return Bucket(out) if isinstance(out, str) and remote.is_url(out) else Folder(Path(out))


@dataclass(frozen=True)
class Folder:
    """One that this machine sees, and with Ray every node."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def named(self, name: str) -> str:
        """A file's whole path."""
        return str(self.path / name)

    def prepare(self) -> None:
        """Make it, and delete what was half written there."""
        self.path.mkdir(parents=True, exist_ok=True)
        sweep_parts(self.path)

    def stamps(self) -> dict[str, object]:
        """The names of all `.npz` files; each with something that changes when the file does."""
        found = ((file.name, self.stamp(file.name)) for file in self.path.glob("*.npz"))
        return {name: stamp for name, stamp in found if stamp is not None}

    def stamp(self, name: str) -> object:
        """That of one file, None where it is not there."""
        with suppress(OSError):
            return (self.path / name).stat().st_mtime_ns
        return None

    def opened(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file, to look at a part of it."""
        return (self.path / name).open("rb")

    def fetched(self, name: str) -> AbstractContextManager[Path]:
        """A file, to read all of it."""
        return nullcontext(self.path / name)

    def replacing(self, name: str) -> AbstractContextManager[Path]:
        """A path to write to; what lies there after the block becomes the file of that name, at once."""
        return replacing(self.path / name)

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def lock(self, content: str) -> FileLock:
        """Held by whoever works on a content."""
        (self.path / LOCKS).mkdir(exist_ok=True)
        return FileLock(self.path / LOCKS / content)

    def unlock(self) -> None:
        """Delete all locks: the work is over."""
        shutil.rmtree(self.path / LOCKS, ignore_errors=True)

    def each(self, look: Callable[[str], T], names: Iterable[str]) -> Iterator[T]:
        """What a look at each file gives."""
        return map(look, names)


@dataclass(frozen=True)
class Bucket:
    """One behind a URL."""

    url: str

    def __str__(self) -> str:
        return self.url

    def named(self, name: str) -> str:
        """A file's whole URL."""
        return f"{self.url.rstrip('/')}/{name}"

    def _at(self, name: str) -> tuple[Any, str]:
        fs, path = fsspec.url_to_fs(self.url)
        return fs, f"{path.rstrip('/')}/{name}"

    def prepare(self) -> None:
        """Make it, and delete what was half written there. Raises ConfigError where nothing can be written."""
        protocol = get_protocol(self.url)
        try:
            fs, path = fsspec.url_to_fs(self.url)
        except ImportError as error:
            package = PACKAGES.get(protocol)
            remedy = f"`pip install {package}`" if package else "install that package"
            raise ConfigError(f"--out {self.url}: {error}; {remedy}, or choose a local folder") from None
        except ValueError as error:
            raise ConfigError(
                f"--out {self.url}: {error}; name a local folder, or a URL that fsspec knows, such as s3:// or gs://"
            ) from None
        try:
            fs.makedirs(path, exist_ok=True)
            with self.replacing("writable.txt") as file:
                file.touch()
            self.remove("writable.txt")
            for info in self._listed():
                with suppress(Exception):  # gone already, not ours to delete, or of unknown age
                    if PART.fullmatch(Path(info["name"]).name) and _age_s(fs.modified(info["name"])) > PART_KEPT_S:
                        fs.rm_file(info["name"])
        except ConfigError:
            raise
        except Exception as error:  # what it raises is each protocol's own
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"nothing can be written to --out {self.url} ({type(error).__name__}: {error}); check the name, "
            "the credentials and what they permit (list, read, write, delete), or choose a local folder"
        )

    def _listed(self) -> list[dict[str, Any]]:
        """What the store tells of each file, as it is now."""
        fs, path = fsspec.url_to_fs(self.url)
        fs.invalidate_cache()
        try:
            return [info for info in fs.ls(path, detail=True) if info["type"] == "file"]
        except FileNotFoundError:  # stores know no empty folders
            return []

    def stamps(self) -> dict[str, object]:
        """The names of all `.npz` files; each with something that changes when the file does."""
        return {name: repr(info) for info in self._listed() if (name := Path(info["name"]).name).endswith(".npz")}

    def stamp(self, name: str) -> object:
        """That of one file, None where it is not there."""
        return self.stamps().get(name)

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """A file, to look at a part of it."""
        fs, path = self._at(name)
        try:
            with fs.open(path, "rb", block_size=BLOCK) as file:
                yield file
        except NPZ_DAMAGE:
            raise
        except Exception as error:  # what it raises is each protocol's own
            raise OSError(f"{self.named(name)} cannot be read: {type(error).__name__}: {error}") from error

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A file, to read all of it. Raises MediaError."""
        with remote.scratch() as folder:
            yield remote.copied(self.named(name), folder)

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """A path to write to; what lies there after the block becomes the file of that name, at once."""
        fs, path = self._at(name)
        _, part = self._at(f"writing.{uuid.uuid4().int}.part")  # no name of a video, which may look like a pattern
        with remote.scratch() as folder:
            yield folder / "file"
            try:
                fs.put_file(str(folder / "file"), part)
                fs.mv(part, path)
            except Exception as error:  # what it raises is each protocol's own
                with suppress(Exception):  # this one is not the one to tell
                    fs.rm_file(part)
                raise self._refused(error) from error

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        fs, path = self._at(name)
        with suppress(FileNotFoundError):
            fs.rm_file(path)

    def lock(self, content: str) -> FileLock:
        """Held by whoever on this machine works on a content; stores know no locks."""
        return lock_of(content[:4])

    def unlock(self) -> None:
        """Locks stay: they are few, and other batches may hold them."""

    def each(self, look: Callable[[str], T], names: Iterable[str]) -> Iterator[T]:
        """What a look at each file gives."""
        with ThreadPoolExecutor(READERS) as pool:
            yield from pool.map(look, names)


def _age_s(changed: datetime) -> float:
    return (datetime.now(changed.tzinfo) - changed).total_seconds()
