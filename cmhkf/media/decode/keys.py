"""Where a clip can be cut without decoding it. Runs in the child process."""

from collections.abc import Iterator
from fractions import Fraction

import av.container
import numpy as np

from cmhkf.media.decode.clock import FileClock
from cmhkf.media.decode.container import video_track
from cmhkf.media.decode.description import first_frame
from cmhkf.media.sandbox import MediaLimits

TOLERANCE_S = 1e-6


def stream(source: av.container.InputContainer, clock: FileClock, limits: MediaLimits) -> Iterator[np.ndarray]:
    """Yield one float64 [K + 1, 2]: seconds of clip time, and frames before, of each clean key frame.

    Clean: what comes before it in the file is shown before it, and what comes after is shown after. (After a key
    frame of an open group follow frames shown before it, which need the group before.) Frames that an edit list hides
    are not counted. The last row is the end.
    """
    zero_s = first_frame(source, video_track(source, limits), clock).zero_s
    packets, before, end = clean_keys(clock, zero_s)
    times_s = clock.times_s(clock.video) - float(zero_s)
    ends_s = times_s + clock.video.length * float(clock.video.time_base)
    yield np.vstack([np.stack([times_s[packets], before], axis=1), [ends_s[~clock.video.is_hidden].max(), end]])


def clean_keys(clock: FileClock, zero_s: Fraction) -> tuple[list[int], list[int], int]:
    """The packets of clean key frames [K], how many frames are shown before each [K], and the number of all frames."""
    times_s, packets = clock.times_s(clock.video) - float(zero_s), clock.video
    shown = ~packets.is_hidden & (times_s >= -TOLERANCE_S)
    ordered = np.sort(times_s[shown])
    latest_before = np.concatenate([[-np.inf], np.maximum.accumulate(times_s)[:-1]])
    earliest_after = np.minimum.accumulate(times_s[::-1])[::-1]
    clean = np.flatnonzero(packets.is_key & shown & (latest_before < times_s) & (times_s <= earliest_after))
    before = np.searchsorted(ordered, times_s[clean] - TOLERANCE_S)
    return clean.tolist(), before.tolist(), len(ordered)
