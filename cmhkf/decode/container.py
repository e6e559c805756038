"""Opening a file with libav, choosing its tracks, reading its timestamps. Runs in the child process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.container
import av.error
import av.stream
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cmhkf.errors import MediaError
from cmhkf.sandbox import REPAIR, MediaLimits

# Playlists, image patterns and network formats are not among them: a file must not make us open another.
FORMATS = (
    "mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "av1", "obu", "ivf", "flv", "asf",
    "gif", "apng", "ogg", "mxf", "dv", "rm", "wtv", "nut", "nsv", "mjpeg", "dhav", "yuv4mpegpipe", "h263", "vc1",
    # Sound alone, to be able to say so.
    "mp3", "wav", "w64", "aac", "ac3", "eac3", "flac", "aiff", "amr", "au", "caf", "dts", "wv", "ape",
)  # fmt: skip
OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
DISCONTINUOUS = ("mpegts", "mpeg")  # formats whose clock may jump; elsewhere a long gap is a long picture
BACKWARD_JUMP_S, FORWARD_JUMP_S = Fraction(1), Fraction(10)
MAX_THREADS = 8  # frame threads hold a picture each


def opened(path: str) -> av.container.InputContainer:
    """Open a media file. Raises MediaError when libav does not know it."""
    try:
        return av.open(f"file:{path}", mode="r", metadata_errors="ignore", options=OPEN_OPTIONS)
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        size = Path(path).stat().st_size
        raise MediaError(
            f"this is not a video, or its header is damaged or cut off ({size:,} bytes; {_reason(error)}). "
            "Fetch it again, or play it in VLC to see whether it is whole."
        ) from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, av.error.FFmpegError) else None) or str(error) or type(error).__name__


def begin_s(source: av.container.InputContainer) -> Fraction:
    """Where the file's own clock starts: the earliest timestamp of its tracks."""
    return Fraction(source.start_time or 0, av.time_base)


def video_track(source: av.container.InputContainer, limits: MediaLimits) -> VideoStream:
    """The first track of moving pictures, set up for decoding. Raises MediaError: none, not decodable, too large."""
    still = av.stream.Disposition.attached_pic
    tracks = [s for s in source.streams.video if s.codec_context and not s.disposition & still]
    if not tracks:
        kinds = sorted({s.type for s in source.streams})
        held = "sound only" if source.streams.audio else f"no picture track that can be decoded ({kinds or 'empty'})"
        raise MediaError(f"it holds {held}; a video is needed. Choose the file with the pictures, or convert it.")
    track = tracks[0]
    if track.width * track.height > limits.picture_pixels:
        raise MediaError(
            f"its pictures are {track.width}x{track.height}, over the limit of {limits.picture_pixels:,} pixels. "
            "Scale it down: ffmpeg -i IN -vf scale=1920:-2 OUT.mp4"
        )
    track.codec_context.options = {"max_pixels": str(limits.picture_pixels)}
    track.thread_type = "AUTO"
    track.codec_context.thread_count = min(os.cpu_count() or 1, MAX_THREADS)
    return track


def decoded(source: av.container.InputContainer, track: VideoStream | AudioStream) -> Iterator[Any]:
    """Frames of a track in order. Damaged packets are skipped as players do; a file cut off ends where it ends."""
    packets = source.demux(track)
    while True:
        try:
            packet = next(packets, None)
        except MemoryError:
            raise
        except (av.error.InvalidDataError, EOFError):
            return
        except av.error.FFmpegError as error:
            raise MediaError(f"reading it failed: {_reason(error)}. Copy it to another disk and try again.") from error
        if packet is None:
            return
        try:
            yield from packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            continue


@dataclass
class Clock:
    """Timestamps of one track to seconds that never run backwards, whatever the file claims."""

    source_format: str
    nominal_s: Fraction
    """Length of a frame that states none."""
    previous_s: Fraction | None = None
    step_s: Fraction = field(init=False)
    """Length of the frame before, as stated or else as the last gap."""
    shift_s: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        self.step_s = self.nominal_s

    def start_s(self, frame: VideoFrame | AudioFrame) -> Fraction:
        """Presentation time of the next frame in order.

        A missing timestamp continues from the frame before. A jump back over 1 s, or in a transport stream ahead over
        10 s, is a new clock and is joined on; smaller steps back are held.
        """
        base = frame.time_base or Fraction(0)
        before = self.previous_s
        expected = Fraction(0) if before is None else before + self.step_s
        start = expected if frame.pts is None else frame.pts * base + self.shift_s
        if before is not None:
            ahead = start - before
            if ahead < -BACKWARD_JUMP_S or (ahead > FORWARD_JUMP_S and self.source_format in DISCONTINUOUS):
                self.shift_s += expected - start
                start = expected
            start = max(start, before)
        if frame.duration and base:
            self.step_s = frame.duration * base
        elif before is not None and start > before:
            self.step_s = start - before
        self.previous_s = start
        return start


class Orientation(NamedTuple):
    """How the stored picture is turned for display: transposed first, then mirrored."""

    transposed: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def clockwise_deg(self) -> int:
        """The turn without the mirroring: 0, 90, 180 or 270."""
        if self.transposed:
            return 90 if self.mirror_x else 270
        return 180 if self.mirror_y else 0


def orientation(frame: VideoFrame) -> Orientation:
    """Quarter turns and mirroring of the display matrix: (x, y) is shown at (a x + c y, b x + d y).

    Ask one frame of a clip only: its side data and the frame hold each other, so memory waits for the collector.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), "=i4").tolist()
    transposed = abs(b) > abs(a)
    return Orientation(True, c < 0, b < 0) if transposed else Orientation(False, a < 0, d < 0)


def pixel_aspect(track: VideoStream) -> Fraction:
    """Width of a stored pixel over its height; 1 where not stated or absurd."""
    aspect = track.sample_aspect_ratio
    return aspect if aspect and Fraction(1, 16) <= aspect <= 16 else Fraction(1)


def clock_of(source: av.container.InputContainer, track: VideoStream) -> Clock:
    """The clock of a picture track."""
    rate = track.average_rate or track.guessed_rate
    return Clock(source.format.name, 1 / rate if rate else Fraction(1, 24))


def describe(source: av.container.InputContainer, limits: MediaLimits) -> dict[str, Any]:
    """What a Clip says of the inside of a file, as plain values. Decodes the first picture, to know that one can."""
    track = video_track(source, limits)
    stated = track.duration and track.time_base and track.duration * track.time_base
    duration_s = float(stated or Fraction(source.duration or 0, av.time_base))
    if duration_s > limits.duration_s and source.format.name not in DISCONTINUOUS:
        raise MediaError(
            f"it states a length of {duration_s:,.0f} s, over the limit of {limits.duration_s:,.0f} s. Cut it into "
            "parts; if the statement is wrong, rewrite it: ffmpeg -i IN -c copy OUT.mp4"
        )
    frame = next(decoded(source, track), None)
    if frame is None:
        raise MediaError(f"none of its pictures can be decoded (codec {track.codec.canonical_name}). {REPAIR}")
    turn, aspect = orientation(frame), pixel_aspect(track)
    width, height = max(1, round(frame.width * aspect)), frame.height
    sound = source.streams.audio[0] if source.streams.audio else None
    codec = sound.codec_context and sound.codec_context.codec.canonical_name if sound else None
    return {
        "container": source.format.name.split(",")[0],
        "video_codec": track.codec.canonical_name,
        "pixel_format": frame.format.name,
        "width_px": height if turn.transposed else width,
        "height_px": width if turn.transposed else height,
        "native_rate": str(track.average_rate) if track.average_rate else None,
        "duration_s": duration_s,
        "start_s": float(clock_of(source, track).start_s(frame) - begin_s(source)),
        "rotation_deg": turn.clockwise_deg,
        "pixel_aspect": str(aspect),
        "has_audio": sound is not None,
        "audio_codec": codec or "unknown" if sound else None,
    }
