"""`python -m cmhkf extract`: a feature folder from raw video, as training and evaluation read it."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from cmhkf.commands.options import make_folder, say_left_out
from cmhkf.errors import ConfigError


def extract(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO|DIR|GLOB|CSV...", help="files, folders, patterns, or the CSV of a data set of your own"
        ),
    ],
    out: Annotated[Path, typer.Option(help="folder for <video>__<crop>.npz and recipe.json; work resumes there")],
    preset: Annotated[str, typer.Option(help="whose encoders: demo, xd-violence, ucf-crime or zero-shot")] = "demo",
    crops: Annotated[int, typer.Option(help="1: as the app looks; 5 or 10: crops of 340x256, for training")] = 1,
    grid: Annotated[
        str, typer.Option(help="24fps or native; left out: native for the data sets, whose annotations count frames")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
) -> None:
    """Make features of videos for training and evaluation; what is already in the folder is kept."""
    from cmhkf.datasets.collection import video_files
    from cmhkf.datasets.sets import DATASETS
    from cmhkf.encoders.load import load_encoders
    from cmhkf.features.make import extract_all, name_files
    from cmhkf.features.recipe import recipe_of
    from cmhkf.media.find import find_videos
    from cmhkf.presets import PRESETS
    from cmhkf.timeline import Grid

    grid = grid or ("native" if preset in DATASETS else "24fps")
    choices = {"preset": (preset, PRESETS), "crops": (crops, (1, 5, 10)), "grid": (grid, get_args(Grid))}
    for name, (value, known) in choices.items():
        if value not in known:
            raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(map(str, known))}")
    named = [file for given in videos for file in (video_files(Path(given)) if given.endswith(".csv") else [given])]
    targets = name_files(find_videos(named, say_left_out), out, n_crops=crops)
    make_folder(out)
    encoders = load_encoders(
        PRESETS[preset].encoders, audio=PRESETS[preset].model.listens, device=device, crops=crops > 1
    )
    recipe = recipe_of(encoders, grid)  # type: ignore[arg-type]
    if extract_all(targets, out, encoders=encoders, recipe=recipe, report=typer.echo):
        raise typer.Exit(1)
