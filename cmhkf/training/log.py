"""What a training run says of itself: a row per epoch, as a table and as curves."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple

from cmhkf.files import replacing

PARTS = ("total", "bce", "nce", "na", "aa")  # of an Objective


class Metric(NamedTuple):
    """What chooses the epoch; more is better."""

    name: str  # in words for people; the same in every epoch
    value: float


@dataclass(frozen=True)
class EpochLog:
    """One epoch; the losses are means over its steps."""

    epoch: int  # from 1
    step: int  # steps done since the run began
    total: float
    bce: float
    nce: float
    na: float
    aa: float
    lr: float
    lr_new: float
    metric: str  # name of the metric that chooses the epoch; empty where the last is taken
    value: float | None
    seconds: float  # worked since the run began


def best_of(log: Sequence[EpochLog]) -> EpochLog:
    """The epoch with the highest metric, the first of equals; the last where there is no metric."""
    judged = [row for row in log if row.value is not None]
    return max(judged, key=lambda row: row.value or 0.0) if judged else log[-1]


def write_table(path: Path, log: Sequence[EpochLog]) -> None:
    """Write the rows as csv; an existing file is replaced only when the new one is complete."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [f.name for f in fields(EpochLog)])
        table.writeheader()
        table.writerows(asdict(row) for row in log)


def draw_curves(path: Path, log: Sequence[EpochLog]) -> None:
    """Draw the losses, and the metric where there is one, over the epochs."""
    from matplotlib.figure import Figure  # takes a second

    metric, epochs = log[0].metric, [row.epoch for row in log]
    figure = Figure(figsize=(10 if metric else 5, 4), layout="constrained")
    left, *right = figure.subplots(1, 2 if metric else 1, squeeze=False)[0]
    for name in PARTS:
        left.plot(epochs, [getattr(row, name) for row in log], label=name, marker=".")
    left.set(xlabel="epoch", ylabel="loss")
    left.set_yscale("symlog", linthresh=0.01)
    left.legend()
    for axes in right:
        best = best_of(log)
        axes.plot(epochs, [row.value for row in log], marker=".")
        axes.axvline(best.epoch, linestyle=":", color="grey")
        axes.set(xlabel="epoch", title=f"{metric}\nbest {best.value:.4f} in epoch {best.epoch}")
    for axes in (left, *right):
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(path, dpi=120)
