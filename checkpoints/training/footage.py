"""The footage of the demo checkpoint: clips of five sources with video-level labels, and their features.

Labels for training are those of whole videos; the segments of the two sources that have them serve only to measure.
Clips of one camera stay together in every split (`cameras.py`).
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from checkpoints.training import cameras
from cmhkf.errors import DataError
from cmhkf.features.folders import FeatureFolder, Rows
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

CLASSES = ("normal", "fighting", "shooting", "riot", "abuse", "car accident", "explosion", "burglary")
WORDS = {  # of the sources, for the classes
    "arrest": "fighting",
    "fight": "fighting",
    "assault": "abuse",
    "arson": "explosion",
    "g": "explosion",
    "roadaccidents": "car accident",
    "car": "car accident",
    "crash": "car accident",
    "n": "normal",
    "robbery": "burglary",
    "stealing": "burglary",
    "shoplifting": "burglary",
    "vandalism": "burglary",
}
UCF, COMPLETE, SAMPLES = "ucf_test_snippets", "complete_with_gt", "xd_violence_samples"
FIGHTS, CRASHES = "cctv_fights", "cctv_crashes"
SOURCES = (UCF, COMPLETE, FIGHTS, CRASHES, SAMPLES)
HALVES_SEED = 7
SNIPPET_S = float(SNIPPET_FRAMES / GRID_RATE)


@dataclass(frozen=True, eq=False)
class Video:
    """One clip with the features of its N snippets."""

    name: str
    group: str  # clips of the same recording or camera share it, and always lie on the same side of a split
    source: str
    kind: str  # its class as the source names it
    label: int  # index into CLASSES
    rows: Rows
    segments_s: tuple[tuple[float, float], ...]  # where the anomaly is, for sources that say so; never read in training

    @property
    def recording(self) -> str:
        """Its name, without what tells excerpts of one UCF-Crime video apart."""
        return _recording(self.source, self.name)

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


def read_footage(clips: Path, features: Path) -> list[Video]:
    """Every clip of all sources, in a fixed order, with its camera.

    Args:
        clips: the folder of the sources, each a folder of clips or of one folder of clips per class.
        features: a feature folder per source, of the same name; backgrounds are kept beside them.

    Raises:
        DataError: a source, a ground truth or the features of a clip are not there.
        MediaError: a clip cannot be read.
    """
    folders = {source: FeatureFolder(features / source) for source in SOURCES}
    listed = [(source, *clip) for source in SOURCES for clip in _listed(clips / source)]
    files = {f"{source}/{file.stem}": file for source, file, _, _ in listed}
    recordings = [_recording(source, file.stem) for source, file, _, _ in listed]
    groups = cameras.group([*cameras.backgrounds(files, features / "backgrounds.npz").values()], recordings)
    videos = []
    for (source, file, kind, segments_s), camera in zip(listed, groups, strict=True):
        label, rows = CLASSES.index(WORDS.get(kind.lower(), kind.lower())), folders[source].load(file.stem)
        videos.append(Video(file.stem, recordings[groups.index(camera)], source, kind, label, rows, segments_s))
    return videos


def in_development(videos: Sequence[Video]) -> list[bool]:
    """Whether each video's figures may be looked at while settings are chosen.

    Settings were chosen with half the recordings of each class, drawn by name; every clip of a camera of that half
    belongs to it.
    """
    kinds: dict[str, tuple[str, str]] = {}
    for video in videos:
        kinds.setdefault(video.recording, ("U" if video.source in (UCF, COMPLETE) else video.source, video.kind))
    recordings: dict[tuple[str, str], list[str]] = {}
    for recording in sorted(kinds):
        recordings.setdefault(kinds[recording], []).append(recording)
    random, chosen, passed = np.random.default_rng(HALVES_SEED), set(), 0
    for kind in sorted(recordings):
        order = random.permutation(recordings[kind])
        chosen |= {str(recording) for i, recording in enumerate(order) if (i + passed) % 2 == 0}
        passed += len(order)
    seen = {video.group for video in videos if video.recording in chosen}
    return [video.group in seen for video in videos]


def _recording(source: str, name: str) -> str:
    return name.split("_x264")[0] if source in (UCF, COMPLETE) else name


def _listed(folder: Path) -> Iterator[tuple[Path, str, tuple[tuple[float, float], ...]]]:
    """File, class and segments of each clip of a source."""
    truth = folder / "ground_truth.csv"
    if truth.exists():
        with truth.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                name = Path(line["clip"]).stem
                # UCF-Crime runs at 30 frames per second, XD-Violence, whose names hold "label", at 24.
                unit = 1.0 if "segments_s" in line else 1 / (24 if "label" in name else 30)
                listed = line.get("segments_s") or line.get("segments_frames", "")
                spans = [span.split("-") for span in listed.split()]
                yield folder / line["clip"], line["class"], tuple((float(a) * unit, float(b) * unit) for a, b in spans)
        return
    files = sorted(folder.rglob("*.mp4"))
    if not files:
        raise DataError(f"{folder} holds no clips; give the folder of {', '.join(SOURCES)}")
    for file in files:
        kind = file.parent.name if file.parent != folder else file.stem.rstrip("0123456789")
        yield file, kind, ()
