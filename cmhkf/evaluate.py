"""Measuring a model on a test set by the protocols of the field: frame metrics of both branches, and detection mAP.

The classifier's score is the headline, 1 - P(normal) of the alignment branch stands beside it (E31). A video's chunks
of 256 snippets are looked at apart, as one batch (C.3, E34). Frame metrics and mAP are those of C.9.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from cmhkf.bootstrap import RESAMPLES, MeasuredCurve, measure
from cmhkf.data import GroundTruth
from cmhkf.datasets import Dataset
from cmhkf.errors import DataError
from cmhkf.folders import Rows
from cmhkf.metrics import DetectionMap, Protocol, detection_map
from cmhkf.model import CMHKF
from cmhkf.ranking import Ranking
from cmhkf.scoring import positions
from cmhkf.timeline import SNIPPET_FRAMES, WINDOW_SNIPPETS

Crops = Literal["centre", "mean"]
"""Of each video: the centre (or the first that is there), or the mean of the predictions on all crops (E32)."""


class Prediction(NamedTuple):
    """What a scorer says of one video."""

    scores: np.ndarray
    """[N], the headline; any scale."""
    class_probs: np.ndarray | None
    """[N, C], rows sum to 1; None: it tells no classes."""


@dataclass(frozen=True, eq=False)
class Branch:
    """One score of a model: "classifier" or "alignment"."""

    name: str
    every: MeasuredCurve
    """On all videos."""
    abnormal: MeasuredCurve | None
    """On the abnormal videos alone (Ano-AP); None where these hold no normal frame, or no anomalous one."""


@dataclass(frozen=True, eq=False)
class NamedMap:
    """One way to count detections (E39)."""

    protocol: Protocol
    videos: Literal["all", "abnormal"]
    """Those that may predict (C.9, item 7)."""
    result: DetectionMap


class VideoResult(NamedTuple):
    """The classifier's view of one video."""

    name: str
    abnormal: bool
    n_snippets: int
    anomalous_share: float
    """Of its frames."""
    auc: float
    """NaN where all its frames are of one kind."""
    peak: float
    peak_frame: int
    """First frame of the snippet with the highest score."""


@dataclass(frozen=True, eq=False)
class Report:
    """Everything measured of one model on one test set."""

    model: str
    dataset: str
    classes: tuple[str, ...]
    headline: Literal["ap", "auc"]
    """Of the literature on this data set."""
    classifier: Branch
    alignment: Branch | None
    """None for a scorer without classes."""
    maps: tuple[NamedMap, ...]
    """Empty for a scorer without the data set's classes, or without annotated classes."""
    videos: tuple[VideoResult, ...]
    missing: tuple[str, ...]
    """Videos of the protocol that were not measured."""

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Those there are, the headline's first."""
        return (self.classifier, self.alignment) if self.alignment else (self.classifier,)

    def map_of(self, protocol: Protocol, videos: Literal["all", "abnormal"] = "all") -> DetectionMap | None:
        """A detection mAP; None if it was not measured."""
        return next((m.result for m in self.maps if (m.protocol, m.videos) == (protocol, videos)), None)


@torch.inference_mode()
def predict(model: CMHKF, text: Tensor, rows: Rows, *, device: torch.device | str = "cpu") -> Prediction:
    """Look at one video; the model (in evaluation mode) and the class texts [C, D_s] are on `device`."""
    n = len(rows.video)
    size = positions(model, min(n, WINDOW_SNIPPETS))
    n_windows = -(-n // size)
    lengths = torch.full((n_windows,), size, device=device)
    lengths[-1] = n - size * (n_windows - 1)

    def windows(stream: Tensor) -> Tensor:
        return pad(stream, (0, 0, 0, n_windows * size - n)).unflatten(0, (n_windows, size))  # [W, size, D]

    video, semantic, audio = (
        None if stream is None else torch.from_numpy(stream).to(device)
        for stream in (rows.video, rows.semantic, rows.audio)
    )
    assert video is not None
    heard = None
    if audio is not None and model.sound is not None and model.sound.whole_video:  # E16
        heard = windows(model.sound.encode(audio[None], torch.tensor([n]))[0])
    output = model(
        windows(video), lengths, text,
        semantic=None if semantic is None else windows(semantic),
        audio=None if audio is None or heard is not None else windows(audio),
        heard=heard,
    )  # fmt: skip
    scores = output.scores.flatten()[:n].float().cpu().numpy()
    if model.config.architecture == "mil":
        return Prediction(scores, None)
    return Prediction(scores, output.class_probs.flatten(0, 1)[:n].float().cpu().numpy())


def evaluate(
    dataset: Dataset,
    predict_one: Callable[[Rows], Prediction],
    *,
    model: str = "model",
    classes: Sequence[str] | None = None,
    crops: Crops = "centre",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Report:
    """Predict every test video that is there, and measure.

    Args:
        dataset: with a test list and annotations.
        predict_one: from rows to a prediction, such as `partial(predict, model, text)`.
        model: its name, for the report.
        classes: of the predicted probabilities; None: the data set's own.
        crops: which crops are looked at.
        resamples: of the bootstrap; 0: no intervals, which is much faster.
        seed: of the bootstrap.

    Raises:
        DataError: nothing to test on, or a prediction that does not fit its video.
    """
    dataset.require("test")
    folder = dataset.folder

    def of_video(name: str) -> Prediction:
        chosen = folder.crops(name) if crops == "mean" else (None,)
        return _mean([predict_one(folder.load(name, crop)) for crop in chosen])

    predictions = [of_video(name) for name in dataset.test_names]
    segments = dataset.segments if classes is None or tuple(classes) == dataset.spec.classes else None
    if segments is not None and dataset.spec.name == "ucf-crime":
        segments = [[event for event in video if event[0]] for video in segments]  # C.9, item 8
    return report(
        dataset.truth, segments, predictions,
        model=model, dataset=dataset.spec.name, classes=tuple(classes or dataset.spec.classes),
        headline=dataset.spec.headline, resamples=resamples, seed=seed,
    )  # fmt: skip


def report(
    truth: GroundTruth,
    segments: list[list[tuple[int, int, int]]] | None,
    predictions: Sequence[Prediction],
    *,
    model: str,
    dataset: str,
    classes: tuple[str, ...],
    headline: Literal["ap", "auc"],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Report:
    """Measure predictions, one for each video of `truth`; the rest is as in `evaluate` and `Report`."""
    for name, n, prediction in zip(truth.names, truth.n_snippets, predictions, strict=True):
        _check(name, n, prediction)
    curves = [prediction.scores for prediction in predictions]
    probs = [prediction.class_probs for prediction in predictions if prediction.class_probs is not None]
    tells_classes = len(probs) == len(predictions)
    positive = truth.frames.reshape(-1, SNIPPET_FRAMES).sum(axis=1, dtype=np.int64)  # of each snippet
    by_video = np.split(positive, np.cumsum(truth.n_snippets)[:-1])
    branch = partial(_branch, truth=truth, positive=positive, resamples=resamples, seed=seed)
    return Report(
        model=model, dataset=dataset, classes=classes, headline=headline,
        classifier=branch("classifier", curves),
        alignment=branch("alignment", [1 - p[:, 0] for p in probs]) if tells_classes else None,
        maps=_maps(probs, segments, truth.abnormal) if tells_classes and segments is not None else (),
        videos=tuple(map(_video, truth.names, truth.abnormal, by_video, curves)),
        missing=truth.missing,
    )  # fmt: skip


def _mean(predictions: list[Prediction]) -> Prediction:
    probs = [p.class_probs for p in predictions if p.class_probs is not None]
    return Prediction(np.mean([p.scores for p in predictions], axis=0), np.mean(probs, axis=0) if probs else None)


def _check(name: str, n_snippets: int, prediction: Prediction) -> None:
    for what, values in (("scores", prediction.scores), ("class probabilities", prediction.class_probs)):
        if values is not None and len(values) != n_snippets:
            raise DataError(
                f"{len(values)} {what} for {name!r}, which has {n_snippets} snippets; one for each is needed"
            )
        if values is not None and not np.isfinite(values).all():
            raise DataError(f"{what} of {name!r} are not all finite; did the training diverge?")


def _branch(
    name: str, curves: list[np.ndarray], *, truth: GroundTruth, positive: np.ndarray, resamples: int, seed: int
) -> Branch:
    group, abnormal = (np.repeat(of_video, truth.n_snippets) for of_video in (range(len(curves)), truth.abnormal))

    def measured(rows: np.ndarray) -> MeasuredCurve:
        count = positive[rows]
        return measure(scores[rows], count, SNIPPET_FRAMES - count, group[rows], resamples=resamples, seed=seed)

    scores = np.concatenate(curves)
    both_kinds = 0 < positive[abnormal].sum() < SNIPPET_FRAMES * abnormal.sum()
    return Branch(name, measured(np.ones(len(scores), bool)), measured(abnormal) if both_kinds else None)


def _maps(
    probs: list[np.ndarray], segments: list[list[tuple[int, int, int]]], abnormal: Sequence[bool]
) -> tuple[NamedMap, ...]:
    order = np.argsort(~np.array(abnormal), kind="stable")  # the official lists have the abnormal videos first already
    probs, segments = [probs[i] for i in order], [segments[i] for i in order]
    n_abnormal = sum(abnormal)
    ways = [
        ("paper", "all", None),
        ("paper", "abnormal", n_abnormal),
        ("clean", "all", None),
        ("clean", "abnormal", n_abnormal),
    ]
    return tuple(
        NamedMap(protocol, videos, detection_map(probs, segments, protocol, n_abnormal=n))
        for protocol, videos, n in ways
    )


def _video(name: str, abnormal: bool, positive: np.ndarray, scores: np.ndarray) -> VideoResult:
    """`positive` [N]: anomalous frames of each snippet."""
    share = positive.mean() / SNIPPET_FRAMES
    return VideoResult(
        name=name, abnormal=abnormal, n_snippets=len(scores), anomalous_share=float(share),
        auc=Ranking(scores).metrics(positive, SNIPPET_FRAMES - positive).auc if 0 < share < 1 else np.nan,
        peak=float(scores.max()), peak_frame=int(scores.argmax()) * SNIPPET_FRAMES,
    )  # fmt: skip
