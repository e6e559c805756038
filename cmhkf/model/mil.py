"""Plain multiple-instance ranking: Sultani, Chen and Shah, Real-world Anomaly Detection in Surveillance Videos (2018).

Each row is scored alone, by three layers; the most anomalous of 32 segments of an abnormal video is pushed above that
of a normal one by a margin. It knows neither classes nor audio nor text.
"""

from collections.abc import Collection

from torch import Tensor, nn
from torch.nn.functional import normalize

from cmhkf.model.baselines.common import last_logit, scorer_output, valid
from cmhkf.model.config import ModelConfig
from cmhkf.model.output import ModelOutput

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
        video, mask = valid(video, lengths)
        hidden = self.hidden(normalize(video, dim=-1))  # [B, N, 512]
        logits = last_logit(self.score[-1], self.score[:-1](hidden))  # [B, N]
        return scorer_output(video, mask, text, semantic=semantic, logits=logits, fused=hidden)
