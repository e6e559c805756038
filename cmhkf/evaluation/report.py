"""A report of an evaluation as a table for people, JSON and CSV for programs, and the two curves as images."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cmhkf.evaluation.evaluate import Branch, Report, VideoResult
from cmhkf.evaluation.quality import write_panel
from cmhkf.metrics.detection import IOUS
from cmhkf.metrics.panel_text import panel_text

PLOT_POINTS = 2000  # of a curve: more cannot be seen


class Measurement(NamedTuple):
    """One number of the report, in percent."""

    branch: str  # or the way to count, of a detection mAP
    videos: str
    metric: str
    value: float
    low: float  # of the interval; NaN without one, as `high` is
    high: float
    chance: float  # what a scorer without skill gets; NaN where that is not known


def measurements(report: Report) -> list[Measurement]:
    """Every number, the classifier's on all videos first."""
    found: list[Measurement] = []
    for branch in report.branches:
        for videos, curve in (("all", branch.every), ("abnormal", branch.abnormal)):
            if curve is None:
                continue
            for metric, chance in (("ap", curve.prevalence), ("pr_auc", curve.prevalence), ("auc", 0.5)):
                numbers = (100 * value for value in (*getattr(curve, metric), chance))
                found.append(Measurement(branch.name, videos, metric, *numbers))
    nan = math.nan
    for named in report.maps:
        values = {f"mAP@{iou}": value for iou, value in zip(IOUS, named.result.per_iou, strict=True)}
        for metric, value in (values | {"mAP avg": named.result.average}).items():
            found.append(Measurement(f"detection, {named.protocol}", named.videos, metric, float(value), nan, nan, nan))
    return found


def table(report: Report) -> str:
    """The numbers as lines of text, in percent."""
    n_abnormal = sum(video.abnormal for video in report.videos)
    lines = [
        f"{report.model} on {report.dataset}: {len(report.videos):,} videos, {n_abnormal:,} of them abnormal",
        f"{'':18}  {'videos':8}  {'metric':8}  {'%':>6}  {'95 % interval':>15}  {'chance':>6}",
    ]
    for f in measurements(report):
        between = "" if math.isnan(f.low) else f"{f.low:6.2f} to {f.high:6.2f}"
        chance = "" if math.isnan(f.chance) else f"{f.chance:6.2f}"
        line = f"{f.branch:18}  {f.videos:8}  {f.metric:8}  {f.value:6.2f}  {between:>15}  {chance:>6}"
        lines.append(line.rstrip())
    if report.learned_from:
        lines.append(f"Optimistic: the model was trained on {len(report.learned_from):,} of these videos.")
    if report.optimistic:
        lines.append(f"These figures are {report.optimistic}.")
    if report.crops:
        lines.append(f"Read: {report.crops}.")
    if not report.maps:
        lines.append("No detection mAP: the scorer does not tell the data set's classes, or no class is annotated.")
    lines += [f"Note: {note}." for note in report.notes]
    lines += ["", "How good is this?", panel_text(report.panel)] if report.panel else []
    return "\n".join(lines)


def write_report(report: Report, out: Path) -> None:
    """Write report.json, report.csv, per_video.csv, pr.png and roc.png into a folder, and the panel's files."""
    out.mkdir(parents=True, exist_ok=True)
    word = "optimistic" if report.optimistic or report.learned_from else ""
    rows = [(*measurement, word) for measurement in measurements(report)]
    _write_csv(out / "report.csv", (*Measurement._fields, "caution"), rows)
    _write_csv(out / "per_video.csv", VideoResult._fields, report.videos)
    content = {
        "model": report.model,
        "dataset": report.dataset,
        "headline": report.headline,
        "n_videos": len(report.videos),
        "missing": report.missing,
        "unit": "percent",
        "crops": report.crops,
        "optimistic": report.optimistic,
        "notes": report.notes,
        "learned_from": report.learned_from,
        "n_resamples": report.classifier.every.n_resamples,
        "figures": [f._asdict() for f in measurements(report)],
        "map_per_class": [
            {
                "protocol": m.protocol,
                "videos": m.videos,
                "iou": IOUS,
                "classes": {name: list(ap) for name, ap in zip(report.classes, m.result.per_class, strict=True)},
            }
            for m in report.maps
        ],
    }
    (out / "report.json").write_text(json.dumps(_without_nan(content), indent=2) + "\n", encoding="utf-8")
    _plot(report.branches, out, title=word)
    if report.panel:
        write_panel(report.panel, out)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([_without_nan(value) for value in row] for row in rows)


def _without_nan(value: Any) -> Any:
    """The same with None for NaN, which JSON does not know, and an empty field in CSV."""
    if isinstance(value, dict):
        return {key: _without_nan(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(held) for held in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _plot(branches: Sequence[Branch], out: Path, *, title: str) -> None:
    from matplotlib.figure import Figure

    plots = {
        "pr.png": ("recall", "precision", branches[0].every.prevalence, "ap"),
        "roc.png": ("false alarm rate", "recall", None, "auc"),
    }
    for name, (x_label, y_label, prevalence, metric) in plots.items():
        canvas = Figure(figsize=(5, 4.5), layout="constrained")
        axes = canvas.subplots()
        for branch in branches:
            curves, area = branch.every.curves, getattr(branch.every, metric).value
            x, y = (curves.fall_out, curves.recall) if metric == "auc" else (curves.recall, curves.precision)
            shown = np.linspace(0, len(x) - 1, min(len(x), PLOT_POINTS)).astype(int)
            axes.plot(x[shown], y[shown], label=f"{branch.name}, {metric.upper()} {100 * area:.2f} %")
        chance = (0, 1) if prevalence is None else (prevalence, prevalence)
        axes.plot((0, 1), chance, "--", color="grey", label="without skill")
        axes.set(xlabel=x_label, ylabel=y_label, xlim=(0, 1), ylim=(0, 1.02), title=title)
        axes.legend(loc="lower right" if metric == "auc" else "upper right")
        canvas.savefig(out / name, dpi=150)
