"""VGGish's front end: a waveform to log-mel frames.

25 ms periodic Hann windows every 10 ms, the magnitude (not power) of a 512-point spectrum, 64 HTK mel bands from 125 to
7500 Hz, log(mel + 0.01). Equal to torchvggish's, without its resampler and its dropping of short sounds.
"""

from functools import cache

import numpy as np

RATE_HZ = 16_000
FRAME = 400  # samples in a frame: 25 ms
HOP = 160  # samples from frame to frame: 10 ms
FFT = 512
BANDS = 64
LOW_HZ, HIGH_HZ = 125.0, 7500.0
LOG_OFFSET = 0.01
SILENCE = float(np.log(LOG_OFFSET))  # every band of a silent frame


def log_mel(waveform: np.ndarray) -> np.ndarray:
    """Log-mel frames of a mono 16 kHz waveform in [-1, 1]: [..., S] to float32 [..., T, 64].

    T is the number of whole frames, 1 + (S - 400) // 160, or 0 for less than one; nothing is padded.
    """
    waveform = np.asarray(waveform)
    if waveform.shape[-1] < FRAME:
        return np.zeros((*waveform.shape[:-1], 0, BANDS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, FRAME, axis=-1)[..., ::HOP, :]  # [..., T, 400]
    # In float64: beside a loud tone, float32 would leave errors of 1e-3 in the quiet bands.
    spectrum = np.abs(np.fft.rfft(frames * _hann(), FFT))  # [..., T, 257]
    return np.log(spectrum @ _bands() + LOG_OFFSET).astype(np.float32)  # [..., T, 64]


@cache
def _hann() -> np.ndarray:
    """Periodic Hann window, [400]."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)


@cache
def _bands() -> np.ndarray:
    """Triangles on the HTK mel scale, [257, 64]; the constant component counts nowhere."""
    edges = np.linspace(_mel(LOW_HZ), _mel(HIGH_HZ), BANDS + 2)
    bins = _mel(np.linspace(0, RATE_HZ / 2, FFT // 2 + 1))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rising, falling))
    weights[0] = 0
    return weights


def _mel(hertz: float | np.ndarray) -> np.ndarray:
    return 1127 * np.log1p(np.asarray(hertz) / 700)
