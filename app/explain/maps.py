"""Maps of snippets for the page: computed in the background, kept as small files, of one clip or of the library."""

import hashlib
import json
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from app.clips.jobs import Job
from app.clips.workspace import Workspace
from cmhkf import Analysis, ConfigError
from cmhkf.figures.projection import Method, Placement, Projection, projection_steps
from cmhkf.progress import Progress

VERSION = 1  # in the file's name: a newer page never draws an older file
SEED = 0
SCOPES = ("clip", "library")


class Maps:
    """The maps of one workspace. One is computed at a time, beside the analyses; cancelling ends its process."""

    def __init__(self, workspace: Workspace) -> None:
        self._store, self._workspace = workspace.store, workspace
        self._queue = workspace.scheduler.queue("maps")
        for old in self._store.curves_dir.glob("map-*"):  # of earlier releases, which tell nothing of their clips
            old.unlink(missing_ok=True)

    def open(self, analysis_id: str, method: str, scope: str) -> Path | Job:
        """The file of a finished map, or the job that makes it.

        Raises:
            ConfigError: an unknown method or scope.
            NotFoundError: no such analysis.
        """
        for name, value, known in (("method", method, get_args(Method)), ("scope", scope, SCOPES)):
            if value not in known:
                raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(known)}")
        analysis = self._store.load(analysis_id)
        clips_by_id = self._store.alike(analysis) if scope == "library" else {analysis_id: analysis.clip}
        keys, clips = sorted(clips_by_id), [clip.sha256 for clip in clips_by_id.values()]
        path = self._file(keys, method)
        if path.exists():
            return path
        with self._workspace.present(*clips):
            work = partial(self._steps, keys, clips, cast(Method, method), path)
            return self._queue.submit(path.name, work, clips=clips)

    def _file(self, keys: Sequence[str], method: str) -> Path:
        several = hashlib.sha256("|".join(keys).encode()).hexdigest()[:20]
        name = keys[0] if len(keys) == 1 else f"library-{several}"
        return self._store.curves_dir / f"{name}.map-{method}-{SEED}.v{VERSION}.json"

    def _steps(
        self, keys: Sequence[str], clips: Sequence[str], method: Method, path: Path
    ) -> Generator[Progress | Path, None, None]:
        analyses = [self._store.load(key) for key in keys]
        steps = projection_steps(analyses, method=method, seed=SEED)
        try:
            for step in steps:
                if isinstance(step, Projection):
                    text = json.dumps(map_content(keys, analyses, step), separators=(",", ":"), allow_nan=False)
                    self._store.register(path, clips)
                    with self._store.scratch.making(path) as part:
                        part.write_text(text, encoding="utf-8")
                yield path if isinstance(step, Projection) else step
        finally:
            steps.close()  # type: ignore[attr-defined]


def map_content(keys: Sequence[str], analyses: Sequence[Analysis], projection: Projection) -> dict[str, Any]:
    """What the page draws: lists of M points each, and the clips that they are of."""
    clip_idx, snippet_idx = projection.clip_idx, projection.snippet_idx
    columns = {
        "time_s": [a.timeline.middles_s for a in analyses],
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


def _placed(placement: Placement) -> dict[str, Any]:
    x, y = np.round(placement.xy.astype(float), 3).T.tolist()
    return {"x": x, "y": y, "how": placement.how, "note": placement.note}
