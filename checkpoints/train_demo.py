"""Train the demo checkpoint from a folder of clips, and measure it on clips it never saw.

    python checkpoints/train_demo.py CLIPS --work build/demo

Features are extracted first (resumable, half an hour to an hour and a half on two cores); then every video is scored
once by a model that never saw its camera (5-fold cross-validation over cameras), beside scores that need little or no
training; and at last one model is trained on everything, and shown the four rendered examples, which it never learned
from.
The first recipe was made with one half of the cameras in view, so the figures of those set aside stand apart; later
tries were compared on all. 0.5 is put where few held-out normal clips of many kinds reach it in all the runs; what it
does to CCTV is counted on other videos.
"""

import argparse
import csv
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices: more threads only wait for each other

import numpy as np
import torch
from scipy.special import expit

from checkpoints.training import measure
from checkpoints.training.footage import (
    CLASSES,
    COMPLETE,
    MORE,
    SAMPLES,
    SHORT,
    SOURCES,
    UCF,
    Video,
    folder_of,
    in_development,
    read_footage,
)
from checkpoints.training.naming import Naming, fit_naming
from checkpoints.training.rivals import RIVALS, plain_mil
from checkpoints.training.student import MODEL, TRAIN, fit_student, score, with_projection
from checkpoints.training.teacher import split
from cmhkf.analyzer import load
from cmhkf.encoders.demo.video import CHANGE, MOTION
from cmhkf.encoders.load import load_encoders
from cmhkf.features.make import extract_all, name_files
from cmhkf.features.recipe import recipe_of
from cmhkf.files import sha256_of
from cmhkf.media.find import find_videos
from cmhkf.metrics.intervals import poisson_interval
from cmhkf.metrics.panel import Panel, ScoredVideo, measure_panel
from cmhkf.metrics.panel_file import write_panels
from cmhkf.model.checkpoint import save_checkpoint
from cmhkf.model.config import ModelConfig
from cmhkf.model.run import NORMAL_FOOTAGE
from cmhkf.model.trained_on import TRAINING_VIDEOS, digests
from cmhkf.presets import PRESETS
from cmhkf.segments import flag_segments

EXAMPLES = Path(__file__).resolve().parents[1] / "assets" / "examples"
SHIPPED, AGAIN = "CMHKF, the demo checkpoint's recipe", "the same, seed "
FLAGGED = 0.03  # of the normal clips of many kinds, at a score of 0.5
FOLDS = 5
PLAIN_MIL, STILL = "plain MIL ranking on the same rows", "without change and motion"
CHANGES = {  # of the shipped model, each trained and measured in the same folds
    "without sound": {"modalities": "VT"},
    "without text": {"modalities": "VA"},
    "without sound and text": {"modalities": "V"},
    "without CVKA's choice and AFAE (light)": {"light": True},
    "without AFAE": {"afae": replace(MODEL.afae, aggregate="none")},
}

Curves = list[np.ndarray]
Fit = Callable[[list[Video]], Callable[[Video], np.ndarray]]


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help=f"folder with the folders {', '.join(SOURCES)}")
    parser.add_argument("--work", type=Path, default=Path("build/demo"), help="for features and measurements")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "demo.safetensors")
    parser.add_argument("--seeds", type=int, default=3, help="of the recipe's folds and weights; the first is shipped")
    parser.add_argument("--ablations", action="store_true", help="train and measure the model without its parts, too")
    parser.add_argument("--reuse", action="store_true", help="take the held-out scores that lie in --work")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    torch.set_num_threads(1)
    encoders = load_encoders(PRESETS["demo"].encoders, audio=MODEL.listens)
    recipe, texts = recipe_of(encoders, "24fps"), encoders.text.encode(MODEL.classes)
    for source in SOURCES:
        targets = name_files(find_videos([str(folder_of(args.clips, source))]), args.work / source, n_crops=1)
        if extract_all(targets, args.work / source, encoders=encoders, recipe=recipe):
            sys.exit("some clips could not be read; nothing was trained")
    videos = read_footage(args.clips, args.work)
    write_cameras(videos, args.out.with_name("cameras.csv"))
    curves = held_out_scores(videos, texts, args.work / "held_out", args)
    naming = fit_naming(videos, seed=0)
    report: dict[str, Any] = as_report(videos, curves) | {"naming": as_named(videos, naming)}
    (args.work / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(markdown(report), flush=True)
    model, teacher = fit_student(videos, texts, MODEL)
    save_checkpoint(
        args.out,
        with_projection(
            model,
            teacher,
            operating_logit=report["threshold_logit"],
            temperature=report["temperature"],
            probe=naming.probe,
            least_share=naming.least_share,
        ),
        recipe=recipe,
        text_features=texts,
        name="demo",
        provenance={
            "command": "python checkpoints/train_demo.py CLIPS",
            "data": {source: sum(v.source == source for v in videos) for source in SOURCES},
            "labels": "segments where the source marks them, else whole videos",
            "train": vars(TRAIN),
            "torch": torch.__version__,
            TRAINING_VIDEOS: digests(v.name for v in videos),
        },
        metrics={
            "calibration": report["calibration"],
            "naming": report["naming"],
            NORMAL_FOOTAGE: measure.untrained_scale(videos, texts),
            "held out, of cameras set aside while the first recipe was made": report["apart"][SHIPPED],
        },
    )
    write_panels(args.out, panels_of(videos, curves[SHIPPED], naming, report))
    sha256 = sha256_of(args.out)
    print(f"\n{report['calibration']}\n{args.out}: SHA-256 {sha256}, {args.out.stat().st_size / 1e6:.1f} MB\n")
    print(on_examples(args.out))


def held_out_scores(
    videos: Sequence[Video], texts: np.ndarray, folder: Path, args: argparse.Namespace
) -> dict[str, Curves]:
    """The logits [N] of every video by every score: the recipe under several seeds, its rivals and its ablations.

    What was trained is kept in `folder`, and with --reuse taken from there.
    """

    def kept(name: str, fit: Fit, *, seed: int = 0, of: Sequence[Video] = videos) -> Curves:
        file = folder / f"{name}.npz"
        if not (args.reuse and file.exists()):
            folder.mkdir(parents=True, exist_ok=True)
            np.savez(file, *cross_validate(of, fit, seed=seed))
            print(f"{name}: measured", flush=True)
        with np.load(file) as scores:
            return [scores[key] for key in scores.files]

    def student(config: ModelConfig = MODEL, seed: int = 0) -> Fit:
        return lambda train: student_scorer(train, texts, config, seed)

    curves = {SHIPPED: kept(SHIPPED, student())}
    for seed in range(1, args.seeds):
        curves[f"{AGAIN}{seed}"] = kept(f"{AGAIN}{seed}", student(seed=seed), seed=seed)
    curves |= {name: [rival(video, texts) for video in videos] for name, rival in RIVALS.items()}
    curves[PLAIN_MIL] = kept(PLAIN_MIL, plain_mil)
    if args.ablations:
        for name, change in CHANGES.items():
            curves[name] = kept(name, student(replace(MODEL, **change)))
        curves[STILL] = kept(STILL, student(), of=[without_motion(video) for video in videos])
    return curves


def cross_validate(videos: Sequence[Video], fit: Fit, *, seed: int) -> Curves:
    """The logit [N] of every video, from a model that saw no clip of its camera."""
    held_out: Curves = [np.empty(0)] * len(videos)
    for train, held in split(videos, FOLDS, seed):
        scorer = fit([videos[i] for i in train])
        for i in held:
            held_out[i] = scorer(videos[i])
    return held_out


def student_scorer(
    train: list[Video], texts: np.ndarray, config: ModelConfig, seed: int
) -> Callable[[Video], np.ndarray]:
    """A student trained on some videos, as a function of others."""
    model, teacher = fit_student(train, texts, config, seed=seed)
    return lambda video: score(with_projection(model, teacher), texts, video)


def without_motion(video: Video) -> Video:
    """A video whose rows do not say how much changes and moves; I3D's still tell what is done."""
    rows = video.rows.video.copy()
    rows[:, CHANGE] = rows[:, MOTION] = 0
    return replace(video, rows=replace(video.rows, video=rows))


def as_report(videos: Sequence[Video], curves: dict[str, Curves]) -> dict:
    """The figures of every score, on all videos and on those of cameras set aside, and the operating point."""
    held_out, development = curves[SHIPPED], in_development(videos)
    apart = [i for i, chosen in enumerate(development) if not chosen]
    threshold, temperature, calibration = operating_point(
        videos, [found for name, found in curves.items() if name.startswith((SHIPPED, AGAIN))]
    )
    return {
        "all": {name: as_rows(measure.subset_aucs(videos, held)) for name, held in curves.items()},
        "apart": {
            name: as_rows(measure.subset_aucs([videos[i] for i in apart], [held[i] for i in apart]))
            for name, held in curves.items()
        },
        "threshold_logit": threshold,
        "temperature": temperature,
        "calibration": calibration,
        "per_class": as_rows(measure.per_class(videos, held_out)),
    }


def operating_point(videos: Sequence[Video], runs: Sequence[Curves]) -> tuple[float, float, str]:
    """The logit that few of the normal clips of many kinds reach in several runs, the temperature of the first run
    there, and what both do to CCTV."""
    clips, cctv = (
        [i for i, video in enumerate(videos) if video.source == source and not video.abnormal] for source in (MORE, UCF)
    )
    peaks = np.array([[run[i].max() for i in clips] for run in runs])
    threshold = float(np.quantile(peaks, 1 - FLAGGED)) + 1e-6
    flagged = (peaks >= threshold).sum(axis=1).tolist()
    temperature = measure.temperature(videos, runs[0], threshold)
    counts = [measure.count_alarms([run[i] for i in cctv], threshold, temperature) for run in runs]
    hours = measure.hours([runs[0][i] for i in cctv])
    rate, low, high = (number / hours for number in (counts[0], *poisson_interval(counts[0])))
    told = (
        f"0.5 was set on {len(clips)} normal clips of many kinds, held out, of which it flags {_listed(flagged)}; on "
        f"{len(cctv)} normal CCTV videos, held out, it raised {_listed(counts)} alarms in {hours:.2f} h: {rate:.1f} an "
        f"hour, 95 % interval {low:.1f} to {high:.1f}"
    )
    return threshold, temperature, told


def _listed(counts: Sequence[int]) -> str:
    """The first run's count, and those of the others."""
    first, *others = counts
    return f"{first} (in further runs {', '.join(map(str, others))})" if others else str(first)


def panels_of(videos: Sequence[Video], held_out: Curves, naming: Naming, report: dict[str, Any]) -> list[Panel]:
    """The quality panel of held-out scores, for each part of the footage."""
    threshold, temperature = report["threshold_logit"], report["temperature"]
    parts = {
        "UCF-Crime snippets": (UCF,),
        "short CCTV clips": SHORT,
        "footage of many kinds": (MORE, SAMPLES, COMPLETE),
    }
    panels = []
    for part, sources in parts.items():
        scored = []
        for video, curve, shares in zip(videos, held_out, naming.shares, strict=True):
            if video.source in sources:
                scores = expit((curve - threshold) / temperature)[:, None]
                truth = [(start, end, CLASSES[video.label]) for start, end in video.events_s if video.abnormal]
                probs = np.concatenate([1 - scores, scores * shares], axis=1)
                scored.append(
                    ScoredVideo(video.name, scores[:, 0], truth, video.group, video.footage, "no", class_probs=probs)
                )
        panel = measure_panel(
            scored,
            model="demo",
            dataset=f"{part}, held out in {FOLDS} folds over cameras and publishers",
            classes=CLASSES,
            threshold_from="set on held-out normal footage, of which a part is in this panel",
            notes=[f"the folds' models are not the shipped one, which is trained on all {len(videos)} videos"],
        )
        panels.append(panel)
    return panels


def as_named(videos: Sequence[Video], naming: Naming) -> dict[str, object]:
    """How often the probe names held-out events right, in the collections of one kind each and elsewhere."""
    found: dict[str, object] = {"unclear below a share of": round(naming.least_share, 2)}
    for part, wanted in (("one collection a class", True), ("elsewhere", False)):
        chosen = [i for i, video in enumerate(videos) if video.abnormal and (video.source in SHORT) == wanted]
        shares, labels = naming.shares[chosen], np.array([videos[i].label - 1 for i in chosen])
        right, clear = shares.argmax(axis=1) == labels, naming.clear[chosen]
        found[part] = f"{right.sum()} of {len(right)} right; of the {clear.sum()} called clear {right[clear].sum()}"
    return found


def write_cameras(videos: Sequence[Video], path: Path) -> None:
    """The clips of every camera that more than one recording came from, as CSV."""
    members: dict[str, list[str]] = {}
    for video in videos:
        members.setdefault(video.group, []).append(video.name)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["camera", "clips"])
        writer.writerows([camera, " ".join(names)] for camera, names in members.items() if len(set(names)) > 1)


def on_examples(checkpoint: Path) -> str:
    """What a checkpoint says of the rendered examples, beside what happens in them, as a table."""
    analyzer = load(str(checkpoint))
    lines = ["| example | what happens | peak score | flagged at 0.5 |", "|---|---|---|---|"]
    with (EXAMPLES / "ground_truth.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            analysis = analyzer.analyze(EXAMPLES / row["clip"])
            peak = int(analysis.scores.argmax())
            flagged = [f"{s.start_s:.1f}-{s.end_s:.1f} s {s.label}" for s in flag_segments(analysis, threshold=0.5)]
            lines.append(
                f"| {row['clip']} | {row['class']} {row['segments_s']} | {analysis.scores[peak]:.2f} at "
                f"{analysis.times_s[peak]:.1f} s | {', '.join(flagged) or 'nothing'} |"
            )
    return "\n".join(lines)


def as_rows(found: Sequence[measure.SubsetAuc]) -> list[dict[str, object]]:
    """Figures for JSON."""
    names = ("of", "auc", "low", "high", "videos", "cameras")
    return [dict(zip(names, (f.name, *f.auc, f.n_videos, f.n_cameras), strict=True)) for f in found]


def markdown(report: dict) -> str:
    """The report as tables."""
    lines = []
    for part, title in (("apart", "Cameras set aside while the first recipe was made"), ("all", "All videos")):
        first = next(iter(report[part].values()))
        columns = [f"{row['of']} ({row['videos']} of {row['cameras']} cameras)" for row in first]
        lines += [f"\n{title}\n", "| | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
        for name, rows in report[part].items():
            cells = [f"{row['auc']:.3f} ({row['low']:.2f}-{row['high']:.2f})" for row in rows]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["\nUCF-Crime by class, against all normal videos\n", "| class | videos | frame AUC |", "|---|---|---|"]
    lines += [f"| {r['of']} | {r['videos']} | {r['auc']:.3f} |" for r in report["per_class"]]
    lines += ["\nNames of held-out events", *(f"- {part}: {said}" for part, said in report["naming"].items())]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
