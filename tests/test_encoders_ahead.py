"""Batches by a device's memory, blocks begun before the last one's rows are there, weights in a CPU's own order."""

import logging

import av
import numpy as np
import pytest
import torch
from fake_encoders import Loudness, MeanColour, fake_encoders
from media_factory import probed

from cmhkf.encoders import linear
from cmhkf.encoders.device import fetching, fitting, sent
from cmhkf.encoders.linear import Linear
from cmhkf.features.extract import Features, delayed, extract
from cmhkf.features.recipe import Recipe
from cmhkf.media.decode.frames import Cutter
from cmhkf.media.sampling import FrameSampling

RECIPE = Recipe(video=MeanColour.identity, text=(("name", "t"),), audio=Loudness.identity)
GIB, MIB = 2**30, 2**20


@pytest.mark.parametrize(
    ("free_bytes", "items"), [(80 * GIB, 256), (8 * GIB, 256), (2 * GIB, 64), (48 * MIB, 1), (MIB, 1), (0, 1)]
)
def test_a_batch_takes_half_of_the_free_memory(free_bytes, items):
    assert fitting(free_bytes, 16 * MIB, most=256) == items


@pytest.mark.parametrize("by", [0, 1, 3])
def test_items_wait_for_later_ones(by):
    begun = []
    come = [(item, len(begun)) for item in delayed((begun.append(i) or i for i in range(5)), by)]
    assert come == [(i, min(i + 1 + by, 5)) for i in range(5)]
    assert list(delayed([], by)) == []


class OnDevice(MeanColour):
    """Computes when it is asked for rows, and says that a GPU does."""

    device = "cuda"
    block = 2

    def __init__(self):
        super().__init__()
        self.events = []

    def start(self, frames, inner=slice(None)):
        block = sum(kind == "start" for kind, _ in self.events)
        self.events.append(("start", block))

        def rows():
            self.events.append(("rows", block))
            return self.encode(frames, inner)

        return rows


@pytest.mark.skipif(torch.cuda.is_available(), reason="looks at what happens without a GPU")
def test_a_block_is_begun_before_the_rows_of_the_last_one_are_fetched(numbered_clip, caplog):
    clip = probed(numbered_clip)
    usual, ahead = fake_encoders(), fake_encoders(video=OnDevice())
    usual.video.block = 2
    with caplog.at_level(logging.INFO):
        *_, expected = extract(clip, usual, RECIPE)
        assert not caplog.records
        *_, found = extract(clip, ahead, RECIPE)
    assert isinstance(found, Features)
    np.testing.assert_array_equal(found.video, expected.video)
    np.testing.assert_array_equal(found.semantic, expected.semantic)
    n = -(-len(found.video) // 2)
    assert n > 1
    order = [("start", 0)]
    for block in range(1, n):
        order += [("start", block), ("rows", block - 1)]
    assert ahead.video.events == [*order, ("rows", n - 1)]
    assert caplog.messages == [f"{clip.name} was decoded by the CPU"]  # without a GPU, as if none were asked


def test_on_a_cpu_nothing_is_copied():
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    there = sent(rows, "cpu")
    assert there.data_ptr() == rows.ctypes.data
    assert np.shares_memory(fetching(there)(), rows)


def test_frames_of_a_gpu_are_cut_as_those_of_a_cpu(numbered_clip):
    """A GPU decodes to the same samples in another order, NV12: what is cut of them is the same to within a level."""
    cutter = Cutter(FrameSampling((8,), 32, 32), 1)
    with av.open(str(numbered_clip)) as source:
        for frame in source.decode(video=0):
            other = cutter.cut(frame.reformat(format="nv12")).astype(int)
            assert abs(other - cutter.cut(frame)).max() <= 1


@pytest.fixture
def layer():
    torch.manual_seed(0)
    x, weight, bias = torch.randn(3, 5, 64), torch.randn(32, 64) / 8, torch.randn(32)
    return x, weight, bias, torch.randn(3, 5, 32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("packs", [True, False])
def test_a_layer_and_what_follows_it(layer, dtype, packs, monkeypatch):
    """Against the sums in float64."""
    x, weight, bias, other = (values.to(dtype) for values in layer)
    if not packs:
        monkeypatch.setattr(linear, "is_packable", lambda _: False)
    made = Linear(weight, bias, rows=15)
    assert not (made.packed and (dtype == torch.float32 or not packs))
    product = torch.einsum("bnk,ok->bno", x.double(), weight.double()) + bias.double()
    within = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 2**-7, "atol": 2**-6}
    for found, expected in (
        (made(x), product),
        (made.silu(x), product / (1 + (-product).exp())),
        (made.added(x, other), product + other.double()),
        (Linear(weight, rows=15)(x), product - bias.double()),
    ):
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), expected, **within)


def test_missing_operators_are_noticed(monkeypatch):
    weight = torch.zeros(32, 64, dtype=torch.bfloat16)
    monkeypatch.setattr(linear, "PACK", "_an_operator_that_is_gone")
    assert not linear.is_packable(weight)
