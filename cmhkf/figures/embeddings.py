"""The paper's Figure 5 for any clips: snippets on a plane, before the model and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from cmhkf.analysis import Analysis
from cmhkf.datasets.truth import Truths, snippets_inside
from cmhkf.errors import ConfigError
from cmhkf.figures.projection import Placement, Projection
from cmhkf.figures.style import CALM, DIM, PAGE_IN, TRUTH, class_mark, new_figure, score_name, styled, write_notes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colour = Literal["class", "score", "truth"]

DOT = 9  # area of a point in pt^2


def embeddings(
    analyses: Sequence[Analysis],
    projection: Projection,
    *,
    colours: Sequence[Colour] = ("class",),
    truths: Truths = (),
    width_in: float = PAGE_IN,
) -> Figure:
    """Draw snippets before the model beside the same after it, one row for each colouring.

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
    axes: Axes, placed: Placement, analyses: Sequence[Analysis], projection: Projection, colour: Colour, truths: Truths
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
        dots = axes.scatter(
            x[here], y[here], s=DOT, marker=marker, facecolors="none" if hollow else hue, edgecolors=hue
        )
        dots.set(linewidths=0.6 if hollow else 0.2, zorder=2 if hollow else 3)
    axes.margins(0.06)


_TRUTH_MARKS = {-1: ("#c8c8c8", "x"), 0: (CALM, "o"), 1: (TRUTH, "^")}
_TRUTH_WORDS = {-1: "not known", 0: "normal", 1: "anomalous"}


def _mark(value: int, colour: Colour) -> tuple[str, str]:
    return class_mark(value) if colour == "class" else _TRUTH_MARKS[value]


def point_values(
    analyses: Sequence[Analysis], projection: Projection, colour: Colour, truths: Truths = ()
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
            unknown = np.full(analysis.n_snippets, -1)
            column = unknown if truth is None else snippets_inside(truth, analysis.timeline).astype(int)
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
        handles.append(Line2D([], [], ls="none", marker=marker, color=hue, mfc=fill, ms=3.6, label=words[value]))
    part.legend(handles=handles, loc="outside lower center", ncols=4 if part.figure.get_figwidth() < 5 else 7)
