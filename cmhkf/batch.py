"""Many videos, one Analysis file each: in this process, in several, or on a Ray cluster.

What a folder holds already is not made again: a video is known by its content, and its analysis by the model that made
it (`results.py`). Files are written whole or not at all, so a run that was killed goes on where it was.
"""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cmhkf.caution import caution
from cmhkf.errors import CmhkfError, ConfigError
from cmhkf.files import sha256_of
from cmhkf.media import remote
from cmhkf.media.children import die_with
from cmhkf.media.clip import probe
from cmhkf.media.unseen import Unseen
from cmhkf.outputs import Bucket, Folder, outputs_at
from cmhkf.results import Made, Results
from cmhkf.segments import flag_segments
from cmhkf.settings import picked

if TYPE_CHECKING:
    from cmhkf.analysis import Analysis
    from cmhkf.analyzer import Analyzer
    from cmhkf.progress import Progress

TRIES = 3  # of a video whose worker on Ray ends
ENDED = "the process that analysed it was ended, most likely for want of memory"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one video; `error` is empty when it was analysed."""

    video: str
    file: str = ""
    duration_s: float = 0.0
    n_snippets: int = 0
    modalities: str = ""
    trained: bool = False
    peak_score: float = 0.0
    peak_s: float = 0.0
    """Middle of the snippet with the highest score."""
    n_segments: int = 0
    label: str = ""
    """Class of the highest-scoring segment, empty when nothing is flagged."""
    elapsed_s: float = 0.0
    declared_duration_s: float | None = None
    """How long the file says that it is; None where it says nothing."""
    unseen: tuple[Unseen, ...] | None = ()
    """Footage that was not seen or heard."""
    caution: str = ""
    """What to beware of in this clip; see `caution.py`."""
    error: str = ""
    kept: bool = False
    """Whether the analysis had been made before, and was not made again."""


class Job(NamedTuple):
    """One video, and how it is analysed; small, for it travels to other processes."""

    video: str
    """As it was named."""
    place: str
    """Its URL or absolute path, as analyses state it."""
    out: Folder | Bucket
    file: str
    """The name there of the analysis to write."""
    threshold: float
    model: str
    device: str
    load: Callable[[str, str], Analyzer]

    @property
    def name(self) -> str:
        """The video's file name."""
        return _name(self.place)


def load_model(model: str, device: str) -> Analyzer:
    """The model of that name, on a device. Raises as `cmhkf.load` does."""
    from cmhkf.analyzer import load

    return load(model, device=device)


def output_names(videos: Sequence[Path | str], kept: Mapping[str, str] | None = None) -> list[str]:
    """One `.npz` name per video: its stem, numbered where stems repeat.

    `kept` is, by path or URL, what the folder holds already: those names stay with their videos, and no other video
    gets one of them.
    """
    kept = kept or {}
    taken = set(kept.values())
    names = []
    for video in videos:
        place = _place(video)
        stem, n = Path(_name(place)).stem, 1
        name = kept.get(place, f"{stem}.npz")
        while place not in kept and name in taken:
            n += 1
            name = f"{stem}-{n}.npz"
        taken.add(name)
        names.append(name)
    return names


def _place(video: Path | str) -> str:
    return video if isinstance(video, str) else str(video.absolute())


def _name(place: str) -> str:
    return remote.name_of(place) if remote.is_url(place) else Path(place).name


def analyze_many(
    videos: Sequence[Path | str],
    out: Path | str,
    *,
    model: str,
    threshold: float = 0.5,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    device: str = "auto",
    address: str | None = None,
    gpus_per_worker: float | None = None,
    on_progress: Callable[[str, Progress], None] | None = None,
    load: Callable[[str, str], Analyzer] = load_model,
) -> Iterator[Outcome]:
    """Analyse videos (files or URLs) and write `out/<stem>.npz`; yield an Outcome as each ends, failed ones too.

    What `out`, a folder or the URL of one, holds of the same content by the same model is kept. `on_progress` is told
    the video's name, and only when the work runs in this process (engine "local", one worker). `load` makes the model;
    other processes import it by its name.

    Without `workers` it is one, or on Ray as many as the cluster has room for. `address` and `gpus_per_worker` are for
    Ray alone: the cluster, as `ray.init` takes it, and the share of a GPU that a worker requests; without it that is a
    whole one where the cluster has any, unless `device` is "cpu".

    Raises ConfigError for a device or a cluster that is not there, and for an `out` that cannot be written.
    """
    if engine == "local" and (address is not None or gpus_per_worker is not None):
        raise ConfigError("--address and --gpus-per-worker are for --engine ray")
    place = outputs_at(out)
    if engine == "ray" and isinstance(place, Folder):
        place = Folder(place.path.resolve())
    place.prepare()
    remote.sweep()
    remote.limit_bytes()  # a wrong limit is told before the work
    how = (threshold, model, device, load)
    jobs = [
        Job(str(video), _place(video), place, name, *how)
        for video, name in zip(videos, output_names(videos, Results(place).files()), strict=True)
    ]
    try:
        if engine == "ray":
            yield from _on_ray(jobs, workers, device, address=address, gpus_per_worker=gpus_per_worker)
        elif workers and workers > 1:
            yield from _in_processes(jobs, workers)
        else:
            analyzer = _analyzer(load, model, device)
            for job in jobs:
                yield _analyze(analyzer, job, on_progress)
    finally:
        place.unlock()


def _in_processes(jobs: list[Job], workers: int) -> Iterator[Outcome]:
    """In processes that end with this one. A clip that ends its process is found by analysing each suspect alone."""
    while jobs:
        lost = set[Job]()
        for job, outcome in _in_pool(jobs, workers):
            if outcome:
                yield outcome
            else:
                lost.add(job)
        left = [job for job in jobs if job in lost]
        suspects, jobs = left[:workers], left[workers:]  # the first ones were at work
        for suspect in suspects:
            for job, outcome in _in_pool([suspect], 1):
                yield outcome or Outcome(job.video, error=ENDED)


def _in_pool(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Outcome | None]]:
    """Each job as it ends, with None where a process of the pool was ended."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    ends = {"initializer": die_with, "initargs": (os.getpid(),)}
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), **ends)
    try:
        futures = dict[Future[Outcome], Job]()
        for job in jobs:
            try:
                futures[pool.submit(_one, job, threads)] = job
            except BrokenProcessPool:
                yield job, None
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                yield futures[future], None
    finally:
        pool.shutdown(cancel_futures=True)


def _on_ray(
    jobs: Sequence[Job], workers: int | None, device: str, *, address: str | None, gpus_per_worker: float | None
) -> Iterator[Outcome]:
    """In a pool of actors, each of which holds one video at a time: a worker that ends takes no other with it."""
    if not jobs:
        return
    try:
        import ray.data
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
    except ModuleNotFoundError:
        raise ConfigError("--engine ray needs Ray: `pip install 'ray[data]'`, or leave --engine local") from None
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # outcomes tell what went wrong
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    try:
        ray.init(
            address=address,
            ignore_reinit_error=True,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except ConnectionError:
        raise ConfigError(f"no Ray cluster answers at {address}; `ray start --head` starts one") from None
    resources = ray.cluster_resources()
    gpus = ray_gpus(device, resources, gpus_per_worker)
    room = min(resources.get("CPU", 1), resources["GPU"] / gpus if gpus else math.inf)
    size = min(workers or max(1, int(room)), len(jobs))
    # Kept where the batch was begun, for a node that ends takes the count along, which then begins anew elsewhere
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    tries = ray.remote(_Tries).options(**lasting).remote()
    rows = ray.data.from_items([{"job": job} for job in jobs], override_num_blocks=len(jobs))
    pool = ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=1)
    worker: Any = _RayWorker  # Ray's types know no classes here
    done = rows.map(worker, fn_constructor_args=(tries,), compute=pool, num_cpus=1, num_gpus=gpus)
    done.context.execution_no_progress_timeout_s = -1  # a long video may take hours
    done.context.enable_progress_bars = done.context.print_on_execution_start = False
    for batch in done.iter_batches(batch_size=None, prefetch_batches=0):
        for outcome in batch["outcome"]:
            if isinstance(outcome, CmhkfError):
                raise outcome
            yield outcome


class _Tries:
    """An actor of a Ray cluster that counts how often each video was begun."""

    def __init__(self) -> None:
        self._n = Counter[str]()

    def begin(self, file: str) -> int:
        """One more; returns how many."""
        self._n[file] += 1
        return self._n[file]


class _RayWorker:
    """An actor of a Ray cluster. It loads the model once.

    Ray starts an actor that ended anew, on another node if need be, and gives it the same video again, without end.
    So tries are counted, and after a few the video is given up.
    """

    def __init__(self, tries: Any) -> None:
        self._tries = tries

    def __call__(self, row: dict[str, Job]) -> dict[str, Outcome | CmhkfError]:
        """What became of a video, or why the model cannot be loaded."""
        import ray

        job = row["job"]
        n_tries: Any = ray.get(self._tries.begin.remote(job.file))
        if n_tries > TRIES:
            return {"outcome": Outcome(job.video, error=ENDED)}
        try:
            return {"outcome": _one(job, threads=1)}
        except CmhkfError as error:
            return {"outcome": error}


def ray_gpus(device: str, resources: Mapping[str, float], share: float | None = None) -> float:
    """How many GPUs one worker requests of a cluster, `share` where it is given: Ray hides the GPUs from others.

    Raises ConfigError: GPUs are wanted that the cluster has not, or one by its number, which Ray gives out itself.
    """
    n_gpus = resources.get("GPU", 0)
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device is {device!r}; with --engine ray choose auto, cpu or cuda: Ray picks the GPU")
    if device == "cuda" and n_gpus < 1:
        raise ConfigError("device is 'cuda', but the Ray cluster has no GPU; choose auto or cpu")
    if share is None:
        return int(n_gpus >= 1 and device != "cpu")
    if share > n_gpus:
        raise ConfigError(f"--gpus-per-worker is {share:g}, but the Ray cluster has {n_gpus:g} GPUs")
    return share


@lru_cache(maxsize=1)
def _analyzer(load: Callable[[str, str], Analyzer], model: str, device: str) -> Analyzer:
    """The model, loaded once in each process."""
    return load(model, device)


@lru_cache(maxsize=1)
def _results(out: Folder | Bucket) -> Results:
    """What a folder holds, kept up to date in each process."""
    return Results(out)


def _one(job: Job, threads: int) -> Outcome:
    import torch

    torch.set_num_threads(threads)
    return _analyze(_analyzer(job.load, job.model, job.device), job, None)


def _analyze(analyzer: Analyzer, job: Job, on_progress: Callable[[str, Progress], None] | None) -> Outcome:
    """Whatever is wrong with one video is its own: the others go on."""
    try:
        with remote.fetched(job.place) if remote.is_url(job.place) else nullcontext(Path(job.place)) as video:
            analysis, kept = _made(analyzer, job, video, on_progress)
    except CmhkfError as error:
        return Outcome(job.video, error=str(error))
    except Exception as error:
        log.exception("%s could not be analysed", job.video)
        return Outcome(job.video, error=f"{type(error).__name__}: {error}")
    return _outcome(job, analysis, kept=kept)


def _made(
    analyzer: Analyzer, job: Job, video: Path, on_progress: Callable[[str, Progress], None] | None
) -> tuple[Analysis, bool]:
    """The analysis of a video, saved as the job's file, and whether it had been made before."""
    if not video.is_file():
        probe(video)  # says what is wrong with it
    sha256 = sha256_of(video)
    made = Made(sha256, analyzer.recipe_hash, analyzer.model_id, analyzer.classes)
    with job.out.lock(sha256):
        file, analysis = _results(job.out).find(made, job.file) or (None, None)
        if file and analysis and (file, analysis.clip.path) == (job.file, job.place):
            return analysis, True
        source = analysis.clip.path if analysis else ""
        if not analysis:
            clip = probe(video, sha256=sha256)
            analysis = analyzer.analyze(clip, on_progress and (lambda progress: on_progress(job.name, progress)))
        analysis = analyzer.told_of(analysis, path=job.place, name=job.name)
        with job.out.replacing(job.file) as part:
            analysis.save(part)
        if file and file != job.file and not (remote.is_url(source) or Path(source).exists()):
            job.out.remove(file)  # the video was moved, and its analysis with it
    return analysis, file is not None


def _outcome(job: Job, analysis: Analysis, *, kept: bool) -> Outcome:
    segments = flag_segments(analysis, job.threshold)
    peak, line = analysis.scores.argmax(), analysis.timeline
    return Outcome(
        video=job.video,
        file=job.out.named(job.file),
        duration_s=line.duration_s,
        **picked(analysis, "n_snippets", "modalities", "trained", "elapsed_s", "declared_duration_s"),
        peak_score=float(analysis.scores[peak]),
        peak_s=float(line.middles_s[peak]),
        n_segments=len(segments),
        label=max(segments, key=lambda s: s.score).name if segments else "",
        unseen=analysis.unseen_s,
        caution=caution(analysis),
        kept=kept,
    )
