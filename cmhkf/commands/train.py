"""`python -m cmhkf train`: a feature folder and the labels of its videos in, a checkpoint out."""

from pathlib import Path
from typing import Annotated

import typer

from cmhkf.commands.options import DATASET_HELP, ConfigOption, CropOption, SetOption, StrictOption, make_folder
from cmhkf.errors import ConfigError
from cmhkf.progress import tell

PRESET_HELP = (
    "held-out, ours: a tenth of the videos chooses the epoch, a fifth of the samples loses its sound; "
    "or paper: neither, the test set chooses the epoch (optimistic), attention starts as VadCLIP's"
)


def train(  # noqa: PLR0913 (one parameter for each option)
    out: Annotated[Path, typer.Option(help="folder for the checkpoint, its card, training.csv, curves and the state")],
    *,
    features: Annotated[
        Path | None, typer.Option(help="feature folder, as distributed or as `extract` makes it")
    ] = None,
    dataset: Annotated[str, typer.Option(help=f"{DATASET_HELP}: the classes and labels")] = "",
    preset: Annotated[str, typer.Option(help=PRESET_HELP)] = "held-out",
    labels: Annotated[
        list[Path] | None, typer.Option(help="training labels exported from the page, in place of features and dataset")
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="vadclip, avadclip, mil, rtfm, ur-dmu, hl-net or macil-sd, for CMHKF")
    ] = "",
    finetune: Annotated[str, typer.Option(help="preset or checkpoint whose weights and texts to start from")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --out, if there is one")] = False,
    settings: SetOption = None,
    config: ConfigOption = None,
    select: Annotated[
        str | None, typer.Option(help="validation, or test: the literature's optimistic way; sets train.select")
    ] = None,
    text_features: Annotated[Path | None, typer.Option(help="fixed class texts [C, D] as .npy or .npz")] = None,
    train_list: Annotated[Path | None, typer.Option(help="looked for beside the features if left out")] = None,
    test_list: Annotated[Path | None, typer.Option(help="the same; for --select test")] = None,
    annotations: Annotated[Path | None, typer.Option(help="the same; for --select test")] = None,
    crop: CropOption = None,
    strict: StrictOption = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="processes that read features ahead")] = 0,
    save_every: Annotated[int, typer.Option(min=1, help="steps between two states")] = 200,
) -> None:
    """Train on weak labels: CMHKF with the paper's settings, or a baseline; or adapt a model to reviewed segments."""
    from cmhkf.encoders.device import pick_device
    from cmhkf.settings import changed
    from cmhkf.training.methods import PAIRING
    from cmhkf.training.processes import joined, launched
    from cmhkf.training.run import RunOptions, train_on
    from cmhkf.training.settings import part_of, read_settings

    chosen = read_settings(settings or ()).get("train.select", select)
    if select and chosen != select:
        raise ConfigError(f"--select {select} contradicts --set train.select={chosen}; leave out one")
    given = read_settings([*(settings or ()), *([f"train.select={select}"] if select else ())], config)
    whole = "--labels" if labels else f"--baseline {baseline}" if baseline in PAIRING else ""
    if whole and launched() > 1:
        raise ConfigError(f"{whole} needs all samples of a step in one process; start it without torchrun")
    run = RunOptions(out, pick_device(device), resume, workers, save_every, given)
    if labels:
        from cmhkf.training.adapt import adapt

        others = {"--preset": preset.removeprefix("held-out"), "--features": features, "--dataset": dataset}
        others |= {"--baseline": baseline, "--crop": crop, "--text-features": text_features}
        others |= {"--train-list": train_list, "--test-list": test_list, "--annotations": annotations}
        others |= {name: given.get(name) for name in ("train.select", "train.val_fraction")}
        if unused := [name for name, value in others.items() if value not in (None, "")]:
            raise ConfigError(f"{', '.join(unused)} cannot be used with --labels, which bring features and classes")
        make_folder(out)
        typer.echo(adapt(labels, finetune, run, strict=strict))
        return
    if not (features and dataset):
        raise ConfigError("give --features and --dataset, or --labels with --finetune")
    from cmhkf.datasets.sets import open_dataset
    from cmhkf.training.config import train_settings
    from cmhkf.training.methods import method_for
    from cmhkf.training.run import choose_start, choose_texts, fallbacks_of, material_of

    with joined(run.device) as own_device:
        run = run._replace(device=own_device)
        data = open_dataset(
            dataset, features, train_list=train_list, test_list=test_list, annotations=annotations, crop=crop
        )
        data.require("train")
        typer.echo(data.describe(), err=True)
        method = baseline or "cmhkf"
        how = changed(train_settings(data.spec.name, preset=preset, method=method), part_of(given, "train"))
        if how.select == "test":
            data.require("test")
        start = choose_start(data, how, baseline=baseline, finetune=finetune, settings=part_of(given, "model"))
        wanted = given.get("model.modalities", method_for(method, data.spec.name, how).model.modalities)
        fallbacks = fallbacks_of(data, how, start, wanted="" if finetune else wanted)
        tell(fallbacks, strict=strict)
        make_folder(out)
        texts = choose_texts(data, start, text_features, run.device)
        typer.echo(train_on(material_of(data, how, start, texts, fallbacks, run.device), how, start, run))
