"""How much the demo's scores change when the same clip is seen otherwise: slower, smaller, darker, upside down.

    python benchmarks/robustness.py CLIP [CLIP ...] [--model demo]

Each clip is re-encoded in full, which the others are compared with, and in each other way. Prints for each way the
highest score, the mean and the largest difference of the curves, and how many of the clips whose peak reaches 0.5 in
full do so still, and how many of the others do.
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
QUALITY, POOR = 18, 36  # CRF of H.264


def seen(analyzer: Analyzer, clip: Path, way: str, folder: Path) -> np.ndarray:
    """The scores [N] of a clip in one way."""
    made = folder / f"{clip.stem}.mp4"
    quality = POOR if way == "strongly compressed" else QUALITY
    words = ["-i", str(clip), "-vf", f"{WAYS[way]},scale=trunc(iw/2)*2:trunc(ih/2)*2", "-c:v", "libx264"]
    words += ["-preset", "veryfast", "-crf", str(quality), "-c:a", "aac", str(made)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *words], check=True)
    return analyzer.analyze(made).scores


def main() -> None:
    """Look at every clip in every way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--model", default="demo", help="a preset or a checkpoint")
    args = parser.parse_args()
    analyzer = load(args.model)
    print(f"{len(args.clips)} clips, {args.model}\n")
    print(
        "| way | highest score | mean difference | largest | still flagged | newly flagged |\n|---|---|---|---|---|---|"
    )
    full: list[np.ndarray] = []
    for way in WAYS:
        with TemporaryDirectory() as folder:
            analyzer.cache_dir = Path(folder)
            curves = [seen(analyzer, clip, way, Path(folder)) for clip in args.clips]
        full = full or curves
        pairs = [(a[: len(b)], b[: len(a)]) for a, b in zip(full, curves, strict=True)]
        apart = np.concatenate([np.abs(a - b) for a, b in pairs])
        flagged = np.array([(a.max() >= 0.5, b.max() >= 0.5) for a, b in pairs])
        before, after = flagged.T
        print(
            f"| {way} | {max(b.max() for b in curves):.2f} | {apart.mean():.3f} | {apart.max():.2f} "
            f"| {(before & after).sum()} of {before.sum()} | {(~before & after).sum()} of {(~before).sum()} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
