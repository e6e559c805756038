"""Many videos, one Analysis file each: in this process, in several, or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cmhkf.errors import CmhkfError, ConfigError
from cmhkf.segments import flag_segments

if TYPE_CHECKING:
    from cmhkf.analyzer import Analyzer
    from cmhkf.features import Progress

VIDEO_SUFFIXES = frozenset({
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".m2ts", ".ogv",
    ".ts", ".vob", ".webm", ".wmv",
})  # fmt: skip


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
    error: str = ""


def find_videos(arguments: Sequence[str]) -> list[Path]:
    """Files, folders (searched for video suffixes) and glob patterns, in a stable order without repeats.

    Raises:
        ConfigError: an argument that names nothing.
    """
    found: dict[Path, None] = {}
    for argument in arguments:
        path = Path(argument).expanduser()
        if path.is_dir():
            hits = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in VIDEO_SUFFIXES)
        elif path.is_file():
            hits = [path]
        else:
            anchor = Path(path.anchor) if path.is_absolute() else Path()
            hits = sorted(p for p in anchor.glob(str(path.relative_to(path.anchor))) if p.is_file())
        if not hits:
            raise ConfigError(f"{argument}: no such file, no folder with videos in it, and no pattern that fits any")
        found |= dict.fromkeys(hits)
    return list(found)


def output_names(videos: Sequence[Path]) -> list[str]:
    """One `.npz` name per video: its stem, numbered where stems repeat."""
    taken: set[str] = set()
    names = []
    for video in videos:
        name, n = f"{video.stem}.npz", 1
        while name in taken:
            n += 1
            name = f"{video.stem}-{n}.npz"
        taken.add(name)
        names.append(name)
    return names


def analyze_many(
    videos: Sequence[Path],
    out: Path,
    *,
    model: str,
    threshold: float = 0.5,
    engine: Literal["local", "ray"] = "local",
    workers: int = 1,
    on_progress: Callable[[Path, Progress], None] | None = None,
) -> Iterator[Outcome]:
    """Analyse videos and write `out/<stem>.npz`; yield an Outcome as each ends, failed ones too.

    `on_progress` is called only when the work runs in this process (engine "local", one worker).
    """
    out.mkdir(parents=True, exist_ok=True)
    jobs = [(video, out / name) for video, name in zip(videos, output_names(videos), strict=True)]
    if engine == "ray":
        yield from _on_ray(jobs, model, threshold)
    elif workers > 1:
        threads = max(1, (os.cpu_count() or 1) // workers)
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            futures = [pool.submit(_one, *job, model, threshold, threads) for job in jobs]
            for future in as_completed(futures):
                yield future.result()
    else:
        analyzer = _analyzer(model)
        for video, file in jobs:
            yield _analyze(analyzer, video, file, threshold, on_progress)


def _on_ray(jobs: Sequence[tuple[Path, Path]], model: str, threshold: float) -> Iterator[Outcome]:
    try:
        import ray
    except ModuleNotFoundError:
        raise ConfigError("--engine ray needs Ray: `pip install ray`, or leave --engine local") from None
    ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False)
    task = ray.remote(num_cpus=1)(_one)
    pending = [task.remote(video.resolve(), file.resolve(), model, threshold, 1) for video, file in jobs]
    while pending:
        ready, pending = ray.wait(pending)
        yield ray.get(ready[0])


@lru_cache(maxsize=1)
def _analyzer(model: str) -> Analyzer:
    """The model, loaded once in each process."""
    from cmhkf.analyzer import load

    return load(model)


def _one(video: Path, file: Path, model: str, threshold: float, threads: int) -> Outcome:
    import torch

    torch.set_num_threads(threads)
    return _analyze(_analyzer(model), video, file, threshold, None)


def _analyze(
    analyzer: Analyzer,
    video: Path,
    file: Path,
    threshold: float,
    on_progress: Callable[[Path, Progress], None] | None,
) -> Outcome:
    try:
        analysis = analyzer.analyze(video, on_progress and (lambda progress: on_progress(video, progress)))
    except CmhkfError as error:
        return Outcome(str(video), error=str(error))
    analysis.save(file)
    segments = flag_segments(analysis, threshold)
    peak = int(analysis.scores.argmax())
    return Outcome(
        video=str(video),
        file=str(file),
        duration_s=analysis.timeline.duration_s,
        n_snippets=analysis.n_snippets,
        modalities=analysis.modalities,
        trained=analysis.trained,
        peak_score=float(analysis.scores[peak]),
        peak_s=float(analysis.times_s[peak]),
        n_segments=len(segments),
        label=max(segments, key=lambda s: s.score).label if segments else "",
        elapsed_s=analysis.elapsed_s,
    )
