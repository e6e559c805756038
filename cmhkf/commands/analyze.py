"""`python -m cmhkf analyze`: many videos, one Analysis file each, and a summary table."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from cmhkf.commands.options import make_folder, say_left_out
from cmhkf.errors import ConfigError
from cmhkf.media.unseen import as_cell, in_words, length_s

if TYPE_CHECKING:
    from cmhkf.batch import Outcome
    from cmhkf.progress import Progress


class Engine(str, Enum):
    """Where `analyze` runs."""

    local = "local"
    ray = "ray"


def analyze(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO|DIR|GLOB|URL|LIST.txt...", help="files, folders, patterns, URLs, or lists of them"
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="DIR|URL", help="for one .npz per video, tables and summary.csv; work resumes there, also at a URL"
        ),
    ],
    model: Annotated[str, typer.Option(help="a preset, a checkpoint file, or hf:owner/repo")] = "demo",
    engine: Annotated[Engine, typer.Option(help="this machine, or a Ray cluster")] = Engine.local,
    workers: Annotated[
        int | None, typer.Option(min=1, help="processes; by default one, with ray as many as there is room for")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="for the summary's segments; 0.5 unless --alarms-per-hour sets it"),
    ] = None,
    alarms_per_hour: Annotated[
        float | None, typer.Option(help="instead: the threshold that at most so many normal minutes an hour reach")
    ] = None,
    normal: Annotated[
        list[Path] | None,
        typer.Option(
            help="with --alarms-per-hour: analyses (.npz, or a folder of them) of this camera's footage in which "
            "nothing happens; without it, the model's test videos"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N; with ray, of each node")] = "auto",
    address: Annotated[str | None, typer.Option(help="of the Ray cluster; auto: the one of this machine")] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(min=0, max=1, help="share of a GPU for each worker on Ray; by default a whole one")
    ] = None,
) -> None:
    """Analyse videos: one Analysis file each, and tables of all. What the folder holds already is not made again."""
    from cmhkf.batch import Outcome, analyze_many
    from cmhkf.media.find import find_sources
    from cmhkf.media.remote import is_url
    from cmhkf.outputs import outputs_at
    from cmhkf.results import write_tables

    found = find_sources(videos, say_left_out)
    if not is_url(out):
        make_folder(Path(out))
    threshold = _threshold(threshold, alarms_per_hour, normal or [], model=model)
    outcomes: list[Outcome] = []
    with tqdm(total=len(found), unit="clip", file=sys.stderr, disable=None) as clips, _StageBar() as bar:
        on_ray = {"address": address, "gpus_per_worker": gpus_per_worker}
        how = {"engine": engine.value, "workers": workers, "device": device, "on_progress": bar.show}
        for outcome in analyze_many(found, out, model=model, threshold=threshold, **how, **on_ray):
            outcomes.append(outcome)
            clips.update()
            if outcome.error:
                clips.write(f"{outcome.video}: {outcome.error}", file=sys.stderr)
            for said in filter(None, (in_words(outcome.unseen), outcome.caution)):
                clips.write(f"{outcome.video}: {said}", file=sys.stderr)
    place = outputs_at(out)
    for name in write_tables(out, threshold):
        typer.echo(f"{place.named(name)}: no readable analysis, so it is not in the tables", err=True)
    with place.replacing("summary.csv") as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [f.name for f in fields(Outcome)])
        table.writeheader()
        table.writerows(asdict(outcome) | {"unseen": as_cell(outcome.unseen)} for outcome in outcomes)
    typer.echo(_summary(outcomes))
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


def _threshold(given: float | None, per_hour: float | None, normal: list[Path], *, model: str) -> float:
    """The one that was given, or that keeps to a budget of alarms, which is said on stderr; 0.5 without either."""
    if per_hour is None:
        if normal:
            raise ConfigError("--normal says what is normal for --alarms-per-hour; give that, too")
        return 0.5 if given is None else given
    if given is not None:
        raise ConfigError("give either --threshold or --alarms-per-hour")
    from cmhkf.commands.analyses import read_analyses
    from cmhkf.evaluation.budget import own_budget, shipped_budget

    if normal:
        files = [file for path in normal for file in (sorted(path.glob("*.npz")) if path.is_dir() else [path])]
        found = own_budget(read_analyses(files)[0], per_hour, model=model)
    else:
        found = shipped_budget(model, per_hour)
    typer.echo(found.said, err=True)
    return found.threshold


class _StageBar:
    """One bar for the stage of the clip at work."""

    def __enter__(self) -> _StageBar:
        self.bar = tqdm(
            total=1.0, leave=False, file=sys.stderr, disable=None, bar_format="{desc} {percentage:3.0f}%|{bar}|"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, name: str, progress: Progress) -> None:
        self.bar.set_description_str(f"{name}: {progress.stage}", refresh=False)
        self.bar.n = min(progress.done / progress.total, 1.0) if progress.total else 0.0
        self.bar.refresh()


def _unseen_length(outcome: Outcome, *, only_sound: bool) -> str:
    """In words, each second once."""
    if outcome.unseen is None:
        return "?"
    lost_s = length_s(s for s in outcome.unseen if s.only_sound == only_sound)
    return f"{lost_s:.1f}s" if lost_s else "-"


def _summary(outcomes: list[Outcome]) -> str:
    done = [o for o in outcomes if not o.error]
    width = max([len(Path(o.video).name) for o in outcomes] + [4])
    lines = [
        f"{'clip':{width}}  {'length':>8}  {'uses':4}  {'peak':>5}  {'at':>8}  {'segments':>8}"
        f"  {'not seen':>8}  {'not heard':>9}  top class"
    ]
    lines += [
        f"{Path(o.video).name:{width}}  {o.duration_s:7.1f}s  {o.modalities:4}  {o.peak_score:5.2f}  {o.peak_s:7.1f}s"
        f"  {o.n_segments:8d}  {_unseen_length(o, only_sound=False):>8}  {_unseen_length(o, only_sound=True):>9}"
        f"  {o.label or '-'}"
        for o in done
    ]
    lines += [f"{Path(o.video).name:{width}}  failed: {o.error}" for o in outcomes if o.error]
    if n_kept := sum(o.kept for o in done):
        lines.append(f"{n_kept} of {len(outcomes)} had been analysed before, and were not analysed again.")
    if any(not o.trained for o in done):
        lines.append("Untrained: these scores only rank moments within a clip; no trained head took part.")
    return "\n".join(lines)
