"""Pieces of a clip as files of their own, one per segment.

A piece is copied as it is where the file can be cut there without decoding and the copy was seen to show the same;
otherwise it is decoded, cut to the frame and encoded anew. Times are the clip's: 0 is the presentation time of its
first shown frame.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cmhkf.errors import MediaError
from cmhkf.files import replacing
from cmhkf.media.clip import Clip, frame_times
from cmhkf.media.written import NotWrittenError, Written, checked, copy_frames, stills, write_mp4s
from cmhkf.timeline import GRID_RATE, edge_frame

COPIED_VIDEO = ("h264", "hevc", "av1")  # what an mp4 may hold and players expect in one
COPIED_AUDIO = (None, "aac", "mp3")
CRF = 18
SLACK_S = 0.1  # by so much may a piece be requested beyond the end
NOWHERE = np.empty((0, 2))


@dataclass(frozen=True)
class Piece:
    """One cut, from the beginning of a frame to that of another or to the end of the clip."""

    first_frame: int  # counted from the first frame shown
    n_frames: int
    start_s: float
    end_s: float
    starts_at_key: bool = False  # whether the file can be cut there without decoding

    @property
    def length_s(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s


def plan_piece(
    clip: Clip, start_s: float, end_s: float, *, places: np.ndarray, times_s: np.ndarray | None = None
) -> Piece:
    """Round an interval to frames, and see whether it may be copied.

    `places` is what `media.cut_places` found; NOWHERE means encoding anew. `times_s` is what `media.frame_times` found;
    it is requested when not given. Raises MediaError.
    """
    times_s = frame_times(clip) if times_s is None else times_s
    edges = np.append(times_s, max(clip.duration_s, times_s[-1]))
    if end_s > edges[-1] + SLACK_S:
        raise MediaError(
            f"{clip.name} ends at {edges[-1]:.2f} s, so it shows no piece from {start_s:.2f} s to {end_s:.2f} s"
        )
    first = min(edge_frame(start_s, GRID_RATE, edges), len(times_s) - 1)
    last = max(min(edge_frame(end_s, GRID_RATE, edges), len(times_s)), first + 1)
    suits = clip.video_codec in COPIED_VIDEO and clip.audio_codec in COPIED_AUDIO
    starts_at_key = suits and bool(np.isin([first, last], places[:, 1]).all())
    return Piece(first, last - first, float(edges[first]), float(edges[last]), starts_at_key)


def cut_pieces(clip: Clip, pieces: Sequence[tuple[Piece, Path]]) -> Generator[float, None, list[Written]]:
    """Write pieces as mp4s, yield the seconds done of all together, and return what each was found to hold.

    Those that are encoded are decoded in one pass over the clip when they come in order. A file appears when it is
    complete; closing the iterator stops the work and leaves no part of one.

    Raises:
        MediaError: the clip cannot be cut there; the message says from where to where.
    """
    found: dict[Path, Written] = {}
    done_s = 0.0
    for piece, path in pieces:
        if piece.starts_at_key and (copied := (yield from _copied(clip, piece, path, done_s))):
            found[path] = copied
            done_s += piece.length_s
    encoded = [(piece, path) for piece, path in pieces if path not in found]
    outputs = [(path, [(piece.start_s, piece.end_s)]) for piece, path in encoded]
    try:
        work = write_mp4s(clip, outputs, crf=CRF)
        written = yield from _on_top_of(done_s, work)
    except NotWrittenError as error:
        piece = encoded[error.output][0]
        raise MediaError(
            f"{clip.name}: no piece from {piece.start_s:.2f} s to {piece.end_s:.2f} s could be cut: {error}"
        ) from error
    found |= {path: one for (_, path), one in zip(encoded, written, strict=True)}
    return [found[path] for _, path in pieces]


def _on_top_of(done_s: float, work: Generator[float, None, list[Written]]) -> Generator[float, None, list[Written]]:
    try:
        while True:
            yield done_s + next(work)
    except StopIteration as end:
        return end.value
    finally:
        work.close()


def _copied(clip: Clip, piece: Piece, path: Path, done_s: float) -> Generator[float, None, Written | None]:
    """Copy a piece; None where the copy does not show what the clip shows there."""
    try:
        with replacing(path) as part:
            copied: Written | None = None
            yield done_s
            copy_frames(clip, part, piece.first_frame, piece.n_frames)
            expected = Written(piece.n_frames, piece.length_s, clip.has_audio, is_copy=True)
            for step in checked(part, expected, piece.length_s):
                if isinstance(step, Written):
                    copied = step
                else:
                    yield done_s + step
            _check_ends(clip, piece, part)
        return copied
    except MediaError:
        return None  # encoding may still do it


def _check_ends(clip: Clip, piece: Piece, part: Path) -> None:
    """Raise MediaError unless the first and the last frame of a copy decode to the very same pixels as the clip's."""
    last_s = piece.end_s - 1e-3
    here = stills(replace(clip, path=str(part)), [0.0, last_s - piece.start_s])
    if list(stills(clip, [piece.start_s, last_s])) != list(here):
        raise MediaError("the copy does not begin and end with the frames of the clip")
