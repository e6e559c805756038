"""Golden rows: the networks of this machine against the shipped ones, and what happens where a device is wrong."""

import logging

import numpy as np
import pytest
import torch

from cmhkf.encoders.demo import golden
from cmhkf.encoders.demo.golden import AISFX_NETWORK, NETWORKS, Agreement, Network, golden_rows, load_right, measure
from cmhkf.errors import ConfigError


@pytest.fixture
def usual_is_bfloat16(monkeypatch):
    monkeypatch.setattr(golden, "compute_dtype", lambda device: torch.bfloat16)


def wrong_in(*dtypes, how=lambda rows: rows.flip(1)):
    """aiSFX on a device that computes it wrongly in some number formats."""

    def rows(net, device):
        found = AISFX_NETWORK.rows(net, device)
        return how(found) if next(net.parameters()).dtype in dtypes else found

    return Network("aiSFX", AISFX_NETWORK.load, rows)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(golden, "_known", {})


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_float32_and_bfloat16_agree_with_the_shipped_rows(network):
    exact = measure(network, network.load("cpu", torch.float32), "cpu")
    assert (exact.cosine, exact.length) == (pytest.approx(1, abs=1e-5), pytest.approx(1, abs=1e-3))
    assert measure(network, network.load("cpu", torch.bfloat16), "cpu").right


def test_the_rows_are_those_of_a_working_network():
    for name, rows in golden_rows().items():
        assert rows.dtype == np.float32, name
        assert np.isfinite(rows).all(), name
        assert not np.array_equal(*rows), name
        assert np.count_nonzero(rows) > rows.size / 20, name
        assert rows.std() > rows.mean() / 4, name  # else any row of positive values would be near to it


def test_a_number_format_that_is_wrong_gives_way_to_float32_and_it_is_said_once(usual_is_bfloat16, caplog):
    network = wrong_in(torch.bfloat16)
    with caplog.at_level(logging.WARNING, logger="cmhkf"):
        nets = [load_right(network, "cpu") for _ in range(2)]
    assert {next(net.parameters()).dtype for net in nets} == {torch.float32}
    (told,) = caplog.messages
    assert told.startswith(
        f"aiSFX runs in float32, slower: torch {torch.__version__} on cpu computes it wrongly in bfl"
    )
    assert "cosine 0." in told


def test_a_right_number_format_stays_and_nothing_is_said(usual_is_bfloat16, caplog):
    assert next(load_right(wrong_in(), "cpu").parameters()).dtype == torch.bfloat16
    assert not caplog.messages


def fail(rows):
    raise NotImplementedError("slow_conv2d is not implemented for 'BFloat16'\nand more lines")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (lambda rows: rows.flip(1), r"float32: cosine 0\.\d+"),
        (lambda rows: rows * 1.2, r"length x 1\.2"),
        (lambda rows: rows * torch.nan, "its rows are not finite"),
        (fail, "it fails: slow_conv2d is not implemented for 'BFloat16';"),
    ],
)
def test_a_device_that_is_wrong_in_float32_too_is_refused(usual_is_bfloat16, how, told):
    network = wrong_in(torch.bfloat16, torch.float32, how=how)
    with pytest.raises(ConfigError, match=rf"on the device 'cpu' computes aiSFX wrongly \(.*{told}.*choose the device"):
        load_right(network, "cpu")


def test_what_counts_as_right():
    assert Agreement(0.9995, 1.01).right
    assert not Agreement(0.99, 1.0).right
    assert not Agreement(0.9999, 0.9).right
