"""Opening a file with libav, choosing its tracks, reading its packets. Runs in the child process."""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.container
import av.error
import av.stream
import numpy as np
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cmhkf.errors import MediaError
from cmhkf.media.sandbox import MediaLimits

# Playlists, image patterns and network formats are not among them: a file must not make us open another.
FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,av1,obu,ivf,flv,asf,gif,apng,ogg,mxf,dv,rm,wtv,nut,nsv,mjpeg,"
    "dhav,yuv4mpegpipe,h263,vc1,"
    "mp3,wav,w64,aac,ac3,eac3,flac,aiff,amr,au,caf,dts,wv,ape"  # audio alone, to be able to say so
)
OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
ON_GPU = "cuda"  # libav's name of the device, and of its frames' format
MAX_THREADS = 8  # frame threads hold a frame each


def opened(
    path: str, options: dict[str, str] | None = None, accelerator: HWAccel | None = None
) -> av.container.InputContainer:
    """Open a media file. Raises MediaError when libav does not know it."""
    told = OPEN_OPTIONS | (options or {})
    try:
        return av.open(f"file:{path}", mode="r", metadata_errors="ignore", options=told, hwaccel=accelerator)
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        size = Path(path).stat().st_size
        raise MediaError(
            f"this is not a video, or its header is damaged or cut off ({size:,} bytes; {_reason(error)}). "
            "Fetch it again, or play it in VLC to see whether it is whole."
        ) from error


def accelerator_for(path: str, device: str) -> HWAccel | None:
    """What decodes a file on the GPU `device`, "cuda" or "cuda:N"; None where that fails at its first frame."""
    kind, _, number = device.partition(":")
    if kind != ON_GPU:
        return None
    try:
        with opened(path, accelerator=HWAccel(ON_GPU, number or None)) as source:
            track = source.streams.video[0]
            next(source.decode(track))
            return HWAccel(ON_GPU, number or None) if track.pix_fmt == ON_GPU else None
    except (MediaError, av.error.FFmpegError, ValueError, RuntimeError, IndexError, StopIteration):
        return None


def unparsed(source: av.container.InputContainer) -> av.container.InputContainer:
    """A transport stream opened once more, with packets as it was sent: each may hold several audio frames."""
    return opened(source.name.removeprefix("file:"), {"fflags": "noparse"})


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
    if track.width * track.height > limits.frame_pixels:
        raise MediaError(
            f"its pictures are {track.width}x{track.height}, over the limit of {limits.frame_pixels:,} pixels. "
            "Scale it down: ffmpeg -i IN -vf scale=1920:-2 OUT.mp4"
        )
    track.codec_context.options = {"max_pixels": str(limits.frame_pixels)}
    track.thread_type = "AUTO"
    track.codec_context.thread_count = min(os.cpu_count() or 1, MAX_THREADS)
    return track


def packets_of(source: av.container.InputContainer, *tracks: VideoStream | AudioStream) -> Iterator[Packet]:
    """Packets of some tracks as they stand in the file, without the empty ones. A file cut off ends where it ends."""
    packets = source.demux(*tracks)
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
        if packet.size:
            yield packet


def audio_frames(source: av.container.InputContainer, *tracks: VideoStream | AudioStream) -> Iterator[Packet]:
    """`packets_of` where AAC was lost: `source` is `unparsed`; each packet of the last track is one audio frame.

    libav's own parser takes a frame of which the end was lost for the beginning of all audio that follows. Here the
    parser begins anew after each loss, at the next frame whose time is known.
    """
    sound = tracks[-1]
    parser, held, is_placed = None, 0, False
    for packet in packets_of(source, *tracks):
        if packet.stream_index != sound.index:
            yield packet
            continue
        if parser is None:
            parser, held, is_placed = CodecContext.create(sound.codec_context.name, "r"), 0, False
        begin, pts = -held, packet.pts  # the time is that of the first frame that begins in the packet
        for frame in parser.parse(bytes(packet)):
            if begin >= 0 and pts is not None and bytes(frame).startswith(b"\xff"):
                frame.pts = frame.dts = pts
                pts, is_placed = None, True
            begin += frame.size
            frame.stream, frame.time_base, frame.duration = sound, packet.time_base, packet.duration or 0
            if is_placed:
                yield frame
        held = packet.size - begin
        if packet.is_corrupt:
            parser = None


Reader = Callable[..., Iterator[Packet]]


class Decoding:
    """Frames of a track in order, each with the number of its packet as `opaque`, and what could not be decoded.

    Damaged packets are skipped as players do. `read` gives the packets.
    """

    def __init__(
        self, source: av.container.InputContainer, track: VideoStream | AudioStream, read: Reader = packets_of
    ) -> None:
        self._source, self._track, self._read = source, track, read
        track.codec_context.copy_opaque = True
        self.came = bytearray()
        """By packet: 1 where a frame came of it, 2 where the frame is damaged."""
        self.troubled: list[int] = []
        """Packets at or soon after which the decoder complained."""

    def __iter__(self) -> Iterator[Any]:
        for packet in self._read(self._source, self._track):
            packet.opaque = len(self.came)
            self.came.append(0)
            yield from self._decode(packet)
        yield from self._decode(None)

    def _decode(self, packet: Packet | None) -> Iterator[Any]:
        try:
            frames = self._track.codec_context.decode(packet)  # type: ignore[union-attr,arg-type]
        except MemoryError:
            raise
        except (av.error.FFmpegError, EOFError):
            self.troubled.append(len(self.came) - 1)
            return
        for frame in frames:
            if frame.opaque is not None and 0 <= int(frame.opaque) < len(self.came):  # type: ignore[call-overload]
                self.came[int(frame.opaque)] = 2 if frame.is_corrupt else 1  # type: ignore[call-overload]
            yield frame


class Orientation(NamedTuple):
    """How the stored frame is turned for display: transposed first, then mirrored."""

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
