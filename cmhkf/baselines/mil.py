"""Plain multiple-instance ranking: Sultani, Chen and Shah, Real-world Anomaly Detection in Surveillance Videos (2018).

Each row is scored alone, by three layers; the most anomalous of 32 segments of an abnormal video is pushed above that
of a normal one by a margin. It knows neither classes nor sound nor text.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize

from cmhkf import cvka
from cmhkf.config import PRESETS, ModelConfig
from cmhkf.losses import Objective
from cmhkf.model import ModelOutput

SEGMENTS = 32
SMOOTHNESS = SPARSITY = 8e-5
HIDDEN = 512


def mil_config(dataset: str) -> ModelConfig:
    """For "xd-violence" or "ucf-crime"; sound and text are not used."""
    return replace(PRESETS[dataset].model, architecture="mil", modalities="V")


class MilRanking(nn.Module):
    """D_v -> 512, ReLU, dropout 0.6, 32, dropout 0.6, 1, on rows of unit length: the published layers.

    It stands in for CMHKF: the same `forward`, and its `ModelOutput`. It names no class: P(normal) = 1 - score, and
    all the anomaly classes share the score equally. Its saliency is the same everywhere.
    """

    config: ModelConfig
    sound = None
    has_text = False
    mask_padding = True

    def __init__(self, video_dim: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(video_dim, HIDDEN), nn.ReLU(), nn.Dropout(0.6))
        self.score = nn.Sequential(nn.Linear(HIDDEN, 32), nn.Dropout(0.6), nn.Linear(32, 1))

    def forward(
        self,
        video: Tensor,
        lengths: Tensor,
        text: Tensor,
        *,
        semantic: Tensor | None = None,
        audio: Tensor | None = None,  # noqa: ARG002
        heard: Tensor | None = None,  # noqa: ARG002
        has_audio: Tensor | None = None,  # noqa: ARG002
        drop: Collection[str] = (),  # noqa: ARG002
    ) -> ModelOutput:
        """As CMHKF's; sound is ignored, and there is nothing to drop."""
        mask = torch.arange(video.shape[1], device=video.device) < lengths[:, None]  # [B, N]
        video = video.masked_fill(~mask[..., None], 0)
        similarity = cvka.similarity(video if semantic is None else semantic, text)
        hidden = self.hidden(normalize(video, dim=-1))  # [B, N, 512]
        logits = self.score(hidden).squeeze(-1)  # [B, N]
        n_anomalies = len(text) - 1
        anomalous = (logsigmoid(logits) - math.log(n_anomalies))[..., None].expand(-1, -1, n_anomalies)
        return ModelOutput(
            mask=mask, logits=logits, alignment=torch.cat([logsigmoid(-logits)[..., None], anomalous], dim=-1),
            similarity=similarity, top_classes=cvka.select(similarity, mask, k=1),
            saliency=mask.float(), windowed_saliency=mask.float(), peaks=torch.zeros_like(mask),
            fused=hidden, video=video, text=text.expand(len(video), -1, -1),
        )  # fmt: skip


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
