"""What the page and the HTTP doors can ask for, without a word of Gradio: take a video in, analyse, reopen, re-cut.

Everything returned by a public method is plain JSON, made here at the edge.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from app.charts import curves_file
from app.gpu import on_gpu
from app.jobs import Job, Jobs, job_facts
from app.settings import Settings
from app.store import Entry, Store, file_url
from cmhkf import Analysis, ConfigError, flag_segments
from cmhkf.config import PRESETS, Recipe
from cmhkf.media import Clip, probe
from cmhkf.proxy import make_proxy, needs_proxy

ANALYSES_IN_MEMORY = 8
EXAMPLES = Path(__file__).parents[1] / "assets" / "examples"


class Analyzer(Protocol):
    """What the desk needs of `cmhkf.Analyzer`."""

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

    def steps(self, path: str) -> Iterator[Any]:
        """Yield progress, and at last the Analysis; closing the iterator stops the work."""
        ...

    def compare(self, sha256: str, texts: Sequence[str]) -> np.ndarray:
        """Cosine of an analysed clip's snippets with texts, [N, T]."""
        ...

    def features_file(self, sha256: str) -> Path:
        """Where the features of an analysed clip lie."""
        ...


@dataclass(frozen=True)
class Step:
    """Progress of the desk's own stages, shaped like the analyzer's."""

    stage: str
    done: float = 0.0
    total: float | None = None
    message: str = ""


class Desk:
    """Everything behind the page. One analysis runs at a time; playback copies are made beside it."""

    def __init__(self, settings: Settings, analyzer_factory: Callable[[str], Analyzer]) -> None:
        self.settings = settings
        self.store = Store(settings.home, settings.store_url)
        self._factory = analyzer_factory
        self._analyzers: dict[str, Analyzer] = {}
        self._recent: OrderedDict[str, Analysis] = OrderedDict()
        self._reading = threading.Lock()
        self._analysing = Jobs("analyses")
        self._copying = Jobs("playback copies")
        self._warming: Job | None = None
        self._steps = on_gpu(self._analyzer_steps)

    def warm_up(self) -> None:
        """Begin to load the analyzer, so that the first clip need not wait for it."""
        self._warming = self._analysing.submit("warm up", lambda: self._load(self.settings.preset))

    def close(self) -> None:
        """Stop all work and the child processes it started."""
        self._analysing.close()
        self._copying.close()

    # What the page shows -------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The model's state and the examples."""
        analyzer, warming = self._analyzers.get(self.settings.preset), self._warming
        return {
            "preset": self.settings.preset,
            "model": "ready" if analyzer else warming.state if warming else "queued",
            "model_id": analyzer.model_id if analyzer else None,
            "trained": analyzer.trained if analyzer else None,
            "error": warming.error if warming and not analyzer else "",
            "max_upload_mb": self.settings.max_upload_mb,
            "examples": [{"name": path.name, "url": file_url(path)} for path in _examples()],
        }

    def library(self) -> list[dict[str, Any]]:
        """Every analysis kept, and every clip not analysed yet, newest first."""
        return [self._entry(entry) for entry in self.store.library()]

    def _entry(self, entry: Entry) -> dict[str, Any]:
        job = None if entry.analysis_id else self._analysing.find(entry.clip.sha256)
        return {
            "clip": entry.clip.sha256,
            "name": entry.clip.name,
            "duration_s": entry.duration_s,
            "analysis_id": entry.analysis_id,
            "model_id": entry.model_id,
            "trained": entry.trained,
            "peak": entry.peak,
            "added": entry.added.isoformat(),
            "job": job.id if job and not job.over else None,
        }

    # Taking a video in ---------------------------------------------------------------------------------------------

    def add(self, path: Path, name: str, *, move: bool) -> Clip:
        """Keep a video in the library. Raises MediaError when it is not one."""
        return self.store.add_clip(probe(path), name, move=move)

    def add_example(self, name: str) -> Clip:
        """Keep one of the bundled examples. Raises ConfigError for any other name."""
        path = next((p for p in _examples() if p.name == name), None)
        if path is None:
            raise ConfigError(f"there is no example {name!r}; there are {', '.join(p.name for p in _examples())}")
        return self.add(path, name, move=False)

    def analyse(self, sha256: str, model: str = "") -> Job:
        """Begin to analyse a clip of the library, unless that was done before or is under way."""
        model = model or self.settings.preset
        if model not in PRESETS and model != self.settings.preset:
            raise ConfigError(f"model {model!r} is not one of {', '.join(PRESETS)}")
        clip = self.store.clip(sha256)
        key = clip.sha256 if model == self.settings.preset else f"{clip.sha256} {model}"
        return self._analysing.submit(key, lambda: self._analysis_steps(clip, model))

    def known(self, sha256: str) -> str | None:
        """The id of the clip's analysis by the page's own model, when it is loaded and has seen the clip before."""
        analyzer = self._analyzers.get(self.settings.preset)
        return self.store.find(sha256, analyzer.model_id, analyzer.recipe_hash) if analyzer else None

    def analyzer_for(self, recipe_hash: str) -> Analyzer:
        """A loaded analyzer that makes and reads features of a recipe. Raises ConfigError when none does."""
        for analyzer in self._analyzers.copy().values():
            if analyzer.recipe_hash == recipe_hash:
                return analyzer
        if self._warming and not self._warming.over:
            raise ConfigError("the model is still being loaded; try again in a moment")
        raise ConfigError(
            f"this analysis was made with features of recipe {recipe_hash}, and no model that reads them is loaded "
            "here; analyse the clip again, or start the page with the model of that time"
        )

    def _load(self, model: str) -> Generator[Step, None, None]:
        yield Step("loading the model", message=model)
        if model not in self._analyzers:
            self._analyzers[model] = self._factory(model)

    def _analysis_steps(self, clip: Clip, model: str) -> Generator[Any, None, None]:
        yield from self._load(model)
        analyzer = self._analyzers[model]
        if known := self.store.find(clip.sha256, analyzer.model_id, analyzer.recipe_hash):
            yield known
            return
        for step in self._steps(model, clip.path):
            if isinstance(step, Analysis):
                step = self.store.save(dataclasses.replace(step, clip=clip))
            yield step

    def _analyzer_steps(self, model: str, path: str) -> Generator[Any, None, None]:
        """Plain arguments only: with a shared GPU this runs in a child process, which may have to load the model."""
        if model not in self._analyzers:
            yield from self._load(model)
        yield from self._analyzers[model].steps(path)

    # Jobs ----------------------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> dict[str, Any]:
        """How far an analysis or a playback copy is."""
        return job_facts(self._jobs_of(job_id).get(job_id))

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Stop it."""
        jobs = self._jobs_of(job_id)
        jobs.cancel(job_id)
        return job_facts(jobs.get(job_id))

    def jobs(self) -> list[Job]:
        """Every analysis and playback copy that is known, oldest first; a clip's SHA-256 is part of its jobs' keys."""
        return [*self._analysing.all(), *self._copying.all()]

    def forget(self, sha256: str, keys: Sequence[str]) -> None:
        """Drop what is held in memory of a clip and its analyses."""
        self._analysing.forget(sha256)
        self._copying.forget(sha256)
        with self._reading:
            for key in keys:
                self._recent.pop(key, None)

    def _jobs_of(self, job_id: str) -> Jobs:
        return self._copying if job_id in self._copying else self._analysing

    # One clip ------------------------------------------------------------------------------------------------------

    def open(self, *, clip: str = "", analysis_id: str = "") -> dict[str, Any]:
        """A clip with its newest analysis, or one analysis with its clip: all the player needs to show it."""
        job = None if analysis_id else self._analysing.find(clip)
        key = analysis_id or (None if job and not job.over else self.store.latest(clip))
        analysis = self.analysis(key) if key else None
        return {
            "clip": self.playback(self.store.clip(analysis.clip.sha256 if analysis else clip)),
            "analysis": self._shown(key, analysis) if key and analysis else None,
            "job": job_facts(job) if job and not analysis else None,
        }

    def playback(self, clip: Clip, *, copy: bool = False) -> dict[str, Any]:
        """Where the browser gets the picture; a copy is made when it cannot play the original, or says it could not."""
        made = self.store.playback_dir / f"{clip.sha256}.mp4"
        job = None
        if not made.exists() and (copy or needs_proxy(clip)):
            job = self._copying.submit(f"copy {clip.sha256}", lambda: _copy_steps(clip, made))
        source = made if made.exists() else None if job else Path(clip.path)
        return {
            "sha256": clip.sha256,
            "name": clip.name,
            "url": source and file_url(source),
            "is_copy": source == made,
            "copy_job": job and job.id,
            "fps": float(clip.native_rate) if clip.native_rate else 24.0,
            "duration_s": clip.duration_s,
            "aspect": clip.width_px / clip.height_px,
        }

    def _shown(self, key: str, analysis: Analysis) -> dict[str, Any]:
        curves = curves_file(analysis, key, self.store.curves_dir)
        return analysis_facts(analysis) | {"analysis_id": key, "curves_url": file_url(curves)}

    def segments(
        self, analysis_id: str, threshold: float, *, min_length_s: float = 0.0, merge_gap_s: float = 1.0
    ) -> dict[str, Any]:
        """Flagged segments and near misses at a threshold. No inference. Raises ConfigError, NotFoundError."""
        found = flag_segments(
            self.analysis(analysis_id), threshold, min_length_s=min_length_s, merge_gap_s=merge_gap_s,
            near_misses=True,
        )  # fmt: skip
        return {
            "analysis_id": analysis_id,
            "threshold": threshold,
            "segments": [asdict(s) for s in found if not s.near_miss],
            "near_misses": [asdict(s) for s in found if s.near_miss],
        }

    def report(self, analysis_id: str, threshold: float) -> dict[str, Any]:
        """What a script gets of an analysis."""
        analysis = self.analysis(analysis_id)
        arrays = {
            "times_s": analysis.times_s.tolist(),
            "scores": analysis.scores.tolist(),
            "classes": list(analysis.classes),
        }
        return analysis_facts(analysis) | arrays | self.segments(analysis_id, threshold)

    def analysis(self, key: str) -> Analysis:
        """The analysis with that id, from memory when it was read lately. Raises NotFoundError."""
        with self._reading:
            if key not in self._recent:
                self._recent[key] = self.store.load(key)
            self._recent.move_to_end(key)
            while len(self._recent) > ANALYSES_IN_MEMORY:
                self._recent.popitem(last=False)
            return self._recent[key]


def analysis_facts(analysis: Analysis) -> dict[str, Any]:
    """What a reader must know to judge an analysis, as JSON."""
    return {
        "clip": analysis.clip.sha256,
        "model_id": analysis.model_id,
        "encoders": analysis.encoders,
        "trained": analysis.trained,
        "score_source": analysis.score_source,
        "modalities": analysis.modalities,
        "n_snippets": analysis.n_snippets,
        "n_windows": len(analysis.timeline.windows()),
        "duration_s": analysis.timeline.duration_s,
        "device": analysis.device,
        "elapsed_s": analysis.elapsed_s,
        "recipe_hash": analysis.recipe_hash,
        "calibration": analysis.calibration,
    }


def _copy_steps(clip: Clip, made: Path) -> Generator[Step, None, None]:
    for seconds in make_proxy(clip, made):
        yield Step("copying", seconds, clip.duration_s)


def _examples() -> list[Path]:
    return sorted(EXAMPLES.glob("*.mp4"))
