"""The demo preset's untrained score, against a loop and by hand. Rows are made here; no network runs."""

from __future__ import annotations

import numpy as np
import pytest

from cmhkf.encoders.demo.score import appearance_change, untrained_score
from cmhkf.encoders.demo.video import APPEARANCE, APPEARANCE_NORM, CHANGE, CHANGE_NORM, VIDEO_DIM


def rows(n: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, VIDEO_DIM), dtype=np.float32)


def calm(n: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A still camera: the same picture in every snippet, ordinary noise, nothing heard."""
    video = np.repeat(rows(1), n, axis=0)
    video[:, CHANGE] = 0
    return video, {"motion": np.full(n, 0.003), "fight actions": np.full(n, 0.01), "gunshot": np.full(n, 0.03)}


@pytest.mark.parametrize("n", [2, 3, 4, 9])
def test_appearance_change_equals_a_loop(n):
    video = rows(n)
    seen = video[:, APPEARANCE].astype(float) * APPEARANCE_NORM
    spread = video[:, CHANGE].astype(float) * CHANGE_NORM
    change = []
    for i in range(n):
        a, b = (seen[0], seen[1]) if i == 0 else (seen[i - 1], seen[i])
        change.append(1 - a @ b / np.sqrt(a @ a) / np.sqrt(b @ b) + spread[i] @ spread[i] / (seen[i] @ seen[i]))
    expected = [np.mean(change[max(0, i - 2) : i + 3]) for i in range(n)]
    np.testing.assert_allclose(appearance_change(video), expected, rtol=1e-5)


def test_one_snippet_has_only_what_changes_inside_it():
    video, cues = calm(1)
    assert (appearance_change(video), untrained_score(video, cues).shape) == (pytest.approx([0]), (1,))


def test_the_formula_by_hand():
    video, cues = calm(7)
    expected = 1 - (0.05 / 0.053) * (0.15 / 0.16) * (0.3 / 0.33)  # nothing changes in appearance: motion is stronger
    np.testing.assert_allclose(untrained_score(video, cues), expected, rtol=1e-4)
    assert expected < 0.25


@pytest.mark.parametrize(("cue", "half"), [("fight actions", 0.15), ("gunshot", 0.3)])
def test_one_cue_alone_is_worth_a_look_at_its_half(cue, half):
    video, cues = calm(9)
    cues = {name: np.zeros(9) for name in cues}
    cues[cue][4] = half
    score = untrained_score(video, cues)
    assert (score[4], score[[3, 5]].max()) == (pytest.approx(0.5, abs=1e-5), pytest.approx(0, abs=1e-5))


def test_a_cut_stands_out_of_a_still_clip():
    video, cues = calm(20)
    video[10:, APPEARANCE] = rows(20, seed=1)[:1, APPEARANCE] ** 8  # another scene from the tenth snippet on
    score = untrained_score(video, cues)
    assert score.argmax() in range(8, 13)
    assert score.max() > score[0] + 0.2


def test_a_restless_clip_is_measured_against_itself():
    """Every snippet moves far more than a still camera: each reads 1 / (1 + 1.5), and what moves most stands out."""
    video, cues = calm(21)
    cues = {name: np.zeros(21) for name in cues}
    cues["motion"] = np.full(21, 0.2)
    np.testing.assert_allclose(untrained_score(video, cues), 0.4, atol=1e-5)
    cues["motion"][8:13] = 0.6
    score = untrained_score(video, cues)
    assert (score[10], score[0]) == (pytest.approx(0.6 / (0.6 + 0.3), abs=1e-5), pytest.approx(0.4, abs=1e-5))


def test_sound_may_be_missing_and_never_lowers_the_score():
    video, cues = calm(5)
    seen = {name: values for name, values in cues.items() if name != "gunshot"}
    assert (untrained_score(video, seen) <= untrained_score(video, cues)).all()


def test_scores_stay_within_bounds():
    video = rows(50)
    cues = {name: np.random.default_rng(2).random(50) for name in ("motion", "fight actions", "gunshot", "screams")}
    score = untrained_score(video, cues)
    assert score.dtype == np.float32
    assert (score >= 0).all()
    assert (score <= 1).all()
