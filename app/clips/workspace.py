"""Everything about clips without a word of Gradio: take a video in, analyse it, open it again, cut its curve."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from app.clips.gpu import on_gpu
from app.clips.jobs import Job, SoFar
from app.clips.pace import left_s
from app.clips.playback import Playback
from app.clips.scheduler import Scheduler
from app.clips.store import Store
from app.settings import Settings
from cmhkf import Analysis, CmhkfError, ConfigError, Segment, flag_segments
from cmhkf.analysis import Curve, Growing
from cmhkf.features.recipe import Recipe
from cmhkf.media.clip import Clip
from cmhkf.presets import PRESETS
from cmhkf.progress import Progress

ANALYSES_IN_MEMORY = 8
CURVE_BYTES_IN_MEMORY = 200_000_000  # 5,000 clips of ten minutes: another cut of all reads no file
log = logging.getLogger(__name__)

# The work on an analysis; the last item is the id under which it is kept
Steps = Generator[Progress | SoFar | Growing | Analysis | str, None, None]


class Analyzer(Protocol):
    """What the workspace needs of `cmhkf.Analyzer`."""

    @property
    def model_id(self) -> str:
        """Preset or checkpoint."""
        ...

    @property
    def recipe_hash(self) -> str:
        """The hash of `recipe`."""
        ...

    @property
    def recipe(self) -> Recipe:
        """How its features are made."""
        ...

    @property
    def trained(self) -> bool:
        """Whether a trained head takes part."""
        ...

    def steps(self, clip: Clip, /, *, growing: bool) -> Iterator[Progress | Growing | Analysis]:
        """Yield progress, where asked what is known so far, and at last the Analysis; closing the iterator stops it."""
        ...

    def compare(self, sha256: str, texts: Sequence[str]) -> np.ndarray:
        """Cosine of an analysed clip's snippets with texts, [N, T]."""
        ...

    def features_file(self, sha256: str) -> Path:
        """Where the features of an analysed clip lie."""
        ...


@dataclass(frozen=True)
class Cut:
    """How segments are cut out of a score curve."""

    threshold: float = 0.5
    min_length_s: float = 0.0
    merge_gap_s: float = 1.0

    def segments(self, analysis: Analysis | Curve) -> list[Segment]:
        """The flagged segments and, marked, the near misses. Raises ConfigError for a value out of range."""
        return flag_segments(
            analysis, self.threshold, min_length_s=self.min_length_s, merge_gap_s=self.merge_gap_s, near_misses=True
        )


class Workspace:
    """The clips, their analyses and all work on them. One analysis runs at a time, playback copies beside it."""

    def __init__(self, settings: Settings, analyzer_factory: Callable[[str], Analyzer]) -> None:
        self.settings = settings
        self.store = Store(settings.home, settings.store_url)
        self.scheduler = Scheduler()
        self.analyses = self.scheduler.queue("analyses")
        self.playback = Playback(self.store, self.scheduler)
        self._factory = analyzer_factory
        self._analyzers: dict[str, Analyzer] = {}
        self._recent: OrderedDict[str, Analysis] = OrderedDict()
        self._curves: OrderedDict[str, Curve] = OrderedDict()
        self._curve_bytes = 0
        self._reading = threading.Lock()
        self._forgetting: list[Callable[[Sequence[str]], None]] = []
        self.warming: Job | None = None
        """The job that loads the analyzer."""
        self._steps = on_gpu(self._analyzer_steps)

    def warm_up(self) -> None:
        """Begin to load the analyzer, so that the first clip need not wait for it."""
        self.warming = self.analyses.submit("warm up", lambda: self._load(self.settings.preset))

    def close(self) -> None:
        """Stop all work and the child processes it started. An analysis under way is as if it had not begun."""
        for job in self.analyses.all():
            if job.state == "running":
                self.store.stopped(*self._request_of(job))
        self.scheduler.close()
        self.store.close()

    @property
    def analyzer(self) -> Analyzer | None:
        """The analyzer of the page's own model, once it is loaded."""
        return self._analyzers.get(self.settings.preset)

    # Taking a video in and analysing it ------------------------------------------------------------------------------

    def add(self, clip: Clip, name: str, *, move: bool) -> Clip:
        """Keep a clip in the library, under the name that its user gave it."""
        with self.scheduler.using(clip.sha256):
            return self.store.add_clip(clip, name, move=move)

    def analyse(self, sha256: str, model: str = "") -> Job:
        """Begin to analyse a clip of the library, unless that was done before or is under way."""
        model = model or self.settings.preset
        if model not in PRESETS and model != self.settings.preset:
            raise ConfigError(f"model {model!r} is not one of {', '.join(PRESETS)}")
        clip = self.store.clip(sha256)
        with self.present(sha256):
            self.store.enqueue(sha256, model)
            try:
                return self.analyses.submit(
                    self._key(sha256, model),
                    lambda: self._queued_steps(clip, model),
                    clips=[sha256],
                    footage_s=clip.duration_s if model == self.settings.preset else None,
                )
            except CmhkfError:
                self.store.dequeue(sha256, model)
                raise

    def analyse_all(self) -> int:
        """Begin to analyse every clip that was not, in the order in which they came in; returns how many these are.

        Without those whose analysis failed, which would fail again.
        """
        begun = 0
        for entry in reversed(self.store.library()):
            job = None if entry.analysis_id else self.analyses.find(entry.sha256)
            if entry.analysis_id or (job and job.state in ("queued", "running", "failed")):
                continue
            try:
                self.analyse(entry.sha256)
            except CmhkfError:
                if not begun:
                    raise
                break  # the queue is full
            begun += 1
        return begun

    def move(self, job_id: str, before: str = "") -> None:
        """Do a waiting analysis before another, or after all, also when the server restarts. Raises CmhkfError."""
        self.analyses.move(job_id, before)
        self.store.reorder([self._request_of(job) for job in self.analyses.under_way() if job.clips])

    def under_way(self) -> list[tuple[Job, float | None]]:
        """The analyses that run and wait, in their order, and about how many seconds until each is done, if known."""
        jobs, analyzer = self.analyses.under_way(), self.analyzer
        pace = self.store.pace(analyzer.model_id) if analyzer and jobs else None
        return [*zip(jobs, left_s(jobs, pace), strict=True)]

    def resume(self) -> None:
        """Go on with the analyses that were waiting or under way when the server stopped, in their order."""
        for sha256, model in self.store.queued():
            try:
                self.analyse(sha256, model)
            except CmhkfError as error:
                log.warning("clip %s is not analysed again: %s", sha256[:12], error)
                self.store.dequeue(sha256, model)

    def _key(self, sha256: str, model: str) -> str:
        return sha256 if model == self.settings.preset else f"{sha256} {model}"

    def _request_of(self, job: Job) -> tuple[str, str]:
        """The clip and the model of a job."""
        sha256, _, model = job.key.partition(" ")
        return sha256, model or self.settings.preset

    def _queued_steps(self, clip: Clip, model: str) -> Steps:
        """An analysis that is forgotten when it ends, but not when the server does: whoever cancels it forgets it."""
        self.store.begun(clip.sha256, model)
        try:
            yield from self._analysis_steps(clip, model)
        except Exception:
            self.store.dequeue(clip.sha256, model)
            raise
        self.store.dequeue(clip.sha256, model)

    def known(self, sha256: str) -> str | None:
        """The id of the clip's analysis by the page's own model, when it is loaded and has seen the clip before."""
        analyzer = self.analyzer
        return self._found(sha256, analyzer) if analyzer else None

    def _found(self, sha256: str, analyzer: Analyzer) -> str | None:
        """The id of the clip's analysis; None where there is none, or one to be made anew.

        That is one that cannot be read, and one of an earlier version, which did not note unseen footage.
        """
        key = self.store.find(sha256, analyzer.model_id, analyzer.recipe_hash)
        try:
            return key if key and self.analysis(key).unseen_s is not None else None
        except CmhkfError:
            return None

    def analyzer_for(self, recipe_hash: str) -> Analyzer:
        """A loaded analyzer that makes and reads features of a recipe. Raises ConfigError when none does."""
        for analyzer in self._analyzers.copy().values():
            if analyzer.recipe_hash == recipe_hash:
                return analyzer
        if self.warming and not self.warming.over:
            raise ConfigError("the model is still being loaded; try again in a moment")
        raise ConfigError(
            f"this analysis was made with features of recipe {recipe_hash}, and no model that reads them is loaded "
            "here; analyse the clip again, or start the page with the model of that time"
        )

    def _load(self, model: str) -> Steps:
        yield Progress("loading the model", 0, 0, model)
        if model not in self._analyzers:
            self._analyzers[model] = self._factory(model)

    def _analysis_steps(self, clip: Clip, model: str) -> Steps:
        yield from self._load(model)
        analyzer = self._analyzers[model]
        if known := self._found(clip.sha256, analyzer):
            yield known
            return
        for step in self._steps(model, clip):
            if isinstance(step, Analysis):
                step = self.store.save(step)
                self._drop([step])
            yield SoFar(step) if isinstance(step, Growing) else step

    def _analyzer_steps(self, model: str, clip: Clip) -> Steps:
        """Plain arguments only: with a shared GPU this runs in a child process, which may have to load the model."""
        if model not in self._analyzers:
            yield from self._load(model)
        yield from self._analyzers[model].steps(clip, growing=True)

    def cancel(self, job_id: str) -> Job:
        """Stop a job of any kind; returns it."""
        job = self.scheduler.cancel(job_id)
        if job_id in self.analyses:
            self.store.dequeue(*self._request_of(job))
        return job

    # The clips in use ------------------------------------------------------------------------------------------------

    @contextmanager
    def present(self, *clips: str) -> Iterator[None]:
        """Keep clips in the library while the block runs. Raises NotFoundError, or CmhkfError when one is leaving."""
        with self.scheduler.using(*clips):
            for sha256 in clips:
                self.store.clip(sha256)
            yield

    def when_forgotten(self, forget: Callable[[Sequence[str]], None]) -> None:
        """Call `forget` with ids of analyses whenever their clip has left, or they were made anew."""
        self._forgetting.append(forget)

    def forget(self, sha256: str, keys: Sequence[str]) -> None:
        """Drop what is held in memory of a clip and its analyses."""
        self.scheduler.forget(sha256)
        self._drop(keys)

    def _drop(self, keys: Sequence[str]) -> None:
        with self._reading:
            for key in keys:
                self._recent.pop(key, None)
                if curve := self._curves.pop(key, None):
                    self._curve_bytes -= _bytes_of(curve)
        for forget in self._forgetting:
            forget(keys)

    def analysis(self, key: str) -> Analysis:
        """The analysis with that id, from memory when it was read lately. Raises NotFoundError."""
        with self._reading:
            if key not in self._recent:
                self._recent[key] = self.store.load(key)
            self._recent.move_to_end(key)
            while len(self._recent) > ANALYSES_IN_MEMORY:
                self._recent.popitem(last=False)
            return self._recent[key]

    def curve(self, key: str) -> Curve | Analysis:
        """What segments are cut from, of the analysis with that id, or all of it where that was read lately; otherwise
        as `analysis`."""
        with self._reading:
            if key in self._recent:
                return self._recent[key]
            if key not in self._curves:
                self._curves[key] = curve = self.store.load_curve(key)
                self._curve_bytes += _bytes_of(curve)
            self._curves.move_to_end(key)
            while self._curve_bytes > CURVE_BYTES_IN_MEMORY and len(self._curves) > 1:
                self._curve_bytes -= _bytes_of(self._curves.popitem(last=False)[1])
            return self._curves[key]


def _bytes_of(curve: Curve) -> int:
    return curve.scores.nbytes + curve.class_probs.nbytes
