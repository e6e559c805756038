"""What glibc's malloc does with freed memory; elsewhere nothing is done.

By itself it keeps what is freed for later, in pieces between what is still in use: what a process holds at most then
grows with what it has met, by hundreds of megabytes.
"""

import ctypes
import sys

M_MMAP_THRESHOLD = -3  # mallopt(3)


def return_blocks(of_mib: int) -> None:
    """From now on have blocks of so many MiB and more given back to the system when they are freed."""
    if mallopt := _of_libc("mallopt"):
        mallopt(M_MMAP_THRESHOLD, of_mib * 2**20)


def trim() -> None:
    """Give back what lies free."""
    if malloc_trim := _of_libc("malloc_trim"):
        malloc_trim(0)


def _of_libc(name: str) -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
