"""Videos of a feature folder as analyses by a checkpoint, so that figures need neither encoders nor another decoding.

What only the video tells (its frames, its frame rate) comes from the video's file, where there is one.
"""

import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import torch

from cmhkf.analysis import Analysis
from cmhkf.analyzer import windows_s
from cmhkf.errors import DataError
from cmhkf.features.folders import FeatureFolder, Rows
from cmhkf.media.clip import Clip, probe
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import Checkpoint
from cmhkf.model.run import run
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES, Timeline


def analyse_folder(
    folder: FeatureFolder,
    checkpoint: Checkpoint,
    names: Sequence[str],
    *,
    videos: Mapping[str, Path] | None = None,
    rate: Fraction = GRID_RATE,
    device: str = "cpu",
) -> list[Analysis]:
    """What a checkpoint says of the centre crop of some videos; nothing is decoded here.

    Args:
        folder: features that the checkpoint reads.
        checkpoint: a trained model.
        names: of videos in the folder.
        videos: the file of each video that there is, by its name.
        rate: frames per second of videos whose features do not tell it, as those distributed.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        DataError: no such video, or a damaged file.
        MediaError: a video's file cannot be read.
    """
    model = build_model(checkpoint.config)
    model.load_state_dict(checkpoint.state)
    model = model.to(device).eval()
    text = torch.from_numpy(checkpoint.text_features).to(device)
    if unknown := [name for name in names if name not in folder]:
        raise DataError(f"{folder.path} has no features of {unknown[0]!r}; it has {len(folder.names):,} videos")
    found = []
    for name in names:
        begun, rows = time.perf_counter(), folder.load(name)
        scored = run(model, text, rows)
        line = _timeline(folder, rows, rate)
        file = (videos or {}).get(name)
        reads = checkpoint.config.modalities
        heard = "A" in reads and rows.audio is not None
        found.append(
            Analysis(
                clip=probe(file) if file else _unseen(name, line, folder),
                timeline=line,
                classes=checkpoint.classes,
                model_id=f"{checkpoint.name}@{checkpoint.sha256[:12]}",
                recipe_hash=folder.recipe.hash,
                encoders=f"features of recipe {folder.recipe.describe()}",
                trained=True,
                score_source="trained classifier",
                modalities=reads if heard else reads.replace("A", ""),
                device=device,
                elapsed_s=time.perf_counter() - begun,
                **vars(scored),
                least_share=checkpoint.config.least_share,
                saliency_windows_s=windows_s(line, scored.saliency_peaks, max(checkpoint.config.afae.w, 0)),
                clip_embeddings=rows.video if rows.semantic is None else rows.semantic,
                calibration=str(checkpoint.metrics.get("calibration", "")),
                unseen_s=None,
            )
        )
    return found


def _timeline(folder: FeatureFolder, rows: Rows, rate: Fraction) -> Timeline:
    if not folder.recipe_assumed:
        return folder.timeline(rows.name)
    n = len(rows.video)
    return Timeline(n, float(n * SNIPPET_FRAMES / rate), rate)


def _unseen(name: str, line: Timeline, folder: FeatureFolder) -> Clip:
    """A clip of which there is no file here: its name, its length and, on the native grid, its frame rate."""
    counts_frames = folder.recipe.grid == "native" and line.frame_times_s is None
    return Clip(
        path=name,
        name=name,
        sha256="",
        size_bytes=0,
        container="",
        video_codec="",
        width_px=0,
        height_px=0,
        native_rate=line.rate if counts_frames else None,
        duration_s=line.duration_s,
        rotation_deg=0,
        pixel_aspect=Fraction(1),
        has_audio=False,
        audio_codec=None,
    )
