"""How fast the demo encoders are, alone and with decoding.

    python benchmarks/embedded_speed.py [CLIP] [--threads N]

Prints snippets per second and times real time (a snippet is 2/3 s) for each part, and for a whole clip where one is
given: pictures decoded in their own process, sound, encoders.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.config import Recipe
from cmhkf.encoders import Encoders
from cmhkf.encoders.embedded import load_embedded
from cmhkf.encoders.precision import compute_dtype
from cmhkf.features import Features, extract
from cmhkf.media import probe
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

SNIPPET_S = float(SNIPPET_FRAMES / GRID_RATE)
REPEATS = 4


def best_s(work: Callable[[], object]) -> float:
    """The shortest of a few runs after a first one."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def show(name: str, snippets: int, seconds: float) -> None:
    """One line."""
    print(f"{name:28} {snippets / seconds:8.2f} snippets/s {snippets * SNIPPET_S / seconds:8.2f} x real time")


def parts(encoders: Encoders) -> None:
    """Pictures and sound on random input."""
    rng = np.random.default_rng(0)
    for batch in (1, 2):
        frames = rng.integers(0, 256, (batch, len(encoders.video.sampling.offsets), 224, 224, 3), dtype=np.uint8)
        seconds = best_s(lambda frames=frames: encoders.video.encode(frames))
        show(f"pictures, {batch} at once", batch, seconds)
    assert encoders.audio
    sound = rng.normal(0, 0.1, 20 * encoders.audio.rate_hz).astype(np.float32)
    ends = np.arange(1, 31) * SNIPPET_S
    audio = encoders.audio
    show("sound", len(ends), best_s(lambda: audio.encode(sound, 0.0, ends)))


def whole(path: Path, encoders: Encoders) -> None:
    """A clip from file to rows, once, without the cache."""
    clip = probe(path)
    assert encoders.audio
    recipe = Recipe(encoders.video.identity, encoders.text.identity, encoders.audio.identity)
    start = time.perf_counter()
    *_, features = extract(clip, encoders, recipe)
    seconds = time.perf_counter() - start
    assert isinstance(features, Features)
    print(f"{clip.name}: {clip.width_px}x{clip.height_px}, {features.timeline.duration_s:.1f} s in {seconds:.1f} s")
    show("file to rows", features.timeline.n_snippets, seconds)


def main() -> None:
    """Measure on this machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own choice")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    start = time.perf_counter()
    encoders = load_embedded()
    device = encoders.video.device
    print(f"{device}, {compute_dtype(device)}, {torch.get_num_threads()} threads, ", end="")
    print(f"loaded in {time.perf_counter() - start:.1f} s")
    parts(encoders)
    if args.clip:
        whole(args.clip, encoders)


if __name__ == "__main__":
    main()
