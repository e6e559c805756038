"""Scores that a user would try first, on the same footage: without training, or by plain MIL on the same rows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from checkpoints.training.footage import CLASSES, Video
from checkpoints.training.student import score
from checkpoints.training.teacher import blur
from cmhkf.encoders.demo.score import appearance_change
from cmhkf.encoders.demo.video import MOTION, VIDEO_DIM
from cmhkf.model.build import build_model
from cmhkf.model.cvka import similarity
from cmhkf.model.texts import FixedTexts
from cmhkf.training.batches import Sample, SampleList, shape_rows
from cmhkf.training.config import TrainConfig
from cmhkf.training.fit import fit
from cmhkf.training.mil import mil_objective

SMOOTH_SNIPPETS = 5
EPOCHS = 20


def motion(video: Video, _: np.ndarray) -> np.ndarray:
    """Mean absolute difference of consecutive frames, on the rows' log scale, mean of five snippets."""
    return blur(video.rows.video[:, MOTION.start], SMOOTH_SNIPPETS)


def appearance(video: Video, _: np.ndarray) -> np.ndarray:
    """1 - cosine of EfficientNet's features of consecutive snippets and within them, mean of five snippets."""
    return appearance_change(video.rows.video)


def zero_shot(video: Video, texts: np.ndarray) -> np.ndarray:
    """ConSE: the best similarity of an anomaly class less that of the normal one."""
    import torch

    assert video.rows.semantic is not None
    found = similarity(torch.from_numpy(video.rows.semantic), torch.from_numpy(texts)).numpy()
    return blur(found[:, 1:].max(axis=1) - found[:, 0], SMOOTH_SNIPPETS)


RIVALS: dict[str, Callable[[Video, np.ndarray], np.ndarray]] = {
    "motion energy, untrained": motion,
    "change of appearance, untrained": appearance,
    "zero-shot ConSE, untrained": zero_shot,
}


def plain_mil(train: list[Video]) -> Callable[[Video], np.ndarray]:
    """Sultani's ranking, trained on the video labels alone."""
    import torch

    from checkpoints.training.student import MODEL

    torch.manual_seed(0)
    model = build_model(replace(MODEL, architecture="mil", modalities="V", video_dim=VIDEO_DIM))
    samples = SampleList(Sample(v.name, shape_rows(v.rows.video)[0], None, None, (v.label,)) for v in train)
    model_texts = FixedTexts(np.zeros((len(CLASSES), VIDEO_DIM)))
    config = TrainConfig(
        epochs=EPOCHS, batch_size=32, balanced=True, lr=1e-3, milestones=(), weight_decay=0.01, val_fraction=0.0
    )
    fit(model, model_texts, samples, config, objective=mil_objective)
    return lambda video: score(model, np.zeros((len(CLASSES), VIDEO_DIM), np.float32), video, semantic=False)
