"""Maps of snippets: what is near stays near, few and equal rows, the same seed twice, and a child that really ends."""

import os
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from analyses import make_analysis
from processes import children
from sklearn.decomposition import PCA

from cmhkf.errors import CmhkfError, ConfigError
from cmhkf.figures import projection
from cmhkf.figures.projection import place, project, projection_steps
from cmhkf.progress import Progress

METHODS = ("tsne", pytest.param("umap", marks=pytest.mark.slow))  # UMAP is compiled first: half a minute


def clusters(*, per=20, dim=32, seed=0):
    """Three far-apart directions with a little noise; returns rows and the cluster of each."""
    rng = np.random.default_rng(seed)
    centres = np.eye(dim)[:3] * 5
    which = np.repeat(np.arange(3), per)
    return (centres[which] + 0.1 * rng.standard_normal((3 * per, dim))).astype(np.float32), which


def analysis_of(rows, **changes):
    return make_analysis(np.linspace(0, 1, len(rows)), clip_embeddings=rows, **changes)


def trained_of(rows, fused, **changes):
    return analysis_of(rows, trained=True, fused_embeddings=fused, **changes)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_near_stays_near_and_length_does_not_matter(method):
    rows, which = clusters()
    xy = place(rows * np.random.default_rng(1).uniform(0.1, 10, (len(rows), 1)), method).xy
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (which[distance.argmin(axis=1)] == which).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_points(method):
    rows, _ = clusters(per=10)
    assert np.array_equal(place(rows, method, seed=3).xy, place(rows, method, seed=3).xy)
    if method == "umap":  # t-SNE from principal components has nothing left to chance
        assert not np.array_equal(place(rows, method, seed=3).xy, place(rows, method, seed=4).xy)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 17])
def test_few_rows_are_placed_and_said(method, n):
    placed = place(np.random.default_rng(n).standard_normal((n, 8)), method)
    assert placed.xy.shape == (n, 2)
    assert np.isfinite(placed.xy).all()
    assert not placed.xy.flags.writeable
    name = "t-SNE" if method == "tsne" else "UMAP"
    if n < 4:
        assert placed.how == "principal components"
        assert placed.note == f"{name} needs 4 different embeddings and got {n}"
    else:
        assert placed.how.startswith(name)
        assert placed.note == ""


def test_too_few_rows_lie_as_scikit_learns_pca_puts_them():
    rows = np.random.default_rng(0).standard_normal((3, 8))
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.abs(place(rows, "tsne").xy) == pytest.approx(np.abs(PCA(2).fit_transform(units)), abs=1e-6)


@pytest.mark.parametrize("rows", [np.ones((20, 8)), np.zeros((20, 8))])
def test_equal_rows_lie_on_one_point(rows):
    placed = place(rows, "tsne")
    assert np.ptp(placed.xy) == 0
    assert "got 1" in placed.note


@pytest.mark.parametrize("method", METHODS)
def test_many_copies_of_few_rows_and_single_columns_stay_finite(method):
    assert np.isfinite(place(np.eye(5).repeat(12, axis=0), method).xy).all()
    assert np.isfinite(place(np.linspace(-1, 1, 30)[:, None], method).xy).all()


def test_several_clips_share_one_map_and_points_know_where_they_come_from():
    rows, which = clusters(per=9)
    analyses = [trained_of(rows[which != 2], rows[which != 2]), trained_of(rows[which == 2], rows[which == 2, :6])]
    with pytest.raises(ValueError, match="concatenation"):
        project(analyses)
    analyses[1] = trained_of(rows[which == 2], rows[which == 2])
    made = project(analyses)
    assert (made.clip_idx.tolist(), made.snippet_idx.tolist()) == ([0] * 18 + [1] * 9, [*range(18), *range(9)])
    assert made.fused
    assert np.array_equal(made.raw.xy, made.fused.xy)
    assert made.note == ""


def test_untrained_says_so_and_long_clips_are_thinned(monkeypatch):
    monkeypatch.setattr(projection, "MAX_POINTS", 12)
    rows, _ = clusters(per=10)
    made = project([analysis_of(rows)])
    assert made.fused is None
    assert made.note.startswith("untrained: no trained head took part")
    assert made.note.endswith("; 1 snippet in 3 of 30 is shown")
    assert made.snippet_idx.tolist() == list(range(0, 30, 3))


@pytest.mark.parametrize(
    ("analyses", "method", "message"),
    [
        ([], "tsne", "at least one"),
        ([analysis_of(np.ones((3, 4)))], "pca", "'pca'; choose one of tsne, umap"),
        ([analysis_of(np.ones((3, 4))), analysis_of(np.ones((3, 4)), recipe_hash="f" * 16)], "tsne", "recipes"),
    ],
)
def test_what_cannot_be_mapped_says_why(analyses, method, message):
    with pytest.raises(ConfigError, match=message):
        project(analyses, method=method)
    with pytest.raises(ConfigError, match=message):
        next(iter(projection_steps(analyses, method=method)))


def test_the_background_gives_progress_and_the_same_points():
    rows, _ = clusters(per=8)
    analysis = trained_of(rows, rows[:, ::-1])
    *steps, made = projection_steps([analysis], method="tsne")
    assert all(isinstance(step, Progress) for step in steps)
    assert steps[0].total == 2
    assert all(a.done <= b.done for a, b in pairwise(steps))
    direct = project([analysis], method="tsne")
    assert np.array_equal(made.raw.xy, direct.raw.xy)
    assert np.array_equal(made.fused.xy, direct.fused.xy)


@pytest.mark.serial
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads the children from /proc")
def test_closing_ends_the_process_at_once():
    rows = np.random.default_rng(0).standard_normal((3000, 64))  # many seconds of work
    steps = projection_steps([analysis_of(rows)], method="tsne")
    next(steps)
    assert children()
    time.sleep(0.5)
    begun = time.monotonic()
    steps.close()
    assert time.monotonic() - begun < 2
    assert children() == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads the children from /proc")
def test_a_process_that_dies_is_an_error_for_people():
    steps = projection_steps([analysis_of(np.random.default_rng(0).standard_normal((3000, 64)))])
    next(steps)
    for pid in children():
        os.kill(pid, 9)
    with pytest.raises(CmhkfError, match="ended with code -9"):
        list(steps)
