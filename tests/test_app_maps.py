"""Maps behind the page: asked for once and kept, stopped for good, and only of what can be compared."""

import json
import multiprocessing
import time
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from analyses import make_analysis
from fakes import FakeAnalyzer, make_video

from app.desk import Desk
from app.maps import MapAsks, Maps
from app.settings import Settings
from cmhkf.projection import project


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return [make_video(folder / f"{name}.mp4", seconds=4, rate=rate) for name, rate in (("yard", 24), ("gate", 12))]


@pytest.fixture
def desk(tmp_path):
    made = Desk(Settings(home=tmp_path), lambda model: FakeAnalyzer())
    yield made
    made.close()


@pytest.fixture
def asks(desk):
    maps = Maps(desk)
    yield {f.__name__: f for f in MapAsks(maps).functions()}
    maps.close()


def keep(desk, file, n=24, **changes):
    """An analysis of a clip of the library: random embeddings, a trained head."""
    rng = np.random.default_rng(n)
    clip = desk.add(file, file.name, move=False)
    values = {
        "clip_embeddings": rng.standard_normal((n, 8)), "fused_embeddings": rng.standard_normal((n, 5)),
        "trained": True,
    }  # fmt: skip
    made = make_analysis(rng.random(n), clip=clip, **values | changes)
    return desk.store.save(made), made


def finish(asks, ask):
    """Ask until the map is there; returns its content."""
    answer = asks["map"](ask)
    end = time.monotonic() + 120
    while "job" in answer:
        state = asks["map_job"](answer)
        assert state["state"] != "failed", state["error"]
        assert time.monotonic() < end
        time.sleep(0.05)
        if state["state"] == "done":
            answer = asks["map"](ask)
    assert "error" not in answer, answer
    return json.loads(Path(unquote(answer["url"].removeprefix("gradio_api/file="))).read_text())


def test_a_map_holds_the_points_that_the_library_computes(desk, asks, files):
    key, analysis = keep(desk, files[0])
    content = finish(asks, {"analysis_id": key, "method": "tsne", "scope": "clip"})
    expected = project([analysis])
    assert content["raw"]["x"] == pytest.approx(expected.raw.xy[:, 0].tolist(), abs=2e-3)
    assert content["fused"]["y"] == pytest.approx(expected.fused.xy[:, 1].tolist(), abs=2e-3)
    assert content["time_s"][:2] == pytest.approx([1 / 3, 1], abs=1e-4)
    assert content["class"] == analysis.class_probs.argmax(axis=1).tolist()
    assert content["clips"] == [{"analysis_id": key, "name": "yard.mp4", "trained": True, "snippet_s": 2 / 3}]


def test_a_map_is_computed_once(desk, asks, files):
    key, _ = keep(desk, files[0])
    ask = {"analysis_id": key, "method": "tsne", "scope": "clip"}
    first, second = asks["map"](ask), asks["map"](ask)
    assert first["job"] == second["job"]
    finish(asks, ask)
    assert "url" in asks["map"](ask)
    assert "job" in asks["map"](ask | {"method": "umap"})


def test_the_library_holds_what_the_same_model_saw(desk, asks, files):
    (one, _), (two, _) = keep(desk, files[0]), keep(desk, files[1], n=12)
    keep(desk, files[1], model_id="another")
    keep(desk, files[1], recipe_hash="f" * 16)
    content = finish(asks, {"analysis_id": one, "method": "tsne", "scope": "library"})
    assert {clip["analysis_id"] for clip in content["clips"]} == {one, two}
    assert len(content["raw"]["x"]) == len(content["clip"]) == 36


def test_untrained_has_no_second_panel_and_says_why(desk, asks, files):
    key, _ = keep(desk, files[0], trained=False, fused_embeddings=np.ones((24, 0)))
    content = finish(asks, {"analysis_id": key, "method": "tsne", "scope": "clip"})
    assert content["fused"] is None
    assert content["note"].startswith("untrained")


def test_cancelling_ends_the_process(desk, asks, files):
    key, _ = keep(desk, files[0], n=3000, clip_embeddings=np.random.default_rng(0).standard_normal((3000, 64)))
    ask = {"analysis_id": key, "method": "tsne", "scope": "clip"}
    job = asks["map"](ask)
    end = time.monotonic() + 60
    while not multiprocessing.active_children():
        assert time.monotonic() < end
        time.sleep(0.02)
    (child,) = multiprocessing.active_children()
    asks["map_cancel"](job)
    while asks["map_job"](job)["state"] != "cancelled":
        assert time.monotonic() < end
        time.sleep(0.02)
    child.join(5)
    assert not child.is_alive()
    assert "job" in asks["map"](ask)  # nothing half-made was kept


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "pca"}, "tsne, umap"),
        ({"scope": "world"}, "clip, library"),
        ({"analysis_id": "nope"}, "no analysis"),
    ],
)
def test_what_cannot_be_mapped_is_said(desk, asks, files, changes, message):
    key, _ = keep(desk, files[0])
    ask = {"analysis_id": key, "method": "tsne", "scope": "library"} | changes
    assert message in asks["map"](ask)["error"]
