"""What of a file cannot be seen or heard: gaps, damage, an end cut off, limits. Runs in the child process."""

import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from cmhkf.media.decode.clock import FileClock, Packets
from cmhkf.media.decode.container import Decoding
from cmhkf.media.decode.description import CUT_OFF_S
from cmhkf.media.sandbox import MediaLimits
from cmhkf.media.unseen import Unseen

GAP_S = 1.0  # no frame and no sound for longer is a gap, where the file's own steps are shorter
GAP_STEPS = 4  # and it is so many times the usual step
NEARBY_PACKETS = 32  # the decoder complains so much later than at the packet that it cannot decode
JOINT_PACKETS = 3
CPU_SHARE = 0.9  # of the processor time allowed: then what was seen is handed over

CUT_OFF = "the file is cut off: it states more than it holds"
DAMAGED = "damaged: the frames cannot be decoded"
NO_FRAMES = "no frames in the file: the one before stands still"
SOUND_MISSING = "no sound in the file, though the track goes on later"
SOUND_DAMAGED = "the sound is damaged and cannot be decoded"
SOUND_SHORT = "the sound ends before the frames"


def frames_unseen(
    clock: FileClock, decoding: Decoding, zero_s: Fraction, end_s: float, declared_s: float | None
) -> Iterator[Unseen]:
    """Where frames are missing, in clip time. `end_s` is where the last frame ends that was shown."""
    times_s = clock.times_s(clock.video) - float(zero_s)
    is_cut_off = declared_s is not None and declared_s > end_s + CUT_OFF_S and not _goes_on(clock, zero_s, declared_s)
    for stretch in (*_damaged(clock.video, times_s, decoding), *_gaps(clock.video, times_s)):
        if stretch.end_s > 0:
            start_s, stop_s = max(stretch.start_s, 0.0), stretch.end_s
            stop_s = min(stop_s, end_s) if is_cut_off else stop_s
            if start_s < stop_s:
                yield Unseen(start_s, stop_s, stretch.reason)
    if is_cut_off:
        assert declared_s is not None
        yield Unseen(end_s, declared_s, CUT_OFF)


def limit_reached(limits: MediaLimits, frames: int, shown_s: Fraction) -> str:
    """Which limit ends the work here, in words; empty while none does."""
    if frames >= limits.frames:
        return f"over the limit of {limits.frames:,} frames"
    if shown_s > limits.duration_s:
        return f"over the limit of {limits.duration_s:,.0f} s"
    if time.process_time() > CPU_SHARE * limits.cpu_s:
        return f"over the limit of {limits.cpu_s:,} processor seconds"
    return ""


def lost_packets(packets: Packets, decoding: Decoding) -> np.ndarray:
    """Packets that the decoder choked on, int64 [K] ascending.

    A packet of which no frame came may be half a frame; it counts only where the decoder complained nearby.
    """
    came = np.frombuffer(bytes(decoding.came), np.uint8)[: len(packets)]
    # Where two streams were joined, the demuxer calls one of the last packets before the joint damaged, though its
    # frame comes; a key frame follows.
    damaged = packets.is_damaged[: len(came)]
    keys = np.append(packets.is_key[: len(came)], [True] * JOINT_PACKETS)
    before_key = np.logical_or.reduce([keys[n : n + len(came)] for n in range(1, JOINT_PACKETS + 1)])
    joint = damaged & (came > 0) & before_key
    marked = (damaged | (came == 2)) & ~joint
    troubled = np.zeros(len(came), bool)
    for packet in (*decoding.troubled, *np.flatnonzero(marked).tolist()):
        troubled[max(0, packet - NEARBY_PACKETS) : packet + NEARBY_PACKETS // 4] = True
    first = int(came.argmax()) if came.any() else 0
    lost = marked | (troubled & (came == 0) & ~packets.is_hidden[: len(came)])
    lost[:first] = False
    return np.flatnonzero(lost)


def _goes_on(clock: FileClock, zero_s: Fraction, declared_s: float) -> bool:
    """Whether the sound lasts as long as the file says: then only the frames end early, and nothing is cut off."""
    if clock.sound is None or clock.source_format.startswith(("mov", "avi", "mxf")):  # these state it by track
        return False
    return float(clock.times_s(clock.sound).max() - float(zero_s)) > declared_s - 1.0


def _damaged(packets: Packets, times_s: np.ndarray, decoding: Decoding) -> Iterator[Unseen]:
    """From each lost frame to the next key frame that came whole, for the frames between are built on it."""
    lost = lost_packets(packets, decoding)
    came = np.frombuffer(bytes(decoding.came), np.uint8)[: len(packets)]
    whole = np.setdiff1d(np.flatnonzero(packets.is_key[: len(came)] & (came == 1)), lost)
    length_s = float(packets.time_base) * packets.length
    for i in lost:
        later = np.searchsorted(whole, i)
        next_s = times_s[whole[later]] if later < len(whole) else (times_s + length_s).max()
        yield Unseen(float(times_s[i]), float(max(next_s, times_s[i] + length_s[i])), DAMAGED)


def _gaps(packets: Packets, times_s: np.ndarray) -> Iterator[Unseen]:
    shown = np.flatnonzero(~packets.is_hidden)
    order = shown[np.argsort(times_s[shown], kind="stable")]
    for start_s, end_s in gaps(times_s[order], packets.length[order] * float(packets.time_base)):
        yield Unseen(start_s, end_s, NO_FRAMES)


def gaps(times_s: np.ndarray, length_s: np.ndarray) -> Iterator[tuple[float, float]]:
    """Intervals that no frame states to cover, and that are not the track's own rhythm."""
    steps = np.diff(times_s)
    if not len(steps):
        return
    usual_s = float(np.median(steps))
    open_s = steps - length_s[:-1]
    for i in np.flatnonzero((open_s > GAP_S) & (steps > GAP_STEPS * usual_s)):
        beside = max((steps[j] for j in (i - 1, i + 1) if 0 <= j < len(steps)), default=0.0)
        if beside < steps[i] / 2:
            yield float(times_s[i] + max(length_s[i], usual_s)), float(times_s[i + 1])
