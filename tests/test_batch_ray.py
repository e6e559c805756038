"""A cluster of node processes: what ends takes no other video with it, and every video is analysed once."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import ray
from fakes import until
from noted import load_noted
from ray.cluster_utils import Cluster
from test_batch import clips, made, names, notes, run  # noqa: F401

from cmhkf.batch import ENDED, TRIES, analyze_many
from cmhkf.errors import CheckpointError
from cmhkf.files import sha256_of
from cmhkf.home import data_home

ROOT = Path(__file__).parents[1]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # every process of Ray imports torch anew


@pytest.fixture
def cluster(monkeypatch, notes, tmp_path):  # noqa: F811
    """One without nodes."""
    short = tempfile.mkdtemp(dir="/tmp")  # Ray's sockets lie in it, whose paths may have 107 characters
    monkeypatch.setenv("RAY_TMPDIR", short)
    monkeypatch.setenv("CMHKF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")
    cluster = Cluster()
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    shutil.rmtree(short)


def test_a_killed_node_loses_no_video(clips, tmp_path, notes, cluster):  # noqa: F811
    _, node = (cluster.add_node(num_cpus=1) for _ in range(2))
    held = [tmp_path / f"hold-{n}.mp4" for n in (2, 3)]
    for file in held:
        file.touch()
    options = {"model": "m", "engine": "ray", "address": cluster.address, "load": load_noted}
    found = analyze_many(clips, tmp_path / "out", **options)
    done = [next(found), next(found)]
    until(lambda: {"2.mp4", "3.mp4"} <= {*(tmp_path / "notes").read_text().split()}, seconds=60)
    cluster.remove_node(node, allow_graceful=False)
    for file in held:
        file.unlink()
    done += found
    assert Counter(outcome.video for outcome in done) == {str(clip): 1 for clip in clips}
    assert not any(outcome.error or outcome.kept for outcome in done)
    assert names(tmp_path / "out") == [f"{n}.npz" for n in range(6)]
    begun = Counter(notes())
    assert begun in [Counter([f"{n}.mp4" for n in (*range(6), again)]) for again in (2, 3)]


def test_a_clip_that_ends_its_worker_is_named_and_the_rest_is_done(clips, tmp_path, notes, cluster):  # noqa: F811
    cluster.add_node(num_cpus=2)
    ends = Path(shutil.copy(clips[0], clips[0].with_name("ends.mp4")))
    out = f"file://{tmp_path}/out"  # by way of a URL
    found = run([clips[1], ends, *clips[2:5]], out, engine="ray", address=cluster.address)
    assert {name: outcome.error for name, outcome in found.items() if outcome.error} == {"ends.mp4": ENDED}
    assert names(tmp_path / "out") == ["1.npz", "2.npz", "3.npz", "4.npz"]
    assert Counter(notes())["ends.mp4"] == TRIES


def test_workers_read_and_fill_the_cache_of_features(clips, tmp_path, notes, cluster):  # noqa: F811
    def cached():
        found = data_home().glob("features/*/*.npz")
        return {file.stem: (file.stat().st_ino, file.stat().st_mtime_ns) for file in found}

    run(clips[:2], tmp_path / "local")
    before = cached()
    cluster.add_node(num_cpus=1)
    run(clips[:3], tmp_path / "out", engine="ray", address=cluster.address, workers=1)
    after = cached()
    assert set(after) == {sha256_of(clip) for clip in clips[:3]}
    for sha256, (inode, used_ns) in before.items():  # neither written again nor left unread
        assert after[sha256][0] == inode
        assert after[sha256][1] > used_ns


def test_a_model_that_cannot_be_loaded_is_told_as_here(clips, tmp_path, cluster):  # noqa: F811
    cluster.add_node(num_cpus=1)
    options = {"model": "nonsense", "engine": "ray"}
    with pytest.raises(CheckpointError, match=r"^'nonsense' is neither a preset .* nor a checkpoint file$"):
        [*analyze_many(clips, tmp_path / "out", address=cluster.address, **options)]
