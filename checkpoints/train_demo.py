"""Train the demo checkpoint from a folder of clips, and measure it on clips it never saw.

    python checkpoints/train_demo.py CLIPS --work build/demo

Features are extracted first (resumable, about half an hour on two cores); then every video is scored once by a model
that never saw it (5-fold cross-validation over recordings), beside scores that need little or no training; 0.5 is put
where held-out normal video raises a stated number of false alarms; and at last one model is trained on everything, the
rendered examples with it, so that they behave: they have no part in any figure.
Settings were chosen with one half of the videos in view, so the figures of the other half stand apart.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices: more threads only wait for each other

import numpy as np
import torch

from checkpoints.training.footage import EXAMPLES, SOURCES, UCF, Video, in_development, read_footage
from checkpoints.training.measure import Figure, alarms_per_hour, calibrate, figures, hours, per_class
from checkpoints.training.rivals import RIVALS, plain_mil
from checkpoints.training.student import MODEL, TRAIN, fit_student, score, with_projection
from checkpoints.training.teacher import split
from cmhkf.analyzer import load_encoders, recipe_of
from cmhkf.batch import find_videos
from cmhkf.checkpoint import save_checkpoint
from cmhkf.commands.extract import extract_all, name_files
from cmhkf.config import PRESETS, ModelConfig
from cmhkf.encoders.embedded_video import CHANGE, MOTION

SCENES = Path(__file__).resolve().parents[1] / "assets"
SHIPPED = "CMHKF, the demo checkpoint's recipe"
ALARMS_PER_HOUR = 6.0
FOLDS, SEED = 5, 0
CHANGES = {  # of the shipped model, each trained and measured in the same folds
    "without sound": {"modalities": "VT"},
    "without text": {"modalities": "VA"},
    "without sound and text": {"modalities": "V"},
    "without CVKA's choice and AFAE (light)": {"light": True},
    "without AFAE": {"afae": replace(MODEL.afae, aggregate="none")},
}

Curves = list[np.ndarray]


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help=f"folder with the folders {', '.join(SOURCES)}")
    parser.add_argument("--work", type=Path, default=Path("build/demo"), help="for features and measurements")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "demo.safetensors")
    parser.add_argument("--ablations", action="store_true", help="train and measure the model without its parts, too")
    parser.add_argument("--reuse", action="store_true", help="take the measurements that lie in --work")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    torch.set_num_threads(1)
    encoders = load_encoders(PRESETS["demo"].encoders, MODEL)
    recipe, texts = recipe_of(encoders, "24fps"), encoders.text.encode(MODEL.classes)
    folders = {source: args.clips / source for source in SOURCES} | {EXAMPLES: SCENES / EXAMPLES}
    for source, folder in folders.items():
        targets = name_files(find_videos([str(folder)]), args.work / source, n_crops=1)
        if extract_all(targets, args.work / source, encoders=encoders, recipe=recipe):
            sys.exit("some clips could not be read; nothing was trained")
    videos = read_footage(args.clips, args.work)
    measured = args.work / "report.json"
    if not args.reuse:
        report = measure_recipe(videos, texts, ablations=args.ablations)
        measured.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    report = json.loads(measured.read_text(encoding="utf-8"))
    begun = time.perf_counter()
    model, teacher = fit_student([*videos, *read_footage(SCENES, args.work, (EXAMPLES,))], texts, MODEL)
    save_checkpoint(
        args.out, with_projection(model, teacher.project, operating_logit=report["threshold_logit"]),
        recipe=recipe, text_features=texts, name="demo",
        provenance={
            "command": "python checkpoints/train_demo.py CLIPS",
            "data": {source: sum(v.source == source for v in videos) for source in SOURCES} | {EXAMPLES: "rendered"},
            "labels": "of whole videos; of snippets for the rendered scenes", "train": vars(TRAIN),
            "torch": torch.__version__, "training_s": round(time.perf_counter() - begun),
        },
        metrics={"calibration": report["calibration"], "held_out": report["all"][SHIPPED]},
    )  # fmt: skip
    print(markdown(report))
    sha256 = hashlib.sha256(args.out.read_bytes()).hexdigest()
    print(f"\n{report['calibration']}\n{args.out}: SHA-256 {sha256}, {args.out.stat().st_size / 1e6:.1f} MB")


def measure_recipe(videos: Sequence[Video], texts: np.ndarray, *, ablations: bool) -> dict:
    """Held-out figures of the recipe, its rivals and its ablations, and the operating point; for JSON."""
    held_out = cross_validate(videos, lambda train: student_scorer(train, texts, MODEL))
    curves = {SHIPPED: held_out} | {name: [rival(video, texts) for video in videos] for name, rival in RIVALS.items()}
    curves["plain MIL ranking on the same rows"] = cross_validate(videos, plain_mil)
    for name, change in CHANGES.items() if ablations else ():
        config = replace(MODEL, **change)
        curves[name] = cross_validate(videos, lambda train, config=config: student_scorer(train, texts, config))
        print(name, "measured", flush=True)
    if ablations:
        still = [without_motion(video) for video in videos]
        curves["without change and motion"] = cross_validate(still, lambda train: student_scorer(train, texts, MODEL))
    normal = [curve for v, curve in zip(videos, held_out, strict=True) if v.source == UCF and not v.abnormal]
    threshold = calibrate(normal, ALARMS_PER_HOUR)
    return as_report(videos, curves) | {
        "threshold_logit": threshold,
        "calibration": f"0.5 is where held-out normal CCTV raised {alarms_per_hour(normal, threshold):.1f} false "
        f"alarms an hour ({len(normal)} videos, {hours(normal):.1f} h)",
        "per_class": as_rows(per_class(videos, held_out)),
    }


def cross_validate(videos: Sequence[Video], fit: Callable[[list[Video]], Callable[[Video], np.ndarray]]) -> Curves:
    """The logit [N] of every video, from a model that saw no clip of its recording."""
    held_out: Curves = [np.empty(0)] * len(videos)
    for train, held in split(videos, FOLDS, SEED):
        scorer = fit([videos[i] for i in train])
        for i in held:
            held_out[i] = scorer(videos[i])
    return held_out


def student_scorer(train: list[Video], texts: np.ndarray, config: ModelConfig) -> Callable[[Video], np.ndarray]:
    """A student trained on some videos, as a function of others."""
    model, teacher = fit_student(train, texts, config)
    return lambda video: score(with_projection(model, teacher.project), texts, video)


def without_motion(video: Video) -> Video:
    """A video whose rows do not say how much changes and moves; I3D's still tell what is done."""
    rows = video.rows.video.copy()
    rows[:, CHANGE] = rows[:, MOTION] = 0
    return replace(video, rows=replace(video.rows, video=rows))


def as_report(videos: Sequence[Video], curves: dict[str, Curves]) -> dict[str, dict[str, list[dict[str, object]]]]:
    """The figures of every score: on all videos, and on those that no setting was chosen with."""
    development = in_development(videos)
    apart = [i for i, chosen in enumerate(development) if not chosen]
    return {
        "all": {name: as_rows(figures(videos, held)) for name, held in curves.items()},
        "apart": {
            name: as_rows(figures([videos[i] for i in apart], [held[i] for i in apart]))
            for name, held in curves.items()
        },
    }


def as_rows(found: Sequence[Figure]) -> list[dict[str, object]]:
    """Figures for JSON."""
    return [
        {"of": f.name, "auc": f.auc.value, "low": f.auc.low, "high": f.auc.high, "videos": f.n_videos} for f in found
    ]


def markdown(report: dict) -> str:
    """The report as tables."""
    lines = []
    for part, title in (("apart", "Videos that no setting was chosen with"), ("all", "All videos")):
        columns = [f"{row['of']} ({row['videos']})" for row in next(iter(report[part].values()))]
        lines += [f"\n{title}\n", "| | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
        for name, rows in report[part].items():
            cells = [f"{row['auc']:.3f} ({row['low']:.2f}-{row['high']:.2f})" for row in rows]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["\nUCF-Crime by class, against all normal videos\n", "| class | videos | frame AUC |", "|---|---|---|"]
    lines += [f"| {r['of']} | {r['videos']} | {r['auc']:.3f} |" for r in report["per_class"]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
