"""A copy of a clip that every browser plays, for the review page; the original is what gets analysed and kept.

Chromium plays no HEVC or MPEG-4 Part 2 picture and no AVI or WMV file, and says nothing about it.
The proxy's time 0 is the clip's: the presentation time of its first picture.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import IO

from cmhkf.errors import MediaError
from cmhkf.media import Clip
from cmhkf.sandbox import DEFAULT_LIMITS, MediaLimits, stall_guard

PLAYED_CONTAINERS = ("mov", "matroska")  # mp4 and webm are among them
PLAYED_VIDEO = ("h264", "vp8", "vp9", "av1")
PLAYED_SOUND = (None, "aac", "mp3", "opus", "vorbis")
PLAYED_PIXELS = ("yuv420p", "yuvj420p")
LATE_START_S = 0.05  # a player's time 0 is the file's; the page promises 0.1 s
LONG_SIDE_PX = 1280
LEAST_RATE, HIGHEST_RATE = Fraction(12), Fraction(60)


def needs_proxy(clip: Clip) -> bool:
    """Whether a browser would fail to play the file, or would count its time from another moment than the clip's."""
    plays = (
        clip.container in PLAYED_CONTAINERS
        and clip.video_codec in PLAYED_VIDEO
        and clip.audio_codec in PLAYED_SOUND
        and clip.pixel_format in PLAYED_PIXELS
    )
    return not plays or clip.start_s > LATE_START_S


def make_proxy(clip: Clip, out_path: str | Path, *, limits: MediaLimits = DEFAULT_LIMITS) -> Generator[float]:
    """Write an H.264/AAC mp4 at a constant rate, and yield the seconds of video done.

    The file appears under its name when it is complete; closing the iterator stops the work and leaves nothing. A
    sound track that cannot be decoded is left out.

    Raises:
        MediaError: the clip cannot be converted.
    """
    out_path = Path(out_path)
    part = out_path.with_name(out_path.name + ".part")
    try:
        try:
            yield from _run(_command(clip, part, limits, with_sound=clip.has_audio), limits)
        except MediaError:
            if not clip.has_audio:
                raise
            yield from _run(_command(clip, part, limits, with_sound=False), limits)
        part.replace(out_path)
    except MediaError as error:
        raise MediaError(f"{clip.name}: no copy for the browser could be made: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _command(clip: Clip, part: Path, limits: MediaLimits, *, with_sound: bool) -> list[str]:
    import imageio_ffmpeg  # late: it looks for the program when asked for it

    scale = min(1.0, LONG_SIDE_PX / max(clip.width_px, clip.height_px))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (clip.width_px, clip.height_px))
    rate = clip.native_rate or LEAST_RATE * 2
    rate = min(rate, HIGHEST_RATE) if rate >= LEAST_RATE else LEAST_RATE * 2
    # ffmpeg counts from the file's beginning, as Clip.start_s does.
    video = f"trim=start={clip.start_s:.6f},setpts=PTS-{clip.start_s:.6f}/TB,fps={rate}:start_time=0"
    video += f",scale={width}:{height},setsar=1,format=yuv420p"
    sound = f"asetpts=PTS-{clip.start_s:.6f}/TB,aresample=async=1:first_pts=0"
    return [
        imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", "-loglevel", "error", "-nostats", "-progress", "pipe:1",
        "-protocol_whitelist", "file", "-max_pixels", str(limits.picture_pixels),
        "-f", clip.container, "-i", f"file:{clip.path}",
        "-map", "0:V:0", "-vf", video, *(["-map", "0:a:0", "-af", sound, "-ac", "2"] if with_sound else []),
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-g", str(max(1, round(rate))),
        "-c:a", "aac", "-b:a", "128k", "-sn", "-dn", "-map_metadata", "-1", "-t", str(limits.duration_s),
        "-movflags", "+faststart", "-f", "mp4", f"file:{part}",
    ]  # fmt: skip


def _run(command: list[str], limits: MediaLimits) -> Iterator[float]:
    """Run ffmpeg, yield the seconds it reports, kill it when closed or stalled."""
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
