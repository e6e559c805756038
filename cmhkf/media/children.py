"""Child processes that end with this one, however it ends: a process that is killed cannot end its children itself.

On Linux the kernel does it. Elsewhere a thread of every child asks who its parent is, since an orphan gets another one;
on Windows, where it does not, only what the parent closes ends a child.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from threading import Thread
from typing import Any, TypeVar

PR_SET_PDEATHSIG = 1  # prctl(2)
LOOK_S = 0.5  # how often a watch looks

T = TypeVar("T")


def started(start: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """The result of a function that starts a child process, called in a thread that lives as long as this process.

    For the kernel the parent is the thread that starts a child: when that thread ends, so does the child.
    """
    return _starter().submit(start, *arguments, **options).result()


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """`subprocess.Popen` of a program that calls `die_with`, in a process group of its own.

    Its group is not this one's, for Ctrl-C in a terminal is the parent's business.
    """
    return started(subprocess.Popen, command, start_new_session=True, **options)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a child that was started in a process group of its own, with all that it started."""
    if process.poll() is not None:
        return
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def die_with(parent: int) -> None:
    """End this process as soon as its parent ends. `parent` is the parent's own word for its id."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it ended before this
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)


@cache
def _starter() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "child processes")
