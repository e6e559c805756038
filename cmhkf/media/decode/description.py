"""What a file holds, without decoding more than its first frame. Runs in the child process."""

from collections.abc import Iterator
from fractions import Fraction
from struct import Struct
from typing import Any, NamedTuple

import av.container
import numpy as np
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cmhkf.errors import MediaError
from cmhkf.media.decode.clock import RAW, FileClock, Packets, TrackClock, constant_rate, stated_rates
from cmhkf.media.decode.container import Decoding, begin_s, orientation, pixel_aspect, video_track
from cmhkf.media.sandbox import REPAIR, MediaLimits

CUT_OFF_S = 0.5  # a file that holds this much less than it states is cut off
ENC_PARAMS = Struct("@IQQii")  # n_blocks, where they begin, bytes of each, the kind of codec, the frame's own value
H264_PARAMS = 1
DELTA = 4  # of a block, after its place and size: what is added to the frame's own
OWN_LENGTHS = ("mov", "avi", "mxf")  # formats that state a length for each track


class FirstFrame(NamedTuple):
    """The first frame that can be decoded, which is shown at clip time 0."""

    frame: VideoFrame
    packet: int
    zero_s: Fraction  # its time on the file's joined clock


def first_frame(source: av.container.InputContainer, track: VideoStream, clock: FileClock) -> FirstFrame:
    """Decode up to the first frame. Raises MediaError: there is none."""
    frame = next(iter(Decoding(source, track)), None)
    if frame is None:
        raise MediaError(f"none of its pictures can be decoded (codec {track.codec.canonical_name}). {REPAIR}")
    zero_s = TrackClock(clock, clock.video, track).start_s(frame)
    return FirstFrame(frame, min(int(frame.opaque or 0), len(clock.video) - 1), zero_s)  # type: ignore[call-overload]


def describe(source: av.container.InputContainer, clock: FileClock, limits: MediaLimits) -> dict[str, Any]:
    """What a Clip says of the inside of a file, as plain values. Decodes the first frame, to know that one can."""
    track = video_track(source, limits)
    track.codec_context.options |= {"export_side_data": "venc_params"}
    frame, first, zero_s = first_frame(source, track, clock)
    times_s = clock.frame_times_s(first)
    end_s = float(times_s[-1]) + _last_length_s(times_s, clock.video)
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
        "native_rate": _as_text(native_rate(track, clock, times_s)),
        "duration_s": end_s,
        "declared_duration_s": declared_s(source, track, clock, end_s, float(zero_s)),
        "start_s": float(zero_s - begin_s(source)),
        "first_frame_s": float(zero_s),
        "audio_start_s": float(clock.times_s(clock.sound).min() - zero_s) if clock.sound else None,
        "n_clocks": len(clock.shift_s),
        "rotation_deg": turn.clockwise_deg,
        "pixel_aspect": str(aspect),
        "has_audio": sound is not None,
        "audio_codec": codec or "unknown" if sound else None,
        "quantiser": quantiser(frame),
    }


def quantiser(frame: VideoFrame) -> float | None:
    """The mean over the blocks of a frame, by libav's AVVideoEncParams; None for other codecs than H.264."""
    told = frame.side_data.get("VIDEO_ENC_PARAMS")
    if told is None:
        return None
    n_blocks, begin, size, kind, base = ENC_PARAMS.unpack_from(data := bytes(told))
    if kind != H264_PARAMS or not n_blocks:
        return None
    blocks = np.frombuffer(data, np.int32, n_blocks * size // 4, begin).reshape(n_blocks, -1)
    finer = 6 * (frame.format.components[0].bits - 8)  # deeper samples are counted from so much less on
    return float(base + blocks[:, DELTA].mean()) - finer


def frame_times(source: av.container.InputContainer, clock: FileClock, limits: MediaLimits) -> Iterator[np.ndarray]:
    """Yield once when each frame is shown, float64 [F]."""
    yield clock.frame_times_s(first_frame(source, video_track(source, limits), clock).packet)


def native_rate(track: VideoStream, clock: FileClock, times_s: np.ndarray) -> Fraction | None:
    """The rate at which the frames are shown; None where it varies, or where a raw stream states none."""
    if clock.video.counted or clock.source_format in RAW:
        return track.codec_context.framerate or None
    return constant_rate(times_s, stated_rates(track))


def declared_s(
    source: av.container.InputContainer, track: VideoStream | AudioStream, clock: FileClock, end_s: float, zero_s: float
) -> float | None:
    """How long the file says that the track is, from clip time 0; None where it does not say.

    Transport and raw streams say nothing; what libav tells of them is its own estimate. `end_s` is what was measured.
    """
    name = source.format.name.split(",")[0]
    if name == "mov" and track.frames:
        return _index_end_s(track, clock) - zero_s
    if name in OWN_LENGTHS:
        return float(track.duration * (track.time_base or 0)) if track.duration else None
    if name not in ("matroska", "flv", "asf"):
        return None
    stated = _tag_s(track.metadata.get("DURATION", "")) or (source.duration or 0) / av.time_base
    after_zero = stated - zero_s  # most writers count to the end of the file's clock, some from the beginning
    return (after_zero if after_zero > end_s - CUT_OFF_S else stated) or None


def _index_end_s(track: VideoStream | AudioStream, clock: FileClock) -> float:
    """Where the last entry of an mp4's index ends, whether or not the file still holds it."""
    packets = clock.video if isinstance(track, VideoStream) else clock.sound
    assert packets is not None
    base = float(packets.time_base)
    read_s = float(packets.stamp.max() + packets.length[packets.stamp.argmax()]) * base
    entries = track.index_entries
    missing = len(entries) - len(packets)
    if missing <= 0 or not len(packets):
        return read_s
    last, held = entries[len(entries) - 1], entries[len(packets) - 1]
    return read_s + (last.timestamp - held.timestamp) * base


def _tag_s(tag: str) -> float:
    """Seconds of Matroska's "00:01:02.500000000"; 0 for anything else."""
    try:
        hours, minutes, seconds = tag.strip("\0 ").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0


def _last_length_s(times_s: np.ndarray, packets: Packets) -> float:
    length = float(packets.length[int(packets.stamp.argmax())] * packets.time_base)
    return length or (float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / 24)


def _as_text(rate: Fraction | None) -> str | None:
    return str(rate) if rate else None
