"""Sequence shaping against the loop of C.3, padding, and the plan of an epoch."""

from collections import Counter
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from feature_files import rows, write_npy
from training_sets import TEXT, TINY, made

from cmhkf.datasets.sets import Entry
from cmhkf.errors import DataError
from cmhkf.features.folders import FeatureFolder
from cmhkf.model.build import build_model
from cmhkf.training.batches import FolderSamples, Sample, collate, plan_epoch, shape_rows

NORMAL, FIGHT, BOTH = (0,), (1,), (1, 6)


def binned(features, length):
    """Oracle: C.3 one bin at a time."""
    n = len(features)
    bounds = [int(n * i / length) for i in range(length + 1)]
    return np.stack([features[a:b].mean(axis=0) if b > a else features[a] for a, b in pairwise(bounds)])


@pytest.mark.parametrize("n", [257, 300, 511, 512, 513, 5000])
def test_long_sequences_become_means_of_bins(n):
    features = rows(n, 5)
    shaped, length = shape_rows(features)
    assert (shaped.shape, shaped.dtype, length) == ((256, 5), np.float32, 256)
    np.testing.assert_allclose(shaped, binned(features, 256), atol=1e-5)


@pytest.mark.parametrize("n", [1, 255, 256])
def test_short_sequences_stay_as_they_are(n):
    features = rows(n, 3)
    shaped, length = shape_rows(features)
    assert length == n
    np.testing.assert_array_equal(shaped, features)


def test_the_bounds_of_the_specification():
    many = np.arange(300, dtype=np.float32)[:, None]
    assert shape_rows(many)[0][:8, 0].tolist() == [0, 1, 2, 3, 4, 5.5, 7, 8]  # 0, 1, 2, 3, 4, 5, 7, 8, 9


def sample(n, labels, *, audio=True, semantic=True):
    return Sample("v", rows(n, 4), rows(n, 3, 1) if semantic else None, rows(n, 2, 2) if audio else None, labels)


@pytest.mark.parametrize("config", [TINY, replace(TINY, mask_padding=False)])
def test_samples_that_are_looked_at_by_length_come_back_in_their_order(config):
    """More than two groups of lengths. Oracle: each sample alone, of 60 rows where padded rows take part."""
    torch.manual_seed(0)
    model, text = build_model(config).eval(), torch.tensor(TEXT)
    samples = made(35)
    together = collate(samples, 3, length=60).look(model, text)
    for i, one in enumerate(samples):
        alone = collate([one], 3, length=len(one.video) if config.mask_padding else 60).look(model, text)
        for field in (field for field in fields(alone) if field.name != "extras"):
            expected, found = getattr(alone, field.name)[0], getattr(together, field.name)[i]
            if field.name not in ("top_classes", "text"):
                assert len(found) == 60
                expected, found = expected[: len(one.video)], found[: len(one.video)]
            torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


def test_collate_pads_and_marks():
    heard, mute = sample(3, BOTH), sample(5, NORMAL, audio=False)
    batch = collate([heard, mute], 7, length=6)
    assert [tuple(t.shape) for t in (batch.video, batch.semantic, batch.audio)] == [(2, 6, 4), (2, 6, 3), (2, 6, 2)]
    assert (batch.has_audio.tolist(), batch.lengths.tolist()) == ([True, False], [3, 5])
    assert batch.lengths.dtype == torch.int64
    assert batch.targets.tolist() == [[0, 1, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0, 0]]
    for i, one in enumerate((heard, mute)):
        np.testing.assert_array_equal(batch.video[i, : len(one.video)], one.video)
        assert not batch.video[i, len(one.video) :].any()
    np.testing.assert_array_equal(batch.audio[0, :3], heard.audio)
    assert not batch.audio[0, 3:].any()
    assert not batch.audio[1].any()


def test_what_is_known_of_snippets_is_padded_with_not_known():
    rows = np.zeros((2, 3), np.float32)
    known = np.array([0.5, np.nan], np.float32)
    plain, marked = Sample("a", rows, None, None, (0,)), Sample("b", rows, None, None, (1,), known)
    assert collate([plain], 2, length=3).snippet_targets is None
    found = collate([plain, marked], 2, length=3).snippet_targets
    np.testing.assert_array_equal(found, [[np.nan] * 3, [0.5, np.nan, np.nan]])


def test_folder_samples_are_read_and_shaped(tmp_path):
    folder = FeatureFolder(write_npy(tmp_path, "v", 300, crops=(0, 5), sound=301))
    samples = FolderSamples(folder, [Entry("v", 5, FIGHT)])
    assert (len(samples), samples.labels) == (1, [FIGHT])
    got = samples[0]
    np.testing.assert_allclose(got.video, binned(rows(300, 512, 5), 256), atol=1e-5)
    np.testing.assert_allclose(got.audio, binned(rows(301, 128)[:300], 256), atol=1e-5)
    assert got.semantic is None
    assert got.labels == FIGHT


def test_a_plain_epoch_takes_each_sample_once():
    steps = plan_epoch([NORMAL] * 10, batch_size=4, balanced=False, seed=1, epoch=0)
    assert ([len(step) for step in steps], sorted(np.concatenate(steps))) == ([4, 4, 2], list(range(10)))


@pytest.mark.parametrize(("n_normal", "n_anomalous", "sizes"), [(5, 9, [4, 4, 2]), (8, 3, [4, 2]), (4, 4, [4, 4])])
def test_a_balanced_epoch_is_half_normal(n_normal, n_anomalous, sizes):
    labels = [NORMAL] * n_normal + [FIGHT, BOTH] * 5
    labels = labels[: n_normal + n_anomalous]
    steps = plan_epoch(labels, batch_size=4, balanced=True, seed=1, epoch=0)
    assert [len(step) for step in steps] == sizes
    for step in steps:
        assert sum(labels[i] == NORMAL for i in step) == len(step) // 2
    assert max(Counter(np.concatenate(steps).tolist()).values()) == 1


@pytest.mark.parametrize("balanced", [True, False])
def test_seed_and_epoch_alone_decide_the_order(balanced):
    labels = [NORMAL, FIGHT] * 20

    def order(seed, epoch):
        steps = plan_epoch(labels, batch_size=8, balanced=balanced, seed=seed, epoch=epoch)
        return np.concatenate(steps).tolist()

    np.random.seed(3)  # noqa: NPY002 - the global state must not matter
    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (1, 2)}) == 4


def test_balancing_needs_both_kinds():
    with pytest.raises(DataError, match="0 normal and 3 anomalous samples cannot make balanced steps"):
        plan_epoch([FIGHT] * 3, batch_size=4, balanced=True, seed=0, epoch=0)
