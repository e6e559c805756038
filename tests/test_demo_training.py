"""How the demo checkpoint is trained, on made-up rows: splits, heads, projection, calibration. No footage is needed."""

import numpy as np
import pytest
import torch

from checkpoints.training import teacher as teaching
from checkpoints.training.footage import (
    CLASSES,
    CRASHES,
    FIGHTS,
    SNIPPET_S,
    UCF,
    Video,
    in_development,
    read_footage,
)
from checkpoints.training.measure import alarms_per_hour, calibrate, figures
from checkpoints.training.student import MODEL, with_projection
from checkpoints.training.teacher import HEADS, fit_teacher, split
from cmhkf.encoders.embedded_video import VIDEO_DIM
from cmhkf.errors import DataError
from cmhkf.folders import Rows
from cmhkf.model import build_model


def video(name, source, label=0, n=3, *, signal=0.0, segments=(), seed=0):
    rows = np.random.default_rng([seed, *name.encode()]).normal(size=(n, VIDEO_DIM)).astype(np.float32)
    rows += signal * (label > 0)
    kind = CLASSES[label]
    return Video(name, name, source, kind, label, Rows(name, rows, rows[:, :384], None), segments)


def footage(n=12, signal=0.3):
    labels = {UCF: 3, FIGHTS: 1, CRASHES: 5}
    return [
        video(f"{source} {i}", source, label * (i % 2), signal=signal)
        for source, label in labels.items()
        for i in range(n)
    ]


def test_seconds_inside_the_marked_segments():
    """By hand: snippets of 2/3 s; 1.0-1.5 s covers a third of a second of the second and a sixth of the third."""
    marked = video("a", UCF, 1, 3, segments=((1.0, 1.5),))
    np.testing.assert_allclose(marked.anomalous_s(), [0, 1 / 3, 1 / 6], atol=1e-9)
    assert video("b", UCF, 1, 3, segments=((0, 99), (0, 99))).anomalous_s() == pytest.approx([SNIPPET_S] * 3)


def test_recordings_never_lie_on_both_sides():
    videos = footage()
    twins = [video("UCF twin", UCF, 3), video("full twin", "complete_with_gt", 3)]
    for twin in twins:
        object.__setattr__(twin, "group", "same recording")
    seen = []
    for train, held in split([*videos, *twins], 5, 0):
        groups = [{[*videos, *twins][i].group for i in side} for side in (train, held)]
        assert not groups[0] & groups[1]
        seen += held.tolist()
    assert sorted(seen) == list(range(len(videos) + 2))


def test_the_halves_share_out_every_class():
    videos = footage()
    chosen = in_development(videos)
    assert chosen == in_development(videos[::-1])[::-1]
    for source in (UCF, FIGHTS, CRASHES):
        for abnormal in (True, False):
            share = [c for c, v in zip(chosen, videos, strict=True) if (v.source, v.abnormal) == (source, abnormal)]
            assert sum(share) == 3


def test_heads_find_the_signal_and_are_judged_on_videos_they_did_not_see():
    videos = footage(signal=1.0)
    made = fit_teacher(videos, dim=16, seed=0)
    assert made.project.weight.shape == (VIDEO_DIM, 16)
    abnormal = np.array([v.abnormal for v in videos])
    for head in range(len(HEADS)):
        means = np.array([rows[:, head].mean() for rows in made.held_out])
        assert means[abnormal].min() > means[~abnormal].max()
    every = np.concatenate(made.held_out)[:, : len(HEADS)]
    np.testing.assert_allclose(every.std(axis=0), 1, atol=1e-4)


def test_without_a_signal_held_out_views_know_nothing():
    """What heads say of videos they were fitted to would separate them perfectly."""
    videos = footage(n=20, signal=0.0)
    made = fit_teacher(videos, dim=16, seed=0)
    abnormal = np.array([v.abnormal for v in videos])
    held = np.array([rows[:, 0].mean() for rows in made.held_out])
    fitted = np.array([(v.rows.video @ made.project.weight + made.project.bias)[:, 0].mean() for v in videos])
    short = np.array([v.source != UCF for v in videos])
    assert (fitted[short & abnormal].min()) > fitted[short & ~abnormal].max()
    assert abs(held[short & abnormal].mean() - held[short & ~abnormal].mean()) < 1


def test_the_projection_becomes_the_first_layer():
    torch.manual_seed(0)
    model = build_model(MODEL).eval()
    made = fit_teacher(footage(), dim=MODEL.dim, seed=0)
    rows, text = footage()[0].rows, torch.randn(len(CLASSES), 384)
    projected = torch.from_numpy(rows.video @ made.project.weight + made.project.bias)[None]
    given = {"lengths": torch.tensor([3]), "text": text, "semantic": torch.from_numpy(rows.semantic)[None]}
    with torch.inference_mode():
        plain = model(projected, **given)
        whole = with_projection(model, made.project, operating_logit=0.75)
        shipped = whole(torch.from_numpy(rows.video)[None], **given)
    torch.testing.assert_close(shipped.logits, plain.logits - 0.75, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(shipped.class_probs, plain.class_probs, atol=1e-4, rtol=1e-4)
    assert whole.config.operating_logit == 0.75


def test_the_threshold_keeps_to_the_stated_rate():
    """By hand: 5400 snippets are an hour; three peaks, of which two lie a snippet apart and are one alarm."""
    curve = np.zeros(5400)
    curve[[10, 12, 1000]] = 3, 2, 1
    assert [alarms_per_hour([curve], t) for t in (3, 2, 1, 0.5)] == [1, 1, 2, 2]
    assert calibrate([curve], 1) == 2
    assert calibrate([curve], 2) == 0  # the zeros are one long alarm
    assert calibrate([curve], 0) > 3


def test_figures_weigh_snippets_by_seconds_and_clips_by_their_peak():
    videos = [
        video("a", UCF, 1, 3, segments=((0, SNIPPET_S),)), video("n", UCF, 0, 2),
        video("f", FIGHTS, 1), video("g", FIGHTS), video("h", FIGHTS, 1),
    ]  # fmt: skip
    scores = [np.array(s, float) for s in ([2, 3, 0], [1, 1], [0, 9, 0], [5, 5, 5], [4, 4, 4])]
    found = {f.name: f for f in figures(videos, scores)}
    assert found["UCF-Crime snippets, frame AUC"].auc.value == pytest.approx(3 / 4)
    assert found["the same, abnormal videos only"].auc.value == pytest.approx(1 / 2)
    assert found["CCTV fights, AUC by clip peak"].auc.value == pytest.approx(1 / 2)
    assert set(found) == {
        "UCF-Crime snippets, frame AUC", "the same, abnormal videos only", "CCTV fights, AUC by clip peak",
    }  # fmt: skip


def test_a_folder_without_the_sources_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no features"):
        read_footage(tmp_path, tmp_path)


def test_blur_is_a_mean_that_keeps_to_the_video():
    np.testing.assert_allclose(teaching.blur(np.array([3.0, 0, 0, 0]), 3), [1.5, 1, 0, 0])
