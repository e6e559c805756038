"""What the baselines share: masks, convolutions that read no padding, means over the best rows, and their outputs."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from cmhkf.model import cvka
from cmhkf.model.layers import exact, exact_linear
from cmhkf.model.losses import Objective
from cmhkf.model.output import ModelOutput, shared

EPSILON = 1e-7  # how near to 0 and 1 a probability counts in a cross-entropy


def valid(video: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The rows [B, N, D] with zeros in the padding, and the mask [B, N] of the others."""
    mask = torch.arange(video.shape[1], device=video.device) < lengths[:, None]
    return video.masked_fill(~mask[..., None], 0), mask


def heard(audio: Tensor | None, has_audio: Tensor | None, mask: Tensor, *, width: int) -> Tensor:
    """Audio rows [B, N, width]: zeros in the padding of `mask` [B, N], and where there is nothing to hear."""
    if audio is None:
        return torch.zeros(*mask.shape, width, device=mask.device)
    there = mask if has_audio is None else mask & has_audio[:, None]
    return audio.masked_fill(~there[..., None], 0)


def convolved(layer: nn.Module, rows: Tensor, mask: Tensor) -> Tensor:
    """A layer over time on rows [B, N, D], to which padding is what lies outside a video: zeros."""
    return layer((rows * mask[..., None]).transpose(1, 2)).transpose(1, 2)


def normalised(norm: nn.BatchNorm1d, rows: Tensor, mask: Tensor) -> Tensor:
    """Batch normalisation whose statistics are those of valid rows alone, [B, N, D]; padding becomes zeros."""
    return torch.zeros_like(rows).masked_scatter(mask[..., None], norm(rows[mask]).to(rows.dtype))


def top_mean(rows: Tensor, ranking: Tensor, mask: Tensor, n_top: Tensor) -> Tensor:
    """Mean [B, D] of the `n_top` [B] rows of [B, N, D] that rank highest by [B, N]."""
    order = exact(ranking).masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True)
    taken = torch.arange(rows.shape[1], device=rows.device) < n_top[:, None]
    chosen = exact(rows).gather(1, order[..., None].expand_as(rows)) * taken[..., None]
    return chosen.sum(dim=1) / n_top[:, None]


def pool(values: Tensor, mask: Tensor, n_top: Tensor) -> Tensor:
    """Mean [B] of the `n_top` highest of [B, N]."""
    return top_mean(values[..., None], values, mask, n_top)[:, 0]


def cross_entropy(probability: Tensor, label: Tensor | float) -> Tensor:
    """Elementwise -y log p - (1 - y) log(1 - p), in float32."""
    p = probability.float().clamp(EPSILON, 1 - EPSILON)
    return -(label * p.log() + (1 - label) * (1 - p).log())


def pooled_bce(logits: Tensor, mask: Tensor, n_top: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of a video whose logit is the mean of its highest: HL-Net's and MACIL-SD's."""
    return binary_cross_entropy_with_logits(pool(logits, mask, n_top), labels)


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the valid entries of [B, N]; 0 without any."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def of_pairs(values: Tensor) -> Tensor:
    """Mean over all pairs [normal, abnormal]; 0 where a batch holds one kind alone."""
    return values.sum() / max(values.numel(), 1)


def objective(total: Tensor, main: Tensor) -> Objective:
    """An objective of which `main` is reported as `bce`, and what else there is only in the total."""
    zero = total.new_zeros(())
    return Objective(total, main, zero, zero, zero)


def last_logit(layer: nn.Module, rows: Tensor) -> Tensor:
    """One logit [B, N] of each row by a linear layer, in float32 at least, since snippets are ranked by it."""
    assert isinstance(layer, nn.Linear)
    return exact_linear(layer, rows).squeeze(-1)


def scorer_output(
    video: Tensor,
    mask: Tensor,
    text: Tensor,
    *,
    semantic: Tensor | None,
    logits: Tensor,
    fused: Tensor,
    extras: dict[str, Tensor] | None = None,
) -> ModelOutput:
    """The output of a model that tells no classes.

    P(normal) = 1 - score, all anomaly classes share the score equally, and the saliency is the same everywhere.
    """
    similarity = cvka.similarity(cvka.rows_to_compare(video, semantic, text), text)
    classes = shared(logits, logits.new_zeros(*logits.shape, len(text) - 1))
    return ModelOutput(
        mask=mask,
        logits=logits,
        alignment=classes,
        class_logits=classes,
        similarity=similarity,
        top_classes=cvka.select(similarity, mask, k=1),
        saliency=mask.float(),
        windowed_saliency=mask.float(),
        peaks=torch.zeros_like(mask),
        fused=fused,
        video=video,
        text=text.expand(len(video), -1, -1),
        extras=extras or {},
    )
