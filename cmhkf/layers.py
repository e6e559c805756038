"""The three small layers that the temporal encoder, the fusion and the heads have in common (C.4, C.6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class QuickGELU(nn.Module):
    """QGELU(x) = x · sigmoid(1.702 x), CLIP's activation."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply elementwise."""
        return x * torch.sigmoid(1.702 * x)


def feed_forward(dim: int) -> nn.Sequential:
    """D -> 4 D -> D with QGELU between."""
    return nn.Sequential(nn.Linear(dim, 4 * dim), QuickGELU(), nn.Linear(4 * dim, dim))


class Attention(nn.Module):
    """Scaled dot-product attention of rows [B, N, D] on a context [B, M, E]."""

    def __init__(self, dim: int, context_dim: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(context_dim, dim)
        self.value = nn.Linear(context_dim, dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, context: Tensor, allowed: Tensor) -> Tensor:
        """Attend where `allowed` (bool, broadcast to [B, heads, N, M]) is true; each row needs one place at least."""
        query, key, value = (
            rows.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, rows, D / heads]
            for rows in (self.query(x), self.key(context), self.value(context))
        )
        attended = scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        return self.out(attended.transpose(1, 2).flatten(2))  # [B, N, D]
