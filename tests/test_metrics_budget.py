"""Thresholds from a budget of alarms, by hand and by drawing."""

import numpy as np
import pytest

from cmhkf.errors import ConfigError
from cmhkf.metrics.budget import alarm_budget, minute_peaks

NINE = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


@pytest.mark.parametrize(
    ("per_hour", "threshold", "expected", "n_flagged"),
    [
        (6, 0.91, 6, 0),  # 60 (0 + 1) / 10
        (11.9, 0.91, 6, 0),
        (12, 0.81, 12, 1),
        (30, 0.51, 30, 4),
        (60, 0.01, 60, 9),
    ],
)
def test_the_lowest_threshold_that_keeps_to_the_budget(per_hour, threshold, expected, n_flagged):
    found = alarm_budget(NINE, per_hour, source="a camera")
    assert (found.threshold, found.expected, found.n_flagged) == (threshold, pytest.approx(expected), n_flagged)
    assert found.flagged.value == pytest.approx(60 * n_flagged / 9)


def test_the_interval_and_the_sentence():
    """A count of 1 is 0.0253 to 5.5716 by the tables; in 9 of 60 minutes of an hour."""
    found = alarm_budget(NINE, 12, source="a camera")
    assert found.flagged[1:] == pytest.approx((60 / 9 * 0.0253, 60 / 9 * 5.5716), rel=1e-2)
    assert found.said == (
        "Threshold 0.81: at most 12 false alarms an hour.\n"
        "Set on 9 normal minutes of a camera.\n"
        "How sure: 1 of them has an alarm then, 6.7 an hour (95 % interval 0.17 to 37); expect 12 or fewer in new "
        "footage alike."
    )
    many = alarm_budget(np.array([0.9]), 60, source="a camera")  # of one minute, at most 334 by the tables
    assert "Set on 1 normal minute of a camera.\n" in many.said
    assert "interval 1.5 to 330)" in many.said


def test_few_minutes_promise_little():
    few = (
        r"^at most 1 false alarm an hour takes 59 normal minutes, and there are 9 of a camera; .*, or allow 6 or more$"
    )
    with pytest.raises(ConfigError, match=few):
        alarm_budget(NINE, 1, source="a camera")
    for per_hour in (6, 60, 600):
        with pytest.raises(ConfigError, match=r"there is not one whole minute of a camera; .* your own$"):
            alarm_budget(NINE[:0], per_hour, source="a camera")
    assert alarm_budget(np.linspace(0, 0.5, 59), 1, source="a camera").threshold == 0.51
    with pytest.raises(ConfigError, match=r"1 of 9 normal minutes of a camera score as high as .* allow 12 or more"):
        alarm_budget(np.append(NINE[:8], 1.0), 6, source="a camera")
    for wrong in (0, -1, np.inf, np.nan):
        with pytest.raises(ConfigError, match="is no budget"):
            alarm_budget(NINE, wrong, source="a camera")


@pytest.mark.parametrize("peaks", [NINE, np.append(NINE, 1.0), np.ones(40), np.append(np.linspace(0, 1, 65), 1.0)])
def test_what_a_refusal_says_to_allow_is_kept_to(peaks):
    for per_hour in (0.01, 0.5, 1, 2, 6):
        try:
            alarm_budget(peaks, per_hour, source="")
        except ConfigError as error:
            allowed = float(str(error).partition("allow ")[2].split()[0])
            assert alarm_budget(peaks, allowed, source="").expected <= allowed


def test_the_promise_holds_on_minutes_that_it_was_not_set_on():
    """Of exchangeable minutes, drawn 4000 times, no more than the budget is flagged on average."""
    random = np.random.default_rng(0)
    rates = []
    for _ in range(4000):
        peaks = random.beta(2, 5, 40)
        rates.append(60 * (peaks[39] >= alarm_budget(peaks[:39], 6, source="").threshold))
    assert 4.5 < np.mean(rates) < 6 + 3 * np.std(rates) / np.sqrt(4000)
    assert np.mean(rates) == pytest.approx(6, abs=1)  # 60 · 4 / 40 at most


def test_minutes_run_on_over_short_clips_and_the_rest_is_dropped():
    """90 s of 30 s snippets, then 50 s of one: minutes of the snippets that begin in them, and 20 s left over."""
    long = (np.array([0.1, 0.5, 0.2]), np.full(3, 30.0))
    short = (np.array([0.7]), np.array([50.0]))
    assert minute_peaks([long, short]).tolist() == [0.5, 0.7]
    assert minute_peaks([long]).tolist() == [0.5]
    assert minute_peaks([(np.array([0.4]), np.array([59.9]))]).tolist() == []
    assert minute_peaks([]).tolist() == []
