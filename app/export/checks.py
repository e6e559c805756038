"""What was exported, opened again and counted before anybody gets it."""

import csv
import hashlib
import re
import zipfile
from pathlib import Path

from app.export.marks_file import MarksFileError, read_marks
from app.export.reviewed import Reviewed
from cmhkf import CmhkfError

CUE = re.compile(r"^[\d:.]+ --> ", re.MULTILINE)
EVENT = re.compile(r"^\d{3,}  ", re.MULTILINE)
REPORT_ROW = re.compile(r'class="state ')


class ExportError(CmhkfError):
    """An export that cannot be made: the message says what to choose instead."""


def reopening(n_dismissed: int) -> str:
    """What to do where there is nothing to show because every segment is dismissed; empty where none is."""
    if not n_dismissed:
        return ""
    return "the one segment is dismissed; reopen it" if n_dismissed == 1 else "all segments are dismissed; reopen one"


def check_text(kind: str, file: Path, reviewed: Reviewed) -> None:
    """Raise ExportError unless a written file holds every segment that belongs in it."""
    content = file.read_bytes()
    text = content.decode("utf-8")
    if kind in ("csv", "json"):
        expected = len(reviewed.marks)
        try:
            held = len(read_marks(file.name, content, limited=False).marks)
        except MarksFileError as error:
            raise ExportError(f"{file.name} cannot be read back: {error}") from error
    else:
        expected = len(reviewed.marks if kind == "html" else reviewed.kept)
        held = len({"vtt": CUE, "edl": EVENT, "html": REPORT_ROW}[kind].findall(text))
    _check(file, held, expected)


def check_rows(table: Path, expected: int) -> None:
    """Raise ExportError unless a table has as many rows as expected, below its head."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        _check(table, sum(1 for _ in csv.reader(file)) - 1, expected)


def check_zip(packed: Path, manifest: str) -> None:
    """Raise ExportError unless a zip holds, whole, what its manifest lists and nothing else."""
    with zipfile.ZipFile(packed) as archive:
        listed = dict(line.split("  ", 1)[::-1] for line in archive.read(manifest).decode().splitlines())
        for name in archive.namelist():
            if name != manifest and _digest(archive, name) != listed.pop(name, None):
                raise ExportError(f"{packed.name} does not hold {name} as it was written; is the disk full?")
    if listed:
        raise ExportError(f"{packed.name} lacks {', '.join(listed)}; is the disk full?")


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check(file: Path, held: int, expected: int) -> None:
    if held != expected:
        raise ExportError(f"{file.name} holds {held} segments instead of {expected}; export it again")
