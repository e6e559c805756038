"""How much faster two workers on Ray are than one, and what an archive would take at that speed.

    python benchmarks/scale.py [CLIP] [--copies N] [--runs N]
    python benchmarks/scale.py --plan [--hours N --days N --speed X ...]

The first measures here, one thread for each worker, and prints the plan's options as measured. The second computes the
plan of docs/scale.md: every figure in it is an option.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.analysis import Analysis
from cmhkf.batch import analyze_many
from cmhkf.home import EXAMPLES
from cmhkf.results import write_tables

MB = 1e6


@dataclass(frozen=True)
class Measured:
    """One run over all copies; times in seconds, files in bytes."""

    video_s: float
    loading_s: float
    """From the call to the first video's analysis: Ray starts, and the model is loaded."""
    work_s: float
    """From there to the last analysis."""
    analyses: int
    tables: int
    features: int


def copies_of(clip: Path, n: int, folder: Path) -> list[Path]:
    """Copies of an MP4 that differ in content: a box that players skip is put to the end."""
    copies = [folder / f"{i}.mp4" for i in range(n)]
    for i, copy in enumerate(copies):
        copy.write_bytes(clip.read_bytes() + b"\0\0\0\x0cfree" + i.to_bytes(4, "big"))
    return copies


def measured(clips: list[Path], folder: Path, workers: int) -> Measured:
    """All clips anew on a Ray of their own, with a cache of features that is empty at first."""
    import ray

    out, home = folder / "out", folder / "home"
    os.environ["CMHKF_HOME"] = str(home)
    begun = time.time()
    outcomes = [*analyze_many(clips, out, model="demo", engine="ray", workers=workers, device="cpu")]
    ray.shutdown()
    if failed := [outcome.error for outcome in outcomes if outcome.error]:
        sys.exit(failed[0])
    ends = {file: file.stat().st_mtime for file in out.glob("*.npz")}
    first = min(end - Analysis.load(file).elapsed_s for file, end in ends.items())
    write_tables(out, 0.5)
    sizes = [sum(file.stat().st_size for file in found) for found in (ends, out.glob("*.parquet"), home.rglob("*.npz"))]
    shutil.rmtree(out)
    shutil.rmtree(home)
    return Measured(sum(o.duration_s for o in outcomes), first - begun, max(ends.values()) - first, *sizes)


def measure(clip: Path, copies: int, runs: int) -> None:
    """One worker and two, in turns; prints each run, the best of both and the plan's options by them."""
    best: dict[int, Measured] = {}
    print(f"{os.cpu_count()} cores; processes that others run here: {os.getloadavg()[0]:.1f} in the last minute")
    with tempfile.TemporaryDirectory() as name:
        clips = copies_of(clip, copies, Path(name))
        for workers in (1, 2) * runs:
            run = measured(clips, Path(name), workers)
            best[workers] = min(run, best.get(workers, run), key=lambda each: each.work_s)
            speed = run.video_s / run.work_s
            done = f"{run.work_s:.1f} s, {speed:.2f} x real time"
            print(f"{workers} workers: {done}; {run.loading_s:.1f} s before that", flush=True)
    one, two = best[1], best[2]
    print(f"two workers over one, best of {runs}: {one.work_s / two.work_s:.2f} x")
    hour = 3600 / two.video_s / MB
    sizes = {"analyses": two.analyses, "tables": two.tables, "features": two.features}
    options = [f"--{kind}-mb {size * hour:.2f}" for kind, size in sizes.items()]
    print(f"--plan --speed {two.video_s / two.work_s / 2:.2f} --loading-s {two.loading_s:.0f}", *options)


def plan(given: argparse.Namespace) -> list[str]:
    """The rows of the plan, as a table in Markdown."""
    g = given
    shards = g.hours / g.shard_hours
    half_clip_h = g.clip_minutes / 60 / 2 / g.speed
    analysis_h = g.hours / g.speed
    start_h = shards * g.node_workers * (g.loading_s / 3600 + half_clip_h)
    ends = (analysis_h + start_h) / g.node_workers / g.node_life_hours
    lost_h = ends * g.node_workers * (half_clip_h + g.loading_s / 3600)
    total_h = analysis_h + start_h + lost_h
    nodes = total_h / g.node_workers / (g.days * 24)
    read_tb = g.hours * 3600 * g.mbit / 8 / MB
    rows = {
        "worker hours of analysis": f"{analysis_h:,.0f}",
        "worker hours of loading, and of waiting for a shard's last video": f"{start_h:,.0f} ({start_h / total_h:.1%})",
        "worker hours lost with nodes that end": f"{lost_h:,.0f} ({lost_h / total_h:.1%}), in {ends:,.0f} ends",
        f"workers for {g.days:g} days": f"{nodes * g.node_workers:,.0f}, on {nodes:,.1f} nodes",
        "shards, each with a folder": f"{shards:,.0f} of {g.shard_hours * 60 / g.clip_minutes:,.0f} videos",
        "cost": f"{total_h * g.price:,.0f}, {total_h * g.price / g.hours:.4f} for each hour of video",
        "analyses": f"{g.hours * g.analyses_mb / MB:,.1f} TB",
        "tables": f"{g.hours * g.tables_mb / MB:,.1f} TB",
        "features, where they are kept": f"{g.hours * g.features_mb / MB:,.1f} TB",
        "video to read": f"{read_tb:,.0f} TB, {read_tb * MB / (g.days * 86400):,.0f} MB a second",
    }
    return ["| what | how much |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


def main() -> None:
    """Measure, or plan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?", default=EXAMPLES / "crash.mp4", help="an MP4")
    parser.add_argument("--copies", type=int, default=4, help="an even number")
    parser.add_argument("--runs", type=int, default=2, help="of each")
    parser.add_argument("--plan", action="store_true")
    for name, (default, text) in OPTIONS.items():
        parser.add_argument(f"--{name}", type=float, default=default, help=f"{text}; {default:g}")
    given = parser.parse_args()
    if given.plan:
        print("\n".join(plan(given)))
    else:
        measure(given.clip, given.copies, given.runs)


OPTIONS = {
    "speed": (1.55, "measured: hours of video in an hour of one worker"),
    "loading-s": (10, "measured: seconds until a worker has its model"),
    "analyses-mb": (13, "measured: MB for each hour of video"),
    "tables-mb": (0.32, "the same"),
    "features-mb": (118, "the same"),
    "hours": (1e6, "the archive"),
    "days": (30, "assumed: until it is read"),
    "price": (0.04, "assumed: of a worker hour"),
    "node-workers": (32, "assumed: workers of one node"),
    "node-life-hours": (500, "assumed: hours until a node ends"),
    "clip-minutes": (10, "assumed: length of a video"),
    "shard-hours": (500, "assumed: hours of video in a shard"),
    "mbit": (2, "assumed: of a video, in a second"),
}

if __name__ == "__main__":
    main()
