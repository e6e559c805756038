"""AVadCLIP: Wu et al., AVadCLIP: Audio-Visual Collaboration for Robust Video Anomaly Detection (2025).

VadCLIP whose frames take in what the audio adds, through a gate. The distillation for videos without audio is left out.
"""

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, pad, relu
from torch.nn.utils.parametrizations import weight_norm

from cmhkf.model.baselines.common import heard, scorer_output, valid
from cmhkf.model.cmhkf import Classifier, FineBranch
from cmhkf.model.config import ModelConfig
from cmhkf.model.losses import Objective, mil_align, mil_bce, top_values
from cmhkf.model.output import ModelOutput
from cmhkf.model.temporal import TemporalEncoder

LEVELS, KERNEL = 3, 2
DROPOUT = 0.1
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss: where each class's weight begins, and the exponent
TEXT_WEIGHT = 1e-4


class CausalBlock(nn.Module):
    """Two causal, dilated convolutions with weight normalisation, and a shortcut."""

    def __init__(self, dim_in: int, dim: int, *, dilation: int) -> None:
        super().__init__()
        self.past = (KERNEL - 1) * dilation
        layers = nn.Conv1d(dim_in, dim, KERNEL, dilation=dilation), nn.Conv1d(dim, dim, KERNEL, dilation=dilation)
        self.shortcut = nn.Conv1d(dim_in, dim, 1) if dim_in != dim else nn.Identity()
        for layer in (*layers, self.shortcut):
            if isinstance(layer, nn.Conv1d):
                nn.init.normal_(layer.weight, std=0.01)
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """[B, D_in, N] -> [B, D, N]."""
        out = x
        for layer in self.layers:
            out = self.dropout(relu(layer(pad(out, (self.past, 0)))))
        return relu(out + self.shortcut(x))


class AvadClip(nn.Module):
    """VadCLIP's temporal encoder and heads, with the audio's causal convolutions joined to the frames by a gate."""

    config: ModelConfig
    sound = None
    has_text = False
    mask_padding = True

    def __init__(
        self,
        *,
        frames_in: nn.Module,
        texts_in: nn.Module,
        temporal: TemporalEncoder,
        classifier: Classifier,
        fine: FineBranch,
        dim: int,
        audio_dim: int,
        n_classes: int,
    ) -> None:
        super().__init__()
        self.frames_in, self.texts_in, self.temporal = frames_in, texts_in, temporal
        self.classifier, self.fine = classifier, fine
        self.audio_dim = audio_dim
        widths = audio_dim, *(dim,) * LEVELS
        self.audio_net = nn.Sequential(*(CausalBlock(widths[i], dim, dilation=2**i) for i in range(LEVELS)))
        self.gate = nn.Sequential(nn.Linear(2 * dim, dim), nn.Sigmoid())
        self.residual = nn.Sequential(nn.Linear(2 * dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.alpha = nn.Parameter(torch.full((n_classes,), ALPHA))

    def forward(
        self,
        video: Tensor,
        lengths: Tensor,
        text: Tensor,
        *,
        semantic: Tensor | None = None,
        audio: Tensor | None = None,
        has_audio: Tensor | None = None,
        drop: Collection[str] = (),  # noqa: ARG002
    ) -> ModelOutput:
        """As CMHKF's; nothing can be dropped. Where there is no audio its rows are zeros."""
        video, mask = valid(video, lengths)
        seen = self.temporal(self.frames_in(video), mask, mask)  # [B, N, D]
        sound = heard(audio, has_audio, mask, width=self.audio_dim)
        sound = self.audio_net(sound.transpose(1, 2)).transpose(1, 2)
        both = torch.cat([seen, sound.to(seen.dtype)], dim=-1)
        fused = (seen + self.gate(both) * self.residual(both)) * mask[..., None]
        logits = self.classifier(fused)
        alignment, prompted = self.fine(fused, logits, self.texts_in(text))
        extras = {"alpha": self.alpha.expand(*mask.shape, -1)}
        scored = scorer_output(video, mask, text, semantic=semantic, logits=logits, fused=fused, extras=extras)
        return replace(scored, alignment=alignment, class_logits=alignment, video=seen, text=prompted)


def avadclip_objective(output: ModelOutput, targets: Tensor, text: Tensor) -> Objective:
    """L_BCE + (L_NCE + L_focal) / 2 + 1e-4 · mean |cos(t_0, t_c)|, the last reported as `na`.

    L_focal = mean -α_y (1 - p_y)² Σ y log p of the classes' softmax as in L_NCE, with a learned α for each class.
    """
    bce, nce = mil_bce(output.logits, output.mask, 1 - targets[:, 0]), mil_align(output.alignment, output.mask, targets)
    top, kept = top_values(output.alignment, output.mask)
    log_p = (top.sum(dim=1) / kept.sum(dim=1)).log_softmax(dim=-1)  # [B, C]
    shares = targets.float() / targets.sum(dim=1, keepdim=True)
    alpha, p = (shares * output.extras["alpha"][:, 0]).sum(dim=-1), (shares * log_p.exp()).sum(dim=-1)
    focal = -(alpha * (1 - p) ** GAMMA * (shares * log_p).sum(dim=-1)).mean()
    aligned = (nce + focal) / 2
    separation = cosine_similarity(text[1:].float(), text[:1].float(), dim=-1).abs().mean()
    total = bce + aligned + TEXT_WEIGHT * separation
    return Objective(total, bce, aligned, separation, separation.new_zeros(()))
