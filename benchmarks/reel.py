"""Whether a reel of a few short shots takes longer, the longer the clip is that they are of.

    python benchmarks/reel.py [--minutes 1 120] [--shots 5] [--fps 25]

The clips are made as those of benchmarks/memory.py: 1920x1080 H.264 with sound, nearly all of it still; the shots lie
evenly over each and last two seconds. The files lie in the page cache: what a disk
takes to read one through comes on top.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from memory import HEAD_S, MOVING_S, UNIT_S, make_stretch, put_together

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from analyses import make_analysis

from app.export.reel import write_reel
from app.export.reviewed import Reviewed
from app.export.shots import ReelChoice, shots_of
from cmhkf.media.clip import probe

SHOT_S = 2.0


def reel_s(video: Path, n_shots: int, reel: Path) -> float:
    """Seconds that a reel of so many shots takes; probing is not in it."""
    clip = probe(video)
    starts_s = np.linspace(0, clip.duration_s - 2 * SHOT_S, n_shots).tolist()
    spans = tuple((clip.sha256, start_s, start_s + SHOT_S) for start_s in starts_s)
    choice = ReelChoice("selected", context_s=0.0, spans=spans)
    analysis = make_analysis(np.zeros(int(clip.duration_s * 1.5)), clip=clip, duration_s=clip.duration_s)
    shots = shots_of(Reviewed("key", analysis, (), 0.5, ""), choice)
    begun = time.perf_counter()
    for _ in write_reel(shots, choice, reel):
        pass
    return time.perf_counter() - begun


def main() -> None:
    """Make the clips, time a reel of each, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 120], help="default: 1 120")
    parser.add_argument("--shots", type=int, default=5, help="default: 5")
    parser.add_argument("--fps", type=float, default=25, help="frames a second; default: 25")
    args = parser.parse_args()
    print(f"{args.shots} shots of {SHOT_S:g} s, 1920x1080 H.264, {args.fps:g} frames a second, AAC")
    print(f"{'minutes':>8} {'file':>9} {'reel':>9}")
    with TemporaryDirectory() as folder:
        work = Path(folder)
        head = make_stretch(work / "head.mp4", args.fps, moving_s=HEAD_S, length_s=HEAD_S)
        unit = make_stretch(work / "unit.mp4", args.fps, moving_s=MOVING_S, length_s=UNIT_S)
        for minutes in args.minutes:
            put_together(head, unit, minutes, video := work / f"{minutes}.mp4")
            spent_s = reel_s(video, args.shots, work / f"reel-{minutes}.mp4")
            print(f"{minutes:8} {video.stat().st_size / 1e6:6.0f} MB {spent_s:7.1f} s", flush=True)


if __name__ == "__main__":
    main()
