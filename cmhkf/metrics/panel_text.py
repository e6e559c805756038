"""A quality panel in words: one line for each figure, for a terminal, a model card, a report and the page alike."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from cmhkf.metrics.intervals import Interval
from cmhkf.metrics.panel import EVERY_KIND, Areas, Panel

NOT_MEASURED = "not measured"


class Line(NamedTuple):
    """One figure."""

    part: str
    """What it is about: ranking, events, alarms ..."""
    what: str
    value: str
    """With its 95 % interval, or `NOT_MEASURED`."""
    note: str
    """What to read it beside, such as what chance gets."""


def panel_title(panel: Panel) -> str:
    """What was measured, in one sentence."""
    normal = length(panel.normal_hours) if panel.normal_hours else "none"
    return (
        f"{panel.model} on {panel.dataset}: {_many(panel.n_videos, 'video')} ({panel.n_abnormal:,} with events) of "
        f"{_many(panel.n_groups, 'group')}, {length(panel.hours)}, {normal} of them normal"
    )


def panel_lines(panel: Panel) -> list[Line]:
    """Every figure, in the order to read them in."""
    return [*_ranking(panel), *_events(panel), *_alarms(panel), *_meaning(panel), *_origin(panel)]


def panel_notes(panel: Panel) -> list[str]:
    """What a reader of the figures must know, as sentences."""
    chosen = f": {panel.threshold_from}" if panel.threshold_from else ""
    drawn = f"from {panel.n_resamples:,} draws of whole groups (of one camera or one film)" if panel.n_resamples else ""
    return [
        f"Segments are cut at {panel.threshold:g}{chosen}.",
        panel.rule,
        f"Intervals hold 95 % {drawn}; those of alarms are by Poisson's law." if drawn else "No intervals: none drawn.",
        *(f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in panel.notes),
    ]


def panel_text(panel: Panel) -> str:
    """The whole panel as lines of text."""
    lines = panel_lines(panel)
    width, values = (max(len(line[i]) for line in lines) for i in (1, 2))
    table = [f"{line.what:{width}}  {line.value:{values}}  {line.note}".rstrip() for line in lines]
    return "\n".join([panel_title(panel), "", *table, *_matrix(panel), "", *panel_notes(panel)])


def panel_markdown(panel: Panel) -> str:
    """The same for a model card."""
    rows = [f"| {line.what} | {line.value} | {line.note} |" for line in panel_lines(panel)]
    notes = [f"- {note}" for note in panel_notes(panel)]
    return "\n".join([f"{panel_title(panel)}.", "", "| | | |", "|---|---|---|", *rows, "", *notes])


def percent(found: Interval) -> str:
    """A share with its interval: "93.4 % (91.9 to 94.7)"."""
    if math.isnan(found.value):
        return NOT_MEASURED
    between = "" if math.isnan(found.low) else f" ({100 * found.low:.1f} to {100 * found.high:.1f})"
    return f"{100 * found.value:.1f} %{between}"


def plain(found: Interval, unit: str = "") -> str:
    """Any other number likewise: "0.07 (0.00 to 0.38)"."""
    if math.isnan(found.value):
        return NOT_MEASURED
    between = "" if math.isnan(found.low) else f" ({_rounded(found.low)} to {_rounded(found.high)})"
    return f"{_rounded(found.value)}{unit}{between}"


def length(hours: float) -> str:
    """A length of footage: "2.50 h", or "1.5 min" of less than a tenth of an hour."""
    return f"{hours:.2f} h" if hours >= 0.1 else f"{60 * hours:.1f} min"


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ranking(panel: Panel) -> Iterator[Line]:
    share = f"{100 * panel.prevalence.value:.1f} % of the time is anomalous, which is the AP of chance"

    def area(areas: Areas | None, name: str) -> str:
        return percent(getattr(areas, name)) if areas else NOT_MEASURED

    yield Line("ranking", "pooled AUC", area(panel.pooled, "auc"), "all videos together; chance gets 50 %")
    within = percent(panel.within) if panel.within else NOT_MEASURED
    note = f"mean of {_many(len(panel.within_aucs), 'video')} with anomalous and normal time"
    yield Line("ranking", "AUC within single videos", within, note)
    note = "each video's highest score in place of its curve: it finds no moment"
    yield Line("ranking", "AUC of a constant for each video", area(panel.constant, "auc"), note)
    note = "a scorer that knows which videos hold an event, and not when"
    yield Line("ranking", "AUC of the videos' labels", area(panel.video_label, "auc"), note)
    yield Line("ranking", "pooled AP", area(panel.pooled, "ap"), share)
    yield Line("ranking", "AP of a constant for each video", area(panel.constant, "ap"), "")
    yield Line("ranking", "AP of the videos' labels", area(panel.video_label, "ap"), "")


def _events(panel: Panel) -> Iterator[Line]:
    events = panel.events
    if events is None:
        yield Line("events", "events", NOT_MEASURED, "")
        return
    recall, precision = f"{events.n_found:,} of {events.n_events:,}", f"{events.n_right:,} of {events.n_flagged:,}"
    yield Line("events", "events found (recall)", percent(events.recall), recall)
    yield Line("events", "segments that are right (precision)", percent(events.precision), precision)
    yield Line("events", "F1 of events", percent(events.f1), "")
    late = [sum(latency > s for latency in events.latencies_s) for s in (2, 10)]
    note = f"median of {events.n_found:,}; {late[0]:,} over 2 s, {late[1]:,} over 10 s" if events.n_found else ""
    yield Line("events", "from an event's start to its first flag", plain(events.latency_s, " s"), note)


def _alarms(panel: Panel) -> Iterator[Line]:
    what = "false alarms an hour of normal footage"
    if not panel.alarms:
        yield Line("alarms", what, NOT_MEASURED, "")
    for alarms in panel.alarms:
        kind = "" if alarms.kind == EVERY_KIND else f", {alarms.kind}"
        note = f"{alarms.n_alarms:,} in {length(alarms.hours)} of {_many(alarms.n_videos, 'video')}"
        yield Line("alarms", what + kind, plain(alarms.poisson), note)


def _meaning(panel: Panel) -> Iterator[Line]:
    error = percent(panel.calibration.error) if panel.calibration else NOT_MEASURED
    yield Line("meaning", "calibration error", error, "mean distance of a score from the share that is anomalous")
    confusion = panel.confusion
    value = percent(confusion.right) if confusion else NOT_MEASURED
    note = f"of {_many(confusion.n_known, 'event')} found whose class the model knows" if confusion else ""
    yield Line("meaning", "called by the right class", value, note)


def _origin(panel: Panel) -> Iterator[Line]:
    overlap, n = panel.overlap, panel.n_videos
    if overlap.n_unknown == n:
        yield Line("origin", "seen in training", NOT_MEASURED, "the training videos are not known")
        return
    unknown = f"; of {overlap.n_unknown:,} it is not known" if overlap.n_unknown else ""
    note = f"and {_many(overlap.n_groups, 'other')} of a camera or film that training has seen{unknown}"
    yield Line("origin", "seen in training", f"{overlap.n_videos:,} of {_many(n, 'video')}", note)


def _matrix(panel: Panel) -> Iterator[str]:
    confusion = panel.confusion
    if confusion is None:
        return
    first = max(map(len, confusion.rows))
    widths = [max(5, len(column)) for column in confusion.columns]
    yield ""
    yield "What events were called (columns: by the model):"
    yield "  ".join([" " * first, *(f"{c:>{w}}" for c, w in zip(confusion.columns, widths, strict=True))])
    for name, counts in zip(confusion.rows, confusion.counts, strict=True):
        yield "  ".join([f"{name:{first}}", *(f"{n:>{w}}" for n, w in zip(counts, widths, strict=True))])
