"""`python -m cmhkf train`: a feature folder and the labels of its videos in, a checkpoint out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmhkf.errors import ConfigError

if TYPE_CHECKING:
    from cmhkf.commands.training import Material, Start
    from cmhkf.datasets import Dataset
    from cmhkf.texts import FixedTexts, PromptTexts
    from cmhkf.train_config import TrainConfig


def train(  # noqa: PLR0913 (one parameter for each option)
    out: Annotated[Path, typer.Option(help="folder for the checkpoint, its card, training.csv, curves and the state")],
    *,
    features: Annotated[
        Path | None, typer.Option(help="feature folder, as distributed or as `extract` makes it")
    ] = None,
    dataset: Annotated[str, typer.Option(help="xd-violence or ucf-crime: the classes, and the paper's settings")] = "",
    labels: Annotated[
        list[Path] | None, typer.Option(help="training labels exported from the page, in place of features and dataset")
    ] = None,
    baseline: Annotated[str, typer.Option(help="vadclip or mil, in place of CMHKF")] = "",
    finetune: Annotated[str, typer.Option(help="preset or checkpoint whose weights and texts to start from")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --out, if there is one")] = False,
    text_features: Annotated[Path | None, typer.Option(help="fixed class texts [C, D] as .npy or .npz")] = None,
    dim: Annotated[int | None, typer.Option(help="width of the model; 512 if left out")] = None,
    train_list: Annotated[Path | None, typer.Option(help="looked for beside the features if left out")] = None,
    test_list: Annotated[Path | None, typer.Option(help="the same; for --select test")] = None,
    annotations: Annotated[Path | None, typer.Option(help="the same; for --select test")] = None,
    epochs: Annotated[int | None, typer.Option(help="the data set's preset if left out; so are all below")] = None,
    batch_size: Annotated[int | None, typer.Option(help="samples of a step")] = None,
    balanced: Annotated[bool | None, typer.Option(help="as many normal as anomalous samples in a step")] = None,
    lr: Annotated[float | None, typer.Option(help="learning rate")] = None,
    lr_new: Annotated[float | None, typer.Option(help="of sound stream, fusion and projections; --lr's")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="AdamW's")] = None,
    milestones: Annotated[str | None, typer.Option(help="epochs after which the rate falls, as 3,6,10")] = None,
    gamma: Annotated[float | None, typer.Option(help="factor by which it falls")] = None,
    lambda_na: Annotated[float | None, typer.Option(help="weight of L_NA")] = None,
    lambda_aa: Annotated[float | None, typer.Option(help="weight of L_AA")] = None,
    drop_audio: Annotated[float | None, typer.Option(help="share of samples that lose their sound")] = None,
    seed: Annotated[int | None, typer.Option(help="of fresh weights, order, split and modality dropout")] = None,
    val_fraction: Annotated[float | None, typer.Option(help="share of videos held out; 0: last epoch")] = None,
    select: Annotated[str | None, typer.Option(help="validation, or test: the literature's optimistic way")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, bf16, or on CUDA fp16")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="processes that read features ahead")] = 0,
    save_every: Annotated[int, typer.Option(min=1, help="steps between two states")] = 200,
) -> None:
    """Train on weak labels: CMHKF with the paper's settings, or a baseline; or adapt a model to reviewed segments."""
    from cmhkf.commands.training import RunOptions, train_on
    from cmhkf.encoders.precision import pick_device

    settings = {
        "epochs": epochs, "batch_size": batch_size, "balanced": balanced, "lr": lr, "lr_new": lr_new,
        "weight_decay": weight_decay, "milestones": parse_milestones(milestones), "gamma": gamma,
        "lambda_na": lambda_na, "lambda_aa": lambda_aa, "drop_audio": drop_audio, "seed": seed,
        "val_fraction": val_fraction, "select": select, "precision": precision,
    }  # fmt: skip
    given = {name: value for name, value in settings.items() if value is not None}
    run = RunOptions(out, pick_device(device), resume, workers, save_every)
    if labels:
        from cmhkf.commands.feedback import adapt

        others = {"--features": features, "--dataset": dataset, "--baseline": baseline, "--dim": dim,
                  "--text-features": text_features, "--select": select, "--val-fraction": val_fraction}  # fmt: skip
        if unused := [name for name, value in others.items() if value not in (None, "")]:
            raise ConfigError(f"{', '.join(unused)} cannot be used with --labels, which bring features and classes")
        typer.echo(adapt(labels, finetune, given, run))
        return
    if not (features and dataset):
        raise ConfigError("give --features and --dataset, or --labels with --finetune")
    from cmhkf.datasets import open_dataset
    from cmhkf.train_config import TRAIN_PRESETS

    data = open_dataset(dataset, features, train_list=train_list, test_list=test_list, annotations=annotations)
    data.require("train")
    typer.echo(data.describe(), err=True)
    config = replace(TRAIN_PRESETS[dataset], **given)
    if config.select == "test":
        data.require("test")
    start = choose_start(data, config, baseline=baseline, finetune=finetune, dim=dim)
    texts = choose_texts(data, start, text_features, run.device)
    typer.echo(train_on(material_of(data, config, start, texts, run.device), config, start, run))


def parse_milestones(text: str | None) -> tuple[int, ...] | None:
    """Numbers from "3,6,10". Raises ConfigError."""
    try:
        return None if text is None else tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"milestones are {text!r}; give epochs as 3,6,10") from None


def choose_start(data: Dataset, config: TrainConfig, *, baseline: str, finetune: str, dim: int | None) -> Start:
    """The model of a method in the widths of the features, or that of a checkpoint, and its objective.

    Raises:
        ConfigError: an unknown method, or a checkpoint of another method, of other classes, or beside `dim`.
        CheckpointError: it cannot be read, or was trained on other features.
    """
    from cmhkf.analyzer import load_head
    from cmhkf.commands.training import Start
    from cmhkf.methods import in_widths_of, method_for

    name, folder = data.spec.name, data.folder
    model, objective = method_for(baseline or "cmhkf", name, config)
    if finetune:
        checkpoint = load_head(finetune)
        if dim is not None or checkpoint.config.architecture != model.architecture:
            raise ConfigError(
                f"{finetune} brings its own model, of the architecture {checkpoint.config.architecture!r}: leave out "
                "--dim, and give the --baseline that it was trained as, if any"
            )
        checkpoint.require_recipe(folder.recipe_for(checkpoint.config.modalities))
        if checkpoint.classes != data.spec.classes:
            raise ConfigError(f"{finetune} knows the classes {checkpoint.classes}, {name} has {data.spec.classes}")
        return Start(checkpoint.name, checkpoint.config, objective, checkpoint)
    model = in_widths_of(folder, model, dim=dim)
    if not folder.audio_dim:
        model = replace(model, modalities=model.modalities.replace("A", ""))
    return Start(f"{baseline}-{name}" if baseline else name, model, objective, None)


def choose_texts(data: Dataset, start: Start, file: Path | None, device: str) -> FixedTexts | PromptTexts:
    """The class texts: those of a file, those of the checkpoint, or those that belong to the features."""
    from cmhkf.texts import FixedTexts, texts_for

    if start.checkpoint and not file:
        return FixedTexts(start.checkpoint.text_features)
    return texts_for(data.folder.recipe, start.model, file=file, device=device)


def material_of(
    data: Dataset, config: TrainConfig, start: Start, texts: FixedTexts | PromptTexts, device: str
) -> Material:
    """The training videos of a data set, and what judges an epoch."""
    from cmhkf.batches import FolderSamples
    from cmhkf.commands.training import Material
    from cmhkf.validation import headline_on_test, hold_out, video_auc

    folder = data.folder
    entries, held = hold_out(data.train, config)
    judge = None
    if config.select == "test":
        judge = partial(headline_on_test, dataset=data, device=device)
    elif held:
        judge = partial(video_auc, samples=FolderSamples(folder, held), device=device)
    about = {
        "dataset": data.spec.name,
        "videos": {
            "trained on": len({entry.name for entry in entries}), "held out": len(held),
            "listed but without features": len(data.missing),
        },
        "recipe": "assumed: that of the released features is not published"
        if folder.recipe_assumed else "stamped on the features",
    }  # fmt: skip
    recipe = folder.recipe_for(start.model.modalities)
    return Material(FolderSamples(folder, entries), recipe, texts, judge, about, {})
