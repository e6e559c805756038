"""Segments from score curves; a snippet lasts 2/3 s."""

from dataclasses import replace

import numpy as np
import pytest
from analyses import make_analysis

from cmhkf import ConfigError, flag_segments
from cmhkf.segments import class_runs

S = 2 / 3  # seconds in a snippet


def spans(scores, threshold=0.5, **options):
    return [
        (round(s.start_s / S), round(s.end_s / S))
        for s in flag_segments(make_analysis(scores), threshold, **{"merge_gap_s": 0.0} | options)
    ]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1], []),
        ([0.9], [(0, 1)]),
        ([0.5], [(0, 1)]),  # reaching the threshold is enough
        ([0.1, 0.6, 0.7, 0.1], [(1, 3)]),
        ([0.6, 0.1, 0.1, 0.6], [(0, 1), (3, 4)]),
        ([0.45, 0.6, 0.45, 0.39, 0.45], [(0, 3)]),  # inside until under 0.4; the last 0.45 never reached 0.5
        ([0.45, 0.45], []),
    ],
)
def test_enter_and_exit_thresholds(scores, expected):
    assert spans(scores) == expected


@pytest.mark.parametrize(
    ("gap_s", "expected"), [(0.0, [(0, 1), (2, 3)]), (S - 0.01, [(0, 1), (2, 3)]), (S + 0.01, [(0, 3)])]
)
def test_merge_gap(gap_s, expected):
    assert spans([0.9, 0.1, 0.9], merge_gap_s=gap_s) == expected


def test_minimum_length_counts_after_merging():
    assert spans([0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9], merge_gap_s=1.0, min_length_s=1.5) == [(0, 3)]


def test_low_threshold_can_still_close_a_segment():
    assert spans([0.08, 0.0, 0.08], threshold=0.06) == [(0, 1), (2, 3)]


def test_near_misses_are_marked_and_never_overlap_flagged_ones():
    analysis = make_analysis([0.9, 0.44, 0.1, 0.1, 0.1, 0.4, 0.1])
    segments = flag_segments(analysis, 0.5, near_misses=True)
    assert [(round(s.start_s / S), s.near_miss) for s in segments] == [(0, False), (5, True)]


def test_too_short_ones_are_near_misses():
    [only] = flag_segments(make_analysis([0.1, 0.9, 0.1]), 0.5, min_length_s=2.0, near_misses=True)
    assert only.near_miss
    assert only.score == pytest.approx(0.9)


def test_label_peak_and_last_snippet():
    probs = np.array([[0.9, 0.05, 0.05], [0.2, 0.2, 0.6], [0.4, 0.1, 0.5]])
    [segment] = flag_segments(make_analysis([0.1, 0.9, 0.8], class_probs=probs, duration_s=2.3))
    assert (segment.label, segment.label_prob) == ("explosion", pytest.approx(0.55 / 0.70))
    assert segment.peak_s == pytest.approx(1.0)
    assert segment.end_s == 2.3  # the frames after the last whole snippet belong to it


def test_a_name_is_unclear_where_its_share_is_below_what_was_measured():
    """By hand: explosion has .55 of .70 among the anomalies, fighting .15."""
    probs = np.array([[0.2, 0.2, 0.6], [0.4, 0.1, 0.5]])
    for least_share, second, name in ((0.78, "", "explosion"), (0.79, "fighting", "unclear: explosion or fighting")):
        [segment] = flag_segments(make_analysis([0.9, 0.8], class_probs=probs, least_share=least_share))
        assert (segment.label, segment.second, segment.name) == ("explosion", second, name)


ROWS = {"f": (0.1, 0.8, 0.1), "e": (0.1, 0.1, 0.8), "w": (0.1, 0.42, 0.48)}  # w: explosion, with .53 of .9


def changing(snippets, least_share=0.0):
    return make_analysis(
        [0.9] * len(snippets), class_probs=np.array([ROWS[s] for s in snippets]), least_share=least_share
    )


@pytest.mark.parametrize(
    ("snippets", "least_share", "expected"),
    [
        ("ffffffffff", 0.0, []),
        ("ffffffeeee", 0.0, [("fighting", 0, 6), ("explosion", 6, 10)]),
        ("ffffffeee", 0.0, [("fighting", 0, 6), ("explosion", 6, 9)]),  # 2 s are enough
        ("ffffffee", 0.0, []),  # 1.3 s are not
        ("fefefefefeff", 0.0, []),  # as often as it may be the strongest
        ("fffefffeee", 0.0, [("fighting", 0, 7), ("explosion", 7, 10)]),  # what does not last parts nothing
        ("eeefffffffeee", 0.0, [("explosion", 0, 3), ("fighting", 3, 10), ("explosion", 10, 13)]),
        ("effeffeffeffeee", 0.0, [("explosion", 12, 15)]),  # fighting is the strongest over all, and nowhere lasts
        ("ffffffwww", 0.0, [("fighting", 0, 6), ("explosion", 6, 9)]),  # over a half
        ("ffffffwww", 0.6, []),  # its name is unclear
    ],
)
def test_a_segment_that_changes_class_has_its_classes_over_time(snippets, least_share, expected):
    [segment] = flag_segments(changing(snippets, least_share))
    assert [(r.label, round(r.start_s / S), round(r.end_s / S)) for r in segment.class_runs] == expected
    assert segment.label == "fighting"


def test_of_a_part_of_a_segment_the_runs_end_with_it_and_other_classes_than_its_own_are_told():
    analysis = changing("ffffffeeee")
    (first, last) = class_runs(analysis, 1.0, 6.5, "fighting")
    assert (first.start_s, first.end_s, last.end_s) == (1.0, 4.0, 6.5)
    assert class_runs(analysis, 4.0, 6.5, "fighting") == (replace(last, start_s=4.0),)
    assert class_runs(analysis, 4.0, 6.5, "explosion") == ()
    assert class_runs(analysis, 4.1, 4.2, "fighting") == ()


@pytest.mark.parametrize("bad", [{"threshold": 1.2}, {"threshold": float("nan")}, {"min_length_s": -1}])
def test_values_out_of_range_are_named(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        flag_segments(make_analysis([0.5]), **bad)
