"""Weight files of every kind into a small network; damaged and foreign ones are refused by name, and run no code."""

import pickle
import warnings
import zipfile
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


@pytest.mark.parametrize("kind", ["state dict", "old state dict", "wrapped", "TorchScript"])
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


# TorchScript ---------------------------------------------------------------------------------------------------------


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.light = nn.Linear(3, 2).half()
        self.register_buffer("counts", torch.arange(4))
        self.plain = torch.ones(3)  # neither a parameter nor a buffer, so no weight
        self.words, self.number, self.ticks = ["a", "b"], 0.5, [1, 2]

    def forward(self, x):
        return x + self.plain * self.number + len(self.words) + self.ticks[0]


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 3), Inner(), nn.BatchNorm1d(3))
        self.again = self.body[0]  # shared
        self.turned = nn.Parameter(torch.randn(4, 2).t())  # not contiguous
        self.empty = nn.Parameter(torch.zeros(0, 3))
        self.register_buffer("truth", torch.tensor([True, False]))

    def forward(self, x):
        return self.body(x)


def save_script(module, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(module, str(path))
    return path


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("make", [torch.jit.script, lambda net: torch.jit.trace(net.eval(), torch.zeros(1, 3))])
def test_a_script_gives_what_its_state_dict_holds(tmp_path, quiet, make):
    path = save_script(make(Outer()), tmp_path / "w.pt")
    wanted, found = torch.jit.load(str(path)).state_dict(), read_tensors(path)
    assert found.keys() == wanted.keys()
    assert {"body.1.counts", "again.weight", "turned", "truth"} < found.keys()
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


class Writes(nn.Module):
    """Writes a file as soon as a program loads it."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.place = place

    def forward(self, x):
        return x

    @torch.jit.export
    def __getstate__(self):
        return self.weight, self.place, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, str, bool]):
        self.weight = state[0]
        self.place = state[1]
        self.training = state[2]
        torch.save(self.weight, self.place)


def test_a_script_never_runs(tmp_path, quiet):
    sprung = tmp_path / "sprung"
    path = save_script(torch.jit.script(Writes(str(sprung))), tmp_path / "w.pt")
    sprung.unlink(missing_ok=True)
    torch.jit.load(str(path))
    assert sprung.exists(), "the trap is real: torch's own loader springs it"
    sprung.unlink()
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        read_tensors(path)
    assert not sprung.exists()


def rewritten(path, target, change, **options):
    """A copy of a zip, its entries as `change(name, data)` returns them."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", **options) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry)))
    return target


CALLED = b"\n(X%(n)s%(cmd)stR."
REDUCED = [
    *(b"cposix\nsystem" + CALLED, b"cbuiltins\neval" + CALLED, b"ctorch.hub\nload" + CALLED, b"ctorch\nload" + CALLED),
    *(b"ctorch.jit\nload" + CALLED, b"c__torch__.os\nsystem" + CALLED, b"(cposix\nsystem\nX%(n)s%(cmd)so."),
    *(b"\x80\x04\x8c\x05posix\x8c\x06system\x93X%(n)s%(cmd)s\x85R.", b"(X%(n)s%(cmd)siposix\nsystem\n."),
    b"\x80\x04\x8c\x0ctorch._utils\x8c\x17_rebuild_tensor_v2.eval\x93X%(n)s%(cmd)s\x85R.",
    b"ctorch._utils\n_rebuild_tensor_v2\n(NX%(n)s%(cmd)sX\x01\x00\x00\x00a\x86b0cposix\nsystem\n.",
]


@pytest.mark.parametrize("program", REDUCED)
@pytest.mark.parametrize("kind", ["script", "state dict", "bare"])
def test_no_pickle_in_any_kind_of_file_runs_code(tmp_path, quiet, program, kind):
    sprung = tmp_path / "sprung"
    command = f"touch {sprung}".encode()
    data = program % {b"n": len(command).to_bytes(4, "little"), b"cmd": command}
    path = tmp_path / "w.pt"
    if kind == "bare":
        path.write_bytes(data)
    else:
        whole = save("TorchScript" if kind == "script" else kind, tmp_path / "whole.pt", network().state_dict())
        rewritten(whole, path, lambda name, old: data if name.endswith("/data.pkl") else old)
    with pytest.raises(WeightsError, match="damaged"):
        read_tensors(path)
    assert not sprung.exists()


@pytest.mark.parametrize("kind", ["state dict", "TorchScript"])
def test_a_file_that_unpacks_to_more_than_it_has_is_not_unpacked(tmp_path, quiet, kind):
    whole = save(kind, tmp_path / "whole.pt", network().state_dict())
    bomb = rewritten(
        whole,
        tmp_path / "bomb.pt",
        lambda name, old: bytes(200_000_000) if name.endswith("/data/0") else old,
        compression=zipfile.ZIP_DEFLATED,
    )
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(WeightsError, match="cannot be read as weights") as caught:
        read_tensors(bomb)
    assert "is compressed" in str(caught.value.__cause__)


def test_entries_that_lie_over_one_another_are_refused(tmp_path):
    whole = save("state dict", tmp_path / "w.pt", {"a": torch.zeros(100_000)})
    with zipfile.ZipFile(whole, "a") as archive:
        big = max(archive.infolist(), key=lambda entry: entry.file_size)
        for i in range(100):
            archive.filelist.append(twin := zipfile.ZipInfo(f"archive/data/{i + 1}"))
            twin.header_offset, twin.CRC = big.header_offset, big.CRC
            twin.file_size = twin.compress_size = big.file_size
        archive._didModify = True
    with pytest.raises(WeightsError) as caught:
        read_tensors(whole)
    assert "lie over one another" in str(caught.value.__cause__)


def storage(key="0", numel=8):
    head = key.encode(), numel.to_bytes(4, "little")
    return b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00%sX\x03\x00\x00\x00cpuJ%stQ" % head


@pytest.mark.parametrize(
    "pickled",
    [
        # one storage of 8 values as 10^9 by stride 0, beyond its end, and by a wrong length
        b"ctorch._utils\n_rebuild_tensor_v2\n(%sK\x00J\x00\xca\x9a\x3b\x85K\x00\x85\x89NtR" % storage(),
        b"ctorch._utils\n_rebuild_tensor_v2\n(%sK\x04K\x08\x85K\x01\x85\x89NtR" % storage(),
        b"ctorch._utils\n_rebuild_tensor_v2\n(%sK\x00K\x08\x85K\x01\x85\x89NtR" % storage(numel=2**30),
        b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00K\x08\x85K\x01\x85\x89NtR",
        b"X\xff\xff\xff\x7f",  # words of 2 GB that are not there
        b"Nr\xff\xff\xff\x7f",  # a memo of two thousand million places
    ],
)
def test_tensors_of_a_script_stay_within_their_storage(tmp_path, quiet, pickled):
    whole = save_script(torch.jit.script(nn.Linear(8, 1, bias=False)), tmp_path / "whole.pt")
    head = b"\x80\x02c__torch__.torch.nn.modules.linear.%s\nLinear\n)\x81}(X\x06\x00\x00\x00weight%sub."
    with zipfile.ZipFile(whole) as archive:
        mangled = next(Path(n).stem for n in archive.namelist() if "/linear/" in n and n.endswith(".py"))
    change = lambda name, old: head % (mangled.encode(), pickled) if name.endswith("/data.pkl") else old  # noqa: E731
    with pytest.raises(WeightsError):
        read_tensors(rewritten(whole, tmp_path / "w.pt", change))


def test_modules_that_hold_each_other_come_to_an_end(tmp_path, quiet):
    whole = save("TorchScript", tmp_path / "whole.pt", network().state_dict())
    with zipfile.ZipFile(whole) as archive:
        place = next(n for n in archive.namelist() if "/container" in n and n.endswith(".py"))
    name = place.split("/code/")[1].removesuffix(".py").replace("/", ".")
    module = f"c{name}\nSequential\n)\x81".encode("latin-1")
    itself = b"\x80\x02" + module + b"q\x00}X\x01\x00\x00\x00ah\x00sb."
    doubled = b"\x80\x02" + module + b"q\x00"
    for i in range(1, 60):  # 2^60 paths
        old, new = bytes([i - 1]), bytes([i])
        doubled += module + b"}(X\x01\x00\x00\x00ah" + old + b"X\x01\x00\x00\x00bh" + old + b"ubq" + new
    for data in (itself, doubled + b"."):
        path = rewritten(
            whole, tmp_path / "w.pt", lambda name, old, data=data: data if name.endswith("/data.pkl") else old
        )
        with pytest.raises(WeightsError) as caught:
            read_tensors(path)
        assert "too many parts" in str(caught.value.__cause__)


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
