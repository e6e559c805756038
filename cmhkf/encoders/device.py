"""Which device and number format the encoders run in on this machine, and how data get there and back.

On CUDA nothing here waits for the device: frames go up on a stream of their own while it computes, from memory that the
system keeps in place, and rows come down into such memory.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from cmhkf.errors import ConfigError


def pick_device(name: str = "auto") -> str:
    """The torch device for a setting: "auto" takes CUDA where there is one; "cpu", "cuda" or "cuda:N" are checked.

    Raises:
        ConfigError: the name is unknown or the device is not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device is {name!r}; choose auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device is {name!r}; choose auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device is {name!r}, but torch sees {torch.cuda.device_count()} CUDA devices; choose cpu")
    return name


def compute_dtype(device: str) -> torch.dtype:
    """The fastest format whose results stay within bfloat16's rounding: bfloat16 where the hardware multiplies it.

    On a CPU that is avx512_bf16 or amx_bf16; on CUDA, compute capability 8 or more, with float16 below; else float32.
    """
    if torch.device(device).type == "cuda":
        native = torch.cuda.get_device_capability(device)[0] >= 8
        return torch.bfloat16 if native else torch.float16
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


def at_once(device: str, bytes_each: int, *, usual: int, most: int) -> int:
    """How many items go through a network at once: `usual` on a CPU; on CUDA what fits into half of the free memory.

    `bytes_each` is what an item takes there at most. On CUDA never more than `most`, which keep the device busy.
    """
    if torch.device(device).type == "cpu":
        return usual
    return fitting(torch.cuda.mem_get_info(device)[0], bytes_each, most)


def fitting(free_bytes: int, bytes_each: int, most: int) -> int:
    """As many items as fit into half of the free memory: at least 1, at most `most`."""
    return max(1, min(most, free_bytes // 2 // bytes_each))


def sent(array: np.ndarray, device: str) -> Tensor:
    """An array on a device; on CUDA it is on its way there, before whatever the caller asks of the device next."""
    here = torch.from_numpy(np.ascontiguousarray(array))
    if torch.device(device).type == "cpu":
        return here
    copying, computing = _copy_stream(device), torch.cuda.current_stream(device)
    with torch.cuda.stream(copying):
        there = here.pin_memory().to(device, non_blocking=True)
    computing.wait_stream(copying)
    there.record_stream(computing)
    return there


@cache
def _copy_stream(device: str) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


def fetching(rows: Tensor) -> Callable[[], np.ndarray]:
    """Begin to bring rows into memory; the call that is returned waits for them."""
    if rows.is_cpu:
        here = rows.numpy()
        return lambda: here
    pinned = torch.empty_like(rows, device="cpu", pin_memory=True).copy_(rows, non_blocking=True)
    arrived = torch.cuda.current_stream(rows.device).record_event()

    def fetched() -> np.ndarray:
        arrived.synchronize()
        return pinned.numpy().copy()

    return fetched
