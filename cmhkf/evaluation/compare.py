"""Two scorers on one test set: the differences of their frame metrics by a paired bootstrap over videos."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmhkf.datasets.annotations import GroundTruth
from cmhkf.evaluation.evaluate import check_prediction
from cmhkf.files import replacing
from cmhkf.metrics.intervals import RESAMPLES
from cmhkf.metrics.paired import Pair, measure_pair
from cmhkf.model.run import Prediction
from cmhkf.timeline import SNIPPET_FRAMES


@dataclass(frozen=True)
class Comparison:
    """What sets two scorers apart on one test set."""

    names: tuple[str, str]
    dataset: str
    n_videos: int
    resamples: int
    pairs: dict[str, dict[str, Pair]]
    """By the videos ("all", "abnormal"), then by metric. Abnormal videos without a normal frame are not compared."""


def compare(
    truth: GroundTruth,
    first: Sequence[Prediction],
    second: Sequence[Prediction],
    *,
    names: tuple[str, str],
    dataset: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two scorers by their scores of each video of `truth`; the rest is as in `measure_pair`.

    Raises DataError: a prediction does not fit its video, or all frames are of one kind.
    """
    for predictions in (first, second):
        for name, n, prediction in zip(truth.names, truth.n_snippets, predictions, strict=True):
            check_prediction(name, n, prediction)
    positive = truth.frames.reshape(-1, SNIPPET_FRAMES).sum(axis=1, dtype=np.int64)
    group, abnormal = (np.repeat(of, truth.n_snippets) for of in (range(len(truth.names)), truth.abnormal))
    scores = [np.concatenate([prediction.scores for prediction in predictions]) for predictions in (first, second)]

    def paired(rows: np.ndarray) -> dict[str, Pair]:
        known = positive[rows], SNIPPET_FRAMES - positive[rows], group[rows]
        return measure_pair(scores[0][rows], scores[1][rows], *known, resamples=resamples, seed=seed)

    pairs = {"all": paired(np.ones(len(positive), bool))}
    if 0 < positive[abnormal].sum() < SNIPPET_FRAMES * abnormal.sum():
        pairs["abnormal"] = paired(abnormal)
    return Comparison(names, dataset, len(truth.names), resamples, pairs)


def compared(comparison: Comparison) -> str:
    """The comparison as lines of text, in percent."""
    a, b = comparison.names
    lines = [
        f"A {a}, B {b} on {comparison.dataset}: {comparison.n_videos:,} videos, {comparison.resamples:,} resamples",
        f"{'videos':8}  {'metric':6}  {'A':>6}  {'B':>6}  {'A - B':>6}  {'95 % interval':>16}  {'p':>6}",
    ]
    for videos, metrics in comparison.pairs.items():
        for metric, pair in metrics.items():
            value, low, high = (100 * part for part in pair.difference)
            numbers = f"{100 * pair.first:6.2f}  {100 * pair.second:6.2f}  {value:+6.2f}"
            lines.append(f"{videos:8}  {metric:6}  {numbers}  {low:+6.2f} to {high:+6.2f}  {pair.p:6.3f}")
    return "\n".join(lines)


def write_comparison(comparison: Comparison, out: Path) -> None:
    """Write a comparison as JSON, in percent; p is a share."""
    content = {
        "first": comparison.names[0],
        "second": comparison.names[1],
        "dataset": comparison.dataset,
        "n_videos": comparison.n_videos,
        "resamples": comparison.resamples,
        "unit": "percent",
        "pairs": [
            {
                "videos": videos,
                "metric": metric,
                "first": 100 * pair.first,
                "second": 100 * pair.second,
                "difference": 100 * pair.difference.value,
                "low": 100 * pair.difference.low,
                "high": 100 * pair.difference.high,
                "p": pair.p,
            }
            for videos, metrics in comparison.pairs.items()
            for metric, pair in metrics.items()
        ],
    }
    with replacing(out) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
