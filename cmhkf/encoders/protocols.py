"""Encoders turn frames, words and audio into rows. One small Protocol each; tests pass tiny fakes.

An encoder never reads a file or a clock: `features/extract.py` hands it arrays. Its `identity` goes into the recipe.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from cmhkf.media.sampling import FrameSampling

Identity = tuple[tuple[str, str], ...]
"""What a recipe records of an encoder, as (key, value) pairs; a pair ("name", ...) is among them."""
NO_ENCODER: Identity = (("name", "none"),)
"""Of a stream that is not used."""


@dataclass(frozen=True)
class VideoRows:
    """What a video encoder says about B snippets."""

    video: np.ndarray
    """float32 [B, D_v]: what the model's temporal part reads."""
    semantic: np.ndarray
    """float32 [B, D_s], rows of unit length: the space in which Eq. 1 compares frames with class texts."""
    cues: Mapping[str, np.ndarray] = field(default_factory=dict)
    """float32 [B] each: named signals that need no training."""


@dataclass(frozen=True)
class AudioRows:
    """What an audio encoder says about B snippets."""

    audio: np.ndarray
    """float32 [B, D_a]."""
    cues: Mapping[str, np.ndarray] = field(default_factory=dict)


class VideoEncoder(Protocol):
    """Frames of snippets to rows."""

    identity: Identity
    sampling: FrameSampling
    video_dim: int
    semantic_dim: int
    device: str
    block: int
    """Snippets of a call, counted from the clip's start; the last call may have fewer."""
    context: int
    """Further snippets before and after them, where the clip has any, that the rows may look at."""

    def start(self, frames: np.ndarray, inner: slice = slice(None)) -> Callable[[], VideoRows]:
        """Begin to encode consecutive snippets, uint8 RGB [S, len(offsets), *size, 3], to the rows of those in `inner`.

        The others are their context. Encoders without context look at every snippet alone. The call that is returned
        waits for the rows: on a GPU more can be begun before.
        """
        ...

    def encode(self, frames: np.ndarray, inner: slice = slice(None)) -> VideoRows:
        """What `start` begins, to its end."""
        ...


class TextEncoder(Protocol):
    """Words to unit vectors in the video encoder's semantic space."""

    identity: Identity
    semantic_dim: int

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embed C texts: float32 [C, D_s], rows of unit length."""
        ...


class AudioEncoder(Protocol):
    """A stretch of waveform to one row per snippet."""

    identity: Identity
    rate_hz: int
    """Sampling rate the waveform must have (mono float32 in [-1, 1])."""
    context_s: float
    """How much audio before a snippet's end its row may look at."""
    audio_dim: int

    def encode(self, waveform: np.ndarray, start_s: float, ends_s: np.ndarray) -> AudioRows:
        """Encode the snippets that end at `ends_s` [B] (seconds on the clip's clock).

        `waveform` [S] begins at `start_s`, which may be later than a row's context begins: what is missing before or
        after it counts as silence. Rows depend only on their own context, so any split into calls gives equal rows.
        """
        ...


@dataclass(frozen=True)
class Encoders:
    """The three encoders of a preset. `audio` is None where a preset has no audio stream."""

    name: str
    """In words for people: "CLIP ViT-B/16 + VGGish" or "demo encoders"."""
    video: VideoEncoder
    text: TextEncoder
    audio: AudioEncoder | None
    tau: float = 0.07
    """Temperature of the softmax over class texts when nothing is trained (CLIP's own is 0.01)."""
    cue_score: Callable[[np.ndarray, Mapping[str, np.ndarray]], np.ndarray] | None = None
    """Untrained anomaly score in [0, 1] from video rows [N, D_v] and cues [N]; None: use 1 - P(normal)."""
    audio_cues: frozenset[str] = frozenset()
    """Names of the cues that come from audio; `cue_score` works without them."""
    hear: Callable[[np.ndarray, np.ndarray], Mapping[str, np.ndarray]] | None = None
    """Audio rows [B, D_a] of snippets that end at [B] seconds to `audio_cues`, [B] each in [0, 1]: where rows tell the
    cues, kept features need not be made anew when a cue changes. None: the audio encoder's own cues are all."""
