"""How long analyses are expected to take, by hand."""

import time

import pytest
from test_app_clips_jobs import iter_of

from app.clips.jobs import Job
from app.clips.pace import left_s
from cmhkf.progress import Progress


def job(footage_s, *, done_s=None, ran_s=0.0):
    """One that waits, or that has gone through `done_s` of its footage in `ran_s`."""
    made = Job("k", lambda: iter_of(None), footage_s=footage_s)
    if done_s is not None:
        made.state, made.step = "running", Progress("pictures", done_s, footage_s)
        made.stages = {"pictures": time.monotonic() - ran_s}
    return made


def test_each_waits_for_those_before_it():
    assert left_s([job(100), job(60), job(20)], 0.5) == [50, 80, 90]


def test_one_that_runs_is_measured_by_itself_and_the_others_by_earlier_ones():
    assert left_s([job(100, done_s=25, ran_s=50), job(60)], 0.5) == pytest.approx([150, 180], abs=0.1)


def test_without_earlier_ones_the_one_that_runs_sets_the_pace():
    assert left_s([job(100), job(60)], None) == [None, None]
    assert left_s([job(100, done_s=50, ran_s=20), job(60)], None) == pytest.approx([20, 44], abs=0.1)


def test_a_beginning_says_nothing_of_its_own_speed():
    assert left_s([job(100, done_s=1, ran_s=30)], None) == [None]
    assert left_s([job(100, done_s=1, ran_s=30)], 0.5) == pytest.approx([20], abs=0.1)


def test_nothing_is_known_behind_work_of_unknown_length():
    assert left_s([job(10), job(None), job(10)], 1.0) == [10, None, None]
