"""A measured table beside the paper's: as Markdown for people, CSV and JSON for programs, bars as an image."""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmhkf.evaluation.ablate import MeasuredRow, number_key
from cmhkf.evaluation.tables import Table


@dataclass(frozen=True)
class Cell:
    """One number of one row, in percent."""

    row: str
    column: str
    values: tuple[float, ...]  # one for each seed; none where nothing was measured
    paper: float = math.nan

    @property
    def mean(self) -> float:
        """NaN without values."""
        return float(np.mean(self.values)) if self.values else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds; NaN with fewer than two."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else math.nan

    def __str__(self) -> str:
        spread = "" if math.isnan(self.spread) else f" ± {self.spread:.2f}"
        return f"{self.mean:.2f}{spread}" if self.values else "–"


def cells_of(table: Table, measured: Sequence[MeasuredRow]) -> list[list[Cell]]:
    """The table's columns, then the AUC of each group, by row."""
    groups = list(dict.fromkeys(name for m in measured for result in m.results for name in result.groups))
    rows = []
    for m in measured:
        cells = []
        for (title, *place), paper in zip(table.columns, m.row.paper, strict=True):
            found = [result.numbers.get(number_key(*place)) for result in m.results]
            cells.append(Cell(m.row.label, title, tuple(value for value in found if value is not None), paper))
        for name in groups:
            found = [result.groups[name] for result in m.results if name in result.groups]
            cells.append(Cell(m.row.label, f"AUC, {name}", tuple(found)))
        rows.append(cells)
    return rows


def markdown(table: Table, measured: Sequence[MeasuredRow]) -> str:
    """The table with the paper's numbers beside those measured, and why rows are missing."""
    rows = cells_of(table, measured)
    header = [f"{table.name}: {table.title}"]
    has_paper = [not all(math.isnan(cell.paper) for cell in column) for column in zip(*rows, strict=True)]
    for cell, told in zip(rows[0], has_paper, strict=True):
        header += [cell.column, "paper"] if told else [cell.column]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for cells in rows:
        line = [cells[0].row]
        for cell, told in zip(cells, has_paper, strict=True):
            paper = "–" if math.isnan(cell.paper) else f"{cell.paper:.2f}"
            line += [str(cell), paper] if told else [str(cell)]
        lines.append(line)
    skipped = [f"Skipped: {m.row.label}: {m.skipped}." for m in measured if m.skipped]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), *(["", *skipped] if skipped else [])])


def write_table(table: Table, measured: Sequence[MeasuredRow], out: Path, *, note: str) -> None:
    """Write table<N>.md, .csv, .json and .png into a folder; `note` says how the numbers came about."""
    out.mkdir(parents=True, exist_ok=True)
    stem = out / table.stem
    rows = cells_of(table, measured)
    stem.with_suffix(".md").write_text(f"{markdown(table, measured)}\n\n{note}\n", encoding="utf-8")
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "column", "mean", "spread", "n_seeds", "paper"])
        for cell in (cell for cells in rows for cell in cells):
            numbers = ("" if math.isnan(value) else f"{value:.4f}" for value in (cell.mean, cell.spread))
            writer.writerow(
                [cell.row, cell.column, *numbers, len(cell.values), "" if math.isnan(cell.paper) else cell.paper]
            )
    content = {
        "table": table.number,
        "title": table.title,
        "dataset": table.dataset,
        "unit": "percent",
        "note": note,
        "rows": [
            {
                "label": m.row.label,
                "skipped": m.skipped,
                "seconds": [round(o.seconds, 1) for o in m.results],
                "columns": {
                    c.column: {"values": c.values, "paper": None if math.isnan(c.paper) else c.paper} for c in cells
                },
            }
            for m, cells in zip(measured, rows, strict=True)
        ],
    }
    stem.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    _draw(rows, stem.with_suffix(".png"))


def _draw(rows: Sequence[Sequence[Cell]], path: Path) -> None:
    from matplotlib.figure import Figure

    n_columns = len(rows[0])
    canvas = Figure(figsize=(2 + 2.6 * n_columns, 1.2 + 0.4 * len(rows)), layout="constrained")
    places = np.arange(len(rows))
    panels = canvas.subplots(1, n_columns, sharey=True, squeeze=False)[0]
    for axes, cells in zip(panels, zip(*rows, strict=True), strict=True):
        means, spreads, paper = (np.array(v) for v in zip(*((c.mean, c.spread, c.paper) for c in cells), strict=True))
        axes.barh(places, np.nan_to_num(means), xerr=np.nan_to_num(spreads), capsize=3, label="measured")
        axes.plot(paper, places, "D", color="black", markersize=4, label="paper")
        axes.set(title=cells[0].column, xlabel="%", yticks=places, yticklabels=[cell.row for cell in cells])
    canvas.axes[0].invert_yaxis()
    canvas.axes[0].legend(fontsize="small")
    canvas.savefig(path, dpi=150)
