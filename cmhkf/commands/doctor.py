"""`python -m cmhkf doctor`: what works on this machine, and the remedy for what does not.

Nothing is downloaded. Of the models only the demo's networks are run, on made-up input, to compare golden rows. With
`--quality` it measures instead how good a model is on labelled clips.
"""

import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from cmhkf.commands.options import make_folder
from cmhkf.errors import CmhkfError, ConfigError, DataError
from cmhkf.home import data_home


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def doctor(
    quality: Annotated[
        Path | None,
        typer.Option(
            metavar="CLIPS.csv",
            help="instead, measure a model on your own clips: a CSV of clip, class (normal, or what happens), "
            "segments_s (12.5-17;30-41) and, if you like, kind (of footage) and source (of camera or film)",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="with --quality: a preset, a checkpoint file, or hf:owner/repo")] = "demo",
    threshold: Annotated[float, typer.Option(min=0.001, max=1, help="with --quality: of segments")] = 0.5,
    resamples: Annotated[int, typer.Option(min=0, help="with --quality: of the bootstrap; 0: no intervals")] = 1000,
    device: Annotated[str, typer.Option(help="with --quality: auto, cpu, cuda or cuda:N")] = "auto",
    out: Annotated[Path | None, typer.Option(help="with --quality: folder for quality.json, .svg and .html")] = None,
) -> None:
    """Say what works on this machine, and how to mend what does not; or how good a model is on your own clips."""
    if quality:
        measure_quality(quality, model=model, threshold=threshold, resamples=resamples, device=device, out=out)
        return
    if out or model != "demo":
        raise ConfigError("--model and --out go with --quality CLIPS.csv")
    for check in examine():
        typer.echo(f"{'ok  ' if check.ok else 'MISS'}  {check.name:22} {check.detail}")
        if check.remedy:
            typer.echo("\n".join(f"{'':28} {line}" for line in check.remedy.splitlines()))


def measure_quality(
    table: Path, *, model: str, threshold: float, resamples: int, device: str, out: Path | None
) -> None:
    """Print the quality panel of a model on the clips of a table; exit 1 when some could not be measured."""
    from cmhkf.analyzer import load
    from cmhkf.evaluation.own_clips import Measured, analysed, own_panel, read_clips
    from cmhkf.evaluation.quality import write_panel
    from cmhkf.metrics.panel_text import panel_text

    clips = read_clips(table)
    if out:
        make_folder(out)
    analyzer = load(model, device=device)
    found, failed = list[Measured](), list[str]()
    for clip, result in tqdm(analysed(analyzer, clips, table), total=len(clips), file=sys.stderr, disable=None):
        if isinstance(result, Measured):
            found.append(result)
        else:
            failed.append(clip.name)
            typer.echo(f"{clip.name}: {result}", err=True)
    if not found:
        raise DataError(f"none of the {len(clips)} clips of {table.name} could be measured")
    notes = [f"{len(failed)} of the {len(clips)} clips could not be measured and are left out"] if failed else []
    panel = own_panel(analyzer, found, dataset=table.name, threshold=threshold, notes=notes, resamples=resamples)
    typer.echo(panel_text(panel))
    if out:
        write_panel(panel, out)
        typer.echo(f"written to {out}")
    if failed:
        raise typer.Exit(1)


def examine() -> list[Check]:
    """Look at the device, the codecs, the data home, and each encoder's weights."""
    return [
        Check("python", True, f"{platform.python_version()} on {platform.machine()}"),
        _try("device", _device, "install a torch build for this machine, then try again"),
        _try("codecs", _codecs, "reinstall with `pip install -r requirements.txt`"),
        _try("encoders (for copies and clips)", _encoders, "reinstall with `pip install -r requirements.txt`"),
        _try("data home", _home, "set CMHKF_HOME to a folder you may write to"),
        _try("demo encoders", _demo_encoders, ""),
        _try("golden rows", _golden_rows, "run with `--device cpu`, or install another release of torch"),
        _try("demo checkpoint", _demo_checkpoint, ""),
        _try("CLIP ViT-B/16", _clip, ""),
        _try("VGGish", _vggish, ""),
        _try("Ray (optional)", lambda: f"ray {version('ray')}", "`pip install 'ray[data]'` for `analyze --engine ray`"),
    ]


def _try(name: str, look: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name, True, look())
    except CmhkfError as error:  # says its own remedy
        first, _, rest = str(error).partition("\n")
        return Check(name, False, first, rest or remedy)
    except (ImportError, OSError) as error:
        return Check(name, False, str(error) or type(error).__name__, remedy)


def _device() -> str:
    import torch

    from cmhkf.encoders.device import compute_dtype, pick_device

    device = pick_device()
    dtype = str(compute_dtype(device)).removeprefix("torch.")
    return f"{device}, {dtype}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _codecs() -> str:
    wanted = {"h264", "hevc", "vp9", "av1", "mpeg4", "aac", "opus", "mp3"}
    return _able("decodes", wanted)


def _encoders() -> str:
    return _able("encodes", {"libx264", "aac"})


def _able(does: str, wanted: set[str]) -> str:
    import av

    missing = sorted(wanted - av.codecs_available)
    if missing:
        raise OSError(f"PyAV {version('av')} {does} no {', '.join(missing)}")
    return f"PyAV {version('av')} {does} {', '.join(sorted(wanted))}"


def _home() -> str:
    home = data_home()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=home):
        return f"{home} can be written"


def _demo_encoders() -> str:
    from cmhkf.encoders.demo import shipped

    files = [value for value in vars(shipped).values() if isinstance(value, shipped.Shipped)]
    for file in files:
        _ = file.path  # raises where one is missing or damaged
    return f"{len(files)} weight files are here, SHA-256 right"


def _golden_rows() -> str:
    from cmhkf.encoders.demo.golden import report
    from cmhkf.encoders.device import pick_device

    return report(pick_device())


def _demo_checkpoint() -> str:
    from cmhkf.model.checkpoint import load_checkpoint
    from cmhkf.presets import find_checkpoint

    path = find_checkpoint("demo")
    if path is None:
        return "none: `demo` runs untrained, by similarity and named cues, and says so"
    return f"{path.name}, {load_checkpoint(path).sha256[:12]}"


def _clip() -> str:
    from cmhkf.encoders.clip import find_weights

    return str(find_weights())


def _vggish() -> str:
    from cmhkf.encoders.vggish import find_weights

    return str(find_weights())
