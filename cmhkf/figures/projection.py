"""Snippets as points of a plane: t-SNE or UMAP of the frame embeddings, and beside it of what the model made of them.

Rows are scaled to unit length first, so that points are near when their directions are (cosine). A seed fixes the
result; t-SNE and UMAP both begin at the principal components. Too few rows for either are placed by those alone.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Literal, get_args

import numpy as np

from cmhkf.analysis import Analysis
from cmhkf.errors import CmhkfError, ConfigError
from cmhkf.media import children
from cmhkf.progress import Progress

Method = Literal["tsne", "umap"]

MAX_POINTS = 4000  # t-SNE of so many takes 16 s on one core; beyond, snippets are left out evenly
FEWEST = 4  # different rows that t-SNE and UMAP need
PERPLEXITY = 30.0  # van der Maaten and Hinton 2008: 5 to 50
N_NEIGHBORS = 15  # UMAP's own
TICK_S = 0.2  # how often a projection in the background can be stopped


@dataclass(frozen=True, eq=False)
class Placement:
    """Rows of one kind as points."""

    xy: np.ndarray  # float32 [M, 2], read-only; only nearness means something, not the axes
    how: str  # in words for people: "t-SNE, perplexity 30"
    note: str = ""  # why the method that was requested could not be used; empty when it was


@dataclass(frozen=True, eq=False)
class Projection:
    """M snippets of one or several clips, before the model and after it."""

    method: Method
    seed: int
    clip_idx: np.ndarray  # [M] which of the analyses a point is of
    snippet_idx: np.ndarray  # [M] which snippet of it
    raw: Placement  # of `clip_embeddings`
    fused: Placement | None  # of `fused_embeddings`; None where no trained head took part
    note: str = ""  # what a reader must know: nothing is trained, or snippets were left out


def project(analyses: Sequence[Analysis], *, method: Method = "tsne", seed: int = 0) -> Projection:
    """Place the snippets of all analyses on one plane, here and now.

    Raises:
        ConfigError: no analysis, an unknown method, or analyses whose embeddings cannot be compared.
    """
    draft = _Draft(analyses, method, seed)
    return draft.finish({name: place(rows, method, seed=seed) for name, rows in draft.rows.items()})


def projection_steps(
    analyses: Sequence[Analysis], *, method: Method = "tsne", seed: int = 0
) -> Iterator[Progress | Projection]:
    """The same in a child process: progress several times a second, at last the Projection.

    Closing the iterator ends the child at once.

    Raises:
        ConfigError: as `project`.
        CmhkfError: the child died.
    """
    draft = _Draft(analyses, method, seed)
    context = get_context("spawn")  # a fork would copy the locks of a server's other threads
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_place_all, args=(os.getpid(), theirs, draft.rows, method, seed), daemon=True)
    children.started(child.start)
    theirs.close()
    placed: dict[str, Placement] = {}
    try:
        for name, rows in draft.rows.items():
            message = f"{len(rows)} snippets, {name} embeddings"
            while not ours.poll(TICK_S):
                yield Progress("placing snippets", len(placed), len(draft.rows), message)
            placed[name] = ours.recv()
    except EOFError:
        child.join()
        raise CmhkfError(
            f"the map's process ended with code {child.exitcode}; this machine may lack memory for "
            f"{len(draft.clip_idx)} snippets: choose fewer clips"
        ) from None
    finally:
        child.kill()
        child.join()
        ours.close()
    yield draft.finish(placed)


class _Draft:
    """What there is to place: the rows of each kind, and where they come from."""

    def __init__(self, analyses: Sequence[Analysis], method: Method, seed: int) -> None:
        if method not in get_args(Method):
            raise ConfigError(f"method is {method!r}; choose one of {', '.join(get_args(Method))}")
        if not analyses:
            raise ConfigError("a map needs at least one analysis")
        if len({a.recipe_hash for a in analyses}) > 1:
            raise ConfigError("these analyses were made by different recipes; a map compares snippets of one recipe")
        self.method: Method = method
        self.seed = seed
        counts = [a.n_snippets for a in analyses]
        every = -(-sum(counts) // MAX_POINTS)  # ceil
        kept = [np.arange(0, n, every) for n in counts]
        self.clip_idx = np.repeat(np.arange(len(analyses)), [len(k) for k in kept])
        self.snippet_idx = np.concatenate(kept)
        self.rows = {"raw": _gather([a.clip_embeddings for a in analyses], kept)}
        self.notes = [f"1 snippet in {every} of {sum(counts)} is shown"] if every > 1 else []
        if any(a.fused_embeddings.shape[1] == 0 for a in analyses):
            self.notes.insert(0, "untrained: no trained head took part, so there are no fused embeddings")
        elif len({a.model_id for a in analyses}) > 1:
            self.notes.insert(0, "made by different models, whose fused embeddings cannot be compared")
        else:
            self.rows["fused"] = _gather([a.fused_embeddings for a in analyses], kept)

    def finish(self, placed: dict[str, Placement]) -> Projection:
        raw, fused, note = placed["raw"], placed.get("fused"), "; ".join(self.notes)
        return Projection(self.method, self.seed, self.clip_idx, self.snippet_idx, raw, fused, note)


def place(rows: np.ndarray, method: Method, *, seed: int = 0) -> Placement:
    """Place rows [M, D] of any one kind on a plane."""
    units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    start = _principal(units)
    distinct = len(np.unique(np.round(units, 6), axis=0))
    if distinct < FEWEST:
        name = "t-SNE" if method == "tsne" else "UMAP"
        note = f"{name} needs {FEWEST} different embeddings and got {distinct}"
        return Placement(_frozen(start), "principal components", note)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the order of additions, and so the result, would depend on the number of threads
        xy, how = (_tsne if method == "tsne" else _umap)(units, start / start.std(axis=0).max(), seed)
    return Placement(_frozen(xy), how)


def _tsne(rows: np.ndarray, start: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    init: Any = (1e-4 * start).astype(np.float32)  # small, as van der Maaten and Hinton begin
    engine = TSNE(perplexity=perplexity, init=init, random_state=seed, n_jobs=1)
    return engine.fit_transform(rows), f"t-SNE, perplexity {perplexity:.3g}"


def _umap(rows: np.ndarray, start: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    from umap import UMAP

    n_neighbors = min(N_NEIGHBORS, len(rows) - 1)
    init: Any = start.astype(np.float32)
    engine = UMAP(n_neighbors=n_neighbors, init=init, random_state=seed, n_jobs=1)
    return np.asarray(engine.fit_transform(rows.astype(np.float32))), f"UMAP, {n_neighbors} neighbours"


def _principal(rows: np.ndarray) -> np.ndarray:
    """The first two principal components [M, 2], zero where there is no spread; signs fixed."""
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    xy = np.zeros((len(rows), 2))
    k = min(2, len(sizes))
    xy[:, :k] = left[:, :k] * sizes[:k]
    xy[np.abs(xy) < 1e-9] = 0
    largest = xy[np.abs(xy).argmax(axis=0), [0, 1]]
    return xy * np.where(largest < 0, -1, 1)


def _gather(rows: Sequence[np.ndarray], kept: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([r[k] for r, k in zip(rows, kept, strict=True)]).astype(np.float32)


def _frozen(xy: np.ndarray) -> np.ndarray:
    made = xy.astype(np.float32)
    made.setflags(write=False)
    return made


def _place_all(parent: int, results: Connection, rows: dict[str, np.ndarray], method: Method, seed: int) -> None:
    """The child's work."""
    children.die_with(parent)
    for matrix in rows.values():
        results.send(place(matrix, method, seed=seed))
