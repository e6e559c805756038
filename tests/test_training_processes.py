"""Two processes that torchrun starts, with gloo on a CPU, train as one does with twice the batch size."""

import os
from pathlib import Path

import pytest
import torch
from processes import ROOT, ran
from test_commands_train import FILES, SMALL, features, train  # noqa: F401 (features is a fixture)
from train_together import trained
from training_sets import invoke, sets, table_of

from cmhkf.errors import ConfigError
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.training.log import PARTS

SAME = 1e-4  # losses: sums are in another order


@pytest.fixture
def torchrun(tmp_path_factory):
    """Two processes, on a port that is free."""
    logs = tmp_path_factory.mktemp("logs")
    env = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", f"--log-dir={logs}"]
    return lambda *arguments: ran(*launcher, *arguments, env=env, timeout=200)


def losses_of(out):
    return torch.tensor([[float(row[name]) for name in PARTS] for row in table_of(out / "training.csv")])


@pytest.mark.slow
def test_two_processes_see_the_double_batch(torchrun, tmp_path):
    """Modality dropout too, a last step of one sample, shares without sound, and texts that learn."""
    done = torchrun(Path(__file__).with_name("train_together.py"), tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    alone = trained(4)
    assert first["steps"] == second["steps"] == alone["steps"] == 12
    for name in ("losses", "texts"):
        torch.testing.assert_close(first[name], alone[name], atol=SAME, rtol=0)
        assert torch.equal(first[name], second[name])
    assert first["drawn"] == alone["drawn"] != second["drawn"]


@pytest.mark.slow
def test_an_error_in_one_process_ends_all(torchrun, tmp_path):
    done = torchrun(Path(__file__).with_name("train_together.py"), tmp_path, "spoilt")
    assert done.returncode != 0
    assert "v5 is damaged" in done.stderr
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_the_command_writes_and_speaks_once_and_its_run_goes_on(torchrun, features, tmp_path):  # noqa: F811
    chosen = [*SMALL, *sets("train.val_fraction=0.25")]
    where = ["--features", features, "--text-features", features / "text.npy", "--dataset", "xd-violence"]
    several, alone = tmp_path / "several", tmp_path / "alone"
    command = ["train", *where, "--out", several, "--device", "cpu", *chosen, *sets("train.batch_size=4")]
    done = torchrun("-m", "cmhkf", *command)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in several.iterdir()} == FILES
    assert done.stdout.count("how it was made") == done.stderr.count("48 training samples") == 1
    assert load_checkpoint(several / "model.safetensors").provenance["device"].startswith("2 processes, each cpu")
    longer = sets("train.epochs=3")
    train(features, alone, *chosen, *longer)
    torch.testing.assert_close(losses_of(several), losses_of(alone)[:2], atol=SAME, rtol=0)
    train(features, several, *chosen, *longer, "--resume")
    torch.testing.assert_close(losses_of(several), losses_of(alone), atol=SAME, rtol=0)


@pytest.mark.parametrize("words", [["--labels", "labels.zip"], ["--baseline", "mil"]])
def test_what_compares_samples_with_each_other_needs_one_process(words, monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=f"{words[0]}.* needs all samples of a step in one process; start it without"):
        invoke("train", "--out", tmp_path, *words)
