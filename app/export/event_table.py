"""Events of many clips as one table."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from app.export.bundle import Writing
from app.export.marks_file import table_row
from app.review.event_list import Event
from cmhkf.progress import Progress

FIELDS: tuple[str, ...] = (
    "name",
    "clip",
    "camera",
    "at",
    "recorded",
    "start_s",
    "end_s",
    "peak_s",
    "state",
    "label",
    "model_label",
)
FIELDS += ("called", "classes", "score", "near_miss", "note", "segment", "analysis_id", "reviewer")


def write_event_table(events: Sequence[Event], reviewer: str, folder: Path) -> Writing:
    """Write `events.csv`, a line for each, with its clip's name and SHA-256 and the reviewer whose decision it is."""
    yield Progress("writing", 0, len(events))
    file = folder / "events.csv"
    with file.open("w", newline="", encoding="utf-8-sig", errors="replace") as out:  # Excel knows it by the mark
        writer = csv.DictWriter(out, FIELDS)
        writer.writeheader()
        for event in events:
            by = reviewer if event.state != "open" else ""
            row = asdict(event) | {"classes": "; ".join(event.classes), "reviewer": by}
            writer.writerow(table_row({name: row[name] for name in FIELDS}))
    return file
