"""Events of many clips as one table."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from app.export.bundle import Writing
from app.export.marks_file import guarded_cell
from app.review.event_list import Event
from cmhkf.progress import Progress

FIELDS = ("name", "clip", "camera", "at", "recorded", "start_s", "end_s", "peak_s", "state", "label", "model_label")
FIELDS += ("called", "classes", "score", "near_miss", "note", "segment", "analysis_id")


def write_event_table(events: Sequence[Event], reviewer: str, folder: Path) -> Writing:
    """Write `events.csv`, a line for each, with its clip's name and SHA-256 and the reviewer whose decision it is."""
    yield Progress("writing", 0, len(events))
    file = folder / "events.csv"
    with file.open("w", newline="", encoding="utf-8-sig", errors="replace") as out:  # Excel knows it by the mark
        writer = csv.writer(out)
        writer.writerow([*FIELDS, "reviewer"])
        for event in events:
            row = asdict(event) | {"classes": "; ".join(event.classes)}
            cells = [row[name] for name in FIELDS] + [reviewer if event.state != "open" else ""]
            writer.writerow([guarded_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    return file
