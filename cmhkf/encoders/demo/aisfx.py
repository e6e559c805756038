"""aiSFX: an embedding of sound effects (Ma and Lerch, ISMIR 2022), model under CC BY 4.0.

Trained on sound-effect libraries (explosions, guns, fights, crashes, crowds ...). Batch normalisation is folded into
the convolutions by `checkpoints/convert_weights.py`.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmhkf.encoders.demo.shipped import AISFX, furnish

RATE_HZ = 44_100
FRAME = 2048  # samples
HOP = 1024
FRAMES = 100  # spectrogram frames in one block
BLOCK = (FRAMES - 1) * HOP + FRAME  # samples the network looks at: 103,424, or 2.345 s
BANDS = 96
FEATURES = 512
LARGEST = 9.457798957824707  # largest log value in the training data: inputs are divided by it
CHANNELS = (1, 64, 128, 256, 512)


def spectrogram(blocks: np.ndarray) -> np.ndarray:
    """The network's input: waveforms float32 [B, 103424] at 44.1 kHz to log-mel [B, 100, 96].

    Each block is normalised to its own peak, so loudness is lost; a silent block gives zeros.
    """
    from scipy.fft import rfft

    peak = np.abs(blocks).max(axis=1, keepdims=True)
    blocks = blocks / np.where(peak > 0, peak, 1)
    frames = np.lib.stride_tricks.sliding_window_view(blocks, FRAME, axis=1)[:, ::HOP]  # [B, 100, 2048]
    power = np.abs(np.asarray(rfft(frames * np.hanning(FRAME).astype(np.float32), axis=-1))) ** 2  # [B, 100, 1025]
    return (np.log10(1e4 * (power @ _bands()) + 1) / LARGEST).astype(np.float32)  # [B, 100, 96]


@cache
def _bands() -> np.ndarray:
    """Triangles on the HTK mel scale from 0 Hz to half the rate, each band's weights summing to one: [1025, 96]."""
    top = 2595 * np.log10(1 + RATE_HZ / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    bins = np.linspace(0, RATE_HZ / 2, FRAME // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rising, falling))
    return (weights / weights.sum(axis=0)).astype(np.float32)


class AiSfx(nn.Module):
    """Four blocks of two 3x3 convolutions, halved after the first three; mean over bands, maximum over time."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(n_in, n_out, 3, padding=1) for a, b in pairwise(CHANNELS) for n_in, n_out in ((a, b), (b, b))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel [B, 100, 96] to embeddings [B, 512]."""
        x = x[:, None].contiguous(memory_format=torch.channels_last)  # [B, 1, 100, 96]
        for i, conv in enumerate(self.convs):
            x = F.relu_(conv(x))
            if i in (1, 3, 5):
                x = F.max_pool2d(x, 2)  # [B, C, T / 2, bands / 2]
        return x.float().mean(dim=3).amax(dim=2)  # [B, 512]


def load_aisfx(device: str, dtype: torch.dtype) -> AiSfx:
    """The network with its shipped weights, for inference. Raises WeightsError."""
    return furnish(AiSfx(), AISFX, device=device, dtype=dtype, layout=torch.channels_last)
