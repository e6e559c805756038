"""`python -m cmhkf COMMAND`: results on stdout or in files, progress on stderr.

Exit code 0: done; 1: some inputs failed, which are named, and the rest is done; 2: bad usage.
"""

import os
import sys

import typer

from cmhkf.commands.ablate import ablate
from cmhkf.commands.analyze import analyze
from cmhkf.commands.compare import compare
from cmhkf.commands.doctor import doctor
from cmhkf.commands.embed import embed
from cmhkf.commands.evaluate import evaluate
from cmhkf.commands.extract import extract
from cmhkf.commands.figure import figure
from cmhkf.commands.import_vadclip import import_vadclip
from cmhkf.commands.options import ModelSettingsCommand, SettingsCommand
from cmhkf.commands.train import train
from cmhkf.errors import CmhkfError
from cmhkf.home import spare_caches

app = typer.Typer(
    help="CMHKF: video anomaly detection with sight, sound and text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


SETTABLE = {ablate: SettingsCommand, evaluate: ModelSettingsCommand, train: SettingsCommand}
for command in (analyze, doctor, ablate, compare, embed, extract, evaluate, figure, import_vadclip, train):
    app.command(cls=SETTABLE.get(command))(command)


def main() -> None:
    """Run the command line; an error a user can act on is one line on stderr and exit code 2."""
    try:
        os.environ.update(spare_caches())  # before numba, matplotlib and torch look where to keep theirs
        app()
    except CmhkfError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
