"""An Analysis as the curves that the timeline draws: plain numbers, fetched by the browser as one small file."""

import json
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from app.clips.store import Store
from cmhkf.analysis import Analysis, Growing
from cmhkf.segments import EXIT_MARGIN, NEAR_MISS_MARGIN
from cmhkf.timeline import SNIPPET_FRAMES, Timeline

MOST_STEPS = 8  # for a snippet, on average
HEARD = 0.5  # a kind of sound that never reaches it in a clip gets no row
VERSION = 4  # in the file's name: a newer page never draws an older file
ROWS = ("scores", "alignment", "similarity", "probs", "saliency", "windowed", "level_db")  # what is as long as the clip
UNIT = 10_000  # of a packed number: four digits


def timeline_curves(analysis: Analysis) -> dict[str, Any]:
    """Every lane of the timeline; lists of length N unless said otherwise.

    Where snippets differ in length, each is repeated so that the lists have even steps.

    `snippet_ratio` is the length of a snippet as a fraction of seconds.

    `similarity` and `probs` are [C][N], one row per class; `chosen` holds the class indices CVKA picked in any window;
    `normal_similarity` [C][2] and `normal_saliency` are the scales of these lanes, None where the model has none;
    `level_db` is None without an audio track; `sounds` holds the kinds of sound that were heard, each with its values.
    """
    level, line, normal = analysis.audio_level_db, analysis.timeline, analysis.normal_similarity
    at, step = _even(line)
    return {
        "snippet_s": float(step),
        "snippet_ratio": [step.numerator, step.denominator],
        "duration_s": analysis.timeline.duration_s,
        "classes": list(analysis.classes),
        "scores": short(analysis.scores[at]),
        "alignment": short(analysis.alignment_scores[at]),
        "similarity": [short(row) for row in analysis.similarity[at].T],
        "normal_similarity": None if normal is None else [short(row) for row in normal],
        "normal_saliency": analysis.normal_saliency,
        "probs": [short(row) for row in analysis.class_probs[at].T],
        "least_share": analysis.least_share,
        "chosen": sorted({int(i) for i in analysis.top_classes.ravel()}),
        "saliency": short(analysis.saliency[at]),
        "windowed": short(analysis.windowed_saliency[at]),
        "peaks_s": np.round(line.middles_s[analysis.saliency_peaks], 3).tolist(),
        "windows_s": [[round(float(a), 3), round(float(b), 3)] for a, b in analysis.saliency_windows_s],
        "exit_margin": EXIT_MARGIN,
        "near_miss_margin": NEAR_MISS_MARGIN,
        "level_db": None if level is None else short(level[at], 1),
        "sounds": [
            {"name": name, "values": short(analysis.cues[name][at], 2)}
            for name in analysis.audio_cues
            if analysis.cues[name].max() >= HEARD
        ],
    }


def growing_curves(growing: Growing) -> dict[str, Any]:
    """The same of a clip that is still being read; no file is made of it.

    `n_final` is how many snippets, from the first on, are final.
    """
    return timeline_curves(growing.analysis) | {"n_final": growing.n_final}


def _even(line: Timeline) -> tuple[np.ndarray, Fraction]:
    """Which snippet is shown at each of even steps, and the step in seconds: the snippets' own where they are equal."""
    if line.frame_times_s is None:
        return np.arange(line.n_snippets), SNIPPET_FRAMES / line.rate
    lengths = line.ends_s - line.times_s
    shortest = max(float(lengths.min()), float(lengths.mean()) / MOST_STEPS)
    step = Fraction(shortest).limit_denominator(1000)
    middles = (np.arange(max(1, round(float(line.ends_s[-1] / step)))) + 0.5) * float(step)
    return np.minimum(np.searchsorted(line.ends_s, middles, "right"), line.n_snippets - 1), step


def curves_file(analysis: Analysis, key: str, store: Store) -> Path:
    """Write the curves once; returns the file."""
    path = store.curves_dir / f"{key}.v{VERSION}.curves"
    if not path.exists():
        with store.scratch.making(path) as part:
            part.write_bytes(packed(timeline_curves(analysis)))
    return path


def packed(curves: dict[str, Any]) -> bytes:
    """Curves as a file, which a browser reads in a few ms where JSON of a long clip takes it and the server hundreds.

    The length of a JSON header as uint32 (little-endian); the header, which is the curves without ROWS, and with
    `unit`, `n` and `rows`, [[name, count, bytes], ...]; then the rows, each of n whole numbers of so many bytes in
    units of 1 / `unit`. `count` is None for a curve of one row, else how many rows it has.
    """
    rows: list[tuple[str, int | None, int]] = []
    numbers = list[bytes]()
    for name in ROWS:
        if curves[name] is None:
            continue
        whole = np.rint(np.asarray(curves[name]) * UNIT)
        kind = np.dtype("<i2" if np.abs(whole).max() < 2**15 else "<i4")
        rows.append((name, len(whole) if whole.ndim > 1 else None, kind.itemsize))
        numbers.append(whole.astype(kind).tobytes())
    told = {name: value for name, value in curves.items() if value is None or name not in ROWS}
    told |= {"unit": UNIT, "n": len(curves["scores"]), "rows": rows}
    header = json.dumps(told, separators=(",", ":"), allow_nan=False).encode()
    return struct.pack("<I", len(header)) + header + b"".join(numbers)


def short(values: np.ndarray, digits: int = 4) -> list[float]:
    """Rounded numbers for JSON."""
    return np.round(values.astype(float), digits).tolist()
