"""Multi-Modality Knowledge Adaptive Fusion: F~_v, F~_t, F~_a -> F_fused; and its rivals (Table 11).

Streams come as a sequence of [B, N, D] in the order video, text, audio; absent ones are left out and J shrinks (E30).
J is their concatenation, [B, N, S D] for S streams (E18). `mask` bool [B, N] is true for valid snippets; what stands in
padded rows is ignored, and they come out as zero.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cmhkf.model.layers import Attention, feed_forward
from cmhkf.timeline import WINDOW_SNIPPETS

JCA_HIDDEN = 32
START_SCALE = 0.1  # of the attention's last layer, so that training begins near plain concatenation


def joint_attention(dim: int, joint_dim: int, *, heads: int) -> Attention:
    """Attention of a stream on J (`xattn`). Nothing is normalised before it: that would erase the weights of E2, E9."""
    attention = Attention(dim, joint_dim, heads=heads)
    with torch.no_grad():
        for parameter in attention.out.parameters():
            parameter.mul_(START_SCALE)
    return attention


class JointCorrelation(nn.Module):
    """Joint cross-attention after Praveen et al. 2022 (`jca`): features are correlated with J's features over time.

    G = tanh(x' J / sqrt(S D)), H = ReLU(G W_c + x' W), attended = (H W_h)'. Their L x L matrix between x' and J is left
    out; W and W_h are laid over the 256 positions, and a shorter window uses the first of them.
    """

    def __init__(self, joint_dim: int) -> None:
        super().__init__()
        self.from_joint = nn.Linear(joint_dim, JCA_HIDDEN, bias=False)
        self.from_rows = nn.Parameter(nn.init.xavier_uniform_(torch.empty(WINDOW_SNIPPETS, JCA_HIDDEN)))
        self.to_rows = nn.Parameter(nn.init.xavier_uniform_(torch.empty(JCA_HIDDEN, WINDOW_SNIPPETS)))

    def forward(self, x: Tensor, joint: Tensor, allowed: Tensor) -> Tensor:
        """[B, N, D] with J [B, N, S D] -> [B, N, D]; `allowed` [B, 1, 1, N] as for `Attention`."""
        n = x.shape[1]
        features = (x * allowed[:, 0, 0, :, None]).transpose(1, 2)  # [B, D, N]
        correlation = torch.tanh(features @ joint / math.sqrt(joint.shape[-1]))  # [B, D, S D]
        hidden = torch.relu(self.from_joint(correlation) + features @ self.from_rows[:n])  # [B, D, 32]
        return (hidden @ self.to_rows[:, :n]).transpose(1, 2)  # [B, N, D]


class AttentionFusion(nn.Module):
    """MKAF: each stream attends to J and goes through its own FFN; F_fused = Linear([F_int ...] + J)."""

    def __init__(
        self, dim: int, attend: Sequence[nn.Module], *, residual: bool = False, layer_norm: bool = False
    ) -> None:
        """`attend` holds one module per stream, called with (stream, J, allowed [B, 1, 1, N])."""
        super().__init__()
        self.residual = residual
        self.attend = nn.ModuleList(attend)
        self.ffn = nn.ModuleList(feed_forward(dim) for _ in attend)
        self.norm = nn.LayerNorm(dim * len(attend)) if layer_norm else nn.Identity()
        self.out = nn.Linear(dim * len(attend), dim)

    def forward(self, streams: Sequence[Tensor], mask: Tensor) -> Tensor:
        """S x [B, N, D] -> [B, N, D]."""
        joint = torch.cat(tuple(streams), dim=-1)  # [B, N, S D]
        interacted = []
        for x, attend, ffn in zip(streams, self.attend, self.ffn, strict=True):
            attended = attend(x, joint, mask[:, None, None])
            interacted.append(ffn(attended + x if self.residual else attended))
        return self.out(self.norm(torch.cat(interacted, dim=-1) + joint)) * mask[..., None]


class ConcatFusion(nn.Module):
    """Linear(J); with `project` each stream goes through a linear layer of its own first (Bilinear & Concat)."""

    def __init__(self, dim: int, n_streams: int, *, project: bool) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(dim, dim) if project else nn.Identity() for _ in range(n_streams))
        self.out = nn.Linear(dim * n_streams, dim)

    def forward(self, streams: Sequence[Tensor], mask: Tensor) -> Tensor:
        """S x [B, N, D] -> [B, N, D]."""
        projected = [project(x) for project, x in zip(self.project, streams, strict=True)]
        return self.out(torch.cat(projected, dim=-1)) * mask[..., None]


class SumFusion(nn.Module):
    """The sum of the streams, each through a linear layer of its own (Bilinear & Additive)."""

    def __init__(self, dim: int, n_streams: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(dim, dim) for _ in range(n_streams))

    def forward(self, streams: Sequence[Tensor], mask: Tensor) -> Tensor:
        """S x [B, N, D] -> [B, N, D]."""
        projected = [project(x) for project, x in zip(self.project, streams, strict=True)]
        return torch.stack(projected).sum(dim=0) * mask[..., None]
