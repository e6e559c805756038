"""The page's own arithmetic under Node, against tables that Python writes from its own functions. No browser."""

import dataclasses
import json
import os
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from analyses import make_analysis

from app.clips.curves import packed, timeline_curves
from app.export.report import clock
from app.review.marks import Mark, uncovered, uncovered_misses
from cmhkf import flag_segments
from cmhkf.media.unseen import Unseen, as_rows, length_s
from cmhkf.segments import segment_between

PAGE = Path(__file__).parent / "page"


def cut_of(rng):
    return {
        "threshold": round(float(rng.choice([rng.random(), 0, 1, 0.5])), 2),
        "min_length_s": float(rng.choice([0, 0.5, 2, 5])),
        "merge_gap_s": float(rng.choice([0, 0.7, 1, 3])),
    }


def split_by_near_miss(found):
    return [s for s in found if not s.near_miss], [s for s in found if s.near_miss]


def cut_cases():
    """Random curves, thresholds, lengths and gaps, as cmhkf.flag_segments cuts them."""
    rng = np.random.default_rng(7)
    for n in (1, 2, 3, 17, 64, 300) * 12:
        smooth = np.convolve(rng.random(n + 4), np.ones(5) / 5, "valid") if rng.random() < 0.7 else rng.random(n)
        scores = np.round(np.clip(1.6 * (smooth - 0.2), 0, 1), 2)
        probs = rng.dirichlet(np.ones(3), n).round(4)
        probs[:, 0] = 1 - probs[:, 1:].sum(axis=1)
        analysis = make_analysis(
            scores, class_probs=probs, duration_s=n * 2 / 3 + float(rng.random()) / 2, least_share=0.6
        )
        cut = cut_of(rng)
        segments, near_misses = split_by_near_miss(flag_segments(analysis, **cut, near_misses=True))
        curves = timeline_curves(analysis)
        yield {
            "curves": curves,
            "file": b64encode(packed(curves)).decode(),
            "cut": cut,
            "segments": [dataclasses.asdict(s) for s in segments],
            "near_misses": [dataclasses.asdict(s) for s in near_misses],
        }


def merge_cases():
    """What none of random marks stands for, as app.review leaves it."""
    rng = np.random.default_rng(3)
    for n in (1, 3, 17, 64) * 10:
        analysis = make_analysis(
            np.round(np.clip(1.4 * np.convolve(rng.random(n + 4), np.ones(5) / 5, "valid") - 0.2, 0, 1), 2)
        )
        cut = {"threshold": round(float(rng.random()), 2), "min_length_s": 0.0, "merge_gap_s": 1.0}
        found = flag_segments(analysis, **cut, near_misses=True)
        segments, near_misses = split_by_near_miss(found)
        marks = random_marks(rng, analysis, found)
        between = lambda start, end, a=analysis: segment_between(a, start, end)  # noqa: E731
        yield {
            "curves": timeline_curves(analysis),
            "cut": cut,
            "own": [{**dataclasses.asdict(m), "revision": 1} for m in marks.values()],
            "rest": [dataclasses.asdict(m) for m in uncovered(marks, segments, between)],
            "misses": [dataclasses.asdict(m) for m in uncovered_misses(marks, near_misses, between)],
        }


def random_marks(rng, analysis, found):
    end = analysis.timeline.duration_s
    marks = {}
    for i in range(int(rng.integers(4))):
        start, stop = sorted(round(float(t), 3) for t in rng.random(2) * end)
        if stop > start:
            grown = (max(0.0, start - 1), min(end, stop + 2)) if rng.random() < 0.5 else (None, None)
            marks[f"m{i}"] = Mark(f"m{i}", start, stop, "confirmed", model_start_s=grown[0], model_end_s=grown[1])
    if found and rng.random() < 0.5:
        key = f"p{round(found[0].peak_s * 1000)}"
        marks[key] = Mark(key, 0.0, min(0.5, end), "dismissed")
    return marks


def unseen_cases():
    """Seconds that were not seen, as cmhkf.unseen counts them: stretches may overlap; those of the audio are apart."""
    rng = np.random.default_rng(11)
    for n in range(6):
        lost = [
            Unseen(start, start + length, str(reason))
            for start, length in zip(rng.uniform(0, 50, n).tolist(), rng.uniform(0.1, 20, n).tolist(), strict=True)
            for reason in [rng.choice(["cut off", "damaged", "the sound is damaged"])]
        ]
        yield {"unseen_s": as_rows(lost), "lost_s": length_s([s for s in lost if not s.only_sound])}


@pytest.fixture(scope="module")
def node():
    found = shutil.which("node")
    if found is None:
        reason = "node is not here; install Node.js 20 or newer (Debian: apt-get install nodejs)"
        if os.environ.get("CMHKF_REQUIRE_BROWSER") == "1" or os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def test_the_page_counts_as_python_does(node, tmp_path):
    times = [0, 0.004, 0.996, 59.994, 59.996, 60, 61.5, 3599.996, 3600, 36_000.27]
    tables = {
        "cut": list(cut_cases()),
        "merge": list(merge_cases()),
        "unseen": list(unseen_cases()),
        "clock": [[t, digits, clock(t, digits)] for t in times for digits in (0, 1, 2)],
    }
    assert sum(len(case["rest"]) for case in tables["merge"]) > 10
    (tmp_path / "tables.json").write_text(json.dumps(tables))
    environment = {**os.environ, "CMHKF_TABLES": str(tmp_path / "tables.json")}
    command = [node, "--test", str(PAGE)]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "# fail 0" in done.stdout
    assert "# tests 0" not in done.stdout
