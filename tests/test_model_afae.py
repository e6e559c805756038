"""AFAE against golden values and against Eq. 5-7 written out in loops."""

import math

import numpy as np
import pytest
import torch

from cmhkf.model import afae, cvka

S = torch.tensor([[0.05, 0.10, 0.30, 0.05, 0.05, 0.05, 0.05, 0.20, 0.05, 0.10]])
ALL = torch.ones(1, 10, dtype=torch.bool)


def near(actual, expected, atol=1e-6):
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=actual.dtype), atol=atol, rtol=1e-5)


def sound_stream(**changes):
    torch.manual_seed(0)
    return afae.AudioBranch(6, 8, **{"layer_norm": True, "how": "weight"} | changes)


def test_golden_saliency():
    s = torch.tensor([[[0.20, 0.24, 0.10], [0.22, 0.30, 0.12], [0.21, 0.22, 0.28], [0.19, 0.20, 0.26]]])
    mask = torch.ones(1, 4, dtype=torch.bool)
    salient = afae.saliency(s, mask, cvka.select(s, mask, 2), tau=0.07)
    near(salient, [[0.221919, 0.405067, 0.212971, 0.160043]])
    near(salient.sum(), 1.0)


@pytest.mark.parametrize(
    ("k", "overlap", "golden"),
    [
        (1, "max", [0.35, 0.40, 0.60, 0.35, 0.35, 0.05, 0.05, 0.20, 0.05, 0.10]),
        (2, "max", [0.35, 0.40, 0.60, 0.35, 0.35, 0.25, 0.25, 0.40, 0.25, 0.30]),
        (3, "max", [0.35, 0.40, 0.60, 0.35, 0.35, 0.25, 0.25, 0.40, 0.25, 0.30]),
        (3, "sum", [0.45, 0.50, 0.70, 0.45, 0.35, 0.25, 0.25, 0.40, 0.25, 0.30]),
    ],
)
def test_golden_windows(k, overlap, golden):
    top = afae.peaks(S, ALL, torch.tensor([k]))
    assert top[0].nonzero().flatten().tolist() == sorted([2, 7, 1][:k])  # the third is the earlier of two equals
    near(afae.windowed(S, ALL, top, w=2, overlap=overlap), [golden])


def test_golden_number_of_peaks():
    assert afae.top_snippets(torch.tensor([1, 15, 16, 17, 255, 256])).tolist() == [1, 1, 2, 2, 16, 17]


@pytest.mark.parametrize("overlap", ["max", "sum"])
@pytest.mark.parametrize("w", [-1, 0, 1, 2, 5, 40])
@pytest.mark.parametrize("renorm", [False, True])
def test_equations_in_loops(overlap, w, renorm):
    """Oracle: Eq. 5 and 6 with 1-based windows clipped to the valid snippets, one window after another."""
    tau, k, n_max = 0.2, 2, 50
    lengths = [1, 2, 15, 16, 33, 50]
    rng = np.random.default_rng(1)
    similarity = rng.uniform(-1, 1, (len(lengths), n_max, 4)).astype(np.float32)
    mask = np.arange(n_max) < np.array(lengths)[:, None]
    chosen = np.array([[0, 3], [1, 2], [3, 1], [2, 0], [0, 1], [3, 2]])
    got = afae.project(
        torch.tensor(similarity), torch.tensor(mask), torch.tensor(chosen), tau=tau, w=w, overlap=overlap, renorm=renorm
    )
    for b, n in enumerate(lengths):
        s = similarity[b].astype(float)
        salient = [
            sum(math.exp(s[i, j] / tau) / sum(math.exp(s[m, j] / tau) for m in range(n)) for j in chosen[b]) / k
            for i in range(n)
        ]
        top = sorted(range(n), key=lambda i: -salient[i])[: n // 16 + 1] if w >= 0 else []
        raised = list(salient)
        for i in range(n):
            covering = [salient[a] for a in top if max(1, a + 1 - w) <= i + 1 <= min(a + 1 + w, n)]
            if covering:
                raised[i] += max(covering) if overlap == "max" else sum(covering)
        if renorm and w >= 0:
            raised = [x / sum(raised) for x in raised]
        np.testing.assert_allclose(got.saliency[b, :n], salient, atol=1e-6)
        np.testing.assert_allclose(got.windowed[b, :n], raised, atol=1e-6)
        assert got.peaks[b].nonzero().flatten().tolist() == sorted(top)
        assert not got.saliency[b, n:].any()
        assert not got.windowed[b, n:].any()


@pytest.mark.parametrize("how", ["weight", "pool", "residual"])
def test_eq_7_in_loops(how):
    mask = torch.tensor([[True] * 3 + [False], [True] * 4])
    audio = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(2)) * mask[..., None]
    weight = torch.rand(2, 4, generator=torch.Generator().manual_seed(3)) * mask
    got = afae.aggregate(audio, weight, mask, how=how)
    for b, n in enumerate((3, 4)):
        for i in range(n):
            expected = {
                "weight": n * weight[b, i] * audio[b, i],
                "pool": sum(weight[b, m] * audio[b, m] for m in range(n)),
                "residual": audio[b, i] * (1 + n * weight[b, i]),
            }[how]
            near(got[b, i], expected)
        assert not got[b, n:].any()


def test_encoding_ignores_padding():
    """Oracle: the LSTM run on each sequence alone, without packing."""
    stream = sound_stream()
    audio = torch.randn(2, 7, 6)
    audio[0, 3:] = float("nan")
    heard = stream.encode(audio, torch.tensor([3, 7]))
    for b, n in enumerate((3, 7)):
        near(heard[b, :n], stream.norm(stream.lstm(audio[b : b + 1, :n])[0])[0])
    assert not heard[0, 3:].any()


@pytest.mark.parametrize("layer_norm", [True, False])
def test_layer_norm_comes_before_the_weighting(layer_norm):
    stream = sound_stream(layer_norm=layer_norm)
    heard = stream.encode(torch.randn(1, 4, 6), torch.tensor([4]))
    assert torch.allclose(heard.std(-1, correction=0), torch.ones(4), atol=1e-3) == layer_norm
    weight = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    near(stream(heard, weight, torch.ones(1, 4, dtype=torch.bool)), heard * 4 * weight[..., None])


def test_silence_takes_the_place_of_missing_sound():
    stream = sound_stream()
    torch.nn.init.normal_(stream.no_audio)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    heard, weight = torch.randn(2, 3, 8) * mask[..., None], mask / 3
    both = stream(heard, weight, mask)
    mixed = stream(heard, weight, mask, has_audio=torch.tensor([False, True]))
    near(mixed[0], mask[0, :, None] * stream.no_audio)
    near(mixed[1], both[1])
    near(stream(None, weight, mask), mask[..., None] * stream.no_audio)


def test_unweighted_without_afae():
    mask, heard, weight = torch.ones(1, 3, dtype=torch.bool), torch.randn(1, 3, 8), torch.rand(1, 3)
    near(sound_stream(how=None)(heard, weight, mask), heard)
    near(sound_stream()(heard, None, mask), heard)
