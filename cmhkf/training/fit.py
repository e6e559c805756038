"""Training: AdamW over the objective of a model, epoch by epoch, in a way that survives being killed.

Nothing random is remembered: the order of an epoch, modality dropout (E22) and layers that drop values draw from
generators seeded with (seed, epoch, step). So a run that goes on from its state file equals an unbroken one, bit for
bit on a CPU. Settings and their sources: `TrainConfig`.

Of several processes each computes its share of a step, and DistributedDataParallel averages the gradients. Order and
modality dropout are drawn for the whole step, the same in all of them; layers that drop values draw in each their own.
"""

import math
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm
from torch.utils.data import DataLoader

from cmhkf.errors import CheckpointError, CmhkfError, ConfigError, TrainingError
from cmhkf.files import replacing
from cmhkf.model import losses
from cmhkf.model.baselines.macil_sd import MacilSd
from cmhkf.model.build import Model
from cmhkf.model.config import ModelConfig
from cmhkf.model.losses import Objective
from cmhkf.settings import picked
from cmhkf.timeline import WINDOW_SNIPPETS
from cmhkf.training.batches import Batch, Sample, Samples, collate, content_of, plan_epoch
from cmhkf.training.config import TrainConfig
from cmhkf.training.log import PARTS, EpochLog, Metric, best_of, draw_curves, write_table
from cmhkf.training.processes import rank, share_of, summed, world

STATE_FILE, TABLE_FILE, CURVES_FILE = "state.pt", "training.csv", "curves.png"
NEW_MODULES = ("video_in.", "text_in.", "sound.", "fusion.")  # not VadCLIP's
MAY_CHANGE = ("epochs", "lr", "lr_new")  # when a run goes on
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# Of a ModelOutput, the targets [B, C] and, as `text`, the class texts [C, D_s]
ObjectiveFunction = Callable[..., Objective]


class StepDone(NamedTuple):
    """Steps done in an epoch, those it has, and the loss of the last."""

    done: int
    total: int
    loss: float


@dataclass(frozen=True)
class Fitted:
    """What came of a run; model and texts hold the values of the best epoch."""

    log: tuple[EpochLog, ...]
    best: EpochLog


def fit(
    model: Model,
    texts: nn.Module,
    samples: Samples,
    config: TrainConfig,
    *,
    objective: ObjectiveFunction | None = None,
    validate: Callable[[], Metric] | None = None,
    out: Path | None = None,
    device: str = "cpu",
    resume: bool = False,
    save_every: int = 200,
    workers: int = 0,
    on_progress: Callable[[StepDone | EpochLog], None] | None = None,
) -> Fitted:
    """Train a model in place; of several processes (`processes.joined`) each calls this alike, and the first writes.

    Args:
        model: from `build_model`, or anything with its forward and config. The caller seeds its fresh weights.
        texts: a module without arguments that gives the class texts [C, D_s]; its parameters are trained as well.
        samples: the training set.
        config: how; of several processes each takes `batch_size` samples a step.
        objective: None: the paper's (Eq. 11). Of several processes it must be a mean over the samples.
        validate: chooses the epoch; called after each with the model in evaluation mode. None: the last epoch.
        out: folder for the state, `training.csv` and `curves.png`; None: nothing is written.
        device: "cpu", "cuda" or "cuda:N".
        resume: go on from the state in `out`, if there is one.
        save_every: steps between two states; one is written after each epoch too.
        workers: processes that read samples ahead; 0: this one reads.
        on_progress: told after each step and each epoch.

    Raises:
        ConfigError: fp16 on a CPU; a state in `out` without `resume`, or one of other settings or data.
        CheckpointError: the state cannot be read.
        CmhkfError: what reading a sample raises, from a worker process too.
        TrainingError: loss or gradients are no longer finite.
    """
    objective, about = objective or paper_objective(config), _about(model, samples, config) if out else {}
    path = out / STATE_FILE if out else None
    run = _Run(model.to(device), texts.to(device), config, objective, about, path, torch.device(device))
    run.open(resume=resume)
    while len(run.log) < config.epochs:
        plan = plan_epoch(
            samples.labels,
            batch_size=config.batch_size * world(),
            balanced=config.balanced,
            seed=config.seed,
            epoch=len(run.log),
        )
        run.begin_epoch()
        steps = plan[run.done :]
        batches = DataLoader(
            _Told(samples),  # type: ignore[arg-type]
            batch_sampler=[chosen[share_of(len(chosen))[0]].tolist() for chosen in steps],
            collate_fn=partial(_stack_told, config=model.config),
            num_workers=workers,
            generator=torch.Generator(),  # or it would draw from the caller's
        )
        for chosen, batch in zip(steps, batches, strict=True):
            if isinstance(batch, CmhkfError):
                raise batch
            loss = run.step(batch, len(chosen))
            if on_progress:
                on_progress(StepDone(run.done, len(plan), loss))
            if run.done % save_every == 0 and run.done < len(plan):
                run.save()
        run.end_epoch(validate)
        run.save()
        if on_progress:
            on_progress(run.log[-1])
    if out and not rank():
        draw_curves(out / CURVES_FILE, run.log)
    run.take_best()
    return Fitted(tuple(run.log), best_of(run.log))


def paper_objective(config: TrainConfig) -> ObjectiveFunction:
    """Eq. 11 with the weights of a config."""
    return partial(losses.total, lambda_na=config.lambda_na, lambda_aa=config.lambda_aa)


def stack(samples: Sequence[Sample], config: ModelConfig) -> Batch:
    """A batch, padded to its longest sample where padding changes nothing for the model, else to a whole window."""
    longest = max(len(sample.video) for sample in samples)
    return collate(samples, len(config.classes), length=longest if config.mask_padding else WINDOW_SNIPPETS)


class _Told:
    """Samples whose errors come out as values: a worker process would wrap them into its own traceback."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> Sample | CmhkfError:
        try:
            return self.samples[i]
        except CmhkfError as error:
            return error


def _stack_told(found: Sequence[Sample | CmhkfError], config: ModelConfig) -> Batch | CmhkfError:
    """A batch, or the first error among its samples."""
    error = next((held for held in found if isinstance(held, CmhkfError)), None)
    return error or stack([held for held in found if not isinstance(held, CmhkfError)], config)


def _about(model: Model, samples: Samples, config: TrainConfig) -> dict[str, Any]:
    """What must be the same when a run goes on."""
    settings = {name: value for name, value in asdict(config).items() if name not in MAY_CHANGE}
    settings["batch_size"] *= world()
    known = {"labels of the samples": [*map(tuple, samples.labels)], "features of the samples": content_of(samples)}
    return settings | asdict(model.config) | known


@contextmanager
def _seeded(*seeds: int, device: torch.device) -> Iterator[None]:
    """Give torch's generators a state that depends on the seeds alone, and put their own back."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0]))
        yield


class _Loss(nn.Module):
    """Model, texts and objective as one module, of which several processes can share the gradients."""

    def __init__(self, model: Model, texts: nn.Module, objective: ObjectiveFunction, lambda_snippets: float) -> None:
        super().__init__()
        self.model, self.texts, self.objective, self.lambda_snippets = model, texts, objective, lambda_snippets

    def forward(self, batch: Batch, has_audio: Tensor) -> Objective:
        text = self.texts()
        output = batch.look(self.model, text, has_audio=has_audio)
        parts = self.objective(output, batch.targets, text=text)
        if batch.snippet_targets is None:
            return parts
        known = losses.snippet_bce(output.logits, output.mask, batch.snippet_targets)
        return parts._replace(total=parts.total + self.lambda_snippets * known)


@dataclass(eq=False)
class _Run:
    """All of a run that changes from step to step."""

    model: Model
    texts: nn.Module
    config: TrainConfig
    objective: ObjectiveFunction
    about: dict[str, Any]
    path: Path | None  # of the state; None: it is not kept
    device: torch.device
    log: list[EpochLog] = field(default_factory=list)
    done: int = 0  # steps of the epoch at work
    sums: list[float] = field(default_factory=lambda: [0.0] * len(PARTS))  # of the losses of these steps
    seconds: float = 0.0
    best: dict[str, Any] | None = None  # the values of the best epoch, where a metric chooses it

    def __post_init__(self) -> None:
        if self.config.precision == "fp16" and self.device.type == "cpu":
            raise ConfigError("precision is fp16, which needs CUDA; choose bf16 or fp32 on a CPU")
        new = [p for name, p in self.model.named_parameters() if name.startswith(NEW_MODULES)]
        old = [p for name, p in self.model.named_parameters() if not name.startswith(NEW_MODULES)]
        groups = [{"params": [*old, *self.texts.parameters()]}, {"params": new}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=self.config.weight_decay)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.config.precision == "fp16")
        self.loss: nn.Module = _Loss(self.model, self.texts, self.objective, self.config.lambda_snippets)
        if world() > 1:  # a share without any audio leaves the audio's parameters unused
            self.loss = DistributedDataParallel(self.loss, find_unused_parameters=True)
        self.clock = time.perf_counter()

    def begin_epoch(self) -> None:
        """Set the learning rates (MultiStepLR's, by epoch) and the training mode."""
        config = self.config
        decay = config.gamma ** sum(milestone <= len(self.log) for milestone in config.milestones)
        rates = config.lr, config.lr if config.lr_new is None else config.lr_new
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * decay
        self.model.train()

    def step(self, batch: Batch, n: int) -> float:
        """One step on this process's share of n samples; returns the loss of all of them.

        Raises TrainingError where it is not finite, before any parameter changes.
        """
        config, place = self.config, (self.config.seed, len(self.log), self.done)
        mine, share = share_of(n)
        kept = np.random.default_rng(place).random(n)[mine] >= config.drop_audio
        batch, kept = batch.to(self.device), torch.from_numpy(kept).to(self.device)
        autocast = torch.autocast(self.device.type, DTYPES[config.precision], enabled=config.precision != "fp32")
        with _seeded(*place, rank(), device=self.device), autocast:
            parts = self.loss(batch, batch.has_audio & kept)
        values = summed(torch.stack(parts).detach() * share).tolist()
        self._check(values, "the loss")
        self.optimizer.zero_grad()
        self.scaler.scale(parts.total * share * world()).backward()  # of which the mean over the processes is taken
        if not self.scaler.is_enabled():  # which skips such steps itself
            gradients = [p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
            self._check([*values, get_total_norm(gradients).item()], "the gradient")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.sums = [total + value for total, value in zip(self.sums, values, strict=True)]
        self.done += 1
        return values[0]

    def _check(self, values: list[float], what: str) -> None:
        if all(map(math.isfinite, values)):
            return
        shown = ", ".join(f"{name} {value:.4g}" for name, value in zip(PARTS, values, strict=False))
        kept = self.path and self.path.exists()
        where = f"The last good state is in {self.path}: continue it with --resume." if kept else ""
        raise TrainingError(
            f"{what} of step {self.done + 1} of epoch {len(self.log) + 1} is not finite ({shown}); lower the learning "
            f"rate, or train in fp32. {where}".rstrip()
        )

    def end_epoch(self, validate: Callable[[], Metric] | None) -> None:
        """Judge the epoch, and log it."""
        if isinstance(self.model, MacilSd):
            self.model.end_epoch()
        self.model.eval()
        metric = validate() if validate else None
        base, new = (group["lr"] for group in self.optimizer.param_groups)
        name, value = metric or ("", None)
        step, means = self.done + (self.log[-1].step if self.log else 0), [total / self.done for total in self.sums]
        rates = {"lr": base, "lr_new": new}
        row = EpochLog(len(self.log) + 1, step, *means, **rates, metric=name, value=value, seconds=self._worked())
        self.log.append(row)
        self.done, self.sums = 0, [0.0] * len(PARTS)
        if metric and best_of(self.log) is row:
            self.best = deepcopy(self._values())

    def _worked(self) -> float:
        now = time.perf_counter()
        self.seconds, self.clock = self.seconds + now - self.clock, now
        return self.seconds

    def _values(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "texts": self.texts.state_dict()}

    def take_best(self) -> None:
        """Put the values of the best epoch into the model and the texts."""
        if self.best:
            self.model.load_state_dict(self.best["model"])
            self.texts.load_state_dict(self.best["texts"])
        self.model.eval()

    def save(self) -> None:
        """Write the state and the table; existing files are replaced only when the new ones are complete."""
        if self.path is None or rank():
            return
        state = self._values() | picked(self, "about", "done", "sums", "best")
        state |= {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}
        state |= {"log": [asdict(row) for row in self.log], "seconds": self._worked()}
        with replacing(self.path) as part:
            torch.save(state, part)
        write_table(self.path.with_name(TABLE_FILE), self.log)

    def open(self, *, resume: bool) -> None:
        """Go on from the state, if there is one. Raises CheckpointError or ConfigError where that cannot be done."""
        if self.path is None or not self.path.exists():
            return
        if not resume:
            raise ConfigError(f"{self.path.parent} holds a run; continue it with --resume, or choose another folder")
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            held = state["about"]
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{self.path} is no training state, or a damaged one; begin anew in another folder"
            ) from error
        old = {"init": "linear"} | held  # of states written before there was a choice
        old["audio"].pop("stream", None)  # or while there was one
        if changed := sorted(name for name in old if old[name] != self.about.get(name)):
            raise ConfigError(
                f"{self.path} is of a run with other settings or data: {', '.join(changed)} differ; only "
                f"{', '.join(MAY_CHANGE)} may change when a run goes on"
            )
        self.model.load_state_dict(state["model"])
        self.texts.load_state_dict(state["texts"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.log = [EpochLog(**row) for row in state["log"]]
        self.done, self.sums, self.best, self.seconds = (state[k] for k in ("done", "sums", "best", "seconds"))
