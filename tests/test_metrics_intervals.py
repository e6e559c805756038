"""Intervals over videos against resamples put together frame by frame and measured by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from cmhkf.errors import DataError
from cmhkf.metrics.intervals import measure, poisson_interval

RNG = np.random.default_rng(0)
LENGTHS = [9, 4, 15, 1, 12, 7]
GROUPS = np.repeat([30, 7, 8, 21, 5, 6], LENGTHS)
POSITIVE = np.where(np.isin(GROUPS, [30, 8, 5]), RNG.integers(0, 17, len(GROUPS)), 0)
SCORES = np.round(RNG.random(len(GROUPS)) + POSITIVE / 20, 1)  # with ties


def by_sklearn(rows):
    """Oracle: AP, PR-AUC and AUC of the frames of some rows."""
    scores = np.repeat(SCORES[rows], 16)
    labels = np.concatenate([np.arange(16) < POSITIVE[row] for row in rows])
    precision, recall, _ = precision_recall_curve(labels, scores)
    return average_precision_score(labels, scores), auc(recall, precision), roc_auc_score(labels, scores)


def test_values_and_intervals_equal_resampled_frames():
    found = measure(SCORES, POSITIVE, 16 - POSITIVE, GROUPS, resamples=60, seed=3)
    values = by_sklearn(range(len(SCORES)))
    assert (found.ap.value, found.pr_auc.value, found.auc.value) == pytest.approx(values)
    assert (found.prevalence, found.n_groups) == (pytest.approx(POSITIVE.sum() / (16 * len(POSITIVE))), 6)
    draws, random, names = [], np.random.default_rng(3), np.unique(GROUPS)
    for _ in range(60):
        drawn = names[random.integers(6, size=6)]
        rows = np.concatenate([np.flatnonzero(np.equal(GROUPS, name)) for name in drawn])
        if POSITIVE[rows].any():  # else no metric is defined
            draws.append(by_sklearn(rows))
    assert found.n_resamples == len(draws)
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    for k, interval in enumerate((found.ap, found.pr_auc, found.auc)):
        assert interval[1:] == pytest.approx((low[k], high[k]))
        assert interval.low <= interval.value <= interval.high


def test_resamples_of_one_kind_are_skipped_and_counted():
    found = measure(np.array([0.9, 0.2]), np.array([5, 0]), np.array([0, 5]), np.array([0, 1]), resamples=200)
    assert 60 < found.n_resamples < 140  # half of the draws hold both videos
    assert found.auc == (1, 1, 1)


def test_without_resamples_there_is_no_interval():
    found = measure(SCORES, POSITIVE, 16 - POSITIVE, GROUPS, resamples=0)
    assert found.n_resamples == 0
    assert np.isnan(found.auc[1:]).all()


def test_a_seed_gives_the_same_interval_again():
    args = (SCORES, POSITIVE, 16 - POSITIVE, GROUPS)
    one, same, other = (measure(*args, resamples=50, seed=seed).auc for seed in (1, 1, 2))
    assert one == same != other


def test_rows_may_be_anything_with_weights():
    """Seconds of video, with fractions: twice the weights change nothing."""
    one = measure(SCORES, POSITIVE / 16, 1 - POSITIVE / 16, GROUPS, resamples=20)
    two = measure(SCORES, POSITIVE / 8, 2 - POSITIVE / 8, GROUPS, resamples=20)
    assert (*one.ap, *one.auc) == pytest.approx((*two.ap, *two.auc))


@pytest.mark.parametrize(
    ("scores", "positive", "message"),
    [
        ([0.1, 0.2, 0.3], [1, 0], "3 scores, 2 and 2 weights and 2 videos"),
        ([0.1, np.nan], [1, 0], "1 scores are not finite"),
        ([0.1, 0.2], [0, 0], "of 2 frames 0 are anomalous; both kinds are needed"),
        ([0.1, 0.2], [1, 1], "of 2 frames 2 are anomalous"),
    ],
)
def test_what_cannot_be_measured_is_refused(scores, positive, message):
    with pytest.raises(DataError, match=message):
        measure(np.array(scores), np.array(positive), 1 - np.array(positive), np.arange(2))


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0, 3.6889), (1, 0.0253, 5.5716), (4, 1.0899, 10.2416), (10, 4.7954, 18.3904)]
)
def test_the_interval_of_a_count(count, low, high):
    """Oracle: published tables of the exact 95 % interval of a Poisson count; 0 by hand: exp(-high) = 0.025."""
    assert poisson_interval(count) == pytest.approx((low, high), abs=5e-5)
