"""What the benchmark of robustness lets pass, by hand."""

import numpy as np
import pytest

from benchmarks.robustness import OUTSIDE, WAYS, row

FULL = [np.array([0.1, 0.6, 0.2]), np.array([0.1, 0.2])]


@pytest.mark.parametrize(
    ("way", "shift", "fails", "verdict"),
    [
        ("in full", 0.0, False, "yes"),
        ("160 lines", 0.04, False, "yes"),
        ("160 lines", -0.06, True, "FAILS"),
        ("night", 0.06, False, "outside"),
    ],
)
def test_a_way_that_should_hold_fails_past_the_tolerance(way, shift, fails, verdict):
    line, failed = row(way, FULL, [scores + shift for scores in FULL])
    assert failed is fails
    assert line.endswith(f"| {verdict} |")


def test_the_line_counts_clips_and_compares_what_both_curves_cover():
    curves = [np.array([0.1, 0.5, 0.2, 0.9]), np.array([0.1])]  # the first is longer, the second shorter
    assert row("8 frames a second", FULL, curves, within=0.05) == (
        "| 8 frames a second | 0.90 | 0.025 | 0.10 | 1 of 1 | 0 of 1 | yes |",
        False,
    )
    assert row("8 frames a second", FULL, curves, within=0.02)[1]


def test_every_way_outside_is_a_way():
    assert set(OUTSIDE) < set(WAYS)
