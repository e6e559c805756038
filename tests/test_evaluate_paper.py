"""From files on disk to the numbers in report.json: detection mAP against loops over frames, and the official lists."""

import json

import numpy as np
import pytest
import torch
from feature_files import annotate, rows, write_npy
from map_oracle import slow_map

from cmhkf.commands.evaluate import evaluate
from cmhkf.datasets.sets import open_dataset
from cmhkf.features.folders import released_recipe
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import save_checkpoint
from cmhkf.model.config import ModelConfig
from cmhkf.model.run import predict

# Snippets, and (code, class, start, end) in frames. Two events run past the last whole snippet, one begins after it.
XD = {
    "v=a_label_B1-0-0": (40, [("B1", 1, 20, 150), ("B1", 1, 600, 670)]),
    "v=b_label_B2-G-0": (37, [("B2", 2, 100, 260), ("G", 6, 560, 635), ("B2", 2, 592, 600)]),
    "v=c_label_B6-0-0": (300, [("B6", 5, 1600, 2000)]),
    "v=n_label_A": (31, []),
}


@pytest.fixture
def features(tmp_path):
    folder = tmp_path / "features"
    for name, (n, _) in XD.items():
        write_npy(folder, name, n, sound=n)
    (folder / "test.csv").write_text("path\n" + "".join(f"/far/{name}__0.npy\n" for name in XD))
    return annotate(folder, {name: [(code, a, b) for code, _, a, b in events] for name, (_, events) in XD.items()})


def test_detection_map_of_a_checkpoint_equals_the_loops_on_uncut_annotations(features, tmp_path):
    config = ModelConfig(dim=16)
    torch.manual_seed(5)
    model, text = build_model(config).eval(), rows(7, 512)
    facts = {"name": "m", "recipe": released_recipe(audio=True), "provenance": {}, "metrics": {}}
    path = save_checkpoint(tmp_path / "m.safetensors", model, text_features=text, **facts)
    evaluate(features, "xd-violence", model=str(path), out=tmp_path / "out", resamples=0, device="cpu")
    found = {
        (figure["branch"], figure["videos"], figure["metric"]): figure["value"]
        for figure in json.loads((tmp_path / "out" / "report.json").read_text())["figures"]
    }
    folder = open_dataset("xd-violence", features).folder
    probs = [predict(model, torch.from_numpy(text), folder.load(name)).class_probs.astype(float) for name in XD]
    uncut = [[event[1:] for event in events] or [(0, 0, 16 * n)] for n, events in XD.values()]
    last = [16 * n for n, _ in XD.values()]
    cut = [[(c, a, min(b, z)) for c, a, b in video if a < z] for video, z in zip(uncut, last, strict=True)]
    for videos, n_abnormal in (("all", None), ("abnormal", 3)):
        for iou in (0.1, 0.2, 0.3, 0.4, 0.5):
            expected = slow_map(probs, uncut, iou, n_abnormal)
            assert found["detection, paper", videos, f"mAP@{iou}"] == pytest.approx(expected, abs=1e-9)
    averages = [np.mean([slow_map(probs, truth, iou) for iou in (0.1, 0.2, 0.3, 0.4, 0.5)]) for truth in (uncut, cut)]
    assert found["detection, paper", "all", "mAP avg"] == pytest.approx(averages[0], abs=1e-9)
    assert averages[1] > averages[0] > 0  # or the test would not tell the two apart
