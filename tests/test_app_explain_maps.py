"""Maps behind the page: asked for once and kept, stopped for good, and only of what can be compared."""

import json

import numpy as np
import pytest
from analyses import make_analysis
from fakes import file_at, make_video, until

from cmhkf.figures.projection import project
from cmhkf.media.clip import probe


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return [make_video(folder / f"{name}.mp4", seconds=4, rate=rate) for name, rate in (("yard", 24), ("gate", 12))]


def keep(workspace, file, n=24, **changes):
    """An analysis of a clip of the library: random embeddings, a trained head."""
    rng = np.random.default_rng(n)
    clip = workspace.add(probe(file), file.name, move=False)
    values = {
        "clip_embeddings": rng.standard_normal((n, 8)),
        "fused_embeddings": rng.standard_normal((n, 5)),
        "trained": True,
    }
    made = make_analysis(rng.random(n), clip=clip, **values | changes)
    return workspace.store.save(made), made


def finish(handlers, ask):
    """Ask until the map is there; returns its content."""
    answer = handlers["map"](ask)
    until(lambda: handlers["map_job"](answer)["state"] in ("done", "failed"), 120)
    answer = handlers["map"](ask)
    assert "url" in answer, answer
    return json.loads(file_at(answer["url"]).read_text())


def test_a_map_holds_the_points_that_the_library_computes(workspace, handlers, files):
    key, analysis = keep(workspace, files[0])
    content = finish(handlers, {"analysis_id": key, "method": "tsne", "scope": "clip"})
    expected = project([analysis])
    assert content["raw"]["x"] == pytest.approx(expected.raw.xy[:, 0].tolist(), abs=2e-3)
    assert content["fused"]["y"] == pytest.approx(expected.fused.xy[:, 1].tolist(), abs=2e-3)
    assert content["time_s"][:2] == pytest.approx([1 / 3, 1], abs=1e-4)
    assert content["class"] == analysis.class_probs.argmax(axis=1).tolist()
    assert content["clips"] == [{"analysis_id": key, "name": "yard.mp4", "trained": True, "snippet_s": 2 / 3}]


def test_a_map_is_computed_once(workspace, handlers, files):
    key, _ = keep(workspace, files[0])
    ask = {"analysis_id": key, "method": "tsne", "scope": "clip"}
    first, second = handlers["map"](ask), handlers["map"](ask)
    assert first["job"] == second["job"]
    finish(handlers, ask)
    assert "url" in handlers["map"](ask)
    assert "job" in handlers["map"](ask | {"method": "umap"})


def test_the_library_holds_what_the_same_model_saw(workspace, handlers, files):
    (one, _), (two, _) = keep(workspace, files[0]), keep(workspace, files[1], n=12)
    keep(workspace, files[1], model_id="another")
    keep(workspace, files[1], recipe_hash="f" * 16)
    content = finish(handlers, {"analysis_id": one, "method": "tsne", "scope": "library"})
    assert {clip["analysis_id"] for clip in content["clips"]} == {one, two}
    assert len(content["raw"]["x"]) == len(content["clip"]) == 36


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "pca"}, "tsne, umap"),
        ({"scope": "world"}, "clip, library"),
        ({"analysis_id": "nope"}, "no analysis"),
    ],
)
def test_what_cannot_be_mapped_is_said(workspace, handlers, files, changes, message):
    key, _ = keep(workspace, files[0])
    ask = {"analysis_id": key, "method": "tsne", "scope": "library"} | changes
    assert message in handlers["map"](ask)["error"]
