"""Whether a clip looks like footage that a model was measured on: a density check on its feature rows."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

FAMILIAR_DIM = 16


class Density(NamedTuple):
    """What a checkpoint knows of its footage."""

    weight: np.ndarray  # [16, D_v]: a mean row to principal components
    bias: np.ndarray  # [16]
    clips: np.ndarray  # [V, 16]: the mean rows of V clips
    limit: float  # the distance to the nearest clip of another camera that 19 in 20 of them keep to


class Familiar(nn.Module):
    """The distance from a clip's mean row to the nearest clip of the training, in units of the stated limit."""

    def __init__(self, video_dim: int, n_clips: int) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.clips: Tensor
        self.limit: Tensor
        self.register_buffer("weight", torch.zeros(FAMILIAR_DIM, video_dim))
        self.register_buffer("bias", torch.zeros(FAMILIAR_DIM))
        self.register_buffer("clips", torch.zeros(n_clips, FAMILIAR_DIM))
        self.register_buffer("limit", torch.ones(()))

    @torch.inference_mode()
    def distance(self, mean_row: np.ndarray) -> float:
        """Of a clip's mean video row [D_v]; above 1 it lies outside of what the model was measured on."""
        row = self.weight @ torch.from_numpy(mean_row).to(self.weight) + self.bias
        return float((self.clips - row).norm(dim=1).min() / self.limit)
