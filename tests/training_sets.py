"""Made-up training sets: anomalous videos hold a stretch of rows that point in the direction of their class."""

import numpy as np

from cmhkf.batches import Sample
from cmhkf.config import ModelConfig

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
