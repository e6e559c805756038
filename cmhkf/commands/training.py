"""A training run as a command does it: from what there is to learn from to a checkpoint with its model card."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from tqdm import tqdm

from cmhkf.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cmhkf.model import build_model
from cmhkf.model_card import write_card
from cmhkf.train import Fitted, Step, fit
from cmhkf.training_log import EpochLog, Metric

if TYPE_CHECKING:
    from cmhkf.batches import Samples
    from cmhkf.config import ModelConfig, Recipe
    from cmhkf.model import CMHKF
    from cmhkf.train import ObjectiveFunction
    from cmhkf.train_config import TrainConfig

CHECKPOINT_FILE = "model.safetensors"
COLUMNS = (
    f"{'epoch':>5} {'step':>7} {'total':>8} {'bce':>8} {'nce':>8} {'na':>7} {'aa':>7} {'lr':>8} {'s':>7}  judged by"
)


class Start(NamedTuple):
    """What is to be trained."""

    name: str
    model: ModelConfig
    objective: ObjectiveFunction
    checkpoint: Checkpoint | None
    """To start from."""


class Material(NamedTuple):
    """What there is to learn from."""

    samples: Samples
    recipe: Recipe
    """The part of it that the model depends on."""
    texts: nn.Module
    """Gives the class texts."""
    judge: Callable[[CMHKF, nn.Module], Metric] | None
    """Chooses the epoch; None: the last is taken."""
    about: Mapping[str, Any]
    """For the model card."""
    metrics: Mapping[str, Any]
    """Measured before training."""


class RunOptions(NamedTuple):
    """What has no part in the result."""

    out: Path
    device: str
    resume: bool
    workers: int
    save_every: int


def train_on(material: Material, config: TrainConfig, start: Start, run: RunOptions) -> str:
    """Train, write the checkpoint and its card, and say in words for people what came of it."""
    torch.manual_seed(config.seed)
    model = fresh(start).to(run.device)
    with _LiveTable() as table:
        fitted = fit(
            model, material.texts, material.samples, config,
            objective=start.objective, validate=material.judge and partial(material.judge, model, material.texts),
            out=run.out, device=run.device, resume=run.resume,
            save_every=run.save_every, workers=run.workers, on_progress=table.show,
        )  # fmt: skip
    with torch.inference_mode():
        text = material.texts().cpu().numpy()
    best = fitted.best
    path = save_checkpoint(
        run.out / CHECKPOINT_FILE, model, recipe=material.recipe, text_features=text, name=start.name,
        provenance={**material.about, **_provenance(config, start, fitted)},
        metrics={**material.metrics, **({best.metric: best.value} if best.metric else {})},
    )  # fmt: skip
    card = write_card(load_checkpoint(path), path)
    return f"{path}: {_selection(fitted)}\n{card}: how it was made, and what is not known of it"


def fresh(start: Start) -> CMHKF:
    """A model with the weights to start from."""
    model = build_model(start.model)
    if start.checkpoint:
        model.load_state_dict(start.checkpoint.state)
    return model


def _provenance(config: TrainConfig, start: Start, fitted: Fitted) -> dict[str, Any]:
    """What a checkpoint says of its making."""
    parent = start.checkpoint
    return {
        "command": shlex.join(["python", "-m", "cmhkf", *sys.argv[1:]]),
        "started from": {"name": parent.name, "sha256": parent.sha256} if parent else "random weights",
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
