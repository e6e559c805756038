"""`python -m cmhkf extract`: a feature folder from raw video, as training and evaluation read it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from tqdm import tqdm

from cmhkf.errors import ConfigError, MediaError, RecipeMismatch

if TYPE_CHECKING:
    from cmhkf.config import Recipe
    from cmhkf.encoders import Encoders


def extract(
    videos: Annotated[list[str], typer.Argument(metavar="VIDEO|DIR|GLOB...", help="files, folders or patterns")],
    out: Annotated[Path, typer.Option(help="folder for <video>__<crop>.npz and recipe.json; work resumes there")],
    preset: Annotated[str, typer.Option(help="whose encoders: demo, xd-violence, ucf-crime or zero-shot")] = "demo",
    crops: Annotated[int, typer.Option(help="1: as the app looks; 5 or 10: crops of 340x256, for training")] = 1,
    grid: Annotated[
        str, typer.Option(help="24fps or native; left out: native for the data sets, whose annotations count frames")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
) -> None:
    """Make features of videos for training and evaluation; what is already in the folder is kept."""
    from cmhkf.analyzer import load_encoders, recipe_of
    from cmhkf.batch import find_videos
    from cmhkf.config import PRESETS
    from cmhkf.datasets import DATASETS
    from cmhkf.timeline import Grid

    grid = grid or ("native" if preset in DATASETS else "24fps")
    choices = {"preset": (preset, PRESETS), "crops": (crops, (1, 5, 10)), "grid": (grid, get_args(Grid))}
    for name, (value, known) in choices.items():
        if value not in known:
            raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(map(str, known))}")
    targets = name_files(find_videos(videos), out, n_crops=crops)
    encoders = load_encoders(PRESETS[preset].encoders, PRESETS[preset].model, device=device, crops=crops > 1)
    failed = extract_all(targets, out, encoders=encoders, recipe=recipe_of(encoders, grid))  # type: ignore[arg-type]
    if failed:
        raise typer.Exit(1)


def name_files(videos: list[Path], out: Path, *, n_crops: int) -> dict[Path, list[Path]]:
    """The files of each video's crops. Raises ConfigError when two videos have the same name."""
    of_stem: dict[str, Path] = {}
    for video in videos:
        if (twin := of_stem.setdefault(video.stem, video)) != video:
            raise ConfigError(f"{twin} and {video} have the same name, by which features are found; rename one")
    return {video: [out / f"{stem}__{crop}.npz" for crop in range(n_crops)] for stem, video in of_stem.items()}


def extract_all(targets: dict[Path, list[Path]], out: Path, *, encoders: Encoders, recipe: Recipe) -> int:
    """Write the files that are not there or damaged; name the videos that fail, and return how many do.

    Raises:
        RecipeMismatch: the folder holds features of another recipe.
    """
    from cmhkf.features import Progress, extract_crops
    from cmhkf.folders import is_whole
    from cmhkf.media import probe

    claim(out, recipe)
    kept = failed = 0
    with tqdm(targets.items(), unit="video", file=sys.stderr, disable=None) as bar:
        for video, files in bar:
            if all(is_whole(file, recipe) for file in files):
                kept += 1
                continue
            places = iter(files)
            try:
                for step in extract_crops(probe(video), encoders, recipe, crops=range(len(files))):
                    if isinstance(step, Progress):
                        bar.set_postfix_str(f"{video.name}: {step.stage} {step.done:.0f} s")
                    else:
                        step.save(next(places))
            except MediaError as error:
                failed += 1
                bar.write(f"{video}: {error}", file=sys.stderr)
    made = len(targets) - kept - failed
    typer.echo(f"{made} videos extracted, {kept} already there, {failed} failed: {out}, recipe {recipe.describe()}")
    return failed


def claim(out: Path, recipe: Recipe) -> None:
    """Make a folder one for features of a recipe. Raises RecipeMismatch when it is one for another."""
    from cmhkf.folders import RECIPE_FILE, read_recipe, write_recipe

    out.mkdir(parents=True, exist_ok=True)
    if not (out / RECIPE_FILE).exists():
        write_recipe(out, recipe)
    elif (held := read_recipe(out)).hash != recipe.hash:
        raise RecipeMismatch(
            f"{out} holds features of recipe {held.describe()}, which are not those of {recipe.describe()}; "
            "choose another folder, or the preset, crops and grid of the first"
        )
