"""`python -m cmhkf train --finetune MODEL --labels FILE`: a trained model adapted to what people decided."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import typer
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from cmhkf.analyzer import load_head
from cmhkf.baselines.mil import mil_objective
from cmhkf.commands.training import Material, RunOptions, Start, fresh, train_on
from cmhkf.errors import ConfigError
from cmhkf.feedback import FeedbackSamples, feedback_samples, segment_peaks
from cmhkf.folders import FeatureFolder
from cmhkf.labels import Labels, State, read_labels
from cmhkf.texts import FixedTexts
from cmhkf.train import fit, paper_objective
from cmhkf.train_config import FEEDBACK, TrainConfig

FOLDS = 5
OPERATING_POINT = 0.5


def adapt(files: Sequence[Path], finetune: str, settings: Mapping[str, Any], run: RunOptions) -> str:
    """Adapt a model to exported labels, after measuring on videos held out what that gives.

    Args:
        files: as the page exports them.
        finetune: a preset or a checkpoint, trained on features of the same recipe.
        settings: what is to differ from `FEEDBACK`.
        run: where and on what.
    """
    if not finetune:
        raise ConfigError("--labels adapt a trained model: name it with --finetune, such as demo or a checkpoint file")
    config, checkpoint = replace(FEEDBACK, **settings), load_head(finetune)
    objective = mil_objective if checkpoint.config.architecture == "mil" else paper_objective(config)
    start = Start(checkpoint.name.removesuffix("-adapted") + "-adapted", checkpoint.config, objective, checkpoint)
    with TemporaryDirectory(prefix="cmhkf-labels-") as folder:
        labels = read_labels(files, Path(folder))
        features = FeatureFolder(folder)
        recipe = features.recipe_for(checkpoint.config.modalities)
        checkpoint.require_recipe(recipe)
        samples, n_unknown = feedback_samples(features, labels, checkpoint.classes)
    about = _about(labels, samples, n_unknown)
    typer.echo("\n".join(f"{name}: {value}" for name, value in about.items()), err=True)
    texts = FixedTexts(checkpoint.text_features).to(run.device)
    metrics = {
        "calibration": f"0.5 was set for {checkpoint.name!r}, before it was adapted to reviewed footage; how "
        "often it raises false alarms now was not measured"
    } | (told := held_out(samples, start, texts, config))
    typer.echo("\n".join(f"{name}: {value}" for name, value in told.items()), err=True)
    return train_on(Material(samples, recipe, texts, None, about, metrics), config, start, run)


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
        model = fresh(start).to(texts().device).eval()
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


def _about(labels: Labels, samples: FeedbackSamples, n_unknown: int) -> dict[str, Any]:
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
        "windows left out": f"{n_unknown}, where nothing was confirmed and something is still open",
    } | one_sided
