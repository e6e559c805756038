"""RTFM: Tian et al., Weakly-supervised Video Anomaly Detection with Robust Temporal Feature Magnitude Learning (2021).

Rows that say something anomalous are trained to be long, and those of the longest rows score the video.
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from cmhkf.model.baselines.common import (
    convolved,
    cross_entropy,
    last_logit,
    normalised,
    objective,
    of_pairs,
    scorer_output,
    top_mean,
    valid,
)
from cmhkf.model.config import ModelConfig
from cmhkf.model.losses import Objective
from cmhkf.model.output import ModelOutput

DILATIONS = (1, 2, 4)
DROPOUT = 0.7
MARGIN, MAGNITUDE_WEIGHT = 100.0, 1e-4
SMOOTHNESS, SPARSITY = 8e-4, 8e-3
TENTH = 10  # of a video's rows, one in so many is looked at


class NonLocal(nn.Module):
    """x + BN(W(θ(x) φ(x)ᵀ g(x) / N)): each row sees all valid rows, N of them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv1d(dim, dim // 2, 1) for _ in range(3))
        self.out, self.norm = nn.Conv1d(dim // 2, dim, 1), nn.BatchNorm1d(dim)
        nn.init.zeros_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, N, D]."""
        theta, phi, g = (convolved(layer, x, mask) for layer in (self.theta, self.phi, self.g))
        seen = theta @ (phi * mask[..., None]).transpose(1, 2) / mask.sum(dim=1)[:, None, None]  # [B, N, N]
        return x + normalised(self.norm, convolved(self.out, seen @ g, mask), mask)


class Rtfm(nn.Module):
    """Dilated convolutions and a non-local block beside one another, joined, and three layers on top.

    Each of the four branches is a quarter as wide as the rows: 512 for the published 2048.
    """

    config: ModelConfig
    sound = None
    has_text = False
    mask_padding = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        width = max(dim // 4, 2)
        self.dilated = nn.ModuleList(nn.Conv1d(dim, width, 3, dilation=d, padding=d) for d in DILATIONS)
        self.dilated_norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in DILATIONS)
        self.narrow = nn.Conv1d(dim, width, 1, bias=False)
        self.non_local = NonLocal(width)
        self.join, self.join_norm = nn.Conv1d(4 * width, dim, 3, padding=1, bias=False), nn.BatchNorm1d(dim)
        self.head = nn.ModuleList((nn.Linear(dim, 512), nn.Linear(512, 128), nn.Linear(128, 1)))
        self.dropout = nn.Dropout(DROPOUT)
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(
        self,
        video: Tensor,
        lengths: Tensor,
        text: Tensor,
        *,
        semantic: Tensor | None = None,
        audio: Tensor | None = None,  # noqa: ARG002
        has_audio: Tensor | None = None,  # noqa: ARG002
        drop: Collection[str] = (),  # noqa: ARG002
    ) -> ModelOutput:
        """As CMHKF's; audio is ignored, and there is nothing to drop."""
        video, mask = valid(video, lengths)
        branches = [
            normalised(norm, relu(convolved(layer, video, mask)), mask)  # type: ignore[arg-type]
            for layer, norm in zip(self.dilated, self.dilated_norms, strict=True)
        ]
        branches.append(self.non_local(relu(convolved(self.narrow, video, mask)), mask))
        joined = relu(convolved(self.join, torch.cat(branches, dim=-1), mask))
        rows = self.dropout(video + normalised(self.join_norm, joined, mask))  # [B, N, D]
        hidden = rows
        for layer in self.head[:-1]:
            hidden = self.dropout(relu(layer(hidden)))
        length = rows.float().norm(dim=-1)
        # In training some rows are left out of the choice, so that it is not always the same.
        extras = {"ranking": length * self.dropout(torch.ones_like(length))}
        logits = last_logit(self.head[-1], hidden)
        return scorer_output(video, mask, text, semantic=semantic, logits=logits, fused=rows, extras=extras)


def rtfm_objective(output: ModelOutput, targets: Tensor, text: Tensor) -> Objective:  # noqa: ARG001
    """BCE of the mean score of the k longest rows + 1e-4 mean (|100 - |x_a|| + |x_n|)² + 8e-4 Σ (s_i - s_{i+1})² +
    8e-3 |s|, x the mean of the k longest rows, s the scores of the abnormal videos.

    k is a tenth of a video's rows, 3 of the published 32. The second term is over every pair of an abnormal and a
    normal video of the batch; the published code pairs them in order, and lets s run on from one video into the next.
    """
    normal, mask = targets[:, 0] > 0, output.mask
    k = (mask.sum(dim=1) // TENTH).clamp(min=1)
    ranking, scores = output.extras["ranking"], output.scores.float()
    bce = cross_entropy(top_mean(scores[..., None], ranking, mask, k)[:, 0], (~normal).float()).mean()
    length = top_mean(output.fused, ranking, mask, k).norm(dim=-1)  # [B]
    apart = of_pairs(((MARGIN - length[~normal]).abs() + length[normal][:, None]).square())
    abnormal, there = scores[~normal], mask[~normal]
    smooth = (abnormal.diff(dim=1).square() * there[:, 1:]).sum()
    sparse = (abnormal * there).norm()
    return objective(bce + MAGNITUDE_WEIGHT * apart + SMOOTHNESS * smooth + SPARSITY * sparse, bce)
