"""The bundled example clips: playable, audible, labelled truly, and reproducible from their scenes."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from assets.render_examples import FOLDER, SEED, render, sound_of, write_ground_truth
from assets.rendering.people import FPS, Look, walk
from assets.rendering.scenes import SCENES
from assets.rendering.sound import RATE_HZ
from assets.rendering.stage import Stage
from cmhkf.config import XD_CLASSES

CLIPS = sorted(FOLDER.glob("*.mp4"))
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
    assert sorted(truth) == [clip.name for clip in CLIPS]
    assert len(truth) == 4
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
        assert (video.codec_context.name, video.codec_context.pix_fmt, audio.codec_context.name) == (
            "h264",
            "yuv420p",
            "aac",
        )
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


def test_ground_truth_is_what_the_scenes_say(tmp_path: Path) -> None:
    write_ground_truth(tmp_path / "truth.csv")
    assert (tmp_path / "truth.csv").read_bytes() == (FOLDER / "ground_truth.csv").read_bytes()


def test_frames_are_the_same_from_the_same_seed_and_match_the_bundled_clip() -> None:
    shown = (0, 18 * FPS + 8)
    one, two = (Stage(SCENES["explosion"](SEED)) for _ in range(2))
    frames = [one.frame(i) for i in shown]
    for i, frame in zip(shown, frames, strict=True):
        assert frame.shape == (360, 640, 3)
        assert np.array_equal(frame, two.frame(i))
    with av.open(str(FOLDER / "explosion.mp4")) as media:
        bundled = [f.to_ndarray(format="rgb24") for i, f in enumerate(media.decode(video=0)) if i in shown]
    for frame, seen in zip(frames, bundled, strict=True):
        assert np.abs(frame.astype(int) - seen).mean() < 8


@pytest.mark.parametrize("name", ["quiet_street", "crash"])
def test_sound_is_the_same_from_the_same_seed_and_differs_with_another(name: str) -> None:
    one, again, other = (sound_of(SCENES[name](seed)) for seed in (SEED, SEED, SEED + 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert len(one) == SCENES[name](SEED).n_frames * RATE_HZ // FPS
    assert np.abs(one).max() <= 1


def test_a_walker_goes_where_and_when_told_and_swings_both_legs() -> None:
    """Oracle: constant speed between two points is a straight line travelled in proportion to time."""
    person = walk(Look(), [(1.0, 0.0, 10.0), (5.0, 6.0, 10.0)], 6 * FPS)
    assert person.xy[0] == pytest.approx([0, 10], abs=1e-6)
    assert person.xy[3 * FPS] == pytest.approx([3, 10], abs=0.02)
    assert person.xy[-1] == pytest.approx([6, 10], abs=1e-3)
    assert person.speed[3 * FPS] == pytest.approx(1.5, abs=0.02)
    assert person.heading[3 * FPS] == pytest.approx(np.pi / 2, abs=0.01)  # along x
    hips = np.array([[p.hip_l, p.hip_r] for p in map(person.pose_at, range(2 * FPS, 4 * FPS))])
    assert np.corrcoef(hips.T)[0, 1] < -0.9
    body = person.capsules(3 * FPS)
    assert abs((body.ends[..., 2] - body.radii).min()) < 0.06, "a foot is on the ground"


def test_rendering_writes_a_playable_file(tmp_path: Path) -> None:
    """Oracle: a short cut of a scene, decoded again, has its frames and its sound."""
    scene = SCENES["quiet_street"](SEED)
    short = replace(
        scene, n_frames=6, sound=lambda seed, duration_s: scene.sound(seed, 2.0)[: int(duration_s * RATE_HZ)]
    )
    render(short, tmp_path / "short.mp4")
    with av.open(str(tmp_path / "short.mp4")) as media:
        assert sum(1 for _ in media.decode(video=0)) == 6
    sound, rate = _sound(tmp_path / "short.mp4")
    assert rate == RATE_HZ
    assert len(sound) / rate == pytest.approx(0.25, abs=0.06)
