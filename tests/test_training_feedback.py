"""From decisions to training samples, and a model adapted to them, by the command that people run."""

import numpy as np
import pytest
import torch
from feature_files import RECIPE, rows, write_own
from sklearn.metrics import roc_auc_score
from training_sets import invoke, sets, table_of, untrained

from cmhkf.datasets.labels import LabelledSegment, LabelledVideo, Labels, write_labels
from cmhkf.errors import ConfigError, DataError, RecipeMismatch
from cmhkf.features.folders import FeatureFolder, Rows
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.config import ModelConfig
from cmhkf.model.run import predict
from cmhkf.timeline import Timeline
from cmhkf.training.feedback import feedback_samples, segment_peaks, snippets_of

CLASSES = ("normal", "fighting", "riot")
SNIPPET_S = 2 / 3
A, B, C = ("a" * 64, "b" * 64, "c" * 64)
MODEL = ModelConfig(classes=CLASSES, dim=8, video_dim=6, semantic_dim=4, audio_dim=3)


def segment(first, last, state, label="fighting"):
    """Over whole snippets, from one to before another."""
    return LabelledSegment(first * SNIPPET_S, last * SNIPPET_S, state, label)


def video(sha256, *segments):
    return LabelledVideo(sha256, f"{sha256[0]}.mp4", "anna", segments)


def labels(*videos):
    return Labels("2026-01-02T03:04:05+00:00", "demo@123", RECIPE, videos)


def folder_of(path, **lengths):
    for name, n in lengths.items():
        write_own(path, name * 64, n)
    return FeatureFolder(path)


def test_snippets_of_a_segment_are_those_whose_middle_it_holds():
    line = Timeline(9, 6.0)
    middles = [(i + 0.5) * SNIPPET_S for i in range(9)]
    for start, end in [(0, 6), (0.2, 2.1), (1 / 3, 1.0), (2.0, 2.0 + SNIPPET_S), (4.9, 99)]:
        inside = [i for i, middle in enumerate(middles) if start <= middle < end]
        assert list(range(9))[snippets_of(LabelledSegment(start, end, "confirmed", "riot"), line)] == inside
    for start, end in [(0.0, 0.1), (2.9, 2.95), (5.99, 6.0), (8.0, 9.0)]:  # none: the one that it lies in
        place = snippets_of(LabelledSegment(start, end, "confirmed", "riot"), line)
        assert place == slice(min(8, int(start // SNIPPET_S)), min(8, int(start // SNIPPET_S)) + 1)


def test_targets_and_weak_labels_say_what_was_decided_and_nothing_more(tmp_path):
    decided = video(A, segment(1, 3, "confirmed"), segment(2, 5, "dismissed"), segment(6, 8, "open"))
    samples, unknown = feedback_samples(folder_of(tmp_path, a=10), labels(decided), CLASSES)
    assert unknown == ()
    (sample,) = samples
    assert sample.snippet_targets is not None
    assert sample.audio is not None
    nan = np.nan
    assert np.array_equal(sample.snippet_targets, [nan, 1, 1, 0, 0, nan, nan, nan, nan, nan], equal_nan=True)
    assert sample.labels == (1,)
    assert np.array_equal(sample.video, rows(10, 6))
    assert np.array_equal(sample.audio, rows(10, 3))


def test_a_window_whose_label_is_not_known_is_left_out(tmp_path):
    folder = folder_of(tmp_path, a=10, b=10, c=10)
    videos = (
        video(A, segment(1, 3, "dismissed"), segment(6, 8, "open")),
        video(B, segment(1, 3, "dismissed"), segment(6, 8, "dismissed", "riot")),
        video(C, segment(6, 8, "open")),  # nothing was decided
    )
    samples, unknown = feedback_samples(folder, labels(*videos), CLASSES)
    assert (samples.videos, list(samples.labels), unknown) == ([B], [(0,)], ("a.mp4, snippets 0 to 9",))
    with pytest.raises(DataError, match=r"of 1 windows with decisions, all have open segments"):
        feedback_samples(folder, labels(videos[0], videos[2]), CLASSES)


def test_a_long_video_gives_a_sample_for_each_window_with_decisions(tmp_path):
    early = segment(250, 260, "confirmed", "riot"), segment(300, 302, "dismissed"), segment(3, 5, "confirmed")
    decided = video(A, *early, segment(520, 522, "dismissed"))
    samples, _ = feedback_samples(folder_of(tmp_path, a=800), labels(decided), CLASSES)
    windows = [(w.place.start, w.place.stop, w.labels) for w in samples.windows]
    assert windows == [(0, 256, (1, 2)), (256, 512, (2,)), (512, 768, (0,))]
    first, second, third = samples
    assert np.flatnonzero(first.snippet_targets == 1).tolist() == [3, 4, *range(250, 256)]
    assert np.flatnonzero(second.snippet_targets == 1).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(second.snippet_targets == 0).tolist() == [44, 45]
    assert np.flatnonzero(third.snippet_targets == 0).tolist() == [8, 9]
    assert np.array_equal(third.video, rows(800, 6)[512:768])


def test_a_class_that_the_model_does_not_know_is_named(tmp_path):
    decided = video(A, segment(3, 5, "confirmed", "flood"))
    with pytest.raises(DataError, match=r"'a.mp4' has a segment at 2.0 s .*'flood'.* knows normal, fighting, riot"):
        feedback_samples(folder_of(tmp_path, a=10), labels(decided), CLASSES)
    dismissed = video(A, segment(3, 5, "dismissed", "flood"))
    assert feedback_samples(FeatureFolder(tmp_path), labels(dismissed), CLASSES)[0].labels == [(0,)]


# The command --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A checkpoint, and labels of twelve videos: what shows in one direction was confirmed, in another dismissed."""
    folder = tmp_path_factory.mktemp("site")
    told = {"provenance": {"data": "none"}, "metrics": {"calibration": "5 false alarms an hour"}}
    untrained(folder / "start.safetensors", MODEL, RECIPE, name="start", **told)
    videos, files = [], {}
    for i in range(12):
        sha256, state = f"{i:064x}", "confirmed" if i % 2 else "dismissed"
        write_own(folder / "kept", sha256, 20 + i)
        file = folder / "kept" / f"{sha256}__0.npz"
        with np.load(file) as held:
            arrays = dict(held)
        arrays["video"][5:9, i % 2] += 4
        np.savez(file, **arrays)
        files[sha256] = file
        videos.append(video(sha256, segment(5, 9, state, "riot")))
    list(write_labels(folder / "labels.zip", labels(*videos), files))
    return folder


def adapt(site, out, *options, model=None):
    start = ["--finetune", model or site / "start.safetensors"] if model != "" else []
    return invoke("train", "--labels", site / "labels.zip", "--out", out, "--device", "cpu", *options, *start)


@pytest.mark.slow
def test_a_model_learns_what_was_decided_and_its_card_says_so(site, tmp_path):
    adapt(site, tmp_path, *sets("train.epochs=60", "train.lr=1e-2", "train.seed=1"))
    start, got = load_checkpoint(site / "start.safetensors"), load_checkpoint(tmp_path / "model.safetensors")
    assert (got.name, got.config, got.recipe) == ("start-adapted", start.config, start.recipe)
    assert got.provenance["started from"] == {"name": "start", "sha256": start.sha256}
    assert got.provenance["adapted to"].startswith("6 confirmed and 6 dismissed segments of 12 reviewed videos")
    assert got.provenance["reviewers"] == "anna"
    assert "before it was adapted" in got.metrics["calibration"]
    card = (tmp_path / "model_card.md").read_text()
    for text in ("# Model card: start-adapted", got.sha256, start.sha256, "6 confirmed and 6 dismissed", "held out"):
        assert text in card

    def by_state(checkpoint):
        model = build_model(checkpoint.config).eval()
        model.load_state_dict(checkpoint.state)
        samples, _ = feedback_samples(FeatureFolder(site / "kept"), held_labels(site), CLASSES)
        peaks = list(segment_peaks(model, torch.from_numpy(checkpoint.text_features), samples))
        return [np.array([peak for c, peak in peaks if (c > 0) == confirmed]) for confirmed in (True, False)]

    confirmed, dismissed = by_state(got)
    assert confirmed.min() > 0.5 > dismissed.max()
    before = by_state(start)
    assert not (before[0].min() > 0.5 > before[1].max())
    confirmed_told, dismissed_told, apart = [value for key, value in got.metrics.items() if "held out" in key]
    labels_ = [1] * 6 + [0] * 6
    assert apart == f"{roc_auc_score(labels_, np.concatenate(before)):.3f} before, 1.000 after"
    assert confirmed_told.endswith("6 of 6 after")
    assert dismissed_told.endswith("0 of 6 after")
    assert f"{sum(before[0] >= 0.5)} of 6 before" in confirmed_told
    assert len(table_of(tmp_path / "training.csv")) == 60


def held_labels(site):
    videos = [video(f"{i:064x}", segment(5, 9, "confirmed" if i % 2 else "dismissed", "riot")) for i in range(12)]
    return labels(*videos)


def test_peaks_are_the_models_own_scores(site):
    start = load_checkpoint(site / "start.safetensors")
    model, text = build_model(start.config).eval(), torch.from_numpy(start.text_features)
    model.load_state_dict(start.state)
    folder = FeatureFolder(site / "kept")
    samples, _ = feedback_samples(folder, held_labels(site), CLASSES)
    whole: Rows = folder.load(f"{3:064x}")
    expected = predict(model, text, whole).scores[5:9].max()
    assert list(segment_peaks(model, text, samples))[3] == (2, pytest.approx(float(expected)))


def test_a_run_that_is_resumed_is_the_same(site, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    adapt(site, whole, *sets("train.epochs=2"))
    adapt(site, parts, *sets("train.epochs=1"))
    assert adapt(site, parts, *sets("train.epochs=2"), "--resume").exit_code == 0
    a, b = (load_checkpoint(out / "model.safetensors") for out in (whole, parts))
    assert all(torch.equal(value, b.state[key]) for key, value in a.state.items())


def test_what_does_not_go_together_is_refused(site, tmp_path):
    for options, model, error, message in (
        (["--features", site], None, ConfigError, "--features cannot be used with --labels"),
        (["--crop", "1", *sets("train.val_fraction=0.1")], None, ConfigError, "--crop, train.val_fraction cannot be"),
        (["--train-list", "x", "--test-list", "y"], None, ConfigError, "--train-list, --test-list cannot be used with"),
        (["--select", "test", *sets("train.select=validation")], None, ConfigError, "--select test contradicts --set"),
        (sets("model.dim=16"), None, ConfigError, "dim=16 needs other weights than"),
        ([], "", ConfigError, "name it with --finetune"),
        ([], "demo", RecipeMismatch, "was trained on features of recipe"),
    ):
        with pytest.raises(error, match=message):
            adapt(site, tmp_path, *options, model=model)
    with pytest.raises(ConfigError, match="give --features and --dataset, or --labels with --finetune"):
        invoke("train", "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_videos_without_sound_and_windows_left_out_are_told_and_refused_under_strict(site, tmp_path):
    write_own(tmp_path / "kept", A, 10)
    write_own(tmp_path / "kept", B, 10, sound=False)
    decided = video(A, segment(1, 3, "dismissed"), segment(6, 8, "open")), video(B, segment(1, 3, "confirmed", "riot"))
    kept = {name: tmp_path / "kept" / f"{name}__0.npz" for name in (A, B)}
    list(write_labels(tmp_path / "labels.zip", labels(*decided), kept))
    start, out = site / "start.safetensors", tmp_path / "out"
    small = sets("train.epochs=1")
    with pytest.raises(DataError, match=r"which --strict refuses: .*a\.mp4.*; .*b\.mp4"):
        adapt(tmp_path, out, "--strict", *small, model=start)
    done = adapt(tmp_path, out, *small, model=start)
    left, silent = load_checkpoint(out / "model.safetensors").provenance["fallbacks of data"].split("; ")
    assert "left out (1): a.mp4, snippets 0 to 9" in left
    assert "read as if they were silent (1): b.mp4" in silent
    assert f"note: {left}\nnote: {silent}\n" in done.stderr


def test_one_video_says_that_nothing_was_held_out(site, tmp_path):
    kept = {f"{1:064x}": site / "kept" / f"{1:064x}__0.npz"}
    list(write_labels(tmp_path / "labels.zip", labels(held_labels(site).videos[1]), kept))
    adapt(tmp_path, tmp_path / "out", *sets("train.epochs=1"), model=site / "start.safetensors")
    got = load_checkpoint(tmp_path / "out" / "model.safetensors")
    assert "nothing was dismissed, so the model can only learn to flag more" in got.provenance["one-sided"]
    assert got.metrics["on reviewed videos held out"] == "not measured: there is one video"
