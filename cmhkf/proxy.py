"""A copy of a clip that every browser plays, for the review page; the original is what gets analysed and kept.

Chromium plays no HEVC or MPEG-4 Part 2 picture and no AVI or WMV file, and says nothing about it.
The proxy's time 0 is the clip's: the presentation time of its first picture.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from cmhkf.errors import MediaError
from cmhkf.ffmpeg import clip_input, picture_filter, run_ffmpeg, sound_filter, sound_if_possible, written_rate
from cmhkf.media import Clip
from cmhkf.sandbox import DEFAULT_LIMITS, MediaLimits

PLAYED_CONTAINERS = ("mov", "matroska")  # mp4 and webm are among them
PLAYED_VIDEO = ("h264", "vp8", "vp9", "av1")
PLAYED_SOUND = (None, "aac", "mp3", "opus", "vorbis")
PLAYED_PIXELS = ("yuv420p", "yuvj420p")
LATE_START_S = 0.05  # a player's time 0 is the file's; the page promises 0.1 s
LONG_SIDE_PX = 1280


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
        yield from sound_if_possible(
            clip, lambda with_sound: run_ffmpeg(_arguments(clip, part, limits, with_sound=with_sound), limits)
        )
        part.replace(out_path)
    except MediaError as error:
        raise MediaError(f"{clip.name}: no copy for the browser could be made: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _arguments(clip: Clip, part: Path, limits: MediaLimits, *, with_sound: bool) -> list[str]:
    video = f"trim=start={clip.start_s:.6f},{picture_filter(clip, clip.start_s, LONG_SIDE_PX)}"
    sound = ["-map", "0:a:0", "-af", sound_filter(clip.start_s), "-ac", "2"]
    return [
        *clip_input(clip, limits), "-map", "0:V:0", "-vf", video, *(sound if with_sound else []),
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-g", str(max(1, round(written_rate(clip)))),
        "-c:a", "aac", "-b:a", "128k", "-sn", "-dn", "-map_metadata", "-1", "-t", str(limits.duration_s),
        "-movflags", "+faststart", "-f", "mp4", f"file:{part}",
    ]  # fmt: skip
