"""Where a clip can be cut without decoding it. Runs in the child process."""

from __future__ import annotations

from collections.abc import Iterator

import av.container
import av.error
import numpy as np

from cmhkf.decode.container import video_track
from cmhkf.errors import MediaError
from cmhkf.sandbox import MediaLimits


def stream(source: av.container.InputContainer, limits: MediaLimits) -> Iterator[np.ndarray]:
    """Yield one float64 [K + 1, 2]: seconds after the first picture, and pictures before, of each clean key picture.

    Clean: what comes before it in the file is shown before it, and what comes after is shown after. (After a key
    picture of an open group follow pictures shown before it, which need the group before.) The last row is the end.
    """
    track = video_track(source, limits)
    rows = []
    try:
        for packet in source.demux(track):
            if packet.pts is not None:
                rows.append((packet.pts, packet.duration or 0, packet.is_keyframe))
            if len(rows) > limits.pictures:
                raise MediaError(f"it has more than {limits.pictures:,} pictures, the limit.")
    except (av.error.FFmpegError, EOFError) as error:
        raise MediaError(f"its pictures cannot be listed ({error})") from error
    if not rows:
        raise MediaError("its pictures carry no times")
    pts, length, is_key = np.array(rows, np.int64).T
    latest_before = np.concatenate([[pts.min() - 1], np.maximum.accumulate(pts)[:-1]])
    earliest_after = np.minimum.accumulate(pts[::-1])[::-1]
    clean = np.flatnonzero(is_key & (latest_before < pts) & (pts <= earliest_after))
    times = np.append(pts[clean], (pts + length).max()) - pts.min()
    yield np.stack([times * float(track.time_base or 0), np.append(clean, len(pts))], axis=1)
