"""`python -m cmhkf figure`: analyses, or a feature folder and a checkpoint, as figures for print."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmhkf.commands.analyses import TruthFile, read_analyses, read_truths
from cmhkf.commands.options import make_place
from cmhkf.errors import ConfigError

if TYPE_CHECKING:
    from cmhkf.analysis import Analysis


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


MOST_CLIPS = 24  # of one figure of curves


def figure(  # noqa: PLR0913 (one parameter for each option)
    kind: Annotated[Kind, typer.Option(help="what to draw")],
    out: Annotated[Path, typer.Option(help="the file; its suffix says the form: .pdf, .svg or .png")],
    analyses: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ANALYSIS...|VIDEO...]",
            help=".npz files written by analyze; with --features, names of videos there, all of them if left out",
        ),
    ] = None,
    features: Annotated[Path | None, typer.Option(help="draw from this feature folder and --model")] = None,
    model: Annotated[str, typer.Option(help="with --features: a checkpoint, or a preset that has one")] = "",
    videos: Annotated[
        list[str] | None, typer.Option(help="with --features: file, folder or pattern of videos, for their frames")
    ] = None,
    fps: Annotated[
        str, typer.Option(help="of videos with distributed features: XD-Violence's 24, UCF-Crime's 30")
    ] = "24",
    truth: TruthFile = None,
    width: Annotated[Width | None, typer.Option(help="3.4 or 7 inches; left out: as suits the kind")] = None,
    frames: Annotated[int, typer.Option(min=1, max=10, help="qualitative: frames above each curve")] = 5,
    method: Annotated[Method, typer.Option(help="embeddings: how snippets are placed")] = Method.tsne,
    colour: Annotated[str, typer.Option(help="embeddings: one or two of class,score,truth; a row each")] = "class",
    seed: Annotated[int, typer.Option(min=0, help="embeddings: the same seed gives the same figure")] = 0,
) -> None:
    """Draw analyses for print; what is not trained says so on the figure. Frames come from the analysed videos.

    With --features and --model the paper's figures are drawn from features: 4 by --kind qualitative, 5 by embeddings.
    """
    from cmhkf.figures.style import COLUMN_IN, PAGE_IN, check_suffix, save_figure

    check_suffix(out)
    if features:
        found, n_failed = _from_features(features, analyses or [], kind, model=model, videos=videos or [], fps=fps), 0
    elif model or videos or not analyses:
        raise ConfigError("give analyses, or --features with --model")
    else:
        found, n_failed = read_analyses([Path(name) for name in analyses])
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


def _from_features(
    features: Path, names: list[str], kind: Kind, *, model: str, videos: list[str], fps: str
) -> list[Analysis]:
    """Analyses of videos in a feature folder."""
    from cmhkf.commands.evaluate import check_recipe, found
    from cmhkf.commands.options import say_left_out
    from cmhkf.evaluation.analyses import analyse_folder
    from cmhkf.features.folders import FeatureFolder, video_name
    from cmhkf.media.find import find_videos
    from cmhkf.model.checkpoint import load_checkpoint
    from cmhkf.numbers import ratio

    if not model:
        raise ConfigError("--features needs --model: a checkpoint, or a preset that has one")
    rate, files = ratio(fps, "--fps", error=ConfigError), find_videos(videos, say_left_out) if videos else []
    folder, checkpoint = FeatureFolder(features), load_checkpoint(found(model))
    chosen = [video_name(name) for name in names] or [*folder.names]
    if kind is not Kind.embeddings and len(chosen) > MOST_CLIPS:
        raise ConfigError(f"{len(chosen):,} videos do not fit on a figure; name up to {MOST_CLIPS}")
    if note := check_recipe(checkpoint, folder):
        typer.echo(f"note: {note}", err=True)
    return analyse_folder(folder, checkpoint, chosen, videos={file.stem: file for file in files}, rate=rate)
