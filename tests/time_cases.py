"""Files whose clock is unusual, after public reports of recorders, cameras and editors, with what is right in each.

`CASES` maps a name to a function that writes the file into a folder and returns a `TimeCase`: the path, when each frame
is shown (clip time; 0 = the first shown frame), the number painted into it, the length, when clicks are to be heard,
and the constant frame rate or None. Every frame carries its number as `media_factory.numbered` paints it; each click
begins together with one frame. `CLOCKS` are their names as parameters of tests: one of each kind in the default run,
the others with `-m slow`. `seen_at` gives the right number at a moment, `moments` eight moments amid frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media_factory import click, constant, ffmpeg, numbered, write_numbered, write_wav

SIDE = 80
X264 = "-c:v libx264 -preset ultrafast -crf 12 -pix_fmt yuv420p"
B_FRAMES = f"{X264} -bf 2 -x264-params b-adapt=0:scenecut=0"
VP9 = "-c:v libvpx-vp9 -b:v 1M -cpu-used 8 -deadline realtime"
X265 = "-c:v libx265 -preset ultrafast -crf 12 -x265-params log-level=none"


@dataclass(frozen=True)
class TimeCase:
    """A file and what is right in it."""

    path: Path
    times_s: tuple[float, ...]
    """[F] when each frame is shown, from 0 on."""
    numbers: tuple[int, ...]
    """[F] the number painted into it."""
    length_s: float
    """When the last frame ends."""
    clicks_s: tuple[float, ...] = ()
    """When the first sound track clicks, each within 50 ms."""
    rate: Fraction | None = None
    """Frames per second; None where it varies or is stated nowhere."""

    def seen_at(self, time_s: float) -> int:
        """The number on display at a moment (a frame that begins within 0.1 ms counts as begun)."""
        return self.numbers[max(0, int(np.searchsorted(self.times_s, time_s + 1e-4, "right")) - 1)]

    @property
    def moments(self) -> list[tuple[float, int]]:
        """Eight moments over the clip, each in the middle of a frame's display, and the number to be seen then."""
        ends = [*self.times_s[1:], self.length_s]
        chosen = [len(self.numbers) * (2 * i + 1) // 16 for i in range(8)]
        return [((self.times_s[k] + ends[k]) / 2, self.numbers[k]) for k in chosen]


def case(path: Path, rate: Fraction | int, n: int, *, first: int = 0, clicks: Sequence[float] = ()) -> TimeCase:
    """A file that shows `n` frames at a constant rate, numbered from `first` on."""
    rate = Fraction(rate)
    times = tuple(float(k / rate) for k in range(n))
    return TimeCase(path, times, tuple(range(first, first + n)), float(n / rate), tuple(clicks), rate)


def encode(path: Path, rate: Fraction | int, n: int, *options: str | Path, first: int = 0, size=(SIDE, SIDE)) -> Path:
    """Pipe `n` numbered frames through ffmpeg; `options` name further inputs, codecs and mappings."""
    height, width = size
    frames = b"".join(np.repeat(numbered(k, width)[:1], height, axis=0).tobytes() for k in range(first, first + n))
    raw = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {rate} -i -"
    ffmpeg(raw, *options, path, stdin=frames)
    return path


def clicking(path: Path, clicks: Sequence[float], length_s: float) -> Path:
    """A sound file of silence with clicks."""
    return write_wav(path, np.sum([click(at, length_s) for at in clicks], axis=0))


def _sound(folder: Path, clicks: Sequence[float], length_s: float, *codec: str) -> tuple[str | Path, ...]:
    return "-i", clicking(folder / "clicks.wav", clicks, length_s), *codec


# Start offsets and edit lists ---------------------------------------------------------------------------------------


def copied_timestamps_mp4(folder: Path) -> TimeCase:
    """Cut with `-copyts`, so that the first frame stands at 3 s."""
    source = encode(folder / "source.mp4", 30, 240, f"{X264} -bf 0 -g 30")
    ffmpeg("-copyts", "-ss", "3", "-i", source, "-c", "copy", folder / "c.mp4")
    return case(folder / "c.mp4", 30, 150, first=90)


def empty_edit_first_mp4(folder: Path) -> TimeCase:
    """An edit list that begins with 2.2 s of nothing."""
    source = encode(folder / "source.mp4", 25, 150, f"{X264} -bf 0")
    ffmpeg("-itsoffset", "2.2", "-i", source, "-c", "copy", folder / "c.mp4")
    return case(folder / "c.mp4", 25, 150)


def trimmed_edit_list_mp4(folder: Path) -> TimeCase:
    """1.4 s before the start are in the file and hidden by an edit list."""
    sound = _sound(folder, (3.4, 5.4), 8.0, "-c:a", "aac")
    source = encode(folder / "source.mp4", 25, 200, *sound, f"{X264} -g 200 -bf 0")
    ffmpeg("-ss", "1.4", "-i", source, "-c", "copy", folder / "c.mp4")
    return case(folder / "c.mp4", 25, 165, first=35, clicks=(2.0, 4.0))


# Rates that vary ----------------------------------------------------------------------------------------------------


def _at(folder: Path, name: str, times: list[Fraction], last_s: Fraction, clicks=(), codec="aac", rate=None):
    """Frames at any times, and clicks, in one file."""
    made = write_numbered(folder / "frames.mp4", times, last_s=last_s)
    length_s = float(times[-1] + last_s)
    sound = _sound(folder, clicks, length_s) if clicks else ()
    maps = ("-map", "0:v", "-map", "1:a", "-c:a", codec) if clicks else ()
    ffmpeg("-i", made, *sound, *maps, "-c:v", "copy", folder / name)
    return TimeCase(
        folder / name, tuple(float(t) for t in times), tuple(range(len(times))), length_s, tuple(clicks), rate
    )


def variable_rate_mp4(folder: Path) -> TimeCase:
    """30 frames a second for 3 s, then 6 a second for 5 s."""
    times = [*constant(30, 90), *(3 + t for t in constant(6, 30))]
    return _at(folder, "c.mp4", times, Fraction(1, 6), (1.0, 6.0))


def freeze_ts(folder: Path) -> TimeCase:
    """A transport stream whose frame stands from 3 to 16 s while the sound goes on."""
    times = [*constant(25, 75), *(16 + t for t in constant(25, 75))]
    return _at(folder, "c.ts", times, Fraction(1, 25), (1.0, 8.0, 17.0), "mp2")


def time_lapse_ts(folder: Path) -> TimeCase:
    """A frame every 15 s in a transport stream, no sound."""
    return _at(folder, "c.ts", [Fraction(15 * k) for k in range(6)], Fraction(15), rate=Fraction(1, 15))


def time_lapse_with_sound_ts(folder: Path) -> TimeCase:
    """A frame every 15 s in a transport stream with sound."""
    return _at(
        folder, "c.ts", [Fraction(15 * k) for k in range(5)], Fraction(15), (1.0, 30.0, 60.5), "mp2", Fraction(1, 15)
    )


# A tape -----------------------------------------------------------------------------------------


def tape_dv(folder: Path) -> TimeCase:
    """A raw DV tape of 30000 / 1001 frames a second."""
    rate = Fraction(30_000, 1001)
    path = encode(folder / "c.dv", rate, 40, "-c:v", "dvvideo", "-pix_fmt", "yuv411p", size=(480, 720))
    return case(path, rate, 40)


# Clocks that begin anew ---------------------------------------------------------------------------------------------


def reconnect_flv(folder: Path) -> TimeCase:
    """A recorder that reconnected after 3 s: the file's clock begins at 0 again."""
    parts = []
    for i, (n, first) in enumerate(((75, 0), (100, 75))):
        sound = _sound(folder, (1.0,), n / 25, "-c:a", "libmp3lame", "-ar", "44100")
        parts.append(encode(folder / f"{i}.flv", 25, n, *sound, f"{X264} -bf 0 -g 25", first=first).read_bytes())
    (folder / "c.flv").write_bytes(parts[0] + parts[1][13:])  # without the second one's header
    return case(folder / "c.flv", 25, 175, clicks=(1.0, 4.0))


def discontinuities_ts(folder: Path) -> TimeCase:
    """Live segments of 3 s, each with a new clock, ahead or back, and 0.2 s more sound than frames."""
    pieces = []
    for i, offset_s in enumerate((500, 1500, 20, 9000, 9000)):
        sound = _sound(folder, (0.04, 1.0), 3.2, "-c:a", "mp2")
        options = (*sound, f"{X264} -bf 0 -g 25 -output_ts_offset {offset_s} -muxdelay 0")
        pieces.append(encode(folder / f"{i}.ts", 25, 75, *options, first=75 * i).read_bytes())
    (folder / "c.ts").write_bytes(b"".join(pieces))
    return case(folder / "c.ts", 25, 375, clicks=[3 * i + at for i in range(5) for at in (0.04, 1.0)])


def reconnect_without_sound_ts(folder: Path) -> TimeCase:
    """A transport stream without sound whose clock jumps ahead by an hour."""
    pieces = []
    for i, offset_s in enumerate((10, 3610)):
        options = f"{B_FRAMES} -g 15 -output_ts_offset {offset_s}"
        pieces.append(encode(folder / f"{i}.ts", 15, 60, options, first=60 * i).read_bytes())
    (folder / "c.ts").write_bytes(b"".join(pieces))
    return case(folder / "c.ts", 15, 120)


# Sound beside the frames --------------------------------------------------------------------------------------------


def _beside(folder: Path, name: str, offsets_s: Sequence[float], codec: str) -> TimeCase:
    """Seven seconds of frames, with sound tracks that begin earlier or later than the frames."""
    frames = encode(folder / "frames.mp4", 20, 140, f"{B_FRAMES} -g 20")
    inputs: list[str | Path] = ["-i", frames]
    for i, offset_s in enumerate(offsets_s):
        wav = clicking(folder / f"{i}.wav", (2.0 - offset_s + i, 5.0 - offset_s + i), 8.0)
        inputs += ["-itsoffset", str(offset_s), "-i", wav]
    maps = [word for i in range(1 + len(offsets_s)) for word in ("-map", str(i))]
    ffmpeg(*inputs, *maps, "-c:v", "copy", "-c:a", codec, folder / name)
    return case(folder / name, 20, 140, clicks=(2.0, 5.0))


# All --------------------------------------------------------------------------------------------------------------


def _encoded(folder: Path, suffix: str, rate, n: int, frames: str, clicks=(), codec="") -> TimeCase:
    sound = _sound(folder, clicks, float(n / Fraction(rate)), codec) if clicks else ()
    return case(encode(folder / f"c.{suffix}", rate, n, *sound, frames), rate, n, clicks=clicks)


ENCODED = {  # container, frames per second, frames, how these are made, clicks, codec of the sound
    "start_offset_mkv": ("mkv", 30, 180, f"{X264} -g 30 -output_ts_offset 7.3", (1.0, 4.0), "-c:a aac"),
    "start_offset_webm": ("webm", 25, 125, f"{VP9} -output_ts_offset 3.2", (1.0, 3.0), "-c:a libopus"),
    "fragmented_b_frames_mp4": ("mp4", 6, 60, f"{B_FRAMES} -g 12 -movflags empty_moov+frag_keyframe -use_editlist 0"),
    "no_edit_list_b_frames_mp4": ("mp4", 12, 96, f"{B_FRAMES} -use_editlist 0"),
    "b_frames_avi": ("avi", 10, 80, f"{B_FRAMES} -g 20", (1.0, 5.0), "-c:a pcm_s16le"),  # no presentation times
    "b_frames_mpeg4_avi": ("avi", 8, 64, "-c:v mpeg4 -q:v 2 -bf 2"),
    "slow_avi": ("avi", 2, 24, f"{X264} -bf 0 -g 4"),
    "b_frames_flv": ("flv", 30, 180, f"{B_FRAMES} -g 60", (1.0, 5.0), "-c:a aac"),
    "recorder_mkv": ("mkv", 30, 240, f"{B_FRAMES} -g 60", (2.0, 5.0), "-c:a aac"),  # as screen recorders write
    "b_frames_asf": ("asf", 5, 40, f"{B_FRAMES} -g 20", (1.0, 5.0), "-c:a wmav2"),  # the times of decoding
    # A program stream, where not every frame has a timestamp; then streams that state their rate in a header.
    "program_stream": ("mpg", 25, 150, "-c:v mpeg2video -q:v 2 -bf 2 -f mpeg", (1.0, 4.0), "-c:a mp2"),
    "raw_h264": ("h264", 15, 90, f"{B_FRAMES} -g 15"),
    "raw_hevc": ("hevc", Fraction(25, 2), 75, X265),
    "limited_range_y4m": ("y4m", 30, 60, "-pix_fmt yuv420p"),
}
BESIDE = {  # when tracks of sound begin, and their codec
    "sound_first_ts": ("c.ts", (-0.7,), "mp2"),
    "sound_first_mkv": ("c.mkv", (-0.7,), "aac"),
    "sound_late_mkv": ("c.mkv", (1.5,), "libopus"),
    "sound_late_mp4": ("c.mp4", (1.5,), "aac"),
    "two_sounds_ts": ("c.ts", (-0.1, -1.3), "mp2"),
}
CASES: dict[str, Callable[[Path], TimeCase]] = {
    make.__name__: make
    for make in (
        *(copied_timestamps_mp4, empty_edit_first_mp4, trimmed_edit_list_mp4, variable_rate_mp4, freeze_ts, tape_dv),
        *(time_lapse_ts, time_lapse_with_sound_ts, reconnect_flv, discontinuities_ts, reconnect_without_sound_ts),
    )
}
for _make, _table in ((_encoded, ENCODED), (_beside, BESIDE)):
    CASES |= {name: lambda folder, make=_make, facts=facts: make(folder, *facts) for name, facts in _table.items()}
ONE_OF_EACH_KIND = """
start_offset_mkv trimmed_edit_list_mp4 fragmented_b_frames_mp4 b_frames_avi program_stream
variable_rate_mp4 freeze_ts raw_h264 discontinuities_ts sound_first_ts
"""
CLOCKS = [pytest.param(name, marks=() if name in ONE_OF_EACH_KIND.split() else pytest.mark.slow) for name in CASES]
