"""`python -m cmhkf embed`: snippets as points of a plane, as a table and as an image."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmhkf.commands.analyses import AnalysisFiles, TruthFile, read_analyses, read_truths
from cmhkf.commands.figure import Method
from cmhkf.commands.options import make_place

if TYPE_CHECKING:
    from cmhkf.analysis import Analysis
    from cmhkf.figures.projection import Projection

COLUMNS = ("clip", "snippet", "time_s", "class", "score", "truth", "trained", "raw_x", "raw_y", "fused_x", "fused_y")
TRUTH_WORDS = {-1: "", 0: "normal", 1: "anomalous"}


def embed(
    analyses: AnalysisFiles,
    out: Annotated[Path, typer.Option(help="the table: a .csv of one line per snippet")],
    method: Annotated[Method, typer.Option(help="how snippets are placed")] = Method.tsne,
    image: Annotated[Path | None, typer.Option(help="also a figure: .pdf, .svg or .png")] = None,
    colour: Annotated[str, typer.Option(help="of the figure: one or two of class,score,truth; a row each")] = "class",
    truth: TruthFile = None,
    seed: Annotated[int, typer.Option(min=0, help="the same seed gives the same points")] = 0,
) -> None:
    """Place the snippets of analyses on one plane, before the model and after it: t-SNE or UMAP, seeded."""
    from cmhkf.figures.projection import project
    from cmhkf.figures.style import check_suffix, save_figure

    if image:
        check_suffix(image)
    found, n_failed = read_analyses(analyses)
    make_place(out)
    if image:
        make_place(image, "--image")
    truths = read_truths(truth, found)
    projection = project(found, method=method.value, seed=seed)
    if image:  # first: a wrong colour is noticed before anything is written
        from cmhkf.figures.embeddings import embeddings

        colours = [word.strip() for word in colour.split(",")]
        save_figure(embeddings(found, projection, colours=colours, truths=truths), image)  # type: ignore[arg-type]
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_lines(found, projection, truths))
    for note in (projection.raw.note, projection.fused.note if projection.fused else "", projection.note):
        if note:
            typer.echo(note, err=True)
    typer.echo("\n".join(str(path) for path in (out, image) if path))
    if n_failed:
        raise typer.Exit(1)


def _lines(analyses: list[Analysis], projection: Projection, truths: list) -> Iterator[tuple]:
    from cmhkf.figures.embeddings import point_values

    classes = point_values(analyses, projection, "class")
    known = point_values(analyses, projection, "truth", truths)
    for point, (i, n) in enumerate(zip(projection.clip_idx, projection.snippet_idx, strict=True)):
        analysis = analyses[i]
        said = analysis.classes[classes[point]], f"{analysis.scores[n]:.4f}", TRUTH_WORDS[int(known[point])]
        fused = projection.fused.xy[point] if projection.fused else ("", "")
        places = *projection.raw.xy[point], *fused
        yield analysis.clip.name, n, f"{analysis.times_s[n]:.3f}", *said, analysis.trained, *places
