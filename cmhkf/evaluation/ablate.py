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
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cmhkf.datasets.sets import Dataset, Entry
from cmhkf.errors import DataError
from cmhkf.evaluation.evaluate import evaluate
from cmhkf.evaluation.report import measurements
from cmhkf.evaluation.tables import Row, Table
from cmhkf.features.folders import Rows
from cmhkf.files import replacing, sha256_of
from cmhkf.metrics.frames import frame_auc
from cmhkf.model.build import Model, fresh_model
from cmhkf.model.config import ModelConfig
from cmhkf.model.run import Prediction, predict
from cmhkf.model.texts import FixedTexts, LearnedTexts, TextSource
from cmhkf.progress import Fallback
from cmhkf.settings import changed, picked
from cmhkf.timeline import SNIPPET_FRAMES
from cmhkf.training.batches import FolderSamples
from cmhkf.training.config import TrainConfig, method_settings
from cmhkf.training.fit import fit
from cmhkf.training.methods import in_widths_of, method_for
from cmhkf.training.selection import hold_out, judge_of
from cmhkf.training.version import code_version


@dataclass(frozen=True, eq=False)
class Study:
    """What all rows of a table share."""

    dataset: Dataset
    # Its seed is replaced by each training's own, and what a method's authors published differently by theirs
    train: TrainConfig
    out: Path  # finished trainings are kept there
    # Fields of `ModelConfig` that differ in every row; a baseline takes "dim" alone, or it would be another method
    model: Mapping[str, Any] = field(default_factory=dict)
    train_fraction: float = 1.0  # share of the training samples that is used
    text_features: Path | None = None  # class texts from a file, instead of those that belong to the features
    learn_texts: bool = False  # train texts that are not prompts
    groups: Mapping[str, str] | None = None  # group of a test video by name; each group's AUC is measured as well
    device: str = "cpu"
    given: frozenset[str] = frozenset()  # fields of `train` that hold for every method

    def model_config(self, row: Row) -> ModelConfig:
        """The model of a row, in the folder's dimensions; the row's own fields go before those of every row."""
        spec = self.dataset.spec
        base, _ = method_for(row.method, spec.name, self.train, classes=spec.classes)
        shared = {name: value for name, value in self.model.items() if row.method == "cmhkf" or name == "dim"}
        return changed(in_widths_of(self.dataset.folder, base), shared | dict(row.model))

    def train_config(self, row: Row, seed: int) -> TrainConfig:
        """How a row is trained."""
        own = method_settings(row.method, self.dataset.spec.name)
        own = {name: value for name, value in own.items() if name not in self.given}
        return changed(self.train, {**own, **row.train, "seed": seed})

    def make_texts(self, config: ModelConfig) -> nn.Module:
        """New class texts for a model, as `fit` takes them."""
        texts = self._texts.make(config)
        return LearnedTexts(texts.features) if self.learn_texts and isinstance(texts, FixedTexts) else texts

    @cached_property
    def _texts(self) -> TextSource:
        return TextSource(self.dataset.folder.recipe, file=self.text_features, device=self.device)

    def lacks(self, row: Row) -> str:
        """Why a row cannot be measured here; empty if it can."""
        config = self.model_config(row)
        if config.listens and self.dataset.folder.audio_dim is None:
            return f"{self.dataset.folder.path} holds no sound"
        if "T" in config.modalities and not self.dataset.folder.has_semantics:
            return f"{self.dataset.folder.path} holds rows that cannot be compared with class texts"
        if {"lambda_na", "lambda_aa"} & set(row.train) and not [*self.make_texts(config).parameters()]:
            return "the class texts are not trained, so that the losses on them change nothing"
        return ""

    @cached_property
    def digest(self) -> str:
        """Names the data by content, read once for all rows."""
        return self.dataset.digest()

    def fallbacks(self) -> list[Fallback]:
        """What is done where the data is not as it should be. Raises DataError as `Dataset.fallbacks` does."""
        hears = self.dataset.folder.audio_dim is not None  # without any, the rows that need it are skipped
        found = [fallback for part in ("train", "test") for fallback in self.dataset.fallbacks(part, hears=hears)]
        strange = tuple(sorted((self.groups or {}).keys() - set(self.dataset.test_names)))
        return [*found, *([Fallback("videos with a group that are not measured", strange)] if strange else [])]

    def entries(self) -> list[Entry]:
        """The training samples used."""
        every = self.dataset.train
        n = round(len(every) * self.train_fraction)
        return [every[i] for i in sorted(np.random.default_rng(0).permutation(len(every))[:n])]


@dataclass(frozen=True)
class RowResult:
    """What one training came to, in percent."""

    numbers: Mapping[str, float]  # by `number_key`; what could not be measured is absent
    groups: Mapping[str, float]  # AUC of each group
    seconds: float

    @classmethod
    def load(cls, path: Path) -> RowResult:
        """Read what `save` wrote. Raises DataError: it is damaged."""
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            return cls(held["figures"], held["groups"], held["seconds"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is no finished training ({error!r}); delete it, and it is done anew") from error

    def save(self, path: Path, about: Mapping[str, Any]) -> None:
        """Write it with its settings, complete or not at all."""
        content = {"figures": self.numbers, "groups": self.groups, "seconds": self.seconds, "settings": about}
        with replacing(path) as part:
            part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class MeasuredRow:
    """A row and its trainings, one for each seed; none if it was skipped."""

    row: Row
    results: tuple[RowResult, ...]
    skipped: str = ""  # why


def number_key(branch: str, videos: str, metric: str) -> str:
    """Names a number of an evaluation."""
    return f"{branch} / {videos} / {metric}"


def measure_table(
    study: Study, table: Table, seeds: Sequence[int], *, on_run: Callable[[Row, int, RowResult], None] | None = None
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
        results: list[RowResult] = []
        skipped = study.lacks(row)
        for seed in () if skipped else seeds:
            results.append(measure_row(study, row, seed))
            if on_run:
                on_run(row, seed, results[-1])
        if study.train_config(row, 0).select == "test":
            row = replace(row, label=f"{row.label} (optimistic)")
        measured.append(MeasuredRow(row, tuple(results), skipped))
    return measured


def measure_row(study: Study, row: Row, seed: int) -> RowResult:
    """Train one model and measure it on the test set, unless that was done with the same data, settings and code."""
    model_config, train_config = study.model_config(row), study.train_config(row, seed)
    about = picked(study, "learn_texts", "train_fraction") | {
        "dataset": study.dataset.spec.name,
        "recipe": study.dataset.folder.recipe.hash,
        "data": study.digest,
        "code": code_version(),
        "torch": torch.__version__,
        "texts": study.text_features and sha256_of(study.text_features),
        "method": row.method,
        "model": asdict(model_config),
        "train": asdict(train_config),
        "n_train": len(study.dataset.train),
        "n_test": len(study.dataset.test_names),
        "groups": digest(dict(study.groups or {})),
    }
    path = study.out / "runs" / f"{digest(about)}.json"
    if path.exists():
        return RowResult.load(path)
    start = time.perf_counter()
    model, text = train_row(study, row, model_config, train_config)
    scores: dict[str, list[np.ndarray]] = {}

    def predict_one(rows: Rows) -> Prediction:
        prediction = predict(model, text, rows)
        scores.setdefault(rows.name, []).append(prediction.scores)
        return prediction

    report = evaluate(study.dataset, predict_one, resamples=0)
    found = {number_key(f.branch, f.videos, f.metric): f.value for f in measurements(report)}
    means = [np.mean(of_crops, axis=0) for of_crops in scores.values()]  # in the order of the test set
    inside = group_auc(study.dataset, means, study.groups) if study.groups else {}
    result = RowResult(found, inside, time.perf_counter() - start)
    result.save(path, about)
    return result


def train_row(study: Study, row: Row, model_config: ModelConfig, train_config: TrainConfig) -> tuple[Model, Tensor]:
    """A row's model after its best epoch, and the class texts [C, D_s] that it learned or was given."""
    folder, device = study.dataset.folder, study.device
    train, held = hold_out(study.entries(), train_config)
    torch.manual_seed(train_config.seed)
    model, texts = fresh_model(model_config, train_config.init), study.make_texts(model_config)
    _, objective = method_for(row.method, study.dataset.spec.name, train_config)
    judge = judge_of(study.dataset, train_config, held, device=device)
    validate = judge and partial(judge, model, texts)
    samples = FolderSamples(folder, train)
    fit(model, texts, samples, train_config, objective=objective, validate=validate, device=device)
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


def digest(value: Any) -> str:
    """16 hex digits that name a value which JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
