"""Files: written whole or not at all, named by their hash, and read as people's programs save them."""

import codecs
import hashlib
import os
import re
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

# What reading a damaged or foreign .npz raises: NotImplementedError (a RuntimeError) for unknown compression
NPZ_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, EOFError, OSError, RuntimeError)
MOST_NPZ_BYTES = 2_000_000_000  # of one file of arrays: more than a day and a night of features, or of an analysis
PART = re.compile(r".+\.[0-9]+\.part")  # as `replacing` calls what is being written
PART_KEPT_S = 3600.0  # what is still being written after that long was left by a process that was killed
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or a folder to; it takes its name when the block succeeds.

    When the block fails, nothing is left and what lay under the name stays. Folders above are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def sweep_parts(folder: Path) -> None:
    """Delete what processes that were killed had half written to a folder by `replacing`."""
    for part in folder.glob("*.part"):
        with suppress(OSError):  # gone already, or not ours to delete
            if PART.fullmatch(part.name) and part.is_file() and time.time() - part.stat().st_mtime > PART_KEPT_S:
                part.unlink()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hex digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_text(path: Path) -> str:
    """The text of a file. Raises OSError, and UnicodeDecodeError as `decoded` does."""
    return decoded(path.read_bytes())


def decoded(content: bytes) -> str:
    """Bytes as text: by the mark with which Windows' Notepad and Excel begin a file, else as UTF-8.

    Raises:
        UnicodeDecodeError: neither.
    """
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding)


def check_sizes(archive: zipfile.ZipFile, names: Sequence[str], most: int) -> None:
    """Raise ValueError where entries unpack to more than they should, before one is unpacked."""
    size = sum(archive.getinfo(name).file_size for name in names)
    if size > most:
        raise ValueError(f"{names[0]} and what is with it unpack to {size:,} bytes, more than the {most:,} accepted")


def open_npz(path: str | Path) -> Any:
    """An open `NpzFile` of arrays. Raises one of NPZ_DAMAGE when it is none, or would unpack to over MOST_NPZ_BYTES."""
    with zipfile.ZipFile(path) as archive:
        check_sizes(archive, archive.namelist(), MOST_NPZ_BYTES)
    return np.load(path, allow_pickle=False)
