"""What the name of a file tells: which camera, and when its recording began."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

# A day, and the time of day where one follows: 2026-11-29, 20261129_2003, 2026-11-29T20-03-10
STAMP = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)(?:[T _.-]{1,3}(\d\d)[-:_.h]?(\d\d)(?:[-:_.m]?(\d\d))?)?(?!\d)"
)
BETWEEN = " _-.()[]"


@dataclass(frozen=True)
class Named:
    """What a name tells."""

    camera: str = ""  # what stands before a date, or after one that begins the name; empty without a date
    begun: datetime | None = None  # as written, without a time zone
    timespec: str = ""  # "seconds" or "minutes": to which the time of day is written; empty: only the day is


def named(name: str) -> Named:
    """Read a file name; nothing is guessed where it holds no date."""
    stem = Path(name).stem
    for found in STAMP.finditer(stem):
        year, _, *rest = found.groups(default="0")
        month, day, hour, minute, second = map(int, rest)
        try:
            begun = datetime(int(year), month, day, hour, minute, second)
        except ValueError:
            continue
        before, after = (part.strip(BETWEEN) for part in (stem[: found.start()], stem[found.end() :]))
        return Named(before or after, begun, "seconds" if found[7] else "minutes" if found[5] else "")
    return Named()
