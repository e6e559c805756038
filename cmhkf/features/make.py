"""Feature folders made from raw video, as training and evaluation read them; work that was stopped goes on."""

import sys
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from cmhkf.encoders.protocols import Encoders
from cmhkf.errors import ConfigError, MediaError, RecipeMismatch
from cmhkf.features.extract import Features, extract_crops
from cmhkf.features.folders import RECIPE_FILE, is_whole, read_recipe, source_of, write_recipe
from cmhkf.features.recipe import Recipe
from cmhkf.files import sha256_of
from cmhkf.media.clip import probe
from cmhkf.media.unseen import in_words
from cmhkf.progress import Fallback, Progress, say, tell


def name_files(videos: list[Path], out: Path, *, n_crops: int) -> dict[Path, list[Path]]:
    """The files of each video's crops. Raises ConfigError when two videos have the same name."""
    of_stem: dict[str, Path] = {}
    for video in videos:
        if (twin := of_stem.setdefault(video.stem, video)) != video:
            raise ConfigError(f"{twin} and {video} have the same name, by which features are found; rename one")
    return {video: [out / f"{stem}__{crop}.npz" for crop in range(n_crops)] for stem, video in of_stem.items()}


def extract_all(
    targets: dict[Path, list[Path]],
    out: Path,
    *,
    encoders: Encoders,
    recipe: Recipe,
    report: Callable[[str], object] = say,
) -> int:
    """Write the files that are not there, damaged or of another video; name those that fail, and return how many do.

    `report` is told at the end what was done.

    Raises:
        RecipeMismatch: the folder holds features of another recipe.
    """
    claim(out, recipe)
    kept = failed = 0
    unsaid, silent = list[str](), list[str]()
    with tqdm(targets.items(), unit="video", file=sys.stderr, disable=None) as bar:
        for video, files in bar:
            sha256 = _readable_sha256(video) if all(file.exists() for file in files) else ""
            if sha256 and all(is_whole(file, recipe, sha256) for file in files):
                kept += 1
                unsaid += [] if source_of(files[0]) else [video.name]
                continue
            places = iter(files)
            try:
                for step in extract_crops(probe(video, sha256=sha256), encoders, recipe, crops=range(len(files))):
                    if isinstance(step, Progress):
                        bar.set_postfix_str(f"{video.name}: {step.stage} {step.done:.0f} s")
                    elif isinstance(step, Features):
                        step.save(place := next(places))
                        if place == files[0] and (said := in_words(step.unseen)):
                            bar.write(f"{video}: {said}", file=sys.stderr)
                        if step.audio is None and encoders.audio and place == files[0]:
                            silent.append(f"{video.name} ({step.audio_state})")
            except MediaError as error:
                failed += 1
                bar.write(f"{video}: {error}", file=sys.stderr)
    made = len(targets) - kept - failed
    found = [
        Fallback("videos have no sound in their features", tuple(silent)),
        Fallback(
            "videos whose kept features do not say which file they are of; delete them if it changed", tuple(unsaid)
        ),
    ]
    tell([fallback for fallback in found if fallback.names], strict=False)
    report(f"{made} videos extracted, {kept} already there, {failed} failed: {out}, recipe {recipe.describe()}")
    return failed


def _readable_sha256(video: Path) -> str:
    """Empty where the file cannot be read, which its extraction then reports."""
    try:
        return sha256_of(video)
    except OSError:
        return ""


def claim(out: Path, recipe: Recipe) -> None:
    """Make a folder one for features of a recipe. Raises RecipeMismatch when it is one for another."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / RECIPE_FILE).exists():
        write_recipe(out, recipe)
    elif (held := read_recipe(out)).hash != recipe.hash:
        raise RecipeMismatch(
            f"{out} holds features of recipe {held.describe()}, which are not those of {recipe.describe()}; "
            "choose another folder, or the preset, crops and grid of the first"
        )
