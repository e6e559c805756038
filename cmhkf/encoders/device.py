"""Which device and number format the encoders run in on this machine."""

import torch

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
