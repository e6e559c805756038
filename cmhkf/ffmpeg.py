"""Running ffmpeg on files that nobody vouches for: local files only, under limits, killed when closed or stalled."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import IO

from cmhkf.errors import MediaError
from cmhkf.media import Clip
from cmhkf.sandbox import MediaLimits, stall_guard
from cmhkf.timeline import GRID_RATE

LEAST_RATE, HIGHEST_RATE = Fraction(12), Fraction(60)  # pictures per second that are written


def clip_input(clip: Clip, limits: MediaLimits, *, seek_s: float = 0.0) -> list[str]:
    """The arguments that open a clip, `seek_s` after the file's own beginning (as `Clip.start_s` counts)."""
    seek = ["-ss", f"{seek_s:.6f}"] if seek_s > 0 else []
    return [
        "-protocol_whitelist", "file", "-max_pixels", str(limits.picture_pixels), *seek,
        "-f", clip.container, "-i", f"file:{clip.path}",
    ]  # fmt: skip


def written_rate(clip: Clip) -> Fraction:
    """The constant rate at which the clip is written: its own where that is sensible."""
    rate = clip.native_rate or GRID_RATE
    return min(rate, HIGHEST_RATE) if rate >= LEAST_RATE else GRID_RATE


def picture_filter(clip: Clip, zero_s: float, long_side_px: int | None = None) -> str:
    """Square, even-sized pictures at the written rate; what the input shows at `zero_s` comes at time 0."""
    return f"setpts=PTS-{zero_s:.6f}/TB,fps={written_rate(clip)}:start_time=0,{size_filter(clip, long_side_px)}"


def size_filter(clip: Clip, long_side_px: int | None) -> str:
    """Square pixels, even sides, no side over `long_side_px`."""
    long_side = max(clip.width_px, clip.height_px)
    scale = min(1.0, (long_side_px or long_side) / long_side)
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (clip.width_px, clip.height_px))
    return f"scale={width}:{height},setsar=1,format=yuv420p"


def sound_filter(zero_s: float) -> str:
    """Sound without gaps; what the input plays at `zero_s` comes at time 0."""
    return f"asetpts=PTS-{zero_s:.6f}/TB,aresample=async=1:first_pts=0"


def sound_if_possible(clip: Clip, attempt: Callable[[bool], Generator[float]]) -> Generator[float]:
    """Do `attempt(with_sound)`, and once more without when the clip's sound track cannot be decoded."""
    try:
        yield from attempt(clip.has_audio)
    except MediaError:
        if not clip.has_audio:
            raise
        yield from attempt(False)


def run_ffmpeg(arguments: Sequence[str], limits: MediaLimits) -> Generator[float]:
    """Run ffmpeg and yield the seconds it reports.

    Raises:
        MediaError: what ffmpeg complained of, or that it stalled. The message lacks the file's name.
    """
    import imageio_ffmpeg  # late: it looks for the program when asked for it

    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", "-loglevel", "error", "-nostats", "-progress", "pipe:1",
        *arguments,
    ]  # fmt: skip
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True
        )
        _restrain(process.pid, limits)
        try:
            assert process.stdout
            for line in _lines(process, process.stdout, limits):
                key, _, value = line.decode().strip().partition("=")
                if key == "out_time_us" and value.lstrip("-").isdigit():
                    yield max(0.0, int(value) / 1e6)
            if process.wait():
                complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 300))
                said = complaints.read().decode(errors="replace").strip() or f"exit code {process.returncode}"
                raise MediaError(said)
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


def _lines(process: subprocess.Popen[bytes], stdout: IO[bytes], limits: MediaLimits) -> Iterator[bytes]:
    """Lines as they come. ffmpeg reports twice a second; silence beyond the limit kills it."""
    while True:
        with stall_guard(process, limits.stall_s):
            line = stdout.readline()
        if not line:
            return
        yield line


def _restrain(pid: int, limits: MediaLimits) -> None:
    try:
        from resource import RLIMIT_AS, RLIMIT_CPU, prlimit
    except ImportError:  # other than Linux
        return
    with suppress(ProcessLookupError):  # it may have finished already
        prlimit(pid, RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
        prlimit(pid, RLIMIT_CPU, (limits.cpu_s, limits.cpu_s))
