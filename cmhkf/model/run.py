"""Feature rows of a whole video to numbers for people: by the trained model, or by what needs no training at all."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from cmhkf.errors import DataError
from cmhkf.features.extract import Features
from cmhkf.features.folders import FeatureFolder, Rows
from cmhkf.files import FileRows
from cmhkf.model import afae, cvka
from cmhkf.model.build import Model
from cmhkf.model.config import ModelConfig
from cmhkf.model.output import ModelOutput
from cmhkf.timeline import WINDOW_SNIPPETS, split_windows


@dataclass(frozen=True, eq=False)
class Scored:
    """What a model says of a video of n snippets in W windows; the fields mean what they mean in Analysis."""

    scores: np.ndarray  # [n]
    alignment_scores: np.ndarray  # [n]
    class_probs: np.ndarray  # [n, C]
    similarity: np.ndarray  # [n, C]
    top_classes: np.ndarray  # [W, k]
    saliency: np.ndarray  # [n]
    windowed_saliency: np.ndarray  # [n]
    saliency_peaks: np.ndarray  # [P] indices of snippets
    fused_embeddings: np.ndarray  # [n, D_f]
    modality_scores: dict[str, np.ndarray] = field(default_factory=dict)


NORMAL_FOOTAGE = "normal_footage"
"""Of a checkpoint's metrics: what `normal_footage` tells of videos held out."""
JOINED_TOO = ("top_classes", "fused_embeddings")
OF_SNIPPETS = (
    "scores",
    "alignment_scores",
    "class_probs",
    "similarity",
    "saliency",
    "windowed_saliency",
)  # as ModelOutput calls them too


@torch.inference_mode()
def run(model: Model, text: Tensor, rows: Rows | Features, *, what_if: bool = False) -> Scored:
    """Put the rows of one video through a trained model, each window of 256 snippets by itself (C.3).

    Args:
        model: in evaluation mode, on the device of `text`.
        text: the class texts [C, D_s].
        rows: of any number of snippets.
        what_if: also tell the scores without audio and without text, where these take part.
    """
    drops = {"audio": model.sound is not None and rows.audio is not None, "text": model.has_text} if what_if else {}
    what_ifs = [name for name, there in drops.items() if there]

    def cut(stream: np.ndarray | FileRows | None, window: slice) -> Tensor | None:
        if stream is None:
            return None
        part = torch.from_numpy(stream[window]).to(text.device)
        # The reference looks at 256 snippets in any case, and its padding has an effect.
        missing = 0 if model.mask_padding else WINDOW_SNIPPETS - len(part)
        return pad(part, (0, 0, 0, missing))[None]

    def look(window: slice) -> Scored:
        video, semantic, audio = (cut(stream, window) for stream in (rows.video, rows.semantic, rows.audio))
        lengths = torch.tensor([window.stop - window.start], device=text.device)

        def told(*drop: str) -> ModelOutput:
            return model(video, lengths, text, semantic=semantic, audio=audio, drop=drop)

        def found(values: Tensor, out: ModelOutput) -> np.ndarray:
            values = values[0, out.mask[0]]
            return (values.float() if values.is_floating_point() else values).cpu().numpy()

        out = told()
        return Scored(
            **{name: found(getattr(out, name), out) for name in OF_SNIPPETS},
            top_classes=out.top_classes.cpu().numpy(),
            saliency_peaks=np.flatnonzero(found(out.peaks, out)),
            fused_embeddings=found(out.fused, out),
            modality_scores={f"without_{name}": found(told(name).scores, out) for name in what_ifs},
        )

    return joined([look(window) for window in split_windows(len(rows.video))])


@torch.inference_mode()
def run_untrained(config: ModelConfig, text: Tensor, semantic: np.ndarray | FileRows, *, tau: float) -> Scored:
    """Of rows [n, D_s] alone: similarity, saliency and P(class) = softmax(cosine / tau); the score is 1 - P(normal)."""
    how = config.afae
    project = partial(afae.project, tau=how.tau, w=how.w, overlap=how.overlap, renorm=how.renorm)
    similarity, chosen, raw, windowed, peaks = [], [], [], [], []
    for window in split_windows(len(semantic)):
        rows = torch.from_numpy(semantic[window])[None]  # [1, n, D_s]
        mask = torch.ones(rows.shape[:2], dtype=torch.bool)
        similarity.append(cvka.similarity(rows, text))
        chosen.append(cvka.select(similarity[-1], mask, config.cvka.k))
        salient = project(similarity[-1], mask, chosen[-1])
        raw.append(rows.shape[1] * salient.saliency)
        windowed.append(rows.shape[1] * salient.windowed)
        peaks.append(salient.peaks)
    cosines = torch.cat(similarity, dim=1)[0]
    probs = (cosines / tau).softmax(dim=-1).numpy()
    salience, raised, tops = (torch.cat(parts, dim=1)[0].numpy() for parts in (raw, windowed, peaks))
    classes, nothing_fused = torch.cat(chosen).numpy(), np.zeros((len(semantic), 0), np.float32)
    peaks_at = np.flatnonzero(tops)
    score = 1 - probs[:, 0]
    return Scored(score, score, probs, cosines.numpy(), classes, salience, raised, peaks_at, nothing_fused)


def joined(windows: Sequence[Scored]) -> Scored:
    """The same of windows that follow one another."""
    starts = np.cumsum([0, *(len(window.scores) for window in windows)])
    peaks = [window.saliency_peaks + start for window, start in zip(windows, starts, strict=False)]
    what_ifs = [window.modality_scores for window in windows]
    return Scored(
        **{name: np.concatenate([getattr(window, name) for window in windows]) for name in (*OF_SNIPPETS, *JOINED_TOO)},
        saliency_peaks=np.concatenate(peaks),
        modality_scores={name: np.concatenate([scores[name] for scores in what_ifs]) for name in what_ifs[0]},
    )


def normal_footage(videos: Iterable[Scored]) -> dict[str, Any]:
    """How similar normal footage is to each class text, and how salient.

    Returns:
        "similarity": the median and the 99.9th percentile for each of C texts; "saliency": the 99.9th of the windowed
        one.
    """
    found = [(video.similarity, video.windowed_saliency) for video in videos]
    similarity, saliency = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return {
        "similarity": np.quantile(similarity, (0.5, 0.999), axis=0).T.round(4).tolist(),
        "saliency": round(float(np.quantile(saliency, 0.999)), 3),
    }


class Prediction(NamedTuple):
    """What a scorer says of one video of a test set."""

    scores: np.ndarray  # [N], the headline; any scale
    class_probs: np.ndarray | None  # [N, C], rows sum to 1; None: it tells no classes


def predict(model: Model, text: Tensor, rows: Rows) -> Prediction:
    """What `run` says of a video, in short."""
    found = run(model, text, rows)
    return Prediction(found.scores, found.class_probs if model.config.knows_classes else None)


def predict_all(
    folder: FeatureFolder,
    names: Sequence[str],
    predict_one: Callable[[Rows], Prediction],
    crops: Sequence[tuple[int, ...]],
) -> list[Prediction]:
    """A prediction for each video: the mean of those on its `crops`."""
    return [
        _mean(name, [predict_one(folder.load(name, crop)) for crop in chosen])
        for name, chosen in zip(names, crops, strict=True)
    ]


def _mean(name: str, predictions: list[Prediction]) -> Prediction:
    if len(lengths := {len(prediction.scores) for prediction in predictions}) > 1:
        raise DataError(f"crops of {name!r} have {sorted(lengths)} snippets; only equal ones can be averaged")
    probs = [p.class_probs for p in predictions if p.class_probs is not None]
    return Prediction(np.mean([p.scores for p in predictions], axis=0), np.mean(probs, axis=0) if probs else None)
