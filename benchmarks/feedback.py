"""What adapting a model to reviewed segments gives on clips of the same kind that nobody reviewed.

    python benchmarks/feedback.py CLIPS WORK

CLIPS and WORK are those of checkpoints/train_demo.py, whose features must be there. Decisions are simulated: on half of
the held-out clips every flagged segment is confirmed where the ground truth says that something happens (the clip's
label, for clips without segments) and dismissed elsewhere; the other half is measured. Then the halves change places.
Two settings:

- a new kind of footage: three models, each of which has seen 20 of the 200 CCTV fight clips beside all other footage;
- known footage: five models, each of which has seen four fifths of everything.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from scipy.special import expit
from tqdm import tqdm

from checkpoints.training.footage import CLASSES, COMPLETE, FIGHTS, SNIPPET_S, SOURCES, UCF, Video, read_footage
from checkpoints.training.measure import subset_aucs
from checkpoints.training.student import MODEL, fit_student, score, with_projection
from checkpoints.training.teacher import split
from cmhkf.datasets.labels import LabelledSegment, LabelledVideo, Labels
from cmhkf.encoders.load import load_encoders
from cmhkf.features.folders import FeatureFolder
from cmhkf.home import CHECKPOINTS
from cmhkf.model.build import Model
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.texts import FixedTexts
from cmhkf.presets import PRESETS
from cmhkf.segments import runs
from cmhkf.training.batches import SampleList
from cmhkf.training.config import FEEDBACK
from cmhkf.training.feedback import feedback_samples
from cmhkf.training.fit import fit

SHIPPED = CHECKPOINTS / "demo.safetensors"
SEEN = 10  # fights, and as many clips without one, in the training of the first setting

Curves = list[tuple[Video, np.ndarray]]


def main() -> None:
    """Measure both settings and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("work", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    videos = read_footage(args.clips, args.work)
    bench = Bench(videos, {source: FeatureFolder(args.work / source) for source in SOURCES})
    print("| footage | decisions | | AUC, not reviewed | normal clips flagged | abnormal clips flagged |")
    print("|---|---|---|---|---|---|")
    bench.measure("new", [new_kind(videos, seed) for seed in range(3)])
    bench.measure("known", [(train.tolist(), held.tolist()) for train, held in split(videos, 5, 0)])


def new_kind(videos: Sequence[Video], seed: int) -> tuple[list[int], list[int]]:
    """What to train on, with few of the fights, and the fights held out."""
    random = np.random.default_rng(seed)
    few: set[int] = set()
    for abnormal in (False, True):
        of_kind = [i for i, v in enumerate(videos) if v.source == FIGHTS and v.abnormal == abnormal]
        few |= set(random.permutation(of_kind)[:SEEN].tolist())
    train = [i for i, v in enumerate(videos) if v.source != FIGHTS or i in few]
    return train, sorted({*range(len(videos))} - {*train})


class Bench:
    """Footage, and what is the same in every setting."""

    def __init__(self, videos: list[Video], folders: dict[str, FeatureFolder]) -> None:
        self.videos, self.folders = videos, folders
        shipped = load_checkpoint(SHIPPED).config
        self.calibration = {name: getattr(shipped, name) for name in ("operating_logit", "temperature")}
        self.texts = load_encoders(PRESETS["demo"].encoders, audio=False).text.encode(CLASSES)

    def measure(self, footage: str, splits: Sequence[tuple[Sequence[int], Sequence[int]]]) -> None:
        """Train, review one half of what was held out, adapt, and score the other half before and after."""
        before: Curves = []
        after: Curves = []
        states: list[str] = []
        for train, held in tqdm(splits, desc=footage, file=sys.stderr, disable=None):
            student, teacher = fit_student([self.videos[i] for i in train], self.texts, MODEL)
            model = with_projection(student, teacher, **self.calibration)
            curves = {i: score(model, self.texts, self.videos[i]) for i in held}
            first = set(half([self.videos[i].group for i in held], held))
            for reviewed in (first, {*held} - first):
                decided = [video for i in reviewed if (video := self.decide(i, curves[i])).segments]
                states += [segment.state for video in decided for segment in video.segments]
                adapted = self.adapt(model, decided)
                rest = [i for i in held if i not in reviewed]
                before += [(self.videos[i], curves[i]) for i in rest]
                after += [(self.videos[i], score(adapted, self.texts, self.videos[i])) for i in rest]
        said = (
            f"{states.count('confirmed')} confirmed, {states.count('dismissed')} dismissed in {2 * len(splits)} reviews"
        )
        for word, curves_ in (("before", before), ("after", after)):
            print(f"| {footage} | {said} | {word} | {row(curves_)} |", flush=True)

    def decide(self, i: int, logits: np.ndarray) -> LabelledVideo:
        """The flagged stretches of a video, decided by its ground truth."""
        video, segments = self.videos[i], []
        marked = (
            video.anomalous_s() / SNIPPET_S if video.source in (UCF, COMPLETE) else np.full(len(logits), video.abnormal)
        )
        for first, last in runs(expit(logits) >= 0.5):
            state = "confirmed" if marked[first:last].mean() >= 1 / 3 else "dismissed"
            segments.append(LabelledSegment(first * SNIPPET_S, last * SNIPPET_S, state, CLASSES[video.label]))
        return LabelledVideo(video.name, video.name, "simulated", tuple(segments))

    def adapt(self, model: Model, decided: list[LabelledVideo]) -> Model:
        """A fine-tuned copy, as `train --finetune --labels` makes it."""
        source = {video.name: video.source for video in self.videos}
        windows = []
        for name, folder in self.folders.items():
            if of_source := tuple(video for video in decided if source[video.sha256] == name):
                samples, _ = feedback_samples(folder, Labels("", "", folder.recipe, of_source), CLASSES)
                windows.append(samples)
        adapted = deepcopy(model)
        fit(adapted, FixedTexts(self.texts), SampleList(chain(*windows)), FEEDBACK)
        return adapted.eval()


def row(curves: Curves) -> str:
    """AUC by kind of footage, and how many clips are flagged."""
    aucs = ", ".join(f"{f.name}: {f.auc.value:.3f}" for f in subset_aucs(*zip(*curves, strict=True)))
    shares = []
    for abnormal in (False, True):
        peaks = np.array([curve.max() for video, curve in curves if video.abnormal == abnormal])
        shares.append(f"{(peaks >= 0).sum()} of {len(peaks)}")
    return " | ".join([aucs, *shares])


def half(groups: Sequence[str], held: Sequence[int]) -> Iterator[int]:
    """Every other recording of those held out, in a random order."""
    order = np.random.default_rng(0).permutation(sorted(set(groups)))
    chosen = set(order[::2])
    return (i for i, group in zip(held, groups, strict=True) if group in chosen)


if __name__ == "__main__":
    main()
