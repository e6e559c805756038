"""MACIL-SD: Yu et al., Modality-Aware Contrastive Instance Learning with Self-Distillation (ACM MM 2022).

Frames attend to audio and audio to frames by one shared block. Rows of both that look abnormal are drawn together, and
away from the background; a network of the frames alone, trained beside it, is mixed into it after each epoch.
"""

import math
from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from cmhkf.model.afae import top_snippets
from cmhkf.model.baselines.common import heard, last_logit, objective, pool, pooled_bce, scorer_output, top_mean, valid
from cmhkf.model.config import ModelConfig
from cmhkf.model.layers import Attention
from cmhkf.model.losses import Objective
from cmhkf.model.output import ModelOutput

DIM, HEADS = 128, 4
DROPOUT = 0.1
MIX, MIX_EPOCHS = 0.91, 50  # how much of its own weights the network keeps at first, and when it keeps all
CONTRAST, CONTRAST_STEP = 1.5, 0.1  # weight of each contrastive term: at most, and how much more with each epoch
TEMPERATURE = 0.1


class CrossBlock(nn.Module):
    """q + Attention(LN(q), k, k), then q + FFN(LN(q)); k is not normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention, self.norm_ffn = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.attention = Attention(DIM, DIM, heads=HEADS)
        self.ffn = nn.Sequential(nn.Linear(DIM, DIM), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(DIM, DIM))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """[B, N, 128] on [B, N, 128]."""
        x = x + self.dropout(self.attention(self.norm_attention(x), context, mask[:, None, None]))
        return x + self.dropout(self.ffn(self.norm_ffn(x)))


class MacilSd(nn.Module):
    """Linear layers to 128, the shared block, one shared layer on top; and the same of the frames alone."""

    config: ModelConfig
    sound = None
    has_text = False
    mask_padding = True

    def __init__(self, video_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.audio_dim = audio_dim
        self.frames_in, self.audio_in = nn.Linear(video_dim, DIM), nn.Linear(audio_dim, DIM)
        self.block, self.head = CrossBlock(), nn.Linear(DIM, 1)
        parts = {"frames_in": nn.Linear(video_dim, DIM), "block": CrossBlock(), "head": nn.Linear(DIM, 1)}
        self.unimodal = nn.ModuleDict(parts)
        self.epoch: Tensor
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Mix the network of the frames alone into this one: w <- m w + (1 - m) w', m rising from 0.91 to 1."""
        done = min(int(self.epoch), MIX_EPOCHS)
        kept = 1 + (MIX - 1) / 2 * (1 + math.cos(math.pi * done / MIX_EPOCHS))
        for name, weights in self.unimodal.named_parameters():
            self.get_parameter(name).mul_(kept).add_((1 - kept) * weights)
        self.epoch += 1

    def forward(
        self,
        video: Tensor,
        lengths: Tensor,
        text: Tensor,
        *,
        semantic: Tensor | None = None,
        audio: Tensor | None = None,
        has_audio: Tensor | None = None,
        drop: Collection[str] = (),  # noqa: ARG002
    ) -> ModelOutput:
        """As CMHKF's; nothing can be dropped. Where there is no audio its rows are zeros."""
        video, mask = valid(video, lengths)
        seen = self.frames_in(video)
        sound = self.audio_in(heard(audio, has_audio, mask, width=self.audio_dim))
        seen, sound = self.block(seen, sound, mask), self.block(sound, seen, mask)  # [B, N, 128]
        by_frames, by_audio = last_logit(self.head, seen), last_logit(self.head, sound)
        extras = {"frames": seen, "audio": sound, "frames_logits": by_frames, "audio_logits": by_audio}
        if self.training:
            alone = self.unimodal["frames_in"](video)
            extras["alone"] = last_logit(self.unimodal["head"], self.unimodal["block"](alone, alone, mask))
            weight = min(CONTRAST, CONTRAST_STEP * int(self.epoch))
            extras["contrast"] = torch.full_like(by_frames, weight)
        fused, logits = torch.cat([seen, sound], dim=-1), by_frames + by_audio
        return scorer_output(video, mask, text, semantic=semantic, logits=logits, fused=fused, extras=extras)


def macil_sd_objective(output: ModelOutput, targets: Tensor, text: Tensor) -> Objective:  # noqa: ARG001
    """BCE + BCE of the frames alone + λ (four contrastive terms), λ = min(1.5, 0.1 · epoch); of a model in training.

    The network of the frames alone shares no weight with the rest. It learns at the same rate here; the published code
    gives it a fifth.
    """
    mask, k, labels = output.mask, top_snippets(output.mask.sum(dim=1)), 1 - targets[:, 0]
    bce = pooled_bce(output.logits, mask, k, labels)
    alone = pooled_bce(output.extras["alone"], mask, k, labels)
    return objective(bce + alone + output.extras["contrast"][0, 0] * contrast(output), bce)


def contrast(output: ModelOutput) -> Tensor:
    """The four contrastive terms, 0 where the model takes all videos of the batch for one kind.

    Which kind a video is of the model itself says: its pooled score is above 0.5 or not. An abnormal video gives the
    mean of its k best rows, a normal one its k best rows, and both their k worst as background.
    """
    mask = output.mask
    k = top_snippets(mask.sum(dim=1))
    abnormal = pool(output.logits, mask, k) > 0
    if abnormal.all() or not abnormal.any():
        return output.logits.new_zeros(())
    taken = torch.arange(mask.shape[1], device=mask.device) < k[:, None]  # [B, N]
    bags = {}
    for name in ("frames", "audio"):
        rows, logits = output.extras[name].float(), output.extras[f"{name}_logits"].float()
        best, worst = (ranked(rows, side * logits, mask) for side in (1, -1))
        event = top_mean(rows, logits, mask, k)[abnormal]  # [A, 128]
        bags[name] = event, worst[taken], best[~abnormal][taken[~abnormal]]
    weights, total = k[abnormal].float(), output.logits.new_zeros(())
    for query, key in (("audio", "frames"), ("frames", "audio")):
        event, background, calm = bags[key]
        for negatives in (background, calm):
            total = total + (info_nce(bags[query][0], event, negatives) * weights).sum() / weights.sum()
    return total


def ranked(rows: Tensor, ranking: Tensor, mask: Tensor) -> Tensor:
    """Rows [B, N, D] in descending order of [B, N], padding last."""
    order = ranking.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True)
    return rows.gather(1, order[..., None].expand_as(rows))


def info_nce(query: Tensor, positive: Tensor, negatives: Tensor) -> Tensor:
    """-log of the share of the positive among it and all negatives, by cosine / 0.1: [A, D], [A, D], [M, D] -> [A]."""
    query, positive, negatives = (normalize(rows, dim=-1) for rows in (query, positive, negatives))
    logits = torch.cat([(query * positive).sum(dim=-1, keepdim=True), query @ negatives.T], dim=-1) / TEMPERATURE
    return logits.logsumexp(dim=-1) - logits[:, 0]
