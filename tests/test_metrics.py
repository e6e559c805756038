"""Metrics against scikit-learn, and against the literature's protocol written out loop by loop."""

import numpy as np
import pytest
from map_oracle import slow_map
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from cmhkf import ConfigError
from cmhkf.metrics.detection import detection_map
from cmhkf.metrics.frames import frame_ap, frame_auc, frame_metrics, pr_auc

IOUS = (0.1, 0.2, 0.3, 0.4, 0.5)


def random_case(seed, *, levels=None, n_videos=14, n_classes=4):
    """Videos of 1 to 40 snippets with overlapping truths; `levels` makes ties; the last videos are normal."""
    rng = np.random.default_rng(seed)
    probs, truths = [], []
    for video in range(n_videos):
        n = int(rng.integers(1, 41))
        p = rng.random((n, n_classes))
        truth = [(0, 0, 16 * n)]
        if video < n_videos - 4:
            starts = rng.integers(0, 16 * n - 1, size=rng.integers(1, 5))
            truth = [(int(rng.integers(1, n_classes)), int(s), int(s + rng.integers(1, 200))) for s in starts]
            for c, start, end in truth:
                p[start // 16 : end // 16 + 1, c] += 0.5
        probs.append(p if levels is None else np.round(p * levels) / levels)
        truths.append(truth)
    return probs, truths


@pytest.mark.parametrize("levels", [None, 2, 8])
@pytest.mark.parametrize("n_abnormal", [None, 10])
@pytest.mark.parametrize("seed", range(4))
def test_paper_protocol_equals_the_loops(seed, n_abnormal, levels):
    probs, truths = random_case(seed, levels=levels)
    result = detection_map(probs, truths, n_abnormal=n_abnormal)
    expected = [slow_map(probs, truths, iou, n_abnormal) for iou in IOUS]
    assert max(expected) > 0
    assert result.per_iou == pytest.approx(expected, abs=1e-9)
    assert result.average == pytest.approx(np.mean(expected), abs=1e-9)
    assert result.per_class.mean(axis=0) == pytest.approx(expected, abs=1e-9)


def column(*values):
    """A two-class video from the first class's curve."""
    return np.stack([values, 1 - np.array(values)], axis=1)


TOY = [column(0.9, 0.9, 0.2, 0.2, 0.9, 0.8), column(0.95, 0.9, 0.95, 0.9)], [[(1, 32, 64)], [(0, 0, 64)]]


def test_toy_check_by_hand():
    # Video 2 yields the frames 0-16 and 32-48 for class 0: an IoU of 1/4 with its truth of 64 frames.
    assert detection_map(*TOY).per_iou.tolist() == [100, 100, 50, 50, 50]
    assert [slow_map(*TOY, iou) for iou in IOUS] == [100, 100, 50, 50, 50]


def test_a_class_that_predicts_nothing_voids_the_whole_result():
    probs = [np.stack([p[:, 0], p[:, 1], np.full(len(p), 0.5)], axis=1) for p in TOY[0]]
    result = detection_map(probs, TOY[1])
    assert (slow_map(probs, TOY[1], 0.1), result.per_iou.tolist(), result.average) == (0, [0] * 5, 0)
    assert result.per_class[1].tolist() == [100] * 5


def test_a_constant_curve_yields_no_segment_and_other_videos_still_count():
    probs, truths = random_case(7)
    probs[0][:] = 0.25
    probs[3][:] = 0.75
    assert detection_map(probs, truths).per_iou == pytest.approx([slow_map(probs, truths, i) for i in IOUS], abs=1e-9)


def test_overlapping_truths_are_separate_targets():
    probs, twice = [column(0.9, 0.1, 0.1, 0.9)], [[(1, 16, 48), (1, 16, 44)]]
    result = detection_map(probs, twice, "clean")
    assert result.average == 50  # one segment finds one of two
    assert result.average == detection_map(probs, twice).per_class[1].mean()


def perfect_case():
    """Six videos of two anomalies, 20 snippets each, and two normal ones; the curves are the truth itself."""
    truths = [[(1 + v % 2, 32, 96), (1 + v % 2, 160, 240)] for v in range(6)] + [[(0, 0, 320)]] * 2
    probs = []
    for video in truths:
        p = np.zeros((20, 3))
        for c, start, end in video:
            p[start // 16 : end // 16, c] = 1
        p[:, 0] = p[:, 1:].sum(axis=1) == 0
        probs.append(p)
    return probs, truths


def test_a_perfect_detector_is_perfect_in_the_clean_protocol_only():
    probs, truths = perfect_case()
    clean, paper = detection_map(probs, truths, "clean"), detection_map(probs, truths)
    assert clean.average == 100
    assert np.isnan(clean.per_class[0]).all()
    assert clean.per_class[1:].tolist() == [[100] * 5] * 2
    # A normal video's own curve is constant, so the normal class finds nothing there.
    assert (paper.per_class.tolist(), paper.average) == ([[0] * 5, [100] * 5, [100] * 5], pytest.approx(200 / 3))


def test_excluding_normal_videos_keeps_the_normal_class_at_zero():
    result = detection_map(*random_case(1), n_abnormal=10)
    assert result.per_class[0].tolist() == [0] * 5
    assert (result.per_class[1:] >= detection_map(*random_case(1)).per_class[1:]).all()


def test_clean_skips_classes_without_truth_and_scores_silent_ones_zero():
    probs, truths = perfect_case()
    result = detection_map([np.pad(p, ((0, 0), (0, 1)), constant_values=0.9) for p in probs], truths, "clean")
    assert result.average == 100
    assert np.isnan(result.per_class[3]).all()
    silent = [p * [1, 1, 0.4] for p in probs]
    assert detection_map(silent, truths, "clean").average == 50
    assert detection_map(silent, truths, "clean", threshold=0.4).average == 100


def test_clean_threshold_is_absolute_and_false_alarms_cost_by_their_rank():
    truths = [[(1, 0, 32)], []]
    probs = [column(0.2, 0.2, 0.9, 0.9), column(0.1, 0.1, 0.9, 0.9)]
    assert detection_map(probs, truths, "clean", threshold=0.75).average == 50  # the false alarm of video 2 comes first
    assert detection_map(probs, truths, "clean", threshold=0.85).average == 0
    assert detection_map(probs, truths, "clean", threshold=0.75, n_abnormal=1).average == 100


def test_a_run_ends_with_its_video():
    probs = [column(0.9, 0.1), column(0.1, 0.9)]
    assert detection_map(probs, [[(1, 16, 32)], [(1, 0, 16)]], "clean", (1.0,)).average == 100


def test_clean_cuts_truth_where_the_snippets_end_and_paper_does_not():
    """Three snippets, 48 frames: half of a truth of 32 frames, and one that begins after the last."""
    truths = [[(1, 32, 64), (1, 48, 60)]]
    probs = [column(0.9, 0.9, 0.1)]
    assert detection_map(probs, truths, "clean").per_class[1].tolist() == [100] * 5
    assert detection_map(probs, truths, iou=(0.5, 0.6)).per_class[1].tolist() == [50, 0]


def frames(seed, *, levels, n=3000):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.23).astype(np.uint8)
    scores = rng.normal(size=n) + labels
    return (scores if levels is None else np.round(scores * levels) / levels), labels


@pytest.mark.parametrize("levels", [None, 1, 10])
@pytest.mark.parametrize("seed", range(3))
def test_frame_metrics_equal_scikit_learn(seed, levels):
    scores, labels = frames(seed, levels=levels)
    precision, recall, _ = precision_recall_curve(labels, scores)
    assert frame_ap(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert frame_auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert pr_auc(scores, labels) == pytest.approx(auc(recall, precision), abs=1e-12)


def test_masked_frames_do_not_count():
    scores, labels = frames(5, levels=10)
    mask = np.arange(len(scores)) < 1000
    masked = frame_metrics(scores, labels.astype(bool), mask=mask)
    assert masked == frame_metrics(scores[:1000], labels[:1000].astype(float))
    assert (masked.ap, masked.auc, masked.pr_auc) == tuple(
        metric(scores, labels, mask=mask) for metric in (frame_ap, frame_auc, pr_auc)
    )


def test_a_constant_score_has_the_prevalence_as_ap():
    result = frame_metrics(np.full(4, 0.3), np.array([1, 0, 0, 0]))
    assert (result.ap, result.prevalence, result.auc) == (0.25, 0.25, 0.5)
    assert result.pr_auc == (1 + 0.25) / 2  # one straight line from (0, 1) to (1, 0.25)


@pytest.mark.parametrize(
    ("scores", "labels", "mask", "message"),
    [
        ([0.1, 0.2], [0, 1, 0], None, r"labels has shape \(3,\) and scores \(2,\).*repeat a snippet's score 16"),
        ([[0.1, 0.2]], [0, 1], None, r"scores has shape \(1, 2\)"),
        ([0.1, 0.2], [0, 1], [True], r"mask has shape \(1,\) and scores \(2,\)"),
        ([0.1, 0.2], [0, 1], [0, 1], "mask is of type int64; it must be bool"),
        ([0.1, float("nan")], [0, 1], None, "scores hold 1 values that are not finite"),
        ([0.1, 0.2], [1, 1], None, r"labels hold the values \[1\]; they must be 0 and 1"),
        ([0.1, 0.2], [0, 2], None, r"labels hold the values \[0, 2\]"),
        ([], [], None, r"labels hold the values \[\]"),
    ],
)
def test_frame_errors_name_the_value(scores, labels, mask, message):
    with pytest.raises(ConfigError, match=message):
        frame_ap(np.array(scores), np.array(labels), mask=None if mask is None else np.array(mask))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_probs": []}, "class_probs is empty"),
        ({"class_probs": TOY[0][:1]}, "ground_truth has 2 videos and class_probs 1"),
        ({"class_probs": [TOY[0][0], np.ones((4, 3))]}, r"class_probs\[1\] has shape \(4, 3\) and the first \(6, 2\)"),
        ({"class_probs": [TOY[0][0], np.ones((0, 2))]}, r"class_probs\[1\] has shape \(0, 2\)"),
        ({"class_probs": [TOY[0][0], np.full((4, 2), np.nan)]}, r"class_probs\[1\] holds values that are not finite"),
        ({"ground_truth": [[(2, 0, 16)], []]}, r"ground_truth\[0\] holds \(2, 0, 16\).*class from 0 to 1"),
        ({"ground_truth": [[], [(1, 16, 16)]]}, r"ground_truth\[1\] holds \(1, 16, 16\)"),
        ({"ground_truth": [[], [(0, 0, 64)]], "protocol": "clean"}, "ground_truth holds no anomaly"),
        ({"protocol": "strict"}, "protocol is 'strict'; choose one of paper, clean"),
        ({"iou": (0.0, 0.5)}, r"iou is \(0.0, 0.5\)"),
        ({"iou": ()}, r"iou is \(\)"),
        ({"threshold": 0.0}, "threshold is 0.0"),
        ({"n_abnormal": 3}, "n_abnormal is 3; it must lie between 1 and the 2 videos"),
    ],
)
def test_detection_errors_name_the_value(change, message):
    with pytest.raises(ConfigError, match=message):
        detection_map(**{"class_probs": TOY[0], "ground_truth": TOY[1]} | change)
