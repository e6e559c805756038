"""Where things are: what the tool writes (database, clips, analyses, cached features), and what it comes with."""

import logging
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Literal

from filelock import FileLock

from cmhkf.errors import ConfigError

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parent


def shipped(name: Literal["checkpoints", "assets/examples"]) -> Path:
    """The folder of weights, or of example clips, that comes with the project.

    A wheel carries it inside this package; a clone, a Space too, has it beside the package.
    """
    inside = PACKAGE / "shipped" / name
    return inside if inside.is_dir() else PACKAGE.parent / name


CHECKPOINTS = shipped("checkpoints")  # the models and weights that come with the project
EXAMPLES = shipped("assets/examples")  # the example clips that come with it


def lock_of(name: str) -> FileLock:
    """A lock among the processes of this machine that share the data home."""
    locks = data_home() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / name)


def data_home() -> Path:
    """`CMHKF_HOME`, or the platform's folder for user data, or a temporary one where that cannot be written.

    Not created here, but for the temporary one, which nobody else may read. Raises ConfigError when that one is taken.
    """
    if named := os.environ.get("CMHKF_HOME"):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    usual = user_data_path("cmhkf", appauthor=False)
    return usual if can_be_written(usual) else _temporary_home(usual)


def user_cache() -> Path:
    """The folder in which other programs keep their caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser()


def spare_caches() -> dict[str, str]:
    """Environment variables that move other libraries' caches into the data home; none where theirs can be written.

    Matplotlib, numba, torch and the Hugging Face hub all look at them, some when they are imported.
    """
    if can_be_written(user_cache()):
        return {}
    spare = data_home() / "caches"
    log.warning("%s cannot be written: other libraries keep their caches in %s", user_cache(), spare)
    return {"XDG_CACHE_HOME": str(spare), "XDG_CONFIG_HOME": str(spare)}


def can_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder that exists, or the folder be made where it does not."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


@cache
def _temporary_home(usual: Path) -> Path:
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"cmhkf-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != user:
        raise ConfigError(f"{usual} cannot be written, and {folder} is somebody else's; set CMHKF_HOME to a folder")
    log.warning("%s cannot be written: keeping everything in %s, which may not last; set CMHKF_HOME", usual, folder)
    return folder
