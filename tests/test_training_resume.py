"""What a checkpoint and a run keep: the prompts' table, the features they began with, and how they were made."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from fake_encoders import text_tower
from feature_files import rows, write_own
from safetensors import safe_open
from safetensors.torch import save_file
from test_commands_train import SMALL, TRAIN, features, train  # noqa: F401 (features is a fixture)
from test_training_fit import QUICK
from training_sets import untrained

from app.settings import parse_settings
from cmhkf.batch import analyze_many, ray_gpus
from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import CheckpointError, ConfigError, DataError
from cmhkf.features.folders import released_recipe
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.config import ModelConfig
from cmhkf.model.texts import FixedTexts, LearnablePrompts, PromptTexts, TextSource
from cmhkf.training.batches import FolderSamples
from cmhkf.training.config import TrainConfig
from cmhkf.training.fit import fit, paper_objective
from cmhkf.training.run import Start, _prompts, choose_texts

TABLE = np.random.default_rng(3).standard_normal((77, 512)).astype(np.float32)


def saved(path, **more):
    return untrained(path, ModelConfig(dim=8), released_recipe(audio=True), **more)


def test_the_prompts_table_comes_back_bit_for_bit_and_older_programs_read_the_rest(tmp_path):
    path = saved(tmp_path / "with.safetensors", prompts=TABLE)
    np.testing.assert_array_equal(load_checkpoint(path).prompts, TABLE)
    with safe_open(path, "pt") as file:  # an older program looks at the tensors and this one key
        keys, header = set(file.keys()), json.loads(file.metadata()["cmhkf"])
    with safe_open(saved(tmp_path / "without.safetensors"), "pt") as file:
        assert (keys, header) == (set(file.keys()), json.loads(file.metadata()["cmhkf"]))
    assert load_checkpoint(tmp_path / "without.safetensors").prompts is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not base 64!", "damaged table of prompts"),
        (base64.b64encode(b"1234").decode(), "damaged table of prompts"),
        (base64.b64encode(np.full((77, 512), np.nan, "<f4").tobytes()).decode(), "not finite"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, text, message):
    path = saved(tmp_path / "m.safetensors")
    with safe_open(path, "pt") as file:
        tensors, metadata = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    save_file(tensors, path, metadata=metadata | {"cmhkf.prompts": text})
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


@pytest.fixture
def tower(monkeypatch):
    """In place of the weights that are not here."""
    clip = text_tower()
    monkeypatch.setattr("cmhkf.encoders.clip.load_clip", lambda *_, **__: (None, None, clip))
    return clip


def test_learned_prompts_go_on_learning_from_where_they_stood(tower, tmp_path):
    checkpoint = load_checkpoint(saved(tmp_path / "m.safetensors", prompts=TABLE))
    start = Start("m", checkpoint.config, paper_objective(TrainConfig()), checkpoint)
    data = type("Data", (), {"folder": type("Folder", (), {"recipe": released_recipe(audio=True)})})
    texts = choose_texts(data, start, None, "cpu")
    assert isinstance(texts, PromptTexts)
    np.testing.assert_array_equal(texts.table, TABLE)
    expected = LearnablePrompts(checkpoint.classes)
    expected.table.data.copy_(torch.from_numpy(TABLE))
    torch.testing.assert_close(texts(), expected(tower))
    texts().sum().backward()
    assert texts.prompts.table.grad.abs().sum() > 0
    np.testing.assert_array_equal(_prompts(texts, start), TABLE)
    np.testing.assert_array_equal(_prompts(FixedTexts(checkpoint.text_features), start), TABLE)  # kept as they are
    assert _prompts(FixedTexts(checkpoint.text_features + 1), start) is None
    assert isinstance(TextSource(released_recipe(audio=True)).make(checkpoint.config), PromptTexts)


def training_folder(path):
    for i, name in enumerate(TRAIN):
        write_own(path, name, 5 + i % 3)
    (path / "train.txt").write_text("\n".join(TRAIN))
    np.save(path / "text.npy", rows(7, 4))
    return path


def test_the_command_refuses_to_go_on_with_other_features(tmp_path):
    folders = [training_folder(tmp_path / name) for name in ("one", "other")]
    write_own(folders[1], TRAIN[0], 8)
    out = tmp_path / "out"
    train(folders[0], out, *SMALL)
    with pytest.raises(ConfigError, match="features of the samples differ"):
        train(folders[1], out, *SMALL, "--resume")


def test_an_error_in_a_worker_is_one_line_that_names_the_file(tmp_path):
    folder = training_folder(tmp_path / "features")
    data = open_dataset("xd-violence", folder)
    samples = FolderSamples(data.folder, data.train)
    _ = data.folder.video_dim, data.folder.semantic_dim, data.folder.audio_dim
    (folder / f"{TRAIN[5]}__0.npz").write_bytes(b"PK\x03\x04 cut")
    config = ModelConfig(dim=16, video_dim=6, semantic_dim=4, audio_dim=3)
    for workers in (0, 1):
        with pytest.raises(DataError) as caught:
            fit(build_model(config), FixedTexts(rows(7, 4)), samples, QUICK, workers=workers)
        assert f"{TRAIN[5]}__0.npz is damaged" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "Traceback" not in str(caught.value)


def test_the_card_says_by_which_code_when_and_on_what(features, tmp_path):  # noqa: F811
    train(features, tmp_path, *SMALL)
    made_by = load_checkpoint(tmp_path / "model.safetensors").provenance
    assert re.search(r"source [0-9a-f]{16}$", made_by["code"])
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$", made_by["finished"])
    assert re.match(r"cpu \(.*\), \d+ threads$", made_by["device"])
    card = (tmp_path / "model_card.md").read_text()
    for key in ("code", "finished", "device", "torch"):
        assert f"| {key} | {made_by[key]} |" in card


def test_ray_tasks_ask_for_a_gpu_where_there_is_one():
    gpus, none = {"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0}
    assert ray_gpus("auto", gpus) == ray_gpus("cuda", gpus) == 1
    assert ray_gpus("cpu", gpus) == ray_gpus("auto", none) == 0
    assert ray_gpus("auto", gpus, 0.25) == 0.25
    with pytest.raises(ConfigError, match="--gpus-per-worker is 1, but the Ray cluster has 0 GPUs"):
        ray_gpus("auto", none, 1)
    with pytest.raises(ConfigError, match="the Ray cluster has no GPU"):
        ray_gpus("cuda", none)
    with pytest.raises(ConfigError, match="device is 'cuda:1'; with --engine ray choose auto, cpu or cuda"):
        ray_gpus("cuda:1", gpus)


def test_a_device_can_be_chosen_for_analysing_and_for_the_page(tmp_path, capsys):
    with pytest.raises(ConfigError, match="device is 'tpu'; choose auto, cpu, cuda or cuda:N"):
        [*analyze_many([tmp_path / "a.mp4"], tmp_path / "out", model="demo", device="tpu")]
    assert parse_settings([], {}).device == "auto"
    assert parse_settings(["--device", "cpu"], {"CMHKF_DEVICE": "cuda:1"}).device == "cpu"
    assert parse_settings([], {"CMHKF_DEVICE": "cuda:1"}).device == "cuda:1"
    with pytest.raises(SystemExit):
        parse_settings(["--device", "tpu"], {})
    assert "device is 'tpu'" in capsys.readouterr().err
