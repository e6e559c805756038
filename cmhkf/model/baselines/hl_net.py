"""HL-Net: Wu et al., Not only Look, but also Listen: Learning Multimodal Violence Detection (ECCV 2020).

Frames and audio side by side; three graphs (by likeness, by distance, by score) give the offline score, and a branch
that sees no future gives an online one, which learns from the first.
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad, relu

from cmhkf.model.afae import top_snippets
from cmhkf.model.baselines.common import convolved, heard, last_logit, objective, pooled_bce, scorer_output, valid
from cmhkf.model.config import ModelConfig
from cmhkf.model.losses import Objective
from cmhkf.model.output import ModelOutput
from cmhkf.model.temporal import GraphConv, distance_graph, likeness_graph

THRESHOLD = 0.7
DROPOUT = 0.6
ONLINE_WEIGHT = 5.0
PAST = 4  # rows before a row that the online branch reads


class HlNet(nn.Module):
    """Two layers on each row, three branches of two graph convolutions, one layer on top."""

    config: ModelConfig
    sound = None
    has_text = False
    mask_padding = True

    def __init__(self, video_dim: int, audio_dim: int) -> None:
        """`audio_dim` 0: without audio."""
        super().__init__()
        self.audio_dim = audio_dim
        self.rows = nn.ModuleList((nn.Conv1d(video_dim + audio_dim, 512, 1), nn.Conv1d(512, 128, 1)))
        self.graphs = nn.ModuleList(
            nn.ModuleList((GraphConv(128, 32, activation=nn.ReLU()), GraphConv(32, 32, activation=nn.ReLU())))
            for _ in range(3)
        )
        self.out = nn.Linear(3 * 32, 1)
        self.online = nn.ModuleList((nn.Conv1d(128, 64, 1), nn.Conv1d(64, 32, 1), nn.Conv1d(32, 1, PAST + 1)))
        self.dropout = nn.Dropout(DROPOUT)
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)

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
        given = video
        if self.audio_dim:
            given = torch.cat([video, heard(audio, has_audio, mask, width=self.audio_dim)], dim=-1)
        x = given
        for layer in self.rows:
            x = self.dropout(relu(convolved(layer, x, mask)))
        x = x * mask[..., None]
        ahead = x
        for layer in self.online[:-1]:
            ahead = relu(convolved(layer, ahead, mask)) * mask[..., None]
        online = self.online[-1](pad(ahead.transpose(1, 2), (PAST, 0)))[:, 0]  # [B, N]
        near = distance_graph(x.shape[1], device=x.device) * mask[:, None] * mask[..., None]
        graphs = likeness_graph(given, mask, threshold=THRESHOLD), near, score_graph(online.detach(), mask)
        branches = []
        for layers, graph in zip(self.graphs, graphs, strict=True):
            branch = x
            for layer in layers:  # type: ignore[union-attr]
                branch = self.dropout(layer(branch, graph.to(x.dtype))) * mask[..., None]
            branches.append(branch)
        fused = torch.cat(branches, dim=-1)
        logits, extras = last_logit(self.out, fused), {"online": online}
        return scorer_output(video, mask, text, semantic=semantic, logits=logits, fused=fused, extras=extras)


def score_graph(logits: Tensor, mask: Tensor) -> Tensor:
    """Row-softmax of σ((1 - |s_i - s_j| - 0.5) / 0.1) over the valid rows, s = σ(logits): [B, N] -> [B, N, N]."""
    scores = logits.float().sigmoid()
    alike = ((0.5 - (scores[:, :, None] - scores[:, None]).abs()) / 0.1).sigmoid()
    return alike.masked_fill(~mask[:, None], -torch.inf).softmax(dim=-1) * mask[..., None]


def hl_net_objective(output: ModelOutput, targets: Tensor, text: Tensor) -> Objective:  # noqa: ARG001
    """BCE offline + BCE online + 5 mean(-s_offline log s_online), s_offline without gradient."""
    mask, online = output.mask, output.extras["online"].float()
    k, labels = top_snippets(mask.sum(dim=1)), 1 - targets[:, 0]
    bce = pooled_bce(output.logits, mask, k, labels)
    follows = -(output.scores.float().detach() * logsigmoid(online)) * mask
    follows = (follows.sum(dim=1) / mask.sum(dim=1)).mean()
    return objective(bce + pooled_bce(online, mask, k, labels) + ONLINE_WEIGHT * follows, bce)
