"""MKAF and its rivals against loops written from part 2 of the reading."""

import math

import numpy as np
import pytest
import torch
from test_model_temporal import array, feed_forward, linear

from cmhkf.model import mkaf

DIM = 6
KINDS = ["xattn", "xattn+", "jca", "concat", "bilinear_concat", "bilinear_add"]


def fusion(kind, n_streams):
    torch.manual_seed(0)
    joint = n_streams * DIM
    if kind.startswith("xattn"):
        attend = [mkaf.joint_attention(DIM, joint, heads=2) for _ in range(n_streams)]
        return mkaf.AttentionFusion(DIM, attend, residual=kind == "xattn+", layer_norm=kind == "xattn+")
    if kind == "jca":
        return mkaf.AttentionFusion(DIM, [mkaf.JointCorrelation(joint) for _ in range(n_streams)], residual=True)
    if kind == "bilinear_add":
        return mkaf.SumFusion(DIM, n_streams)
    return mkaf.ConcatFusion(DIM, n_streams, project=kind == "bilinear_concat")


def attention_in_loops(attend, x, joint):
    q, k, v = linear(attend.query, x), linear(attend.key, joint), linear(attend.value, joint)
    size, out = DIM // attend.heads, np.zeros_like(x)
    for i in range(len(x)):
        for h in range(attend.heads):
            part = slice(h * size, (h + 1) * size)
            weight = np.array([math.exp(q[i, part] @ row[part] / math.sqrt(size)) for row in k])
            out[i, part] = weight / weight.sum() @ v[:, part]
    return linear(attend.out, out)


def correlation_in_loops(attend, x, joint):
    """JCA, one feature of the stream at a time."""
    n, out = len(x), np.zeros_like(x)
    for d in range(DIM):
        correlation = [
            math.tanh(sum(x[i, d] * joint[i, e] for i in range(n)) / math.sqrt(joint.shape[1]))
            for e in range(joint.shape[1])
        ]
        hidden = linear(attend.from_joint, np.array(correlation)) + x[:, d] @ array(attend.from_rows)[:n]
        out[:, d] = np.maximum(hidden, 0) @ array(attend.to_rows)[:, :n]
    return out


def fuse_in_loops(kind, module, streams):
    if kind == "bilinear_add":
        return sum(linear(layer, x) for layer, x in zip(module.project, streams, strict=True))
    if kind == "bilinear_concat":
        streams = [linear(layer, x) for layer, x in zip(module.project, streams, strict=True)]
    joint = np.concatenate(streams, 1)
    if kind in ("concat", "bilinear_concat"):
        return linear(module.out, joint)
    interacted = []
    for x, attend, ffn in zip(streams, module.attend, module.ffn, strict=True):
        attended = (correlation_in_loops if kind == "jca" else attention_in_loops)(attend, x, joint)
        interacted.append(feed_forward(ffn, attended + (0 if kind == "xattn" else x)))
    total = np.concatenate(interacted, 1) + joint
    if kind == "xattn+":
        total = (total - total.mean(1, keepdims=True)) / np.sqrt(total.var(1, keepdims=True) + 1e-5)
        total = total * array(module.norm.weight) + array(module.norm.bias)
    return linear(module.out, total)


@pytest.mark.parametrize("n_streams", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_fusions_in_loops(kind, n_streams):
    """Oracle: each window alone, cut to its valid snippets; padding holds other numbers and must not matter."""
    lengths, n = (1, 4, 9), 9
    module = fusion(kind, n_streams)
    streams = [torch.randn(3, n, DIM) for _ in range(n_streams)]
    mask = torch.arange(n) < torch.tensor(lengths)[:, None]
    fused = array(module(streams, mask))
    assert fused.shape == (3, n, DIM)
    for b, length in enumerate(lengths):
        expected = fuse_in_loops(kind, module, [array(x)[b, :length] for x in streams])
        np.testing.assert_allclose(fused[b, :length], expected, atol=1e-5)
        assert not fused[b, length:].any()


def test_starts_near_plain_concatenation():
    """The attention's last layer starts at a tenth of its usual size."""
    torch.manual_seed(0)
    plain = mkaf.Attention(64, 192, heads=1)
    torch.manual_seed(0)
    started = mkaf.joint_attention(64, 192, heads=1)
    torch.testing.assert_close(started.out.weight, plain.out.weight / 10)
    torch.testing.assert_close(started.query.weight, plain.query.weight)
