"""Video files in: what a file holds, its frames on the snippet grid, its audio. Never a whole video in memory.

Nothing here looks into a file with libav: a child process does (`sandbox.py`, `decode/`).
"""

from __future__ import annotations

import codecs
import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from cmhkf.errors import ConfigError, MediaError
from cmhkf.files import sha256_of
from cmhkf.media.sampling import FrameSampling
from cmhkf.media.sandbox import run_job
from cmhkf.media.unseen import Unseen, from_rows
from cmhkf.numbers import ratio
from cmhkf.timeline import SNIPPET_FRAMES, Grid, Timeline

_RAW = (".264", ".265", ".av1", ".h264", ".h265", ".hevc", ".ivf", ".m2v", ".mjpeg", ".mjpg", ".obu", ".vc1", ".y4m")
_MPEG = (".3gp", ".m2ts", ".m4v", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".vob")
_OTHER = (".apng", ".asf", ".avi", ".dav", ".dv", ".flv", ".gif", ".mkv", ".mxf", ".nut", ".ogm", ".ogv", ".rm")
VIDEO_SUFFIXES = frozenset((*_RAW, *_MPEG, *_OTHER, ".rmvb", ".webm", ".wmv", ".wtv"))
"""What a file name ends in, in small letters, for a folder to count it among the videos."""

log = logging.getLogger(__name__)

TEXT_HEADED = (b"YUV4MPEG2 ", b"nut/multimedia container")
"""How videos begin whose header is text, so that a dark or grey first frame reads as text too."""


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
    """Frames per second, measured from the timestamps; None where the rate varies or a raw stream states none."""
    duration_s: float
    """By the timestamps of the packets; the timeline's duration is that of the frames that could be decoded."""
    rotation_deg: int
    """Clockwise turn from the stored to the displayed frame: 0, 90, 180 or 270."""
    pixel_aspect: Fraction
    has_audio: bool
    audio_codec: str | None
    pixel_format: str = ""
    """As libav names it, of the first frame: "yuv420p"."""
    start_s: float = 0.0
    """How long after the file's own beginning the first frame is shown, which is the clip's time 0."""
    first_frame_s: float = 0.0
    """The file's own time of the first shown frame: where a player that shifts nothing shows it."""
    audio_start_s: float | None = None
    """When the first audio track begins, from time 0; None where there is none."""
    n_clocks: int = 1
    """How many clocks follow one another in the file; players know only the first."""
    declared_duration_s: float | None = None
    """As the file states it, from time 0; None where it states none, as transport and raw streams do."""
    quantiser: float | None = None
    """Mean quantisation parameter of the first frame, 0 (finest) to 51; None for other codecs than H.264."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Clip:
        """The inverse of `dataclasses.asdict` after JSON."""
        rate, aspect = values["native_rate"], values["pixel_aspect"]
        read = {
            "native_rate": rate and ratio(rate, "native_rate", error=ValueError),
            "pixel_aspect": ratio(aspect, "pixel_aspect", error=ValueError),
        }
        return cls(**values | read)


def probe(path: str | Path, *, sha256: str = "") -> Clip:
    """Read what a file holds: its hash, unless `sha256` tells it already, its header and its first frame.

    Raises:
        MediaError: missing, not a file, empty, not a video, audio only, not decodable, or beyond `LIMITS`.
    """
    path = Path(path).expanduser().absolute()
    head = _read_head(path)
    if not head:
        raise MediaError(f"{path.name} is empty (0 bytes): the copy or download failed. Fetch it again.")
    if kind := _text_kind(head):
        raise MediaError(f"{path.name} is {kind}, not a video: was an error page saved in its place? Fetch it again.")
    described: dict[str, Any] = {}
    for message in _messages(path.name, {"kind": "probe", "path": str(path)}):
        assert isinstance(message, dict)
        described = message
    return Clip.from_dict(
        described
        | {"path": str(path), "name": path.name, "sha256": sha256 or sha256_of(path), "size_bytes": path.stat().st_size}
    )


class SnippetStream:
    """Iterates over the snippets of a clip: uint8 RGB [len(offsets), *size, 3] each.

    Grid tick k is k / 24 s after the first frame's presentation time and shows the last frame that started by then
    (C.2); with grid="native" every decoded frame is one tick. Offsets past the last frame repeat it. Every pass
    decodes anew; closing the iterator ends the decoding at once.

    Raises:
        ConfigError: a sampling that no frame can satisfy.
        MediaError: while iterating: damaged, changed since it was probed, or beyond `LIMITS`.
    """

    def __init__(
        self,
        clip: Clip,
        sampling: FrameSampling,
        *,
        grid: Grid = "24fps",
        device: str = "cpu",
        background: bool = False,
        every: int = 1,
    ) -> None:
        """With `device` "cuda" or "cuda:N" that GPU decodes, if it can; the log says what did. In the `background` it
        leaves the processor to whoever else wants it. Of each `every` snippets the first one comes."""
        offsets = sampling.offsets
        if not offsets or list(offsets) != sorted(set(offsets) & set(range(SNIPPET_FRAMES))):
            raise ConfigError(f"sampling.offsets is {offsets}; they must ascend within 0..{SNIPPET_FRAMES - 1}")
        short_side = min(sampling.stretched_px or (sampling.short_side_px,))
        whole = sampling.crop_px is None and sampling.stretched_px
        if not whole and not 0 < (sampling.crop_px or 0) <= short_side:
            raise ConfigError(f"a crop of {sampling.crop_px} does not fit a short side of {short_side}")
        if sampling.filter not in ("bicubic", "bilinear"):
            raise ConfigError(f"sampling.filter is {sampling.filter!r}; choose bicubic or bilinear")
        self._clip, self._sampling, self._grid, self._device = clip, sampling, grid, device
        self._background, self._every = background, every
        self._timeline: Timeline | None = None
        self._unseen: tuple[Unseen, ...] = ()
        self.decoded_by = ""
        """"the GPU" or "the CPU", known once the stream is exhausted."""

    def __iter__(self) -> Iterator[np.ndarray]:
        size = self._sampling.size_px
        job = {"kind": "frames", "path": self._clip.path, "sampling": asdict(self._sampling), "grid": self._grid}
        job |= {"device": self._device, "background": self._background, "every": self._every}
        with closing(_messages(self._clip.name, job)) as messages:
            for message in messages:
                if isinstance(message, dict):
                    self._timeline = Timeline.from_dict(message)
                    self._unseen = from_rows(message["unseen"])
                    self.decoded_by = message["decoded_by"]
                    if self._device != "cpu":
                        log.info("%s was decoded by %s", self._clip.name, self.decoded_by)
                else:
                    yield np.frombuffer(message, np.uint8).reshape(-1, *size, 3)

    @property
    def timeline(self) -> Timeline:
        """Known once the stream is exhausted: the number of snippets and the duration measured from timestamps."""
        if self._timeline is None:
            raise RuntimeError("the timeline is known only after the last snippet")
        return self._timeline

    @property
    def unseen(self) -> tuple[Unseen, ...]:
        """Where the clip could not be looked at, known once the stream is exhausted."""
        return self._unseen


class WaveformStream:
    """Iterates over the first audio track: mono float32 blocks [<= block_s * rate_hz], from the clip's time 0 on.

    Raises:
        MediaError: while iterating: no audio track, or one that cannot be decoded; the frames may still be good.
    """

    def __init__(self, clip: Clip, rate_hz: int, *, block_s: float = 30.0) -> None:
        self._clip = clip
        self._job = {"kind": "audio", "path": clip.path, "start_s": clip.start_s}
        self._job |= {"rate_hz": rate_hz, "block_s": block_s}
        self.unheard: tuple[Unseen, ...] = ()
        """Where audio is missing or damaged, known once the stream is exhausted."""

    def __iter__(self) -> Iterator[np.ndarray]:
        with closing(_messages(self._clip.name, self._job)) as messages:
            for message in messages:
                if isinstance(message, dict):
                    self.unheard = from_rows(message["unseen"])
                else:
                    yield np.frombuffer(message, np.float32)


def stream_audio(clip: Clip, rate_hz: int, *, block_s: float = 30.0) -> Iterator[np.ndarray]:
    """The blocks of a `WaveformStream`. Raises MediaError as that does."""
    return iter(WaveformStream(clip, rate_hz, block_s=block_s))


def frame_times(clip: Clip) -> np.ndarray:
    """When each frame of a clip is shown, float64 [F], ascending from 0. Reads the packets, decodes one frame.

    Raises:
        MediaError: the file is gone, changed or cannot be read.
    """
    (times,) = _messages(clip.name, {"kind": "times", "path": clip.path})
    return np.frombuffer(times, np.float64)  # type: ignore[arg-type]


def cut_places(clip: Clip) -> np.ndarray:
    """Where the file can be cut without decoding it, float64 [K, 2]: seconds from time 0, and frames before.

    The last row is the end of the clip. Raises MediaError.
    """
    (places,) = _messages(clip.name, {"kind": "keys", "path": clip.path})
    return np.frombuffer(places, np.float64).reshape(-1, 2)  # type: ignore[arg-type]


def _messages(name: str, job: dict[str, Any]) -> Generator[dict[str, Any] | bytearray]:
    """A child's messages; its MediaError with the file's name put before."""
    if not Path(job["path"]).is_file():
        raise MediaError(f"{name} is no longer at {job['path']}. Put it back, or open it where it is now.")
    try:
        yield from run_job(job)
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
    if head.startswith(TEXT_HEADED):
        return None
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return None
    if not all(character.isprintable() or character.isspace() for character in text):
        return None
    return "a web page (HTML)" if text.lstrip("\ufeff \t\r\n").lower().startswith(("<!doctype", "<html")) else "text"
