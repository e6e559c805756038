"""Eight kinds of movie sound, by pyAudioAnalysis' published support vector machine (Giannakopoulos, 2015).

The features are that package's: 34 numbers per 50 ms of 16 kHz sound and their changes, mean and deviation over one
second. The machine's numbers are converted once by `checkpoints/convert_weights.py`; nothing is unpickled here.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from safetensors.numpy import load_file
from scipy.fft import dct, fft

from cmhkf.encoders.demo.shipped import MOVIE_SOUNDS

RATE_HZ = 16_000
WINDOW = 16_000  # samples in a row: 1 s
FRAME = 800  # samples in a short frame, without overlap: 50 ms
BINS = FRAME // 2
EPS = np.finfo(np.float64).eps
LABELS: tuple[str, ...] = ("speech", "music", "others 1", "others 2", "others 3", "shots", "fights", "screams")
LEAST_PROBABILITY = 1e-7  # libsvm's bounds on a pair's probability


def features(windows: np.ndarray) -> np.ndarray:
    """Describe one-second windows: [B, 16000] at 16 kHz to float64 [B, 136] (68 means, then 68 deviations).

    Each window loses its mean and is scaled to its own peak. Silence gives finite numbers.
    """
    x = windows.astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    x /= np.abs(x).max(axis=1, keepdims=True) + 1e-10
    frames = x.reshape(len(x), -1, FRAME)  # [B, 20, 800]
    spectrum = np.abs(np.asarray(fft(frames, axis=-1))[..., :BINS]) / BINS  # [B, 20, 400]
    short = np.concatenate([_time_features(frames), _shape_features(spectrum), _pitch_features(spectrum)], axis=-1)
    change = np.diff(short, axis=1, prepend=short[:, :1])  # the first frame changes nothing
    rows = np.concatenate([short, change], axis=-1)  # [B, 20, 68]
    return np.concatenate([rows.mean(axis=1), rows.std(axis=1)], axis=-1)  # [B, 136]


def _time_features(frames: np.ndarray) -> np.ndarray:
    """Zero-crossing rate, energy, entropy of energy over ten parts: [B, T, 800] to [B, T, 3]."""
    crossings = np.abs(np.diff(np.sign(frames), axis=-1)).sum(axis=-1) / 2 / (FRAME - 1)
    energy = (frames**2).mean(axis=-1)
    return np.stack([crossings, energy, _entropy(frames)], axis=-1)


def _shape_features(spectrum: np.ndarray) -> np.ndarray:
    """Centroid, spread, entropy, flux and roll-off of magnitude spectra: [B, T, 400] to [B, T, 5]."""
    hertz = np.arange(1, BINS + 1) * RATE_HZ / 2 / BINS
    peak = spectrum.max(axis=-1, keepdims=True)
    scaled = spectrum / np.where(peak == 0, EPS, peak)
    total = scaled.sum(axis=-1) + EPS
    centroid = (scaled * hertz).sum(axis=-1) / total
    spread = np.sqrt(((hertz - centroid[..., None]) ** 2 * scaled).sum(axis=-1) / total)
    share = spectrum / (spectrum + EPS).sum(axis=-1, keepdims=True)
    flux = (np.diff(share, axis=1, prepend=share[:, :1]) ** 2).sum(axis=-1)
    power = np.cumsum(spectrum**2, axis=-1)
    above = power + EPS > 0.9 * power[..., -1:]
    rolloff = above.argmax(axis=-1) / BINS
    top = RATE_HZ / 2
    return np.stack([centroid / top, spread / top, _entropy(spectrum), flux, rolloff], axis=-1)


def _pitch_features(spectrum: np.ndarray) -> np.ndarray:
    """13 cepstral coefficients, 12 chroma shares and the shares' deviation: [B, T, 400] to [B, T, 26]."""
    cepstrum = np.asarray(dct(np.log10(spectrum @ _mel_bands() + EPS), norm="ortho", axis=-1))[..., :13]
    power = spectrum**2
    total = power.sum(axis=-1, keepdims=True)
    chroma = power @ _chroma() / np.where(total == 0, EPS, total)  # [B, T, 12]
    return np.concatenate([cepstrum, chroma, chroma.std(axis=-1, keepdims=True)], axis=-1)


def _entropy(x: np.ndarray) -> np.ndarray:
    """Entropy in bits of the energy in ten equal parts of the last axis."""
    parts = (x**2).reshape(*x.shape[:-1], 10, -1).sum(axis=-1)
    share = parts / ((x**2).sum(axis=-1, keepdims=True) + EPS)
    return -(share * np.log2(share + EPS)).sum(axis=-1)


@cache
def _mel_bands() -> np.ndarray:
    """The package's 13 linear and 27 logarithmic triangles [400, 40], in its own scale of frequencies.

    It lays 400 bins over the whole sampling rate although they reach only half of it; the machine was trained so.
    """
    edges = np.empty(42)
    edges[:13] = 133.33 + np.arange(13) * 200 / 3
    edges[13:] = edges[12] * 1.0711703 ** np.arange(1, 30)
    low, mid, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.arange(BINS)[:, None]
    hertz = bins * RATE_HZ / BINS
    first, middle, last = (np.floor(edge * BINS / RATE_HZ) for edge in (low, mid, high))
    height = 2 / (high - low)
    rising = ((bins > first) & (bins <= middle)) * height / (mid - low) * (hertz - low)
    falling = ((bins > middle) & (bins <= last)) * height / (high - mid) * (high - hertz)
    return rising + falling


@cache
def _chroma() -> np.ndarray:
    """What each bin's power adds to the 12 pitch classes: [400, 12].

    The package's arithmetic, which the machine was trained on, slips: of the bins of a semitone the last one overwrites
    the others, and the divisor, meant to be the semitone's number of bins, is looked up through two indices.
    """
    semitone = np.round(12 * np.log2(np.arange(1, BINS + 1) * RATE_HZ / (2 * BINS) / 27.5)).astype(int)
    _, group, counts = np.unique(semitone, return_inverse=True, return_counts=True)
    sharing = counts[group]  # [400]: bins in the same semitone as each bin
    weights = np.zeros((BINS, 12))
    for pitch in np.unique(semitone):
        slot = pitch % BINS  # the lowest bin lies under the scale and wraps round to its end
        weights[np.flatnonzero(semitone == pitch)[-1], slot % 12] = 1 / sharing[semitone[slot]]
    return weights


class MovieSounds:
    """The support vector machine: features to the probabilities of `LABELS`."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.mean, self.std = arrays["mean"], arrays["std"]  # [136] each
        self.vectors = arrays["support_vectors"].astype(np.float64)  # [V, 136]
        self.gamma = 1 / self.vectors.shape[1]
        self.weights = _pair_weights(arrays["dual_coef"].astype(np.float64), arrays["n_support"])  # [V, 28]
        self.intercept, self.prob_a, self.prob_b = arrays["intercept"], arrays["prob_a"], arrays["prob_b"]  # [28] each

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Features [B, 136] to probabilities float64 [B, 8]."""
        x = (rows - self.mean) / self.std
        squared = (x**2).sum(1)[:, None] + (self.vectors**2).sum(1) - 2 * x @ self.vectors.T  # [B, V]
        margins = np.exp(-self.gamma * np.maximum(squared, 0)) @ self.weights + self.intercept  # [B, 28]
        pairs = 1 / (1 + np.exp(np.clip(margins * self.prob_a + self.prob_b, -50, 50)))
        return couple(np.clip(pairs, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY), len(LABELS))


def _pair_weights(dual: np.ndarray, n_support: np.ndarray) -> np.ndarray:
    """libsvm's packed coefficients [C - 1, V] to one column per pair of classes: [V, C (C - 1) / 2]."""
    owner = np.repeat(np.arange(len(n_support)), n_support)  # [V]
    columns = []
    for i in range(len(n_support)):
        for j in range(i + 1, len(n_support)):
            columns.append(np.where(owner == i, dual[j - 1], 0) + np.where(owner == j, dual[i], 0))
    return np.stack(columns, axis=1)


def couple(pairs: np.ndarray, n_classes: int) -> np.ndarray:
    """Pairwise probabilities P(i | i or j) [B, C (C - 1) / 2] to class probabilities [B, C] (Wu, Lin, Weng, 2004).

    The minimiser of their second method, solved exactly; libsvm iterates towards it and stops within 0.005 / C.
    """
    i, j = np.triu_indices(n_classes, 1)
    r = np.zeros((len(pairs), n_classes, n_classes))
    r[:, i, j], r[:, j, i] = pairs, 1 - pairs
    q = -np.swapaxes(r, 1, 2) * r
    diagonal = np.arange(n_classes)
    q[:, diagonal, diagonal] = (r**2).sum(axis=1)  # [B, C]: sum over j of r_ji squared
    ones = np.ones((len(pairs), n_classes, 1))
    system = np.block([[q, ones], [np.swapaxes(ones, 1, 2), np.zeros((len(pairs), 1, 1))]])  # [B, C + 1, C + 1]
    goal = np.zeros((len(pairs), n_classes + 1, 1))
    goal[:, -1] = 1
    p = np.linalg.solve(system, goal)[:, :n_classes, 0].clip(0)
    return p / p.sum(axis=1, keepdims=True)


def load_movie_sounds() -> MovieSounds:
    """The machine with its shipped numbers. Raises WeightsError."""
    return MovieSounds(load_file(MOVIE_SOUNDS.path))
