"""Clips made for the tests: pictures that carry their own number, at any timestamps, and sound with a click."""

import subprocess
import wave
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from cmhkf.media.clip import Clip, probe
from cmhkf.media.sampling import FrameSampling

SIDE = 64  # pixels of a numbered picture
BITS = 10
TICKS = 48_000  # time base of the clips written here
EVERY = FrameSampling(tuple(range(16)), SIDE, SIDE)


def numbered(number: int, side: int = SIDE) -> np.ndarray:
    """A picture that shows `number` as bars, one per bit, lowest first: uint8 RGB [side, side, 3]."""
    bit = np.arange(side) * BITS // side
    row = (number >> bit & 1).astype(np.uint8) * 200 + 25
    return np.broadcast_to(row[None, :, None], (side, side, 3)).copy()


def read_number(picture: np.ndarray) -> int:
    """The number shown by a picture [side, side, 3]."""
    side = picture.shape[1]
    centres = (np.arange(BITS) * 2 + 1) * side // (2 * BITS)
    grey = picture[side // 2, centres].mean(axis=-1)
    return int(((grey > 125) << np.arange(BITS)).sum())


def write_numbered(path: Path, times_s: Sequence[Fraction], *, last_s: Fraction, b_frames: int = 0) -> Path:
    """Write picture 0, 1, ... at the given times in H.264; the last one lasts `last_s`."""
    options = {"crf": "12", "preset": "ultrafast", "bf": str(b_frames)}
    ends = [*times_s[1:], times_s[-1] + last_s]
    with av.open(str(path), "w") as out:
        track = out.add_stream("libx264", rate=24, width=SIDE, height=SIDE, pix_fmt="yuv420p", options=options)
        track.time_base = track.codec_context.time_base = Fraction(1, TICKS)
        durations = {}
        for number, (start_s, end_s) in enumerate(zip(times_s, ends, strict=True)):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = round(start_s * TICKS), Fraction(1, TICKS)
            durations[frame.pts] = round((end_s - start_s) * TICKS)
            for packet in track.encode(frame):
                packet.duration = durations[packet.pts]
                out.mux(packet)
        for packet in track.encode(None):
            packet.duration = durations[packet.pts]
            out.mux(packet)
    return path


def constant(rate: Fraction | int, n: int) -> list[Fraction]:
    """Times of n pictures at a constant rate."""
    return [Fraction(k) / rate for k in range(n)]


def ffmpeg(*arguments: str | Path, stdin: bytes | None = None) -> None:
    """Run the ffmpeg that imageio-ffmpeg brings; text that begins with "-" may hold several of its words."""
    words = [w for a in arguments for w in (a.split() if isinstance(a, str) and a.startswith("-") else [str(a)])]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *words]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@cache
def _probed(path: Path, stamp: tuple[int, int]) -> Clip:
    return probe(path)


def probed(path: Path) -> Clip:
    """`probe` of a file that several tests look at: the child process is started once."""
    about = Path(path).stat()
    return _probed(path, (about.st_size, about.st_mtime_ns))


def write_wav(path: Path, samples: np.ndarray, rate_hz: int = 44_100) -> Path:
    """Write float samples [S] or [S, channels] as 16-bit PCM."""
    columns = samples.reshape(len(samples), -1)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(columns.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes((columns * 32767).astype("<i2").tobytes())
    return path


def click(at_s: float, length_s: float, rate_hz: int = 44_100) -> np.ndarray:
    """Silence with a 5 ms burst of 2 kHz that begins at `at_s`."""
    samples = np.zeros(int(length_s * rate_hz))
    first, n = round(at_s * rate_hz), rate_hz // 200
    samples[first : first + n] = 0.8 * np.sin(2 * np.pi * 2000 * np.arange(n) / rate_hz)
    return samples


def click_time(samples: np.ndarray, rate_hz: int) -> float:
    """When the burst begins: the first sample above a quarter of the peak."""
    loud = np.abs(samples)
    return float(np.argmax(loud > loud.max() / 4) / rate_hz)
