"""`python -m cmhkf compare`: is one scorer better than another, on the same test videos?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmhkf.commands.evaluate import ListFile, check_recipe, found, predictor
from cmhkf.commands.options import DATASET_HELP, CropOption, StrictOption, make_place
from cmhkf.progress import tell

if TYPE_CHECKING:
    from cmhkf.datasets.sets import Dataset
    from cmhkf.model.run import Prediction

SCORER = "a checkpoint, a preset that has one, or an .npz of scores as `evaluate --scores-out` writes it"


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help=SCORER)],
    second: Annotated[str, typer.Argument(metavar="B", help="another of these")],
    features: Annotated[Path, typer.Option(help="feature folder, as distributed or made by extract")],
    dataset: Annotated[str, typer.Option(help=DATASET_HELP)],
    *,
    out: Annotated[Path | None, typer.Option(help="also write the comparison as JSON")] = None,
    crop: CropOption = None,
    resamples: Annotated[int, typer.Option(min=1, help="of the bootstrap over videos")] = 1000,
    seed: Annotated[int, typer.Option(help="of the bootstrap")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    test_list: ListFile = None,
    annotations: ListFile = None,
    strict: StrictOption = False,
) -> None:
    """Compare two scorers on a test set: A - B of each frame metric, by a paired bootstrap over videos."""
    from cmhkf.datasets.sets import open_dataset
    from cmhkf.evaluation.compare import compare as measure
    from cmhkf.evaluation.compare import compared, write_comparison

    opened = open_dataset(dataset, features, test_list=test_list, annotations=annotations, crop=crop)
    opened.require("test")
    if out:
        make_place(out)
    tell(opened.fallbacks("test", hears=False), strict=strict)
    (name_a, scores_a), (name_b, scores_b) = (_scored(spec, opened, device) for spec in (first, second))
    result = measure(
        opened.truth, scores_a, scores_b, names=(name_a, name_b), dataset=dataset, resamples=resamples, seed=seed
    )
    if out:
        write_comparison(result, out)
    typer.echo(compared(result))


def _scored(spec: str, opened: Dataset, device: str) -> tuple[str, list[Prediction]]:
    """The name of a scorer, and what it says of each test video."""
    from cmhkf.evaluation.scores import look_up, read_scores
    from cmhkf.model import trained_on
    from cmhkf.model.checkpoint import load_checkpoint
    from cmhkf.model.run import predict_all

    if spec.endswith(".npz"):
        name, predict_one = Path(spec).stem, look_up(read_scores(Path(spec)))
    else:
        checkpoint = load_checkpoint(found(spec))
        name, predict_one = checkpoint.name, predictor(checkpoint, device)
        notes = check_recipe(checkpoint, opened.folder), trained_on.warning(checkpoint, opened.test_names)
        for note in filter(None, (*notes, checkpoint.optimistic)):
            typer.echo(f"note: {name}: {note}", err=True)
    return name, predict_all(opened.folder, opened.test_names, predict_one, opened.test_crops)
