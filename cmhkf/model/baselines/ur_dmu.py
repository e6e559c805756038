"""UR-DMU: Zhou, Yu and Yang, Dual Memory Units with Uncertainty Regulation for Weakly Supervised VAD (AAAI 2023).

Two memories hold what normal and what abnormal rows look like; what a row finds in them is put beside it.
"""

import math
from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pairwise_distance, relu

from cmhkf.model.afae import top_snippets
from cmhkf.model.baselines.common import (
    convolved,
    cross_entropy,
    last_logit,
    mean_over,
    objective,
    of_pairs,
    pool,
    scorer_output,
    top_mean,
    valid,
)
from cmhkf.model.config import ModelConfig
from cmhkf.model.losses import Objective, mil_bce
from cmhkf.model.output import ModelOutput
from cmhkf.model.temporal import distance_graph

DIM, HEADS, HEAD_DIM, BLOCKS, SLOTS = 512, 4, 128, 2, 60
DROPOUT = 0.5
DUAL, TRIPLET, LATENT, DISTANCE = 0.1, 0.1, 1e-3, 1e-4  # weights of the terms
MARGIN, TRIPLET_MARGIN = 100.0, 1.0


class GlobalLocal(nn.Module):
    """x + MSA(LN(x)), then x + FFN(LN(x)); each head attends by content and, beside it, by distance in time."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention, self.norm_ffn = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.project = nn.Linear(DIM, 4 * HEADS * HEAD_DIM, bias=False)
        self.out = nn.Sequential(nn.Linear(2 * HEADS * HEAD_DIM, DIM), nn.Dropout(DROPOUT))
        wide = nn.Linear(DIM, DIM), nn.GELU(), nn.Dropout(DROPOUT)
        self.ffn = nn.Sequential(*wide, nn.Linear(DIM, DIM), nn.Dropout(DROPOUT))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, N, 512]."""
        parts = self.project(self.norm_attention(x)).chunk(4, dim=-1)
        query, key, value, near_value = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)
        dots = query @ key.transpose(-1, -2) / math.sqrt(HEAD_DIM)  # [B, heads, N, N]
        by_content = dots.masked_fill(~mask[:, None, None], -torch.inf).softmax(dim=-1) @ value
        near = distance_graph(x.shape[1], device=x.device) * mask[:, None] * mask[..., None]  # [B, N, N]
        near = near / near.sum(dim=1, keepdim=True).clamp(min=1e-12)  # columns sum to 1, as published
        both = torch.cat([by_content, near[:, None].to(x.dtype) @ near_value], dim=-1)  # [B, heads, N, 2 * 128]
        x = x + self.out(both.transpose(1, 2).flatten(2))
        return x + self.ffn(self.norm_ffn(x))


class Memory(nn.Module):
    """Sixty rows. How much a row of a video is like them, and the sum of them that it recalls."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = nn.Parameter(torch.empty(SLOTS, DIM).uniform_(-1 / math.sqrt(DIM), 1 / math.sqrt(DIM)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N, 512] -> mean of the four highest attentions [B, N], and [B, N, 512]."""
        attention = (x @ self.slots.T / math.sqrt(DIM)).sigmoid()  # [B, N, slots]
        return attention.topk(SLOTS // 16 + 1, dim=-1).values.mean(dim=-1), attention @ self.slots


class UrDmu(nn.Module):
    """A convolution, two transformer blocks, two memories with a latent code, and two layers on top."""

    config: ModelConfig
    sound = None
    has_text = False
    mask_padding = True

    def __init__(self, video_dim: int) -> None:
        super().__init__()
        self.embed = nn.Conv1d(video_dim, DIM, 3, padding=1)
        self.blocks = nn.ModuleList(GlobalLocal() for _ in range(BLOCKS))
        self.abnormal, self.normal = Memory(), Memory()
        self.mean, self.log_variance = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM)
        self.head = nn.ModuleList((nn.Linear(2 * DIM, 128), nn.Linear(128, 1)))

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
        x = relu(convolved(self.embed, video, mask))
        for block in self.blocks:
            x = block(x, mask)
        (abnormal_like, abnormal), (normal_like, normal) = self.abnormal(x), self.normal(x)
        code, recalled = self.mean(normal), self.mean(abnormal)
        logits, extras = self._score(x, code + recalled), {}
        if self.training:
            spread = self.log_variance(normal)
            drawn = code + (spread / 2).exp() * torch.randn_like(code)
            extras = {"drawn_logits": self._score(x, drawn + recalled), "drawn": drawn}
            extras |= {"code": code, "log_variance": spread, "recalled": recalled}
            extras |= {"abnormal_like": abnormal_like, "normal_like": normal_like}
        return scorer_output(video, mask, text, semantic=semantic, logits=logits, fused=x, extras=extras)

    def _score(self, x: Tensor, found: Tensor) -> Tensor:
        return last_logit(self.head[1], relu(self.head[0](torch.cat([x, found], dim=-1))))


def ur_dmu_objective(output: ModelOutput, targets: Tensor, text: Tensor) -> Objective:  # noqa: ARG001
    """BCE + 0.1 (four dual memory terms) + 0.1 triplet + 1e-3 KL + 1e-4 distance, of a model in training mode.

    Normal videos are scored with a drawn code, abnormal ones with its mean. Triplet and distance are over every pair of
    a normal and an abnormal video of the batch; the published code pairs them in order.
    """
    normal, mask, extras = targets[:, 0] > 0, output.mask, output.extras
    k = top_snippets(mask.sum(dim=1))
    logits = torch.where(normal[:, None], extras["drawn_logits"], output.logits)
    bce = mil_bce(logits, mask, (~normal).float())
    abnormal_like, normal_like = extras["abnormal_like"].float(), extras["normal_like"].float()
    found_abnormal = cross_entropy(pool(abnormal_like, mask, k), 1.0)[~normal]
    not_all_normal = cross_entropy(pool(1 - normal_like, mask, k), 1.0)[~normal]
    dual = of_pairs(found_abnormal) + of_pairs(not_all_normal)
    dual = dual + mean_over(cross_entropy(normal_like, 1.0)[normal], mask[normal])
    dual = dual + mean_over(cross_entropy(abnormal_like, 0.0)[normal], mask[normal])

    def best(rows: Tensor, ranking: Tensor, kind: Tensor) -> Tensor:
        return top_mean(rows, ranking, mask, k)[kind]  # [V, 512]

    anchor = normalize(best(output.fused, normal_like, normal), dim=-1)[:, None]
    positive = normalize(best(output.fused, normal_like, ~normal), dim=-1)
    negative = normalize(best(output.fused, abnormal_like, ~normal), dim=-1)
    near, far = pairwise_distance(anchor, positive), pairwise_distance(anchor, negative)  # [normal, abnormal]
    triplet = of_pairs(relu(near - far + TRIPLET_MARGIN))
    length = best(extras["recalled"], abnormal_like, ~normal).norm(dim=-1)
    length_normal = best(extras["drawn"], normal_like, normal).norm(dim=-1)
    distance = of_pairs(relu(MARGIN - length + length_normal[:, None]))
    code, spread = (extras[name].float()[normal] for name in ("code", "log_variance"))
    latent = -0.5 * ((1 + spread - code.square() - spread.exp()) * mask[normal][..., None]).sum(dim=1)
    total = bce + DUAL * dual + TRIPLET * triplet + LATENT * of_pairs(latent) + DISTANCE * distance
    return objective(total, bce)
