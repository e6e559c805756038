"""The training objective: two multiple-instance losses and two on the class texts (Eq. 8-11).

B windows of N snippets, C classes (0 = normal), D the width of the class texts. `mask` bool [B, N] is true for valid
snippets, at least one per window; padded rows change nothing. All losses are means over the batch, computed in
float32, under autocast too.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity, logsigmoid

from cmhkf.model.afae import top_snippets
from cmhkf.model.output import ModelOutput
from cmhkf.timeline import SNIPPET_FRAMES


class Objective(NamedTuple):
    """The objective and its unweighted parts, all scalars."""

    total: Tensor
    bce: Tensor
    nce: Tensor
    na: Tensor
    aa: Tensor


def total(
    output: ModelOutput, targets: Tensor, *, text: Tensor, lambda_na: float = 1e-3, lambda_aa: float = 1e-4
) -> Objective:
    """L = L_BCE + L_NCE + λ1 L_NA + λ2 L_AA (Eq. 11).

    Args:
        output: the model's, for B windows.
        targets: multi-hot [B, C], at least one class per row; column 0 marks a normal video.
        text: [C, D] class texts before the visual prompt (E24), not `output.text`.
        lambda_na: λ1.
        lambda_aa: λ2.
    """
    bce = mil_bce(output.logits, output.mask, 1 - targets[:, 0])
    nce = mil_align(output.alignment, output.mask, targets)
    na, aa = normal_separation(text), anomaly_separation(text)
    return Objective(bce + nce + lambda_na * na + lambda_aa * aa, bce, nce, na, aa)


def mil_bce(logits: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
    """L_BCE of p_c, the mean of the floor(n/16) + 1 highest scores of a window (C.8, E25).

    log p_c and log(1 - p_c) are taken from the logits, so that a saturated score keeps its gradient.

    Args:
        logits: [B, N] before the sigmoid.
        mask: bool [B, N].
        labels: [B], 1 = the video holds an anomaly, 0 = normal.
    """
    top, kept = top_values(logits[..., None], mask)  # [B, K, 1]
    log_k = kept.sum(dim=1).log()  # [B, 1]
    log_p = logsigmoid(top).masked_fill(~kept, -torch.inf).logsumexp(dim=1) - log_k
    log_not_p = logsigmoid(-top).masked_fill(~kept, -torch.inf).logsumexp(dim=1) - log_k
    labels = labels[:, None].float()
    return -(labels * log_p + (1 - labels) * log_not_p).mean()


def snippet_bce(logits: Tensor, mask: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the snippets about which something is known; not in the paper.

    Mean over the known snippets of a window, then over the windows that have any; 0 without.

    Args:
        logits: [B, N] before the sigmoid.
        mask: bool [B, N].
        targets: [B, N] in [0, 1]; NaN: unknown.
    """
    known = mask & ~targets.isnan()
    each = binary_cross_entropy_with_logits(logits.float(), targets.nan_to_num(), reduction="none") * known
    n_known = known.sum(dim=1)
    return (each.sum(dim=1) / n_known.clamp(min=1)).sum() / (n_known > 0).sum().clamp(min=1)


def mil_align(alignment: Tensor, mask: Tensor, targets: Tensor) -> Tensor:
    """L_NCE: cross-entropy of softmax(m), m_c the mean of class c's own floor(n/16) + 1 best snippets (Eq. 8, E23).

    Args:
        alignment: [B, N, C], already divided by τ, as in `ModelOutput.alignment`.
        mask: bool [B, N].
        targets: multi-hot [B, C], at least one class per row; each row is divided by its sum.
    """
    top, kept = top_values(alignment, mask)  # [B, K, C]
    m = top.sum(dim=1) / kept.sum(dim=1)  # [B, C]
    targets = targets.float() / targets.sum(dim=1, keepdim=True)
    return -(targets * m.log_softmax(dim=1)).sum(dim=1).mean()


def normal_separation(text: Tensor) -> Tensor:
    """L_NA in [0, 2]: mean of 1 + cosine between the normal text and each anomaly's, [C, D] -> scalar (Eq. 9, E24)."""
    text = text.float()
    return 1 + cosine_similarity(text[1:], text[:1], dim=-1).mean()


def anomaly_separation(text: Tensor) -> Tensor:
    """L_AA in [0, 1]: mean |cosine| over the pairs of anomaly texts, [C, D] -> scalar (Eq. 10).

    With one anomaly class there is no pair: 0.
    """
    n_anomalies = text.shape[0] - 1
    if n_anomalies < 2:
        return text.new_zeros((), dtype=torch.float32)
    anomalies = text[1:].float()
    cosine = cosine_similarity(anomalies[:, None], anomalies[None], dim=-1)  # [C-1, C-1]
    pairs = cosine.abs().triu(diagonal=1)  # each once
    return pairs.sum() * 2 / (n_anomalies * (n_anomalies - 1))


def top_values(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The floor(n/16) + 1 highest valid values of each column (E8): [B, N, C] -> float32 [B, K, C], bool [B, K, 1].

    K is what a full window needs; where the second result is false the first is 0.
    """
    n_most = values.shape[1] // SNIPPET_FRAMES + 1
    best = values.float().masked_fill(~mask[..., None], -torch.inf).topk(n_most, dim=1).values
    rank = torch.arange(n_most, device=values.device)
    kept = (rank < top_snippets(mask.sum(dim=1))[:, None])[..., None]  # [B, K, 1]
    return best.masked_fill(~kept, 0), kept
