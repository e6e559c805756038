"""What people decided of flagged segments, as weak labels for training: one zip with the features it was decided on.

`labels.json` names the recipe, the videos and their segments; `features/` beside it is a feature folder like any other
(`folders.py`), so that the file is enough to train on, on any machine.
"""

import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from cmhkf.errors import ConfigError, DataError
from cmhkf.features.folders import RECIPE_FILE
from cmhkf.features.recipe import Recipe
from cmhkf.files import MOST_NPZ_BYTES, NPZ_DAMAGE, check_sizes
from cmhkf.numbers import number, short_text, shown
from cmhkf.settings import from_dict

FORMAT = "cmhkf-labels-1"
LABELS_FILE, FEATURES = "labels.json", "features"
MAX_HEADER_BYTES = 50_000_000  # of labels.json: some 300,000 segments
GROWTH = 4  # features are stored as they are; a file that was packed again may be so many times smaller
NAME_LENGTH, TEXT_LENGTH = 255, 10_000  # characters of a file's or a class's name, and of other words
DAMAGE = (*NPZ_DAMAGE, LookupError, AttributeError, OverflowError, DataError, ConfigError)
State = Literal["open", "confirmed", "dismissed"]


@dataclass(frozen=True)
class LabelledSegment:
    """`[start_s, end_s)` of a video, and what a person made of it."""

    start_s: float
    end_s: float
    state: State
    """confirmed: `label` happens somewhere in it; dismissed: nothing anomalous does; open: nobody has decided."""
    label: str
    """A class; of no meaning unless it is confirmed."""


@dataclass(frozen=True)
class LabelledVideo:
    """One reviewed video."""

    sha256: str
    """Of the file; its features are those of the video `sha256` in the feature folder."""
    name: str
    reviewer: str
    segments: tuple[LabelledSegment, ...]


@dataclass(frozen=True)
class Labels:
    """What one file holds."""

    exported: str
    """When: ISO 8601, UTC."""
    model_id: str
    """The model whose segments were reviewed."""
    recipe: Recipe
    """How the features were made."""
    videos: tuple[LabelledVideo, ...]

    def count(self, state: State) -> int:
        """Segments in a state."""
        return sum(segment.state == state for video in self.videos for segment in video.segments)


def write_labels(path: Path, labels: Labels, features: Mapping[str, Path]) -> Iterator[int]:
    """Write a file, yielding the number of videos done; `features` names each video's `.npz` by SHA-256.

    Raises DataError when one of them cannot be read.
    """
    header = {"format": FORMAT} | asdict(labels)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # rows of floats hardly shrink
        archive.writestr(LABELS_FILE, json.dumps(header, indent=1, ensure_ascii=False))
        archive.writestr(f"{FEATURES}/{RECIPE_FILE}", json.dumps(asdict(labels.recipe), indent=2))
        for done, video in enumerate(labels.videos):
            yield done
            try:
                archive.write(features[video.sha256], _features_name(video.sha256))
            except OSError as error:
                raise DataError(f"the features of {video.name!r} cannot be read ({error}); analyse it again") from error


def read_labels(files: Sequence[Path], folder: Path) -> Labels:
    """Read files and unpack their features into `folder`, which becomes a feature folder.

    Of a video in several files the labels of the file exported last are taken.

    Raises:
        DataError: no such file, of another kind or damaged, or without a decided segment.
        ConfigError: the files' features were made by different recipes.
    """
    held = sorted((_read(file, folder) for file in files), key=lambda labels: labels.exported)
    newest = held[-1]
    if other := next((labels.recipe for labels in held if labels.recipe.hash != newest.recipe.hash), None):
        raise ConfigError(
            f"the features of these files were made in different ways ({other.describe()}, "
            f"{newest.recipe.describe()}); train on them apart"
        )
    videos = {video.sha256: video for labels in held for video in labels.videos}
    return Labels(newest.exported, newest.model_id, newest.recipe, tuple(videos.values()))


def _features_name(sha256: str) -> str:
    return f"{FEATURES}/{sha256}__0.npz"


def _read(file: Path, folder: Path) -> Labels:
    try:
        with zipfile.ZipFile(file) as archive:
            check_sizes(archive, [LABELS_FILE], MAX_HEADER_BYTES)
            labels = _parse(json.loads(archive.read(LABELS_FILE)))
            names = [f"{FEATURES}/{RECIPE_FILE}", *(_features_name(video.sha256) for video in labels.videos)]
            check_sizes(archive, names, GROWTH * file.stat().st_size)
            for name in names:
                with archive.open(name) as packed, (folder / Path(name).name).open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
        for video in labels.videos:
            with zipfile.ZipFile(folder / Path(_features_name(video.sha256)).name) as rows:
                check_sizes(rows, rows.namelist(), MOST_NPZ_BYTES)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; export training labels from the page first") from None
    except DAMAGE as error:
        raise DataError(
            f"{file} holds no training labels, or is damaged ({error}); export them from the page again"
        ) from error
    return labels


def _parse(header: dict[str, Any]) -> Labels:
    if header["format"] != FORMAT:
        raise ValueError(f"format {shown(header['format'])} instead of {FORMAT!r}")
    videos = tuple(
        LabelledVideo(
            _sha256(video["sha256"]),
            short_text(video["name"], "name", NAME_LENGTH),
            short_text(video["reviewer"], "reviewer", TEXT_LENGTH),
            tuple(map(_segment, video["segments"])),
        )
        for video in header["videos"]
    )
    if len({video.sha256 for video in videos}) < len(videos):
        raise ValueError("a video stands there twice")
    recipe = from_dict(Recipe, header["recipe"])
    exported, model_id = (short_text(header[name], name, TEXT_LENGTH) for name in ("exported", "model_id"))
    return Labels(exported, model_id, recipe, videos)


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):  # it names a file to be written
        raise ValueError(f"{shown(text)} is no SHA-256")
    return text


def _segment(held: dict[str, Any]) -> LabelledSegment:
    start_s, end_s = (number(held[name], name) for name in ("start_s", "end_s"))
    segment = LabelledSegment(start_s, end_s, held["state"], short_text(held["label"], "label", NAME_LENGTH))
    if segment.state not in get_args(State) or not 0 <= segment.start_s < segment.end_s:
        raise ValueError(f"{shown(held)} is no segment")
    return segment
