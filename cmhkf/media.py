"""Video files in: what a file holds, its pictures on the snippet grid, its sound. Never a whole video in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cmhkf.encoders import FrameSampling
from cmhkf.timeline import Timeline


@dataclass(frozen=True)
class Clip:
    """One video file as probed. Sizes are as displayed: after rotation and pixel aspect."""

    path: str
    name: str
    sha256: str
    size_bytes: int
    container: str
    video_codec: str
    width_px: int
    height_px: int
    native_rate: Fraction | None
    """Average frames per second of the file; None where it states none."""
    duration_s: float
    """As the file states it; the timeline's duration is the measured one."""
    rotation_deg: int
    pixel_aspect: Fraction
    has_audio: bool
    audio_codec: str | None

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Clip:
        """The inverse of `dataclasses.asdict` after JSON."""
        rate = values["native_rate"]
        return cls(
            **values
            | {"native_rate": rate and Fraction(rate), "pixel_aspect": Fraction(values["pixel_aspect"])}
        )


def probe(path: str | Path) -> Clip:
    """Read what a file holds without decoding it all. Raises MediaError."""
    raise NotImplementedError


class SnippetStream:
    """Iterates over the snippets of a clip: uint8 RGB [len(offsets), crop, crop, 3] each."""

    def __init__(self, clip: Clip, sampling: FrameSampling, *, grid: Literal["24fps", "native"] = "24fps") -> None:
        raise NotImplementedError

    def __iter__(self) -> Iterator[np.ndarray]:
        raise NotImplementedError

    @property
    def timeline(self) -> Timeline:
        """Known once the stream is exhausted: the number of snippets and the duration measured from timestamps."""
        raise NotImplementedError


def stream_audio(clip: Clip, rate_hz: int, *, block_s: float = 30.0) -> Iterator[np.ndarray]:
    """Yield the first sound track as mono float32 blocks [<= block_s * rate_hz], from the clip's time 0 on."""
    raise NotImplementedError
