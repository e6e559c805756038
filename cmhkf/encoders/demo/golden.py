"""Golden rows: what the demo's networks must say of made-up input, on whatever device and in whatever number format.

Some releases of torch compute some layers wrongly on some machines (bfloat16's `conv3d`, for one), and nothing but the
numbers tells. `checkpoints/golden_rows.safetensors` holds the rows in float32 from a CPU; `checkpoints/golden_rows.py`
makes it.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from cmhkf.encoders.demo.aisfx import BANDS, FRAMES, AiSfx, load_aisfx
from cmhkf.encoders.demo.efficientnet import features_of, load_efficientnet
from cmhkf.encoders.demo.i3d import I3D, load_i3d
from cmhkf.encoders.demo.shipped import GOLDEN
from cmhkf.encoders.device import compute_dtype
from cmhkf.errors import ConfigError

LEAST_COSINE = 0.995  # of a row with the golden one; bfloat16 gives .9995 and more
LENGTH_WITHIN = 0.03  # by which the rows' lengths may differ


class Network(NamedTuple):
    """A network that is compared with golden rows."""

    name: str  # in the file, and for people
    load: Callable[[str, torch.dtype], Any]  # device and number format to the network
    rows: Callable[[Any, str], Tensor]  # network and device to its rows [R, D] of the made-up input


class Agreement(NamedTuple):
    """How near the rows of this machine come to the golden ones."""

    cosine: float  # the smallest of a row; 0 where the rows cannot be computed, or are not finite
    length: float  # the ratio of lengths that is furthest from 1
    error: str = ""  # why the rows cannot be computed

    @property
    def right(self) -> bool:
        """Whether the device can be trusted with this network."""
        return self.cosine >= LEAST_COSINE and abs(self.length - 1) <= LENGTH_WITHIN

    def __str__(self) -> str:
        return self.error or f"cosine {self.cosine:.5f}, length x {self.length:.3f}"


def pictures() -> np.ndarray:
    """Coloured stripes that drift over 16 frames, in whole numbers alone: uint8 RGB [16, 112, 160, 3]."""
    t, y, x, c = np.ogrid[:16, :112, :160, :3]
    bars = ((x + 3 * t + 5 * c) // 8 * 37 + (y + 2 * t) // 11 * 53) % 256
    return ((bars + x * y // 64 + 40 * c) % 256).astype(np.uint8)


def spectra() -> np.ndarray:
    """Two made-up spectrograms in [0, 1): float32 [2, 100, 96]."""
    b, t, f = np.ogrid[:2, :FRAMES, :BANDS]
    return (((t * (b + 3) + f * 7 + t * f // 16) % 64) / 64 * (f < 80)).astype(np.float32)


def _rows_of_i3d(net: I3D, device: str) -> Tensor:
    x = torch.from_numpy(pictures()).to(device, net.classifier.weight.dtype) / 127.5 - 1  # [16, H, W, 3]
    x = x.permute(3, 0, 1, 2)[None].contiguous(memory_format=torch.channels_last_3d)
    features, local, _ = net(x)
    return torch.cat([features[0], local[0] / 10], dim=1)  # the local ones are that much larger


def _rows_of_aisfx(net: AiSfx, device: str) -> Tensor:
    return net(torch.from_numpy(spectra()).to(device, next(net.parameters()).dtype))


def _rows_of_efficientnet(net: nn.Module, device: str) -> Tensor:
    return features_of(net, torch.from_numpy(pictures()[::8]).to(device))


I3D_NETWORK = Network("I3D", load_i3d, _rows_of_i3d)
AISFX_NETWORK = Network("aiSFX", load_aisfx, _rows_of_aisfx)
EFFICIENTNET_NETWORK = Network("EfficientNet-Lite0", load_efficientnet, _rows_of_efficientnet)
NETWORKS = (I3D_NETWORK, EFFICIENTNET_NETWORK, AISFX_NETWORK)
_known: dict[tuple[str, str, torch.dtype], Agreement] = {}


def golden_rows() -> dict[str, np.ndarray]:
    """By the network's name. Raises WeightsError: the file is missing or damaged."""
    return load_file(GOLDEN.path)


def measure(network: Network, net: Any, device: str) -> Agreement:
    """Let a loaded network look at the made-up input, and compare."""
    wanted = torch.from_numpy(golden_rows()[network.name])
    try:
        with torch.inference_mode():
            found = network.rows(net, device).float().cpu()
    except RuntimeError as error:  # such as a layer that the device does not have in this number format
        return Agreement(0, 0, f"it fails: {str(error).splitlines()[0]}")
    if not found.isfinite().all():
        return Agreement(0, 0, "its rows are not finite")
    lengths = found.norm(dim=1) / wanted.norm(dim=1)
    furthest = lengths[(lengths - 1).abs().argmax()]
    return Agreement(float(cosine_similarity(found, wanted).min()), float(furthest))


def load_right(network: Network, device: str) -> Any:
    """A network in the fastest number format in which this device computes it right.

    Where that is not the device's usual one, a warning of the logger `cmhkf` says so. Compared once in a process.

    Raises:
        WeightsError: its weights, or the golden rows, are missing or damaged.
        ConfigError: the device computes it wrongly in float32 too.
    """
    usual, told = compute_dtype(device), []
    for dtype in dict.fromkeys((usual, torch.float32)):
        net, key = network.load(device, dtype), (network.name, device, dtype)
        if key not in _known:
            _known[key] = measure(network, net, device)
            if _known[key].right and dtype != usual:
                logging.getLogger("cmhkf").warning(
                    "%s runs in float32, slower: torch %s on %s computes it wrongly in %s (%s)",
                    network.name,
                    torch.__version__,
                    device,
                    _name(usual),
                    "; ".join(told),
                )
        if _known[key].right:
            return net
        told.append(f"{_name(dtype)}: {_known[key]}")
    raise ConfigError(
        f"torch {torch.__version__} on the device {device!r} computes {network.name} wrongly ({'; '.join(told)}, "
        f"against golden rows; at least {LEAST_COSINE} is wanted): choose the device cpu, or install another release "
        "of torch"
    )


def report(device: str) -> str:
    """How near each network comes on a device, and in which number format it runs. Raises as `load_right` does."""
    told = []
    for network in NETWORKS:
        load_right(network, device)
        for (name, on, dtype), known in _known.items():
            if (name, on) == (network.name, device):
                told.append(f"{name} {_name(dtype)} {'' if known.right else 'WRONG '}({known})")
    return f"{device}: {'; '.join(told)}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
