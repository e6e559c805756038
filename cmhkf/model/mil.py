"""Plain multiple-instance ranking: Sultani, Chen and Shah, Real-world Anomaly Detection in Surveillance Videos (2018).

Each row is scored alone, by three layers; the most anomalous of 32 segments of an abnormal video is pushed above that
of a normal one by a margin. It knows neither classes nor audio nor text.
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from cmhkf.model import cvka
from cmhkf.model.config import ModelConfig
from cmhkf.model.layers import exact_linear
from cmhkf.model.output import ModelOutput, shared

HIDDEN = 512


class MilRanking(nn.Module):
    """D_v -> 512, ReLU, dropout 0.6, 32, dropout 0.6, 1, on rows of unit length: the published layers.

    It stands in for CMHKF: the same `forward`, and its `ModelOutput`. It names no class: P(normal) = 1 - score, and
    all the anomaly classes share the score equally. Its saliency is the same everywhere.
    """

    config: ModelConfig
    sound = None
    has_text = False
    mask_padding = True

    def __init__(self, video_dim: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(video_dim, HIDDEN), nn.ReLU(), nn.Dropout(0.6))
        self.score = nn.Sequential(nn.Linear(HIDDEN, 32), nn.Dropout(0.6), nn.Linear(32, 1))

    def forward(
        self,
        video: Tensor,
        lengths: Tensor,
        text: Tensor,
        *,
        semantic: Tensor | None = None,
        audio: Tensor | None = None,  # noqa: ARG002
        has_audio: Tensor | None = None,  # noqa: ARG002
        drop: Collection[str] = (),  # noqa: ARG002
    ) -> ModelOutput:
        """As CMHKF's; audio is ignored, and there is nothing to drop."""
        mask = torch.arange(video.shape[1], device=video.device) < lengths[:, None]  # [B, N]
        video = video.masked_fill(~mask[..., None], 0)
        similarity = cvka.similarity(cvka.rows_to_compare(video, semantic, text), text)
        hidden = self.hidden(normalize(video, dim=-1))  # [B, N, 512]
        last = self.score[-1]
        assert isinstance(last, nn.Linear)
        logits = exact_linear(last, self.score[:-1](hidden)).squeeze(-1)  # [B, N]
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
            fused=hidden,
            video=video,
            text=text.expand(len(video), -1, -1),
        )
