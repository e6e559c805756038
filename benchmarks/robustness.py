"""How much the demo's scores change when the same clip is seen otherwise: slower, smaller, darker, upside down.

    python benchmarks/robustness.py CLIP [CLIP ...] [--model demo] [--within 0.05]

Each clip is re-encoded in full, which the others are compared with, and in each other way. Prints for each way the
highest score, the mean and the largest difference of the curves, and how many of the clips whose peak reaches 0.5 in
full do so still, and how many of the others do. In the ways in which scores should hold, the mean difference may be at
most `--within`; the exit code is 1 where one is more. The others are outside of what holds, and marked so.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import imageio_ffmpeg
import numpy as np

from cmhkf.analyzer import Analyzer, load

WAYS = {
    "in full": "null",
    "15 frames a second": "fps=15",
    "8 frames a second": "fps=8",
    "2 frames a second": "fps=2",
    "720 lines": "scale=-2:720",
    "160 lines": "scale=-2:160",
    "upside down": "hflip,vflip",
    "night": "eq=brightness=-0.25:contrast=0.6",
    "strongly compressed": "null",
}
# Ways in which scores do not hold
OUTSIDE = ("2 frames a second", "upside down", "night", "strongly compressed")
WITHIN = 0.05
QUALITY, POOR = 18, 36  # CRF of H.264


def seen(analyzer: Analyzer, clip: Path, way: str, folder: Path) -> np.ndarray:
    """The scores [N] of a clip in one way."""
    made = folder / f"{clip.stem}.mp4"
    quality = POOR if way == "strongly compressed" else QUALITY
    words = ["-i", str(clip), "-vf", f"{WAYS[way]},scale=trunc(iw/2)*2:trunc(ih/2)*2", "-c:v", "libx264"]
    words += ["-preset", "veryfast", "-crf", str(quality), "-c:a", "aac", str(made)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *words], check=True)
    return analyzer.analyze(made).scores


def row(way: str, full: list[np.ndarray], curves: list[np.ndarray], *, within: float = WITHIN) -> tuple[str, bool]:
    """The table's line of one way, by the clips' scores in full and so; and whether it fails: it should hold, and does
    not."""
    pairs = [(a[: len(b)], b[: len(a)]) for a, b in zip(full, curves, strict=True)]
    apart = np.concatenate([np.abs(a - b) for a, b in pairs])
    before, after = np.array([(a.max() >= 0.5, b.max() >= 0.5) for a, b in pairs]).T
    fails = way not in OUTSIDE and bool(apart.mean() > within)
    cells = [way, f"{max(b.max() for b in curves):.2f}", f"{apart.mean():.3f}", f"{apart.max():.2f}"]
    cells += [f"{(before & after).sum()} of {before.sum()}", f"{(~before & after).sum()} of {(~before).sum()}"]
    cells.append("outside" if way in OUTSIDE else "FAILS" if fails else "yes")
    return f"| {' | '.join(cells)} |", fails


def main() -> int:
    """Look at every clip in every way, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--model", default="demo", help="a preset or a checkpoint")
    parser.add_argument("--within", type=float, default=WITHIN, help="mean difference that still holds")
    args = parser.parse_args()
    analyzer = load(args.model)
    print(f"{len(args.clips)} clips, {args.model}; holds: a mean difference of at most {args.within:g}\n")
    print("| way | highest score | mean difference | largest | still flagged | newly flagged | holds |")
    print("|---|---|---|---|---|---|---|")
    full: list[np.ndarray] = []
    failed = False
    for way in WAYS:
        with TemporaryDirectory() as folder:
            analyzer.cache_dir = Path(folder)
            curves = [seen(analyzer, clip, way, Path(folder)) for clip in args.clips]
        full = full or curves
        line, fails = row(way, full, curves, within=args.within)
        failed |= fails
        print(line, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
