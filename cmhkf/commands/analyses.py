"""What the commands about finished analyses share: reading them, and the ground truth that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmhkf.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from cmhkf.analysis import Analysis
    from cmhkf.datasets.truth import Truth

AnalysisFiles = Annotated[list[Path], typer.Argument(metavar="ANALYSIS...", help=".npz files written by analyze")]
TruthFile = Annotated[
    Path | None, typer.Option(help="ground truth: XD-Violence's or UCF-Crime's annotations, or a CSV of segments_s")
]


def read_analyses(paths: Sequence[Path]) -> tuple[list[Analysis], int]:
    """The analyses that can be read, and how many could not: each is named on stderr.

    Raises:
        CheckpointError: a path that does not exist, or nothing that can be read.
    """
    from cmhkf.analysis import Analysis

    for path in paths:
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file; analyses are written by `python -m cmhkf analyze`")
    found: list[Analysis] = []
    for path in paths:
        try:
            found.append(Analysis.load(path))
        except CheckpointError as error:
            typer.echo(str(error), err=True)
    if not found:
        raise CheckpointError("none of these files is an analysis; nothing was written")
    return found, len(paths) - len(found)


def read_truths(path: Path | None, analyses: Sequence[Analysis]) -> list[list[Truth] | None]:
    """The ground truth of each clip; None, and a word on stderr, where the file has none for it.

    Raises:
        DataError: the file has none for any of the clips.
    """
    from cmhkf.datasets.truth import truth_of

    if path is None:
        return [None] * len(analyses)
    found: list[list[Truth] | None] = []
    problems: list[str] = []
    for analysis in analyses:
        try:
            found.append(truth_of(path, analysis))
        except DataError as error:
            problems.append(str(error))
            found.append(None)
    if len(problems) == len(analyses):
        raise DataError(problems[0])
    for problem in problems:
        typer.echo(f"without ground truth: {problem}", err=True)
    return found
