"""Publication figures of analyses: embeddings before and after the model, class similarities, video-text saliency.

`qualitative`, the paper's Figure 4, is in `figure_qualitative.py`. Every function returns a matplotlib Figure for
`save_figure`; what is not trained says so on the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from cmhkf.analysis import Analysis
from cmhkf.errors import ConfigError
from cmhkf.figure_qualitative import qualitative
from cmhkf.figure_style import (
    CALM,
    COLUMN_IN,
    DIM,
    PAGE_IN,
    SALIENCY,
    TRUTH,
    class_mark,
    new_figure,
    save_figure,
    score_name,
    snippet_edges,
    styled,
    time_axis,
    write_notes,
)
from cmhkf.projection import Placement, Projection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cmhkf.truth import Truth

__all__ = ["Colour", "embeddings", "qualitative", "saliency", "save_figure", "similarity"]

Colour = Literal["class", "score", "truth"]

ROW_IN = 0.135  # height of one class in the heat map
DOT = 9  # area of a point in pt^2


def embeddings(
    analyses: Sequence[Analysis],
    projection: Projection,
    *,
    colours: Sequence[Colour] = ("class",),
    truths: Sequence[Sequence[Truth] | None] = (),
    width_in: float = PAGE_IN,
) -> Figure:
    """Draw the paper's Figure 5: snippets before the model beside the same after it, one row for each colouring.

    Raises:
        ConfigError: an unknown colouring, or "truth" without any.
    """
    for colour in colours:
        if colour not in get_args(Colour):
            raise ConfigError(f"colour is {colour!r}; choose one of {', '.join(get_args(Colour))}")
    if "truth" in colours and not any(t is not None for t in truths):
        raise ConfigError("colouring by truth needs ground truth of one of the clips; give it with --truth")
    panel_in = width_in / 2
    note = projection.note if projection.fused else projection.note.partition("; ")[2]
    with styled():
        figure = new_figure(width_in, len(colours) * (0.86 * panel_in + 0.42))
        rows = figure.subfigures(len(colours), 1, squeeze=False).ravel()
        for row, (part, colour) in enumerate(zip(rows, colours, strict=True)):
            panels = part.subplots(1, 2)
            titles = ("picture embeddings, before the model", "fused embeddings, after CMHKF")
            for i, (axes, placed) in enumerate(zip(panels, (projection.raw, projection.fused), strict=True)):
                title = titles[i] if width_in > 5 else titles[i].partition(",")[0]
                axes.set_title(f"({'abcdef'[2 * row + i]}) {title}")
                _square(axes)
                if placed is None:
                    _say_why_not(axes, projection)
                    continue
                axes.set_xlabel(f"{placed.how}{f' ({placed.note})' if placed.note else ''}", color=DIM)
                _scatter(axes, placed, analyses, projection, colour, truths)
            _key(part, list(panels), analyses, point_values(analyses, projection, colour, truths), colour)
        write_notes(figure, analyses, [note[:1].upper() + note[1:]], scores="score" in colours)
    return figure


def similarity(analyses: Sequence[Analysis], *, width_in: float = COLUMN_IN) -> Figure:
    """Draw heat maps of Eq. 1: how much every snippet's picture resembles every class text."""
    low, high = (f([f(a.similarity) for a in analyses]) for f in (np.min, np.max))
    n_rows = [len(a.classes) for a in analyses]
    with styled():
        figure = new_figure(width_in, sum(0.62 + ROW_IN * n for n in n_rows))
        panels = figure.subplots(len(analyses), 1, squeeze=False, height_ratios=n_rows).ravel()
        for axes, analysis in zip(panels, analyses, strict=True):
            chosen = set(analysis.top_classes.ravel().tolist())
            edges = snippet_edges(analysis)
            rows = np.arange(len(analysis.classes) + 1) - 0.5
            image = axes.pcolormesh(
                edges, rows, analysis.similarity.T, cmap="cividis", vmin=low, vmax=max(high, low + 1e-6),
                rasterized=True,
            )  # fmt: skip
            axes.set_yticks(range(len(analysis.classes)))
            axes.set_yticklabels([f"{name} ●" if i in chosen else name for i, name in enumerate(analysis.classes)])
            axes.invert_yaxis()
            axes.tick_params(axis="y", length=0)
            axes.set_title(analysis.clip.name)
            time_axis(axes, analysis)
        figure.colorbar(image, ax=list(panels), label="cosine similarity", pad=0.02, aspect=12 * len(analyses))
        write_notes(figure, analyses, ["● chosen by CVKA in a window of the clip"], scores=False)
    return figure


def saliency(analyses: Sequence[Analysis], *, width_in: float = COLUMN_IN) -> Figure:
    """Draw AFAE's saliency (Eqs. 5 and 6) with its peaks and windows, named as what it is: no sound is in it."""
    with styled():
        figure = new_figure(width_in, 1.25 * len(analyses) + (0.17 if width_in > 5 else 0.51))
        panels = figure.subplots(len(analyses), 1, squeeze=False).ravel()
        for axes, analysis in zip(panels, analyses, strict=True):
            edges = snippet_edges(analysis)
            for i, (start_s, end_s) in enumerate(analysis.saliency_windows_s):
                label = "window round a peak" if i == 0 else None
                axes.axvspan(start_s, end_s, facecolor="#d9ece7", edgecolor="none", zorder=0, label=label)
            axes.axhline(1, color=CALM, linewidth=0.6, linestyle=(0, (4, 3)), label="average of the clip")
            axes.stairs(analysis.saliency, edges, baseline=None, color=DIM, linewidth=0.7, label="saliency (Eq. 5)")
            axes.stairs(
                analysis.windowed_saliency, edges, baseline=None, color=SALIENCY, linewidth=1.3,
                label="raised in windows (Eq. 6)",
            )  # fmt: skip
            peaks = analysis.saliency_peaks
            middle = analysis.times_s[peaks] + analysis.timeline.snippet_s / 2
            top = float(max(analysis.saliency.max(), analysis.windowed_saliency.max()))
            axes.plot(
                middle, analysis.windowed_saliency[peaks] + 0.07 * top, "v", color="black", markersize=3.5,
                linestyle="none", label="peak",
            )  # fmt: skip
            axes.set(title=analysis.clip.name, ylim=(0, 1.2 * top), ylabel="saliency (1 = average)")
            time_axis(axes, analysis)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2 if width_in < 5 else 5)
        what = "Video-text saliency projected on the audio axis: no sound is in it."
        write_notes(figure, analyses, [what], scores=False)
    return figure


def _square(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=CALM)


def _say_why_not(axes: Axes, projection: Projection) -> None:
    why = (
        projection.note.partition("; ")[0].replace(": ", ":\n", 1).replace(", so", ",\nso", 1).replace(", wh", ",\nwh")
    )
    axes.spines[:].set(linestyle=(0, (3, 3)))
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=DIM)


def _scatter(
    axes: Axes,
    placed: Placement,
    analyses: Sequence[Analysis],
    projection: Projection,
    colour: Colour,
    truths: Sequence[Sequence[Truth] | None],
) -> None:
    values = point_values(analyses, projection, colour, truths)
    x, y = placed.xy.T
    if colour == "score":
        order = np.argsort(values)  # high scores lie on top
        axes.scatter(x[order], y[order], c=values[order], s=DOT, cmap="cividis", vmin=0, vmax=1, linewidths=0)
        return
    for value in np.unique(values):
        here = values == value
        hue, marker = _mark(int(value), colour)
        hollow = value == 0
        axes.scatter(
            x[here], y[here], s=DOT, marker=marker, facecolors="none" if hollow else hue,
            edgecolors=hue, linewidths=0.6 if hollow else 0.2, zorder=2 if hollow else 3,
        )  # fmt: skip
    axes.margins(0.06)


_TRUTH_MARKS = {-1: ("#c8c8c8", "x"), 0: (CALM, "o"), 1: (TRUTH, "^")}
_TRUTH_WORDS = {-1: "not known", 0: "normal", 1: "anomalous"}


def _mark(value: int, colour: Colour) -> tuple[str, str]:
    return class_mark(value) if colour == "class" else _TRUTH_MARKS[value]


def point_values(
    analyses: Sequence[Analysis],
    projection: Projection,
    colour: Colour,
    truths: Sequence[Sequence[Truth] | None] = (),
) -> np.ndarray:
    """What colours each point, [M]: the likeliest class, the score, or 1 within, 0 outside and -1 without truth."""
    columns = []
    for i, analysis in enumerate(analyses):
        if colour == "class":
            column = analysis.class_probs.argmax(axis=1)
        elif colour == "score":
            column = analysis.scores
        else:
            truth = truths[i] if i < len(truths) else None
            middle = analysis.times_s + analysis.timeline.snippet_s / 2
            column = np.full(analysis.n_snippets, -1 if truth is None else 0)
            for start_s, end_s, _ in truth or ():
                column[(middle >= start_s) & (middle < end_s)] = 1
        columns.append(column[projection.snippet_idx[projection.clip_idx == i]])
    return np.concatenate(columns)


def _key(part, panels: Sequence[Axes], analyses: Sequence[Analysis], values: np.ndarray, colour: Colour) -> None:
    """The legend or the scale of one row of panels."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.lines import Line2D

    if colour == "score":
        part.colorbar(ScalarMappable(cmap="cividis"), ax=panels, label=score_name(analyses), pad=0.01, aspect=25)
        return
    words = _TRUTH_WORDS if colour == "truth" else dict(enumerate(analyses[0].classes))
    handles = []
    for value in np.unique(values).tolist():
        hue, marker = _mark(value, colour)
        fill = "none" if value == 0 else hue
        handles.append(
            Line2D([], [], linestyle="none", marker=marker, color=hue, markerfacecolor=fill, markersize=3.6,
                   label=words[value])
        )  # fmt: skip
    part.legend(handles=handles, loc="outside lower center", ncols=4 if part.figure.get_figwidth() < 5 else 7)
