"""Marks as CSV and JSON, and back without loss. `docs/export.md` describes every field."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from app.export.looks_file import FileLook, looks_json, read_looks
from app.export.reviewed import Reviewed
from app.review.marks import Mark, State
from app.review.rules import NOTE_LENGTH
from cmhkf import CmhkfError
from cmhkf.caution import caution
from cmhkf.errors import DataError
from cmhkf.files import decoded
from cmhkf.media.unseen import as_cell, as_public_rows
from cmhkf.numbers import number, short_text, shown, whole
from cmhkf.settings import picked

FORMAT = "cmhkf-review-1"
MAX_BYTES = 6_000_000
MOST_ROWS = 5000
LENGTHS = {"id": 64, "note": NOTE_LENGTH, "decided": 64}  # characters; of other words TEXT_LENGTH
TEXT_LENGTH = 255
MARK_FIELDS = tuple(f.name for f in fields(Mark))
NEWER = ("model_start_s", "model_end_s", "named")  # files written before these were there are read too
OPTIONAL = ("model_score", "peak_s", "model_start_s", "model_end_s")
NUMBERS = ("start_s", "end_s", *OPTIONAL)
FRAMES = ("start_frame", "end_frame")
RUNS = "class_runs"
CLIP_FIELDS = ("clip", "clip_sha256", "duration_s", "fps", "model_id", "trained", "recipe_hash", "threshold")
CLIP_FIELDS += ("declared_duration_s", "unseen_s")
# A cell that begins like this would run as a formula in a spreadsheet; one apostrophe before it stops that.
FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")


class MarksFileError(CmhkfError):
    """A file that is no export of this tool, or was damaged since: the message names the line or the field."""


@dataclass(frozen=True)
class MarksFile:
    """What an exported file says."""

    marks: list[Mark]
    clip_name: str
    clip_sha256: str  # empty when the file holds no marks and is CSV
    looks: tuple[FileLook, ...] = ()


# Out -----------------------------------------------------------------------------------------------------------------


def csv_text(reviewed: Reviewed) -> str:
    """One row per mark, what concerns the whole clip repeated in each; without marks one row of that alone."""
    clip, analysis = reviewed.analysis.clip, reviewed.analysis
    facts = picked(analysis, "model_id", "recipe_hash", "declared_duration_s") | {
        "clip": clip.name,
        "clip_sha256": clip.sha256,
        "duration_s": analysis.timeline.duration_s,
        "fps": str(reviewed.rate or ""),
        "trained": str(analysis.trained).lower(),
        "threshold": reviewed.threshold,
        "unseen_s": as_cell(analysis.unseen_s),
    }
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, _columns(), quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    rows = [_row(reviewed, mark) | {RUNS: "; ".join(map(str, reviewed.class_runs(mark)))} for mark in reviewed.marks]
    for row in rows or [{}]:
        row |= {"named": str(row["named"]).lower()} if row else {}
        writer.writerow({k: guarded_cell(v) if isinstance(v, str) else v for k, v in (row | facts).items()})
    return out.getvalue()


def json_text(reviewed: Reviewed) -> str:
    """The same, with the clip and the analysis apart from the marks."""
    clip, analysis = reviewed.analysis.clip, reviewed.analysis
    told = ("model_id", "trained", "score_source", "encoders", "modalities", "recipe_hash", "classes")
    footage = picked(clip, "name", "sha256", "size_bytes") | {
        "duration_s": analysis.timeline.duration_s,
        "fps": reviewed.rate and str(reviewed.rate),
        "fps_stated": clip.native_rate is not None,
    }
    content = {
        "format": FORMAT,
        "exported": reviewed.exported,
        "clip": footage | picked(clip, "width_px", "height_px"),
        "analysis": {"id": reviewed.analysis_id, "threshold": reviewed.threshold}
        | picked(analysis, *told, "declared_duration_s")
        | {"unseen_s": as_public_rows(analysis.unseen_s), "caution": caution(analysis)},
        "marks": [_row(reviewed, m) | {RUNS: [asdict(run) for run in reviewed.class_runs(m)]} for m in reviewed.marks],
        "blind_looks": looks_json(reviewed.looks),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _columns() -> list[str]:
    after = MARK_FIELDS.index("end_s") + 1
    return [*MARK_FIELDS[:after], *FRAMES, *MARK_FIELDS[after:], RUNS, *CLIP_FIELDS]


def _row(reviewed: Reviewed, mark: Mark) -> dict[str, Any]:
    frames = {"start_frame": reviewed.frame(mark.start_s), "end_frame": reviewed.frame(mark.end_s)}
    row = asdict(mark) | frames
    return {name: row[name] for name in _columns() if name in row}


def guarded_cell(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula."""
    return "'" + text if FORMULA.match(text) else text


def table_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of a row of a table that is not read back: text is guarded, seconds are rounded to milliseconds."""
    return {name: _table_cell(name, value) for name, value in row.items()}


def _table_cell(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return guarded_cell(value)
    return round(value, 3) if name.endswith("_s") and value is not None else value


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


# In ------------------------------------------------------------------------------------------------------------------


def read_marks(name: str, content: bytes, *, limited: bool = True) -> MarksFile:
    """Read a file written by `csv_text` or `json_text`, told apart by how it begins.

    `limited`: refuse more bytes or segments than anybody decides; not for a file that was written here just now.

    Raises:
        MarksFileError: anything else; the message names the file and the line or field.
    """
    if limited and len(content) > MAX_BYTES:
        raise MarksFileError(
            f"{name} has {len(content) / 1e6:.0f} MB; an exported file has {MAX_BYTES / 1e6:.0f} MB at most"
        )
    try:
        text = decoded(content)
    except UnicodeDecodeError as error:
        raise MarksFileError(f"{name}: byte {error.start} is not UTF-8 or UTF-16; save it as UTF-8") from None
    found = (_from_json if text.lstrip()[:1] in ("{", "[") else _from_csv)(name, text)
    if limited and len(found.marks) > MOST_ROWS:
        raise MarksFileError(
            f"{name} holds {len(found.marks):,} segments; at most {MOST_ROWS:,} are read, so take out those that "
            "nobody decided"
        )
    seen: set[str] = set()
    for mark in found.marks:
        if mark.id in seen:
            raise MarksFileError(f"{name}: the id {mark.id!r} stands there twice; give every segment its own")
        seen.add(mark.id)
    return found


def _from_json(name: str, text: str) -> MarksFile:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MarksFileError(f"{name} is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        said = content.get("format") if isinstance(content, dict) else None
        raise MarksFileError(
            f"{name}: format is {shown(said)}, not {FORMAT!r}; choose a JSON or CSV file exported here"
        )
    clip, rows = content.get("clip"), content.get("marks")
    if not isinstance(rows, list) or not isinstance(clip, dict):
        raise MarksFileError(f"{name}: clip must be an object and marks a list")
    marks = []
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise MarksFileError(f"{name}, marks[{i}]: it must be an object")
        marks.append(_mark(row, f"{name}, marks[{i}]"))
    said = [(clip.get(key, ""), f"{name}: clip.{key}") for key in ("name", "sha256")]
    clip_name, sha256 = (short_text(text, what, TEXT_LENGTH, error=MarksFileError) for text, what in said)
    try:
        return MarksFile(marks, clip_name, sha256, read_looks(content.get("blind_looks", [])))
    except DataError as error:
        raise MarksFileError(f"{name}, {error}") from None


def _from_csv(name: str, text: str) -> MarksFile:
    marks, clips = [], set()
    for line, row in _csv_rows(name, text):
        where = f"{name}, line {line}"
        row = {k: _unguarded(v) for k, v in row.items()}
        if any(row.get(field) for field in MARK_FIELDS):  # else it tells of the clip alone
            marks.append(_mark(row, where))
        for column in ("clip", "clip_sha256"):
            short_text(row[column], f"{where}: {column}", TEXT_LENGTH, error=MarksFileError)
        clips.add((row["clip"], row["clip_sha256"]))
        if len(clips) > 1:
            raise MarksFileError(f"{where}: clip_sha256 differs from the line before; import one clip at a time")
    clip_name, sha256 = clips.pop() if clips else ("", "")
    return MarksFile(marks, clip_name, sha256)


def _csv_rows(name: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)  # some spreadsheets save with semicolons
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        missing = [
            column
            for column in (*MARK_FIELDS, "clip", "clip_sha256")
            if column not in (*(reader.fieldnames or ()), *NEWER)
        ]
        if missing:
            raise MarksFileError(f"{name}, line 1: no column {', '.join(missing)}; choose a file exported here")
        for row in reader:
            if None in row:
                raise MarksFileError(f"{name}, line {reader.line_num}: more cells than columns; export it again")
            absent = [column for column, cell in row.items() if cell is None]
            if absent:
                raise MarksFileError(f"{name}, line {reader.line_num}: no cell for {absent[0]}")
            yield reader.line_num, row
    except csv.Error as error:
        raise MarksFileError(f"{name}, line {reader.line_num}: {error}") from None


def _mark(row: Mapping[str, Any], where: str) -> Mark:
    values = {field: _value(field, row.get(field), where) for field in MARK_FIELDS}
    if values["state"] not in get_args(State):
        raise MarksFileError(
            f"{where}: state is {shown(values['state'])}; it must be one of {', '.join(get_args(State))}"
        )
    if not values["id"]:
        raise MarksFileError(f"{where}: id is empty")
    if not 0 <= values["start_s"] < values["end_s"]:
        raise MarksFileError(
            f"{where}: start_s is {values['start_s']} and end_s {values['end_s']}; a segment ends after it starts, "
            "and starts at 0 or later"
        )
    return Mark(**values)


def _value(field: str, raw: Any, where: str) -> Any:
    if field in OPTIONAL and raw in (None, ""):
        return None
    what = f"{where}: {field}"
    if field == "named":
        told = str(raw or False).lower()
        if told not in ("true", "false"):
            raise MarksFileError(f"{what} is {shown(raw)}; it must be true or false")
        return told == "true"
    if field == "revision":
        return whole(raw, what, error=MarksFileError)
    if field in NUMBERS:
        return number(raw, what, error=MarksFileError)
    return short_text(raw, what, LENGTHS.get(field, TEXT_LENGTH), error=MarksFileError)
