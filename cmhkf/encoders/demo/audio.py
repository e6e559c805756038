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
from cmhkf.encoders.demo import aisfx, movie_sounds, sound_kinds
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
SOUND_CUES = frozenset(sound_kinds.KINDS) | {"screams", "fight sounds"}  # the last two of earlier versions
LOGMEL_MEAN_NORM, LOGMEL_STD_NORM, EFFECTS_NORM = 24.0, 16.0, 24.0

UP, DOWN = 160, 441  # 44.1 kHz to 16 kHz
SECOND = aisfx.RATE_HZ  # samples
MEL_FRAMES = 96  # log-mel frames pooled: 0.96 s, VGGish's own window
QUIET_DB, LOUD_DB = -45.0, -35.0  # RMS of the last second: where cues fade
NOISE_FLOOR = 1e-3  # re each second's peak: digital silence beside a sound lies outside all that the machine has heard
ROWS_AT_ONCE = 16


class DemoAudioEncoder:
    """AudioEncoder of the demo preset.

    It gives rows alone: `sound_cues` tells the cues from them.
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
        ("cues", "from -20 to -10 dB"),  # of an earlier version: rows are made as they were, and so keep their recipe
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
        return AudioRows(np.concatenate(parts) if parts else np.zeros((0, AUDIO_DIM), np.float32))

    @torch.inference_mode()
    def _begun(self, blocks: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        """Blocks [B, 103424], and what waits for aiSFX's rows of them, [B, 512]."""
        weight = next(self.effects.parameters())
        return blocks, fetching(self.effects(sent(aisfx.spectrogram(blocks), str(weight.device)).to(weight.dtype)))

    def _rows(self, blocks: np.ndarray, effects: Callable[[], np.ndarray]) -> np.ndarray:
        """Blocks [B, 103424] to rows [B, 649]."""
        second = blocks[:, -SECOND:]
        low = resample_poly(second, UP, DOWN, axis=1)  # [B, 16000]
        mel = logmel.log_mel(low)[:, -MEL_FRAMES:] - logmel.SILENCE  # [B, 96, 64]
        floor = np.abs(low).max(axis=1, keepdims=True) * NOISE_FLOOR * _noise()
        kinds = self.kinds.probabilities(movie_sounds.features(low + floor))  # [B, 8]
        level = decibels(np.sqrt((second**2).mean(axis=1)))
        return np.concatenate(
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


def sound_cues(kinds: sound_kinds.SoundKinds, rows: np.ndarray, ends_s: np.ndarray) -> dict[str, np.ndarray]:
    """What audio rows [B, 649] say of each kind of sound, float32 [B] in 0..1; the snippets end at `ends_s` [B].

    Less where the last second is soft, and nothing of snippets whose row looks back to before the clip: that any sound
    begins with it is heard as a bang.
    """
    level_db = 100 * (rows[:, LEVEL.start] - 1)
    loud = np.clip((level_db - QUIET_DB) / (LOUD_DB - QUIET_DB), 0, 1) * (ends_s >= DemoAudioEncoder.context_s)
    cues = kinds.cues(rows[:, EFFECTS] * EFFECTS_NORM)
    return {name: (cue * loud).astype(np.float32) for name, cue in cues.items()}


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
