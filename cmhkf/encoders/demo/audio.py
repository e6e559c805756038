"""The demo preset's ear: spectrum, a sound-effects embedding, kinds of movie sound, and loudness.

Sound comes at 44.1 kHz, which aiSFX needs; for the other parts each row's last second is resampled to 16 kHz by itself,
so that no row depends on its neighbours or on how the sound was cut into calls.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from scipy.signal import resample_poly

from cmhkf.encoders import logmel
from cmhkf.encoders.demo import aisfx, movie_sounds
from cmhkf.encoders.demo.golden import AISFX_NETWORK, load_right
from cmhkf.encoders.demo.shipped import AISFX, MOVIE_SOUNDS
from cmhkf.encoders.device import fetching, sent
from cmhkf.encoders.protocols import AudioRows, Identity

# Blocks of an audio row, each brought to a norm of about one on real sound, as `video.py` does.
LOGMEL_MEAN = slice(0, 64)  # above silence, over the last 0.96 s
LOGMEL_STD = slice(64, 128)
EFFECTS = slice(128, 640)  # aiSFX over the last 2.345 s
KINDS = slice(640, 648)  # probabilities of `movie_sounds.LABELS` over the last second
LEVEL = slice(648, 649)  # RMS of the last second: 0 at -100 dB re full scale, 1 at full scale
AUDIO_DIM = 649
SOUND_CUES = {"gunshot": "shots", "screams": "screams", "fight sounds": "fights"}
LOGMEL_MEAN_NORM, LOGMEL_STD_NORM, EFFECTS_NORM = 24.0, 16.0, 24.0

UP, DOWN = 160, 441  # 44.1 kHz to 16 kHz
SECOND = aisfx.RATE_HZ  # samples
MEL_FRAMES = 96  # log-mel frames pooled: 0.96 s, VGGish's own window
QUIET_DB, LOUD_DB = -20.0, -10.0  # peak of a second: a shot nearby drives the microphone, footsteps do not; cues fade
NOISE_FLOOR = 1e-3  # re each second's peak: digital silence beside a sound lies outside all that the machine has heard
ROWS_AT_ONCE = 16


class DemoAudioEncoder:
    """AudioEncoder of the demo preset.

    Cues in 0..1: "gunshot" (the best of them), "screams" and "fight sounds" (weak: the machine calls what it does not
    know a scream), probabilities weighted down where the sound is soft: a second that peaks under -20 dB has none.
    """

    rate_hz = aisfx.RATE_HZ
    context_s = aisfx.BLOCK / aisfx.RATE_HZ
    audio_dim = AUDIO_DIM
    identity: Identity = (
        ("name", "demo: log-mel + aiSFX + movie sounds"),
        AISFX.label,
        MOVIE_SOUNDS.label,
        ("rate_hz", str(aisfx.RATE_HZ)),
        ("windows", "0.96 s, 2.345 s and 1 s up to the snippet's end"),
        ("cues", f"from {QUIET_DB:g} to {LOUD_DB:g} dB"),
        ("rows", "log-mel mean 64, deviation 64, aiSFX 512, kinds 8, level 1"),
        ("norms", f"{LOGMEL_MEAN_NORM:g} {LOGMEL_STD_NORM:g} {EFFECTS_NORM:g}"),
        ("noise floor", f"{NOISE_FLOOR:g} of the second's peak, for the kinds"),
    )

    def __init__(self, effects: aisfx.AiSfx, kinds: movie_sounds.MovieSounds) -> None:
        self.effects, self.kinds = effects, kinds

    def encode(self, waveform: np.ndarray, start_s: float, ends_s: np.ndarray) -> AudioRows:
        """Encode the snippets that end at `ends_s` [B]; `waveform` [S] begins at `start_s`."""
        ends = np.rint(ends_s * self.rate_hz).astype(int) - round(start_s * self.rate_hz)
        begun = [self._begun(_last(waveform, ends[i : i + ROWS_AT_ONCE])) for i in range(0, len(ends), ROWS_AT_ONCE)]
        parts = [self._rows(*part) for part in begun]
        rows = np.concatenate([rows for rows, _ in parts]) if parts else np.zeros((0, AUDIO_DIM), np.float32)
        loud = np.concatenate([loud for _, loud in parts]) if parts else np.zeros(0, np.float32)
        kind = dict(zip(movie_sounds.LABELS, rows[:, KINDS].T * loud, strict=True))
        return AudioRows(rows, {cue: kind[label] for cue, label in SOUND_CUES.items()})

    @torch.inference_mode()
    def _begun(self, blocks: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        """Blocks [B, 103424], and what waits for aiSFX's rows of them, [B, 512]."""
        weight = next(self.effects.parameters())
        return blocks, fetching(self.effects(sent(aisfx.spectrogram(blocks), str(weight.device)).to(weight.dtype)))

    def _rows(self, blocks: np.ndarray, effects: Callable[[], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Blocks [B, 103424] to rows [B, 649] and how loud each is in 0..1 [B]."""
        second = blocks[:, -SECOND:]
        low = resample_poly(second, UP, DOWN, axis=1)  # [B, 16000]
        mel = logmel.log_mel(low)[:, -MEL_FRAMES:] - logmel.SILENCE  # [B, 96, 64]
        floor = np.abs(low).max(axis=1, keepdims=True) * NOISE_FLOOR * _noise()
        kinds = self.kinds.probabilities(movie_sounds.features(low + floor))  # [B, 8]
        level = decibels(np.sqrt((second**2).mean(axis=1)))
        rows = np.concatenate(
            [
                mel.mean(axis=1) / LOGMEL_MEAN_NORM,
                mel.std(axis=1) / LOGMEL_STD_NORM,
                effects() / EFFECTS_NORM,
                kinds,
                1 + level[:, None] / 100,
            ],
            axis=1,
            dtype=np.float32,
        )
        peak = decibels(np.abs(second).max(axis=1))
        return rows, np.clip((peak - QUIET_DB) / (LOUD_DB - QUIET_DB), 0, 1).astype(np.float32)


@cache
def _noise() -> np.ndarray:
    """The same second of even noise for every row: float64 [16000] in [-1, 1]."""
    return np.random.default_rng(0).uniform(-1, 1, movie_sounds.WINDOW)


def decibels(amplitude: np.ndarray) -> np.ndarray:
    """Amplitudes in decibels re full scale, floor -100."""
    return 20 * np.log10(np.maximum(amplitude, 1e-5))


def _last(waveform: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The 103,424 samples before each end [B]; silence where the waveform has none: float32 [B, 103424]."""
    at = ends[:, None] + np.arange(-aisfx.BLOCK, 0)
    inside = (at >= 0) & (at < len(waveform))
    if not len(waveform):
        return np.zeros(at.shape, np.float32)
    return np.where(inside, waveform[at.clip(0, len(waveform) - 1)], 0).astype(np.float32)


def load_audio(device: str) -> DemoAudioEncoder:
    """The audio encoder with its weights. Raises WeightsError, or ConfigError where the device computes it wrongly."""
    return DemoAudioEncoder(load_right(AISFX_NETWORK, device), movie_sounds.load_movie_sounds())
