"""The cache of features has a limit: beyond it, the files that were not used for longest go first.

A file's time of change says when it was last used. Several processes write and read here at once, so any file may be
gone at any moment, and whoever needs one that is gone makes it anew or says so.
"""

import os
from contextlib import suppress
from pathlib import Path

from cmhkf.errors import ConfigError
from cmhkf.files import sweep_parts
from cmhkf.numbers import number

VARIABLE = "CMHKF_CACHE_GB"
DEFAULT_GB = 20.0


def limit_bytes() -> float:
    """What the cache may hold, by the environment. Raises ConfigError for what is no number of GB (10^9 bytes)."""
    return 1e9 * number(os.environ.get(VARIABLE) or DEFAULT_GB, VARIABLE, error=ConfigError)


def mark_used(file: Path) -> None:
    """Note that a file is in use now. One that is gone, or in a cache that cannot be written, is left alone."""
    with suppress(OSError):
        os.utime(file)


def evict(cache_dir: Path, written: Path, most_bytes: float) -> None:
    """Delete the files not used for longest until the rest fits; never the one just written."""
    found = []
    for file in cache_dir.glob("*/*.npz"):
        with suppress(OSError):  # another process deleted it
            stat = file.stat()
            found.append((stat.st_mtime_ns, stat.st_size, file))
    over = sum(size for _, size, _ in found) - most_bytes
    for _, size, file in sorted(found):
        if over <= 0:
            break
        if file != written:
            with suppress(OSError):
                file.unlink(missing_ok=True)
                over -= size
    sweep_parts(written.parent)
