"""CVKA against golden values and against Eq. 1-4 written out in loops."""

import math

import numpy as np
import pytest
import torch

from cmhkf.model import cvka

S = torch.tensor([[[0.20, 0.24, 0.10], [0.22, 0.30, 0.12], [0.21, 0.22, 0.28], [0.19, 0.20, 0.26]]])
T = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
ALL = torch.ones(1, 4, dtype=torch.bool)


def near(actual, expected, atol=1e-6):
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=actual.dtype), atol=atol, rtol=1e-5)


def random_case(seed=0, lengths=(5, 9), n=9, c=6, d=4):
    rng = torch.Generator().manual_seed(seed)
    video, text = torch.randn(len(lengths), n, d, generator=rng), torch.randn(c, d, generator=rng)
    mask = torch.arange(n) < torch.tensor(lengths)[:, None]
    return video, text, mask


def test_golden_selection_and_weights():
    chosen = cvka.select(S, ALL, 2)
    assert chosen.tolist() == [[1, 0]]
    golden = [[0.214013, 0.504304, 0.160826, 0.120857], [0.229824, 0.305830, 0.265117, 0.199229]]
    near(cvka.temporal_weights(S, ALL, chosen, tau=0.07)[0].T, golden)


def test_golden_aligned_text_literal_and_scaled():
    literal = [[0.114912, 0.107006], [0.152915, 0.252152], [0.132558, 0.080413], [0.099615, 0.060429]]
    chosen = cvka.select(S, ALL, 2)
    near(cvka.align(S, T, ALL, chosen, tau=0.07, scale="none")[0], literal)
    near(cvka.align(S, T, ALL, chosen, tau=0.07)[0], 4 * torch.tensor(literal), atol=4e-6)


def test_golden_class_softmax():
    golden = [[0.360907, 0.639093], [0.241796, 0.758204], [0.464346, 0.535654], [0.464346, 0.535654]]
    chosen = cvka.select(S, ALL, 2)
    near(cvka.class_weights(S, ALL, chosen, tau=0.07)[0].flip(1), golden)
    near(cvka.align(S, T, ALL, chosen, tau=0.07, norm="class")[0], golden)
    near(cvka.align(S, T, ALL, chosen, tau=0.07, norm="class", scale="none")[0], torch.tensor(golden) / 2)


@pytest.mark.parametrize("norm", ["time", "class"])
@pytest.mark.parametrize("scale", ["length", "none"])
@pytest.mark.parametrize("k", [1, 3, 6])
def test_equations_in_loops(norm, scale, k):
    """Oracle: Eq. 1-4 with explicit sums over the valid snippets of each window."""
    tau = 0.3
    video, text, mask = random_case()
    video[~mask] = 7.0  # padding must not matter
    similarity = cvka.similarity(video, text)
    chosen = cvka.select(similarity, mask, k)
    aligned = cvka.align(similarity, text, mask, chosen, tau=tau, norm=norm, scale=scale).numpy()
    t = text.double().numpy()
    for b in range(len(video)):
        n, v = int(mask[b].sum()), video[b].double().numpy()
        s = [[v[i] @ t[j] / math.sqrt((v[i] @ v[i]) * (t[j] @ t[j])) for j in range(len(t))] for i in range(n)]
        np.testing.assert_allclose(similarity[b, :n], s, atol=1e-6)
        total = [sum(s[i][j] for i in range(n)) for j in range(len(t))]
        best = sorted(range(len(t)), key=lambda j: -total[j])[:k]
        assert chosen[b].tolist() == best
        for i in range(n):
            row = np.zeros(t.shape[1])
            for j in best:
                peers = [s[m][j] for m in range(n)] if norm == "time" else [s[i][m] for m in best]
                row += math.exp(s[i][j] / tau) / sum(math.exp(x / tau) for x in peers) * t[j] / k
            factor = {"none": 1, "length": n if norm == "time" else k}[scale]
            np.testing.assert_allclose(aligned[b, i], factor * row, atol=2e-5)
        assert not aligned[b, n:].any()


def test_weights_average_one_whatever_the_length():
    video, text, mask = random_case(lengths=(3, 9))
    similarity = cvka.similarity(video, text)
    ones = torch.ones_like(text)
    for norm in ("time", "class"):
        aligned = cvka.align(similarity, ones, mask, cvka.select(similarity, mask, 2), tau=0.07, norm=norm)
        near(aligned.sum(1) / mask.sum(1, keepdim=True), torch.ones(2, 4))


def test_ties_go_to_the_lower_class():
    similarity = torch.tensor([[0.1, 0.5, 0.5, 0.1, 0.5] + [0.5] * 40]).expand(3, -1)[None]
    assert cvka.select(similarity, torch.ones(1, 3, dtype=torch.bool), 4).tolist() == [[1, 2, 4, 5]]


def test_zero_rows_are_not_nan():
    assert cvka.similarity(torch.zeros(1, 2, 4), torch.randn(3, 4)).eq(0).all()
