"""`python -m cmhkf ablate`: the paper's tables, measured on a feature folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmhkf.commands.options import DATASET_HELP, ConfigOption, CropOption, SetOption, StrictOption, make_folder
from cmhkf.commands.train import PRESET_HELP
from cmhkf.progress import tell

if TYPE_CHECKING:
    from cmhkf.evaluation.ablate import RowResult, Study
    from cmhkf.evaluation.tables import Row
    from cmhkf.training.config import TrainConfig


def ablate(  # noqa: PLR0913 (one parameter for each option)
    features: Annotated[Path, typer.Option(help="feature folder, as distributed or as `extract` makes it")],
    *,
    table: Annotated[
        list[int] | None, typer.Option(help="number in the paper: 1 to 11; may be given several times")
    ] = None,
    row: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME: SETTINGS",
            help='a row of your own, as "k 3, wide: model.cvka.k=3 model.dim=768", in every table that is measured, or '
            "alone; may be given several times",
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option(help=f"for rows without a table: {DATASET_HELP}; the last five also with --table")
    ] = "",
    preset: Annotated[str, typer.Option(help=PRESET_HELP)] = "held-out",
    settings: SetOption = None,
    config: ConfigOption = None,
    out: Annotated[Path, typer.Option(help="for the tables; what is finished there is kept")] = Path("out/tables"),
    seeds: Annotated[int, typer.Option(min=1, help="trainings of each row; the first seed is train.seed")] = 3,
    text_features: Annotated[
        Path | None, typer.Option(help="class texts [C, D]; text.npy beside the features, if there")
    ] = None,
    learn_texts: Annotated[bool, typer.Option("--learn-texts", help="train texts that have no prompts")] = False,
    groups: Annotated[
        Path | None, typer.Option(help="csv of video, group, to measure each; groups.csv beside the features")
    ] = None,
    train_fraction: Annotated[float, typer.Option(min=0.001, max=1, help="share of the training samples")] = 1.0,
    crop: CropOption = None,
    strict: StrictOption = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
) -> None:
    """Train and measure the rows of the paper's tables, and set the numbers beside the paper's.

    Settings change every row of CMHKF before the row's own; a baseline takes model.dim alone, and train.*.
    """
    from cmhkf.datasets.sets import open_dataset
    from cmhkf.encoders.device import pick_device
    from cmhkf.evaluation.ablate import Study, measure_table, read_groups
    from cmhkf.evaluation.ablation_report import markdown, write_table
    from cmhkf.evaluation.tables import chosen_tables, note_of
    from cmhkf.settings import changed, describe
    from cmhkf.training.config import train_settings
    from cmhkf.training.settings import part_of, read_settings

    tables = chosen_tables(table or (), row or (), dataset)
    given = read_settings(settings or (), config)
    how = part_of(given, "train")
    texts, groups = text_features or _beside(features, "text.npy"), groups or _beside(features, "groups.csv")
    for chosen in tables:
        data = open_dataset(chosen.dataset, features, crop=crop)
        study = Study(
            data,
            changed(train_settings(data.spec.name, preset=preset), how),
            out,
            given=frozenset(how),
            model=part_of(given, "model"),
            train_fraction=train_fraction,
            text_features=texts,
            learn_texts=learn_texts,
            groups=read_groups(groups) if groups else None,
            device=pick_device(device),
        )
        typer.echo(data.describe(), err=True)
        fallbacks = study.fallbacks()
        tell(fallbacks, strict=strict)
        make_folder(out)
        first = study.train.seed
        measured = measure_table(study, chosen, range(first, first + seeds), on_run=_show)
        set_for_all = f" In every row: {describe(given)}." if given else ""
        note = f"{_describe(study, seeds)}{set_for_all} {note_of(chosen, given)}".rstrip() + "".join(
            f" {f}." for f in fallbacks
        )
        write_table(chosen, measured, out, note=note)
        typer.echo(f"{markdown(chosen, measured)}\n\n{note}\n")


def _beside(features: Path, name: str) -> Path | None:
    return features / name if (features / name).is_file() else None


def _show(row: Row, seed: int, result: RowResult) -> None:
    from cmhkf.evaluation.ablate import number_key

    headlines = ", ".join(
        f"{metric.upper()} {result.numbers[number_key('classifier', 'all', metric)]:.2f}" for metric in ("ap", "auc")
    )
    typer.echo(f"{row.label}, seed {seed}: {headlines} ({result.seconds:.0f} s)", err=True)


def _describe(study: Study, n_seeds: int) -> str:
    from cmhkf.model.config import ModelConfig

    data, config = study.dataset, study.train
    return (
        f"Percent; mean and standard deviation of {n_seeds} trainings (seeds from {config.seed}) on "
        f"{study.train_fraction:.0%} of {len(data.train):,} samples in {data.folder.path.name}: {config.epochs} epochs "
        f"of batch {config.batch_size}, learning rate {config.lr:g}, width {study.model.get('dim', ModelConfig.dim)}; "
        f"{_selection(config)}. Test videos are read by {data.describe_crops()}. "
        "The paper's numbers are of CLIP and VGGish features of the real videos."
    )


def _selection(config: TrainConfig) -> str:
    if config.select == "test":
        return "the epoch chosen on the test set, as the literature does, which is optimistic"
    held = f"the epoch chosen on {config.val_fraction:.0%} of the training videos, held out"
    return held if config.val_fraction else "the last epoch taken"
