"""Video files in: what a file holds, its pictures on the snippet grid, its sound. Never a whole video in memory.

Nothing here looks into a file with libav: a child process does (`sandbox.py`, `decode/`).
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from cmhkf.encoders import FrameSampling
from cmhkf.errors import ConfigError, MediaError
from cmhkf.sandbox import DEFAULT_LIMITS, MediaLimits, run_job
from cmhkf.timeline import SNIPPET_FRAMES, Grid, Timeline


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
    """As the file states it, 0 where it does not; the timeline's duration is the measured one."""
    rotation_deg: int
    """Clockwise turn from the stored to the displayed picture: 0, 90, 180 or 270."""
    pixel_aspect: Fraction
    has_audio: bool
    audio_codec: str | None
    pixel_format: str = ""
    """As libav names it, of the first picture: "yuv420p"."""
    start_s: float = 0.0
    """How long after the file's own beginning the first picture is shown, which is the clip's time 0."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Clip:
        """The inverse of `dataclasses.asdict` after JSON."""
        rate = values["native_rate"]
        return cls(
            **values | {"native_rate": rate and Fraction(rate), "pixel_aspect": Fraction(values["pixel_aspect"])}
        )


def probe(path: str | Path, *, limits: MediaLimits = DEFAULT_LIMITS) -> Clip:
    """Read what a file holds: its hash, its header and its first picture.

    Raises:
        MediaError: missing, not a file, empty, not a video, sound only, not decodable, or beyond `limits`.
    """
    path = Path(path).expanduser().absolute()
    head = _read_head(path)
    if not head:
        raise MediaError(f"{path.name} is empty (0 bytes): the copy or download failed. Fetch it again.")
    if kind := _text_kind(head):
        raise MediaError(f"{path.name} is {kind}, not a video: was an error page saved in its place? Fetch it again.")
    described: dict[str, Any] = {}
    for message in _messages(path.name, {"kind": "probe", "path": str(path)}, limits):
        assert isinstance(message, dict)
        described = message
    return Clip.from_dict(
        described | {"path": str(path), "name": path.name, "sha256": _sha256(path), "size_bytes": path.stat().st_size}
    )


class SnippetStream:
    """Iterates over the snippets of a clip: uint8 RGB [len(offsets), *size, 3] each.

    Grid tick k is k / 24 s after the first picture's presentation time and shows the last picture that started by then
    (C.2); with grid="native" every decoded picture is one tick. Offsets past the last picture repeat it. Every pass
    decodes anew; closing the iterator ends the decoding at once.

    Raises:
        ConfigError: a sampling that no picture can satisfy.
        MediaError: while iterating: damaged, changed since it was probed, or beyond `limits`.
    """

    def __init__(
        self,
        clip: Clip,
        sampling: FrameSampling,
        *,
        grid: Grid = "24fps",
        limits: MediaLimits = DEFAULT_LIMITS,
    ) -> None:
        offsets = sampling.offsets
        if not offsets or list(offsets) != sorted(set(offsets) & set(range(SNIPPET_FRAMES))):
            raise ConfigError(f"sampling.offsets is {offsets}; they must ascend within 0..{SNIPPET_FRAMES - 1}")
        short_side = min(sampling.stretched_px or (sampling.short_side_px,))
        whole = sampling.crop_px is None and sampling.stretched_px
        if not whole and not 0 < (sampling.crop_px or 0) <= short_side:
            raise ConfigError(f"a crop of {sampling.crop_px} does not fit a short side of {short_side}")
        if sampling.filter not in ("bicubic", "bilinear"):
            raise ConfigError(f"sampling.filter is {sampling.filter!r}; choose bicubic or bilinear")
        self._clip, self._sampling, self._grid, self._limits = clip, sampling, grid, limits
        self._timeline: Timeline | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        size = self._sampling.size_px
        job = {"kind": "pictures", "path": self._clip.path, "sampling": asdict(self._sampling), "grid": self._grid}
        with closing(_messages(self._clip.name, job, self._limits)) as messages:
            for message in messages:
                if isinstance(message, dict):
                    self._timeline = Timeline(message["n_snippets"], message["duration_s"], Fraction(message["rate"]))
                else:
                    yield np.frombuffer(message, np.uint8).reshape(-1, *size, 3)

    @property
    def timeline(self) -> Timeline:
        """Known once the stream is exhausted: the number of snippets and the duration measured from timestamps."""
        if self._timeline is None:
            raise RuntimeError("the timeline is known only after the last snippet")
        return self._timeline


def stream_audio(
    clip: Clip, rate_hz: int, *, block_s: float = 30.0, limits: MediaLimits = DEFAULT_LIMITS
) -> Iterator[np.ndarray]:
    """Yield the first sound track as mono float32 blocks [<= block_s * rate_hz], from the clip's time 0 on.

    Raises:
        MediaError: no sound track, or one that cannot be decoded; the pictures may still be good.
    """
    job = {"kind": "sound", "path": clip.path, "rate_hz": rate_hz, "block_s": block_s, "start_s": clip.start_s}
    with closing(_messages(clip.name, job, limits)) as messages:
        for message in messages:
            yield np.frombuffer(message, np.float32)  # type: ignore[arg-type]


def cut_places(clip: Clip, *, limits: MediaLimits = DEFAULT_LIMITS) -> np.ndarray:
    """Where the file can be cut without decoding it, float64 [K, 2]: seconds from time 0, and pictures before.

    The last row is the end of the clip. Raises MediaError.
    """
    (places,) = _messages(clip.name, {"kind": "keys", "path": clip.path}, limits)
    return np.frombuffer(places, np.float64).reshape(-1, 2)  # type: ignore[arg-type]


def _messages(name: str, job: dict[str, Any], limits: MediaLimits) -> Generator[dict[str, Any] | bytearray]:
    """A child's messages; its MediaError with the file's name put before."""
    if not Path(job["path"]).is_file():
        raise MediaError(f"{name} is no longer at {job['path']}. Put it back, or open it where it is now.")
    try:
        yield from run_job(job, limits)
    except MediaError as error:
        raise MediaError(f"{name}: {error}") from error


def _read_head(path: Path) -> bytes:
    if path.is_dir():
        raise MediaError(f"{path} is a folder; give the path of one video file.")
    if not path.is_file():
        raise MediaError(f"{path} does not exist, or is not an ordinary file. Check the path.")
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error


def _text_kind(head: bytes) -> str | None:
    """Say what kind of text a file begins with; None when it is binary, as videos are."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return None
    if not all(character.isprintable() or character.isspace() for character in text):
        return None
    return "a web page (HTML)" if text.lstrip("\ufeff \t\r\n").lower().startswith(("<!doctype", "<html")) else "text"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
