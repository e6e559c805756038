"""Cross-Modality Video-Text Knowledge Alignment: which class texts a window resembles, and when (Eq. 1-4).

Plain functions without parameters, so that an untrained analysis can use them too. B windows of N snippets, C class
texts; `mask` bool [B, N] is true for valid snippets, at least one per window. All of it is differentiable in the texts.
"""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cmhkf.model.layers import exact, exact_matmul


def rows_to_compare(video: Tensor, semantic: Tensor | None, text: Tensor) -> Tensor:
    """What Eq. 1 compares with the class texts: the semantic rows or, where they lie in the texts' space, the video's.

    Rows of another width than the texts' lie in no space of words; zeros, alike to nothing, stand for them.
    """
    if semantic is not None:
        return semantic
    return video if video.shape[-1] == text.shape[-1] else video.new_zeros(*video.shape[:-1], text.shape[-1])


def similarity(video: Tensor, text: Tensor) -> Tensor:
    """Cosine of every snippet [B, N, D] with every class text [C, D] -> [B, N, C] in [-1, 1] (Eq. 1, E4).

    A zero row, such as padding, has similarity 0 (E5). In float32 at least: half precision would round away what tells
    classes and snippets apart.
    """
    return exact_matmul(normalize(exact(video), dim=-1), normalize(exact(text), dim=-1).T)


def select(similarity: Tensor, mask: Tensor, k: int) -> Tensor:
    """Indices of the k classes with the largest sum over the valid snippets, best first: int64 [B, k] (Eq. 2, 3).

    The normal class may be among them (E6). Ties go to the lower index.
    """
    total = similarity.masked_fill(~mask[..., None], 0).sum(dim=1)  # [B, C], Eq. 2
    return total.sort(dim=-1, descending=True, stable=True).indices[:, :k]  # Eq. 3


def temporal_weights(similarity: Tensor, mask: Tensor, chosen: Tensor, *, tau: float) -> Tensor:
    """Softmax over the valid snippets for each chosen class [B, k] -> [B, N, k], columns sum to 1 (Eq. 4, E1)."""
    logits = _of_chosen(similarity, chosen) / tau
    return logits.masked_fill(~mask[..., None], -math.inf).softmax(dim=1)


def class_weights(similarity: Tensor, mask: Tensor, chosen: Tensor, *, tau: float) -> Tensor:
    """Softmax over the chosen classes in each snippet -> [B, N, k], valid rows sum to 1 (the other reading of E1)."""
    weights = (_of_chosen(similarity, chosen) / tau).softmax(dim=2)
    return weights.masked_fill(~mask[..., None], 0)


def align(
    similarity: Tensor,
    text: Tensor,
    mask: Tensor,
    chosen: Tensor,
    *,
    tau: float,
    norm: Literal["time", "class"] = "time",
    scale: Literal["length", "none"] = "length",
) -> Tensor:
    """F~_t: per snippet, the mean of the k chosen texts, weighted by how well each fits there (Eq. 4, E3).

    `text` [C, D] and `chosen` [B, k] -> [B, N, D], zero in padded rows. `scale="length"` brings the average weight
    from 1/n (or 1/k with `norm="class"`) to 1, so that the features do not depend on the window's length (E2).
    """
    k = chosen.shape[1]
    weights = (temporal_weights if norm == "time" else class_weights)(similarity, mask, chosen, tau=tau)
    if scale == "length":
        weights = weights * (mask.sum(dim=1)[:, None, None] if norm == "time" else k)
    return (exact_matmul(weights, text[chosen]) / k).to(text.dtype)  # [B, N, k] @ [B, k, D]


def plain_mean(text: Tensor, mask: Tensor) -> Tensor:
    """F~_t of the light variant: the mean of all class texts [C, D] in every valid snippet -> [B, N, D] (E28)."""
    return mask[..., None] * text.mean(dim=0)


def _of_chosen(similarity: Tensor, chosen: Tensor) -> Tensor:
    return torch.take_along_dim(similarity, chosen[:, None], dim=2)  # [B, N, k]
