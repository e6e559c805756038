"""The bundled example clips: playable, audible and labelled truly."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from cmhkf.datasets.classes import XD_CLASSES

FOLDER = Path(__file__).parents[1] / "assets" / "examples"
CLIPS = sorted(FOLDER.glob("*.mp4"))
FPS = 24
LIMIT_BYTES = 2_000_000


def _truth() -> dict[str, tuple[str, list[tuple[float, float]]]]:
    """Clip name -> class and segments, parsed from the CSV alone."""
    with (FOLDER / "ground_truth.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        row["clip"]: (
            row["class"],
            [(float(a), float(b)) for a, b in (s.split("-") for s in row["segments_s"].split())],
        )
        for row in rows
    }


def _sound(path: Path) -> tuple[np.ndarray, int]:
    with av.open(str(path)) as clip:
        stream = clip.streams.audio[0]
        return np.concatenate([f.to_ndarray()[0] for f in clip.decode(stream)]), stream.rate


def _loudness(sound: np.ndarray, rate: int, *, step_s: float = 0.5) -> np.ndarray:
    """RMS of every half second."""
    step = int(rate * step_s)
    return np.sqrt((sound[: len(sound) // step * step].reshape(-1, step).astype(float) ** 2).mean(axis=1))


def test_every_clip_is_listed_with_a_class_the_demo_knows() -> None:
    truth = _truth()
    assert (sorted(truth), len(truth)) == ([clip.name for clip in CLIPS], 4)
    assert {label for label, _ in truth.values()} <= set(XD_CLASSES)
    for label, segments in truth.values():
        assert bool(segments) == (label != "normal")


@pytest.mark.parametrize("clip", CLIPS, ids=lambda p: p.stem)
def test_clip_decodes_to_its_end_in_a_form_browsers_play(clip: Path) -> None:
    assert clip.stat().st_size < LIMIT_BYTES
    head = clip.read_bytes()[:200_000]
    assert 0 < head.find(b"moov") < head.find(b"mdat"), "the index must come before the data"
    with av.open(str(clip)) as media:
        video, audio = media.streams.video[0], media.streams.audio[0]
        seen, heard = video.codec_context, audio.codec_context
        assert (seen.name, seen.pix_fmt, heard.name) == ("h264", "yuv420p", "aac")
        assert (video.width, video.height, video.average_rate) == (640, 360, FPS)
        assert "rendered scene" in media.metadata["title"]
        n_frames = sum(1 for _ in media.decode(video))
    seconds = n_frames / FPS
    assert 20 <= seconds <= 60
    sound, rate = _sound(clip)
    assert len(sound) / rate == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda p: p.stem)
def test_sound_is_audible_and_peaks_inside_the_labelled_segment(clip: Path) -> None:
    """Oracle: loudness of the decoded track, against the segments read from the CSV."""
    _, segments = _truth()[clip.name]
    sound, rate = _sound(clip)
    assert np.abs(sound).max() < 1, "clipped"
    loud = _loudness(sound, rate)
    assert np.median(loud) > 10 ** (-50 / 20), "under -50 dBFS the clip would count as silent"
    times = (np.arange(len(loud)) + 0.5) * 0.5
    if not segments:
        assert loud.max() < 4 * np.median(loud)
        return
    inside = np.zeros(len(loud), bool)
    for start, end in segments:
        assert start >= 10, "a long normal stretch comes before"
        assert end <= times[-1] - 8, "and after"
        inside |= (times >= start) & (times <= end)
    assert inside[loud.argmax()]
    assert loud.max() > 4 * np.median(loud[~inside])


@pytest.mark.parametrize("clip", [c for c in CLIPS if c.stem != "quiet_street"], ids=lambda p: p.stem)
def test_labelled_segment_moves_more_than_the_second_before(clip: Path) -> None:
    """Oracle: mean absolute difference of successive decoded luma frames."""
    start = _truth()[clip.name][1][0][0]
    with av.open(str(clip)) as media:
        luma = [f.to_ndarray(format="gray")[::4, ::4].astype(np.int16) for f in media.decode(video=0)]
    motion = np.array([np.abs(b - a).mean() for a, b in pairwise(luma)])
    first = int(start * FPS)
    assert motion[first : first + 2 * FPS].max() > 1.1 * motion[first - 4 * FPS : first - FPS].mean()
