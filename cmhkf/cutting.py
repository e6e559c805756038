"""Pieces of a clip as files of their own: one per segment, several joined to a reel, and single pictures.

A piece is copied as it is where the file can be cut there without decoding, and otherwise decoded, cut to the frame and
encoded anew. Times are the clip's: 0 is the presentation time of its first picture.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cmhkf.errors import MediaError
from cmhkf.ffmpeg import clip_input, picture_filter, run_ffmpeg, sound_filter, sound_if_possible, written_rate
from cmhkf.media import Clip
from cmhkf.sandbox import DEFAULT_LIMITS, MediaLimits
from cmhkf.timeline import edge_frame

COPIED_VIDEO = ("h264", "hevc", "av1")  # what an mp4 may hold and players expect in one
COPIED_SOUND = (None, "aac", "mp3")
JUMPING = ("mpegts", "mpeg")  # their clocks may jump, so they are read from the beginning
PREROLL_S = 1.0  # read before a cut, for the picture that is still on display there
ROUNDING_S = 2e-6  # times are given to ffmpeg in microseconds
SHARPNESS = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18")
AS_MP4 = ("-c:a", "aac", "-b:a", "160k", "-movflags", "+faststart", "-f", "mp4")
FOR_JOINING = ("-c:a", "pcm_s16le", "-f", "matroska")  # no encoder's delay at the joints
NOWHERE = np.empty((0, 2))


@dataclass(frozen=True)
class Piece:
    """One cut, on the raster of the clip's frames."""

    first_frame: int
    n_frames: int
    rate: Fraction
    key_s: float | None = None
    """The time of the key picture from which on the file's own bytes are copied; None: encoded anew."""

    @property
    def start_s(self) -> float:
        """Where it begins in the clip."""
        return float(self.first_frame / self.rate)

    @property
    def length_s(self) -> float:
        """How long it is."""
        return float(self.n_frames / self.rate)


def plan_piece(clip: Clip, start_s: float, end_s: float, *, places: np.ndarray) -> Piece:
    """Round an interval to frames, and see whether it can be copied.

    `places` is what `media.cut_places` found; NOWHERE means encoding anew.
    """
    rate = written_rate(clip)
    first = edge_frame(start_s, rate)
    n_frames = max(1, edge_frame(end_s, rate) - first)
    (key_s, before), (_, before_end) = (_place_at(places, frame, rate) for frame in (first, first + n_frames))
    suits = clip.video_codec in COPIED_VIDEO and clip.audio_codec in COPIED_SOUND and clip.container not in JUMPING
    copied = suits and before_end - before == n_frames  # never so beside a NaN
    return Piece(first, n_frames, rate, key_s if copied else None)


def _place_at(places: np.ndarray, frame: int, rate: Fraction) -> tuple[float, float]:
    """The row of a place less than half a frame from where the frame begins; NaN when there is none."""
    near = places[abs(places[:, 0] - float(frame / rate)) < float(1 / rate) / 2]
    return tuple(near[0].tolist()) if len(near) else (float("nan"), float("nan"))


def cut_piece(
    clip: Clip, piece: Piece, out_path: str | Path, *, limits: MediaLimits = DEFAULT_LIMITS
) -> Generator[float]:
    """Write one piece as mp4, and yield the seconds done.

    The file appears when it is complete; closing the iterator stops the work and leaves nothing.

    Raises:
        MediaError: the clip cannot be cut there.
    """
    out_path = Path(out_path)
    part = out_path.with_name(out_path.name + ".part")
    try:
        if piece.key_s is not None:
            yield from run_ffmpeg(_copying(clip, piece, piece.key_s, part, limits), limits)
        else:
            yield from sound_if_possible(
                clip,
                lambda with_sound: run_ffmpeg(
                    _encoding(clip, piece, part, AS_MP4, limits, with_sound=with_sound), limits
                ),
            )
        part.replace(out_path)
    except MediaError as error:
        raise MediaError(f"{clip.name}: no piece from {piece.start_s:.2f} s could be cut: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def join_pieces(
    clip: Clip, pieces: Sequence[Piece], out_path: str | Path, *, limits: MediaLimits = DEFAULT_LIMITS
) -> Generator[float]:
    """Write several pieces of a clip as one mp4, in the order given, and yield the seconds done.

    Raises:
        MediaError: a piece cannot be cut.
    """
    out_path = Path(out_path)
    with TemporaryDirectory(dir=out_path.parent, prefix="reel-") as folder:
        joined = Path(folder) / "reel.mp4"
        try:
            yield from sound_if_possible(
                clip, lambda with_sound: _join(clip, pieces, joined, limits, with_sound=with_sound)
            )
        except MediaError as error:
            raise MediaError(f"{clip.name}: its pieces could not be joined: {error}") from error
        joined.replace(out_path)


def _join(
    clip: Clip, pieces: Sequence[Piece], joined: Path, limits: MediaLimits, *, with_sound: bool
) -> Generator[float]:
    done, listed = 0.0, joined.with_name("list.txt")
    for number, piece in enumerate(pieces):
        part = joined.with_name(f"{number}.mkv")
        for seconds in run_ffmpeg(_encoding(clip, piece, part, FOR_JOINING, limits, with_sound=with_sound), limits):
            yield done + min(seconds, piece.length_s)
        done += piece.length_s
    listed.write_text("".join(f"file {number}.mkv\n" for number in range(len(pieces))), encoding="utf-8")
    source = ["-protocol_whitelist", "file", "-f", "concat", "-i", f"file:{listed}"]
    for _ in run_ffmpeg([*source, "-map", "0", "-c:v", "copy", *AS_MP4, f"file:{joined}"], limits):
        yield done


def save_picture(
    clip: Clip, time_s: float, out_path: str | Path, *, long_side_px: int, limits: MediaLimits = DEFAULT_LIMITS
) -> None:
    """Write what is on display at `time_s` as a JPEG.

    Raises:
        MediaError: there is no picture.
    """
    seek_s, zero_s = _seek(clip, time_s)
    video = f"{picture_filter(clip, zero_s, long_side_px)},format=yuvj420p"
    arguments = [
        *clip_input(clip, limits, seek_s=seek_s), "-map", "0:V:0", "-vf", video, "-frames:v", "1", "-q:v", "5",
        "-f", "image2", "-update", "1", f"file:{out_path}",
    ]  # fmt: skip
    for _ in run_ffmpeg(arguments, limits):
        pass
    if not Path(out_path).exists():
        raise MediaError(f"{clip.name} shows no picture at {time_s:.2f} s")


def _seek(clip: Clip, time_s: float) -> tuple[float, float]:
    """How far into the file to jump, and where the wanted time is from there."""
    wanted_s = clip.start_s + time_s
    seek_s = 0.0 if clip.container in JUMPING else max(0.0, wanted_s - PREROLL_S)
    return seek_s, wanted_s - seek_s


def _copying(clip: Clip, piece: Piece, key_s: float, part: Path, limits: MediaLimits) -> list[str]:
    # A jump ends at the last key picture that is not later, so it aims a rounding error beyond it; what then lies
    # before the aim, the key picture itself, must be kept.
    return [
        *clip_input(clip, limits, seek_s=clip.start_s + key_s + ROUNDING_S), "-map", "0:V:0", "-map", "0:a:0?",
        "-c", "copy", "-copypriorss:v", "1", "-sn", "-dn", "-map_metadata", "-1", "-frames:v", str(piece.n_frames),
        "-t", f"{piece.length_s:.6f}", "-movflags", "+faststart", "-f", "mp4", f"file:{part}",
    ]  # fmt: skip


def _encoding(
    clip: Clip, piece: Piece, part: Path, form: Sequence[str], limits: MediaLimits, *, with_sound: bool
) -> list[str]:
    seek_s, zero_s = _seek(clip, piece.start_s)
    video = f"{picture_filter(clip, zero_s)},trim=end_frame={piece.n_frames}"
    length = f"{piece.length_s:.6f}"
    sound = f"{sound_filter(zero_s)},apad=whole_dur={length},atrim=end={length}"
    return [
        *clip_input(clip, limits, seek_s=seek_s), "-map", "0:V:0", "-vf", video,
        *(["-map", "0:a:0", "-af", sound, "-ac", "2", "-ar", "48000"] if with_sound else []),
        *SHARPNESS, "-sn", "-dn", "-map_metadata", "-1", *form, f"file:{part}",
    ]  # fmt: skip
