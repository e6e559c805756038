"""The footage of the demo checkpoint: clips of six sources with their labels, and their features.

Labels are segments where the source marks them, and else of whole videos. Clips of one camera stay together in every
split (`cameras.py`), and so do those of one publisher in the collection of many.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
    "burglary_robbery": "burglary",
    "car_accident": "car accident",
    "fire": "explosion",
}
NAMELESS = {"fall", "other_accident"}  # anomalies for which there is no class: left out
UCF, COMPLETE, SAMPLES = "ucf_test_snippets", "complete_with_gt", "xd_violence_samples"
FIGHTS, CRASHES, MORE = "cctv_fights", "cctv_crashes", "more_clips"
SOURCES = (UCF, COMPLETE, FIGHTS, CRASHES, SAMPLES, MORE)
SHORT = (FIGHTS, CRASHES)  # clips of a few seconds, which the anomaly fills
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
    segments_s: tuple[tuple[float, float], ...]  # where the anomaly is, for sources that say so
    footage: str = "cctv"  # what kind of it: cctv, film, phone ...

    @property
    def recording(self) -> str:
        """Its name, without what tells excerpts of one UCF-Crime video apart."""
        return _recording(self.source, self.name)

    @property
    def events_s(self) -> tuple[tuple[float, float], ...]:
        """Where its anomalies are: all of it, where the source only says that there is one."""
        whole = ((0.0, self.n_snippets * SNIPPET_S),) if self.abnormal else ()
        return self.segments_s or whole

    @property
    def abnormal(self) -> bool:
        """Whether its label is not normal."""
        return self.label > 0

    @property
    def n_snippets(self) -> int:
        """N."""
        return len(self.rows.video)

    def anomalous_s(self) -> np.ndarray:
        """Seconds of each snippet inside the events, [N] in [0, 2/3]."""
        starts = np.arange(self.n_snippets) * SNIPPET_S
        inside = np.zeros(self.n_snippets)
        for start, end in self.events_s:
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
    clips_of = [(source, clip) for source in SOURCES for clip in listed(folder_of(clips, source))]
    files = {f"{source}/{clip.file.stem}": clip.file for source, clip in clips_of}
    recordings = [clip.publisher or _recording(source, clip.file.stem) for source, clip in clips_of]
    groups = cameras.group([*cameras.backgrounds(files, features / "backgrounds.npz").values()], recordings)
    videos = []
    for (source, clip), camera in zip(clips_of, groups, strict=True):
        label, rows = CLASSES.index(WORDS.get(clip.kind, clip.kind)), folders[source].load(clip.file.stem)
        group = recordings[groups.index(camera)]
        videos.append(Video(clip.file.stem, group, source, clip.kind, label, rows, clip.segments_s, clip.footage))
    return videos


def folder_of(clips: Path, source: str) -> Path:
    """Where a source's clips are, in a folder of all sources or of folders of them. Raises DataError."""
    for folder in (clips, *sorted(clips.iterdir())):
        if (folder / source).is_dir():
            return folder / source
    raise DataError(f"neither {clips} nor a folder in it holds the folder {source}; give that of {', '.join(SOURCES)}")


def in_development(videos: Sequence[Video]) -> list[bool]:
    """Whether each video's figures were looked at while the first recipe was made.

    It was made with half the recordings of each class in view, drawn by name; every clip of a camera of that half
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


class Listed(NamedTuple):
    """What a source says of a clip."""

    file: Path
    kind: str  # class, in lower case
    segments_s: tuple[tuple[float, float], ...] = ()
    footage: str = "cctv"
    publisher: str = ""


def listed(folder: Path) -> Iterator[Listed]:
    """Every clip of a source that has a class."""
    truth, table = folder / "ground_truth.csv", folder / "clips.csv"
    if table.exists():
        with table.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                if line["class"] not in NAMELESS:
                    spans, publisher = _spans(line["segments_s"]), line["source"].split("@")[0]
                    yield Listed(folder / line["clip"], line["class"], spans, line["kind"], publisher)
        return
    if truth.exists():
        with truth.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                name = Path(line["clip"]).stem
                # UCF-Crime runs at 30 frames per second, XD-Violence, whose names hold "label", at 24.
                unit = 1.0 if "segments_s" in line else 1 / (24 if "label" in name else 30)
                marked = line.get("segments_s") or line.get("segments_frames", "")
                footage = "film" if "label" in name else "cctv"
                yield Listed(folder / line["clip"], line["class"].lower(), _spans(marked, unit), footage)
        return
    files = sorted(folder.rglob("*.mp4"))
    if not files:
        raise DataError(f"{folder} holds no clips; give the folder of {', '.join(SOURCES)}")
    for file in files:
        kind = file.parent.name if file.parent != folder else file.stem.rstrip("0123456789")
        yield Listed(file, kind.lower(), footage="film" if folder.name == SAMPLES else "cctv")


def _spans(text: str, unit: float = 1.0) -> tuple[tuple[float, float], ...]:
    """ "2.0-5.3 8-9.1", or with a semicolon between, as pairs of seconds."""
    spans = [span.split("-") for span in text.replace(";", " ").split()]
    return tuple((float(start) * unit, float(end) * unit) for start, end in spans)
