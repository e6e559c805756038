"""`python -m cmhkf ablate`: the paper's tables, measured on a feature folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmhkf.commands.train import parse_milestones
from cmhkf.errors import ConfigError

if TYPE_CHECKING:
    from cmhkf.ablate import Outcome, Study
    from cmhkf.tables import Row


def ablate(  # noqa: PLR0913 (one parameter for each option)
    table: Annotated[list[int], typer.Option(help="number in the paper: 1 to 11; may be given several times")],
    features: Annotated[Path, typer.Option(help="feature folder, as distributed or as `extract` makes it")],
    *,
    out: Annotated[Path, typer.Option(help="for the tables; what is finished there is kept")] = Path("out/tables"),
    seeds: Annotated[int, typer.Option(min=1, help="trainings of each row")] = 3,
    text_features: Annotated[
        Path | None, typer.Option(help="class texts [C, D]; text.npy beside the features, if there")
    ] = None,
    learn_texts: Annotated[bool, typer.Option("--learn-texts", help="train texts that have no prompts")] = False,
    groups: Annotated[
        Path | None, typer.Option(help="csv of video, group, to measure each; groups.csv beside the features")
    ] = None,
    train_fraction: Annotated[float, typer.Option(min=0.001, max=1, help="share of the training samples")] = 1.0,
    dim: Annotated[int, typer.Option(help="width of the model")] = 512,
    epochs: Annotated[int | None, typer.Option(help="the data set's preset if left out; so are all below")] = None,
    batch_size: Annotated[int | None, typer.Option(help="samples of a step")] = None,
    lr: Annotated[float | None, typer.Option(help="learning rate")] = None,
    lr_new: Annotated[float | None, typer.Option(help="of sound stream, fusion and projections; --lr's")] = None,
    milestones: Annotated[str | None, typer.Option(help="epochs after which the rate falls, as 3,6,10")] = None,
    seed: Annotated[int | None, typer.Option(help="the first; the others follow it")] = None,
    val_fraction: Annotated[float | None, typer.Option(help="share of videos held out; 0: last epoch")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
) -> None:
    """Train and measure the rows of the paper's tables, and set the numbers beside the paper's."""
    from cmhkf.ablate import Study, measure_table, read_groups
    from cmhkf.ablation_report import markdown, write_table
    from cmhkf.datasets import open_dataset
    from cmhkf.encoders.precision import pick_device
    from cmhkf.tables import TABLES
    from cmhkf.train_config import TRAIN_PRESETS

    if unknown := set(table) - set(TABLES):
        raise ConfigError(f"there is no table {min(unknown)}; choose from {', '.join(map(str, TABLES))}")
    settings = {
        "epochs": epochs, "batch_size": batch_size, "lr": lr, "lr_new": lr_new, "seed": seed,
        "milestones": parse_milestones(milestones), "val_fraction": val_fraction,
    }  # fmt: skip
    given = {name: value for name, value in settings.items() if value is not None}
    texts, groups = text_features or _beside(features, "text.npy"), groups or _beside(features, "groups.csv")
    for number in table:
        chosen = TABLES[number]
        data = open_dataset(chosen.dataset, features)
        study = Study(
            data, replace(TRAIN_PRESETS[chosen.dataset], **given), out,
            dim=dim, train_fraction=train_fraction, text_features=texts, learn_texts=learn_texts,
            groups=read_groups(groups) if groups else None, device=pick_device(device),
        )  # fmt: skip
        typer.echo(data.describe(), err=True)
        first = study.train.seed
        measured = measure_table(study, chosen, range(first, first + seeds), on_run=_show)
        note = _describe(study, seeds)
        write_table(chosen, measured, out, note=note)
        typer.echo(f"{markdown(chosen, measured)}\n\n{note}\n")


def _beside(features: Path, name: str) -> Path | None:
    return features / name if (features / name).is_file() else None


def _show(row: Row, seed: int, outcome: Outcome) -> None:
    from cmhkf.ablate import figure_key

    headlines = ", ".join(
        f"{metric.upper()} {outcome.figures[figure_key('classifier', 'all', metric)]:.2f}" for metric in ("ap", "auc")
    )
    typer.echo(f"{row.label}, seed {seed}: {headlines} ({outcome.seconds:.0f} s)", err=True)


def _describe(study: Study, n_seeds: int) -> str:
    data, config = study.dataset, study.train
    return (
        f"Percent; mean and standard deviation of {n_seeds} trainings (seeds from {config.seed}) on "
        f"{study.train_fraction:.0%} of {len(data.train):,} samples in {data.folder.path.name}: {config.epochs} epochs "
        f"of batch {config.batch_size}, learning rate {config.lr:g}, width {study.dim}. The paper's numbers are of "
        "CLIP and VGGish features of the real videos."
    )
