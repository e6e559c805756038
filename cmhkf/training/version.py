"""The release, and which code made a number: a digest of the package's own source, with or without Git."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path

__version__ = "0.1.0"


@cache
def code_version() -> str:
    """16 hex digits over the names and the bytes of every source file of `cmhkf`; any edit gives others."""
    root, total = Path(__file__).parents[1], hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        total.update(file.relative_to(root).as_posix().encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


@cache
def described() -> str:
    """The code in words for a model card: what `git describe` says of a clone, and `code_version`."""
    clone = str(Path(__file__).parents[2])  # of this project alone: a wheel may lie inside another one's clone
    command = ["git", "-C", clone, "--git-dir", ".git", "describe", "--always", "--dirty", "--tags"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
        commit = done.stdout.strip() if not done.returncode else ""
    except (OSError, subprocess.TimeoutExpired):
        commit = ""
    return f"{f'commit {commit}, ' if commit else ''}source {code_version()}"
