"""What several commands share: options for settings, and words about the files that are read and written."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from cmhkf.errors import ConfigError

LEFT_OUT_NAMES = 8  # are named
DATASET_HELP = "xd-violence, ucf-crime, shanghaitech, ubnormal, msad, cctv-fights, or a CSV of your own"


def _list_settings(*roots: str) -> Callable[[list[str] | None], list[str] | None]:
    def show(pairs: list[str] | None) -> list[str] | None:
        """Print all settings and end where one of the pairs is the word "help"."""
        if "help" in (pairs or ()):
            from cmhkf.training.settings import listing

            typer.echo(listing(roots))
            raise typer.Exit
        return pairs

    return show


def _set_option(*roots: str, example: str) -> Any:
    help_ = f"a setting, such as {example}; may be given several times; `--set help` lists them all"
    looks = {"metavar": "NAME=VALUE", "help": help_, "show_default": False}
    return typer.Option("--set", callback=_list_settings(*roots), is_eager=True, **looks)


SetOption = Annotated[list[str] | None, _set_option("model", "train", example="model.cvka.k=3 or train.lr=2e-5")]
SetModelOption = Annotated[list[str] | None, _set_option("model", example="model.cvka.k=3")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="TOML file of settings under the same names; --set goes before it")
]
CropOption = Annotated[
    int | None, typer.Option("--crop", min=0, help="read this crop of every video, whatever the lists name")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="an error where data is missing, trimmed or replaced")]


class SettingsCommand(TyperCommand):
    """A command with `--set`, which answers an option that is a setting with how it is written now."""

    roots = ("model", "train")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As usual. Raises ConfigError for an option that is a setting."""
        from cmhkf.training.settings import settings_called

        options = {name for param in self.params for name in (*param.opts, *param.secondary_opts)} | {"--help"}
        for word in args:
            option = word.partition("=")[0]
            if option.startswith("--") and option not in options and (names := settings_called(option, self.roots)):
                written = " or ".join(f"--set {name}={'false' if '--no-' in option else 'VALUE'}" for name in names)
                raise ConfigError(f"{option} is no option of {self.name}: it is a setting, so write {written}")
        return super().parse_args(ctx, args)


class ModelSettingsCommand(SettingsCommand):
    """One that trains nothing."""

    roots = ("model",)


def make_folder(out: Path, option: str = "--out") -> None:
    """Make the folder for what a command writes, before it computes it. Raises ConfigError where that cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        reason = error.strerror
        raise ConfigError(f"nothing can be written to {option} {out} ({reason}); choose another folder") from None


def make_place(file: Path, option: str = "--out") -> None:
    """The same for a single file."""
    if file.is_dir():
        raise ConfigError(f"{option} {file} is a folder; name a file in it")
    make_folder(file.parent, option)


def say_left_out(folder: Path | str, files: Sequence[PurePath]) -> None:
    """Name on stderr what a folder holds besides videos, for a video under a foreign name would be missed."""
    named = ", ".join(file.name for file in files[:LEFT_OUT_NAMES])
    more = f" and {len(files) - LEFT_OUT_NAMES} more" if len(files) > LEFT_OUT_NAMES else ""
    typer.echo(
        f"{folder}: left out {named}{more}, which do not end like videos; name a file itself to have it read", err=True
    )
