"""Whether an analysis takes the same memory, and the same time for each minute, however long the clip is.

    python benchmarks/memory.py [--minutes 1 10 60 240] [--fps 2]

Each clip is 1920x1080 H.264 with sound and made here: a minute that moves, and then stretches of ten minutes that begin
with a few moving seconds and are still for the rest, so that hours are done in minutes. `python -m cmhkf analyze` looks
at it with the demo preset and an empty data home; the highest resident memory of each of its processes, as the kernel
notes it, is added up. Exit code 1: a sum lies further from the first one than 15 %. Linux alone.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import imageio_ffmpeg

ROOT = Path(__file__).resolve().parents[1]
WITHIN = 0.15
HEAD_S = 60
MOVING_S, UNIT_S = 3, 600
EVERY_S = 0.25  # between two looks at the memory


def make_stretch(path: Path, fps: float, *, moving_s: int, length_s: int) -> Path:
    """Write a stretch that moves first and then stands still; returns its path."""
    picture = f"testsrc2=size=1920x1080:rate={fps}:duration={moving_s},tpad=stop_mode=clone:stop=-1"
    sound = f"sine=440:beep_factor=4:duration={length_s}"
    # At a constant quantizer what is still is the same frame again, to the last bit.
    codecs = f"-c:v libx264 -preset ultrafast -qp 24 -pix_fmt yuv420p -c:a aac -t {length_s}"
    _ffmpeg(*f"-f lavfi -i {picture} -f lavfi -i {sound} {codecs}".split(), path)
    return path


def put_together(head: Path, unit: Path, minutes: int, path: Path) -> None:
    """Write a clip of so many minutes: the head, and then the unit again and again."""
    parts = path.with_suffix(".txt")
    parts.write_text("\n".join(f"file '{part}'" for part in [head, *[unit] * (minutes * 60 // UNIT_S + 1)]))
    _ffmpeg(*["-f", "concat", "-safe", "0", "-i"], parts, "-t", 60 * minutes, "-c", "copy", path)


def _ffmpeg(*words: object) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *map(str, words)], check=True)


def measure(clip: Path, work: Path) -> tuple[float, float]:
    """Peak memory in bytes and seconds of an analysis."""
    command = [sys.executable, "-m", "cmhkf", "analyze", str(clip), "--out", str(work / "out"), "--device", "cpu"]
    environment = os.environ | {"CMHKF_HOME": str(work / "home")}
    peak, begun = 0, time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(highest_bytes, family(process.pid))))
            time.sleep(EVERY_S)
    if process.returncode:
        sys.exit(f"the analysis of {clip.name} failed")
    return peak, time.perf_counter() - begun


def family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # ended meanwhile
            for child in children.read_text().split():
                yield from family(int(child))


def highest_bytes(pid: int) -> int:
    """The most that a process held in memory so far; 0 when it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def main() -> int:
    """Measure each length, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 10, 60], help="default: 1 10 60")
    parser.add_argument("--fps", type=float, default=2, help="frames a second; default: 2")
    args = parser.parse_args()
    moving = f"a moving minute, then {MOVING_S} s of each {UNIT_S / 60:g} minutes"
    print(f"1920x1080 H.264, {args.fps:g} frames a second, AAC; {moving}")
    print(f"{'minutes':>8} {'peak':>9} {'of first':>9} {'seconds':>8} {'per minute since the row above':>31}")
    peaks: list[float] = []
    before = (0, 0.0)
    with TemporaryDirectory() as folder:
        head = make_stretch(Path(folder) / "head.mp4", args.fps, moving_s=HEAD_S, length_s=HEAD_S)
        unit = make_stretch(Path(folder) / "unit.mp4", args.fps, moving_s=MOVING_S, length_s=UNIT_S)
        for minutes in args.minutes:
            work = Path(folder) / str(minutes)
            work.mkdir()
            put_together(head, unit, minutes, clip := work / "clip.mp4")
            peak, seconds = measure(clip, work)
            peaks.append(peak)
            each_s = (seconds - before[1]) / (minutes - before[0])
            before = minutes, seconds
            row = f"{minutes:8} {peak / 1e6:6.0f} MB {peak / peaks[0]:9.2f} {seconds:8.1f} {each_s:29.2f} s"
            print(row, flush=True)
    apart = max(abs(peak / peaks[0] - 1) for peak in peaks)
    print(f"peaks lie up to {apart:.0%} from the first, {'' if apart <= WITHIN else 'NOT '}within {WITHIN:.0%}")
    return int(apart > WITHIN)


if __name__ == "__main__":
    sys.exit(main())
