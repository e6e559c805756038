"""Marks as CSV and JSON, and back without loss. `docs/export.md` describes every field."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from app.review import Mark, State
from app.reviewed import Reviewed
from cmhkf import CmhkfError

FORMAT = "cmhkf-review-1"
MAX_BYTES = 50_000_000
MARK_FIELDS = tuple(f.name for f in fields(Mark))
NUMBERS, OPTIONAL = ("start_s", "end_s", "model_score", "peak_s"), ("model_score", "peak_s")
FRAMES = ("start_frame", "end_frame")
CLIP_FIELDS = ("clip", "clip_sha256", "duration_s", "fps", "model_id", "trained", "recipe_hash", "threshold")
# A cell that begins like this would run as a formula in a spreadsheet; one apostrophe before it stops that.
FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")


class MarksFileError(CmhkfError):
    """A file that is no export of this tool, or was damaged since: the message names the line or the field."""


@dataclass(frozen=True)
class MarksFile:
    """What an exported file says."""

    marks: list[Mark]
    clip_name: str
    clip_sha256: str
    """Empty when the file holds no marks and is CSV."""


# Out -----------------------------------------------------------------------------------------------------------------


def csv_text(reviewed: Reviewed) -> str:
    """One row per mark, what concerns the whole clip repeated in each."""
    clip, analysis = reviewed.analysis.clip, reviewed.analysis
    facts = {
        "clip": clip.name, "clip_sha256": clip.sha256, "duration_s": analysis.timeline.duration_s,
        "fps": str(reviewed.rate), "model_id": analysis.model_id, "trained": str(analysis.trained).lower(),
        "recipe_hash": analysis.recipe_hash, "threshold": reviewed.threshold,
    }  # fmt: skip
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, _columns(), quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    for mark in reviewed.marks:
        row = _row(reviewed, mark) | facts
        writer.writerow({k: guarded_cell(v) if isinstance(v, str) else v for k, v in row.items()})
    return out.getvalue()


def json_text(reviewed: Reviewed) -> str:
    """The same, with the clip and the analysis apart from the marks."""
    clip, analysis = reviewed.analysis.clip, reviewed.analysis
    content = {
        "format": FORMAT,
        "exported": reviewed.exported,
        "clip": {
            "name": clip.name, "sha256": clip.sha256, "size_bytes": clip.size_bytes,
            "duration_s": analysis.timeline.duration_s, "fps": str(reviewed.rate),
            "fps_stated": clip.native_rate is not None, "width_px": clip.width_px, "height_px": clip.height_px,
        },
        "analysis": {
            "id": reviewed.analysis_id, "model_id": analysis.model_id, "trained": analysis.trained,
            "score_source": analysis.score_source, "encoders": analysis.encoders, "modalities": analysis.modalities,
            "recipe_hash": analysis.recipe_hash, "threshold": reviewed.threshold, "classes": list(analysis.classes),
        },
        "marks": [_row(reviewed, mark) for mark in reviewed.marks],
    }  # fmt: skip
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _columns() -> list[str]:
    after = MARK_FIELDS.index("end_s") + 1
    return [*MARK_FIELDS[:after], *FRAMES, *MARK_FIELDS[after:], *CLIP_FIELDS]


def _row(reviewed: Reviewed, mark: Mark) -> dict[str, Any]:
    frames = {"start_frame": reviewed.frame(mark.start_s), "end_frame": reviewed.frame(mark.end_s)}
    row = asdict(mark) | frames
    return {name: row[name] for name in _columns() if name in row}


def guarded_cell(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula."""
    return "'" + text if FORMULA.match(text) else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


# In ------------------------------------------------------------------------------------------------------------------


def read_marks(name: str, content: bytes) -> MarksFile:
    """Read a file written by `csv_text` or `json_text`, told apart by how it begins.

    Raises:
        MarksFileError: anything else; the message names the file and the line or field.
    """
    if len(content) > MAX_BYTES:
        raise MarksFileError(
            f"{name} has {len(content) / 1e6:.0f} MB; an exported file has {MAX_BYTES / 1e6:.0f} MB at most"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MarksFileError(f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    found = _from_json(name, text) if text.lstrip()[:1] in ("{", "[") else _from_csv(name, text)
    seen: set[str] = set()
    for mark in found.marks:
        if mark.id in seen:
            raise MarksFileError(f"{name}: the id {mark.id!r} stands there twice; give every segment its own")
        seen.add(mark.id)
    return found


def _from_json(name: str, text: str) -> MarksFile:
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise MarksFileError(f"{name} is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        said = content.get("format") if isinstance(content, dict) else None
        raise MarksFileError(f"{name}: format is {said!r}, not {FORMAT!r}; choose a JSON or CSV file exported here")
    clip, rows = content.get("clip"), content.get("marks")
    if not isinstance(rows, list) or not isinstance(clip, dict):
        raise MarksFileError(f"{name}: clip must be an object and marks a list")
    marks = []
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise MarksFileError(f"{name}, marks[{i}]: it must be an object")
        marks.append(_mark(row, f"{name}, marks[{i}]"))
    return MarksFile(marks, str(clip.get("name", "")), str(clip.get("sha256", "")))


def _from_csv(name: str, text: str) -> MarksFile:
    marks, clips = [], set()
    for line, row in _csv_rows(name, text):
        where = f"{name}, line {line}"
        row = {k: _unguarded(v) for k, v in row.items()}
        marks.append(_mark(row, where))
        clips.add((row["clip"], row["clip_sha256"]))
        if len(clips) > 1:
            raise MarksFileError(f"{where}: clip_sha256 differs from the line before; import one clip at a time")
    return MarksFile(marks, *(clips.pop() if clips else ("", "")))


def _csv_rows(name: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)  # some spreadsheets save with semicolons
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        missing = [
            column for column in (*MARK_FIELDS, "clip", "clip_sha256") if column not in (reader.fieldnames or ())
        ]
        if missing:
            raise MarksFileError(f"{name}, line 1: no column {', '.join(missing)}; choose a file exported here")
        for row in reader:
            if None in row:
                raise MarksFileError(f"{name}, line {reader.line_num}: more cells than columns")
            absent = [column for column, cell in row.items() if cell is None]
            if absent:
                raise MarksFileError(f"{name}, line {reader.line_num}: no cell for {absent[0]}")
            yield reader.line_num, row
    except csv.Error as error:
        raise MarksFileError(f"{name}, line {reader.line_num}: {error}") from None


def _mark(row: Mapping[str, Any], where: str) -> Mark:
    values = {field: _value(field, row.get(field), where) for field in MARK_FIELDS}
    if values["state"] not in get_args(State):
        raise MarksFileError(f"{where}: state is {values['state']!r}; it must be one of {', '.join(get_args(State))}")
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
    if field not in NUMBERS and field != "revision":
        if not isinstance(raw, str):
            raise MarksFileError(f"{where}: {field} is {raw!r}; it must be text")
        return raw
    try:
        number = int(raw) if field == "revision" else float(raw)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(raw, bool) or (field == "revision" and number < 0):
        kind = "a whole number, 0 or more" if field == "revision" else "a number, with a point for decimals"
        raise MarksFileError(f"{where}: {field} is {raw!r}; it must be {kind}")
    return number
