"""Local Transformer Encoder and Global GCN against loops written from C.4 and C.5."""

import math

import numpy as np
import pytest
import torch

from cmhkf.model.temporal import (
    GlobalGcn,
    LocalEncoder,
    TemporalEncoder,
    attention_blocks,
    distance_graph,
    likeness_graph,
)

CPU = torch.device("cpu")


def array(tensor):
    return tensor.detach().double().numpy()


def qgelu(x):
    return x / (1 + np.exp(-1.702 * x))


def linear(layer, x):
    return x @ array(layer.weight).T + (0 if layer.bias is None else array(layer.bias))


def layer_norm(layer, x):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * array(layer.weight) + array(layer.bias)


def feed_forward(layers, x):
    return linear(layers[2], qgelu(linear(layers[0], x)))


def encoder(dim=8, *, layers=2, heads=2, window=4, threshold=0.1):
    torch.manual_seed(0)
    local = LocalEncoder(dim, layers=layers, heads=heads, window=window)
    return TemporalEncoder(local, GlobalGcn(dim, threshold=threshold)).eval()


def local_in_loops(local, x):
    """C.4 for one window without padding: one query, one head at a time."""
    n, dim = x.shape
    x = x + array(local.position)[:n]
    last = max(256 // local.window, 1) - 1
    for block in local.blocks:
        normed = layer_norm(block.norm_attention, x)
        att = block.attention
        q, k, v = linear(att.query, normed), linear(att.key, normed), linear(att.value, normed)
        size = dim // att.heads
        mixed = np.zeros_like(x)
        for i in range(n):
            peers = [j for j in range(n) if min(j // local.window, last) == min(i // local.window, last)]
            for h in range(att.heads):
                part = slice(h * size, (h + 1) * size)
                weight = np.array([math.exp(q[i, part] @ k[j, part] / math.sqrt(size)) for j in peers])
                mixed[i, part] = sum(w * v[j, part] for w, j in zip(weight / weight.sum(), peers, strict=True))
        x = x + linear(att.out, mixed)
        x = x + feed_forward(block.ffn, layer_norm(block.norm_ffn, x))
    return x


def graph_conv(layer, x, graph):
    """C.5: QGELU(A (X W) + res(X)), the convolution as five shifted products."""
    n = len(x)
    residual = x
    if layer.residual is not None:
        kernel = array(layer.residual.weight)  # [out, in, 5]
        residual = np.tile(array(layer.residual.bias), (n, 1))
        for i in range(n):
            for tap in range(5):
                if 0 <= i + tap - 2 < n:
                    residual[i] += kernel[:, :, tap] @ x[i + tap - 2]
    return qgelu(graph @ (x @ array(layer.weight)) + residual)


def gcn_in_loops(gcn, x):
    n = len(x)
    alike, near = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            cosine = x[i] @ x[j] / math.sqrt((x[i] @ x[i]) * (x[j] @ x[j]))
            alike[i, j] = math.exp(cosine if cosine > gcn.threshold else 0)
            near[i, j] = math.exp(-abs(i - j) / math.e)
        alike[i] /= alike[i].sum()
    branches = []
    for layers, graph in ((gcn.likeness, alike), (gcn.distance, near)):
        branches.append(graph_conv(layers[1], graph_conv(layers[0], x, graph), graph))
    return linear(gcn.out, np.concatenate(branches, axis=1))


@pytest.mark.parametrize("n", [1, 4, 11])
def test_whole_encoder_in_loops(n):
    model = encoder()
    x, mask = torch.randn(1, n, 8), torch.ones(1, n, dtype=torch.bool)
    local = local_in_loops(model.local, array(x)[0])
    np.testing.assert_allclose(array(model.local(x, mask))[0], local, atol=1e-5)
    np.testing.assert_allclose(array(model(x, mask, mask))[0], gcn_in_loops(model.gcn, local), atol=1e-5)


def test_golden_distance_graph():
    graph = distance_graph(256, device=CPU)
    assert graph[128].sum().item() == pytest.approx(5.498, abs=5e-4)
    assert graph[0].sum().item() == pytest.approx(3.249, abs=5e-4)


def test_likeness_graph_keeps_cut_neighbours_in_the_softmax():
    rows = torch.randn(2, 256, 512, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(256) < torch.tensor([[256], [100]])
    graph = likeness_graph(rows, mask, threshold=0.7)
    torch.testing.assert_close(graph.sum(-1), mask.float())
    e = math.e  # unrelated rows: only the diagonal passes the threshold
    assert graph[0, 0, 0].item() == pytest.approx(e / (e + 255), rel=1e-4)
    assert graph[1, 0, 1].item() == pytest.approx(1 / (e + 99), rel=1e-4)
    assert not graph[1, :, 100:].any()


@pytest.mark.parametrize(
    ("window", "sizes"), [(64, [64] * 4), (8, [8] * 32), (100, [100, 156]), (200, [256]), (256, [256]), (1000, [256])]
)
def test_attention_blocks_take_in_the_remainder(window, sizes):
    blocks = attention_blocks(256, window, device=CPU)
    expected = torch.block_diag(*(torch.ones(size, size) for size in sizes)).bool()
    assert blocks.equal(expected)
    assert attention_blocks(130, window, device=CPU).equal(expected[:130, :130])


def test_the_local_encoder_sees_its_block_only():
    local, x = encoder(window=4).local, torch.randn(1, 8, 8)
    mask = torch.ones(1, 8, dtype=torch.bool)
    before = local(x, mask)
    x[0, 5] += 1
    changed = (local(x, mask) != before).any(-1)[0]
    assert not changed[:4].any()
    assert changed[4:].all()


@pytest.mark.parametrize("lengths", [(1, 12), (4, 5), (11, 12)])
def test_padded_equals_unpadded(lengths):
    model = encoder()
    x = torch.randn(2, 12, 8)
    mask = torch.arange(12) < torch.tensor(lengths)[:, None]
    together = model(x, mask, mask)
    for b, n in enumerate(lengths):
        alone = torch.ones(1, n, dtype=torch.bool)
        torch.testing.assert_close(together[b, :n], model(x[b : b + 1, :n], alone, alone)[0], atol=1e-5, rtol=1e-5)
        assert not together[b, n:].any()


def test_compat_mode_lets_padding_leak():
    model = encoder()
    x, mask = torch.randn(1, 12, 8), torch.arange(12)[None] < 6
    leaky = model(x, mask, torch.ones_like(mask))
    assert (leaky - model(x, mask, mask))[0, :6].abs().max() > 1e-4
    # What the reference does: everything but the likeness graph spans all rows, and that graph's padded rows are zero.
    local = local_in_loops(model.local, array(x)[0])
    first, second = model.gcn.distance
    near = array(distance_graph(12, device=CPU))
    alike = array(likeness_graph(torch.tensor(local[None]), mask, threshold=model.gcn.threshold))[0]
    one, two = model.gcn.likeness
    branches = [
        graph_conv(two, graph_conv(one, local, alike), alike),
        graph_conv(second, graph_conv(first, local, near), near),
    ]
    np.testing.assert_allclose(array(leaky)[0], linear(model.gcn.out, np.concatenate(branches, 1)), atol=1e-5)
