"""Clips of one camera are found by their backgrounds: scenes of rectangles, with people of other rectangles."""

from fractions import Fraction

import av
import numpy as np
import pytest

from checkpoints.training.cameras import HEIGHT, WIDTH, background, backgrounds, group

SIZE = 96, 144  # height and width
FAST = {"preset": "ultrafast", "crf": "18"}


def place(seed):
    """A still picture of large and small rectangles, uint8 [96, 144, 3]."""
    random = np.random.default_rng(seed)
    picture = np.full((*SIZE, 3), random.integers(60, 200, 3), np.uint8)
    for _ in range(40):
        y, x = (random.integers(0, side) for side in SIZE)
        height, width = random.integers(6, 40, 2)
        picture[y : y + height, x : x + width] = random.integers(30, 255, 3)
    return picture


def film(path, scene, people, *, pictures=72):
    """Three seconds in which `people` rectangles of random colours walk through a scene."""
    random = np.random.default_rng([people, 7])
    starts, speeds = random.uniform(0, SIZE, (people, 2)), random.uniform(-5, 5, (people, 2))
    colours = random.integers(0, 255, (people, 3))
    with av.open(str(path), "w") as out:
        track = out.add_stream(
            "libx264", rate=Fraction(24), width=SIZE[1], height=SIZE[0], pix_fmt="yuv420p", options=FAST
        )
        for i in range(pictures):
            picture = scene.copy()
            for (y, x), colour in zip((starts + i * speeds) % SIZE, colours, strict=True):
                picture[int(y) : int(y) + 20, int(x) : int(x) + 8] = colour
            out.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(track.encode(None))
    return path


def letterboxed(scene):
    boxed = np.zeros_like(scene)
    boxed[16:-16] = scene[: SIZE[0] - 32]
    return boxed


def test_people_come_and_go_before_one_background(tmp_path):
    """Three places; the first filmed with other people and in worse light, the second once letterboxed."""
    dim = (place(1) * 0.6).astype(np.uint8)
    scenes = {
        "a": (place(1), 2),
        "b": (place(1), 5),
        "c": (dim, 4),
        "d": (place(2), 3),
        "e": (place(3), 3),
        "f": (letterboxed(place(1)[:64].repeat(2, axis=0)[: SIZE[0]]), 3),
    }
    clips = {name: film(tmp_path / f"{name}.mp4", scene, people) for name, (scene, people) in scenes.items()}
    found = backgrounds(clips, tmp_path / "backgrounds.npz")
    assert {picture.shape for picture in found.values()} == {(HEIGHT, WIDTH, 3)}
    numbers = dict(zip(found, group([*found.values()], [*found]), strict=True))
    assert numbers["a"] == numbers["b"] == numbers["c"]
    assert len({numbers[name] for name in "adef"}) == 4


def test_black_borders_hide_no_twin():
    scene = place(1)[:64, :96]
    boxed = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    boxed[12:52] = scene[np.linspace(0, 63, 40).astype(int)]
    assert len(set(group([scene, boxed], ["a", "b"]))) == 1
    assert len(set(group([scene, boxed, place(2)[:64, :96]], [*"abc"]))) == 2


def test_parts_of_a_recording_and_all_that_they_chain_are_of_one_camera():
    pictures = [place(seed)[:64, :96] for seed in (1, 2, 2, 3)]
    assert len(set(group(pictures, ["x", "x", "y", "z"]))) == 2
    assert len(set(group(pictures, ["x", "u", "y", "z"]))) == 3


def test_backgrounds_are_made_once(tmp_path):
    clip = film(tmp_path / "a.mp4", place(1), 2)
    first = backgrounds({"s/a": clip}, tmp_path / "kept.npz")
    np.testing.assert_array_equal(first["s/a"], background(clip))
    clip.unlink()
    np.testing.assert_array_equal(first["s/a"], backgrounds({"s/a": clip}, tmp_path / "kept.npz")["s/a"])


def test_a_picture_of_one_colour_is_like_no_other():
    flat = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    assert len(set(group([flat, flat, place(1)[:64, :96]], [*"abc"]))) == 3


def test_the_median_is_the_place_without_who_walks_through_it(tmp_path):
    scene = place(4)
    seen = background(film(tmp_path / "a.mp4", scene, 3)).astype(float)
    still = background(film(tmp_path / "b.mp4", scene, 0)).astype(float)
    assert np.abs(seen - still).mean() == pytest.approx(0, abs=4)
