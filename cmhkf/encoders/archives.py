"""Weight archives as data: a zip is looked at before it is unpacked, and the tensors of a TorchScript archive are read
without its program. Nothing that such a file holds is ever run.
"""

import io
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import Tensor

CODE = "/code/"  # where a TorchScript archive keeps its program, the one part that torch compresses
MAX_CODE_BYTES = 256_000_000
MAX_PARTS = 100_000  # modules and tensors; CLIP has some hundreds
MAX_DEPTH = 100  # modules within modules
DTYPES = {"Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16}
DTYPES |= {"Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8}
STORAGES = {f"{name}Storage": dtype for name, dtype in (DTYPES | {"Byte": torch.uint8, "Bool": torch.bool}).items()}


def check_zip(path: Path) -> None:
    """Raise ValueError where a zip would unpack to more than it has bytes: torch stores tensors as they are."""
    with ZipFile(path) as archive:
        entries = archive.infolist()
    stored = [entry for entry in entries if CODE not in entry.filename]
    if packed := next((entry.filename for entry in stored if entry.compress_type != ZIP_STORED), None):
        raise ValueError(f"{packed} is compressed, as torch never writes it")
    if sum(entry.file_size for entry in stored) > path.stat().st_size:
        raise ValueError("its entries lie over one another")
    if sum(entry.file_size for entry in entries if CODE in entry.filename) > MAX_CODE_BYTES:
        raise ValueError("its program is too large")


def is_script(path: Path) -> bool:
    """Whether a zip is a TorchScript archive."""
    with ZipFile(path) as archive:
        return any(CODE in name for name in archive.namelist())


def read_script(path: Path) -> dict[str, Tensor]:
    """The parameters and buffers of a TorchScript archive by name, as its `state_dict` has them, on the CPU.

    Raises:
        UnpicklingError: it holds more than modules, numbers, words and tensors.
        KeyError, ValueError, BadZipFile, EOFError: it is damaged.
    """
    with ZipFile(path) as archive:
        place = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        found: dict[str, Tensor] = {}
        _collect(_Reader(archive, place.removesuffix("data.pkl")).load(), "", found, [0])
    return found


class _Module:
    """A module of the archive: its attributes, and none of its methods."""

    registered: tuple[str, ...] = ()  # the attributes that are parameters and buffers; other tensors are no weights


class _Reader(pickle._Unpickler):  # type: ignore[name-defined]  # in Python: the one in C sets memory aside on demand
    """Builds modules and tensors. Every name that a pickle requests is looked up here, and nothing is imported."""

    def __init__(self, archive: ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(root + "data.pkl")))
        self._archive, self._root = archive, root
        self._classes: dict[tuple[str, str], type[_Module]] = {}
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if re.fullmatch(r"__torch__(\.\w+)*", module) and name.isidentifier():
            return self._class(module, name)
        known = {
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("collections", "OrderedDict"): OrderedDict,
            ("torch.jit._pickle", "restore_type_tag"): self._untagged,
            **{("torch.jit._pickle", f"build_{kind}list"): list for kind in ("int", "double", "bool", "tensor")},
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is no tensor")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _, numel = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not str(key).isalnum():
            raise ValueError(f"{pid!r} is no storage")
        if key not in self._storages:
            data = bytearray(self._archive.read(f"{self._root}data/{key}"))
            self._storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        storage = self._storages[key]
        if storage.dtype != dtype or storage.numel() != numel:
            raise ValueError(f"storage {key} has {storage.numel()} values of {storage.dtype}, not {numel} of {dtype}")
        return storage

    # Methods, since a pickle may set attributes of what it is given, and those of a method cannot be set.

    def _tensor(self, storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
        if not isinstance(storage, Tensor):
            raise ValueError(f"{storage!r} is no storage")
        made = torch.as_strided(storage, size, stride, offset)
        if made.numel() > storage.numel():
            raise ValueError(f"a tensor of {list(size)} has more values than its storage")
        return made

    def _untagged(self, value: Any, _tag: object) -> Any:
        return value

    def _class(self, module: str, name: str) -> type[_Module]:
        if (module, name) not in self._classes:
            text = self._archive.read(f"{self._root}code/{module.replace('.', '/')}.py").decode()
            head = rf"^class {name}\(Module\):\n  __parameters__ = \[(.*)\]\n  __buffers__ = \[(.*)\]$"
            lists = re.search(head, text, re.MULTILINE)
            if lists is None:
                raise ValueError(f"{module}.{name} is no module")
            registered = tuple(re.findall(r'"([^"]+)"', f"{lists[1]} {lists[2]}"))
            self._classes[module, name] = type(name, (_Module,), {"registered": registered})
        return self._classes[module, name]


def _collect(module: Any, prefix: str, found: dict[str, Tensor], seen: list[int]) -> None:
    """Put the tensors of a module and those within it into `found`; `seen` counts the parts."""
    seen[0] += 1
    if not isinstance(module, _Module) or prefix.count(".") > MAX_DEPTH or seen[0] + len(found) > MAX_PARTS:
        raise ValueError("it is no module, or one of too many parts")
    for name, value in vars(module).items():
        if isinstance(value, Tensor) and name in module.registered:
            found[prefix + name] = value
        elif isinstance(value, _Module):
            _collect(value, f"{prefix}{name}.", found, seen)
