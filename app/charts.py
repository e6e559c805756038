"""An Analysis as the curves that the timeline draws: plain numbers, fetched by the browser as one small file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cmhkf.analysis import Analysis
from cmhkf.segments import EXIT_MARGIN, NEAR_MISS_MARGIN
from cmhkf.timeline import SNIPPET_FRAMES

VERSION = 2  # in the file's name: a newer page never draws an older file


def timeline_curves(analysis: Analysis) -> dict[str, Any]:
    """Every lane of the timeline; lists of length N unless said otherwise.

    `snippet_ratio` is the length of a snippet as a fraction of seconds.

    `similarity` and `probs` are [C][N], one row per class; `chosen` holds the class indices CVKA picked in any window;
    `level_db` is None without a sound track.
    """
    level, rate = analysis.audio_level_db, analysis.timeline.rate
    return {
        "snippet_s": analysis.timeline.snippet_s,
        "snippet_ratio": [SNIPPET_FRAMES * rate.denominator, rate.numerator],
        "duration_s": analysis.timeline.duration_s,
        "classes": list(analysis.classes),
        "scores": short(analysis.scores),
        "alignment": short(analysis.alignment_scores),
        "similarity": [short(row) for row in analysis.similarity.T],
        "probs": [short(row) for row in analysis.class_probs.T],
        "chosen": sorted({int(i) for i in analysis.top_classes.ravel()}),
        "saliency": short(analysis.saliency),
        "windowed": short(analysis.windowed_saliency),
        "peaks_s": [round((int(i) + 0.5) * analysis.timeline.snippet_s, 3) for i in analysis.saliency_peaks],
        "windows_s": [[round(float(a), 3), round(float(b), 3)] for a, b in analysis.saliency_windows_s],
        "exit_margin": EXIT_MARGIN,
        "near_miss_margin": NEAR_MISS_MARGIN,
        "level_db": None if level is None else short(level, 1),
    }


def curves_file(analysis: Analysis, key: str, folder: Path) -> Path:
    """Write the curves once; returns the file."""
    path = folder / f"{key}.v{VERSION}.json"
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_text(json.dumps(timeline_curves(analysis), separators=(",", ":"), allow_nan=False), encoding="utf-8")
        part.replace(path)
    return path


def short(values: np.ndarray, digits: int = 4) -> list[float]:
    """Rounded numbers for JSON."""
    return np.round(values.astype(float), digits).tolist()
