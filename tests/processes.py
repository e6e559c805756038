"""The processes that a test has started, as the kernel knows them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def ran(*arguments, cwd=ROOT, **options):
    """Python in a process of its own, from the clone, with all that it printed."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **options)


def below(parent: int) -> dict[int, str]:
    """The living decoders, and processes of multiprocessing, whose parent it is, by id; each with its command line.

    Without multiprocessing's resource tracker: it starts with the first spawned process and lives on by design.
    Browsers and servers, which tests of a session share, are no concern of theirs.
    """
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, ppid = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # ended meanwhile
            continue
        ours = "cmhkf.media.decode" in command or "spawn_main" in command
        if int(ppid) == parent and state != "Z" and ours:
            found[int(folder.name)] = command
    return found


def children() -> list[int]:
    """Ids of those of this process."""
    return [*below(os.getpid())]
