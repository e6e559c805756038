"""CLIP's image transformer for inference alone: what open_clip's computes, in fewer passes over the memory.

Folded into the weights: the frames' normalisation, so that bytes go in as they are; attention's 1/sqrt(64), which is
exact; and QuickGELU's factor, by x sigmoid(1.702 x) = silu(1.702 x) / 1.702. Of the last block only the token that is
read is computed.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmhkf.encoders.linear import Linear

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
QUICK_GELU = 1.702
UNIT = 64  # bytes come in as multiples of 1/64, exact in each number format; the weights stay of ordinary size
PATCH, HEADS, WIDTH = 16, 12, 768
TOKENS = 1 + (224 // PATCH) ** 2


class _Norm:
    def __init__(self, norm: nn.LayerNorm, dtype: torch.dtype) -> None:
        self.weight, self.bias, self.eps = norm.weight.to(dtype), norm.bias.to(dtype), norm.eps

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (WIDTH,), self.weight, self.bias, self.eps)


class _Block:
    """x + attention, then x + MLP."""

    def __init__(self, block: Any, dtype: torch.dtype, rows: int) -> None:
        attn, mlp = block.attn, block.mlp
        scale = torch.ones(3 * WIDTH, 1, device=attn.in_proj_weight.device)
        scale[:WIDTH] = (WIDTH // HEADS) ** -0.5

        def linear(weight: Tensor, bias: Tensor) -> Linear:
            return Linear(weight.to(dtype), bias.to(dtype), rows=rows)

        self.ln_1, self.ln_2 = _Norm(block.ln_1, dtype), _Norm(block.ln_2, dtype)
        self.qkv = linear(attn.in_proj_weight * scale, attn.in_proj_bias * scale[:, 0])
        self.out = linear(attn.out_proj.weight, attn.out_proj.bias)
        self.fc = linear(mlp.c_fc.weight * QUICK_GELU, mlp.c_fc.bias * QUICK_GELU)
        self.proj = linear(mlp.c_proj.weight / QUICK_GELU, mlp.c_proj.bias)

    def __call__(self, x: Tensor, n: int = TOKENS) -> Tensor:
        """The first `n` tokens, [B, n, 768], of [B, N, 768]."""
        x = self.out.added(attention(self.qkv(self.ln_1(x)), n), x[:, :n].contiguous())
        return self.proj.added(self.fc.silu(self.ln_2(x)), x)


def attention(qkv: Tensor, n: int) -> Tensor:
    """Heads of 64 values from [B, N, 3 * 768], the queries scaled; of the first `n` tokens, [B, n, 768].

    torch's scaled dot product attention takes twice as long as plain products on a CPU (and longer on some).
    """
    heads = qkv.unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)  # [3, B, heads, N, 64]
    if not qkv.is_cpu:
        q, k, v = heads.unbind()
        seen = F.scaled_dot_product_attention(q[..., :n, :], k, v, scale=1.0)
    else:
        q, k, v = heads.contiguous().flatten(1, 2).unbind()
        seen = torch.bmm(torch.bmm(q[:, :n], k.mT).softmax(dim=-1), v).unflatten(0, (-1, HEADS))
    return seen.transpose(1, 2).flatten(2)


class ImageTower:
    """Frames to CLIP's image embedding, on the device of the weights it is made of."""

    def __init__(self, visual: Any, dtype: torch.dtype, *, frames: int) -> None:
        """`visual` is open_clip's ViT-B/16 in float32, which is not changed; `frames` come at once, usually."""
        self.dtype, self.device = dtype, str(visual.conv1.weight.device)
        rows = frames * TOKENS
        weight = visual.conv1.weight  # [768, 3, 16, 16]
        mean, std = (weight.new_tensor(values)[:, None, None] for values in (MEAN, STD))
        patches = (weight * (UNIT / 255 / std)).permute(0, 2, 3, 1).flatten(1)  # a pixel's channels side by side
        self.patches = Linear(patches.to(dtype), rows=rows)
        position = visual.positional_embedding.clone()  # [197, 768]
        position[0] += visual.class_embedding
        position[1:] -= (weight * (mean / std)).sum(dim=(1, 2, 3))
        self.position = position.to(dtype)
        self.ln_pre, self.ln_post = _Norm(visual.ln_pre, dtype), _Norm(visual.ln_post, dtype)
        self.blocks = [_Block(block, dtype, rows) for block in visual.transformer.resblocks]
        self.projection = visual.proj.to(dtype)

    def __call__(self, frames: Tensor) -> Tensor:
        """uint8 RGB [B, 224, 224, 3] to float32 [B, 512]."""
        squares = frames.unflatten(2, (-1, PATCH)).unflatten(1, (-1, PATCH)).transpose(2, 3)  # [B, 14, 14, 16, 16, 3]
        pixels = squares.to(self.dtype, memory_format=torch.contiguous_format).div_(UNIT)
        x = self.position.repeat(len(frames), 1, 1)  # [B, 197, 768]
        x[:, 1:] += self.patches(pixels.flatten(3).flatten(1, 2))
        x = self.ln_pre(x)
        *blocks, last = self.blocks
        for block in blocks:
            x = block(x)
        x = last(x, 1)  # nothing looks at its other tokens
        return (self.ln_post(x[:, 0]) @ self.projection).float()
