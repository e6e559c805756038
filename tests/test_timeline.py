"""Timeline arithmetic against counting by hand in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from cmhkf.timeline import Timeline, n_snippets_of

RATES = [Fraction(24), Fraction(30), Fraction(30000, 1001), Fraction(981, 50), Fraction(1)]


@pytest.mark.parametrize(("frames", "n"), [(0, 1), (1, 1), (15, 1), (16, 1), (31, 1), (32, 2), (1412, 88), (1416, 88)])
def test_trailing_frames_are_dropped_but_one_snippet_stays(frames, n):
    assert n_snippets_of(frames) == n


@pytest.mark.parametrize("rate", RATES)
def test_times_are_the_exact_ones_rounded_once(rate):
    line = Timeline(5000, 4000.0, rate)
    for n in (0, 1, 2, 255, 256, 4999):
        assert line.times_s[n] == pytest.approx(float(n * 16 / rate), rel=1e-15)
        assert line.ends_s[n] == pytest.approx(float((n + 1) * 16 / rate), rel=1e-15)
    np.testing.assert_allclose(line.ends_s[:-1], line.times_s[1:], rtol=1e-15)
    assert line.snippet_s == float(16 / rate)


@pytest.mark.parametrize("rate", RATES)
def test_snippet_and_frame_at_a_time_are_found_by_looking(rate):
    line = Timeline(20, float(320 / rate), rate)
    for milliseconds in range(0, int(line.duration_s * 1000), int(line.snippet_s * 150)):
        time_s = milliseconds / 1000
        holding = [n for n in range(20) if n * 16 / rate <= Fraction(milliseconds, 1000) < (n + 1) * 16 / rate]
        shown = max(k for k in range(321) if k / rate <= Fraction(milliseconds, 1000))
        assert ([line.snippet_at(time_s)], line.frame_at(time_s)) == (holding, shown)


@pytest.mark.parametrize("rate", RATES)
def test_a_snippet_is_found_at_its_own_start(rate):
    line = Timeline(3000, float(48_000 / rate), rate)
    assert [line.snippet_at(t) for t in line.times_s] == list(range(3000))
    assert [line.frame_at(t) for t in line.times_s] == list(range(0, 48_000, 16))


def test_times_outside_belong_to_the_first_and_last_snippet():
    line = Timeline(3, 2.4)
    assert (line.snippet_at(-5.0), line.snippet_at(99.0), line.frame_at(-5.0)) == (0, 2, 0)


@pytest.mark.parametrize(
    ("n", "lengths"),
    [(1, [1]), (255, [255]), (256, [256]), (257, [256, 1]), (512, [256, 256]), (5000, [256] * 19 + [136])],
)
def test_windows_cover_every_snippet_once_and_none_is_empty(n, lengths):
    windows = Timeline(n, n * 2 / 3).windows()
    assert [w.stop - w.start for w in windows] == lengths
    assert np.concatenate([np.arange(n)[w] for w in windows]).tolist() == list(range(n))


@pytest.mark.parametrize("bad", [(0, 1.0, Fraction(24)), (1, 0.0, Fraction(24)), (1, 1.0, Fraction(0))])
def test_a_timeline_without_time_is_refused(bad):
    with pytest.raises(ValueError, match="needs snippets, a rate and a duration"):
        Timeline(*bad)
