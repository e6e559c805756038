"""The three small layers that the temporal encoder, the fusion and the heads have in common (C.4, C.6)."""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, silu


def exact(x: Tensor) -> Tensor:
    """The same values in float32 where they come in half precision."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def without_autocast(device: torch.device) -> AbstractContextManager:
    """Leave autocast for a while: what is compared, ranked or summed over time must not be rounded."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def exact_matmul(a: Tensor, b: Tensor) -> Tensor:
    """a @ b in float32 or better, whatever the precision of the run."""
    with without_autocast(a.device):
        return exact(a) @ exact(b)


def exact_linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """A linear layer in float32 or better, whatever the precision of the run."""
    with without_autocast(x.device):
        return linear(exact(x), exact(layer.weight), exact(layer.bias))


class QuickGELU(nn.Module):
    """QGELU(x) = x · sigmoid(1.702 x), CLIP's activation."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply elementwise."""
        return silu(1.702 * x).mul_(1 / 1.702)  # one kernel, which keeps one tensor for the backward pass and not two


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

    def begin_as_multihead(self) -> None:
        """Give the weights the start of torch's `nn.MultiheadAttention`, which VadCLIP's blocks are.

        Zero biases; queries, keys and values Xavier uniform, together as one matrix where they read the same width;
        the last layer's weight stays a linear layer's.
        """
        projections = self.query, self.key, self.value
        together = self.query.in_features == self.key.in_features
        for layer in projections:
            rows, columns = layer.weight.shape
            bound = math.sqrt(6 / (columns + rows * (len(projections) if together else 1)))
            nn.init.uniform_(layer.weight, -bound, bound)
        for layer in (*projections, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, context: Tensor, allowed: Tensor) -> Tensor:
        """Attend where `allowed` (bool, broadcast to [B, heads, N, M]) is true; each row needs one place at least."""
        query, key, value = (
            rows.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, rows, D / heads]
            for rows in (self.query(x), self.key(context), self.value(context))
        )
        attended = scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        return self.out(attended.transpose(1, 2).flatten(2))  # [B, N, D]
