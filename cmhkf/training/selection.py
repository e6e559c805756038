"""What chooses the epoch: videos held out of the training set (E33) or, as the literature does, the test set (C.8)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cmhkf.datasets.sets import Dataset, Entry
from cmhkf.errors import DataError
from cmhkf.features.folders import FeatureFolder
from cmhkf.metrics.frames import frame_metrics
from cmhkf.model.build import Model
from cmhkf.model.losses import top_values
from cmhkf.model.run import normal_footage, predict, predict_all, run
from cmhkf.timeline import SNIPPET_FRAMES
from cmhkf.training.batches import FolderSamples, Samples
from cmhkf.training.config import TrainConfig
from cmhkf.training.fit import stack
from cmhkf.training.log import Metric

Judge = Callable[[Model, nn.Module], Metric]  # of a model in evaluation mode and its class texts
BATCH = 64  # samples looked at together


def hold_out(entries: Sequence[Entry], config: TrainConfig) -> tuple[list[Entry], list[Entry]]:
    """What to train on, and what chooses the epoch: nothing where the last is taken or the test set chooses.

    Raises DataError as `split_videos` does.
    """
    if config.select == "validation" and config.val_fraction:
        return split_videos(entries, config.val_fraction, seed=config.seed)
    return list(entries), []


def judge_of(dataset: Dataset, config: TrainConfig, held: Sequence[Entry], *, device: str) -> Judge | None:
    """What chooses the epoch, given what `hold_out` holds out; None: nothing does, and the last is taken."""
    if config.select == "test":
        return partial(headline_on_test, dataset=dataset)
    return partial(video_auc, samples=FolderSamples(dataset.folder, held), device=device) if held else None


def split_videos(entries: Sequence[Entry], fraction: float, *, seed: int) -> tuple[list[Entry], list[Entry]]:
    """Entries to train on, and one of each video that is held out: its first crop.

    All crops of a video fall on one side. Videos are sorted by their labels and, among equals, at random; every
    (1 / fraction)-th is held out, so that each set of labels gives its share.

    Raises:
        DataError: the videos held out are all normal, or all anomalous.
    """
    videos: dict[str, Entry] = {}
    for entry in sorted(entries):
        videos.setdefault(entry.name, entry)
    order = np.random.default_rng(seed).permutation(len(videos))
    ranked = sorted(zip(order, videos.values(), strict=True), key=lambda pair: (pair[1].labels, pair[0]))
    ordered = [entry for _, entry in ranked]
    n_held = round(len(ordered) * fraction)
    held = [ordered[int((i + 0.5) * len(ordered) / n_held)] for i in range(n_held)]
    n_normal = sum(0 in entry.labels for entry in held)
    if n_normal in (0, n_held):
        raise DataError(
            f"of {len(ordered)} training videos {n_held} would be held out, {n_normal} of them normal; both kinds are "
            "needed to choose an epoch: hold more out, or none (--set train.val_fraction=0 takes the last epoch)"
        )
    names = {entry.name for entry in held}
    return [entry for entry in entries if entry.name not in names], held


@torch.inference_mode()
def video_scores(model: Model, texts: nn.Module, samples: Samples, *, device: str) -> np.ndarray:
    """p_c of each sample, [V]: the mean of its floor(n/16) + 1 highest scores (C.8)."""
    text, found = texts(), []
    for start in range(0, len(samples), BATCH):
        chosen = [samples[i] for i in range(start, min(start + BATCH, len(samples)))]
        output = stack(chosen, model.config).to(device).look(model, text)
        top, kept = top_values(output.scores[..., None], output.mask)  # [B, K, 1]
        found.append((top.sum(dim=1) / kept.sum(dim=1))[:, 0].cpu())
    return torch.cat(found).numpy()


def video_auc(model: Model, texts: nn.Module, samples: Samples, *, device: str) -> Metric:
    """How well p_c tells anomalous videos from normal ones, where both are among the samples (E33)."""
    from sklearn.metrics import roc_auc_score

    abnormal = [0 not in labels for labels in samples.labels]
    scores = video_scores(model, texts, samples, device=device)
    return Metric("video AUC, training videos held out", float(roc_auc_score(abnormal, scores)))


def normal_held(model: Model, text: Tensor, folder: FeatureFolder, held: Sequence[Entry]) -> dict[str, Any]:
    """What `normal_footage` tells of the normal videos among those held out."""
    return normal_footage(run(model, text, folder.load(entry.name, entry.crop)) for entry in held if 0 in entry.labels)


def headline_on_test(model: Model, texts: nn.Module, dataset: Dataset) -> Metric:
    """What VadCLIP and its line choose by: on XD-Violence AP of 1 - P(normal), on UCF-Crime AUC of the scores (C.8).

    Of a model without classes it is the score's on both. The metric's name says which of them it is.
    """
    with torch.inference_mode():
        text = texts()
    found = predict_all(dataset.folder, dataset.test_names, partial(predict, model, text), dataset.test_crops)
    probs = [prediction.class_probs for prediction in found if prediction.class_probs is not None]
    aligned = dataset.spec.headline == "ap" and len(probs) == len(found)
    curves = [1 - p[:, 0] for p in probs] if aligned else [prediction.scores for prediction in found]
    metrics = frame_metrics(np.repeat(np.concatenate(curves), SNIPPET_FRAMES), dataset.truth.frames)
    branch = "alignment branch, 1 - P(normal)" if aligned else "classifier"
    name = dataset.spec.headline
    return Metric(f"{name.upper()} of the {branch}, on the test set (optimistic)", getattr(metrics, name))
