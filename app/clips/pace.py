"""About how long the analyses under way will take, each with those before it."""

import time
from collections.abc import Sequence

from app.clips.jobs import Job
from cmhkf.progress import Progress

LEAST_SHARE = 0.05  # of a stage done before its own speed is trusted
MAIN_STAGE = "pictures"  # takes nearly all of the time


def left_s(jobs: Sequence[Job], pace: float | None) -> list[float | None]:
    """Seconds until each job is done, None from the first one on of which nothing can be said.

    `jobs` run one after the other in this order; `pace` is how many seconds earlier ones took for a second of footage.
    """
    found: list[float | None] = []
    before: float | None = 0.0
    for job in jobs:
        measured = _measured(job)
        pace = measured if pace is None else pace
        own = _own(job, measured, pace)
        before = None if before is None or own is None else before + own
        found.append(before)
    return found


def _own(job: Job, measured: float | None, pace: float | None) -> float | None:
    """What is left of one job, when its turn has come."""
    if measured is not None:
        return measured * (job.step.total - job.step.done)
    if pace is None or job.footage_s is None:
        return None
    ran_s = time.monotonic() - min(job.stages.values()) if job.stages else 0.0
    return max(0.0, pace * job.footage_s - ran_s)


def _measured(job: Job) -> float | None:
    """Seconds for a second of footage, by the main stage of a job that is in it."""
    step = job.step
    if job.footage_s is None or not isinstance(step, Progress) or step.stage != MAIN_STAGE:
        return None
    if not step.total or step.done < LEAST_SHARE * step.total:
        return None
    return (time.monotonic() - job.stages[MAIN_STAGE]) / step.done
