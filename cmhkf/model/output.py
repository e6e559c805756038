"""What a model says about windows of snippets. B windows of N snippets, C classes (0 = normal), D = `dim`."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """What the model says about B windows; values of padded rows mean nothing."""

    mask: Tensor
    """bool [B, N]: true for valid snippets."""
    logits: Tensor
    """[B, N] of the classifier, above its operating point: the coarse anomaly score before its sigmoid (E19)."""
    alignment: Tensor
    """[B, N, C] cos(F~_v, T'') / tau: the fine branch's class logits (E21)."""
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

    @property
    def scores(self) -> Tensor:
        """[B, N] in [0, 1]: the classifier's anomaly score, the headline (E31)."""
        return self.logits.sigmoid()

    @property
    def class_probs(self) -> Tensor:
        """[B, N, C], sums to 1 over the classes; 1 - class_probs[..., 0] is the alignment branch's score (E31)."""
        return self.alignment.softmax(dim=-1)


torch.export.register_dataclass(ModelOutput, serialized_type_name="cmhkf.ModelOutput")
