"""`python -m cmhkf evaluate`: a checkpoint, or anybody's scores, measured on a data set's features and annotations."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from cmhkf.commands.options import (
    DATASET_HELP,
    ConfigOption,
    CropOption,
    SetModelOption,
    StrictOption,
    make_folder,
    make_place,
)
from cmhkf.errors import CheckpointError, ConfigError
from cmhkf.progress import tell

if TYPE_CHECKING:
    import numpy as np

    from cmhkf.datasets.sets import Dataset
    from cmhkf.evaluation.evaluate import Report
    from cmhkf.features.folders import FeatureFolder, Rows
    from cmhkf.metrics.panel import Panel
    from cmhkf.model.checkpoint import Checkpoint
    from cmhkf.model.run import Prediction
    from cmhkf.progress import Fallback

ListFile = Annotated[Path | None, typer.Option(help="left out: looked for beside the features")]


def evaluate(  # noqa: PLR0913 (one parameter for each option)
    features: Annotated[Path, typer.Option(help="feature folder, as distributed or made by extract")],
    dataset: Annotated[str, typer.Option(help=DATASET_HELP)],
    model: Annotated[str, typer.Option(help="checkpoint file, hf:owner/repo, or a preset that has one")] = "",
    scores: Annotated[Path | None, typer.Option(help="instead: .npz of one array [snippets] per video name")] = None,
    frozen: Annotated[
        str, typer.Option(help="instead: a score without training: motion, change, or novelty (nearest normal row)")
    ] = "",
    out: Annotated[Path, typer.Option(help="folder for report.json, the tables and the plots")] = Path("evaluation"),
    scores_out: Annotated[Path | None, typer.Option(help="also write the scores, as --scores reads them: .npz")] = None,
    settings: SetModelOption = None,
    config: ConfigOption = None,
    crops: Annotated[
        str, typer.Option(help="listed: those that the test list names; centre; mean: of the predictions on all crops")
    ] = "listed",
    crop: CropOption = None,
    resamples: Annotated[int, typer.Option(min=0, help="of the bootstrap over videos; 0: no intervals")] = 1000,
    seed: Annotated[int, typer.Option(help="of the bootstrap")] = 0,
    threshold: Annotated[
        float, typer.Option(min=0.001, max=1, help="of events and alarms in the quality panel; 0.5 is the page's")
    ] = 0.5,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="also keep the quality panel beside the checkpoint, for its card and the page"),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    test_list: ListFile = None,
    annotations: ListFile = None,
    class_annotations: ListFile = None,
    strict: StrictOption = False,
) -> None:
    """Measure a model on a test set by the protocols of the field. Settings are those that trained weights allow."""
    if [bool(model), bool(scores), bool(frozen)].count(True) != 1:
        raise ConfigError("give either --model, --scores or --frozen")
    if keep and (not model or settings):
        raise ConfigError("--keep belongs to a checkpoint as it is: leave out --scores, --frozen and --set")
    _check_crops(crops, crop)

    from cmhkf.datasets.sets import open_dataset
    from cmhkf.evaluation import quality
    from cmhkf.evaluation.evaluate import evaluate as measure
    from cmhkf.evaluation.report import table, write_report
    from cmhkf.model import trained_on
    from cmhkf.model.checkpoint import load_checkpoint
    from cmhkf.settings import describe
    from cmhkf.training.settings import part_of, read_settings

    given = read_settings(settings or (), config, roots=("model",))
    if given and not model:
        raise ConfigError(f"{describe(given)} changes a model, and --scores and --frozen come without one")
    opened = open_dataset(
        dataset, features, test_list=test_list, annotations=annotations, class_annotations=class_annotations, crop=crop
    )
    opened.require("test")
    notes, warned, optimistic, learned_from, seen = [], "", "", (), {}
    threshold_from = quality.AS_GIVEN
    if not model:
        name, classes, (predict_one, fallbacks) = frozen or scores.stem, None, _without_model(opened, scores, frozen)  # type: ignore[union-attr]
    else:
        checkpoint = load_checkpoint(found(model)).changed(part_of(given, "model"))
        notes = [note] if (note := check_recipe(checkpoint, opened.folder)) else []
        notes += [f"the model is read with {describe(given)}, other than it was trained"] if given else []
        warned = trained_on.warning(checkpoint, opened.test_names)
        learned_from = trained_on.learned_from(checkpoint, opened.test_names)
        name, classes, optimistic = checkpoint.name, checkpoint.classes, checkpoint.optimistic
        predict_one = predictor(checkpoint, device)
        seen, threshold_from = quality.seen_by(checkpoint, opened), quality.threshold_said(checkpoint, threshold)
        fallbacks = opened.fallbacks("test", hears=checkpoint.config.listens)
    tell(fallbacks, strict=strict)
    for note in filter(None, (*notes, warned)):
        typer.echo(f"note: {note}", err=True)
    _make_places(out, scores_out)

    with tqdm(unit="prediction", file=sys.stderr, disable=None) as bar:

        def shown(rows: Rows) -> Prediction:
            bar.update()
            return predict_one(rows)

        chosen: Any = crops  # one of the three
        drawn: Any = {"resamples": resamples, "seed": seed}
        panel_of = partial(
            quality.dataset_panel,
            opened,
            model=name,
            classes=classes or opened.spec.classes,
            threshold=threshold,
            threshold_from=threshold_from,
            seen=seen,
            notes=tuple(filter(None, (optimistic, *notes, *map(str, fallbacks)))),
            **drawn,
        )
        report = measure(opened, shown, model=name, classes=classes, crops=chosen, panel_of=panel_of, **drawn)
    report = replace(report, notes=(*notes, *map(str, fallbacks)), optimistic=optimistic, learned_from=learned_from)
    if scores:
        report = replace(report, crops="")  # which gave lengths alone
    write_report(report, out)
    _write_scores(report, scores_out)
    typer.echo(table(report))
    typer.echo(f"written to {out}" + (f" and {_kept(report.panel, model)}" if keep and report.panel else ""))


def _check_crops(crops: str, crop: int | None) -> None:
    if crops not in ("listed", "centre", "mean"):
        raise ConfigError(f"crops is {crops!r}; choose one of listed, centre, mean")
    if crop is not None and crops != "listed":
        raise ConfigError(f"--crop {crop} and --crops {crops} cannot be used together; leave out one")


def _kept(panel: Panel, model: str) -> Path:
    from cmhkf.metrics.panel_file import write_panels

    return write_panels(found(model), [panel])


def _make_places(out: Path, scores_out: Path | None) -> None:
    make_folder(out)
    if scores_out:
        make_place(scores_out, "--scores-out")


def _write_scores(report: Report, scores_out: Path | None) -> None:
    from cmhkf.evaluation.scores import write_scores

    if scores_out:
        names = (video.name for video in report.videos)
        write_scores(scores_out, dict(zip(names, report.scores, strict=True)))


def _without_model(
    opened: Dataset, scores: Path | None, frozen: str
) -> tuple[Callable[[Rows], Prediction], list[Fallback]]:
    """What scores the videos in place of a model, and what is done where something is missing."""
    from cmhkf.evaluation.frozen import frozen_scorer
    from cmhkf.evaluation.scores import look_up, read_scores

    fallbacks = opened.fallbacks("test", hears=False)
    if scores is None:
        return frozen_scorer(frozen, opened), fallbacks
    held = read_scores(scores)
    return look_up(held), fallbacks + _unknown(held, opened)


def found(model: str) -> Path:
    """The file of a model: a preset's or a path. Raises CheckpointError."""
    from cmhkf.presets import checkpoint_path

    path = checkpoint_path(model)
    if path is None:
        raise CheckpointError(f"the preset {model!r} has no trained checkpoint here; pass the path of one")
    return path


def check_recipe(checkpoint: Checkpoint, folder: FeatureFolder) -> str:
    """Refuse features that the checkpoint was not trained on.

    Distributed features do not say how they were made: where their widths fit they are taken, and what is assumed is
    returned as a note; otherwise the note is empty.

    Raises:
        RecipeMismatch: the features follow another recipe.
    """
    config = checkpoint.config
    recipe = folder.recipe_for(config.modalities)
    if not folder.recipe_assumed or recipe.hash == checkpoint.recipe.hash:
        checkpoint.require_recipe(recipe)
        return ""
    sizes = [(folder.video_dim, config.video_dim), (folder.semantic_dim, config.semantic_dim)]
    if config.listens and folder.audio_dim:
        sizes.append((folder.audio_dim, config.audio_dim))
    if any(found != wanted for found, wanted in sizes):
        checkpoint.require_recipe(recipe)
    return (
        f"{folder.path} does not say how its features were made. They are taken for recipe {recipe.describe()}, "
        f"but {checkpoint.name!r} was trained on {checkpoint.recipe.describe()}: the numbers may mislead"
    )


def _unknown(scores: dict[str, np.ndarray], data: Dataset) -> list[Fallback]:
    from cmhkf.progress import Fallback

    names = tuple(sorted(scores.keys() - set(data.test_names)))
    return [Fallback("scores of videos that are not among those measured, not used", names)] if names else []


def predictor(checkpoint: Checkpoint, device: str) -> Callable[[Rows], Prediction]:
    """What a checkpoint says of the rows of a video."""
    import torch

    from cmhkf.encoders.device import pick_device
    from cmhkf.model.build import build_model
    from cmhkf.model.run import predict

    device = pick_device(device)
    model = build_model(checkpoint.config)
    model.load_state_dict(checkpoint.state)
    text = torch.from_numpy(checkpoint.text_features).to(device)
    return partial(predict, model.to(device).eval(), text)
