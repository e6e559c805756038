"""The split by videos, the video score and its AUC, each against a plain count."""

from collections import Counter

import pytest
import torch
from training_sets import TEXT, TINY, Made, made

from cmhkf.datasets.sets import Entry
from cmhkf.errors import DataError
from cmhkf.model.build import build_model
from cmhkf.model.texts import FixedTexts
from cmhkf.training.batches import Sample
from cmhkf.training.selection import split_videos, video_auc, video_scores

VIDEOS = (
    [(f"n{i}", (0,)) for i in range(40)] + [(f"f{i}", (1,)) for i in range(20)] + [(f"b{i}", (1, 2)) for i in range(20)]
)
ENTRIES = [Entry(name, crop, labels) for name, labels in VIDEOS for crop in (3, 0, 7)]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_all_crops_of_a_video_fall_on_one_side_and_each_set_of_labels_gives_its_share():
    train, held = split_videos(ENTRIES, 0.1, seed=5)
    assert Counter(entry.labels for entry in held) == {(0,): 4, (1,): 2, (1, 2): 2}
    assert {entry.crop for entry in held} == {0}
    names = {entry.name for entry in held}
    assert train == [entry for entry in ENTRIES if entry.name not in names]


def test_the_split_depends_on_the_seed_and_not_on_the_order():
    first = split_videos(ENTRIES, 0.1, seed=5)[1]
    assert split_videos(ENTRIES[::-1], 0.1, seed=5)[1] == first
    assert split_videos(ENTRIES, 0.1, seed=6)[1] != first


@pytest.mark.parametrize(
    ("entries", "counts"),
    [(ENTRIES[:120], "40 .* 4 .* 4 of them"), (ENTRIES[120:], "40 .* 4 .* 0 of"), (ENTRIES[:6], "2 .* 0 .* 0 of")],
)
def test_held_out_videos_of_one_kind_cannot_choose(entries, counts):
    message = rf"{counts}.* hold more out, or none \(--set train.val_fraction=0 takes the last"
    with pytest.raises(DataError, match=message):
        split_videos(entries, 0.1, seed=5)


def model_and_texts():
    return build_model(TINY).eval(), FixedTexts(TEXT)


def test_video_scores_are_means_of_the_highest_snippets_of_each_video():
    """Oracle: one video after the other, without padding."""
    model, texts = model_and_texts()
    samples = made(70)  # more than are looked at together
    for sample, score in zip(samples, video_scores(model, texts, samples, device="cpu"), strict=True):
        rows = {name: torch.tensor(getattr(sample, name))[None] for name in ("video", "semantic")}
        audio = None if sample.audio is None else torch.tensor(sample.audio)[None]
        n = len(sample.video)
        with torch.no_grad():
            output = model(rows["video"], torch.tensor([n]), texts(), semantic=rows["semantic"], audio=audio)
        best = sorted(output.scores[0].tolist())[-(n // 16 + 1) :]
        assert score == pytest.approx(sum(best) / len(best), abs=1e-5)


def test_video_auc_counts_the_pairs_in_order():
    model, texts = model_and_texts()
    samples = Made(Sample(s.name, s.video, s.semantic, s.audio, s.labels) for s in made(15))
    scores = video_scores(model, texts, samples, device="cpu")
    pairs = [
        (a > n)
        for a, x in zip(scores, samples, strict=True)
        if x.labels != (0,)
        for n, y in zip(scores, samples, strict=True)
        if y.labels == (0,)
    ]
    metric = video_auc(model, texts, samples, device="cpu")
    assert metric.name == "video AUC, training videos held out"
    assert metric.value == pytest.approx(sum(pairs) / len(pairs))
