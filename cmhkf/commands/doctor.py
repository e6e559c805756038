"""`python -m cmhkf doctor`: what works on this machine, and the remedy for what does not.

Nothing is downloaded. Of the models only the demo's networks are run, on made-up input, to compare golden rows.
"""

import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import typer

from cmhkf.errors import CmhkfError
from cmhkf.home import data_home


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def doctor() -> None:
    """Say what works on this machine, and how to mend what does not."""
    for check in examine():
        typer.echo(f"{'ok  ' if check.ok else 'MISS'}  {check.name:22} {check.detail}")
        if check.remedy:
            typer.echo("\n".join(f"{'':28} {line}" for line in check.remedy.splitlines()))


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
