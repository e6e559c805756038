"""What only the sound or only the class texts tell is found by the models that have them, and by no others."""

import numpy as np
import pytest

from benchmarks.simulate_xd import Settings, simulate
from cmhkf.ablate import Study, measure_table, read_groups
from cmhkf.data import XD_CODES
from cmhkf.datasets import open_dataset
from cmhkf.tables import TABLES
from cmhkf.timeline import SNIPPET_FRAMES
from cmhkf.train_config import TrainConfig

N_TRAIN, N_TEST = 600, 240


def write_annotations(folder, rng):
    """Videos of 32 to 63 snippets, every other one with one segment of a quarter to a half of its length."""
    folder.mkdir()
    train, test, plain, multi = ["video"], ["video,n_snippets"], [], []
    for i in range(N_TRAIN + N_TEST):
        code = str(rng.choice(XD_CODES[1:])) if i % 2 else "A"
        name = f"v={i}__#1_label_{code}"
        if i < N_TRAIN:
            train.append(name)
            continue
        n = int(rng.integers(32, 64))
        test.append(f"{name},{n}")
        if i % 2:
            long = int(rng.integers(n // 4, n // 2))
            start = int(rng.integers(0, n - long)) * SNIPPET_FRAMES
            end = start + long * SNIPPET_FRAMES
            plain.append(f"{name} {start} {end}")
            multi.append(f"{name} {code} {start} {end}")
    files = {"train_videos.csv": train, "test_videos.csv": test, "annotations.txt": plain}
    for file, lines in (files | {"annotations_multiclasses.txt": multi}).items():
        (folder / file).write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_modality_recovers_what_it_alone_carries(tmp_path):
    features = tmp_path / "features"
    settings = Settings(dim=32, audio_dim=16, sound_only=0.25, text_only=0.25)
    simulate(write_annotations(tmp_path / "annotations", np.random.default_rng(0)), features, settings)
    study = Study(
        open_dataset("xd-violence", features),
        TrainConfig(epochs=12, batch_size=16, lr=1e-3, milestones=(9,), val_fraction=0.0),
        tmp_path / "out", dim=32, text_features=features / "text.npy", groups=read_groups(features / "groups.csv"),
    )  # fmt: skip
    auc = {
        (m.row.label, group): value
        for m in measure_table(study, TABLES[6], (1,)) for group, value in m.outcomes[0].groups.items()
    }  # fmt: skip
    assert all(value > 90 for (_, group), value in auc.items() if group == "all"), auc
    for label in (row.label for row in TABLES[6].rows):
        for group, word in (("sound", "audio"), ("text", "text")):
            value = auc[label, group]
            assert value > 75 if word in label else 35 < value < 65, (label, group, auc)
