"""`python -m cmhkf COMMAND`: results on stdout or in files, progress on stderr.

Exit code 0: done; 1: some inputs failed, which are named, and the rest is done; 2: bad usage.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from cmhkf.commands.ablate import ablate
from cmhkf.commands.embed import embed
from cmhkf.commands.evaluate import evaluate
from cmhkf.commands.extract import extract
from cmhkf.commands.figure import figure
from cmhkf.commands.import_vadclip import import_vadclip
from cmhkf.commands.train import train
from cmhkf.errors import CmhkfError

if TYPE_CHECKING:
    from cmhkf.batch import Outcome
    from cmhkf.features import Progress

app = typer.Typer(
    help="CMHKF: video anomaly detection with sight, sound and text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Engine(str, Enum):
    """Where `analyze` runs."""

    local = "local"
    ray = "ray"


@app.command()
def analyze(
    videos: Annotated[list[str], typer.Argument(metavar="VIDEO|DIR|GLOB...", help="files, folders or patterns")],
    out: Annotated[Path, typer.Option(help="folder for one .npz per video and summary.csv")],
    model: Annotated[str, typer.Option(help="a preset, a checkpoint file, or hf:owner/repo")] = "demo",
    engine: Annotated[Engine, typer.Option(help="this machine, or a Ray cluster")] = Engine.local,
    workers: Annotated[int, typer.Option(min=1, help="processes of the local engine")] = 1,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="for the summary's segments")] = 0.5,
) -> None:
    """Analyse videos: one Analysis file each, and a summary table."""
    from cmhkf.batch import Outcome, analyze_many, find_videos

    found = find_videos(videos)
    outcomes: list[Outcome] = []
    with tqdm(total=len(found), unit="clip", file=sys.stderr, disable=None) as clips, _StageBar() as bar:
        for outcome in analyze_many(
            found, out, model=model, threshold=threshold, engine=engine.value, workers=workers, on_progress=bar.show
        ):
            outcomes.append(outcome)
            clips.update()
            if outcome.error:
                clips.write(f"{outcome.video}: {outcome.error}", file=sys.stderr)
    with (out / "summary.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [f.name for f in fields(Outcome)])
        table.writeheader()
        table.writerows(asdict(outcome) for outcome in outcomes)
    typer.echo(_summary(outcomes))
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


class _StageBar:
    """One bar for the stage of the clip at work."""

    def __enter__(self) -> _StageBar:
        self.bar = tqdm(
            total=1.0, leave=False, file=sys.stderr, disable=None, bar_format="{desc} {percentage:3.0f}%|{bar}|"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, video: Path, progress: Progress) -> None:
        self.bar.set_description_str(f"{video.name}: {progress.stage}", refresh=False)
        self.bar.n = min(progress.done / progress.total, 1.0) if progress.total else 0.0
        self.bar.refresh()


def _summary(outcomes: list[Outcome]) -> str:
    done = [o for o in outcomes if not o.error]
    width = max([len(Path(o.video).name) for o in outcomes] + [4])
    lines = [f"{'clip':{width}}  {'length':>8}  {'uses':4}  {'peak':>5}  {'at':>8}  {'segments':>8}  top class"]
    lines += [
        f"{Path(o.video).name:{width}}  {o.duration_s:7.1f}s  {o.modalities:4}  {o.peak_score:5.2f}  {o.peak_s:7.1f}s"
        f"  {o.n_segments:8d}  {o.label or '-'}"
        for o in done
    ]
    lines += [f"{Path(o.video).name:{width}}  failed: {o.error}" for o in outcomes if o.error]
    if any(not o.trained for o in done):
        lines.append("Untrained: these scores only rank moments within a clip; no trained head took part.")
    return "\n".join(lines)


@app.command()
def doctor() -> None:
    """Say what works on this machine, and how to mend what does not."""
    from cmhkf.doctor import examine

    for check in examine():
        typer.echo(f"{'ok  ' if check.ok else 'MISS'}  {check.name:22} {check.detail}")
        if check.remedy:
            typer.echo("\n".join(f"{'':28} {line}" for line in check.remedy.splitlines()))


app.command("ablate")(ablate)
app.command("embed")(embed)
app.command("extract")(extract)
app.command("evaluate")(evaluate)
app.command("figure")(figure)
app.command("import-vadclip")(import_vadclip)
app.command("train")(train)


def main() -> None:
    """Run the command line; an error a user can act on is one line on stderr and exit code 2."""
    try:
        app()
    except CmhkfError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
