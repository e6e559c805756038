"""The analyzer on features whose values are known, trained and untrained, short and long, with and without sound."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from analyses import make_clip
from fake_encoders import SEMANTIC, fake_encoders

from cmhkf import CheckpointError, RecipeMismatch, load
from cmhkf.analyzer import Analyzer, to_512
from cmhkf.checkpoint import load_checkpoint, save_checkpoint
from cmhkf.config import AudioConfig, CvkaConfig, ModelConfig
from cmhkf.errors import DataError
from cmhkf.features import Features
from cmhkf.model import build_model
from cmhkf.timeline import Timeline

CLASSES = ("normal", "fighting", "explosion")
CONFIG = ModelConfig(classes=CLASSES, dim=16, video_dim=4, semantic_dim=4, audio_dim=2, cvka=CvkaConfig(k=2))


def make_features(n, *, sound=True, seed=0):
    rng = np.random.default_rng(seed)
    semantic = rng.normal(size=(n, 4)).astype(np.float32)
    semantic /= np.linalg.norm(semantic, axis=1, keepdims=True)
    return Features(
        clip=make_clip(),
        timeline=Timeline(n, n * 2 / 3),
        recipe_hash="x",
        video=rng.normal(size=(n, 4)).astype(np.float32),
        semantic=semantic,
        audio=rng.normal(size=(n, 2)).astype(np.float32) if sound else None,
        audio_level_db=np.full(n, -20, np.float32) if sound else None,
        audio_state="heard" if sound else "no sound track",
        cues={"brightness": rng.random(n).astype(np.float32)} | ({"loud": rng.random(n)} if sound else {}),
    )


def analyse(analyzer, features):
    return analyzer.analyze_features(replace(features, recipe_hash=analyzer.recipe_hash))


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    analyzer = Analyzer(fake_encoders(), CONFIG, name="x")
    path = save_checkpoint(
        tmp_path / "m.safetensors", build_model(CONFIG), recipe=analyzer.recipe, text_features=SEMANTIC[:3],
        name="tiny", provenance={}, metrics={},
    )  # fmt: skip
    return load_checkpoint(path)


def test_untrained_score_is_one_minus_p_normal():
    features = make_features(40)
    analysis = analyse(Analyzer(fake_encoders(tau=0.1), CONFIG, name="zero-shot"), features)
    cosine = features.semantic @ SEMANTIC[:3].T
    odds = np.exp(cosine / 0.1)
    np.testing.assert_allclose(analysis.similarity, cosine, atol=1e-6)
    np.testing.assert_allclose(analysis.class_probs, odds / odds.sum(1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(analysis.scores, 1 - analysis.class_probs[:, 0], atol=1e-6)
    assert not analysis.trained
    assert "untrained" in analysis.score_source
    assert analysis.fused_embeddings.shape == (40, 0)
    assert analysis.saliency.mean() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 512, 5000])
def test_windows_of_256_are_seen_apart(n):
    features = make_features(n)
    analysis = analyse(Analyzer(fake_encoders(), CONFIG, name="zero-shot"), features)
    slices = features.timeline.windows()
    assert len(slices) == -(-n // 256)
    assert analysis.top_classes.shape == (len(slices), 2)
    for window, chosen in zip(slices, analysis.top_classes, strict=True):
        sums = analysis.similarity[window].sum(axis=0)
        assert list(chosen) == list(np.argsort(-sums)[:2])
        assert analysis.saliency[window].mean() == pytest.approx(1, abs=1e-4)
        peaks = [p for p in analysis.saliency_peaks if window.start <= p < window.stop]
        assert len(peaks) == (window.stop - window.start) // 16 + 1
    spans = analysis.saliency_windows_s
    widths = np.rint((spans[:, 1] - spans[:, 0]) * 1.5).astype(int)
    assert widths.max() <= 5
    assert (spans[:, 0] <= features.timeline.times_s[analysis.saliency_peaks]).all()
    assert (spans[:, 1] > features.timeline.times_s[analysis.saliency_peaks]).all()


def test_cues_make_the_score_where_an_encoder_set_says_so():
    def mean_cue(video, cues):
        return np.mean(list(cues.values()), axis=0)

    encoders = fake_encoders(cue_score=mean_cue, sound_cues=frozenset({"loud"}))
    features = make_features(30)
    analysis = analyse(Analyzer(encoders, CONFIG, name="demo"), features)
    np.testing.assert_allclose(analysis.scores, (features.cues["brightness"] + features.cues["loud"]) / 2)
    np.testing.assert_allclose(analysis.modality_scores["without_audio"], features.cues["brightness"])
    assert "cues" in analysis.score_source
    silent = analyse(Analyzer(encoders, CONFIG, name="demo"), make_features(30, sound=False))
    assert dict(silent.modality_scores) == {}
    assert silent.modalities == "VT"


def test_trained_scores_are_the_models(checkpoint):
    features = make_features(300)
    analyzer = Analyzer(fake_encoders(), CONFIG, name="x", checkpoint=checkpoint)
    analysis = analyse(analyzer, features)
    model = build_model(CONFIG).eval()
    model.load_state_dict(checkpoint.state)
    with torch.inference_mode():
        for window in features.timeline.windows():
            video, semantic, audio = (
                torch.from_numpy(rows[window])[None] for rows in (features.video, features.semantic, features.audio)
            )
            lengths = torch.tensor([video.shape[1]])
            out = model(video, lengths, torch.from_numpy(SEMANTIC[:3]), semantic=semantic, audio=audio)
            np.testing.assert_allclose(analysis.scores[window], out.scores[0], atol=1e-6)
            np.testing.assert_allclose(analysis.class_probs[window], out.class_probs[0], atol=1e-6)
            np.testing.assert_allclose(analysis.windowed_saliency[window], out.windowed_saliency[0], atol=1e-5)
    assert analysis.trained
    assert analysis.modalities == "VAT"
    assert analysis.model_id == f"x@{checkpoint.sha256[:12]}"
    assert analysis.fused_embeddings.shape == (300, 16)
    assert set(analysis.modality_scores) == {"without_audio", "without_text"}
    for what_if in analysis.modality_scores.values():
        assert np.abs(what_if - analysis.scores).max() > 1e-6


def test_a_trained_model_serves_clips_without_sound(checkpoint):
    analysis = analyse(
        Analyzer(fake_encoders(), CONFIG, name="x", checkpoint=checkpoint), make_features(20, sound=False)
    )
    assert analysis.modalities == "VT"
    assert set(analysis.modality_scores) == {"without_text"}


def test_streaming_sound_crosses_windows(checkpoint):
    """With `audio.stream` the BiLSTM sees the whole clip, so a change in the second window reaches the first."""
    config = replace(CONFIG, audio=AudioConfig(stream=True))
    streaming = replace(checkpoint, config=config)
    features = make_features(300)
    changed = replace(features, audio=features.audio.copy())
    changed.audio[256:] += 3

    def first_window(checkpoint, features):
        return analyse(Analyzer(fake_encoders(), CONFIG, name="x", checkpoint=checkpoint), features).scores[:256]

    assert np.abs(first_window(streaming, features) - first_window(streaming, changed)).max() > 1e-6
    np.testing.assert_array_equal(first_window(checkpoint, features), first_window(checkpoint, changed))


def test_a_checkpoint_refuses_features_of_another_recipe(checkpoint):
    with pytest.raises(RecipeMismatch, match="fake mean colour"):
        Analyzer(fake_encoders(audio=None), CONFIG, name="x", checkpoint=checkpoint)


def test_features_of_another_recipe_are_refused_by_both_names():
    analyzer = Analyzer(fake_encoders(), CONFIG, name="x")
    with pytest.raises(RecipeMismatch, match=f"by recipe 0ther, but 'x' reads those of {analyzer.recipe_hash}"):
        analyzer.analyze_features(replace(make_features(3), recipe_hash="0ther"))


def test_a_checkpoint_brings_its_grid_and_presets_take_one(checkpoint):
    analyzer = Analyzer(fake_encoders(), CONFIG, name="x", grid="native")
    assert analyzer.recipe.grid == "native"
    native = replace(checkpoint, recipe=analyzer.recipe)
    assert Analyzer(fake_encoders(), CONFIG, name="x", checkpoint=native).recipe.grid == "native"
    assert Analyzer(fake_encoders(), CONFIG, name="x").recipe_hash != analyzer.recipe_hash


def test_unknown_model_and_missing_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("CMHKF_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"'nonsense' is neither a preset \(demo, xd-violence"):
        load("nonsense")
    with pytest.raises(CheckpointError, match=r"xd-violence\.safetensors"):
        load("xd-violence")


def test_a_hub_model_offline_says_so_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("CMHKF_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match="not in its cache, and HF_HUB_OFFLINE is set"):
        load("hf:someone/something-that-is-not-here")
    with pytest.raises(CheckpointError, match="cannot be had from the Hub"):
        load("hf:not a name")


def test_to_512_keeps_clip_rows_and_distances():
    rows = np.random.default_rng(1).normal(size=(20, 3000)).astype(np.float32)
    short = to_512(rows)
    assert short.shape == (20, 512)
    ratio = np.linalg.norm(short[1:] - short[0], axis=1) / np.linalg.norm(rows[1:] - rows[0], axis=1)
    assert (np.abs(ratio - 1) < 0.15).all()
    np.testing.assert_array_equal(to_512(short), short)


def test_typed_texts_are_compared_with_the_cached_rows_alone(tmp_path, numbered_clip):
    analyzer = Analyzer(fake_encoders(), CONFIG, name="x", cache_dir=tmp_path)
    analysis = analyzer.analyze(numbered_clip)
    sha256, seen = analysis.clip.sha256, list(analyzer.encoders.video.batches)
    found = analyzer.compare(sha256, ["a", "b", "c", "d", "e"])
    rows = np.load(tmp_path / analyzer.recipe_hash / f"{sha256}.npz")["semantic"]
    np.testing.assert_allclose(found, rows @ SEMANTIC[[0, 1, 2, 3, 0]].T, atol=1e-6)
    np.testing.assert_allclose(found[:, :3], analysis.similarity, atol=1e-6)
    assert analyzer.encoders.video.batches == seen


def test_gone_or_damaged_features_are_told_with_the_remedy(tmp_path, numbered_clip):
    analyzer = Analyzer(fake_encoders(), CONFIG, name="x", cache_dir=tmp_path)
    sha256 = analyzer.analyze(numbered_clip).clip.sha256
    path = tmp_path / analyzer.recipe_hash / f"{sha256}.npz"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"are damaged .*; remove the clip from the library and open it again"):
        analyzer.compare(sha256, ["a"])
    path.unlink()
    with pytest.raises(DataError, match="are not kept any more"):
        analyzer.compare(sha256, ["a"])
