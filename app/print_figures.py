"""The figures of `python -m cmhkf figure`, drawn of one reviewed clip for print."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from app.desk import Step
from app.reviewed import Reviewed
from cmhkf.projection import Projection, projection_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_figures(reviewed: Reviewed, folder: Path) -> Generator[Step]:
    """Write every kind as PDF, SVG and PNG. One at a time: matplotlib's settings are global.

    Raises MediaError when the clip's pictures cannot be read.
    """
    from cmhkf import figures  # matplotlib takes a second to import, and few exports hold figures
    from cmhkf.figure_style import SUFFIXES

    analyses, truths = [reviewed.analysis], [reviewed.truth]
    projection: Projection | None = None
    for step in projection_steps(analyses):
        if isinstance(step, Projection):
            projection = step
        else:
            yield Step("placing snippets", message=step.message)
    assert projection
    placed = projection
    colours: tuple[figures.Colour, ...] = ("class", "score") if reviewed.truth is None else ("class", "truth")
    kinds: dict[str, Callable[[], Figure]] = {
        "qualitative": lambda: figures.qualitative(analyses, truths=truths),
        "embeddings": lambda: figures.embeddings(analyses, placed, colours=colours, truths=truths),
        "similarity": lambda: figures.similarity(analyses),
        "saliency": lambda: figures.saliency(analyses),
    }
    for done, (kind, draw) in enumerate(kinds.items()):
        for suffix in SUFFIXES:
            yield Step("drawing figures", done, len(kinds), kind + suffix)
            figures.save_figure(draw(), folder / f"{kind}{suffix}")  # anew: saving lays a figure out for its form
