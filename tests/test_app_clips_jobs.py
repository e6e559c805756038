"""Background work: order, progress, failure and a cancel that stops."""

import threading
import time

import pytest
from fakes import until, wait

from app.clips.jobs import JobQueue, SoFar
from cmhkf import CmhkfError
from cmhkf.progress import Progress


@pytest.fixture
def jobs():
    made = JobQueue("test")
    yield made
    made.close()


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
    assert (wait(jobs.submit("c", lambda: iter_of("z"))).state, ran) == ("done", [])


def iter_of(value):
    yield value


def test_what_waits_is_done_in_the_order_chosen_by_hand(jobs):
    gate, done = threading.Event(), []

    def work(name):
        if name == "first":
            gate.wait(5)
        done.append(name)
        yield

    made = {name: jobs.submit(name, lambda name=name: work(name)) for name in ("first", "a", "b", "c")}
    until(lambda: made["first"].state == "running")
    jobs.move(made["c"].id, made["a"].id)
    jobs.move(made["a"].id)
    assert [job.key for job in jobs.under_way()] == ["first", "c", "b", "a"]
    with pytest.raises(CmhkfError, match="does not wait any more"):
        jobs.move(made["first"].id)
    with pytest.raises(CmhkfError, match="does not wait any more"):
        jobs.move(made["b"].id, made["first"].id)
    gate.set()
    wait(made["a"])
    assert done == ["first", "c", "b", "a"]


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


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
def test_what_is_known_of_a_result_is_kept_until_the_work_is_over(jobs, end):
    gate, told = threading.Event(), threading.Event()

    def grows():
        yield SoFar("a")
        yield Progress("pictures", 1, 2)
        yield SoFar("ab")
        told.set()
        gate.wait(5)
        if end == "failed":
            raise CmhkfError("no more")
        yield "abc"

    job = jobs.submit("a", grows)
    told.wait(5)
    assert (job.so_far, job.status.grown, job.status.stage, job.status.result) == ("ab", 2, "pictures", None)
    if end == "cancelled":
        jobs.cancel(job.id)
    gate.set()
    assert wait(job).state == end
    assert (job.so_far, job.status.grown) == (None, 0)
    assert job.result == ("abc" if end == "done" else Progress("pictures", 1, 2))
