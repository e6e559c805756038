"""Many videos, one Analysis file each: in this process, in several, or on a Ray cluster.

What a folder holds already is not made again: a video is known by its content, and its analysis by the model that made
it (`results.py`). Files are written whole or not at all, so a run that was killed goes on where it was.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from filelock import FileLock

from cmhkf.errors import CmhkfError, ConfigError
from cmhkf.files import sha256_of, sweep_parts
from cmhkf.media import remote
from cmhkf.media.children import die_with
from cmhkf.media.clip import probe
from cmhkf.media.unseen import Unseen
from cmhkf.results import Made, Results
from cmhkf.segments import flag_segments
from cmhkf.settings import picked

if TYPE_CHECKING:
    from cmhkf.analysis import Analysis
    from cmhkf.analyzer import Analyzer
    from cmhkf.progress import Progress

LOCKS = ".locks"  # one for each content at work, so that two workers never analyse the same
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
    n_segments: int = 0
    label: str = ""
    """Class of the highest-scoring segment, empty when nothing is flagged."""
    elapsed_s: float = 0.0
    declared_duration_s: float | None = None
    """How long the file says that it is; None where it says nothing."""
    unseen: tuple[Unseen, ...] | None = ()
    """Footage that was not seen or heard."""
    error: str = ""
    kept: bool = False
    """Whether the analysis had been made before, and was not made again."""


class Job(NamedTuple):
    """One video, and how it is analysed; small, for it travels to other processes."""

    video: str
    """As it was named."""
    place: str
    """Its URL or absolute path, as analyses state it."""
    file: Path
    """The analysis to write."""
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
    out: Path,
    *,
    model: str,
    threshold: float = 0.5,
    engine: Literal["local", "ray"] = "local",
    workers: int = 1,
    device: str = "auto",
    on_progress: Callable[[str, Progress], None] | None = None,
    load: Callable[[str, str], Analyzer] = load_model,
) -> Iterator[Outcome]:
    """Analyse videos (files or URLs) and write `out/<stem>.npz`; yield an Outcome as each ends, failed ones too.

    What `out` holds of the same content by the same model is kept. `on_progress` is told the video's name, and only
    when the work runs in this process (engine "local", one worker). On Ray, a task requests a GPU where the cluster
    has any, unless `device` is "cpu". `load` makes the model; other processes import it by its name.

    Raises ConfigError for a device that is not there.
    """
    out.mkdir(parents=True, exist_ok=True)
    sweep_parts(out)
    remote.sweep()
    kept = {video: file.name for video, file in Results(out).files().items()}
    how = (threshold, model, device, load)
    jobs = [
        Job(str(video), _place(video), out / name, *how)
        for video, name in zip(videos, output_names(videos, kept), strict=True)
    ]
    try:
        if engine == "ray":
            yield from _on_ray(jobs, device)
        elif workers > 1:
            yield from _in_processes(jobs, workers)
        else:
            analyzer = _analyzer(load, model, device)
            for job in jobs:
                yield _analyze(analyzer, job, on_progress)
    finally:
        shutil.rmtree(out / LOCKS, ignore_errors=True)


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


def _on_ray(jobs: Sequence[Job], device: str) -> Iterator[Outcome]:
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ModuleNotFoundError:
        raise ConfigError("--engine ray needs Ray: `pip install ray`, or leave --engine local") from None
    ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False)
    task = ray.remote(num_cpus=1, num_gpus=ray_gpus(device, ray.cluster_resources()))(_one)
    running = {task.remote(job._replace(file=job.file.resolve()), 1): job for job in jobs}
    while running:
        (ready,), _ = ray.wait([*running])
        job = running.pop(ready)
        try:
            yield ray.get(ready)
        except RayTaskError:
            raise
        except RayError as error:  # its worker or its node ended
            yield Outcome(job.video, error=f"{ENDED} ({type(error).__name__})")


def ray_gpus(device: str, resources: Mapping[str, float]) -> int:
    """How many GPUs one task requests of a cluster: Ray hides the GPUs from a task that requests none.

    Raises ConfigError: a GPU is wanted and the cluster has none, or one by its number, which Ray gives out itself.
    """
    has_gpu = resources.get("GPU", 0) >= 1
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device is {device!r}; with --engine ray choose auto, cpu or cuda: Ray picks the GPU")
    if device == "cuda" and not has_gpu:
        raise ConfigError("device is 'cuda', but the Ray cluster has no GPU; choose auto or cpu")
    return int(has_gpu and device != "cpu")


@lru_cache(maxsize=1)
def _analyzer(load: Callable[[str, str], Analyzer], model: str, device: str) -> Analyzer:
    """The model, loaded once in each process."""
    return load(model, device)


@lru_cache(maxsize=1)
def _results(out: Path) -> Results:
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
    out = job.file.parent
    (out / LOCKS).mkdir(exist_ok=True)
    with FileLock(out / LOCKS / sha256):
        file, analysis = _results(out).find(made, job.file) or (None, None)
        if file and analysis and (file, analysis.clip.path) == (job.file, job.place):
            return analysis, True
        source = analysis.clip.path if analysis else ""
        if not analysis:
            clip = probe(video, sha256=sha256)
            analysis = analyzer.analyze(clip, on_progress and (lambda progress: on_progress(job.name, progress)))
        analysis = analyzer.told_of(analysis, path=job.place, name=job.name)
        analysis.save(job.file)
        if file and file != job.file and not (remote.is_url(source) or Path(source).exists()):
            file.unlink(missing_ok=True)  # the video was moved, and its analysis with it
    return analysis, file is not None


def _outcome(job: Job, analysis: Analysis, *, kept: bool) -> Outcome:
    segments = flag_segments(analysis, job.threshold)
    peak = int(analysis.scores.argmax())
    return Outcome(
        video=job.video,
        file=str(job.file),
        duration_s=analysis.timeline.duration_s,
        **picked(analysis, "n_snippets", "modalities", "trained", "elapsed_s", "declared_duration_s"),
        peak_score=float(analysis.scores[peak]),
        peak_s=float(analysis.times_s[peak]),
        n_segments=len(segments),
        label=max(segments, key=lambda s: s.score).label if segments else "",
        unseen=analysis.unseen_s,
        kept=kept,
    )
