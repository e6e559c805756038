"""Hugging Face's shared GPUs ("ZeroGPU"): they are lent to functions marked by their package `spaces`, call by call."""

from collections.abc import Callable, Generator
from importlib.util import find_spec
from typing import Any

GPU_S = 120  # seconds requested per analysis; a longer one is ended by the Space

Steps = Callable[..., Generator[Any, None, None]]


def on_gpu(steps: Steps) -> Steps:
    """The generator function, marked for a shared GPU where `spaces` is installed, and as it is elsewhere.

    Call it before torch is imported and before the page is up: `spaces` requires both. It then runs `steps` in a
    child process, so arguments and what is yielded must be picklable.
    """
    if find_spec("spaces") is None:
        return steps
    import spaces  # pyright: ignore[reportMissingImports]

    return spaces.GPU(steps, duration=GPU_S)
