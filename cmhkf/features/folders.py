"""Feature folders: rows of many videos, one file for each crop of a video.

Two kinds are read. XD-Violence's and UCF-Crime's as distributed: `<video>__<crop>.npy` and, shared by all crops,
`<video>__vggish.npy` (`model.md` C.1, C.2): CLIP's rows, I3D's, or I3D's with all crops in one file, `<video>_i3d.npy`
of [snippets, crops, values] or [crops, snippets, values]. And what `python -m cmhkf extract` makes:
`<video>__<crop>.npz`, with the recipe in `recipe.json` beside them. Folders within are searched too; no file is
unpickled.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from cmhkf.encoders.crops import CENTRE_CROP, crops_identity
from cmhkf.encoders.protocols import NO_ENCODER
from cmhkf.errors import ConfigError, DataError
from cmhkf.features.extract import read_header
from cmhkf.features.recipe import Recipe
from cmhkf.files import NPZ_DAMAGE, open_npz
from cmhkf.settings import from_dict
from cmhkf.timeline import Timeline

RECIPE_FILE = "recipe.json"
MAX_LENGTH_DIFFERENCE = 2  # rows by which audio may be longer or shorter than the frames (C.2)
AUDIO_PART = "vggish"  # in the name of a file of audio
CROP_COUNTS = (5, 10)  # that a file of several crops may hold
CENTRE_IN_FILE = 2  # of top left, top right, centre, bottom left, bottom right, then the same flipped: RTFM's order
CLIP_DIM, I3D_DIMS = 512, (1024, 2048)  # widths of released rows


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
    name = re.sub(r"(_i3d)?\.np[yz]$", "", video_name(path.replace("\\", "/")))
    found = re.fullmatch(r"(.+)__([0-9]{1,2}|vggish)", name)
    return (video_name(found[1]), found[2]) if found else (name, "")


class FeatureFolder:
    """Rows by video name and crop, read when requested."""

    def __init__(self, path: str | Path) -> None:
        """Raises DataError: no such folder, no features in it, or two files for the same rows.

        A file of all crops beside a file of one is such a pair.
        """
        self.path = Path(path).expanduser()
        self.recipe_assumed = not (self.path / RECIPE_FILE).exists()
        """True for features as distributed: how they were made is not published, so `recipe` is what is likely."""
        suffix = ".npy" if self.recipe_assumed else ".npz"
        self._crops: defaultdict[str, dict[int, Path]] = defaultdict(dict)
        self._audio_files: dict[str, Path] = {}
        whole: dict[str, Path] = {}
        for file in sorted(self.path.rglob(f"*{suffix}")):
            name, part = split_name(file.name)
            if part == AUDIO_PART:
                twin = self._audio_files.setdefault(name, file)
            elif part:
                twin = whole.get(name) or self._crops[name].setdefault(int(part), file)
            elif self.recipe_assumed and (n_crops := self._n_crops(file)):
                twin = next(iter(self._crops[name].values()), file)
                whole[name], self._crops[name] = file, dict.fromkeys(range(n_crops), file)
            else:
                continue
            if twin != file:
                raise DataError(f"{twin} and {file} claim the same rows; keep one")
        if not self._crops:
            raise DataError(
                f"{self.path} holds no features: no file is called <video>__<crop>{suffix} or <video>_i3d.npy. "
                f"`python -m cmhkf extract` makes a folder of .npz with {RECIPE_FILE}; distributed features are .npy."
            )
        self.names = tuple(sorted(self._crops))

    def __contains__(self, name: str) -> bool:
        return name in self._crops

    def crops(self, name: str) -> tuple[int, ...]:
        """The crops of a video, ascending."""
        return tuple(sorted(self._crops[name])) if name in self._crops else ()

    def in_one_file(self, name: str) -> bool:
        """Whether one file holds several crops of a video."""
        held = self._crops.get(name, {})
        return len({*held.values()}) < len(held)

    def centre(self, name: str) -> int:
        """The centre crop of a video, or the first that is there (E32). Raises DataError: no such video."""
        wanted = CENTRE_IN_FILE if self.in_one_file(name) else CENTRE_CROP
        held = self._crops.get(name)
        if not held:
            raise DataError(f"{self.path} has no features of {name!r}")
        return wanted if wanted in held else min(held)

    def n_snippets(self, name: str, crop: int | None = None) -> int:
        """Rows of a video, from the headers of its files. Raises DataError."""
        n, n_audio = self.lengths(name, crop)
        return n if n_audio is None else _common_length(name, n, n_audio)

    def lengths(self, name: str, crop: int | None = None) -> tuple[int, int | None]:
        """Rows of frames and of audio (None: no audio) as the files hold them, from headers. Raises DataError."""
        if not self.recipe_assumed:
            timeline, has_audio = self._header(name, crop)
            return timeline.n_snippets, timeline.n_snippets if has_audio else None
        n = len(self._mapped_crop(name, crop))
        return n, len(_mapped(self._audio_files[name])) if name in self._audio_files else None

    def timeline(self, name: str) -> Timeline:
        """The snippets of a video on its own clock, which only features of our own form tell. Raises DataError."""
        return self._header(name, None)[0]

    def cue(self, name: str, cue: str) -> np.ndarray:
        """A named signal [N] of a video's centre crop, which only features of our own form hold. Raises DataError."""
        file = self._file(name, None)
        if not self.recipe_assumed:
            try:
                with open_npz(file) as held:
                    cues = read_header(held).cues
                    if cue in cues:
                        return held[f"cues.{cues.index(cue)}"]
            except NPZ_DAMAGE as error:
                raise _damaged(file, error) from error
        raise DataError(f"{file} holds no {cue}; `python -m cmhkf extract` keeps it with the demo encoders")

    def digest(self, wanted: Iterable[tuple[str, int]]) -> str:
        """Names the content of some crops and their audio: SHA-256 over the names, the crops and the files' bytes.

        Two folders that give the same answer hold the same rows. Raises DataError: one is not there, or unreadable.
        """
        total, digest_of = hashlib.sha256(), cache(_digest)  # crops share files
        for name, crop in sorted(set(wanted)):
            total.update(f"{name}\n{crop}\n".encode())
            for file in (self._file(name, crop), self._audio_files.get(name)):
                if file:
                    total.update(digest_of(file))
        return total.hexdigest()

    def load(self, name: str, crop: int | None = None) -> Rows:
        """Rows of one crop; without one, of `centre`.

        Raises:
            DataError: no such video or crop, a damaged file, rows of another width than the folder's, or audio that
                does not fit the frames.
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
        """Width of the rows that are compared with class texts; of the texts alone where no rows can be."""
        if not self.has_semantics:
            return CLIP_DIM
        return self.video_dim if self._first.semantic is None else self._first.semantic.shape[1]

    @property
    def has_semantics(self) -> bool:
        """Whether the rows can be compared with class texts (Eq. 1): I3D's lie in no space of words."""
        return not (self.recipe_assumed and self.video_dim in I3D_DIMS)

    @cached_property
    def audio_dim(self) -> int | None:
        """Width of the audio rows; None without any."""
        if self.recipe_assumed:
            return next((_mapped(file).shape[1] for file in self._audio_files.values()), None)
        if self.recipe.audio == NO_ENCODER:
            return None
        audio = (self._read(name, None).audio for name in self.names)
        return next((rows.shape[1] for rows in audio if rows is not None), None)

    @cached_property
    def recipe(self) -> Recipe:
        """How the features were made. Raises DataError: a damaged `recipe.json`, or rows of an unknown width."""
        if not self.recipe_assumed:
            return read_recipe(self.path)
        if self.video_dim not in (CLIP_DIM, *I3D_DIMS) or self.audio_dim not in (None, 128):
            raise DataError(
                f"{self.path} has video rows of {self.video_dim} values and sound rows of {self.audio_dim}; "
                "known are CLIP's 512, I3D's 1024 and 2048, and VGGish's 128. Make others with "
                "`python -m cmhkf extract`."
            )
        recipe = released_recipe(audio=self.audio_dim is not None)
        if self.has_semantics:
            return recipe
        return replace(recipe, video=(("name", "I3D as distributed"), ("values", str(self.video_dim))))

    def recipe_for(self, modalities: str) -> Recipe:
        """The part of the recipe that a model of these modalities depends on: without "A", not the audio's."""
        return self.recipe if "A" in modalities else replace(self.recipe, audio=NO_ENCODER)

    @cached_property
    def _first(self) -> Rows:
        return self._read(self.names[0], None)

    def _header(self, name: str, crop: int | None) -> tuple[Timeline, bool]:
        """Of a file of our own: the clock of its snippets, and whether it holds audio."""
        file = self._file(name, crop)
        try:
            with open_npz(file) as held:
                header, has_audio = read_header(held), "audio" in held.files
        except NPZ_DAMAGE as error:
            raise _damaged(file, error) from error
        _check_recipe(file, header.recipe_hash, self.recipe)
        return header.timeline, has_audio

    def _file(self, name: str, crop: int | None) -> Path:
        held = self._crops.get(name, {})
        crop = self.centre(name) if crop is None else crop
        if crop not in held:
            raise DataError(f"{self.path} has no features of {name!r}, crop {crop}; it has the crops {[*held]}")
        return held[crop]

    def _read(self, name: str, crop: int | None) -> Rows:
        file = self._file(name, crop)
        if not self.recipe_assumed:
            return _own(name, file, self.recipe)
        return _released(name, file, self._mapped_crop(name, crop), self._audio_files.get(name))

    def _n_crops(self, file: Path) -> int:
        """Crops in a file that is named without one; 0: it holds no features of a video, such as class texts."""
        named = file.stem.endswith("_i3d")
        try:
            array = _opened(file)
            if array.ndim == 3 and (named or array.shape[2] in I3D_DIMS):
                return array.shape[0 if self._crops_first(file, array.shape) else 1]
        except DataError:
            if named:
                raise
            return 0  # ground truth and the like
        return 1 if array.ndim == 2 and named else 0

    def _crops_first(self, file: Path, shape: tuple[int, ...]) -> bool:
        """Which way round a file of several crops is; another file decides where it has as many snippets as crops."""
        fits = [size in CROP_COUNTS for size in shape[:2]]
        if not any(fits):
            raise DataError(f"{file} has the shape {shape}; with several crops it is [snippets, 5 or 10 crops, values]")
        return self._folder_has_crops_first if all(fits) else fits[0]

    @cached_property
    def _folder_has_crops_first(self) -> bool:
        for file in self.path.rglob("*.npy"):
            with suppress(DataError):
                array = _opened(file)
                fits = [size in CROP_COUNTS for size in array.shape[:2]]
                if array.ndim == 3 and sum(fits) == 1:
                    return fits[0]
        return False  # RTFM's

    def _mapped_crop(self, name: str, crop: int | None) -> np.ndarray:
        """Rows [N, D] of a crop, of which only the header has been read."""
        file = self._file(name, crop)
        array = _opened(file)
        if array.ndim != 3:
            return _mapped(file)
        chosen = self.centre(name) if crop is None else crop
        return array[chosen] if self._crops_first(file, array.shape) else array[:, chosen]


def released_recipe(*, audio: bool) -> Recipe:
    """The recipe assumed for the released features, which `load` can follow: CLIP ViT-B/16 on crops of 340 x 256, one
    frame of each sixteen of the file's own, and VGGish (C.1, C.2).
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
    (folder / RECIPE_FILE).write_text(json.dumps(asdict(recipe), indent=2) + "\n", encoding="utf-8")


def is_whole(file: Path, recipe: Recipe, source: str = "") -> bool:
    """Whether a file of ours is there, can be read to the end, follows the recipe and is of a video, by SHA-256.

    Files of older versions do not say which video they are of, and are taken for it.
    """
    try:
        return file.exists() and _own("", file, recipe) is not None and source_of(file) in ("", source)
    except DataError:
        return False


def source_of(file: Path) -> str:
    """SHA-256 of the video that a file of ours was made of; empty where it does not say. Raises DataError."""
    try:
        with open_npz(file) as held:
            return read_header(held).source
    except NPZ_DAMAGE as error:
        raise _damaged(file, error) from error


def _released(name: str, file: Path, mapped: np.ndarray, audio_file: Path | None) -> Rows:
    video = _values(file, mapped)
    if audio_file is None:
        return Rows(name, video, None, None)
    audio = _values(audio_file, _mapped(audio_file))
    n = _common_length(name, len(video), len(audio))
    return Rows(name, video[:n], None, audio[:n])


def _own(name: str, file: Path, recipe: Recipe) -> Rows:
    try:
        with open_npz(file) as held:
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
    array = _opened(file)
    if array.ndim != 2 or not array.size:
        raise DataError(f"{file} has the shape {array.shape}; features are rows [snippets, values]")
    return array


def _opened(file: Path) -> np.ndarray:
    try:
        return np.lib.format.open_memmap(file, mode="r")
    except NPZ_DAMAGE as error:
        raise _damaged(file, error) from error


def _digest(file: Path) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError as error:
        raise _damaged(file, error) from error


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


def video_name(path: str) -> str:
    """The name that annotations, lists and features share: without folder and `.mp4`."""
    return path.rsplit("/", 1)[-1].removesuffix(".mp4")
