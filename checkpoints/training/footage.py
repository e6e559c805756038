"""The footage of the demo checkpoint: clips of five sources with video-level labels, and their features.

Labels for training are those of whole videos; the segments of the two sources that have them serve only to measure.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmhkf.errors import DataError
from cmhkf.folders import FeatureFolder, Rows
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

CLASSES = ("normal", "fighting", "shooting", "riot", "abuse", "car accident", "explosion", "burglary")
WORDS = {  # of the sources, for the classes
    "arrest": "fighting", "fight": "fighting", "assault": "abuse", "arson": "explosion", "g": "explosion",
    "roadaccidents": "car accident", "car": "car accident", "crash": "car accident", "n": "normal",
    "robbery": "burglary", "stealing": "burglary", "shoplifting": "burglary", "vandalism": "burglary",
}  # fmt: skip
UCF, COMPLETE, FIGHTS, CRASHES, SAMPLES = (
    "ucf_test_snippets", "complete_with_gt", "cctv_fights", "cctv_crashes", "xd_violence_samples",
)  # fmt: skip
SOURCES = (UCF, COMPLETE, FIGHTS, CRASHES, SAMPLES)
EXAMPLES = (
    "examples"  # the rendered scenes that come with the project; never measured on, and no head is fitted to them
)
HALVES_SEED = 7
SNIPPET_S = float(SNIPPET_FRAMES / GRID_RATE)


@dataclass(frozen=True, eq=False)
class Video:
    """One clip with the features of its N snippets."""

    name: str
    group: str
    """Clips of the same recording share it, and always lie on the same side of a split."""
    source: str
    kind: str
    """Its class as the source names it."""
    label: int
    """Index into CLASSES."""
    rows: Rows
    segments_s: tuple[tuple[float, float], ...]
    """Where the anomaly is, for sources that say so; never read in training."""

    @property
    def abnormal(self) -> bool:
        """Whether its label is not normal."""
        return self.label > 0

    @property
    def n_snippets(self) -> int:
        """N."""
        return len(self.rows.video)

    def anomalous_s(self) -> np.ndarray:
        """Seconds of each snippet inside the segments, [N] in [0, 2/3]."""
        starts = np.arange(self.n_snippets) * SNIPPET_S
        inside = np.zeros(self.n_snippets)
        for start, end in self.segments_s:
            inside += np.clip(np.minimum(starts + SNIPPET_S, end) - np.maximum(starts, start), 0, None)
        return inside.clip(max=SNIPPET_S)


def read_footage(clips: Path, features: Path, sources: Sequence[str] = SOURCES) -> list[Video]:
    """Every clip of some sources, in a fixed order.

    Args:
        clips: the folder of the sources, each a folder of clips or of one folder of clips per class.
        features: a feature folder per source, of the same name.
        sources: names of folders.

    Raises:
        DataError: a source, a ground truth or the features of a clip are not there.
    """
    videos = []
    for source in sources:
        folder = FeatureFolder(features / source)
        for name, kind, segments_s in _listed(clips / source):
            group = name.split("_x264")[0] if source in (UCF, COMPLETE) else name
            label = CLASSES.index(WORDS.get(kind.lower(), kind.lower()))
            videos.append(Video(name, group, source, kind, label, folder.load(name), segments_s))
    return videos


def in_development(videos: Sequence[Video]) -> list[bool]:
    """Whether each video's figures may be looked at while settings are chosen: half the recordings of each class."""
    kinds: dict[str, tuple[str, str]] = {}
    for video in videos:
        kinds.setdefault(video.group, ("U" if video.source in (UCF, COMPLETE) else video.source, video.kind))
    groups: dict[tuple[str, str], list[str]] = {}
    for group in sorted(kinds):
        groups.setdefault(kinds[group], []).append(group)
    random, chosen, passed = np.random.default_rng(HALVES_SEED), set(), 0
    for kind in sorted(groups):
        order = random.permutation(groups[kind])
        chosen |= {str(group) for i, group in enumerate(order) if (i + passed) % 2 == 0}
        passed += len(order)
    return [video.group in chosen for video in videos]


def _listed(folder: Path) -> Iterator[tuple[str, str, tuple[tuple[float, float], ...]]]:
    """Name, class and segments of each clip of a source."""
    truth = folder / "ground_truth.csv"
    if truth.exists():
        with truth.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                name = Path(line["clip"]).stem
                # UCF-Crime runs at 30 frames per second, XD-Violence, whose names hold "label", at 24.
                unit, column = (
                    (1.0, "segments_s")
                    if "segments_s" in line
                    else (1 / (24 if "label" in name else 30), "segments_frames")
                )
                spans = [span.split("-") for span in line[column].split()]
                yield name, line["class"], tuple((float(a) * unit, float(b) * unit) for a, b in spans)
        return
    files = sorted(folder.rglob("*.mp4"))
    if not files:
        raise DataError(f"{folder} holds no clips; give the folder of {', '.join(SOURCES)}")
    for file in files:
        kind = file.parent.name if file.parent != folder else file.stem.rstrip("0123456789")
        yield file.stem, kind, ()
