"""Frames and audio of a file as another file, without decoding either. Runs in the child process."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np

from cmhkf.errors import MediaError
from cmhkf.media.decode.clock import WITHOUT_PRESENTATION_TIMES, FileClock
from cmhkf.media.decode.container import opened, packets_of, video_track
from cmhkf.media.decode.footage import zero_of
from cmhkf.media.decode.keys import clean_keys
from cmhkf.media.sandbox import MediaLimits

PREROLL_S = 0.05  # of audio before the cut, which the file hides: a decoder needs it to find its feet


def copy(path: str, clock: FileClock, limits: MediaLimits, *, out: str, first: int, n: int) -> Iterator[dict[str, Any]]:
    """Copy the packets of `n` frames from frame `first` on, and of the audio under them, into an mp4.

    Nobody has looked at the result then. Yields nothing. Raises MediaError where the file cannot be cut there.
    """
    video, audio = clock.video, clock.sound
    if len(clock.shift_s) > 1 or video.counted or clock.source_format in WITHOUT_PRESENTATION_TIMES:
        raise MediaError("its frames have no times of their own")
    packets, before, end = clean_keys(clock, zero_of(path, clock, limits))
    edges = dict(zip([*before, end], [*packets, len(video)], strict=True))
    if first not in edges or first + n not in edges:
        raise MediaError("it has no place to cut there")
    begins, ends = edges[first], edges[first + n]
    begin_s = int(video.stamp[begins]) * video.time_base
    end_s = clock.times_s(video)[ends] if ends < len(video) else np.inf
    wanted = [np.isin(np.arange(len(video)), np.arange(begins, ends)) & ~video.is_hidden]
    if audio:
        audio_s = clock.times_s(audio)
        wanted.append((audio_s >= float(begin_s) - PREROLL_S) & (audio_s < end_s))
    try:
        _copy(path, limits, out, begin_s, wanted)
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"it cannot be copied: {error}") from error
    yield from ()


def _copy(path: str, limits: MediaLimits, out: str, begin_s: Fraction, wanted: list[np.ndarray]) -> None:
    with opened(path) as source, av.open(f"file:{out}", "w", format="mp4", options={"movflags": "+faststart"}) as made:
        tracks = [video_track(source, limits), *source.streams.audio[:1]][: len(wanted)]
        into = {track.index: made.add_stream_from_template(track) for track in tracks}
        order, seen = [track.index for track in tracks], [0] * len(tracks)
        for packet in packets_of(source, *tracks):
            track = order.index(packet.stream_index)
            seen[track] += 1
            if seen[track] <= len(wanted[track]) and wanted[track][seen[track] - 1]:
                back = round(begin_s / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - back
                packet.dts = None if packet.dts is None else packet.dts - back
                packet.stream = into[packet.stream_index]
                made.mux(packet)
