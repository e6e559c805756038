"""What a model says about windows of snippets. B windows of N snippets, C classes (0 = normal), D = `dim`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, pad

OF_WINDOWS = ("top_classes", "text")  # the fields of an output that have no snippets


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """What the model says about B windows; values of padded rows mean nothing."""

    mask: Tensor
    """bool [B, N]: true for valid snippets."""
    logits: Tensor
    """[B, N] of the classifier, above its operating point: the coarse anomaly score before its sigmoid (E19)."""
    alignment: Tensor
    """[B, N, C] cos(F~_v, T'') / tau: the fine branch's class logits (E21)."""
    class_logits: Tensor
    """[B, N, C] what names the class: the alignment, or a probe's answer that shares the score among the anomalies."""
    similarity: Tensor
    """[B, N, C] raw cosine (Eq. 1)."""
    top_classes: Tensor
    """int64 [B, k] CVKA's chosen classes, most similar first (Eq. 3)."""
    saliency: Tensor
    """[B, N] n · S of Eq. 5; 1 = average. Computed for every choice of modalities, used only where AFAE is."""
    windowed_saliency: Tensor
    """[B, N] n · S~ of Eq. 6."""
    peaks: Tensor
    """bool [B, N] AFAE's peaks."""
    fused: Tensor
    """[B, N, D] F_fused."""
    video: Tensor
    """[B, N, D] F~_v."""
    text: Tensor
    """[B, C, D] T'': the class texts with the window's visual prompt (F~_vt)."""
    extras: dict[str, Tensor] = field(default_factory=dict)
    """[B, N, ...] each: what a baseline's objective needs besides."""

    @property
    def scores(self) -> Tensor:
        """[B, N] in [0, 1]: the classifier's anomaly score, the headline (E31)."""
        return self.logits.sigmoid()

    @property
    def class_probs(self) -> Tensor:
        """[B, N, C], sums to 1 over the classes."""
        return self.class_logits.softmax(dim=-1)

    @property
    def alignment_scores(self) -> Tensor:
        """[B, N] in [0, 1]: 1 - P(normal) of the alignment branch (E31)."""
        return 1 - self.alignment.softmax(dim=-1)[..., 0]


def shared(logits: Tensor, anomalies: Tensor) -> Tensor:
    """Class logits [B, N, C] of which P(normal) is 1 - score, and the rest the score in the shares of the anomalies.

    `logits` [B, N] are the score's; `anomalies` [B, N, C - 1] those of the anomaly classes among themselves.
    """
    anomalous = logsigmoid(logits)[..., None] + anomalies.log_softmax(dim=-1)
    return torch.cat([logsigmoid(-logits)[..., None], anomalous], dim=-1)


torch.export.register_dataclass(ModelOutput, serialized_type_name="cmhkf.ModelOutput")


def joined(outputs: Sequence[ModelOutput], order: Tensor, n: int) -> ModelOutput:
    """Several outputs as one of all their windows, with n snippets: those that were not looked at are zero.

    `order`, int64 [B], tells which of the windows, counted through all outputs, comes where.
    """

    def whole(parts: list[Tensor], *, of_windows: bool = False) -> Tensor:
        if not of_windows:
            parts = [pad(rows, (*(0, 0) * (rows.ndim - 2), 0, n - rows.shape[1])) for rows in parts]
        return torch.cat(parts)[order]

    names = [field.name for field in fields(ModelOutput) if field.name != "extras"]
    values = {name: whole([getattr(o, name) for o in outputs], of_windows=name in OF_WINDOWS) for name in names}
    extras = {name: whole([output.extras[name] for output in outputs]) for name in outputs[0].extras}
    return ModelOutput(**values, extras=extras)
