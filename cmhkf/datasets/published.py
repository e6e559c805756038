"""ShanghaiTech, UBnormal, MSAD and CCTV-Fights from the files that are published with them.

Each reader takes the folder in which these files lie; folders within are searched too. Frames are counted from 0.
"""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from cmhkf.datasets.collection import NORMAL, Collection, ListedVideo, Span, Split, stem_of
from cmhkf.errors import DataError
from cmhkf.features.folders import split_name
from cmhkf.files import NPZ_DAMAGE, read_text
from cmhkf.numbers import exact, ratio, whole

ANOMALY = "anomaly"  # where a data set does not say what it is
MSAD_COLUMNS = ("name", "starting frame of anomaly", "ending frame of anomaly")
FIGHTS = {"training": "train", "validation": "train", "testing": "test"}


def read_shanghaitech(root: Path) -> Collection:
    """ShanghaiTech in its weakly supervised split: `SH_Train.txt` and `SH_Test.txt`, a name on each line, and
    `test_frame_mask/<name>.npy`, 0 or 1 for each frame, of every video that holds an anomaly. As github.com/tianyu0207/
    RTFM lists them (`list/`); there a mask that ends before the features goes on with its last value, here with 0.

    Raises DataError: a file is missing or damaged.
    """
    masks = {file.stem: file for folder in root.rglob("test_frame_mask") for file in folder.glob("*.npy")}
    if not masks:
        raise DataError(f"{root} holds no test_frame_mask/*.npy, which say when ShanghaiTech is anomalous")
    videos = []
    for file, split in (("SH_Train.txt", "train"), ("SH_Test.txt", "test")):
        for name in _names(_find(root, file)):
            spans = _runs(masks[name]) if name in masks else ()
            videos.append(_binary(name, split, spans, anomalous=bool(spans)))  # type: ignore[arg-type]
    return Collection("shanghaitech", tuple(videos), "frames", "auc", (NORMAL, ANOMALY))


def read_ubnormal(root: Path) -> Collection:
    """UBnormal: `{normal,abnormal}_{training,test}_video_names.txt`, and of each abnormal test video
    `<name>_tracks.txt`, on each line an object's id and the first and last frame, which is included, of what it does.
    As github.com/lilygeorgescu/UBnormal describes them (`scripts/readme.md`). The validation videos are left out.

    Raises DataError: a file is missing or damaged.
    """
    videos = []
    tracks = {file.name.removesuffix("_tracks.txt"): file for file in root.rglob("*_tracks.txt")}
    for part, split in (("training", "train"), ("test", "test")):
        for kind in ("normal", "abnormal"):
            for name in _names(_find(root, f"{kind}_{part}_video_names.txt")):
                anomalous = kind == "abnormal"
                if anomalous and split == "test" and name not in tracks:
                    raise DataError(f"{root} holds no {name}_tracks.txt, which says when {name!r} is anomalous")
                spans = _tracks(tracks[name]) if anomalous and split == "test" else ()
                videos.append(_binary(name, split, spans, anomalous=anomalous))  # type: ignore[arg-type]
    return Collection("ubnormal", tuple(videos), "frames", "auc", (NORMAL, ANOMALY))


def read_msad(root: Path) -> Collection:
    """MSAD by its weakly supervised protocol: `msad-i3d.list` and `msad-i3d-test.list`, a feature file on each line, as
    github.com/Tom-roujiang/MSAD has them (`RTFM/list/`), and `anomaly_annotation.csv` of the data set itself, with the
    columns of `MSAD_COLUMNS`. The class is the name without its number; the end is taken as the first frame after.

    Raises DataError: a file is missing or damaged.
    """
    table = _find(root, "MSAD_anomaly_annotation.csv", "anomaly_annotation.csv")
    rows = csv.DictReader(_lines(table))
    if lacking := [column for column in MSAD_COLUMNS if column not in (rows.fieldnames or ())]:
        raise DataError(f"{table} lacks the column {lacking[0]!r}; give MSAD's own anomaly_annotation.csv")
    spans = {}
    for row in rows:
        where, name = f"{table}, line {rows.line_num}", stem_of(row[MSAD_COLUMNS[0]] or "")
        start, end = (whole(row[column], f"{where}: {column}") for column in MSAD_COLUMNS[1:])
        spans[name] = (_span(_msad_class(name), start, end, where),)
    videos: list[ListedVideo] = []
    for file, split in (("msad-i3d.list", "train"), ("msad-i3d-test.list", "test")):
        for line in _names(_find(root, file)):
            name = split_name(line)[0]
            labels = () if name.lower().startswith("msad_normal") else (_msad_class(name),)
            if labels and split == "test" and name not in spans:
                raise DataError(f"{table} does not say when {name!r} is anomalous; is it complete?")
            at = spans.get(name, ()) if split == "test" and labels else ()
            videos.append(ListedVideo(name, split, labels, at))  # type: ignore[arg-type]
    classes = sorted({label for video in videos for label in video.labels})
    return Collection("msad", tuple(videos), "frames", "auc", (NORMAL, *classes))


def read_cctv_fights(root: Path) -> Collection:
    """CCTV-Fights: `groundtruth.json`, under "database" by video the "subset" (training and validation are trained on,
    testing is tested on), the "frame_rate" and "annotations" of a "segment" [start, end] in seconds, labelled "Fight".
    All its videos hold a fight, so that training needs normal videos from elsewhere, in a CSV of one's own.

    Raises DataError: a file is missing or damaged.
    """
    path = _find(root, "groundtruth.json", "ground-truth.json")
    try:
        videos = tuple(_fight(name, about, f"{path}, {name!r}") for name, about in _json(path)["database"].items())
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path} is not as CCTV-Fights publishes it ({error!r}); fetch it again") from error
    return Collection("cctv-fights", videos, "seconds", "ap", (NORMAL, "fighting"))


PUBLISHED: dict[str, Callable[[Path], Collection]] = {
    "shanghaitech": read_shanghaitech,
    "ubnormal": read_ubnormal,
    "msad": read_msad,
    "cctv-fights": read_cctv_fights,
}


def _find(root: Path, *names: str) -> Path:
    found = next((file for name in names for file in sorted(root.rglob(name))), None)
    if found is None:
        raise DataError(f"{root} holds no {names[0]}; put the data set's own files there, or name their folder")
    return found


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path} ({error}); fetch it again") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads("\n".join(_lines(path)))
    except ValueError as error:
        raise DataError(f"{path} is no JSON ({error}); fetch it again") from error


def _names(path: Path) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in _lines(path) if line.strip()))


def _binary(name: str, split: Split, spans: Sequence[Span], *, anomalous: bool) -> ListedVideo:
    return ListedVideo(name, split, (ANOMALY,) if anomalous else (), tuple(spans) if split == "test" else ())


def _runs(mask: Path) -> tuple[Span, ...]:
    """The runs of ones in a mask of frames."""
    try:
        values = np.load(mask, allow_pickle=False)
    except NPZ_DAMAGE as error:
        raise DataError(f"{mask} is no readable mask of frames ({error}); fetch it again") from error
    if values.ndim != 1 or not np.isin(values, (0, 1)).all():
        raise DataError(f"{mask} has the shape {values.shape}; a mask is 0 or 1 for each frame")
    edges = np.flatnonzero(np.diff(values.astype(np.int8), prepend=0, append=0)).tolist()
    return tuple(Span(ANOMALY, Fraction(a), Fraction(b)) for a, b in zip(edges[::2], edges[1::2], strict=True))


def _tracks(path: Path) -> Iterable[Span]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        where, fields = f"{path}, line {number}", [field.strip() for field in line.split(",")]
        if len(fields) != 3:
            raise DataError(f"{where}: {len(fields)} values; an object's id, its first and its last frame are needed")
        start, last = (whole(field, f"{where}: a frame") for field in fields[1:])
        yield _span(ANOMALY, start, last + 1, where)


def _fight(name: str, about: dict[str, Any], where: str) -> ListedVideo:
    spans = []
    for found in about["annotations"]:
        start, end = (exact(edge, f"{where}: an edge of a segment") for edge in found["segment"])
        spans.append(_span("fighting", start, end, where))
    fps = ratio(_rate(about["frame_rate"]), f"{where}: frame_rate")
    split: Split = FIGHTS[about["subset"]]  # type: ignore[assignment]
    return ListedVideo(
        stem_of(name), split, ("fighting",) if spans else (), tuple(spans) if split == "test" else (), fps
    )


def _rate(value: object) -> object:
    return Fraction(value).limit_denominator(1001) if isinstance(value, float) else value


def _span(label: str, start: int | Fraction, end: int | Fraction, where: str) -> Span:
    if start >= end:
        raise DataError(f"{where}: an event from {start} to {end}; the end must come after the start")
    return Span(label, Fraction(start), Fraction(end))


def _msad_class(name: str) -> str:
    return name.rpartition("_")[0].replace("_", " ").lower()
