"""The objective against golden values and against Eq. 8-11 written out in loops."""

import math

import pytest
import torch

from cmhkf.model import losses
from cmhkf.model.output import ModelOutput

GOLDEN_TEXT = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-0.8, 0.6]])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def mask_of(lengths, n):
    return torch.arange(n) < torch.tensor(lengths)[:, None]


def top_mean(values):
    """Mean of the floor(n/16) + 1 highest of a list."""
    k = len(values) // 16 + 1
    return sum(sorted(values)[-k:]) / k


def loop_bce(logits, lengths, labels):
    """Oracle: C.8, window by window, on the scores themselves."""
    parts = []
    for row, n, y in zip(logits.tolist(), lengths, labels.tolist(), strict=True):
        p = top_mean([1 / (1 + math.exp(-a)) for a in row[:n]])
        parts.append(-(y * math.log(p) + (1 - y) * math.log(1 - p)))
    return sum(parts) / len(parts)


def loop_align(alignment, lengths, targets):
    """Oracle: Eq. 8 and E23, window by window and class by class."""
    parts = []
    for rows, n, target in zip(alignment.tolist(), lengths, targets.tolist(), strict=True):
        m = [top_mean([row[c] for row in rows[:n]]) for c in range(len(target))]
        total = sum(math.exp(v) for v in m)
        parts.append(-sum(y / sum(target) * math.log(math.exp(v) / total) for v, y in zip(m, target, strict=True)))
    return sum(parts) / len(parts)


def loop_cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def output_of(logits, alignment, mask):
    """A model's output of which the losses read three parts."""
    others = "class_logits similarity top_classes saliency windowed_saliency peaks fused video text"
    unread = dict.fromkeys(others.split(), torch.empty(0))
    return ModelOutput(mask=mask, logits=logits, alignment=alignment, **unread)


def test_golden_bce():
    logits = torch.tensor([[0.9, 0.1, 0.8, 0.2]]).logit()
    assert losses.mil_bce(logits, mask_of([4], 4), torch.ones(1)).item() == pytest.approx(0.105361, abs=1e-6)


def test_golden_cross_entropy():
    alignment = torch.tensor([[[3.0, 1.0, 2.0]]])
    loss = losses.mil_align(alignment, mask_of([1], 1), torch.tensor([[0.0, 1.0, 1.0]]))
    assert loss.item() == pytest.approx(1.907606, abs=1e-6)


def test_golden_text_losses():
    assert losses.normal_separation(GOLDEN_TEXT).item() == pytest.approx(0.933333, abs=1e-6)
    assert losses.anomaly_separation(GOLDEN_TEXT).item() == pytest.approx(0.466667, abs=1e-6)


@pytest.mark.parametrize("lengths", [[1, 15, 16, 17], [255, 256, 31, 32], [1, 1, 1, 1]])
def test_mil_losses_equal_the_loops(lengths):
    n = max(lengths)
    logits, alignment = torch.randn(4, n, dtype=torch.float64), 3 * torch.randn(4, n, 5)
    labels = torch.tensor([1.0, 0.0, 1.0, 0.0])
    targets = torch.tensor([[0, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0, 1, 1, 0, 1], [1, 0, 0, 0, 0]])
    mask = mask_of(lengths, n)
    bce = losses.mil_bce(logits, mask, labels)
    assert bce.item() == pytest.approx(loop_bce(logits, lengths, labels), rel=1e-5)
    nce = losses.mil_align(alignment, mask, targets)
    assert nce.item() == pytest.approx(loop_align(alignment, lengths, targets), rel=1e-5)


def test_text_losses_equal_the_loops():
    text = 4 * torch.randn(7, 12)
    t, pairs = text.tolist(), [(i, j) for i in range(1, 7) for j in range(i + 1, 7)]
    na = sum(1 + loop_cosine(t[0], t[i]) for i in range(1, 7)) / 6
    aa = 2 / (6 * 5) * sum(abs(loop_cosine(t[i], t[j])) for i, j in pairs)
    assert losses.normal_separation(text).item() == pytest.approx(na, rel=1e-5)
    assert losses.anomaly_separation(text).item() == pytest.approx(aa, rel=1e-5)


def test_one_anomaly_class_has_no_pairs():
    text = torch.tensor([[1.0, 0.0], [-3.0, 0.0]], requires_grad=True)
    assert losses.anomaly_separation(text).item() == 0
    assert losses.normal_separation(text).item() == pytest.approx(0, abs=1e-6)


def test_padded_rows_change_neither_loss_nor_gradient():
    lengths, targets = [20, 33], torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    values = torch.randn(2, 33, 4)
    results = []
    for n, junk in ((33, 0.0), (33, 1e4), (33, float("nan")), (256, 1e4)):
        rows = torch.full((2, n, 4), junk)
        rows[:, :33] = values
        mask = mask_of(lengths, n)
        rows = rows.masked_fill(~mask[..., None], junk).requires_grad_()
        bce = losses.mil_bce(rows[..., 0], mask, 1 - targets[:, 0])
        nce = losses.mil_align(rows[..., 1:], mask, targets)
        (bce + nce).backward()
        assert rows.grad is not None
        assert not rows.grad[~mask].any()
        results.append((bce.item(), nce.item(), rows.grad[mask]))
    for bce, nce, grad in results[1:]:
        assert (bce, nce) == pytest.approx(results[0][:2], rel=1e-6)
        torch.testing.assert_close(grad, results[0][2])


def test_a_saturated_score_keeps_a_finite_loss_and_its_gradient():
    logits = torch.full((1, 4), 200.0, requires_grad=True)
    loss = losses.mil_bce(logits, mask_of([4], 4), torch.zeros(1))
    loss.backward()
    assert loss.item() == pytest.approx(200)
    assert logits.grad is not None
    assert logits.grad.sum().item() == pytest.approx(1)


def test_only_the_highest_rows_learn():
    logits = torch.tensor([[0.1, 2.0, -1.0, 0.5]], requires_grad=True)
    losses.mil_bce(logits, mask_of([4], 4), torch.ones(1)).backward()
    assert logits.grad is not None
    assert logits.grad.nonzero().tolist() == [[0, 1]]


def test_mixed_precision_computes_in_float32():
    logits, mask, text = torch.randn(2, 20).bfloat16(), mask_of([20, 7], 20), torch.randn(5, 8)
    targets = torch.eye(5)[:2]
    alignment = torch.randn(2, 20, 5).bfloat16()
    exact = losses.total(output_of(logits.float(), alignment.float(), mask), targets, text=text)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = losses.total(output_of(logits, alignment, mask), targets, text=text)
    for name, part in mixed._asdict().items():
        assert part.dtype == torch.float32, name
        assert part.item() == pytest.approx(getattr(exact, name).item(), rel=1e-6), name


def test_total_weighs_the_parts():
    mask, text = mask_of([30, 12], 30), torch.randn(4, 8)
    logits, alignment = torch.randn(2, 30), torch.randn(2, 30, 4)
    targets = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
    output = output_of(logits, alignment, mask)
    parts = losses.total(output, targets, text=text, lambda_na=0.5, lambda_aa=0.25)
    assert parts.bce.item() == pytest.approx(loop_bce(logits, [30, 12], torch.tensor([0.0, 1.0])), rel=1e-5)
    assert parts.nce.item() == pytest.approx(loop_align(alignment, [30, 12], targets), rel=1e-5)
    weighted = parts.bce + parts.nce + 0.5 * parts.na + 0.25 * parts.aa
    assert parts.total.item() == pytest.approx(weighted.item())
    paper = losses.total(output, targets, text=text)
    expected = paper.bce + paper.nce + 1e-3 * paper.na + 1e-4 * paper.aa
    assert paper.total.item() == pytest.approx(expected.item())


# --- snippets of which more is known


def test_known_snippets_count_evenly_within_their_window_and_windows_evenly():
    """Oracle: the mean of -log p of each known snippet, by hand; unknown ones and padding are left out."""
    nan = math.nan
    logits = torch.tensor([[2.0, -1.0, 9.0, 9.0], [0.5, 9.0, 9.0, 9.0], [1.0, 1.0, 1.0, 1.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.25, nan, 0.0], [0.0, nan, nan, nan], [nan] * 4])
    found = losses.snippet_bce(logits, mask_of([3, 2, 4], 4), targets)

    def cross_entropy(logit, y):
        p = 1 / (1 + math.exp(-logit))
        return -(y * math.log(p) + (1 - y) * math.log(1 - p))

    first = (cross_entropy(2.0, 1.0) + cross_entropy(-1.0, 0.25)) / 2
    assert found.item() == pytest.approx((first + cross_entropy(0.5, 0.0)) / 2, rel=1e-6)
    found.backward()
    assert logits.grad.ne(0).tolist() == [[True, True, False, False], [True, False, False, False], [False] * 4]
    assert losses.snippet_bce(logits, mask_of([3, 2, 4], 4), torch.full((3, 4), nan)) == 0
