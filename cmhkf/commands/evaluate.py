"""`python -m cmhkf evaluate`: a checkpoint, or anybody's scores, measured on a data set's features and annotations."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from cmhkf.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np

    from cmhkf.checkpoint import Checkpoint
    from cmhkf.evaluate import Prediction
    from cmhkf.folders import FeatureFolder, Rows

ListFile = Annotated[Path | None, typer.Option(help="left out: looked for beside the features")]


def evaluate(
    features: Annotated[Path, typer.Option(help="feature folder, as distributed or made by extract")],
    dataset: Annotated[str, typer.Option(help="xd-violence or ucf-crime")],
    model: Annotated[str, typer.Option(help="checkpoint file, hf:owner/repo, or a preset that has one")] = "",
    scores: Annotated[Path | None, typer.Option(help="instead: .npz of one array [snippets] per video name")] = None,
    out: Annotated[Path, typer.Option(help="folder for report.json, the tables and the plots")] = Path("evaluation"),
    crops: Annotated[str, typer.Option(help="centre, or mean: of the predictions on all crops")] = "centre",
    resamples: Annotated[int, typer.Option(min=0, help="of the bootstrap over videos; 0: no intervals")] = 1000,
    seed: Annotated[int, typer.Option(help="of the bootstrap")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    test_list: ListFile = None,
    annotations: ListFile = None,
    class_annotations: ListFile = None,
) -> None:
    """Measure a model on a test set by the protocols of the field."""
    if bool(model) == bool(scores):
        raise ConfigError("give either --model or --scores")
    if crops not in ("centre", "mean"):
        raise ConfigError(f"crops is {crops!r}; choose one of centre, mean")

    from cmhkf.checkpoint import load_checkpoint
    from cmhkf.datasets import open_dataset
    from cmhkf.evaluate import evaluate as measure
    from cmhkf.evaluation_report import table, write_report

    opened = open_dataset(
        dataset, features, test_list=test_list, annotations=annotations, class_annotations=class_annotations
    )
    opened.require("test")
    if scores:
        name, classes, predict_one = scores.stem, None, _look_up(read_scores(scores))
    else:
        checkpoint = load_checkpoint(_found(model))
        if note := check_recipe(checkpoint, opened.folder):
            typer.echo(note, err=True)
        name, classes, predict_one = checkpoint.name, checkpoint.classes, _predictor(checkpoint, device)

    with tqdm(unit="video", file=sys.stderr, disable=None) as bar:

        def shown(rows: Rows) -> Prediction:
            bar.update()
            return predict_one(rows)

        report = measure(
            opened, shown, model=name, classes=classes, crops=crops, resamples=resamples, seed=seed,  # type: ignore[arg-type]
        )  # fmt: skip
    write_report(report, out)
    typer.echo(table(report))
    if report.missing:
        typer.echo(f"{len(report.missing):,} test videos are not measured: they have no features.")
    typer.echo(f"written to {out}")


def _found(model: str) -> Path:
    from cmhkf.analyzer import checkpoint_path

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
    if "A" in config.modalities and folder.audio_dim:
        sizes.append((folder.audio_dim, config.audio_dim))
    if any(found != wanted for found, wanted in sizes):
        checkpoint.require_recipe(recipe)
    return (
        f"note: {folder.path} does not say how its features were made. They are taken for recipe {recipe.describe()}, "
        f"but {checkpoint.name!r} was trained on {checkpoint.recipe.describe()}: the numbers may mislead"
    )


def read_scores(path: Path) -> dict[str, np.ndarray]:
    """Scores by the name of the video. Raises DataError."""
    import numpy as np

    from cmhkf.analysis import NPZ_DAMAGE
    from cmhkf.data import video_name

    try:
        with np.load(path, allow_pickle=False) as file:
            found = {video_name(name): np.asarray(file[name], np.float64) for name in file.files}
    except NPZ_DAMAGE as error:
        raise DataError(f"{path} is no readable .npz of scores by video name ({error})") from error
    if flat := [name for name, values in found.items() if values.ndim != 1]:
        raise DataError(
            f"{path}: {flat[0]!r} has the shape {found[flat[0]].shape}; one score for each snippet is needed"
        )
    return found


def _look_up(scores: dict[str, np.ndarray]) -> Callable[[Rows], Prediction]:
    from cmhkf.evaluate import Prediction

    def predict_one(rows: Rows) -> Prediction:
        if rows.name not in scores:
            raise DataError(f"there are no scores for {rows.name!r}; leave it out of the test list, or add them")
        return Prediction(scores[rows.name], None)

    return predict_one


def _predictor(checkpoint: Checkpoint, device: str) -> Callable[[Rows], Prediction]:
    import torch

    from cmhkf.encoders.precision import pick_device
    from cmhkf.evaluate import predict
    from cmhkf.model import build_model

    device = pick_device(device)
    model = build_model(checkpoint.config)
    model.load_state_dict(checkpoint.state)
    text = torch.from_numpy(checkpoint.text_features).to(device)
    return partial(predict, model.to(device).eval(), text, device=device)
