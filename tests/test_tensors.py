"""Weight files of every kind into a small network; damaged and foreign ones are refused by name, and run no code."""

import pickle
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cmhkf.encoders.tensors import fill, read_tensors
from cmhkf.errors import WeightsError


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def save(kind: str, path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    if kind == "safetensors":
        save_file(tensors, path)
    elif kind == "state dict":
        torch.save(tensors, path)
    elif kind == "old state dict":
        torch.save(tensors, path, _use_new_zipfile_serialization=False)
    elif kind == "wrapped":
        torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in tensors.items()}}, path)
    else:
        net = network()
        net.load_state_dict(tensors)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.trace(net, torch.zeros(1, 3)), str(path))
    return path


KINDS = ("safetensors", "state dict", "old state dict", "wrapped", "TorchScript")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_tensors_whatever_its_suffix(tmp_path, kind):
    source = network()
    tensors = read_tensors(save(kind, tmp_path / "weights", source.state_dict()))
    with torch.device("meta"):
        target = network()
    fill(target, tensors, shown="it")
    x = torch.randn(5, 3)
    assert torch.equal(target(x), source(x))


def test_half_precision_becomes_float32(tmp_path):
    source = network().half()
    target = network()
    fill(target, read_tensors(save("safetensors", tmp_path / "w", source.state_dict())), shown="it")
    assert {p.dtype for p in target.parameters()} == {torch.float32}
    assert torch.equal(target[0].weight, source[0].weight.float())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_refused(tmp_path, kind):
    path = save(kind, tmp_path / "weights", network().state_dict())
    data = path.read_bytes()
    for size in range(0, len(data), max(1, len(data) // 150)):
        path.write_bytes(data[:size])
        with pytest.raises(WeightsError, match="damaged") as caught:
            read_tensors(path)
        assert str(path) in str(caught.value)
        assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("kind", ["state dict", "old state dict", "wrapped"])
def test_a_wrong_byte_anywhere_is_refused_or_harmless(tmp_path, kind):
    path = save(kind, tmp_path / "weights", network().state_dict())
    data = path.read_bytes()
    refused = 0
    for place in range(0, len(data), max(1, len(data) // 300)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x95]) + data[place + 1 :])
        try:
            read_tensors(path)
        except WeightsError:
            refused += 1
    assert refused > 50


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickled_code_is_never_run(tmp_path, protocol):
    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps({"a": Trap(tmp_path / "sprung")}, protocol=protocol))
    with pytest.raises(WeightsError, match="damaged, or holds pickled objects"):
        read_tensors(path)
    torch.save({"a": Trap(tmp_path / "sprung")}, path)
    with pytest.raises(WeightsError, match="such code is never run"):
        read_tensors(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("held", [[1, 2], {}, {"state_dict": {"epoch": 1}}, torch.zeros(3)])
def test_a_file_without_named_tensors_is_refused(tmp_path, held):
    torch.save(held, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="holds no named tensors"):
        read_tensors(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("2.bias"), "it is missing 2.bias\n"),
        (lambda t: t.clear(), "it is missing 0.weight, 0.bias, 2.weight and 1 more\n"),
        (lambda t: t.update(extra=torch.zeros(1)), "it has the unknown extra\n"),
        (lambda t: t.update({"0.bias": torch.zeros(5)}), r"it has the wrong shape of 0.bias \[5\] for \[4\]\n"),
    ],
)
def test_names_and_shapes_must_agree(change, message):
    tensors = network().state_dict()
    change(tensors)
    with pytest.raises(WeightsError, match=message) as caught:
        fill(network(), tensors, shown="/a/file.pt")
    assert str(caught.value).startswith("/a/file.pt does not fit this network: ")
