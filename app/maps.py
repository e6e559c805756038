"""Maps of snippets for the page: computed in the background, kept as small files, of one clip or of the library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import numpy as np

from app.desk import Desk, job_facts
from app.doors import guarded
from app.jobs import Jobs
from cmhkf import Analysis, ConfigError
from cmhkf.projection import Method, Placement, Projection, projection_steps

VERSION = 1  # in the file's name: a newer page never draws an older file
SEED = 0
SCOPES = ("clip", "library")

Json = dict[str, Any]


class Maps:
    """The maps of one desk. One is computed at a time, beside the analyses; cancelling ends its process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._jobs = Jobs("maps")

    def ask(self, analysis_id: str, method: str, scope: str) -> Json:
        """{url} of a finished map's file, or {job} under way.

        Raises:
            ConfigError: an unknown method or scope.
            NotFoundError: no such analysis.
        """
        for name, value, known in (("method", method, get_args(Method)), ("scope", scope, SCOPES)):
            if value not in known:
                raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(known)}")
        keys = self._like(analysis_id) if scope == "library" else [analysis_id]
        path = self._file(keys, method)
        if path.exists():
            return {"url": "gradio_api/file=" + quote(str(path))}
        return {"job": self._jobs.submit(path.name, lambda: self._steps(keys, method, path)).id}  # type: ignore[arg-type]

    def job(self, job_id: str) -> Json:
        """How far a map is."""
        return job_facts(self._jobs.get(job_id))

    def cancel(self, job_id: str) -> Json:
        """Stop it."""
        self._jobs.cancel(job_id)
        return self.job(job_id)

    def close(self) -> None:
        """Stop all work."""
        self._jobs.close()

    def _file(self, keys: Sequence[str], method: str) -> Path:
        name = hashlib.sha256("|".join([method, str(SEED), *keys]).encode()).hexdigest()[:20]
        return self._desk.store.curves_dir / f"map-{name}.v{VERSION}.json"

    def _like(self, analysis_id: str) -> list[str]:
        """The library's analyses by the same model through the same recipe: only their embeddings can be compared."""
        store = self._desk.store
        entries = store.library()
        recipe_hash = store.load(analysis_id).recipe_hash
        model_id = next(entry.model_id for entry in entries if entry.analysis_id == analysis_id)
        like = [
            store.find(e.clip.sha256, model_id, recipe_hash) for e in entries if model_id and e.model_id == model_id
        ]
        return sorted({key for key in like if key})

    def _steps(self, keys: Sequence[str], method: Method, path: Path) -> Generator[Any, None, None]:
        analyses = [self._desk.store.load(key) for key in keys]
        steps = projection_steps(analyses, method=method, seed=SEED)
        try:
            for step in steps:
                if isinstance(step, Projection):
                    part = path.with_suffix(".part")
                    part.write_text(
                        json.dumps(map_content(keys, analyses, step), separators=(",", ":"), allow_nan=False),
                        encoding="utf-8",
                    )
                    part.replace(path)
                    step = path.name
                yield step
        finally:
            steps.close()  # type: ignore[attr-defined]


class MapAsks:
    """What the Map tab asks."""

    def __init__(self, maps: Maps) -> None:
        self._maps = maps

    def functions(self) -> list[Callable[[Json], Json]]:
        """All of them, guarded."""
        return [guarded(ask) for ask in (self.map, self.map_job, self.map_cancel)]

    def map(self, ask: Json) -> Json:
        """{analysis_id, method, scope} -> {url} or {job}."""
        return self._maps.ask(str(ask["analysis_id"]), str(ask["method"]), str(ask["scope"]))

    def map_job(self, ask: Json) -> Json:
        """{job} -> how far it is."""
        return self._maps.job(str(ask["job"]))

    def map_cancel(self, ask: Json) -> Json:
        """{job} -> how far it came."""
        return self._maps.cancel(str(ask["job"]))


def map_content(keys: Sequence[str], analyses: Sequence[Analysis], projection: Projection) -> Json:
    """What the page draws: lists of M points each, and the clips that they are of."""
    clip_idx, snippet_idx = projection.clip_idx, projection.snippet_idx
    columns = {
        "time_s": [a.times_s + a.timeline.snippet_s / 2 for a in analyses],
        "score": [a.scores for a in analyses],
        "class": [a.class_probs.argmax(axis=1) for a in analyses],
    }
    return {
        "method": projection.method,
        "note": projection.note,
        "classes": list(analyses[0].classes),
        "clips": [
            {"analysis_id": key, "name": a.clip.name, "trained": a.trained, "snippet_s": a.timeline.snippet_s}
            for key, a in zip(keys, analyses, strict=True)
        ],
        "clip": clip_idx.tolist(),
        "raw": _placed(projection.raw),
        "fused": _placed(projection.fused) if projection.fused else None,
    } | {
        name: np.round(np.concatenate([c[snippet_idx[clip_idx == i]] for i, c in enumerate(each)]), 4).tolist()
        for name, each in columns.items()
    }


def _placed(placement: Placement) -> Json:
    x, y = np.round(placement.xy.astype(float), 3).T.tolist()
    return {"x": x, "y": y, "how": placement.how, "note": placement.note}
