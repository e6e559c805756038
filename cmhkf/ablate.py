"""The paper's tables measured anew: one training per row and seed, each kept on disk as soon as it is done.

What a row changes and what the paper reports is in `tables.py`. Rows that come to the same settings, in whatever table,
are trained once.
"""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cmhkf.batches import FolderSamples
from cmhkf.config import ModelConfig, to_dict
from cmhkf.datasets import Dataset, Entry
from cmhkf.errors import DataError
from cmhkf.evaluate import Prediction, evaluate, predict
from cmhkf.evaluation_report import figures
from cmhkf.folders import Rows
from cmhkf.methods import in_widths_of, method_for
from cmhkf.metrics import frame_auc
from cmhkf.model import CMHKF, build_model
from cmhkf.tables import Row, Table
from cmhkf.texts import FixedTexts, texts_for
from cmhkf.timeline import SNIPPET_FRAMES
from cmhkf.train import fit
from cmhkf.train_config import TrainConfig
from cmhkf.validation import hold_out, video_auc


class LearnedTexts(nn.Module):
    """Class texts that are themselves learned, from where they stand: what prompts are to CLIP, for other encoders."""

    def __init__(self, features: Tensor) -> None:
        """`features` [C, D_s]."""
        super().__init__()
        self.features = nn.Parameter(features.clone())

    def forward(self) -> Tensor:
        """t_c [C, D_s]."""
        return self.features


@dataclass(frozen=True, eq=False)
class Study:
    """What all rows of a table share."""

    dataset: Dataset
    train: TrainConfig
    """Its seed is replaced by each training's own."""
    out: Path
    """Finished trainings are kept there."""
    dim: int = 512
    train_fraction: float = 1.0
    """Share of the training samples that is used."""
    text_features: Path | None = None
    """Class texts from a file, instead of those that belong to the features."""
    learn_texts: bool = False
    """Train texts that are not prompts."""
    groups: Mapping[str, str] | None = None
    """Group of a test video by name; each group's AUC is measured as well."""
    device: str = "cpu"

    def model_config(self, row: Row) -> ModelConfig:
        """The model of a row, in the folder's dimensions."""
        base, _ = method_for(row.method, self.dataset.spec.name, self.train)
        return changed(in_widths_of(self.dataset.folder, base, dim=self.dim), row.model)

    def train_config(self, row: Row, seed: int) -> TrainConfig:
        """How a row is trained."""
        return changed(self.train, {**row.train, "seed": seed})

    def make_texts(self, config: ModelConfig) -> nn.Module:
        """New class texts for a model, as `fit` takes them."""
        texts = texts_for(self.dataset.folder.recipe, config, file=self.text_features, device=self.device)
        return LearnedTexts(texts.features) if self.learn_texts and isinstance(texts, FixedTexts) else texts

    def lacks(self, row: Row) -> str:
        """Why a row cannot be measured here; empty if it can."""
        config = self.model_config(row)
        if "A" in config.modalities and self.dataset.folder.audio_dim is None:
            return f"{self.dataset.folder.path} holds no sound"
        if {"lambda_na", "lambda_aa"} & set(row.train) and not [*self.make_texts(config).parameters()]:
            return "the class texts are not trained, so that the losses on them change nothing"
        return ""

    def entries(self) -> list[Entry]:
        """The training samples used."""
        every = self.dataset.train
        n = round(len(every) * self.train_fraction)
        return [every[i] for i in sorted(np.random.default_rng(0).permutation(len(every))[:n])]


@dataclass(frozen=True)
class Outcome:
    """What one training came to, in percent."""

    figures: Mapping[str, float]
    """By `figure_key`; what could not be measured is absent."""
    groups: Mapping[str, float]
    """AUC of each group."""
    seconds: float

    @classmethod
    def load(cls, path: Path) -> Outcome:
        """Read what `save` wrote."""
        held = json.loads(path.read_text(encoding="utf-8"))
        return cls(held["figures"], held["groups"], held["seconds"])

    def save(self, path: Path, about: Mapping[str, Any]) -> None:
        """Write it with its settings, complete or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        content = {"figures": self.figures, "groups": self.groups, "seconds": self.seconds, "settings": about}
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        part.replace(path)


@dataclass(frozen=True)
class MeasuredRow:
    """A row and its trainings, one for each seed; none if it was skipped."""

    row: Row
    outcomes: tuple[Outcome, ...]
    skipped: str = ""
    """Why."""


def figure_key(branch: str, videos: str, metric: str) -> str:
    """Names a number of an evaluation."""
    return f"{branch} / {videos} / {metric}"


def measure_table(
    study: Study, table: Table, seeds: Sequence[int], *, on_run: Callable[[Row, int, Outcome], None] | None = None
) -> list[MeasuredRow]:
    """Train and measure every row under every seed, or read what an earlier call has left.

    Args:
        study: the data and the settings.
        table: of the data set that the study opened.
        seeds: of the fresh weights, the order of the samples and the split.
        on_run: told after each training.

    Raises:
        DataError: nothing to train or to test on.
    """
    for part in ("train", "test"):
        study.dataset.require(part)
    measured = []
    for row in table.rows:
        outcomes: list[Outcome] = []
        skipped = study.lacks(row)
        for seed in () if skipped else seeds:
            outcomes.append(measure_row(study, row, seed))
            if on_run:
                on_run(row, seed, outcomes[-1])
        measured.append(MeasuredRow(row, tuple(outcomes), skipped))
    return measured


def measure_row(study: Study, row: Row, seed: int) -> Outcome:
    """Train one model and measure it on the test set, unless that has been done."""
    model_config, train_config = study.model_config(row), study.train_config(row, seed)
    about = {
        "dataset": study.dataset.spec.name, "recipe": study.dataset.folder.recipe.hash,
        "texts": study.text_features and hashlib.sha256(study.text_features.read_bytes()).hexdigest(),
        "learn_texts": study.learn_texts,
        "method": row.method, "model": to_dict(model_config), "train": to_dict(train_config),
        "train_fraction": study.train_fraction, "n_train": len(study.dataset.train),
        "n_test": len(study.dataset.test_names), "groups": digest(study.groups or {}),
    }  # fmt: skip
    path = study.out / "runs" / f"{digest(about)}.json"
    if path.exists():
        return Outcome.load(path)
    start = time.perf_counter()
    model, text = train_row(study, row, model_config, train_config)
    scores: list[np.ndarray] = []

    def predict_one(rows: Rows) -> Prediction:
        prediction = predict(model, text, rows, device=study.device)
        scores.append(prediction.scores)
        return prediction

    report = evaluate(study.dataset, predict_one, resamples=0)
    found = {figure_key(f.branch, f.videos, f.metric): f.value for f in figures(report)}
    inside = group_auc(study.dataset, scores, study.groups) if study.groups else {}
    outcome = Outcome(found, inside, time.perf_counter() - start)
    outcome.save(path, about)
    return outcome


def train_row(study: Study, row: Row, model_config: ModelConfig, train_config: TrainConfig) -> tuple[CMHKF, Tensor]:
    """A row's model after its best epoch, and the class texts [C, D_s] that it learned or was given."""
    folder, device = study.dataset.folder, study.device
    train, held = hold_out(study.entries(), train_config)
    torch.manual_seed(train_config.seed)
    model, texts = build_model(model_config), study.make_texts(model_config)
    _, objective = method_for(row.method, study.dataset.spec.name, train_config)
    validate = partial(video_auc, model, texts, FolderSamples(folder, held), device=device) if held else None
    fit(
        model, texts, FolderSamples(folder, train), train_config,
        objective=objective, validate=validate, device=device,
    )  # fmt: skip
    with torch.inference_mode():
        return model, texts()


def group_auc(dataset: Dataset, scores: Sequence[np.ndarray], groups: Mapping[str, str]) -> dict[str, float]:
    """Frame AUC in percent of each group: of its abnormal videos together with all normal ones."""
    truth = dataset.truth
    kinds = [groups.get(name) if abnormal else "" for name, abnormal in zip(truth.names, truth.abnormal, strict=True)]
    lengths = [SNIPPET_FRAMES * n for n in truth.n_snippets]
    curve = np.repeat(np.concatenate(scores), SNIPPET_FRAMES)
    found = {}
    for group in sorted({kind for kind in kinds if kind}):
        mask = np.repeat([kind in ("", group) for kind in kinds], lengths)
        if 0 < truth.frames[mask].sum() < mask.sum():
            found[group] = 100 * frame_auc(curve, truth.frames, mask=mask)
    return found


def read_groups(path: Path) -> dict[str, str]:
    """A csv of the columns `video` and `group`. Raises DataError."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {line["video"]: line["group"] for line in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise DataError(
            f"cannot read the groups {path} ({error!r}); a csv with columns video and group is needed"
        ) from error


def changed(config: Any, changes: Mapping[str, Any]) -> Any:
    """A config with some fields replaced; "cvka.k" is a field of a field."""
    for name, value in changes.items():
        head, _, rest = name.partition(".")
        config = replace(config, **{head: changed(getattr(config, head), {rest: value}) if rest else value})
    return config


def digest(value: Any) -> str:
    """16 hex digits that name a value which JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
