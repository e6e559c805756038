"""The objective of plain multiple-instance ranking (Sultani, Chen and Shah 2018); the model is `model/mil.py`."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from cmhkf.model.config import DATASET_MODELS, ModelConfig
from cmhkf.model.losses import Objective
from cmhkf.model.output import ModelOutput

SEGMENTS = 32
SMOOTHNESS = SPARSITY = 8e-5


def mil_config(dataset: str) -> ModelConfig:
    """For "xd-violence" or "ucf-crime"; audio and text are not used."""
    return replace(DATASET_MODELS[dataset], architecture="mil", modalities="V")


def mil_objective(output: ModelOutput, targets: Tensor, text: Tensor) -> Objective:  # noqa: ARG001
    """Hinge over every pair of an abnormal and a normal video of the batch, and two terms on the abnormal ones.

    mean max(0, 1 - max s_a + max s_n) + 8e-5 (mean Σ (s_i - s_{i+1})² + mean Σ s_i), s the scores of 32 segments. A
    segment's score is the mean of its rows' (the paper scores the mean of its rows). The hinge is reported as `bce`; a
    batch of one kind alone has none.

    Args:
        output: of a batch of normal and abnormal videos.
        targets: multi-hot [B, C]; column 0 marks a normal video.
        text: not used.
    """
    scores = segment_means(output.scores.float(), output.mask.sum(dim=1))  # [B, 32]
    normal = targets[:, 0] > 0
    peak = scores.amax(dim=1)
    margins = (1 - peak[~normal][:, None] + peak[normal]).relu()  # [abnormal, normal]
    hinge = margins.sum() / max(margins.numel(), 1)
    abnormal = scores[~normal]
    terms = SMOOTHNESS * abnormal.diff(dim=1).square().sum() + SPARSITY * abnormal.sum()
    zero = hinge.new_zeros(())
    return Objective(hinge + terms / max(len(abnormal), 1), hinge, zero, zero, zero)


def segment_means(rows: Tensor, lengths: Tensor) -> Tensor:
    """Means of [B, N] over 32 even bins of the first `lengths` [B] values.

    An empty bin takes the value at its start. Gives [B, 32].
    """
    bounds = torch.arange(SEGMENTS + 1, device=rows.device) * lengths[:, None] // SEGMENTS  # [B, 33]
    first, last = bounds[:, :-1], torch.maximum(bounds[:, 1:], bounds[:, :-1] + 1)
    sums = nn.functional.pad(rows.cumsum(dim=1), (1, 0))  # [B, N + 1]
    return (sums.gather(1, last) - sums.gather(1, first)) / (last - first)
