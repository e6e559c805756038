"""The sound track as mono samples on the picture clock. Runs in the child process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av.container
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from cmhkf.decode.container import Clock, begin_s, decoded
from cmhkf.errors import MediaError
from cmhkf.sandbox import MediaLimits

GAP_S = Fraction(1, 25)  # timestamps that stray further from the samples count as a gap or an overlap


@dataclass
class _Run:
    """Sound without a gap: one resampler, and where its next output belongs."""

    resampler: AudioResampler
    kind: tuple[int, str, str]
    index: int
    """Position of the next output sample; 0 = the clip's time 0."""
    end_s: Fraction
    """Where the samples fed so far end, on the file's clock."""

    def feed(self, frame: AudioFrame | None) -> Iterator[tuple[int, np.ndarray]]:
        """Resample a frame, or flush with None, and place what comes out."""
        for out in self.resampler.resample(frame):
            if out is not None:  # a resampler with nothing to do hands the flush through
                samples = out.to_ndarray()[0]
                yield self.index, samples
                self.index += len(samples)


def stream(
    source: av.container.InputContainer, limits: MediaLimits, *, rate_hz: int, block_s: float, start_s: float
) -> Iterator[np.ndarray]:
    """Yield mono float32 blocks in [-1, 1] from the clip's time 0, which is `start_s` after the file's beginning.

    Sound that starts later is preceded by silence, sound before time 0 is cut, gaps are filled with silence.
    """
    if not source.streams.audio:
        raise MediaError("it has no sound track")
    zero_s = begin_s(source) + Fraction(start_s)
    longest = int(limits.duration_s * rate_hz)
    yield from _blocks(_joined(_placed(source, rate_hz, zero_s), longest), max(1, int(block_s * rate_hz)))


def _placed(source: av.container.InputContainer, rate_hz: int, zero_s: Fraction) -> Iterator[tuple[int, np.ndarray]]:
    """Resampled pieces, each with the index of its first sample."""
    track = source.streams.audio[0]
    codec = track.codec_context.codec.canonical_name if track.codec_context else "unknown"
    clock = Clock(source.format.name, Fraction(0))
    run: _Run | None = None
    try:
        for frame in decoded(source, track) if track.codec_context else ():
            start_s = clock.start_s(frame)
            kind = (frame.sample_rate, frame.layout.name, frame.format.name)
            if run is None or run.kind != kind or abs(start_s - run.end_s) > GAP_S:
                if run:
                    yield from run.feed(None)
                # Weights that sum to 1: as the mean of two channels, and never above full scale.
                resampler = AudioResampler("fltp", "mono", rate_hz, options={"rematrix_maxval": "1.0"})
                run = _Run(resampler, kind, round((start_s - zero_s) * rate_hz), start_s)
            run.end_s += Fraction(frame.samples, frame.sample_rate)
            clock.step_s = Fraction(frame.samples, frame.sample_rate)
            frame.pts = None  # placing is ours
            yield from run.feed(frame)
        if run:
            yield from run.feed(None)
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, MemoryError):
            raise
        raise MediaError(f"its sound track (codec {codec}) cannot be resampled: {error}") from error
    if run is None:
        raise MediaError(f"its sound track (codec {codec}) cannot be decoded")


def _joined(pieces: Iterable[tuple[int, np.ndarray]], longest: int) -> Iterator[np.ndarray]:
    """Pieces end to end from index 0: silence where one is missing, cut where two overlap, at most `longest`."""
    written = 0
    silence = np.zeros(1 << 16, np.float32)
    for index, samples in pieces:
        while written < min(index, longest):
            gap = silence[: min(index, longest) - written]
            yield gap
            written += len(gap)
        fresh = samples[max(0, written - index) :][: longest - written]
        if len(fresh):
            yield np.clip(np.nan_to_num(fresh, nan=0.0), -1, 1)
            written += len(fresh)
        if written >= longest:
            return


def _blocks(pieces: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same samples in blocks of `size`, the last one shorter."""
    kept: list[np.ndarray] = []
    held = 0
    for piece in pieces:
        kept.append(piece)
        held += len(piece)
        while held >= size:
            joined = np.concatenate(kept)
            yield joined[:size]
            kept, held = [joined[size:]], held - size
    if held:
        yield np.concatenate(kept)
