"""Video files out: mp4s of spans of a clip, and stills, made from the frames and the audio that the analysis sees.

A child process decodes and encodes (`decode/writing.py`). Every file is opened again and counted before it appears
under its name. Times are the clip's: 0 is the presentation time of its first shown frame. MediaErrors lack the clip's
name; whoever calls knows it, and what the file was for.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from cmhkf.errors import MediaError
from cmhkf.files import replacing
from cmhkf.media.clip import Clip
from cmhkf.media.sandbox import run_job
from cmhkf.timeline import GRID_RATE

HIGHEST_RATE = 240  # frames per second of a rate that is believed
LENGTH_S, AUDIO_S = 0.02, 0.1  # by so much may a written file and its audio be longer or shorter than requested
Span = tuple[float, float | None]  # where it begins and ends in the clip, in seconds; None: at the clip's end


@dataclass(frozen=True)
class Written:
    """What a file was found to hold after it was written."""

    frames: int
    length_s: float
    has_audio: bool
    audio_fault: str = ""  # why audio of the clip is missing in it, for people
    is_copy: bool = False  # whether it holds the clip's own bytes instead of anew encoded ones


class NotWrittenError(MediaError):
    """A file that could not be written, or does not hold what was requested."""

    def __init__(self, output: int, reason: str) -> None:
        super().__init__(reason)
        self.output = output
        """Index of the file among those requested."""


def write_mp4s(
    clip: Clip,
    outputs: Sequence[tuple[Path, Sequence[Span]]],
    *,
    crf: int,
    long_side_px: int | None = None,
    constant_rate: int | None = None,
    clock_file: Path | None = None,
) -> Generator[float, None, list[Written]]:
    """Write an H.264 and AAC mp4 for each output, its spans one after the other, and yield the seconds done in all.

    Frames keep their lengths, so that the file shows each when the clip does; with `constant_rate` the file has so many
    frames per second instead, each of them what the clip shows at that moment. No side is over `long_side_px`. Audio
    that cannot be decoded is left out, and `Written` says so. Files appear when all are complete and checked; closing
    the iterator stops the work and leaves none.

    The times of all packets, for which the whole clip is read through, are kept in `clock_file`; an earlier call's for
    the same clip are taken from there.

    Raises:
        NotWrittenError: the clip cannot be decoded there, or a written file does not hold what was requested.
    """
    found, done_s = list[Written](), 0.0
    try:
        with ExitStack() as all_or_none:
            parts = [all_or_none.enter_context(replacing(path)) for path, _ in outputs]
            job = {
                "kind": "mp4s",
                "path": clip.path,
                "size": even_size(clip, long_side_px),
                "rate": str(constant_rate or _rate(clip)),
                "constant": constant_rate is not None,
                "crf": crf,
                "with_audio": clip.has_audio,
                "clock_file": clock_file and str(clock_file.absolute()),
                "outputs": [
                    {"path": str(part.absolute()), "spans": [[_exact(edge) for edge in span] for span in spans]}
                    for part, (_, spans) in zip(parts, outputs, strict=True)
                ],
            }
            for message in _messages(job):
                assert isinstance(message, dict)
                if "done_s" in message:
                    yield done_s + message["done_s"]
                    continue
                wanted_s = _length_s(outputs[len(found)][1], message["length_s"])
                done_s += message["length_s"]
                for step in checked(parts[len(found)], Written(**message), wanted_s):
                    if isinstance(step, Written):
                        found.append(step)
                    else:
                        yield done_s
        return found
    except MediaError as error:
        raise NotWrittenError(len(found), str(error)) from error


def copy_frames(clip: Clip, out_path: Path, first_frame: int, n_frames: int) -> None:
    """Copy the bytes of frames and of the audio that belongs to them into an mp4 that nobody has checked yet.

    Raises MediaError when the file has no place to cut there.
    """
    job = {"kind": "copy", "path": clip.path, "out": str(out_path.absolute()), "first": first_frame, "n": n_frames}
    for _ in _messages(job):
        pass


def checked(path: Path, written: Written, wanted_s: float) -> Iterator[float | Written]:
    """Open a written file again and read all of it; yields seconds read, at last what it holds.

    Raises MediaError when that is not what was written and requested.
    """
    seen: dict[str, Any] = {}
    for seen in run_job({"kind": "count", "path": str(path.absolute())}):  # type: ignore[assignment]
        if "done_s" in seen:
            yield seen["done_s"]
    frames, length_s, audio_s = seen["frames"], seen["length_s"], seen["audio_s"]
    if frames != written.frames:
        raise MediaError(f"the file that was written shows {frames} frames instead of {written.frames}")
    if abs(length_s - wanted_s) > LENGTH_S or abs(seen["start_s"]) > LENGTH_S:
        raise MediaError(
            f"the file that was written shows its frames from {seen['start_s']:.2f} s on for {length_s:.2f} s instead "
            f"of from 0 on for {wanted_s:.2f} s"
        )
    if written.has_audio and (audio_s is None or abs(audio_s - length_s) > AUDIO_S):
        raise MediaError(f"the file that was written has {audio_s or 0:.2f} s of audio for {length_s:.2f} s of frames")
    yield replace(written, length_s=length_s, has_audio=audio_s is not None)


def stills(clip: Clip, times_s: Sequence[float], *, long_side_px: int | None = None) -> Iterator[bytes | None]:
    """The JPEG of what is on display at each of the times; None where the clip shows nothing.

    Raises MediaError when the clip cannot be decoded.
    """
    job = {
        "kind": "stills",
        "path": clip.path,
        "size": even_size(clip, long_side_px),
        "times_s": [_exact(time_s) for time_s in times_s],
    }
    for message in _messages(job):
        if not isinstance(message, dict):
            yield bytes(message)
        elif "missing" in message:
            yield None


def _messages(job: dict[str, Any]) -> Iterator[dict[str, Any] | bytearray]:
    if not Path(job["path"]).is_file():
        raise MediaError(f"it is no longer at {job['path']}. Put it back, or open it where it is now.")
    return run_job(job)


def even_size(clip: Clip, long_side_px: int | None) -> tuple[int, int]:
    """Width and height as displayed, with square pixels and even sides of which none is over `long_side_px`."""
    long_side = max(clip.width_px, clip.height_px)
    scale = min(1.0, (long_side_px or long_side) / long_side)
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (clip.width_px, clip.height_px))
    return width, height


def _rate(clip: Clip) -> Fraction:
    rate = clip.native_rate or GRID_RATE
    return rate if 0 < rate <= HIGHEST_RATE else GRID_RATE


def _exact(edge_s: float | None) -> str | None:
    return None if edge_s is None else str(Fraction(edge_s).limit_denominator(10**9))


def _length_s(spans: Sequence[Span], whole_s: float) -> float:
    ends = [(start_s, end_s) for start_s, end_s in spans if end_s is not None]
    return sum(end_s - start_s for start_s, end_s in ends) if len(ends) == len(spans) else whole_s
