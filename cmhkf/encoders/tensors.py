"""Weight files to tensors, and tensors into a network: nothing is unpickled but tensors, nothing is left unfilled."""

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cmhkf.encoders.archives import check_zip, is_script, read_script
from cmhkf.errors import WeightsError
from cmhkf.files import NPZ_DAMAGE

# What the readers raise on damaged bytes. torch's restricted unpickler trips over them wherever they lead it.
OTHER_DAMAGE = (struct.error, LookupError, AttributeError, AssertionError, ArithmeticError, MemoryError, StopIteration)
DAMAGE = (*NPZ_DAMAGE, SafetensorError, *OTHER_DAMAGE)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a safetensors file, a state dict saved by torch, or a TorchScript archive, on the CPU.

    The kind is told from the content. State dicts are read with `weights_only`, and TorchScript archives as data
    (`archives.py`), so no code of a file runs, whoever made it.

    Raises:
        WeightsError: the file is damaged, cut short, or holds something else.
    """
    try:
        if _is_safetensors(path):
            return load_file(path)
        held = load_pickled(path)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is damaged, or holds pickled objects that are not tensors; such code is never run\n"
            "Download it again, or save the state dict alone, best as safetensors."
        ) from error
    except DAMAGE as error:
        raise WeightsError(
            f"{path} cannot be read as weights: it is damaged, cut short or of another kind\n"
            f"Download it again, and compare its size ({path.stat().st_size:,} bytes)."
        ) from error
    for wrapper in ("state_dict", "model_state_dict"):  # of training programs
        held = held.get(wrapper, held) if isinstance(held, Mapping) else None
    items = held.items() if isinstance(held, Mapping) else ()
    tensors = {str(name).removeprefix("module."): value for name, value in items if isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(f"{path} holds no named tensors\nName a file that holds a state dict.")
    return tensors


def load_pickled(path: Path) -> Any:
    """What `torch.save` or `torch.jit.save` wrote: tensors in dicts, and no objects.

    Raises:
        UnpicklingError: it holds other objects. One of `DAMAGE`: it is damaged, or unpacks to more than it should.
    """
    with path.open("rb") as file:
        begins_as_zip = file.read(2) == b"PK"
    if begins_as_zip or zipfile.is_zipfile(path):
        check_zip(path)
        if is_script(path):
            return read_script(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def fill(network: nn.Module, tensors: Mapping[str, Tensor], *, shown: str) -> None:
    """Make the tensors the network's parameters, as float32. Names and shapes must agree one to one.

    Raises:
        WeightsError: they do not; the message names which, and `shown`, the file.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in tensors]
    foreign = [name for name in tensors if name not in wanted]
    unlike = [
        f"{name} {list(tensors[name].shape)} for {list(value.shape)}"
        for name, value in wanted.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    faults = [("is missing", missing), ("has the unknown", foreign), ("has the wrong shape of", unlike)]
    if text := "; ".join(f"{what} {_some(names)}" for what, names in faults if names):
        raise WeightsError(f"{shown} does not fit this network: it {text}\nIs it the file of another model?")
    network.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)


def _some(names: list[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def _is_safetensors(path: Path) -> bool:
    """A little-endian length of the header, then the header, which is JSON."""
    with path.open("rb") as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000
