"""`python -m cmhkf train`: a feature folder and the labels of its videos in, a checkpoint out."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from tqdm import tqdm

from cmhkf.errors import ConfigError

if TYPE_CHECKING:
    from cmhkf.checkpoint import Checkpoint
    from cmhkf.config import ModelConfig
    from cmhkf.datasets import Dataset
    from cmhkf.texts import FixedTexts, PromptTexts
    from cmhkf.train import Fitted, ObjectiveFunction, Step
    from cmhkf.train_config import TrainConfig
    from cmhkf.training_log import EpochLog

CHECKPOINT_FILE = "model.safetensors"
COLUMNS = (
    f"{'epoch':>5} {'step':>7} {'total':>8} {'bce':>8} {'nce':>8} {'na':>7} {'aa':>7} {'lr':>8} {'s':>7}  judged by"
)


def train(  # noqa: PLR0913 (one parameter for each option)
    features: Annotated[Path, typer.Option(help="feature folder, as distributed or as `extract` makes it")],
    dataset: Annotated[str, typer.Option(help="xd-violence or ucf-crime: the classes, and the paper's settings")],
    out: Annotated[Path, typer.Option(help="folder for the checkpoint, training.csv, curves and the state")],
    *,
    baseline: Annotated[str, typer.Option(help="vadclip or mil, in place of CMHKF")] = "",
    finetune: Annotated[Path | None, typer.Option(help="checkpoint whose weights and texts to start from")] = None,
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
    """Train on weak labels: CMHKF with the paper's settings, or a baseline."""
    from cmhkf.datasets import open_dataset
    from cmhkf.encoders.precision import pick_device
    from cmhkf.train_config import TRAIN_PRESETS

    device = pick_device(device)
    data = open_dataset(dataset, features, train_list=train_list, test_list=test_list, annotations=annotations)
    data.require("train")
    typer.echo(data.describe(), err=True)
    settings = {
        "epochs": epochs, "batch_size": batch_size, "balanced": balanced, "lr": lr, "lr_new": lr_new,
        "weight_decay": weight_decay, "milestones": parse_milestones(milestones), "gamma": gamma,
        "lambda_na": lambda_na, "lambda_aa": lambda_aa, "drop_audio": drop_audio, "seed": seed,
        "val_fraction": val_fraction, "select": select, "precision": precision,
    }  # fmt: skip
    config = replace(TRAIN_PRESETS[dataset], **{name: value for name, value in settings.items() if value is not None})
    if config.select == "test":
        data.require("test")
    start = choose_start(data, config, baseline=baseline, finetune=finetune, dim=dim)
    run = RunOptions(out, device, resume, text_features, workers, save_every)
    typer.echo(train_dataset(data, config, start, run))


class Start(NamedTuple):
    """What is to be trained."""

    name: str
    model: ModelConfig
    objective: ObjectiveFunction
    checkpoint: Checkpoint | None
    """To start from."""


class RunOptions(NamedTuple):
    """What has no part in the result."""

    out: Path
    device: str
    resume: bool
    text_features: Path | None
    workers: int
    save_every: int


def parse_milestones(text: str | None) -> tuple[int, ...] | None:
    """Numbers from "3,6,10". Raises ConfigError."""
    try:
        return None if text is None else tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"milestones are {text!r}; give epochs as 3,6,10") from None


def choose_start(data: Dataset, config: TrainConfig, *, baseline: str, finetune: Path | None, dim: int | None) -> Start:
    """The model of a method in the widths of the features, or that of a checkpoint, and its objective.

    Raises:
        ConfigError: an unknown method, or a checkpoint of another method, of other classes, or beside `dim`.
        CheckpointError: it cannot be read, or was trained on other features.
    """
    from cmhkf.checkpoint import load_checkpoint
    from cmhkf.methods import in_widths_of, method_for

    name, folder = data.spec.name, data.folder
    model, objective = method_for(baseline or "cmhkf", name, config)
    if finetune:
        checkpoint = load_checkpoint(finetune)
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


def train_dataset(data: Dataset, config: TrainConfig, start: Start, run: RunOptions) -> str:
    """Train, write the checkpoint, and say in words for people what came of it."""
    import torch

    from cmhkf.batches import FolderSamples
    from cmhkf.checkpoint import save_checkpoint
    from cmhkf.model import build_model
    from cmhkf.train import fit
    from cmhkf.validation import headline_on_test, hold_out, video_auc

    folder = data.folder
    entries, held = hold_out(data.train, config)
    torch.manual_seed(config.seed)
    model = build_model(start.model).to(run.device)
    if start.checkpoint:
        model.load_state_dict(start.checkpoint.state)
    texts = choose_texts(data, start, run)
    validate = None
    if config.select == "test":
        validate = partial(headline_on_test, model, texts, data, device=run.device)
    elif held:
        validate = partial(video_auc, model, texts, FolderSamples(folder, held), device=run.device)
    with _LiveTable() as table:
        fitted = fit(
            model, texts, FolderSamples(folder, entries), config,
            objective=start.objective, validate=validate, out=run.out, device=run.device, resume=run.resume,
            save_every=run.save_every, workers=run.workers, on_progress=table.show,
        )  # fmt: skip
    with torch.inference_mode():
        text = texts().cpu().numpy()
    best = fitted.best
    path = save_checkpoint(
        run.out / CHECKPOINT_FILE, model,
        recipe=folder.recipe_for(start.model.modalities), text_features=text, name=start.name,
        provenance=provenance(data, config, fitted, n_trained=len({e.name for e in entries}), n_held=len(held)),
        metrics={best.metric: best.value} if best.metric else {},
    )  # fmt: skip
    return f"{path}: {_selection(fitted)}"


def choose_texts(data: Dataset, start: Start, run: RunOptions) -> FixedTexts | PromptTexts:
    """The class texts: those of a file, those of the checkpoint, or those that belong to the features."""
    from cmhkf.texts import FixedTexts, texts_for

    if start.checkpoint and not run.text_features:
        return FixedTexts(start.checkpoint.text_features)
    return texts_for(data.folder.recipe, start.model, file=run.text_features, device=run.device)


def provenance(data: Dataset, config: TrainConfig, fitted: Fitted, *, n_trained: int, n_held: int) -> dict[str, Any]:
    """What a checkpoint says of its making."""
    import torch

    assumed = data.folder.recipe_assumed
    return {
        "command": shlex.join(["python", "-m", "cmhkf", *sys.argv[1:]]),
        "dataset": data.spec.name,
        "videos": {"trained on": n_trained, "held out": n_held, "listed but without features": len(data.missing)},
        "recipe": "assumed: that of the released features is not published" if assumed else "stamped on the features",
        "selection": _selection(fitted),
        "seed": config.seed,
        "config": asdict(config),
        "epochs": len(fitted.log),
        "seconds": round(fitted.log[-1].seconds, 1),
        "torch": torch.__version__,
    }


def _selection(fitted: Fitted) -> str:
    best, n = fitted.best, len(fitted.log)
    return f"epoch {best.epoch} of {n}, {best.metric} {best.value:.4f}" if best.metric else f"the last of {n} epochs"


class _LiveTable:
    """A row for each epoch, and a bar for the steps of the one at work."""

    def __enter__(self) -> _LiveTable:
        self.bar = tqdm(unit="step", leave=False, file=sys.stderr, disable=None)
        self.bar.write(COLUMNS, file=sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, progress: Step | EpochLog) -> None:
        if isinstance(progress, tuple):
            self.bar.total = progress.total
            self.bar.set_postfix_str(f"loss {progress.loss:.4f}", refresh=False)
            self.bar.update(progress.done - self.bar.n)
            return
        row, judged = progress, progress.metric and f"{progress.value:.4f} {progress.metric}"
        self.bar.write(
            f"{row.epoch:5d} {row.step:7d} {row.total:8.4f} {row.bce:8.4f} {row.nce:8.4f} {row.na:7.4f} {row.aa:7.4f} "
            f"{row.lr:8.1e} {row.seconds:7.0f}  {judged or 'nothing: the last is taken'}",
            file=sys.stderr,
        )
        self.bar.reset()
