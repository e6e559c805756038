"""Background work: order, progress, failure and a cancel that stops."""

import threading
import time

import pytest

from app.jobs import Jobs
from cmhkf import CmhkfError


@pytest.fixture
def jobs():
    made = Jobs("test")
    yield made
    made.close()


def wait(job, seconds=5.0):
    end = time.monotonic() + seconds
    while not job.over:
        assert time.monotonic() < end, f"job still {job.state}"
        time.sleep(0.005)
    return job


def test_the_last_step_is_the_result(jobs):
    job = wait(jobs.submit("a", lambda: (x for x in (1, 2, 3))))
    assert (job.state, job.result, job.error) == ("done", 3, "")


def test_work_runs_one_at_a_time_in_order(jobs):
    running, seen = [], []

    def work(name):
        running.append(name)
        seen.append((name, len(running)))
        yield
        time.sleep(0.02)
        running.remove(name)

    for job in [jobs.submit(name, lambda name=name: work(name)) for name in "abc"]:
        wait(job)
    assert seen == [("a", 1), ("b", 1), ("c", 1)]


def test_the_same_key_joins_the_job_under_way(jobs):
    gate = threading.Event()

    def work():
        gate.wait(5)
        yield "x"

    first = jobs.submit("clip", work)
    assert jobs.submit("clip", work) is first
    gate.set()
    wait(first)
    assert jobs.submit("clip", work) is not first


def test_cancel_closes_the_iterator(jobs):
    closed = threading.Event()

    def work():
        try:
            while True:
                yield "step"
                time.sleep(0.005)
        finally:
            closed.set()

    job = jobs.submit("a", work)
    while job.state != "running":
        time.sleep(0.005)
    jobs.cancel(job.id)
    assert wait(job).state == "cancelled"
    assert closed.is_set()
    assert job.result != "done"


def test_cancel_of_a_waiting_job_is_immediate_and_it_never_runs(jobs):
    gate, ran = threading.Event(), []

    def hold():
        gate.wait(5)
        yield

    def second():
        ran.append(1)
        yield

    first, waiting = jobs.submit("a", hold), jobs.submit("b", second)
    jobs.cancel(waiting.id)
    assert waiting.state == "cancelled"
    gate.set()
    wait(first)
    assert wait(jobs.submit("c", lambda: iter_of("z"))).state == "done"
    assert ran == []


def iter_of(value):
    yield value


def test_errors_for_people_and_errors_of_ours(jobs, caplog):
    def fails(error):
        yield "step"
        raise error

    known = wait(jobs.submit("a", lambda: fails(CmhkfError("x.mp4 has no picture"))))
    assert (known.state, known.error) == ("failed", "x.mp4 has no picture")
    ours = wait(jobs.submit("b", lambda: fails(ZeroDivisionError("secret inside"))))
    assert ours.state == "failed"
    assert "secret" not in ours.error
    assert ours.id in ours.error
    assert ours.id in caplog.text
    assert "secret inside" in caplog.text
    assert wait(jobs.submit("c", lambda: iter_of(1))).state == "done"  # the worker lives on


def test_an_unknown_job_is_named(jobs):
    with pytest.raises(CmhkfError, match="no job 'zzz'"):
        jobs.get("zzz")


def test_close_stops_what_runs():
    jobs = Jobs("test")

    def endless():
        while True:
            yield
            time.sleep(0.005)

    job = jobs.submit("a", endless)
    jobs.close()
    assert job.state in ("cancelled", "queued")
