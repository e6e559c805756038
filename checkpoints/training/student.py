"""The student: Model on the teacher's projection of the rows, trained on video labels and on the teacher's opinion.

It is trained on projected rows; the projection then becomes its first layer, so that what is shipped reads the demo
encoders' rows like any other checkpoint. The heads that know when have a say of their own in the score: of what they
tell apart within a video, the student loses some.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.special import expit, logit
from torch.optim.swa_utils import AveragedModel

from checkpoints.training.footage import CLASSES, SNIPPET_S, Video
from checkpoints.training.teacher import Linear, Teacher, fit_teacher, opinion
from cmhkf.encoders.demo.audio import AUDIO_DIM
from cmhkf.encoders.demo.minilm import WIDTH
from cmhkf.encoders.demo.video import VIDEO_DIM
from cmhkf.model.build import Model, build_model
from cmhkf.model.config import ModelConfig, TemporalConfig
from cmhkf.model.run import predict
from cmhkf.model.texts import FixedTexts
from cmhkf.training.batches import Sample, SampleList, shape_rows
from cmhkf.training.config import TrainConfig
from cmhkf.training.fit import StepDone, fit
from cmhkf.training.log import EpochLog

DIM = 32
AVERAGED_EPOCHS = 15  # the last ones, whose weights are averaged: as good as several runs, and one model
SHARPNESS = 2.0  # the teacher's logits, of unit deviation, as probabilities
SAY = 5.0  # of the mean of the heads that know when, of unit deviation each, in the student's logit
NORMAL_SHARE = 0.5  # of the teacher's opinion, where the labels say that nothing happens
MODEL = ModelConfig(
    classes=CLASSES, dim=DIM, video_dim=DIM, semantic_dim=WIDTH, audio_dim=AUDIO_DIM, temporal=TemporalConfig(window=8)
)
_SCHEDULE = {"epochs": 30, "batch_size": 32, "lr": 2e-3, "milestones": (10,), "gamma": 0.5, "seed": 0}
TRAIN = TrainConfig(**_SCHEDULE, weight_decay=0.5, lambda_snippets=20.0, drop_audio=0.5, val_fraction=0.0)


def make_samples(videos: Sequence[Video], teacher: Teacher, config: ModelConfig) -> SampleList:
    """The teacher's held-out view of the rows as features, and its opinion of them, tamed by the label, as targets."""
    samples = SampleList()
    for video, rows in zip(videos, teacher.held_out, strict=True):
        believed = expit(SHARPNESS * opinion(rows, video.source))
        targets = np.where(video.anomalous_s() > SNIPPET_S / 2, believed, NORMAL_SHARE * believed)
        audio = video.rows.audio if config.listens else None
        parts = (rows, video.rows.semantic, audio, targets[:, None].astype(np.float32))
        seen, meant, audio, targets = (None if part is None else shape_rows(part)[0] for part in parts)
        assert seen is not None
        assert targets is not None
        samples.append(Sample(video.name, seen, meant, audio, (video.label,), targets[:, 0]))
    return samples


def with_laid_sounds(samples: Sequence[Sample]) -> SampleList:
    """The samples, and the silent ones again, each under the audio of another of the same class."""
    random, again = np.random.default_rng(0), list[Sample]()
    audible: dict[tuple[int, ...], list[np.ndarray]] = {}
    for sample in samples:
        if sample.audio is not None:
            audible.setdefault(sample.labels, []).append(sample.audio)
    for sample in samples:
        if sample.audio is None and (sounds := audible.get(sample.labels)):
            sound = sounds[random.integers(len(sounds))]
            shifted = np.roll(sound, -random.integers(len(sound)), axis=0)
            again.append(replace(sample, audio=np.resize(shifted, (len(sample.video), sound.shape[1]))))
    return SampleList([*samples, *again])


def fit_student(
    videos: Sequence[Video], texts: np.ndarray, config: ModelConfig, *, seed: int = TRAIN.seed
) -> tuple[Model, Teacher]:
    """Fit a teacher, and train a student of it on projected rows; `texts` [C, D_s].

    The student's weights are the mean over the last epochs.
    """
    teacher = fit_teacher(videos, dim=config.dim, seed=seed)
    torch.manual_seed(seed)
    model = build_model(config)
    averaged = AveragedModel(model)

    def average(progress: StepDone | EpochLog) -> None:
        if isinstance(progress, EpochLog) and progress.epoch > TRAIN.epochs - AVERAGED_EPOCHS:
            averaged.update_parameters(model)

    samples = with_laid_sounds(make_samples(videos, teacher, config))
    fit(model, FixedTexts(texts), samples, replace(TRAIN, seed=seed), on_progress=average)
    model.load_state_dict(averaged.module.state_dict())
    return model, teacher


@torch.inference_mode()
def score(model: Model, texts: np.ndarray, video: Video, *, semantic: bool = True) -> np.ndarray:
    """A model's logit of each snippet, [N]; without `semantic` the video rows are what meets the texts."""
    rows = video.rows if semantic else replace(video.rows, semantic=None)
    scores = predict(model, torch.from_numpy(texts), rows).scores.astype(np.float64)
    return logit(scores.clip(1e-7, 1 - 1e-7))


def with_projection(
    model: Model,
    teacher: Teacher,
    *,
    operating_logit: float = 0.0,
    temperature: float = 1.0,
    probe: Linear | None = None,
    least_share: float = 0.0,
) -> Model:
    """The same model on whole rows [N, D_v]: the projection becomes its first layer; heads that know when, its probe.

    The logit `operating_logit` is to score 0.5, and `temperature` divides what lies above it; `probe` names classes,
    unclear ones below `least_share`.
    """
    calibrated = replace(model.config, operating_logit=operating_logit, temperature=temperature)
    probed = replace(calibrated, score_probe=True, class_probe=probe is not None, least_share=least_share)
    whole = build_model(replace(probed, video_dim=VIDEO_DIM))
    say = Linear(*(SAY * part for part in teacher.say))
    layers = {"video_in": teacher.project, "score_probe": say} | ({"probe": probe} if probe else {})
    state = model.state_dict()
    for name, layer in layers.items():
        state |= {f"{name}.weight": torch.from_numpy(layer.weight.T.copy()), f"{name}.bias": torch.tensor(layer.bias)}
    whole.load_state_dict(state)
    return whole.eval()
