"""Feature folders: rows of many videos, one file for each crop of a video.

Two kinds are read. XD-Violence's and UCF-Crime's as distributed: `<video>__<crop>.npy` and, shared by all crops,
`<video>__vggish.npy` (`model.md` C.1, C.2). And what `python -m cmhkf extract` makes: `<video>__<crop>.npz`, with the
recipe in `recipe.json` beside them. Folders within are searched too; no file is unpickled.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from cmhkf.analysis import NPZ_DAMAGE
from cmhkf.config import Recipe, from_dict, to_dict
from cmhkf.crops import CENTRE_CROP, crops_identity
from cmhkf.data import video_name
from cmhkf.encoders import NO_ENCODER
from cmhkf.errors import ConfigError, DataError
from cmhkf.features import read_header
from cmhkf.timeline import Timeline

RECIPE_FILE = "recipe.json"
MAX_LENGTH_DIFFERENCE = 2  # rows by which sound may be longer or shorter than the pictures (C.2)
SOUND = "vggish"  # in the name of a file of sound


@dataclass(frozen=True, eq=False)
class Rows:
    """One crop of one video; N snippets, float32."""

    name: str
    video: np.ndarray
    """[N, D_v]"""
    semantic: np.ndarray | None
    """[N, D_s]; None: the video rows serve, as with CLIP."""
    audio: np.ndarray | None
    """[N, D_a]; None: nothing to hear."""

    def part(self, place: slice) -> Rows:
        """Some of the snippets, as arrays of their own."""
        streams = (None if s is None else s[place].copy() for s in (self.video, self.semantic, self.audio))
        return Rows(self.name, *streams)  # type: ignore[arg-type]


def split_name(path: str) -> tuple[str, str]:
    """Video and part ("0", "vggish", or "" for the whole video) of a feature file, or of a line in a list of them."""
    name = re.sub(r"\.np[yz]$", "", video_name(path.replace("\\", "/")))
    found = re.fullmatch(r"(.+)__(\d{1,2}|vggish)", name)
    return (video_name(found[1]), found[2]) if found else (name, "")


class FeatureFolder:
    """Rows by video name and crop, read when asked for."""

    def __init__(self, path: str | Path) -> None:
        """Raises DataError: no such folder, no features in it, or two files for the same rows."""
        self.path = Path(path).expanduser()
        self.recipe_assumed = not (self.path / RECIPE_FILE).exists()
        """True for features as distributed: how they were made is not published, so `recipe` is what is likely."""
        suffix = ".npy" if self.recipe_assumed else ".npz"
        self._crops: defaultdict[str, dict[int, Path]] = defaultdict(dict)
        self._sounds: dict[str, Path] = {}
        files: dict[tuple[str, str], Path] = {}
        for file in sorted(self.path.rglob(f"*{suffix}")):
            name, part = split_name(file.name)
            if part and (twin := files.setdefault((name, part), file)) != file:
                raise DataError(f"{twin} and {file} claim the same rows; keep one")
            if part == SOUND:
                self._sounds[name] = file
            elif part:
                self._crops[name][int(part)] = file
        if not self._crops:
            raise DataError(
                f"{self.path} holds no features: no file is called <video>__<crop>{suffix}. `python -m cmhkf extract` "
                f"makes a folder of .npz with {RECIPE_FILE}; distributed features are .npy."
            )
        self.names = tuple(sorted(self._crops))

    def __contains__(self, name: str) -> bool:
        return name in self._crops

    def crops(self, name: str) -> tuple[int, ...]:
        """The crops of a video, ascending; 0 is the centre."""
        return tuple(sorted(self._crops[name])) if name in self._crops else ()

    def n_snippets(self, name: str) -> int:
        """Rows of a video, from the headers of its files. Raises DataError."""
        if not self.recipe_assumed:
            return self.timeline(name).n_snippets
        file = self._file(name, None)
        n = len(_mapped(file))
        return _common_length(name, n, len(_mapped(self._sounds[name]))) if name in self._sounds else n

    def timeline(self, name: str) -> Timeline:
        """The snippets of a video on its own clock, which only features of our own form tell. Raises DataError."""
        file = self._file(name, None)
        try:
            with np.load(file, allow_pickle=False) as held:
                header = read_header(held)
        except NPZ_DAMAGE as error:
            raise _damaged(file, error) from error
        _check_recipe(file, header.recipe_hash, self.recipe)
        return header.timeline

    def load(self, name: str, crop: int | None = None) -> Rows:
        """Rows of one crop; without one, the centre or the first that is there (E32).

        Raises:
            DataError: no such video or crop, a damaged file, rows of another width than the folder's, or sound that
                does not fit the pictures.
        """
        rows = self._read(name, crop)
        widths = [(rows.video, self.video_dim), (rows.semantic, self.semantic_dim), (rows.audio, self.audio_dim)]
        for array, width in widths:
            if array is not None and array.shape[1] != width:
                raise DataError(
                    f"{name!r} has rows of {array.shape[1]} values, others in {self.path} of {width}; are kinds mixed?"
                )
        return rows

    @cached_property
    def video_dim(self) -> int:
        """Width of the video rows."""
        return self._first.video.shape[1]

    @cached_property
    def semantic_dim(self) -> int:
        """Width of the rows that are compared with class texts."""
        return self.video_dim if self._first.semantic is None else self._first.semantic.shape[1]

    @cached_property
    def audio_dim(self) -> int | None:
        """Width of the sound rows; None without any."""
        if self.recipe_assumed:
            return next((_mapped(file).shape[1] for file in self._sounds.values()), None)
        if self.recipe.audio == NO_ENCODER:
            return None
        heard = (self._read(name, None).audio for name in self.names)
        return next((rows.shape[1] for rows in heard if rows is not None), None)

    @cached_property
    def recipe(self) -> Recipe:
        """How the features were made. Raises DataError: a damaged `recipe.json`, or rows that CLIP does not make."""
        if not self.recipe_assumed:
            return read_recipe(self.path)
        if self.video_dim != 512 or self.audio_dim not in (None, 128):
            raise DataError(
                f"{self.path} has video rows of {self.video_dim} values and sound rows of {self.audio_dim}; "
                "known are CLIP's 512 and VGGish's 128. Make others with `python -m cmhkf extract`."
            )
        return released_recipe(audio=self.audio_dim is not None)

    def recipe_for(self, modalities: str) -> Recipe:
        """The part of the recipe that a model of these modalities depends on: without "A", not the sound's."""
        return self.recipe if "A" in modalities else replace(self.recipe, audio=NO_ENCODER)

    @cached_property
    def _first(self) -> Rows:
        return self._read(self.names[0], None)

    def _file(self, name: str, crop: int | None) -> Path:
        held = self._crops.get(name, {})
        if crop is None and held:
            return held.get(CENTRE_CROP) or held[min(held)]
        if crop not in held:
            raise DataError(f"{self.path} has no features of {name!r}, crop {crop}; it has the crops {[*held]}")
        return held[crop]

    def _read(self, name: str, crop: int | None) -> Rows:
        file = self._file(name, crop)
        return (
            _own(name, file, self.recipe) if not self.recipe_assumed else _released(name, file, self._sounds.get(name))
        )


def released_recipe(*, audio: bool) -> Recipe:
    """The recipe assumed for the released features, which `load` can follow: CLIP ViT-B/16 on crops of 340 x 256, one
    picture of each sixteen of the file's own, and VGGish (C.1, C.2).
    """
    from cmhkf.encoders.clip import ClipVideoEncoder, text_identity, video_identity
    from cmhkf.encoders.vggish import SHA256, audio_identity

    video = crops_identity(video_identity(), ClipVideoEncoder.sampling)
    return Recipe(video, text_identity(), audio_identity(SHA256) if audio else NO_ENCODER, grid="native")


def read_recipe(folder: Path) -> Recipe:
    """The recipe beside our own features. Raises DataError when it cannot be read."""
    path = folder / RECIPE_FILE
    try:
        return from_dict(Recipe, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError, ConfigError) as error:
        raise DataError(f"{path} is no recipe ({error}); extract the features anew") from error


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write a recipe beside the features that follow it."""
    (folder / RECIPE_FILE).write_text(json.dumps(to_dict(recipe), indent=2) + "\n", encoding="utf-8")


def is_whole(file: Path, recipe: Recipe) -> bool:
    """Whether a file of ours is there, can be read to the end and follows the recipe."""
    try:
        return file.exists() and _own("", file, recipe) is not None
    except DataError:
        return False


def _released(name: str, file: Path, sound: Path | None) -> Rows:
    video = _values(file, _mapped(file))
    if sound is None:
        return Rows(name, video, None, None)
    audio = _values(sound, _mapped(sound))
    n = _common_length(name, len(video), len(audio))
    return Rows(name, video[:n], None, audio[:n])


def _own(name: str, file: Path, recipe: Recipe) -> Rows:
    try:
        with np.load(file, allow_pickle=False) as held:
            _check_recipe(file, read_header(held).recipe_hash, recipe)
            video, semantic, audio = held["video"], held["semantic"], held.get("audio")
    except NPZ_DAMAGE as error:
        raise _damaged(file, error) from error
    audio = None if audio is None else _values(file, audio)
    return Rows(name, _values(file, video), _values(file, semantic), audio)


def _check_recipe(file: Path, found: str, recipe: Recipe) -> None:
    if found != recipe.hash:
        raise DataError(
            f"{file} was made by recipe {found}, its folder by {recipe.describe()}; delete it and extract anew"
        )


def _mapped(file: Path) -> np.ndarray:
    """The array of a `.npy` file, [N, D], of which only the header has been read."""
    try:
        array = np.lib.format.open_memmap(file, mode="r")
    except NPZ_DAMAGE as error:
        raise _damaged(file, error) from error
    if array.ndim != 2 or not array.size:
        raise DataError(f"{file} has the shape {array.shape}; features are rows [snippets, values]")
    return array


def _values(file: Path, array: np.ndarray) -> np.ndarray:
    values = np.array(array, np.float32)
    if not np.isfinite(values).all():
        raise DataError(f"{file} holds values that are not finite; fetch or make it again")
    return values


def _common_length(name: str, n_video: int, n_audio: int) -> int:
    """Rows that both have: one or two at the end may be without the other (C.2)."""
    if abs(n_video - n_audio) > MAX_LENGTH_DIFFERENCE:
        raise DataError(
            f"{name!r} has {n_video} rows of pictures but {n_audio} of sound, {MAX_LENGTH_DIFFERENCE} apart at most; "
            "were they made at different frame rates, or of different cuts of the video?"
        )
    return min(n_video, n_audio)


def _damaged(file: Path, error: Exception) -> DataError:
    return DataError(f"{file} is damaged, cut short or of another kind ({error}); fetch or make it again")
