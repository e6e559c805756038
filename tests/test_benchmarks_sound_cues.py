"""What the benchmark of the sound cues counts, and the table of it, by hand."""

import numpy as np
import pytest

from benchmarks.sound_cues import Heard, report, rises


@pytest.mark.parametrize(
    ("cue", "runs"),
    [([], 0), ([0.4, 0.49], 0), ([0.5], 1), ([0.9, 0.9, 0.2, 0.6], 2), ([0.1, 0.7, 0.8, 0.1], 1)],
)
def test_neighbouring_snippets_count_once(cue, runs):
    assert rises(np.array(cue)) == runs


def test_the_table_holds_hits_rates_and_confusions():
    none = dict.fromkeys(("gunshot", "explosion", "breaking glass", "crowd"), 0)
    heard = {
        "gunshot": [Heard(0.1, none | {"gunshot": 3}), Heard(0.1, none | {"explosion": 1})],
        "explosion": [Heard(0.1, none | {"explosion": 1})],
        "normal": [Heard(1.5, none | {"gunshot": 2}), Heard(0.5, none | {"crowd": 1})],
    }
    lines = list(report(heard))
    assert lines[0].endswith("| false, an hour, in normal | other kinds where it rises |")
    assert lines[2] == "| gunshot | 1 of 2 | 1.0 (0.1-3.6; 2 in 2.00 h) | none |"
    assert lines[3] == "| explosion | 1 of 1 | 0.0 (0.0-1.8; 0 in 2.00 h) | 1 of 2 gunshot |"
    assert lines[4].startswith("| breaking glass | not measured | ")
