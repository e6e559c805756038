"""How well each untrained cue, and the demo score made of them, finds what people marked.

    python benchmarks/untrained_cues.py FOLDER [--cache DIR] [--limit N]

FOLDER holds clips and a `ground_truth.csv` with columns `clip` and `segments_s` ("start-end start-end", seconds; empty
for a normal clip). Prints the area under the ROC curve over all snippets, and what a threshold of 0.5 flags.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.config import XD_CLASSES, Recipe
from cmhkf.encoders import Encoders
from cmhkf.encoders.embedded import load_embedded
from cmhkf.encoders.untrained import appearance_change, untrained_score
from cmhkf.features import Features, extract
from cmhkf.media import probe


def rows_of(path: Path, encoders: Encoders, cache: Path) -> Features:
    """A clip's rows, from the cache where they are there."""
    assert encoders.audio
    recipe = Recipe(encoders.video.identity, encoders.text.identity, encoders.audio.identity)
    *_, features = extract(probe(path), encoders, recipe, cache_dir=cache)
    assert isinstance(features, Features)
    return features


def marked(features: Features, segments: str) -> np.ndarray:
    """Which snippets have their middle inside a segment: bool [N]."""
    middle = features.timeline.times_s + features.timeline.snippet_s / 2
    inside = np.zeros(len(middle), bool)
    for segment in segments.replace(";", " ").split():
        start, end = (float(edge) for edge in segment.split("-"))
        inside |= (middle >= start) & (middle < end)
    return inside


def main() -> None:
    """Measure one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("build/features"), help="where rows are kept")
    parser.add_argument("--limit", type=int, help="only the first N clips")
    parser.add_argument("--threads", type=int, help="torch threads")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    encoders = load_embedded()
    classes = encoders.text.encode(XD_CLASSES)
    signals: dict[str, list[np.ndarray]] = {}
    truth: list[np.ndarray] = []
    with (args.folder / "ground_truth.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))[: args.limit]
    for i, line in enumerate(listed):
        features = rows_of(args.folder / line["clip"], encoders, args.cache)
        print(f"{i + 1}/{len(listed)} {line['clip']}: {features.timeline.n_snippets} snippets", file=sys.stderr)
        found = dict(features.cues)
        found["appearance change"] = appearance_change(features.video)
        found["1 - P(normal)"] = 1 - softmax(features.semantic @ classes.T / encoders.tau)[:, 0]
        found["demo score"] = untrained_score(features.video, features.cues)
        for name, values in found.items():
            signals.setdefault(name, []).append(values)
        truth.append(marked(features, line["segments_s"]))
    report(signals, truth)


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def report(signals: dict[str, list[np.ndarray]], truth: list[np.ndarray]) -> None:
    """One line per signal; only signals that every clip has can be compared."""
    labels = np.concatenate(truth)
    print(f"{len(truth)} clips, {len(labels)} snippets, {labels.mean():.1%} marked")
    for name, parts in signals.items():
        if len(parts) == len(truth):
            print(f"{name:20} AUC {roc_auc_score(labels, np.concatenate(parts)):.3f}")
    score = np.concatenate(signals["demo score"])
    unmarked = np.concatenate([np.full(len(t), not t.any()) for t in truth])
    print(f"demo score, deciles: {np.round(np.quantile(score, np.arange(0.1, 1, 0.1)), 2)}")
    print(f"at 0.5 it flags {(score[labels] >= 0.5).mean():.1%} of the marked snippets, ", end="")
    print(f"{(score[~labels] >= 0.5).mean():.1%} of the rest", end="")
    print(f", {(score[unmarked] >= 0.5).mean():.1%} of clips without a mark" if unmarked.any() else "")


if __name__ == "__main__":
    main()
