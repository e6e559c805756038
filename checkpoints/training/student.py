"""The student: CMHKF on the teacher's projection of the rows, trained on weak labels and on the teacher's opinion.

It is trained on projected rows; the projection then becomes its first layer, so that what is shipped reads the demo
encoders' rows like any other checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.special import expit, logit
from torch.optim.swa_utils import AveragedModel

from checkpoints.training.footage import CLASSES, EXAMPLES, SNIPPET_S, Video
from checkpoints.training.teacher import Linear, Teacher, fit_teacher, opinion
from cmhkf.batches import Sample, shape_rows
from cmhkf.config import ModelConfig, TemporalConfig
from cmhkf.encoders.embedded_audio import AUDIO_DIM
from cmhkf.encoders.embedded_video import VIDEO_DIM
from cmhkf.encoders.minilm import WIDTH
from cmhkf.evaluate import predict
from cmhkf.model import CMHKF, build_model
from cmhkf.texts import FixedTexts
from cmhkf.train import Step, fit
from cmhkf.train_config import TrainConfig
from cmhkf.training_log import EpochLog

DIM = 32
AVERAGED_EPOCHS = 15  # the last ones, whose weights are averaged: as good as several runs, and one model
SHARPNESS = 2.0  # the teacher's logits, of unit deviation, as probabilities
EXAMPLE_TIMES, EXAMPLE_SURE = 8, 0.95  # rendered scenes look like nothing else: each counts so often, as so sure
NORMAL_SHARE = 0.5  # of the teacher's opinion, where the label says that nothing happens
MODEL = ModelConfig(
    classes=CLASSES, dim=DIM, video_dim=DIM, semantic_dim=WIDTH, audio_dim=AUDIO_DIM,
    temporal=TemporalConfig(window=8),
)  # fmt: skip
TRAIN = TrainConfig(
    epochs=30, batch_size=32, lr=2e-3, weight_decay=0.5, milestones=(10,), gamma=0.5, lambda_snippets=20.0,
    drop_audio=0.5, val_fraction=0.0, seed=0,
)  # fmt: skip


class Samples(list[Sample]):
    """A training set in memory."""

    @property
    def labels(self) -> list[tuple[int, ...]]:
        """Of each sample."""
        return [sample.labels for sample in self]


def make_samples(videos: Sequence[Video], teacher: Teacher, config: ModelConfig) -> Samples:
    """The teacher's held-out view of the rows as features, and its opinion of them, tamed by the label, as targets."""
    samples = Samples()
    for video, rows in zip(videos, teacher.held_out, strict=True):
        if video.source == EXAMPLES:
            inside = video.anomalous_s() > SNIPPET_S / 2
            targets = np.where(inside, EXAMPLE_SURE, 1 - EXAMPLE_SURE)
        else:
            believed = expit(SHARPNESS * opinion(rows, video.source))
            targets = believed if video.abnormal else NORMAL_SHARE * believed
        heard = video.rows.audio if "A" in config.modalities else None
        parts = (rows, video.rows.semantic, heard, targets[:, None].astype(np.float32))
        seen, meant, heard, targets = (None if part is None else shape_rows(part)[0] for part in parts)
        assert seen is not None
        assert targets is not None
        sample = Sample(video.name, seen, meant, heard, (video.label,), targets[:, 0])
        samples += [sample] * (EXAMPLE_TIMES if video.source == EXAMPLES else 1)
    return samples


def fit_student(videos: Sequence[Video], texts: np.ndarray, config: ModelConfig) -> tuple[CMHKF, Teacher]:
    """Fit a teacher, and train a student of it on projected rows; `texts` [C, D_s].

    The student's weights are the mean over the last epochs.
    """
    teacher = fit_teacher(videos, dim=config.dim, seed=TRAIN.seed)
    torch.manual_seed(TRAIN.seed)
    model = build_model(config)
    averaged = AveragedModel(model)

    def average(progress: Step | EpochLog) -> None:
        if isinstance(progress, EpochLog) and progress.epoch > TRAIN.epochs - AVERAGED_EPOCHS:
            averaged.update_parameters(model)

    fit(model, FixedTexts(texts), make_samples(videos, teacher, config), TRAIN, on_progress=average)
    model.load_state_dict(averaged.module.state_dict())
    return model, teacher


@torch.inference_mode()
def score(model: CMHKF, texts: np.ndarray, video: Video, *, semantic: bool = True) -> np.ndarray:
    """A model's logit of each snippet, [N]; without `semantic` the video rows are what meets the texts."""
    rows = video.rows if semantic else replace(video.rows, semantic=None)
    scores = predict(model, torch.from_numpy(texts), rows).scores.astype(np.float64)
    return logit(scores.clip(1e-7, 1 - 1e-7))


def with_projection(model: CMHKF, project: Linear, *, operating_logit: float = 0.0) -> CMHKF:
    """The same model on whole rows [N, D_v]: the projection becomes its first layer.

    `operating_logit` is the logit that it is to score 0.5.
    """
    whole = build_model(replace(model.config, video_dim=VIDEO_DIM, operating_logit=operating_logit))
    first = {
        "video_in.weight": torch.from_numpy(project.weight.T.copy()),
        "video_in.bias": torch.from_numpy(project.bias.copy()),
    }
    whole.load_state_dict(model.state_dict() | first)
    return whole.eval()
