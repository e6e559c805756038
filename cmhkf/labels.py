"""What people decided of flagged segments, as weak labels for training: one zip with the features it was decided on.

`labels.json` names the recipe, the videos and their segments; `features/` beside it is a feature folder like any other
(`folders.py`), so that the file is enough to train on, on any machine.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from cmhkf.config import Recipe, from_dict, to_dict
from cmhkf.errors import ConfigError, DataError
from cmhkf.folders import RECIPE_FILE

FORMAT = "cmhkf-labels-1"
LABELS_FILE, FEATURES = "labels.json", "features"
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
    header = {
        "format": FORMAT, "exported": labels.exported, "model_id": labels.model_id, "recipe": to_dict(labels.recipe),
        "videos": [asdict(video) for video in labels.videos],
    }  # fmt: skip
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # rows of floats hardly shrink
        archive.writestr(LABELS_FILE, json.dumps(header, indent=1, ensure_ascii=False))
        archive.writestr(f"{FEATURES}/{RECIPE_FILE}", json.dumps(to_dict(labels.recipe), indent=2))
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
            labels = _parse(json.loads(archive.read(LABELS_FILE)))
            for name in (f"{FEATURES}/{RECIPE_FILE}", *(_features_name(video.sha256) for video in labels.videos)):
                (folder / Path(name).name).write_bytes(archive.read(name))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; export training labels from the page first") from None
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, TypeError, AttributeError, ConfigError) as error:
        raise DataError(
            f"{file} holds no training labels, or is damaged ({error}); export them from the page again"
        ) from error
    return labels


def _parse(header: dict[str, Any]) -> Labels:
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']!r} instead of {FORMAT!r}")
    videos = tuple(
        LabelledVideo(
            _sha256(video["sha256"]), str(video["name"]), str(video["reviewer"]),
            tuple(_segment(segment) for segment in video["segments"]),
        )
        for video in header["videos"]
    )  # fmt: skip
    recipe = from_dict(Recipe, header["recipe"])
    return Labels(str(header["exported"]), str(header["model_id"]), recipe, videos)


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):  # it names a file to be written
        raise ValueError(f"{text!r} is no SHA-256")
    return text


def _segment(held: dict[str, Any]) -> LabelledSegment:
    segment = LabelledSegment(float(held["start_s"]), float(held["end_s"]), held["state"], str(held["label"]))
    if segment.state not in get_args(State) or not 0 <= segment.start_s < segment.end_s:
        raise ValueError(f"{held} is no segment")
    return segment
