"""What a blind look says of the unflagged footage: every number worked out by hand, or summed term by term."""

from math import comb

import pytest

from cmhkf.errors import DataError
from cmhkf.metrics.intervals import binomial_at_most, binomial_interval
from cmhkf.metrics.misses import Bounded, Tally, miss_estimate, miss_short, miss_text


def tail(count, n, p):
    """The chance of `count` or more of `n`."""
    return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(count, n + 1))


def estimated(tally, *, n_windows=100, unflagged_s=600.0, confirmed_s=60.0):
    found = miss_estimate(tally, n_windows=n_windows, unflagged_s=unflagged_s, confirmed_s=confirmed_s)
    assert found
    return found


@pytest.mark.parametrize(("count", "n"), [(1, 20), (3, 20), (10, 20), (19, 20), (2, 59)])
def test_the_interval_of_a_share_leaves_2_5_percent_on_each_side(count, n):
    low, high = binomial_interval(count, n)
    assert (tail(count, n, low), 1 - tail(count + 1, n, high)) == pytest.approx((0.025, 0.025))
    assert 1 - tail(count + 1, n, binomial_at_most(count, n)) == pytest.approx(0.05)


def test_of_nothing_and_of_all_the_interval_is_written_down_by_hand():
    """(1 - p)^20 = 0.025 or, at most alone, 0.05; published: 3 of 20 are 3.207 to 37.893 %."""
    assert binomial_interval(0, 20) == pytest.approx((0, 1 - 0.025**0.05))
    assert binomial_interval(20, 20) == pytest.approx((0.025**0.05, 1))
    assert binomial_at_most(0, 20) == pytest.approx(1 - 0.05**0.05) == pytest.approx(0.1391, abs=5e-5)
    assert binomial_interval(3, 20) == pytest.approx((0.03207, 0.37893), abs=5e-6)


def test_nothing_in_twenty_windows_is_at_most_14_percent():
    said = miss_text(estimated(Tally(nothing=20)))
    assert miss_short(estimated(Tally(nothing=20))) == "0 of 20: at most 14 %"
    assert said[0] == "Something was seen in 0 of 20 windows: at most 14 % of what was not flagged, 95 % sure."
    # 0.1391 of an hour and of ten minutes; 83.46 s beside 60 s
    assert "at most 8.4 minutes in an hour of unflagged footage: at most 1.4 of the 10.0 minutes" in said[1]
    assert said[2] == "Miss rate: at most 59 % of the anomalous time, beside 1.0 minutes of confirmed segments."


def test_what_was_seen_is_told_with_its_interval():
    """3 of 20 of 600 s are 90 s; of 90 + 60 s that is 60 %."""
    found = estimated(Tally(nothing=17, something=3))
    assert (found.share.value, found.missed_s.value, found.minutes_an_hour.value) == (0.15, 90.0, 9.0)
    assert found.miss_rate
    assert found.miss_rate.value == pytest.approx(0.6)
    assert found.miss_rate.low == pytest.approx(0.03207 * 600 / (0.03207 * 600 + 60), abs=1e-5)
    assert found.miss_rate.high == pytest.approx(0.37893 * 600 / (0.37893 * 600 + 60), abs=1e-5)
    assert "3 of 20 windows: 15 % (3.2 to 38; one-sided at most 35) of what" in miss_text(found)[0]
    assert "That is 9 minutes (1.9 to 23; one-sided at most 21) in an hour" in miss_text(found)[1]
    assert miss_short(found) == "3 of 20: at most 35 %"


def test_what_could_not_be_told_is_not_counted_but_weighed():
    found = estimated(Tally(nothing=18, something=1, unsure=1, skipped=2, left=3))
    assert found.share.value == 1 / 19
    assert found.at_most_unsure == pytest.approx(binomial_at_most(2, 20))
    said = miss_text(found)
    assert "1 that could not be told; if all of them held something, it would be at most 29 %" in said[3]
    assert said[4] == "Not counted: 2 skipped."


def test_where_every_window_was_looked_at_nothing_is_estimated():
    found = estimated(Tally(nothing=4, something=1), n_windows=5, unflagged_s=30, confirmed_s=6)
    assert found.complete
    assert found.share == Bounded(0.2, 0.2, 0.2, 0.2)
    assert found.miss_rate == Bounded(0.5, 0.5, 0.5, 0.5)
    said = miss_text(found)
    assert "nothing is estimated" in said[0]
    assert "That is 6 of the 30.0 seconds" in said[1]
    assert "50 % of the anomalous time" in said[2]
    assert not estimated(Tally(nothing=4, unsure=1), n_windows=5).complete


def test_without_an_answer_or_a_confirmed_segment_less_is_known():
    assert miss_estimate(Tally(unsure=3, left=17), n_windows=50, unflagged_s=300, confirmed_s=6) is None
    alone = estimated(Tally(nothing=9, something=1), confirmed_s=0)
    assert alone.miss_rate is None
    assert "Miss rate: not known" in miss_text(alone)[2]


def test_more_answers_than_windows_are_refused():
    with pytest.raises(DataError, match="6 windows were told of 5"):
        estimated(Tally(nothing=5, unsure=1), n_windows=5)
