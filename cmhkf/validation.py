"""What chooses the epoch: videos held out of the training set (E33) or, as the literature does, the test set (C.8)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from cmhkf.batches import Samples
from cmhkf.datasets import Dataset, Entry
from cmhkf.errors import DataError
from cmhkf.evaluate import predict
from cmhkf.losses import top_values
from cmhkf.metrics import frame_metrics
from cmhkf.model import CMHKF
from cmhkf.timeline import SNIPPET_FRAMES
from cmhkf.train import stack
from cmhkf.train_config import TrainConfig
from cmhkf.training_log import Metric

BATCH = 64  # samples looked at together


def hold_out(entries: Sequence[Entry], config: TrainConfig) -> tuple[list[Entry], list[Entry]]:
    """What to train on, and what chooses the epoch: nothing where the last is taken or the test set chooses.

    Raises DataError as `split_videos` does.
    """
    if config.select == "validation" and config.val_fraction:
        return split_videos(entries, config.val_fraction, seed=config.seed)
    return list(entries), []


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
            "needed to choose an epoch: hold more out, or none (--val-fraction 0 takes the last epoch)"
        )
    names = {entry.name for entry in held}
    return [entry for entry in entries if entry.name not in names], held


@torch.inference_mode()
def video_scores(model: CMHKF, texts: nn.Module, samples: Samples, *, device: str) -> np.ndarray:
    """p_c of each sample, [V]: the mean of its floor(n/16) + 1 highest scores (C.8)."""
    text, found = texts(), []
    for start in range(0, len(samples), BATCH):
        chosen = [samples[i] for i in range(start, min(start + BATCH, len(samples)))]
        batch = stack(chosen, model.config).to(device)
        output = model(
            batch.video, batch.lengths, text, semantic=batch.semantic, audio=batch.audio, has_audio=batch.has_audio
        )
        top, kept = top_values(output.scores[..., None], output.mask)  # [B, K, 1]
        found.append((top.sum(dim=1) / kept.sum(dim=1))[:, 0].cpu())
    return torch.cat(found).numpy()


def video_auc(model: CMHKF, texts: nn.Module, samples: Samples, *, device: str) -> Metric:
    """How well p_c tells anomalous videos from normal ones, where both are among the samples (E33)."""
    from sklearn.metrics import roc_auc_score

    abnormal = [0 not in labels for labels in samples.labels]
    scores = video_scores(model, texts, samples, device=device)
    return Metric("video AUC, training videos held out", float(roc_auc_score(abnormal, scores)))


def headline_on_test(model: CMHKF, texts: nn.Module, dataset: Dataset, *, device: str) -> Metric:
    """What VadCLIP and its line choose by: on XD-Violence AP of 1 - P(normal), on UCF-Crime AUC of the scores (C.8)."""
    with torch.inference_mode():
        text = texts()
    curves = []
    for name in dataset.test_names:
        prediction = predict(model, text, dataset.folder.load(name), device=device)
        probs = prediction.class_probs
        curves.append(prediction.scores if probs is None or dataset.spec.headline == "auc" else 1 - probs[:, 0])
    metrics = frame_metrics(np.repeat(np.concatenate(curves), SNIPPET_FRAMES), dataset.truth.frames)
    name = dataset.spec.headline
    return Metric(f"test {name.upper()} (selected on the test set: optimistic)", getattr(metrics, name))
