"""Plain MIL ranking and VadCLIP's objective against loops; both fit where CMHKF does."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from cmhkf.features.recipe import Recipe
from cmhkf.model.build import build_model
from cmhkf.model.losses import total
from cmhkf.model.vadclip_file import vadclip_config
from cmhkf.training.mil import mil_config, mil_objective, segment_means
from cmhkf.training.vadclip import LAMBDA_TEXT, vadclip_objective

TINY = replace(mil_config("xd-violence"), video_dim=6, semantic_dim=6)
RECIPE = Recipe(video=(("name", "v"),), text=(("name", "t"),), audio=(("name", "none"),))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def mil(**changes):
    return build_model(replace(TINY, **changes)).eval()


def slow_segments(scores):
    """Oracle: means of a list over 32 bins, each of at least the value at its start."""
    n = len(scores)
    bins = [scores[a : max(b, a + 1)] for a, b in pairwise([i * n // 32 for i in range(33)])]
    return [sum(b) / len(b) for b in bins]


@pytest.mark.parametrize("n", [1, 5, 31, 32, 33, 100, 256])
def test_segments_equal_the_loop(n):
    rows = torch.rand(2, 256)
    found = segment_means(rows, torch.tensor([n, 256]))
    for row, length, segments in zip(rows, (n, 256), found, strict=True):
        assert segments.tolist() == pytest.approx(slow_segments(row[:length].tolist()), abs=1e-5)


def test_the_ranking_objective_equals_the_loop():
    """Two abnormal and three normal bags: every pair has its hinge."""
    lengths, classes = [40, 256, 33, 7, 100], [[1], [0], [2, 5], [0], [0]]
    targets = torch.zeros(5, 7)
    for row, labels in zip(targets, classes, strict=True):
        row[labels] = 1
    output = mil()(3 * torch.randn(5, 256, 6), torch.tensor(lengths), torch.randn(7, 6))
    bags = [slow_segments(row[:n].tolist()) for row, n in zip(output.scores, lengths, strict=True)]
    abnormal, normal = [bags[0], bags[2]], [bags[1], bags[3], bags[4]]
    pairs = [max(0, 1 - max(a) + max(n)) for a in abnormal for n in normal]
    smooth = sum((a[i] - a[i + 1]) ** 2 for a in abnormal for i in range(31)) / 2
    sparse = sum(sum(a) for a in abnormal) / 2
    found = mil_objective(output, targets, torch.zeros(7, 6))
    assert found.bce.item() == pytest.approx(sum(pairs) / 6, rel=1e-5)
    assert found.total.item() == pytest.approx(sum(pairs) / 6 + 8e-5 * (smooth + sparse), rel=1e-5)
    assert (found.nce, found.na, found.aa) == (0, 0, 0)


@pytest.mark.parametrize("label", [0, 1])
def test_a_batch_of_one_kind_has_no_hinge_and_can_be_learned_from(label):
    output = mil()(torch.randn(2, 20, 6), torch.tensor([20, 9]), torch.randn(7, 6))
    found = mil_objective(output, torch.eye(7)[[label, label]], torch.zeros(7, 6))
    found.total.backward()
    assert found.bce == 0
    assert found.total.isfinite()
    assert (found.total > 0) == bool(label)  # sparsity is asked of abnormal videos


def test_mil_scores_each_row_alone_and_names_no_class():
    model = mil()
    video, lengths, text = torch.randn(2, 30, 6), torch.tensor([30, 12]), torch.randn(7, 6)
    output = model(video, lengths, text, audio=torch.randn(2, 30, 128), drop=("audio",))
    with torch.no_grad():
        row = video[1, 5] / video[1, 5].norm()
        hidden = (model.hidden[0].weight @ row + model.hidden[0].bias).clamp(min=0)
        logit = model.score[2](model.score[0].weight @ hidden + model.score[0].bias)
    assert output.logits[1, 5].item() == pytest.approx(logit.item(), abs=1e-5)
    torch.testing.assert_close(1 - output.class_probs[..., 0], output.scores)
    torch.testing.assert_close(output.class_probs[..., 1], output.scores / 6)
    torch.testing.assert_close(output.class_probs[..., 1:].sum(dim=-1), output.scores)
    assert output.mask.sum(dim=1).tolist() == [30, 12]
    assert not output.peaks.any()
    widths = [layer.out_features for layer in (*model.hidden, *model.score) if isinstance(layer, torch.nn.Linear)]
    assert widths == [512, 32, 1]
    assert [layer.p for layer in (*model.hidden, *model.score) if isinstance(layer, torch.nn.Dropout)] == [0.6, 0.6]


def test_vadclips_objective_differs_in_the_text_term():
    """Golden value: texts (1,0), (.6,.8), (0,1), (-.8,.6) have a mean |cos| with the first of .466667."""
    classes = ("normal", "fighting", "riot", "fire")
    config = replace(vadclip_config("xd-violence"), classes=classes, dim=8, video_dim=8, semantic_dim=8)
    text = torch.zeros(4, 8)
    text[:, :2] = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-0.8, 0.6]])
    output = build_model(config)(torch.randn(2, 20, 8), torch.tensor([20, 11]), text)
    targets = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    found, paper = vadclip_objective(output, targets, text, lambda_text=0.5), total(output, targets, text=text)
    assert (found.na.item(), found.bce, found.nce) == (pytest.approx(0.466667, abs=1e-6), paper.bce, paper.nce)
    assert found.total.item() == pytest.approx((paper.bce + paper.nce).item() + 0.5 * 0.466667, rel=1e-5)
    assert LAMBDA_TEXT == {"xd-violence": 1e-4, "ucf-crime": 1e-1}
    published = vadclip_objective(output, targets, text)
    assert (published.total - paper.bce - paper.nce).item() == pytest.approx(4.66667e-5, rel=0.02)
