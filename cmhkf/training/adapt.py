"""`python -m cmhkf train --finetune MODEL --labels FILE`: a trained model adapted to what people decided."""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from cmhkf.datasets.labels import Labels, State, read_labels
from cmhkf.errors import ConfigError
from cmhkf.features.folders import FeatureFolder
from cmhkf.model.run import NORMAL_FOOTAGE
from cmhkf.model.texts import FixedTexts
from cmhkf.model.trained_on import warning
from cmhkf.progress import Fallback, said_of, say, tell
from cmhkf.settings import changed
from cmhkf.training.config import FEEDBACK, TrainConfig
from cmhkf.training.feedback import FeedbackSamples, feedback_samples, segment_peaks
from cmhkf.training.fit import fit, paper_objective
from cmhkf.training.mil import mil_objective
from cmhkf.training.run import Material, RunOptions, Start, fresh, load_head, train_on
from cmhkf.training.settings import part_of

FOLDS = 5
OPERATING_POINT = 0.5


def adapt(files: Sequence[Path], finetune: str, run: RunOptions, *, strict: bool = False) -> str:
    """Adapt a model to exported labels, after measuring on videos held out what that gives.

    Args:
        files: as the page exports them.
        finetune: a preset or a checkpoint, trained on features of the same recipe.
        run: where, on what, and which settings differ from `FEEDBACK` and from the model's own.
        strict: whether windows that cannot be trained on, and videos without audio, are an error.
    """
    if not finetune:
        raise ConfigError("--labels adapt a trained model: name it with --finetune, such as demo or a checkpoint file")
    config = changed(FEEDBACK, part_of(run.given, "train"))
    checkpoint = load_head(finetune).changed(part_of(run.given, "model"))
    if checkpoint.config.architecture not in ("cmhkf", "mil"):
        raise ConfigError(f"{finetune} is a model of {checkpoint.config.architecture}, which --labels do not adapt")
    objective = mil_objective if checkpoint.config.architecture == "mil" else paper_objective(config)
    start = Start(checkpoint.name.removesuffix("-adapted") + "-adapted", checkpoint.config, objective, checkpoint)
    with TemporaryDirectory(prefix="cmhkf-labels-") as folder:
        labels = read_labels(files, Path(folder))
        features = FeatureFolder(folder)
        recipe = features.recipe_for(checkpoint.config.modalities)
        checkpoint.require_recipe(recipe)
        samples, unknown = feedback_samples(features, labels, checkpoint.classes)
    fallbacks = _fallbacks(labels, samples, unknown, hears=checkpoint.config.listens)
    tell(fallbacks, strict=strict)
    about = _about(labels, samples) | {"class texts": f"kept as {checkpoint.name!r} has them"}
    videos = [video.name for video in labels.videos]
    say("\n".join(f"{name}: {value}" for name, value in about.items()))
    about["fallbacks of data"] = said_of(fallbacks)
    texts = FixedTexts(checkpoint.text_features).to(run.device)
    metrics = {
        "calibration": f"0.5 was set for {checkpoint.name!r}, before it was adapted to reviewed footage; how "
        "often it raises false alarms now was not measured"
    } | (told := held_out(samples, start, texts, config))
    if scale := checkpoint.metrics.get(NORMAL_FOOTAGE):
        metrics[NORMAL_FOOTAGE] = scale  # of the encoders and of texts that stay as they are
    if note := warning(checkpoint, videos):
        metrics["note"] = told["note"] = note
    say("\n".join(f"{name}: {value}" for name, value in told.items()))
    return train_on(Material(samples, recipe, texts, None, about, metrics, videos), config, start, run)


def held_out(samples: FeedbackSamples, start: Start, texts: FixedTexts, config: TrainConfig) -> dict[str, str]:
    """How many decided segments reach 0.5 before, and after adapting to the other videos: by cross-validation."""
    videos = samples.videos
    n_folds = min(FOLDS, len(videos))
    if n_folds < 2:
        return {"on reviewed videos held out": "not measured: there is one video"}
    before, after = list[tuple[int, float]](), list[tuple[int, float]]()
    for fold in tqdm(range(n_folds), desc="measuring on videos held out", unit="fold", file=sys.stderr, disable=None):
        held = set(videos[fold::n_folds])
        torch.manual_seed(config.seed)
        model = fresh(start, config).to(texts().device).eval()
        before += segment_peaks(model, texts(), samples.of(held))
        fit(model, texts, samples.of({*videos} - held), config, objective=start.objective, device=str(texts().device))
        after += segment_peaks(model, texts(), samples.of(held))
    about = f"on reviewed videos held out ({n_folds} folds)"
    told = {}
    for state, confirmed in (("confirmed", True), ("dismissed", False)):
        counts = [
            sum(peak >= OPERATING_POINT for c, peak in found if (c > 0) == confirmed) for found in (before, after)
        ]
        n = sum((c > 0) == confirmed for c, _ in before)
        told[f"{state} segments at or above 0.5, {about}"] = f"{counts[0]} of {n} before, {counts[1]} of {n} after"
    if len({c > 0 for c, _ in before}) == 2:
        aucs = [roc_auc_score([c > 0 for c, _ in found], [peak for _, peak in found]) for found in (before, after)]
        verdict = "" if aucs[1] > aucs[0] else ": no gain there, so keep the model it began from unless you know better"
        told[f"confirmed told from dismissed segments, AUC, {about}"] = (
            f"{aucs[0]:.3f} before, {aucs[1]:.3f} after{verdict}"
        )
    return told


def _fallbacks(labels: Labels, samples: FeedbackSamples, unknown: tuple[str, ...], *, hears: bool) -> list[Fallback]:
    silent = {window.rows.name for window in samples.windows if hears and window.rows.audio is None}
    found = [
        Fallback("windows where nothing was confirmed and something is still open, left out", unknown),
        Fallback(
            "reviewed videos without sound, read as if they were silent",
            tuple(video.name for video in labels.videos if video.sha256 in silent),
        ),
    ]
    return [fallback for fallback in found if fallback.names]


def _about(labels: Labels, samples: FeedbackSamples) -> dict[str, Any]:
    one_sided = {}
    pairs: tuple[tuple[State, str], ...] = (("confirmed", "less"), ("dismissed", "more"))
    for state, only in pairs:
        if not labels.count(state):
            one_sided["one-sided"] = (
                f"nothing was {state}, so the model can only learn to flag {only}; decide both kinds"
            )
    return {
        "adapted to": f"{labels.count('confirmed')} confirmed and {labels.count('dismissed')} dismissed segments of "
        f"{len(labels.videos)} reviewed videos, exported {labels.exported}",
        "reviewers": ", ".join(sorted({video.reviewer for video in labels.videos})),
        "flagged by": labels.model_id,
        "windows trained on": len(samples),
    } | one_sided
