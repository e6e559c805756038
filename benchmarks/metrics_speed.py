"""Seconds that AP and detection mAP take on a made-up test set of XD-Violence's size, 800 videos and 2.3 M frames.

    python benchmarks/metrics_speed.py

scikit-learn's average precision on the same scores is printed for comparison.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.metrics import detection_map, frame_ap
from cmhkf.timeline import SNIPPET_FRAMES

N_VIDEOS, MEAN_SNIPPETS, N_CLASSES = 800, 182, 7


def timed(name: str, run: Callable[[], object]) -> None:
    """Print how long the call takes, best of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    print(f"{name:40s} {min(times):7.3f} s")


def main() -> None:
    """Noise for curves is the slowest case: nearly every other snippet starts a segment."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 2 * MEAN_SNIPPETS, N_VIDEOS)
    probs = [rng.dirichlet(np.ones(N_CLASSES), n) for n in lengths]
    starts = [rng.integers(0, n * SNIPPET_FRAMES, 2) for n in lengths]
    truths = [[(int(rng.integers(N_CLASSES)), int(s), int(s) + 160) for s in video] for video in starts]
    scores = np.repeat(rng.random(lengths.sum()), SNIPPET_FRAMES)
    labels = rng.random(len(scores)) < scores / 2
    timed("frame_ap", lambda: frame_ap(scores, labels))
    timed("scikit-learn average_precision_score", lambda: average_precision_score(labels, scores))
    timed("detection_map, paper", lambda: detection_map(probs, truths))
    timed("detection_map, clean", lambda: detection_map(probs, truths, "clean"))


if __name__ == "__main__":
    main()
