"""A training run as a command does it: from what there is to learn from to a checkpoint with its model card."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from cmhkf.datasets.sets import Dataset
from cmhkf.errors import CheckpointError, ConfigError
from cmhkf.features.recipe import Recipe
from cmhkf.model.build import Model, fresh_model
from cmhkf.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cmhkf.model.config import ModelConfig
from cmhkf.model.run import NORMAL_FOOTAGE
from cmhkf.model.texts import FixedTexts, PromptTexts, TextSource
from cmhkf.model.trained_on import TRAINING_VIDEOS, warning, with_parent
from cmhkf.presets import checkpoint_path
from cmhkf.progress import Fallback, said_of, say
from cmhkf.settings import changed, picked
from cmhkf.training.batches import FolderSamples, Samples
from cmhkf.training.card import write_card
from cmhkf.training.config import TrainConfig
from cmhkf.training.fit import Fitted, ObjectiveFunction, StepDone, fit
from cmhkf.training.log import EpochLog, Metric
from cmhkf.training.methods import in_widths_of, method_for
from cmhkf.training.processes import rank, world
from cmhkf.training.selection import hold_out, judge_of, normal_held
from cmhkf.training.version import described

NO_WORDS = "holds rows that cannot be compared with class texts"
CHECKPOINT_FILE = "model.safetensors"
COLUMNS = (
    f"{'epoch':>5} {'step':>7} {'total':>8} {'bce':>8} {'nce':>8} {'na':>7} {'aa':>7} {'lr':>8} {'s':>7}  judged by"
)


class Start(NamedTuple):
    """What is to be trained."""

    name: str
    model: ModelConfig
    objective: ObjectiveFunction
    checkpoint: Checkpoint | None  # to start from


class Material(NamedTuple):
    """What there is to learn from."""

    samples: Samples
    recipe: Recipe  # the part of it that the model depends on
    texts: nn.Module  # gives the class texts
    judge: Callable[[Model, nn.Module], Metric] | None  # chooses the epoch; None: the last is taken
    about: Mapping[str, Any]  # for the model card
    metrics: Mapping[str, Any]  # measured before training
    videos: Sequence[str]  # names of the videos that are trained on
    normal: Callable[[Model, Tensor], Any] | None = None  # what `normal_footage` tells, given the class texts


class RunOptions(NamedTuple):
    """What has no part in the result."""

    out: Path
    device: str
    resume: bool
    workers: int
    save_every: int
    given: Mapping[str, Any] = {}  # what was set with --set and --config, by dotted name


def choose_start(
    data: Dataset, config: TrainConfig, *, baseline: str, finetune: str, settings: Mapping[str, Any]
) -> Start:
    """The model of a method in the widths of the features, or that of a checkpoint, and its objective.

    Args:
        data: what to train on.
        config: how.
        baseline: one of METHODS, or "" for CMHKF.
        finetune: the checkpoint to start from, or "".
        settings: fields of the model that differ, by dotted name.

    Raises:
        ConfigError: an unknown method, settings that a baseline does not take, a checkpoint of another method or of
            other classes, or settings that its weights do not fit.
        CheckpointError: it cannot be read, or was trained on other features.
    """
    name, folder = data.spec.name, data.folder
    method = baseline or "cmhkf"
    model, objective = method_for(method, name, config, classes=data.spec.classes)
    takes = {"cmhkf": settings, "vadclip": ("dim",), "avadclip": ("dim",)}.get(method, ())
    if refused := [f"model.{setting}" for setting in settings if setting not in takes]:
        raise ConfigError(
            f"--baseline {baseline} does not take {', '.join(refused)}, which would make it another method; it takes "
            f"{' and '.join([*(f'model.{setting}' for setting in takes), 'train.*'])}"
        )
    if finetune:
        checkpoint = load_head(finetune).changed(settings)
        if checkpoint.config.architecture != model.architecture:
            raise ConfigError(
                f"{finetune} brings its own model, of the architecture {checkpoint.config.architecture!r}: "
                "give the --baseline that it was trained as, if any"
            )
        checkpoint.require_recipe(folder.recipe_for(checkpoint.config.modalities))
        if checkpoint.classes != data.spec.classes:
            raise ConfigError(f"{finetune} knows the classes {checkpoint.classes}, {name} has {data.spec.classes}")
        return Start(checkpoint.name, checkpoint.config, objective, checkpoint)
    if not folder.audio_dim:
        if "A" in settings.get("modalities", ""):
            raise ConfigError(f"model.modalities is {settings['modalities']}, but {folder.path} holds no sound")
        model = replace(model, modalities=model.modalities.replace("A", ""))
    if not folder.has_semantics:
        if "T" in settings.get("modalities", ""):
            raise ConfigError(f"model.modalities is {settings['modalities']}, but {folder.path} {NO_WORDS}")
        model = replace(model, modalities=model.modalities.replace("T", ""))
    model = changed(in_widths_of(folder, model), settings)
    return Start(f"{baseline}-{name}" if baseline else name, model, objective, None)


def fallbacks_of(data: Dataset, config: TrainConfig, start: Start, *, wanted: str) -> list[Fallback]:
    """What is done where the data that a run uses is not as it should be.

    `wanted` are the modalities requested. Raises DataError as `Dataset.fallbacks` does.
    """
    used = start.model.modalities
    found = data.fallbacks("train", hears="A" in used)
    if config.select == "test":
        found += data.fallbacks("test", hears="A" in used)
    if "T" in wanted and "T" not in used and not data.folder.has_semantics:
        found.insert(0, Fallback(f"{data.folder.path} {NO_WORDS}, so the model has no text stream", ()))
    if "A" in wanted and "A" not in used:
        said = f"{data.folder.path} holds no sound, so the model reads {used} instead of {wanted}"
        found.insert(0, Fallback(said, ()))
    return found


def choose_texts(data: Dataset, start: Start, file: Path | None, device: str) -> FixedTexts | PromptTexts:
    """The class texts: those of a file, those of the checkpoint, or those that belong to the features.

    Prompts that the checkpoint has learned go on learning.
    """
    prompts = start.checkpoint.prompts if start.checkpoint else None
    if start.checkpoint and not file and prompts is None:
        if start.model.knows_classes:
            say("the class texts stay as they are: the checkpoint holds no learned prompts")
        return FixedTexts(start.checkpoint.text_features)
    return TextSource(data.folder.recipe, file=file, device=device).make(start.model, prompts=prompts)


def material_of(
    data: Dataset, config: TrainConfig, start: Start, texts: nn.Module, fallbacks: list[Fallback], device: str
) -> Material:
    """The training videos of a data set, and what judges an epoch."""

    folder = data.folder
    entries, held = hold_out(data.train, config)
    about = {
        "dataset": data.spec.name,
        "videos": {
            "trained on": len({entry.name for entry in entries}),
            "held out": len(held),
            "listed but without features": len(data.missing),
        },
        "crops trained on": ", ".join(map(str, sorted({entry.crop for entry in entries}))),
        "fallbacks of data": said_of(fallbacks),
        "recipe": "assumed: that of the released features is not published"
        if folder.recipe_assumed
        else "stamped on the features",
    }
    metrics = {}
    judging = data.test_names if config.select == "test" else [entry.name for entry in held]
    if start.checkpoint and (note := warning(start.checkpoint, judging)):
        say(f"note: {note}")
        metrics["note"] = note
    recipe, videos = folder.recipe_for(start.model.modalities), [entry.name for entry in entries]
    judge = judge_of(data, config, held, device=device)
    normal = partial(normal_held, folder=folder, held=held) if held and start.model.knows_classes else None
    return Material(FolderSamples(folder, entries), recipe, texts, judge, about, metrics, videos, normal)


def train_on(material: Material, config: TrainConfig, start: Start, run: RunOptions) -> str:
    """Train, write the checkpoint and its card, and say in words for people what came of it.

    Of several processes the first one does; the others only train.
    """
    torch.manual_seed(config.seed)
    model = fresh(start, config).to(run.device)
    with _LiveTable() as table:
        fitted = fit(
            model,
            material.texts,
            material.samples,
            config,
            objective=start.objective,
            validate=material.judge and partial(material.judge, model, material.texts),
            **picked(run, "out", "device", "resume", "save_every", "workers"),
            on_progress=table.show,
        )
    if rank():
        return ""
    with torch.inference_mode():
        text = material.texts()
    best, metrics = fitted.best, dict(material.metrics)
    if best.metric:
        metrics[best.metric] = best.value
    if material.normal:
        metrics[NORMAL_FOOTAGE] = material.normal(model.eval(), text)
    path = save_checkpoint(
        run.out / CHECKPOINT_FILE,
        model,
        recipe=material.recipe,
        text_features=text.cpu().numpy(),
        name=start.name,
        provenance={
            **material.about,
            **_provenance(config, start, fitted, run),
            TRAINING_VIDEOS: with_parent(material.videos, start.checkpoint),
        },
        metrics=metrics,
        prompts=_prompts(material.texts, start),
    )
    card = write_card(load_checkpoint(path), path)
    return f"{path}: {_selection(fitted)}\n{card}: how it was made, and what is not known of it"


def _prompts(texts: nn.Module, start: Start) -> np.ndarray | None:
    """The prompts behind the class texts: those learned, or those of the checkpoint whose texts were kept."""
    if isinstance(texts, PromptTexts):
        return texts.table
    held = start.checkpoint
    kept = held and held.prompts is not None and np.array_equal(texts().cpu().numpy(), held.text_features)
    return held.prompts if held and kept else None


def fresh(start: Start, config: TrainConfig) -> Model:
    """A model with the weights to start from."""
    model = fresh_model(start.model, config.init)
    if start.checkpoint:
        model.load_state_dict(start.checkpoint.state)
    return model


def _provenance(config: TrainConfig, start: Start, fitted: Fitted, run: RunOptions) -> dict[str, Any]:
    """What a checkpoint says of its making."""
    parent = start.checkpoint
    optimistic = {"optimistic": said} if (said := _optimistic(config, parent, fitted)) else {}
    return optimistic | {
        "command": shlex.join(["python", "-m", "cmhkf", *sys.argv[1:]]),
        "started from": picked(parent, "name", "sha256") if parent else "random weights",
        "selection": _selection(fitted),
        "seed": config.seed,
        "set": dict(run.given) or "nothing: the preset as it is",
        "config": asdict(config),
        "epochs": len(fitted.log),
        "seconds": round(fitted.log[-1].seconds, 1),
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "code": described(),
        "torch": torch.__version__,
        "device": _device(run.device),
    }


def _device(name: str) -> str:
    kind = torch.cuda.get_device_name(name) if name.startswith("cuda") else platform.processor() or platform.machine()
    several = f"{world()} processes, each " if world() > 1 else ""
    return f"{several}{name} ({kind}), {torch.get_num_threads()} threads"


def _optimistic(config: TrainConfig, parent: Checkpoint | None, fitted: Fitted) -> str:
    """Why figures on a test set are too good: the epoch was chosen on it, this model's or that of its parent."""
    if config.select == "test":
        return f"the epoch was chosen by {fitted.best.metric}, so that figures on that test set are too good"
    return f"it started from {parent.name!r}, of which: {parent.optimistic}" if parent and parent.optimistic else ""


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

    def show(self, progress: StepDone | EpochLog) -> None:
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


def load_head(spec: str) -> Checkpoint:
    """The checkpoint of a preset, a file or "hf:owner/repo", without its encoders. Raises CheckpointError."""
    if (path := checkpoint_path(spec)) is None:
        raise CheckpointError(f"the preset {spec!r} has no checkpoint here; train one first, or name a checkpoint file")
    return load_checkpoint(path)
