"""A copy of a clip that every browser plays, for the review page; the original is what gets analysed and kept.

Chromium plays no HEVC or MPEG-4 Part 2 video and no AVI or WMV file, and says nothing about it.
The proxy's time 0 is the clip's: the presentation time of its first frame.
"""

from collections.abc import Generator
from pathlib import Path

from cmhkf.errors import MediaError
from cmhkf.media.clip import Clip
from cmhkf.media.written import write_mp4s

PLAYED_CONTAINERS = ("mov", "matroska")  # mp4 and webm are among them
PLAYED_VIDEO = ("h264", "vp8", "vp9", "av1")
PLAYED_AUDIO = (None, "aac", "mp3", "opus", "vorbis")
PLAYED_PIXELS = ("yuv420p", "yuvj420p")
PLAYER_ZERO_S = 0.004  # a player's time 0 is the file's: so near to it must the first frame be
AUDIO_S = 0.05  # so near to the first frame must audio begin: before it players wait, and to its start they jump
LONG_SIDE_PX = 1280


def needs_proxy(clip: Clip) -> bool:
    """Whether a browser would fail to play the file, or would show the clip's frames at other times than the clip's."""
    plays = (
        clip.container in PLAYED_CONTAINERS
        and clip.video_codec in PLAYED_VIDEO
        and clip.audio_codec in PLAYED_AUDIO
        and clip.pixel_format in PLAYED_PIXELS
    )
    agrees = (
        abs(clip.first_frame_s) <= PLAYER_ZERO_S
        and clip.n_clocks == 1
        and abs(clip.audio_start_s or 0.0) <= AUDIO_S
        and clip.start_s <= AUDIO_S
    )
    return not (plays and agrees)


def make_proxy(clip: Clip, out_path: str | Path) -> Generator[float]:
    """Write an H.264 and AAC mp4 that shows every frame when the clip does, and yield the seconds of video done.

    The file appears under its name when it is complete and was read again; closing the iterator stops the work and
    leaves nothing. Audio that cannot be decoded is left out.

    Raises:
        MediaError: the clip cannot be converted.
    """
    try:
        yield from write_mp4s(clip, [(Path(out_path), [(0.0, None)])], crf=23, long_side_px=LONG_SIDE_PX)
    except MediaError as error:
        raise MediaError(f"{clip.name}: no copy for the browser could be made: {error}") from error
