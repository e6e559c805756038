"""The audio track as mono samples on the clock of the frames. Runs in the child process."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av.container
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from cmhkf.errors import MediaError
from cmhkf.media.decode.clock import FileClock, TrackClock
from cmhkf.media.decode.container import Decoding, audio_frames, begin_s, packets_of, unparsed
from cmhkf.media.decode.description import declared_s
from cmhkf.media.decode.missing import SOUND_DAMAGED, SOUND_MISSING, SOUND_SHORT, lost_packets
from cmhkf.media.sandbox import MediaLimits
from cmhkf.media.unseen import Unseen, as_rows, joined

GAP_S = Fraction(1, 25)  # timestamps that stray further from the samples count as a gap or an overlap
LEAST_GAP_S = 1.0  # a shorter gap is not worth a word
SHORT_S = 1.0  # audio that ends so much before the frames is cut short


@dataclass
class _Run:
    """Audio without a gap: one resampler, and where its next output belongs."""

    resampler: AudioResampler
    kind: tuple[int, str, str]
    piece: int
    index: int  # position of the next output sample; 0 = the clip's time 0
    end_s: Fraction  # where the samples fed so far end, on the file's clock

    def feed(self, frame: AudioFrame | None) -> Iterator[tuple[int, np.ndarray]]:
        """Resample a frame, or flush with None, and place what comes out."""
        for out in self.resampler.resample(frame):
            if out is not None:  # a resampler with nothing to do hands the flush through
                channels = out.to_ndarray()
                samples = channels.T if len(channels) > 1 else channels[0]
                yield self.index, samples
                self.index += len(samples)


def stream(
    source: av.container.InputContainer,
    clock: FileClock,
    limits: MediaLimits,
    *,
    rate_hz: int,
    block_s: float,
    start_s: float,
) -> Iterator[np.ndarray | dict[str, Any]]:
    """Yield mono float32 blocks in [-1, 1] from the clip's time 0, which is `start_s` after the file's beginning.

    Audio that starts later is preceded by silence, audio before time 0 is cut, gaps are filled with silence. Between
    the blocks come dicts that say where audio is missing, `{"unseen": rows}`; see `unseen.as_rows`.
    """
    if not source.streams.audio:
        raise MediaError("it has no sound track")
    zero_s = begin_s(source) + Fraction(start_s)
    longest = int(limits.duration_s * rate_hz)
    hearing = Hearing(source, clock, zero_s)
    yield from _blocks(_joined(hearing.placed(rate_hz), longest), max(1, int(block_s * rate_hz)))
    yield {"unseen": as_rows(joined(hearing.unheard()))}


class Hearing:
    """One pass over the audio track."""

    def __init__(self, source: av.container.InputContainer, clock: FileClock, zero_s: Fraction) -> None:
        read = packets_of
        if clock.audio_was_lost:
            source, read = unparsed(source), audio_frames
        self._source, self._clock, self._zero_s = source, clock, zero_s
        self._track = source.streams.audio[0]
        self._decoding = Decoding(source, self._track, read) if self._track.codec_context else None
        self._gaps: list[Unseen] = []
        self._end_s = 0.0

    def placed(self, rate_hz: int, layout: str = "mono") -> Iterator[tuple[int, np.ndarray]]:
        """Resampled pieces, [S] or in stereo [S, 2], each with the index of its first sample. Raises MediaError."""
        codec = self._track.codec_context.codec.canonical_name if self._track.codec_context else "unknown"
        heard = False
        try:
            for index, samples in self._runs(rate_hz, layout):
                heard = True
                yield index, samples
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, MemoryError):
                raise
            raise MediaError(f"its sound track (codec {codec}) cannot be resampled: {error}") from error
        if not heard:
            raise MediaError(f"its sound track (codec {codec}) cannot be decoded")

    def _runs(self, rate_hz: int, layout: str) -> Iterator[tuple[int, np.ndarray]]:
        if self._decoding is None or self._clock.sound is None:
            return
        timing = TrackClock(self._clock, self._clock.sound, self._track)
        run: _Run | None = None
        for frame in self._decoding:
            start_s = timing.start_s(frame)
            kind = (frame.sample_rate, frame.layout.name, frame.format.name)
            strays = run is not None and abs(start_s - run.end_s) > GAP_S
            if run is None or run.kind != kind or run.piece != timing.piece or strays:
                if run:
                    yield from self._within(run, run.feed(None), rate_hz)
                    self._note_gap(run.end_s - self._zero_s, start_s - self._zero_s)
                # Weights that sum to 1: as the mean of two channels, and never above full scale.
                resampler = AudioResampler("fltp", layout, rate_hz, options={"rematrix_maxval": "1.0"})
                run = _Run(resampler, kind, timing.piece, round((start_s - self._zero_s) * rate_hz), start_s)
            run.end_s += Fraction(frame.samples, frame.sample_rate)
            timing.step_s = Fraction(frame.samples, frame.sample_rate)
            frame.pts = None  # placing is ours
            yield from self._within(run, run.feed(frame), rate_hz)
        if run:
            yield from self._within(run, run.feed(None), rate_hz)
            self._end_s = float(run.end_s - self._zero_s)

    def _within(
        self, run: _Run, pieces: Iterator[tuple[int, np.ndarray]], rate_hz: int
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Only what lies in the run's piece of the file: its frames decide where it begins and ends."""
        starts = self._clock.piece_start_s
        first = round((starts[run.piece] - self._zero_s) * rate_hz) if run.piece else 0
        following = run.piece + 1
        last = round((starts[following] - self._zero_s) * rate_hz) if following < len(starts) else None
        for index, samples in pieces:
            begin = max(0, first - index)
            end = len(samples) if last is None else max(begin, last - index)
            if len(kept := samples[begin:end]):
                yield index + begin, kept

    def _note_gap(self, start_s: Fraction, end_s: Fraction) -> None:
        if end_s - start_s > LEAST_GAP_S and end_s > 0:
            self._gaps.append(Unseen(max(0.0, float(start_s)), float(end_s), SOUND_MISSING, only_sound=True))

    def unheard(self) -> Iterator[Unseen]:
        """Where audio is missing, once all of it was decoded."""
        yield from self._gaps
        sound, video = self._clock.sound, self._clock.video
        if sound is None or self._decoding is None:
            return
        zero_s, base = float(self._zero_s), float(sound.time_base)
        times_s = self._clock.times_s(sound) - zero_s
        for i in lost_packets(sound, self._decoding):
            end_s = float(times_s[i] + max(sound.length[i] * base, 0.01))
            if end_s > 0:
                yield Unseen(max(0.0, float(times_s[i])), end_s, SOUND_DAMAGED, only_sound=True)
        frames_end_s = float(self._clock.times_s(video).max() - zero_s)
        declared = declared_s(self._source, self._track, self._clock, self._end_s, zero_s)
        if min(frames_end_s, frames_end_s if declared is None else declared) > self._end_s + SHORT_S:
            yield Unseen(self._end_s, frames_end_s, SOUND_SHORT, only_sound=True)


def _joined(pieces: Iterable[tuple[int, np.ndarray]], longest: int, written: int = 0) -> Iterator[np.ndarray]:
    """Pieces end to end from an index on: silence where one is missing, cut where two overlap, up to `longest`."""
    for index, samples in pieces:
        silence = np.zeros((1 << 16, *samples.shape[1:]), np.float32)
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
            whole = np.concatenate(kept)
            yield whole[:size]
            kept, held = [whole[size:]], held - size
    if held:
        yield np.concatenate(kept)
