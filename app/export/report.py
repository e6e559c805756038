"""The report: one HTML file that needs nothing else, to be read in a browser or printed on A4."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from app.export.reviewed import Reviewed
from app.review.marks import Mark
from cmhkf.caution import caution
from cmhkf.media.unseen import in_words

TEMPLATES = Path(__file__).parents[1] / "templates"
WIDTH, HEIGHT = 1000, 250  # of the drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 44, 988, 26, 214  # the plot's edges in it
STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
MOST_TICKS = 10
NUMBER_APART = 20  # units between the middles of two numbers that can be told apart
FOOT_NAME = 70  # characters of the clip's name at the foot of a printed page
MODALITIES = {"V": "video", "A": "audio", "T": "text"}


@dataclass(frozen=True)
class Box:
    """A mark on the drawing."""

    number: int
    mark: Mark
    x: float
    width: float
    named: bool  # whether its number has room above it


@dataclass(frozen=True)
class Drawing:
    """The score curve in the drawing's units."""

    curve: str  # points of a polyline
    threshold_y: float
    boxes: list[Box]
    ticks: list[tuple[float, str]]


def report_html(reviewed: Reviewed, jpegs: Mapping[str, bytes]) -> str:
    """The whole page. `jpegs` are frames by the id of the mark; a mark without one is shown without."""
    clip, analysis, marks = reviewed.analysis.clip, reviewed.analysis, reviewed.marks
    return _template().render(
        r=reviewed,
        clip=clip,
        analysis=analysis,
        drawing=draw(reviewed),
        layout={"w": WIDTH, "h": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        counts={state: sum(m.state == state for m in marks) for state in ("confirmed", "dismissed", "open")},
        flagged_s=_union_s(marks),
        reviewers=sorted({m.reviewer for m in marks if m.reviewer}),
        foot=_foot(reviewed),
        unseen=in_words(analysis.unseen_s),
        caution=caution(analysis),
        modalities=" + ".join(MODALITIES.get(m, m) for m in analysis.modalities),
        images={key: "data:image/jpeg;base64," + base64.b64encode(jpeg).decode() for key, jpeg in jpegs.items()},
    )


def _foot(reviewed: Reviewed) -> str:
    """What stands on every printed page, so that a lost one finds its clip again."""
    name = reviewed.analysis.clip.name
    short = name if len(name) <= FOOT_NAME else name[: FOOT_NAME - 1] + "…"
    return f"{short} · SHA-256 {reviewed.analysis.clip.sha256[:16]}… · exported {day(reviewed.exported)}"


def draw(reviewed: Reviewed) -> Drawing:
    """Lay the curve, the threshold and the marks out. Columns keep their highest score, so that no peak is lost."""
    line, scores = reviewed.analysis.timeline, reviewed.analysis.scores
    edges = np.unique(np.linspace(0, len(scores), min(len(scores), RIGHT - LEFT) + 1).astype(int))
    heights = np.maximum.reduceat(scores, edges[:-1])
    middles = (line.times_s[edges[:-1]] + line.ends_s[edges[1:] - 1]) / 2
    points = [(LEFT, heights[0]), *((_x(t, line.duration_s), h) for t, h in zip(middles, heights, strict=True))]
    points.append((RIGHT, heights[-1]))
    step_s = next((s for s in STEPS_S if line.duration_s / s <= MOST_TICKS), STEPS_S[-1])
    ticks = np.arange(0, line.duration_s, step_s)
    return Drawing(
        curve=" ".join(f"{x:.1f},{_y(h):.1f}" for x, h in points),
        threshold_y=_y(reviewed.threshold),
        boxes=_boxes(reviewed),
        ticks=[(_x(t, line.duration_s), clock(t, 1 if step_s < 1 else 0)) for t in ticks],
    )


def _boxes(reviewed: Reviewed) -> list[Box]:
    duration_s, boxes, last = reviewed.analysis.timeline.duration_s, [], -np.inf
    for number, mark in enumerate(reviewed.marks, 1):
        left, right = _x(mark.start_s, duration_s), _x(mark.end_s, duration_s)
        middle = (left + right) / 2
        named = middle - last >= NUMBER_APART
        last = middle if named else last
        boxes.append(Box(number, mark, left, max(2.0, right - left), named))
    return boxes


def _x(time_s: float, duration_s: float) -> float:
    return LEFT + (RIGHT - LEFT) * min(1.0, time_s / duration_s)


def _y(score: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * float(score)


def _union_s(marks: tuple[Mark, ...]) -> float:
    """Seconds inside any mark that is not dismissed, each counted once."""
    total, reached = 0.0, 0.0
    for mark in sorted((m for m in marks if m.state != "dismissed"), key=lambda m: m.start_s):
        total += max(0.0, mark.end_s - max(mark.start_s, reached))
        reached = max(reached, mark.end_s)
    return total


def clock(seconds: float, digits: int = 2) -> str:
    """03:07.25, with hours where there are any."""
    ticks = round(max(0.0, seconds) * 10**digits)
    whole, rest = divmod(ticks, 10**digits)
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    return f"{hours}{whole // 60 % 60:02d}:{whole % 60:02d}" + (f".{rest:0{digits}d}" if digits else "")


def day(iso: str) -> str:
    """2026-02-03 14:05 UTC; a text that is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(iso.replace("Z", "+00:00"))
    except ValueError:
        return iso
    return f"{(moment.astimezone(timezone.utc) if moment.tzinfo else moment):%Y-%m-%d %H:%M} UTC"


def css_text(text: str) -> str:
    """A quoted string of CSS. Only letters and digits stand for themselves, so that no name can end it."""
    plain = "".join(c if c.isascii() and c.isalnum() else f"\\{ord(c):x} " for c in text)
    return f'"{plain}"'


@cache
def _template() -> Template:
    # Autoescape for every file: names, labels and notes are anybody's text.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.loader = FileSystemLoader(TEMPLATES)
    environment.filters |= {"clock": clock, "day": day, "css_text": css_text}
    return environment.get_template("report.html")
