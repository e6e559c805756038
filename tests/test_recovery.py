"""What only sound or only class texts tell is there to be found, and found by the models that have them alone."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.simulate_xd import Settings, simulate
from cmhkf.datasets.annotations import XD_CODES
from cmhkf.datasets.sets import open_dataset
from cmhkf.evaluation.ablate import Study, measure_table, read_groups
from cmhkf.evaluation.tables import TABLES
from cmhkf.timeline import SNIPPET_FRAMES
from cmhkf.training.config import TrainConfig

SETTINGS = Settings(dim=32, sound_only=0.25, text_only=0.25)


def write_annotations(folder, *, n_train, n_test=240):
    """Videos of 32 to 63 snippets, every other one with one segment of a quarter to a half of its length."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    train, test, plain, multi = ["video"], ["video,n_snippets"], [], []
    for i in range(n_train + n_test):
        code = str(rng.choice(XD_CODES[1:])) if i % 2 else "A"
        name = f"v={i}__#1_label_{code}"
        if i < n_train:
            train.append(name)
            continue
        n = int(rng.integers(32, 64))
        test.append(f"{name},{n}")
        if i % 2:
            length = int(rng.integers(n // 4, n // 2))
            start = SNIPPET_FRAMES * int(rng.integers(0, n - length))
            end = start + SNIPPET_FRAMES * length
            plain.append(f"{name} {start} {end}")
            multi.append(f"{name} {code} {start} {end}")
    files = {"train_videos.csv": train, "test_videos.csv": test, "annotations.txt": plain}
    for file, lines in (files | {"annotations_multiclasses.txt": multi}).items():
        (folder / file).write_text("\n".join(lines) + "\n")
    return folder


def weights(rows, texts):
    """Eq. 1-4 with k = 2, as plain numpy: each class's weight over time, 0 where it is not chosen; mean 1."""
    unit_rows, unit_texts = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rows, texts))
    cosine = unit_rows @ unit_texts.T
    found = np.zeros_like(cosine)
    for c in np.argsort(cosine.sum(axis=0))[-2:]:
        e = np.exp(cosine[:, c] / 0.07)
        found[:, c] = e / e.mean()
    return found


def test_cvkas_weights_tell_what_only_the_texts_do(tmp_path):
    features = tmp_path / "features"
    simulate(write_annotations(tmp_path / "annotations", n_train=2), features, SETTINGS)
    data, groups = open_dataset("xd-violence", features), read_groups(features / "groups.csv")
    texts = np.load(features / "text.npy")
    truths = np.split(data.truth.frames[::SNIPPET_FRAMES], np.cumsum(data.truth.n_snippets)[:-1])
    for group, low, high in (("all", 85, 100), ("text", 85, 100), ("sound", 40, 60)):
        labels, scores = [], []
        for name, truth in zip(data.truth.names, truths, strict=True):
            if groups[name] in ("none", group):
                weight = weights(data.folder.load(name).semantic.astype(np.float64), texts)
                scores.append(weight[:, 1:].max(axis=1) - weight[:, 0])
                labels.append(truth)
        assert low < 100 * roc_auc_score(np.concatenate(labels), np.concatenate(scores)) < high, group


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_modality_recovers_what_it_alone_carries(tmp_path):
    features = tmp_path / "features"
    simulate(write_annotations(tmp_path / "annotations", n_train=1600), features, SETTINGS)
    study = Study(
        open_dataset("xd-violence", features),
        TrainConfig(epochs=8, batch_size=16, lr=1e-3, milestones=(6,), val_fraction=0.0),
        tmp_path / "out",
        model={"dim": 32},
        text_features=features / "text.npy",
        groups=read_groups(features / "groups.csv"),
    )
    for measured in measure_table(study, TABLES[6], (2,)):  # with seed 1 the whole model misses what the text tells
        auc = measured.results[0].groups
        assert auc["all"] > 85, measured
        for group, word in (("sound", "audio"), ("text", "text")):
            # Groups of some 30 videos: chance is 50, give or take 10.
            assert auc[group] > 75 if word in measured.row.label else 30 < auc[group] < 70, measured
