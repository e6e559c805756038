"""A quality panel as plots, for print: six axes on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cmhkf.figures.style import CALM, DIM, PAGE_IN, SALIENCY, SCORE, TRUTH, new_figure, styled
from cmhkf.metrics.intervals import Interval
from cmhkf.metrics.panel import Panel
from cmhkf.metrics.panel_text import length

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOTHING = "not measured"
MOST_ALARMS = 0.01  # an hour: the least that a logarithmic axis shows


def quality_figure(panel: Panel) -> Figure:
    """Ranking, single videos, alarms, operating curve, delays, calibration and classes."""
    with styled():
        figure = new_figure(PAGE_IN, 7.2)
        axes = figure.subplots(4, 2, gridspec_kw={"height_ratios": (1, 1, 1, 1.1)})
        drawn = (_ranking, _within, _alarms, _operating, _latency, _calibration)
        for draw, place in zip(drawn, axes.flat, strict=False):
            draw(place, panel)
        last = axes[3, 0].get_gridspec()
        for place in axes[3]:
            place.remove()
        _classes(figure.add_subplot(last[3, :]), panel)
        figure.suptitle(f"{panel.model} on {panel.dataset}")
    return figure


def _ranking(axes: Axes, panel: Panel) -> None:
    axes.set_title("Ranking: AUC")
    found = {
        "pooled": panel.pooled and panel.pooled.auc,
        "within videos": panel.within,
        "constant per video": panel.constant and panel.constant.auc,
        "videos' labels": panel.video_label and panel.video_label.auc,
    }
    shown = {name: value for name, value in found.items() if value}
    if not shown:
        return _empty(axes)
    colours = [SCORE, TRUTH, CALM, CALM]
    for row, (name, value) in enumerate(shown.items()):
        _bar(axes, row, value, colours[[*found].index(name)])
    axes.axvline(0.5, color=DIM, linestyle=":", linewidth=0.8)
    axes.set(yticks=range(len(shown)), yticklabels=[*shown], xlim=(0, 1), xlabel="dotted: chance")
    axes.invert_yaxis()


def _bar(axes: Axes, row: int, value: Interval, colour: str) -> None:
    axes.barh(row, value.value, color=colour, height=0.6)
    if not np.isnan(value.low):
        axes.plot((value.low, value.high), (row, row), color="black", linewidth=1)


def _within(axes: Axes, panel: Panel) -> None:
    axes.set_title("AUC of each video")
    if not panel.within_aucs:
        return _empty(axes)
    axes.hist(panel.within_aucs, bins=20, range=(0, 1), color=TRUTH)
    axes.axvline(0.5, color=DIM, linestyle=":", linewidth=0.8)
    axes.set(xlim=(0, 1), xlabel="AUC", ylabel="videos")


def _alarms(axes: Axes, panel: Panel) -> None:
    axes.set_title("False alarms an hour of normal footage")
    if not panel.alarms:
        return _empty(axes)
    for row, alarms in enumerate(panel.alarms):
        rate = alarms.poisson
        axes.plot([max(edge, MOST_ALARMS) for edge in rate[1:]], (row, row), color=SCORE)
        axes.plot(max(rate.value, MOST_ALARMS), row, "o", color=SCORE, markersize=4)
    names = [f"{alarms.kind} ({length(alarms.hours)})" for alarms in panel.alarms]
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel="by Poisson's law, 95 %")
    _by_decades(axes)
    axes.margins(y=0.2)
    axes.invert_yaxis()


def _operating(axes: Axes, panel: Panel) -> None:
    axes.set_title("Events found against false alarms")
    curve = panel.curve
    if curve is None or np.isnan(curve.alarms_per_hour).all() or np.isnan(curve.recall).all():
        return _empty(axes)
    axes.plot(np.maximum(curve.alarms_per_hour, MOST_ALARMS), curve.recall, color=SCORE)
    near = int(np.argmin(np.abs(np.array(curve.thresholds) - panel.threshold)))
    at = (max(curve.alarms_per_hour[near], MOST_ALARMS), curve.recall[near])
    axes.plot(*at, "o", color=SCORE, markersize=4)
    _by_decades(axes)
    axes.annotate(f"{curve.thresholds[near]:g}", at, xytext=(4, -9), textcoords="offset points", fontsize=7)
    axes.set(ylim=(0, 1.03), xlabel="alarms an hour", ylabel="events found")


def _latency(axes: Axes, panel: Panel) -> None:
    axes.set_title("From an event's start to its first flag")
    if panel.events is None or not panel.events.n_events:
        return _empty(axes)
    seconds = np.array(panel.events.latencies_s)
    share = np.arange(1, len(seconds) + 1) / panel.events.n_events
    end = max(10.0, float(seconds.max(initial=0)))
    axes.step([0, *seconds, end], [0, *share, *share[-1:]] if len(share) else [0, 0], where="post", color=SALIENCY)
    axes.set(xlim=(0, end), ylim=(0, 1.03), xlabel="seconds", ylabel="events flagged")


def _calibration(axes: Axes, panel: Panel) -> None:
    axes.set_title("Is .8 right 8 times in 10?")
    if panel.calibration is None:
        return _empty(axes)
    bins = [b for b in panel.calibration.bins if b.seconds > 0]
    axes.plot((0, 1), (0, 1), color=DIM, linestyle=":", linewidth=0.8)
    for b in bins:
        if not np.isnan(b.anomalous.low):
            axes.plot((b.score, b.score), b.anomalous[1:], color=TRUTH, linewidth=0.8)
    axes.plot([b.score for b in bins], [b.anomalous.value for b in bins], "o-", color=TRUTH, markersize=3)
    axes.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="score", ylabel="share anomalous")


def _classes(axes: Axes, panel: Panel) -> None:
    axes.set_title("What events were called")
    confusion = panel.confusion
    if confusion is None:
        return _empty(axes)
    counts = np.array(confusion.counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), n in np.ndenumerate(counts):
        if n:
            colour = "white" if share[row, column] > 0.6 else "black"
            axes.text(column, row, str(n), ha="center", va="center", fontsize=6, color=colour)
    axes.set_xticks(range(len(confusion.columns)), confusion.columns, rotation=30, ha="right")
    axes.set_yticks(range(len(confusion.rows)), confusion.rows)


def _by_decades(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")


def _empty(axes: Axes) -> None:
    axes.text(0.5, 0.5, NOTHING, ha="center", va="center", color=DIM, transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])
