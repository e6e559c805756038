"""One clock for a file, shared by its frames and its sound. Runs in the child process.

Clip time 0 is the moment at which the first frame is shown. Presentation times count, as the file states them, with
these exceptions, found in a pass over the file without decoding:

- A clock that begins anew (a recorder that reconnected, live segments put together) begins a new *piece* of the file.
  A jump back over 1 s is one, and in a stream a jump ahead over 10 s, unless another track goes on meanwhile (the
  frame stands still) or such steps are the track's own rhythm (time-lapse). A piece goes on where the frames of the one
  before end, and all its tracks are shifted alike, so that a sound stays under its frame.
- AVI and ASF store no presentation times. There the n-th frame shown has the n-th time.
- A raw stream has no times. Its frames follow one another at the rate that its header states, or 25 a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from struct import Struct

import av.container
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cmhkf.files import open_npz, save_npz
from cmhkf.media.decode.container import audio_frames, packets_of, unparsed, video_track
from cmhkf.media.sandbox import MediaLimits

STREAMED = ("mpegts", "mpeg", "flv")  # formats whose clock may jump ahead; elsewhere a long gap is a long frame
WITHOUT_PRESENTATION_TIMES = ("avi", "asf")
RAW = ("h264", "hevc", "m4v", "mjpeg", "mpegvideo", "h263", "vc1", "obu", "av1")
BACKWARD_JUMP_S, FORWARD_JUMP_S = 1.0, 10.0
STRAY_S = 0.25  # a track that strays by more from its own times may follow another track's new clock
LATE_PACKETS = 8  # a track's packets come out of the demuxer at most so many late
NEAR_S = 5.0  # tracks of one piece lie no further from each other in the file
GUESSED_RATE = Fraction(25)  # of raw streams that state none, as players take it
NONE = -(1 << 63)
BEAT_PACKETS = 20_000
KEY, HIDDEN, DAMAGED = 1, 2, 4  # flags in the table of packets
# A row of that table, of which a day has millions: place, presentation, decoding, length, flags
ROW = Struct("=qqqqB")
COLUMNS = np.dtype([("place", "i8"), ("shown", "i8"), ("decoding", "i8"), ("length", "i8"), ("flags", "u1")])

Track = VideoStream | AudioStream


@dataclass
class Packets:
    """The packets of one track in the file's order; stamps and lengths in units of `time_base`."""

    time_base: Fraction
    place: np.ndarray  # int64 [P]: where among the packets of all tracks
    stamp: np.ndarray  # int64 [P]: presentation; the order of decoding where the format stores none
    decoding: np.ndarray  # int64 [P]: never runs back within a piece
    length: np.ndarray  # int64 [P]; 0 where not known
    is_key: np.ndarray
    is_hidden: np.ndarray  # bool [P]: hidden by an edit list, or by the codec
    is_damaged: np.ndarray
    counted: bool  # without any timestamp
    piece: np.ndarray = field(init=False)  # int64 [P]: index into `FileClock.shift_s`

    def __post_init__(self) -> None:
        self.piece = np.zeros(len(self.stamp), np.int64)

    def __len__(self) -> int:
        return len(self.stamp)


@dataclass
class FileClock:
    """The pieces of a file, and how far each is shifted."""

    source_format: str
    video: Packets
    sound: Packets | None
    shift_s: list[Fraction]
    piece_start_s: list[Fraction]  # where each piece begins after the shift; the first one's is never requested
    audio_was_lost: bool  # whether `sound` is as `audio_frames` reads it

    def times_s(self, packets: Packets) -> np.ndarray:
        """When each packet is presented on the joined clock, float64 [P]."""
        return packets.stamp * float(packets.time_base) + np.array([float(s) for s in self.shift_s])[packets.piece]

    def frame_times_s(self, first: int) -> np.ndarray:
        """When each frame is shown, float64 [F], ascending from 0, which is the frame of packet `first`."""
        times = self.times_s(self.video)
        shown = np.sort(times[~self.video.is_hidden])
        return shown[shown >= times[first] - 1e-6] - times[first]


def read_clock(
    source: av.container.InputContainer, limits: MediaLimits, beat: Callable[[], None], kept: Path | None = None
) -> FileClock:
    """Read all timestamps of the chosen tracks without decoding; `beat` is called now and then. Raises MediaError.

    They are put into the file `kept`, or taken from it where an earlier call on the same source has put them there: to
    find them, all of the source is read.
    """
    name, track = source.format.name, video_track(source, limits)
    sound = source.streams.audio[0] if source.streams.audio else None
    tracks: list[Track] = [track, sound] if sound else [track]
    if kept and kept.exists():
        with open_npz(kept) as file:
            tables, was_lost = [file[str(n)] for n in range(len(tracks))], bool(file["was_lost"])
    else:
        tables, was_lost = _read(source, tracks, limits, beat)
        if kept:
            save_npz(kept, {str(n): table for n, table in enumerate(tables)} | {"was_lost": np.array(was_lost)})
    found = [_packets(one, table, name) for one, table in zip(tracks, tables, strict=True)]
    found = [packets for packets in found if len(packets)] or found[:1]
    shifts, starts = find_pieces(found, name)
    heard = found[1] if len(found) > 1 else None
    return FileClock(name, found[0], heard, shifts, starts, was_lost)


def _read(
    source: av.container.InputContainer, tracks: Sequence[Track], limits: MediaLimits, beat: Callable[[], None]
) -> tuple[list[np.ndarray], bool]:
    """The table of each track's packets, and whether the audio's is as `audio_frames` reads it."""
    track, sound = tracks[0], tracks[1] if len(tracks) > 1 else None
    tables = [bytearray() for _ in tracks]
    at = {one.index: n for n, one in enumerate(tracks)}
    hides = track.codec_context.codec.canonical_name == "vp8"
    for place, packet in enumerate(packets_of(source, *tracks)):
        n = at[packet.stream_index]
        hidden = packet.is_discard or (hides and n == 0 and not memoryview(packet)[0] & 0x10)  # type: ignore[arg-type]
        tables[n] += _row(place, packet, hidden=hidden)
        if place % BEAT_PACKETS == 0:
            beat()
        if n == 0 and len(tables[0]) > limits.frames * ROW.size:
            break
    was_lost = False
    if source.format.name == "mpegts" and sound and sound.codec_context and sound.codec_context.name == "aac":
        was_lost = bool((_rows(tables[1])["flags"] & DAMAGED).any())
    if was_lost and sound:
        tables[1] = _audio_rows(source, track, sound, _rows(tables[0])["place"], beat)
    return [_rows(table) for table in tables], was_lost


def _row(place: int, packet: Packet, *, hidden: bool = False) -> bytes:
    pts, dts = (NONE if value is None else value for value in (packet.pts, packet.dts))
    flags = KEY * packet.is_keyframe + HIDDEN * hidden + DAMAGED * packet.is_corrupt
    return ROW.pack(place, pts, dts, packet.duration or 0, flags)


def _rows(table: bytearray) -> np.ndarray:
    """The table itself, not a copy: structured [P]."""
    return np.frombuffer(table, COLUMNS)


def _audio_rows(
    source: av.container.InputContainer, video: Track, sound: Track, places: np.ndarray, beat: Callable[[], None]
) -> bytearray:
    """The rows of the audio as `audio_frames` reads it; their places follow from those of the video packets."""
    table, n_video = bytearray(), 0
    with unparsed(source) as anew:
        tracks = [anew.streams[track.index] for track in (video, sound)]
        for packet in audio_frames(anew, *tracks):  # type: ignore[arg-type]
            if packet.stream_index == sound.index:
                place = int(places[min(n_video, len(places) - 1)]) if len(places) else 0
                table += _row(place, packet)
            else:
                n_video += 1
                if n_video % BEAT_PACKETS == 0:
                    beat()
    return table


def nominal_s(track: Track, source_format: str) -> Fraction:
    """Length of a frame that states none."""
    if not isinstance(track, VideoStream):
        return Fraction(0)
    if source_format in RAW:
        rate = track.codec_context.framerate or GUESSED_RATE
    else:
        rate = track.guessed_rate or track.average_rate
    return 1 / rate if rate else Fraction(1, 24)


def _packets(track: Track, rows: np.ndarray, source_format: str) -> Packets:
    base = track.time_base or Fraction(1, 90_000)
    place, shown, decoding, length, flags = (rows[name] for name in COLUMNS.names or ())
    counted = bool((shown == NONE).all() and (decoding == NONE).all())
    if counted:
        length[:] = round(nominal_s(track, source_format) / base)
        shown = decoding = np.arange(len(rows)) * length
    if (missing := decoding == NONE).any():
        decoding = _filled(np.where(missing, shown, decoding), length)
    reorders = isinstance(track, VideoStream) and source_format in WITHOUT_PRESENTATION_TIMES
    stamp = decoding if reorders else _filled(shown, length)
    is_key, hidden, damaged = (flags & bit != 0 for bit in (KEY, HIDDEN, DAMAGED))
    return Packets(base, place, stamp, decoding, length, is_key, hidden, damaged, counted)


def _filled(stamps: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Missing stamps follow from the one before; leading ones are the first that is known."""
    if not (stamps == NONE).any():
        return stamps
    stamps = stamps.copy()
    known = np.flatnonzero(stamps != NONE)
    if len(known):
        stamps[: known[0]] = stamps[known[0]]
    for i in np.flatnonzero(stamps == NONE):
        stamps[i] = stamps[i - 1] + length[i - 1] if len(known) else 0
    return stamps


# Pieces --------------------------------------------------------------------------------------------------------------


@dataclass
class _Move:
    """A place where a track's own times break off."""

    place: int
    track: int
    index: int
    new_clock: bool  # surely; otherwise only when another track has found a new clock there


def find_pieces(tracks: Sequence[Packets], source_format: str) -> tuple[list[Fraction], list[Fraction]]:
    """Give every packet its piece; return the pieces' shifts and where they begin."""
    times = [t.decoding * float(t.time_base) for t in tracks]
    moves = [move for n in range(len(tracks)) for move in _moves(n, tracks, times, source_format in STREAMED)]
    at = [0] * len(tracks)  # the piece in which each track is
    opened_by = [0]
    for move in sorted(moves, key=lambda m: m.place):
        newest = len(opened_by) - 1
        if at[move.track] < newest and _fits(move, opened_by[newest], tracks, times):
            at[move.track] = newest
        elif move.new_clock:
            opened_by.append(move.track)
            at[move.track] = newest + 1
        tracks[move.track].piece[move.index :] = at[move.track]
    return _shifts(tracks, len(opened_by))


def _moves(n: int, tracks: Sequence[Packets], times: Sequence[np.ndarray], may_jump: bool) -> Iterator[_Move]:
    steps = np.diff(times[n])
    strays = tracks[n].length[:-1] * float(tracks[n].time_base)
    np.subtract(steps, strays, out=strays)
    for i in np.flatnonzero((strays > STRAY_S) | (strays < -STRAY_S)).tolist():
        ahead = may_jump and strays[i] > FORWARD_JUMP_S
        ahead = ahead and not _is_rhythm(steps, i) and not _others_go_on(n, i, tracks, times)
        new_clock = bool(steps[i] < -BACKWARD_JUMP_S or ahead)
        yield _Move(int(tracks[n].place[i + 1]), n, i + 1, new_clock)


def _is_rhythm(steps: np.ndarray, i: int) -> bool:
    beside = [steps[j] for j in (i - 1, i + 1) if 0 <= j < len(steps)]
    return max(beside, default=0.0) >= steps[i] / 2


def _others_go_on(n: int, i: int, tracks: Sequence[Packets], times: Sequence[np.ndarray]) -> bool:
    """Whether another track has packets amid the gap after packet `i`, in time and about there in the file.

    A frame of a transport stream comes out only when the next ones begin, so the search takes in some packets more.
    """
    start, end = times[n][i], times[n][i + 1]
    quarter = (end - start) / 4
    place = tracks[n].place
    begin = place[i - LATE_PACKETS] if i >= LATE_PACKETS else 0
    for other, packets in enumerate(tracks):
        if other != n:
            first, last = np.searchsorted(packets.place, (begin, place[min(i + LATE_PACKETS, len(place) - 1)]))
            amid = times[other][first:last]
            if ((amid > start + quarter) & (amid < end - quarter)).any():
                return True
    return False


def _fits(move: _Move, opener: int, tracks: Sequence[Packets], times: Sequence[np.ndarray]) -> bool:
    """Whether a track's time after its break lies where the track that opened the newest piece is by then."""
    last = int(np.searchsorted(tracks[opener].place, move.place)) - 1
    return last >= 0 and abs(times[move.track][move.index] - times[opener][last]) < NEAR_S


def _shifts(tracks: Sequence[Packets], n_pieces: int) -> tuple[list[Fraction], list[Fraction]]:
    shifts, starts = [Fraction(0)], [Fraction(0)]
    ends = [_span(t, 0, Fraction(0))[1] for t in tracks]
    for piece in range(1, n_pieces):
        spans = [_span(t, piece, Fraction(0)) for t in tracks]
        # The frames lead; a piece without frames, or before the first one, follows from its sound.
        lead = next(
            (n for n in range(len(tracks)) if spans[n][0] is not None and ends[n] is not None),
            next(n for n in range(len(tracks)) if spans[n][0] is not None),
        )
        begin, end = spans[lead][0], ends[lead]
        known = [e for e in ends if e is not None]
        start = end if end is not None else max(known)
        assert begin is not None
        shifts.append(start - begin)
        starts.append(start)
        for n, track in enumerate(tracks):
            last = _span(track, piece, shifts[-1])[1]
            ends[n] = last if last is not None else ends[n]
    return shifts, starts


def _span(packets: Packets, piece: int, shift_s: Fraction) -> tuple[Fraction | None, Fraction | None]:
    """Where the packets of a piece begin and end; None for a track without any."""
    inside = (packets.piece == piece) & ~packets.is_hidden
    if not inside.any():
        return None, None
    stamps = packets.stamp[inside]
    last = int(stamps.argmax())
    length = int(packets.length[inside][last])
    if not length and len(stamps) > 1:
        length = int(np.median(np.diff(np.sort(stamps))))
    return int(stamps.min()) * packets.time_base + shift_s, (int(stamps[last]) + length) * packets.time_base + shift_s


# Frames --------------------------------------------------------------------------------------------------------------


class TrackClock:
    """Frames of one track, in the order in which they are decoded, to times on the file's joined clock.

    The times never run backwards within a piece. A frame without a timestamp follows the one before.
    """

    def __init__(self, clock: FileClock, packets: Packets, track: Track) -> None:
        self._clock, self._packets = clock, packets
        self.step_s = nominal_s(track, clock.source_format)
        """Length of the frame before, as stated or else as the last gap."""
        self.piece = 0
        self._previous_s: Fraction | None = None
        self._lag: int | None = None
        self._by_order = isinstance(track, VideoStream) and clock.source_format in WITHOUT_PRESENTATION_TIMES

    def start_s(self, frame: VideoFrame | AudioFrame) -> Fraction:
        """Presentation time of the next frame."""
        packet = int(frame.opaque) if frame.opaque is not None else -1  # type: ignore[call-overload]
        piece = int(self._packets.piece[packet]) if 0 <= packet < len(self._packets) else self.piece
        is_same = piece == self.piece
        self.piece = piece
        before, base = self._previous_s, frame.time_base or self._packets.time_base
        stamp = self._stamp(frame, packet)
        if stamp is not None:
            start = stamp * base + self._clock.shift_s[self.piece]
        else:
            start = Fraction(0) if before is None else before + self.step_s
        if before is not None and is_same:
            start = max(start, before)
        if frame.duration and base:
            self.step_s = frame.duration * base
        elif before is not None and start > before:
            self.step_s = start - before
        self._previous_s = start
        return start

    def _stamp(self, frame: VideoFrame | AudioFrame, packet: int) -> int | None:
        if not self._by_order or self._packets.counted:
            return frame.pts
        if frame.dts is None:
            return None
        if self._lag is None:  # packets that the decoder takes in before the first frame comes out
            known = self._clock.source_format == "avi" and 0 <= packet < len(self._packets)
            self._lag = frame.dts - int(self._packets.decoding[packet]) if known else 0
        return frame.dts - self._lag


def constant_rate(times_s: np.ndarray, stated: Sequence[Fraction | None]) -> Fraction | None:
    """The rate at which frame n is shown at n / rate, to within half a frame; None where none does.

    The rates that the file states are tried before the measured one, for they are exact.
    """
    n = np.arange(len(times_s))
    if len(n) < 2 or times_s[-1] <= 0:
        return None
    measured = Fraction((len(n) - 1) / times_s[-1]).limit_denominator(1001)
    for rate in (*stated, measured):
        if rate and np.abs(times_s * float(rate) - n).max() <= 0.5:
            return rate
    return None


def stated_rates(track: VideoStream) -> list[Fraction | None]:
    """What a file says of its rate, the likeliest first."""
    return [track.guessed_rate, track.average_rate, track.base_rate, track.codec_context.framerate]
