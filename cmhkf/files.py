"""Files: written whole or not at all, named by their hash, and read as people's programs save them."""

from __future__ import annotations

import codecs
import hashlib
import math
import os
import re
import shutil
import time
import weakref
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.npyio import NpzFile

# What reading a damaged or foreign .npz raises: NotImplementedError (a RuntimeError) for unknown compression
NPZ_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, EOFError, OSError, RuntimeError)
MOST_NPZ_BYTES = 2_000_000_000  # of one file of arrays: more than a day and a night of features, or of an analysis
PART = re.compile(r".+\.[0-9]+\.part")  # as `replacing` calls what is being written
ROWS_AT_ONCE = 256  # that are copied from one file to another
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


def open_npz(file: str | Path | BinaryIO) -> Any:
    """An open `NpzFile` of arrays. Raises one of NPZ_DAMAGE when it is none, or would unpack to over MOST_NPZ_BYTES."""
    with zipfile.ZipFile(file) as archive:
        check_sizes(archive, archive.namelist(), MOST_NPZ_BYTES)
    if not isinstance(file, (str, Path)):
        file.seek(0)
    return np.load(file, allow_pickle=False)


class FileRows:
    """Rows [N, ...] of one type that wait in a nameless file: a slice of them is read whenever it is asked for.

    For the rows of a long clip, which grow with its length and are wide. Not for use from several threads at once.
    """

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 (closed with these rows)
        weakref.finalize(self, self._file.close)
        self.dtype = np.dtype(float)
        """Of every row."""
        self.shape: tuple[int, ...] = (0,)
        """(N, ...)."""

    @classmethod
    def copied(cls, file: NpzFile, name: str) -> FileRows:
        """Those of an open `.npz` that `save_npz` wrote. Raises one of NPZ_DAMAGE."""
        rows = cls()
        assert file.zip
        with file.zip.open(f"{name}.npy") as entry:
            np.lib.format.read_magic(entry)
            shape, _, dtype = np.lib.format.read_array_header_1_0(entry)
            row_bytes = dtype.itemsize * math.prod(shape[1:])
            while block := entry.read(ROWS_AT_ONCE * row_bytes):
                rows.add(np.frombuffer(block, dtype).reshape(-1, *shape[1:]))
        return rows

    def add(self, rows: np.ndarray) -> None:
        """Put the next rows to the end; the first ones set type and shape."""
        n = len(self)
        assert not n or (rows.shape[1:], rows.dtype) == (self.shape[1:], self.dtype)
        self.dtype, self.shape = rows.dtype, (n + len(rows), *rows.shape[1:])
        self._seek(n)
        self._file.write(rows.tobytes())

    def cut_to(self, n: int) -> None:
        """Forget the rows after the first `n`."""
        self.shape = (min(n, len(self)), *self.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> np.ndarray:
        """Consecutive rows as an array of their own."""
        start, stop, step = part.indices(len(self))
        assert step == 1
        rows = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
        self._seek(start)
        self._file.readinto(rows)  # type: ignore[attr-defined]
        return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _seek(self, row: int) -> None:
        self._file.seek(row * self.dtype.itemsize * math.prod(self.shape[1:]))


def save_npz(path: Path, arrays: Mapping[str, np.ndarray | FileRows]) -> None:
    """Write an `.npz` as `numpy.savez` does, byte for byte, without the rows of a file in memory at once."""
    with replacing(path) as part, zipfile.ZipFile(part, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                if isinstance(array, FileRows):
                    about = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False}
                    np.lib.format.write_array_header_1_0(entry, about | {"shape": array.shape})
                    for start in range(0, len(array), ROWS_AT_ONCE):
                        entry.write(array[start : start + ROWS_AT_ONCE].tobytes())
                else:
                    np.lib.format.write_array(entry, array, allow_pickle=False)
