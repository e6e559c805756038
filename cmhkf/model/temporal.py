"""What happens over time in the frames: Local Transformer Encoder (C.4), then Global GCN (C.5), giving F~_v.

CLIP sees one frame at a time. The local encoder mixes snippets within blocks of `window`; the graph network mixes all
of them, once by likeness and once by distance in time.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from cmhkf.model.layers import Attention, QuickGELU, exact, exact_matmul, feed_forward
from cmhkf.timeline import WINDOW_SNIPPETS


class LocalEncoder(nn.Module):
    """Pre-norm transformer blocks that attend within non-overlapping blocks of `window` positions (C.4)."""

    def __init__(self, dim: int, *, layers: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.position = nn.Parameter(torch.empty(WINDOW_SNIPPETS, dim).normal_(std=0.01))
        self.blocks = nn.ModuleList(LocalBlock(dim, heads=heads) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, N, D] with N <= 256; `mask` [B, N] is true where a row may be attended to."""
        n = x.shape[1]
        x = x + self.position[:n]
        allowed = attention_blocks(n, self.window, device=x.device) & mask[:, None]  # [B, N, N]
        # Rows with nothing to attend to (padding) attend to themselves, or the softmax would be NaN.
        allowed = allowed | torch.eye(n, dtype=torch.bool, device=x.device)
        for block in self.blocks:
            x = block(x, allowed[:, None])
        return x


class LocalBlock(nn.Module):
    """x += MHA(LN(x)); x += FFN(LN(x))."""

    def __init__(self, dim: int, *, heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = Attention(dim, dim, heads=heads)
        self.norm_ffn = nn.LayerNorm(dim)
        self.ffn = feed_forward(dim)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        """[B, N, D]; `allowed` [B, 1, N, N]."""
        normed = self.norm_attention(x)
        x = x + self.attention(normed, normed, allowed)
        return x + self.ffn(self.norm_ffn(x))


def attention_blocks(n: int, window: int, *, device: torch.device) -> Tensor:
    """Block-diagonal bool [n, n]; blocks are laid over the 256 positions and the last takes in the remainder (C.4)."""
    last = max(WINDOW_SNIPPETS // window, 1) - 1
    block = (torch.arange(n, device=device) // window).clamp(max=last)
    return block[:, None] == block


class GraphConv(nn.Module):
    """QGELU(A · (X · W) + res(X)); the residual is a convolution over time where the width changes (C.5)."""

    def __init__(self, dim_in: int, dim_out: int, *, activation: nn.Module | None = None) -> None:
        """`activation`: in place of QGELU."""
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(dim_in, dim_out)))
        self.residual = nn.Conv1d(dim_in, dim_out, 5, padding=2) if dim_in != dim_out else None
        self.activation = activation or QuickGELU()

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        """[B, N, D_in] over `graph` [B or 1, N, N] -> [B, N, D_out]."""
        residual = x if self.residual is None else self.residual(x.transpose(1, 2)).transpose(1, 2)
        return self.activation(graph @ (x @ self.weight) + residual)


class GlobalGcn(nn.Module):
    """Two graph branches, by likeness and by distance in time, joined by a linear layer (C.5)."""

    def __init__(self, dim: int, *, threshold: float) -> None:
        super().__init__()
        half = dim // 2
        self.threshold = threshold
        self.likeness = nn.ModuleList((GraphConv(dim, half), GraphConv(half, half)))
        self.distance = nn.ModuleList((GraphConv(dim, half), GraphConv(half, half)))
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor, seen: Tensor) -> Tensor:
        """[B, N, D]; the likeness graph spans the rows of `mask`, everything else those of `seen` (both [B, N])."""
        x = x * seen[..., None]  # the convolution would read padded rows
        alike = likeness_graph(x, mask, threshold=self.threshold).to(x.dtype)
        near = distance_graph(x.shape[1], device=x.device).to(x.dtype)
        near = near * (seen[:, None] & seen[..., None])  # [B, N, N]
        branches = [
            second(first(x, graph), graph) for (first, second), graph in ((self.likeness, alike), (self.distance, near))
        ]
        return self.out(torch.cat(branches, dim=-1)) * seen[..., None]  # [B, N, D]


def likeness_graph(x: Tensor, mask: Tensor, *, threshold: float) -> Tensor:
    """Row-softmax of the cosines above `threshold` [B, N, N]; the others count as 0 and stay in the softmax (C.5).

    In float32 at least, or rounding would decide which cosines are above.
    """
    unit = normalize(exact(x), dim=-1)
    cosine = exact_matmul(unit, unit.transpose(1, 2))  # [B, N, N]
    cosine = torch.where(cosine > threshold, cosine, 0.0)
    graph = cosine.masked_fill(~mask[:, None], -math.inf).softmax(dim=-1)
    return graph * mask[..., None]


def distance_graph(n: int, *, device: torch.device) -> Tensor:
    """exp(-|i - j| / e), [n, n], not normalised (C.5)."""
    position = torch.arange(n, device=device)
    return torch.exp(-(position[:, None] - position).abs() / math.e)


class TemporalEncoder(nn.Module):
    """Raw frame rows -> F~_v."""

    def __init__(self, local: LocalEncoder, gcn: GlobalGcn) -> None:
        super().__init__()
        self.local = local
        self.gcn = gcn

    def forward(self, x: Tensor, mask: Tensor, seen: Tensor) -> Tensor:
        """[B, N, D], N <= 256. `mask` [B, N]: valid rows; `seen`: the rows that take part, all in the compat mode."""
        return self.gcn(self.local(x, seen), mask, seen)
