"""Measuring a model on a test set by the protocols of the field: frame metrics of both branches, and detection mAP.

The classifier's score is the headline, 1 - P(normal) of the alignment branch stands beside it (E31). A video's chunks
of 256 snippets are looked at apart, as one batch (C.3, E34). Frame metrics and mAP are those of C.9.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple, get_args

import numpy as np

from cmhkf.datasets.annotations import GroundTruth
from cmhkf.datasets.sets import Dataset, count_crops
from cmhkf.errors import DataError
from cmhkf.features.folders import Rows
from cmhkf.metrics.detection import DetectionMap, MapProtocol, detection_map
from cmhkf.metrics.frames import Ranking
from cmhkf.metrics.intervals import RESAMPLES, MeasuredCurve, measure
from cmhkf.metrics.panel import Panel
from cmhkf.model.run import Prediction, predict_all
from cmhkf.timeline import SNIPPET_FRAMES

# Of each video: what the test list names (its mean, where it names several), the centre (or the first that is there),
# or the mean of the predictions on all crops (E32)
Crops = Literal["listed", "centre", "mean"]


@dataclass(frozen=True, eq=False)
class Branch:
    """One score of a model: "classifier" or "alignment"."""

    name: str
    every: MeasuredCurve  # on all videos
    # On the abnormal videos alone (Ano-AP); None where these hold no normal frame, or no anomalous one
    abnormal: MeasuredCurve | None


@dataclass(frozen=True, eq=False)
class NamedMap:
    """One way to count detections (E39)."""

    protocol: MapProtocol
    videos: Literal["all", "abnormal"]  # those that may predict (C.9, item 7)
    result: DetectionMap


class VideoResult(NamedTuple):
    """The classifier's view of one video."""

    name: str
    abnormal: bool
    n_snippets: int
    anomalous_share: float  # of its frames
    auc: float  # NaN where all its frames are of one kind
    peak: float
    peak_frame: int  # first frame of the snippet with the highest score


@dataclass(frozen=True, eq=False)
class Report:
    """Everything measured of one model on one test set."""

    model: str
    dataset: str
    classes: tuple[str, ...]
    headline: Literal["ap", "auc"]  # of the literature on this data set
    classifier: Branch
    alignment: Branch | None  # None for a scorer without classes
    maps: tuple[NamedMap, ...]  # empty for a scorer without the data set's classes, or without annotated classes
    videos: tuple[VideoResult, ...]
    missing: tuple[str, ...]  # videos of the protocol that were not measured
    # Measured videos that the model was trained on, by their names: they make the figures optimistic
    learned_from: tuple[str, ...] = ()
    crops: str = ""  # which crops were read, in words for people
    notes: tuple[str, ...] = ()  # what a reader of the numbers has to know, such as what was done where data is missing
    # Why the numbers are better than they would be on other videos: the model was chosen on a test set
    optimistic: str = ""
    panel: Panel | None = None  # how good it is at its threshold; None: not asked for
    scores: tuple[np.ndarray, ...] = ()  # the classifier's of each of `videos`, [N]

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Those there are, the headline's first."""
        return (self.classifier, self.alignment) if self.alignment else (self.classifier,)


def evaluate(
    dataset: Dataset,
    predict_one: Callable[[Rows], Prediction],
    *,
    model: str = "model",
    classes: Sequence[str] | None = None,
    crops: Crops = "listed",
    resamples: int = RESAMPLES,
    seed: int = 0,
    panel_of: Callable[[Sequence[Prediction]], Panel] | None = None,
) -> Report:
    """Predict every test video that is there, and measure.

    Args:
        dataset: with a test list and annotations.
        predict_one: from rows to a prediction, such as `partial(predict, model, text)`.
        model: its name, for the report.
        classes: of the predicted probabilities; None: the data set's own.
        crops: which are looked at.
        resamples: of the bootstrap; 0: no intervals, which is much faster.
        seed: of the bootstrap.
        panel_of: measures the predictions, one for each test video, in more ways; `quality.dataset_panel` does.

    Raises:
        DataError: nothing to test on, or a prediction that does not fit its video.
    """
    dataset.require("test")
    chosen, said = choose_crops(dataset, crops)
    predictions = predict_all(dataset.folder, dataset.test_names, predict_one, chosen)
    segments = dataset.segments if classes is None or tuple(classes) == dataset.spec.classes else None
    if segments is not None and dataset.spec.name == "ucf-crime":
        segments = [[event for event in video if event[0]] for video in segments]  # C.9, item 8
    found = report(
        dataset.truth,
        segments,
        predictions,
        model=model,
        dataset=dataset.spec.name,
        classes=tuple(classes or dataset.spec.classes),
        headline=dataset.spec.headline,
        resamples=resamples,
        seed=seed,
    )
    return replace(found, crops=said, panel=panel_of(predictions) if panel_of else None)


def choose_crops(dataset: Dataset, crops: Crops) -> tuple[tuple[tuple[int, ...], ...], str]:
    """The crops of each test video that are read, several to be averaged, and the same in words for people."""
    if crops == "listed":
        return dataset.test_crops, dataset.describe_crops()
    folder = dataset.folder
    chosen = tuple(folder.crops(n) if crops == "mean" else (folder.centre(n),) for n in dataset.test_names)
    return chosen, f"{count_crops(chosen)}, as asked for"


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
        check_prediction(name, n, prediction)
    curves = [prediction.scores for prediction in predictions]
    probs = [prediction.class_probs for prediction in predictions if prediction.class_probs is not None]
    tells_classes = len(probs) == len(predictions)
    positive = truth.frames.reshape(-1, SNIPPET_FRAMES).sum(axis=1, dtype=np.int64)  # of each snippet
    by_video = np.split(positive, np.cumsum(truth.n_snippets)[:-1])
    branch = partial(_branch, truth=truth, positive=positive, resamples=resamples, seed=seed)
    classifier = branch("classifier", curves)
    alignment = branch("alignment", [1 - p[:, 0] for p in probs]) if tells_classes else None
    maps = _maps(probs, segments, truth.abnormal) if tells_classes and segments is not None else ()
    videos = tuple(map(_video, truth.names, truth.abnormal, by_video, curves))
    named = Report(model, dataset, classes, headline, classifier, alignment, maps, videos, truth.missing)
    return replace(named, scores=tuple(curves))


def check_prediction(name: str, n_snippets: int, prediction: Prediction) -> None:
    """Raise DataError where a prediction has not one finite score for each snippet of its video."""
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
    counts: dict[Literal["all", "abnormal"], int | None] = {"all": None, "abnormal": sum(abnormal)}
    return tuple(
        NamedMap(protocol, videos, detection_map(probs, segments, protocol, n_abnormal=n))
        for protocol in get_args(MapProtocol)
        for videos, n in counts.items()
    )


def _video(name: str, abnormal: bool, positive: np.ndarray, scores: np.ndarray) -> VideoResult:
    """`positive` [N]: anomalous frames of each snippet."""
    share, peak = float(positive.mean() / SNIPPET_FRAMES), int(scores.argmax())
    auc = Ranking(scores).metrics(positive, SNIPPET_FRAMES - positive).auc if 0 < share < 1 else np.nan
    return VideoResult(name, abnormal, len(scores), share, auc, float(scores[peak]), peak * SNIPPET_FRAMES)
