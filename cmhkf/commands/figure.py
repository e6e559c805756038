"""`python -m cmhkf figure`: analyses as figures for print."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from cmhkf.commands.analyses import AnalysisFiles, TruthFile, read_analyses, read_truths
from cmhkf.commands.options import make_place


class Kind(str, Enum):
    """What `figure` can draw."""

    qualitative = "qualitative"
    embeddings = "embeddings"
    similarity = "similarity"
    saliency = "saliency"


class Width(str, Enum):
    """Widths of a two-column paper."""

    column = "column"
    page = "page"


class Method(str, Enum):
    """How snippets are placed on a plane."""

    tsne = "tsne"
    umap = "umap"


def figure(
    analyses: AnalysisFiles,
    kind: Annotated[Kind, typer.Option(help="what to draw")],
    out: Annotated[Path, typer.Option(help="the file; its suffix says the form: .pdf, .svg or .png")],
    truth: TruthFile = None,
    width: Annotated[Width | None, typer.Option(help="3.4 or 7 inches; left out: as suits the kind")] = None,
    frames: Annotated[int, typer.Option(min=1, max=10, help="qualitative: frames above each curve")] = 5,
    method: Annotated[Method, typer.Option(help="embeddings: how snippets are placed")] = Method.tsne,
    colour: Annotated[str, typer.Option(help="embeddings: one or two of class,score,truth; a row each")] = "class",
    seed: Annotated[int, typer.Option(min=0, help="embeddings: the same seed gives the same figure")] = 0,
) -> None:
    """Draw analyses for print; what is not trained says so on the figure. Frames come from the analysed videos."""
    from cmhkf.figures.style import COLUMN_IN, PAGE_IN, check_suffix, save_figure

    check_suffix(out)
    found, n_failed = read_analyses(analyses)
    make_place(out)
    truths = read_truths(truth, found)
    wide = kind in (Kind.qualitative, Kind.embeddings) if width is None else width is Width.page
    width_in = PAGE_IN if wide else COLUMN_IN
    if kind is Kind.embeddings:
        from cmhkf.figures.embeddings import embeddings
        from cmhkf.figures.projection import project

        colours: Any = [word.strip() for word in colour.split(",")]  # checked there
        projection = project(found, method=method.value, seed=seed)
        drawn = embeddings(found, projection, colours=colours, truths=truths, width_in=width_in)
    elif kind is Kind.qualitative:
        from cmhkf.figures.qualitative import qualitative

        drawn = qualitative(found, truths=truths, n_frames=frames, width_in=width_in)
    else:
        from cmhkf.figures.lanes import saliency, similarity

        drawn = (similarity if kind is Kind.similarity else saliency)(found, width_in=width_in)
    typer.echo(save_figure(drawn, out))
    if n_failed:
        raise typer.Exit(1)
