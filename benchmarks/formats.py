"""Read every clip of a folder as the tool does and print one line each: what was made of it, or why not.

    python benchmarks/formats.py FOLDER [--offsets 8] [--grid native]

The time is split into probe, pictures and sound; `snip/s` is snippets a second of pictures.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from cmhkf.encoders import FrameSampling
from cmhkf.errors import MediaError
from cmhkf.media import Clip, SnippetStream, probe, stream_audio

RATE_HZ = 16000


def main() -> None:
    """Run over the folder; the exit code is 0 whatever the clips are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--offsets", type=int, nargs="+", default=[8], help="pictures of a snippet, 0..15")
    parser.add_argument("--grid", choices=("24fps", "native"), default="24fps")
    args = parser.parse_args()
    if not args.folder.is_dir():
        parser.error(f"{args.folder} is not a folder")
    sampling = FrameSampling(tuple(args.offsets), 224, 224)
    for path in sorted(p for p in args.folder.iterdir() if p.is_file()):
        print(f"{path.name[:40]:40s} {line(path, sampling, args.grid)}", flush=True)


def line(path: Path, sampling: FrameSampling, grid: Literal["24fps", "native"]) -> str:
    """One clip's result in words."""
    start = time.perf_counter()
    try:
        clip = probe(path)
        probed = time.perf_counter()
        stream = SnippetStream(clip, sampling, grid=grid)
        n = sum(1 for _ in stream)
    except MediaError as error:
        return f"{time.perf_counter() - start:6.2f} s  MediaError: {error}"
    seen = time.perf_counter()
    sound = hear(clip)
    heard = time.perf_counter()
    return (
        f"{heard - start:6.2f} s = {probed - start:.2f} + {seen - probed:.2f} + {heard - seen:.2f}  {n:4d} snippets"
        f" {n / (seen - probed):6.1f} snip/s  {stream.timeline.duration_s:8.3f} s (stated {clip.duration_s:.3f})"
        f"  {clip.width_px}x{clip.height_px} {clip.container}/{clip.video_codec} rot {clip.rotation_deg}  {sound}"
    )


def hear(clip: Clip) -> str:
    """The sound in words: its length and peak, or why there is none."""
    if not clip.has_audio:
        return "no sound"
    samples, peak = 0, 0.0
    try:
        for block in stream_audio(clip, RATE_HZ):
            samples, peak = samples + len(block), max(peak, float(abs(block).max()))
    except MediaError as error:
        return f"MediaError: {error}"
    return f"{clip.audio_codec} {samples / RATE_HZ:.3f} s peak {peak:.3f}"


if __name__ == "__main__":
    main()
