"""Everything that is written of a file: mp4s of spans of it, and stills. Runs in the child process."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from cmhkf.errors import MediaError
from cmhkf.media.decode.audio import Hearing
from cmhkf.media.decode.clock import FileClock
from cmhkf.media.decode.container import Orientation, opened, orientation
from cmhkf.media.decode.footage import AUDIO_HZ, Audio, Frames, zero_of
from cmhkf.media.sandbox import MediaLimits

LEAST_TICKS = 48_000  # per second of a written file's clock
JITTER_S = Fraction(1, 1000)  # what is this near to a multiple of the frame's length was meant to be there
MAX_THREADS = 8
SHORT_S = Fraction(1, 100)  # by so much may a span end early
JPEG_QUALITY = 85
AUDIO_BITS = 160_000
REPORT_S = 0.2  # seconds between two messages
Message = dict[str, Any] | np.ndarray


def mp4s(
    path: str,
    clock: FileClock,
    limits: MediaLimits,
    *,
    outputs: Sequence[dict[str, Any]],
    size: tuple[int, int],
    rate: str,
    constant: bool,
    crf: int,
    with_audio: bool,
) -> Iterator[Message]:
    """Write an H.264 and AAC mp4 for each of `outputs`, {path, spans}: its spans one after the other.

    A span is [start, end] in fractions of a second of the clip's time, where None is the clip's end. Every frame keeps
    its own length, and `rate` is the frames per second of a clip that has a constant rate; or `constant` makes it that
    of the file. Yields {"done_s"} now and then,
    and after each output what was written: {frames, length_s, has_audio, audio_fault}.
    """
    zero_s, report = zero_of(path, clock, limits), _Report()
    frames = Frames(path, clock, limits, zero_s)
    audio = Audio(path, clock, limits, zero_s) if with_audio else None
    for output in outputs:
        sound = bool(audio and audio.is_readable)
        made = _Mp4(output["path"], size, Fraction(rate), crf, constant=constant, with_audio=sound)
        try:
            for start, end in output["spans"]:
                before_s = made.end_s
                yield from _write_span(made, frames, audio, report, Fraction(start), end and Fraction(end))
                if end and made.end_s - before_s < Fraction(end) - Fraction(start) - SHORT_S:
                    raise MediaError(f"its frames from {float(Fraction(start)):.2f} s on end too early")
            made.close()
        except av.error.FFmpegError as error:
            raise MediaError(f"writing failed: {error.strerror}. Is the disk full?") from error
        written = {"frames": made.n_frames, "length_s": float(made.end_s), "has_audio": made.has_audio}
        yield written | {"audio_fault": audio.fault if audio else ""}


def _write_span(
    made: _Mp4, frames: Frames, audio: Audio | None, report: _Report, start_s: Fraction, end_s: Fraction | None
) -> Iterator[Message]:
    offset_s, first = made.end_s - start_s, round(start_s * AUDIO_HZ)
    for shown in frames.between(start_s, end_s):
        if shown:
            made.add_frame(shown.frame, shown.start_s + offset_s, shown.end_s + offset_s)
        if shown and audio and made.has_audio:
            last = round(shown.end_s * AUDIO_HZ)
            for samples in audio.between(first, last):
                made.add_audio(samples)
                yield from report.progress(made.end_s)
            first = last
        yield from report.progress(made.end_s)


def stills(
    path: str, clock: FileClock, limits: MediaLimits, *, times_s: Sequence[str], size: tuple[int, int]
) -> Iterator[Message]:
    """Yield the JPEG of what is on display at each of the times as uint8 [bytes], or {"missing": why}."""
    frames = Frames(path, clock, limits, zero_of(path, clock, limits))
    report, upright = _Report(), None
    for time_s in map(Fraction, times_s):
        try:
            for shown in frames.between(time_s, time_s):
                yield from report.progress(time_s)
                if shown:
                    upright = upright or _Upright(shown.frame, size)
                    jpeg = io.BytesIO()
                    upright.yuv(shown.frame).to_image().save(jpeg, "JPEG", quality=JPEG_QUALITY)
                    yield np.frombuffer(jpeg.getvalue(), np.uint8)
        except MediaError as error:
            yield {"missing": str(error)}


def count(path: str, clock: FileClock, limits: MediaLimits) -> Iterator[Message]:
    """Read a written file to its end; yields {"done_s"} now and then, at last {frames, start_s, length_s, audio_s}.

    `start_s` is when the file's own clock shows the first frame, `audio_s` the length of the audio, None without.
    """
    report, n, end_s = _Report(), 0, Fraction(0)
    zero_s = zero_of(path, clock, limits)
    for shown in Frames(path, clock, limits, zero_s).between(Fraction(0), None):
        if shown:
            n, end_s = n + 1, shown.end_s
            yield from report.progress(end_s)
    audio_s = None
    with opened(path) as source:
        if source.streams.audio:
            audio_s = 0.0
            for index, samples in Hearing(source, clock, zero_s).placed(AUDIO_HZ):
                audio_s = (index + len(samples)) / AUDIO_HZ
                yield from report.progress(end_s)
    yield {"frames": n, "start_s": float(zero_s), "length_s": float(end_s), "audio_s": audio_s}


class _Report:
    """Says how far it is, often enough for whoever waits and seldom enough to cost nothing."""

    def __init__(self) -> None:
        self._said = 0.0

    def progress(self, done_s: Fraction) -> Iterator[Message]:
        """Yield one message, or none when the last is not long ago."""
        if time.monotonic() - self._said > REPORT_S:
            self._said = time.monotonic()
            yield {"done_s": float(done_s)}


class _Upright:
    """Makes decoded frames what is to be seen: turned, with square pixels, all of one size."""

    def __init__(self, first: VideoFrame, size: tuple[int, int]) -> None:
        self._turn, self._size = orientation(first), size
        self._reformatter = VideoReformatter()

    def yuv(self, frame: VideoFrame) -> VideoFrame:
        """The frame in 4:2:0 and limited range, as every player expects it."""
        if self._turn != Orientation():
            rgb: np.ndarray = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
            rgb = rgb.transpose(1, 0, 2) if self._turn.transposed else rgb
            rgb = rgb[:: -1 if self._turn.mirror_y else 1, :: -1 if self._turn.mirror_x else 1]
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb, np.uint8), format="rgb24")
        return self._reformatter.reformat(
            frame,
            *self._size,
            "yuv420p",
            interpolation=Interpolation.BICUBIC,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU601 if frame.format.is_rgb else None,
        )


class _Mp4:
    """An mp4 that begins at 0 with its first frame. It has no B-frames, so it needs no edit list to say so."""

    def __init__(
        self, path: str, size: tuple[int, int], rate: Fraction, crf: int, *, constant: bool, with_audio: bool
    ) -> None:
        self.n_frames, self.end_s = 0, Fraction(0)
        self._size, self._rate, self._constant, self._upright = size, rate, constant, None
        self._ticks = rate.numerator * max(1, LEAST_TICKS // rate.numerator)
        self._lengths: dict[int, int] = {}
        """Of the frames that the encoder holds, by the tick at which they begin."""
        self._samples = 0
        self._out = av.open(f"file:{path}", "w", format="mp4", options={"movflags": "+faststart"})
        options = {"crf": str(crf), "preset": "veryfast", "bf": "0", "g": str(max(1, round(rate)))}
        self._video: VideoStream = self._out.add_stream("libx264", rate=rate, options=options)
        self._video.width, self._video.height, self._video.pix_fmt = *size, "yuv420p"
        self._video.time_base = self._video.codec_context.time_base = Fraction(1, self._ticks)
        self._video.codec_context.thread_count = min(os.cpu_count() or 1, MAX_THREADS)
        self._audio: AudioStream | None = None
        if with_audio:
            self._audio = self._out.add_stream("aac", rate=AUDIO_HZ, layout="stereo", bit_rate=AUDIO_BITS)

    @property
    def has_audio(self) -> bool:
        """Whether there is an audio track."""
        return self._audio is not None

    def add_frame(self, frame: VideoFrame, start_s: Fraction, end_s: Fraction) -> None:
        """Show a frame from `start_s` to `end_s`; what is shorter than a tick is never seen and left out."""
        self.end_s = end_s
        edges = [self._tick(start_s), self._tick(end_s)]
        if self._constant:  # shown at every beat of the rate from its start to before its end
            beat = int(self._ticks / self._rate)
            edges = list(range(-(-edges[0] // beat) * beat, -(-edges[1] // beat) * beat + 1, beat))
        for first, last in pairwise(edges):
            if last > first:
                self._encode(frame, first, last)

    def _encode(self, frame: VideoFrame, first: int, last: int) -> None:
        if not self._upright:
            self._upright = _Upright(frame, self._size)
            self._describe_colours(self._upright.yuv(frame))
        made = self._upright.yuv(frame)
        made.pts, made.time_base, made.pict_type = first, Fraction(1, self._ticks), 0
        self._lengths[first] = last - first
        self._mux_video(self._video.encode(made))
        self.n_frames += 1

    def add_audio(self, samples: np.ndarray) -> None:
        """Play float32 [S, 2] after what was added before."""
        if self._audio and len(samples):
            sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="stereo")
            sound.rate, sound.pts, sound.time_base = AUDIO_HZ, self._samples, Fraction(1, AUDIO_HZ)
            self._samples += len(samples)
            self._out.mux(self._audio.encode(sound))

    def close(self) -> None:
        """Write what the encoders hold, and the index."""
        if self.n_frames:
            self._mux_video(self._video.encode(None))
        if self._audio and self._samples:
            self._out.mux(self._audio.encode(None))
        self._out.close()

    def _mux_video(self, packets: Sequence[Packet]) -> None:
        for packet in packets:
            packet.duration = self._lengths.pop(packet.pts or 0)
            self._out.mux(packet)

    def _tick(self, time_s: Fraction) -> int:
        frame = round(time_s * self._rate)
        on_raster = abs(frame / self._rate - time_s) <= min(JITTER_S, 1 / self._rate / 4)
        return round((frame / self._rate if on_raster else time_s) * self._ticks)

    def _describe_colours(self, made: VideoFrame) -> None:
        context = self._video.codec_context
        context.colorspace, context.color_range = made.colorspace, made.color_range
        context.color_primaries, context.color_trc = made.color_primaries, made.color_trc
