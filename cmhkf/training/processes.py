"""Several processes that train one model, as `torchrun` starts them: each takes its share of every step's samples.

Together they see the batches that one process would see with as many times the batch size, in the same order.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from cmhkf.encoders.device import pick_device


def launched() -> int:
    """How many processes `torchrun` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Meet the processes that `torchrun` started, if it did; only the first of them prints.

    Gives the device of this one: its own GPU where `device` is a CUDA one. Raises ConfigError: there is none for it.
    """
    if launched() == 1:
        yield device
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        device = pick_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    with ExitStack() as silence:
        if rank():
            nowhere = silence.enter_context(Path(os.devnull).open("w"))
            silence.enter_context(redirect_stdout(nowhere))
            silence.enter_context(redirect_stderr(nowhere))
        yield device
    dist.destroy_process_group()  # not after an error, when the others may wait for this one: `torchrun` ends them


def rank() -> int:
    """Which of the processes this is; 0 for the one that writes files, and where there is one alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def share_of(n: int) -> tuple[np.ndarray, float]:
    """The places of this process's samples among the n of a step, and how much of the step they are.

    Where there are fewer samples than processes, one that would go without takes the first, which then counts 0.
    """
    mine = np.arange(rank(), n, world())
    return (mine, len(mine) / n) if len(mine) else (np.arange(1), 0.0)


def summed(values: Tensor) -> Tensor:
    """The sum over the processes, the same in all of them; overwrites `values`."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values
