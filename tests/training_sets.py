"""Made-up training sets: anomalous videos hold a stretch of rows that point in the direction of their class."""

import csv

import numpy as np
import torch
from typer.testing import CliRunner

from cmhkf.cli import app
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import save_checkpoint
from cmhkf.model.config import ModelConfig
from cmhkf.training.batches import Sample

CLASSES = ("normal", "fight", "fire")
TINY = ModelConfig(classes=CLASSES, dim=16, video_dim=12, semantic_dim=8, audio_dim=4)
TEXT = np.random.default_rng(7).normal(size=(3, 8)).astype(np.float32)


class Made(list):
    """Samples in memory."""

    @property
    def labels(self):
        return [sample.labels for sample in self]


def made(n=12, *, seed=0, sound=True, signal=3.0):
    """n videos of 5 to 40 rows, a third of them of each class; every fourth has no sound."""
    random = np.random.default_rng(seed)
    samples = Made()
    for i in range(n):
        rows, label = int(random.integers(5, 41)), i % 3
        video, semantic, audio = (random.normal(size=(rows, d)).astype(np.float32) for d in (12, 8, 4))
        if label:
            video[2:5, label] += signal
        heard = audio if sound and i % 4 else None
        samples.append(Sample(f"v{i}", video, semantic, heard, (label,)))
    return samples


def sets(*pairs):
    """The words of a command line that set each of some pairs."""
    return [word for pair in pairs for word in ("--set", pair)]


def invoke(*words):
    """The command line in this process; its errors come out as they are."""
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def untrained(path, config, recipe, *, texts=None, **facts):
    """A checkpoint of fresh weights, the same every time; without `texts` with made-up ones."""
    torch.manual_seed(0)
    if texts is None:
        texts = np.random.default_rng(0).normal(size=(len(config.classes), config.semantic_dim)).astype(np.float32)
    facts = {"name": "tiny", "provenance": {}, "metrics": {}} | facts
    return save_checkpoint(path, build_model(config), recipe=recipe, text_features=texts, **facts)


def table_of(path):
    """The rows of a CSV file, by the names in its first line."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
