"""The analyzer on features whose values are known, trained and untrained, short and long, with and without sound."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from analyses import make_clip
from fake_encoders import SEMANTIC, fake_encoders
from media_factory import probed
from training_sets import untrained

from cmhkf import CheckpointError, RecipeMismatch, load
from cmhkf.analysis import Analysis, Growing
from cmhkf.analyzer import Analyzer, Growth, to_512
from cmhkf.errors import DataError
from cmhkf.features import extract
from cmhkf.features.extract import Features, Part
from cmhkf.files import FileRows
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.config import CvkaConfig, ModelConfig
from cmhkf.model.run import NORMAL_FOOTAGE
from cmhkf.timeline import Timeline

CLASSES = ("normal", "fighting", "explosion")
CONFIG = ModelConfig(classes=CLASSES, dim=16, video_dim=4, semantic_dim=4, audio_dim=2, cvka=CvkaConfig(k=2))


def make_features(n, *, sound=True, seed=0):
    rng = np.random.default_rng(seed)
    semantic = rng.normal(size=(n, 4)).astype(np.float32)
    semantic /= np.linalg.norm(semantic, axis=1, keepdims=True)
    video = rng.normal(size=(n, 4)).astype(np.float32)
    heard = (None, None, "no sound track")
    if sound:
        heard = (rng.normal(size=(n, 2)).astype(np.float32), np.full(n, -20, np.float32), "heard")
    cues = {"brightness": rng.random(n).astype(np.float32)} | ({"loud": rng.random(n)} if sound else {})
    return Features(make_clip(), Timeline(n, n * 2 / 3), "x", video, semantic, *heard, cues)


def in_file(rows):
    held = FileRows()
    held.add(rows)
    return held


def analyse(analyzer, features):
    return analyzer.analyze_features(replace(features, recipe_hash=analyzer.recipe_hash))


@pytest.fixture
def checkpoint(tmp_path):
    recipe = Analyzer(fake_encoders(), CONFIG, name="x").recipe
    return load_checkpoint(untrained(tmp_path / "m.safetensors", CONFIG, recipe, texts=SEMANTIC[:3]))


def test_what_is_normal_comes_from_the_checkpoint_and_stays_with_the_analysis(checkpoint, tmp_path):
    normal = {"similarity": [[0.1, 0.3], [0.0, 0.2], [0.1, 0.4]], "saliency": 2.5}
    analyzer = Analyzer(
        fake_encoders(), CONFIG, name="x", checkpoint=replace(checkpoint, metrics={NORMAL_FOOTAGE: normal})
    )
    analysis = Analysis.load(analyse(analyzer, make_features(3)).save(tmp_path / "a.npz"))
    assert (analysis.normal_similarity.tolist(), analysis.normal_saliency) == (normal["similarity"], 2.5)
    plain = analyse(Analyzer(fake_encoders(), CONFIG, name="x", checkpoint=checkpoint), make_features(3))
    assert (plain.normal_similarity, plain.normal_saliency) == (None, None)


def test_another_checkpoint_on_the_same_encoders_decodes_nothing_again(clip_file, tmp_path, monkeypatch):
    clip, recipe = probed(clip_file), Analyzer(fake_encoders(), CONFIG, name="x").recipe

    def analyzer(name, texts):
        checkpoint = load_checkpoint(untrained(tmp_path / f"{name}.safetensors", CONFIG, recipe, texts=texts))
        options = {"checkpoint": checkpoint, "cache_dir": tmp_path / "cache"}
        return Analyzer(fake_encoders(), CONFIG, name=name, **options)

    first = analyzer("first", SEMANTIC[:3]).analyze(clip)
    opened = []
    for stream in ("SnippetStream", "WaveformStream"):
        monkeypatch.setattr(extract, stream, lambda *arguments, **options: opened.append(arguments))
    other = analyzer("other", SEMANTIC[1:])
    second = other.analyze(clip)
    assert (opened, other.encoders.video.batches) == ([], [])
    assert (second.recipe_hash, second.n_snippets) == (first.recipe_hash, first.n_snippets)
    assert second.model_id != first.model_id
    assert abs(second.similarity - first.similarity).max() > 0.01


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
    assert (analysis.fused_embeddings.shape, analysis.saliency.mean()) == ((40, 0), pytest.approx(1, abs=1e-5))


@pytest.mark.parametrize("n", [1, 255, 256, 257, 512, 5000])
def test_windows_of_256_are_seen_apart(n):
    features = make_features(n)
    analysis = analyse(Analyzer(fake_encoders(), CONFIG, name="zero-shot"), features)
    slices = features.timeline.windows()
    assert (len(slices), analysis.top_classes.shape) == (-(-n // 256), (len(slices), 2))
    for window, chosen in zip(slices, analysis.top_classes, strict=True):
        assert list(chosen) == list(np.argsort(-analysis.similarity[window].sum(axis=0))[:2])
        assert analysis.saliency[window].mean() == pytest.approx(1, abs=1e-4)
        peaks = [p for p in analysis.saliency_peaks if window.start <= p < window.stop]
        assert len(peaks) == (window.stop - window.start) // 16 + 1
    spans = analysis.saliency_windows_s
    assert np.rint((spans[:, 1] - spans[:, 0]) * 1.5).astype(int).max() <= 5
    assert (spans[:, 0] <= features.timeline.times_s[analysis.saliency_peaks]).all()
    assert (spans[:, 1] > features.timeline.times_s[analysis.saliency_peaks]).all()


def test_cues_make_the_score_where_an_encoder_set_says_so():
    def mean_cue(video, cues):
        return np.mean(list(cues.values()), axis=0)

    encoders = fake_encoders(cue_score=mean_cue, audio_cues=frozenset({"loud"}))
    features = make_features(30)
    analysis = analyse(Analyzer(encoders, CONFIG, name="demo"), features)
    np.testing.assert_allclose(analysis.scores, (features.cues["brightness"] + features.cues["loud"]) / 2)
    np.testing.assert_allclose(analysis.modality_scores["without_audio"], features.cues["brightness"])
    assert "cues" in analysis.score_source
    silent = analyse(Analyzer(encoders, CONFIG, name="demo"), make_features(30, sound=False))
    assert (dict(silent.modality_scores), silent.modalities) == ({}, "VT")


def test_audio_rows_tell_cues_in_place_of_what_was_kept_of_them():
    def hear(rows, ends_s):
        return {"gunshot": rows[:, 0] ** 2, "ends": ends_s}

    names = frozenset({"gunshot", "ends", "loud"})  # "loud": by an earlier version, in features that were kept
    analyzer = Analyzer(fake_encoders(audio_cues=names, hear=hear), CONFIG, name="demo")
    features = make_features(300)
    analysis = analyse(analyzer, features)
    assert (set(analysis.cues), analysis.audio_cues) == ({"brightness", "gunshot", "ends"}, ("gunshot", "ends"))
    np.testing.assert_allclose(analysis.cues["gunshot"], features.audio[:, 0] ** 2)
    np.testing.assert_allclose(analysis.cues["ends"], features.timeline.ends_s)
    silent = analyse(analyzer, make_features(30, sound=False))
    assert (set(silent.cues), silent.audio_cues) == ({"brightness"}, ())


def test_trained_scores_are_the_models(checkpoint):
    features = make_features(300)
    analysis = analyse(Analyzer(fake_encoders(), CONFIG, name="x", checkpoint=checkpoint), features)
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
    assert (analysis.modalities, analysis.model_id) == ("VAT", f"x@{checkpoint.sha256[:12]}")
    assert analysis.fused_embeddings.shape == (300, 16)
    assert set(analysis.modality_scores) == {"without_audio", "without_text"}
    for what_if in analysis.modality_scores.values():
        assert np.abs(what_if - analysis.scores).max() > 1e-6


CURVES = ("scores", "alignment_scores", "class_probs", "similarity", "saliency", "windowed_saliency", "audio_level_db")


def part_of(features, first, stop):
    rows = slice(first, stop)
    cut = {name: getattr(features, name)[rows] for name in ("video", "semantic", "audio", "audio_level_db")}
    cues = {name: cue[rows] for name, cue in features.cues.items()}
    line = Timeline(stop - first, (stop - first) * 2 / 3)
    return Part(first, replace(features, timeline=line, cues=cues, **cut))


@pytest.mark.parametrize("trained", [True, False])
def test_a_result_grows_and_its_complete_windows_are_final(checkpoint, trained):
    """Oracle: the analysis of as many snippets, and at last of all, bit by bit."""
    analyzer = Analyzer(fake_encoders(), CONFIG, name="x", checkpoint=checkpoint if trained else None)
    features = replace(make_features(700), recipe_hash=analyzer.recipe_hash)
    final, growth = analyzer.analyze_features(features), Growth(analyzer, begun=0.0)
    for first, stop, n_final in [
        (0, 5, 0),
        (0, 250, 0),
        (0, 256, 256),
        (256, 300, 256),
        (256, 512, 512),
        (512, 600, 512),
    ]:
        growing = growth.take(part_of(features, first, stop))
        assert (growing.n_final, growing.analysis.n_snippets) == (n_final, stop)
        here = analyzer.analyze_features(replace(part_of(features, 0, stop).features, recipe_hash=analyzer.recipe_hash))
        for name in CURVES:
            np.testing.assert_array_equal(getattr(growing.analysis, name), getattr(here, name))
            np.testing.assert_array_equal(getattr(growing.analysis, name)[:n_final], getattr(final, name)[:n_final])
        for name in ("saliency_peaks", "saliency_windows_s", "top_classes"):
            np.testing.assert_array_equal(getattr(growing.analysis, name), getattr(here, name))
        assert (growing.analysis.modalities, growing.analysis.model_id) == (final.modalities, final.model_id)


def test_a_score_that_looks_at_the_whole_clip_is_never_final_before_its_end():
    encoders = fake_encoders(cue_score=lambda video, cues: cues["brightness"] / cues["brightness"].max())
    analyzer = Analyzer(encoders, CONFIG, name="demo")
    assert Growth(analyzer, begun=0.0).take(part_of(make_features(300), 0, 256)).n_final == 0


def test_the_analysis_does_not_depend_on_what_was_told_before(checkpoint, clip_file, monkeypatch, tmp_path):
    monkeypatch.setattr("cmhkf.features.extract.PART_EVERY_S", 0.0)
    monkeypatch.setattr("cmhkf.features.extract.PART_SHARE", 1e9)
    found = []
    for growing in (False, True):
        encoders = fake_encoders()
        encoders.video.block = 2
        analyzer = Analyzer(encoders, CONFIG, name="x", checkpoint=checkpoint, cache_dir=tmp_path / str(growing))
        *steps, analysis = analyzer.steps(clip_file, growing=growing)
        told = [step.analysis.n_snippets for step in steps if isinstance(step, Growing)]
        assert told == ([2, 4, 6, 8] if growing else [])
        found.append(analysis)
        assert analyzer.analyze(clip_file).scores.tolist() == analysis.scores.tolist()
    plain, grown = found
    for name in (*CURVES, "clip_embeddings", "fused_embeddings", "top_classes", "saliency_peaks"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(grown, name))
    for group in ("cues", "modality_scores"):
        for name, values in getattr(plain, group).items():
            np.testing.assert_array_equal(getattr(grown, group)[name], values)


def test_a_trained_model_serves_clips_without_sound(checkpoint):
    analysis = analyse(
        Analyzer(fake_encoders(), CONFIG, name="x", checkpoint=checkpoint), make_features(20, sound=False)
    )
    assert (analysis.modalities, set(analysis.modality_scores)) == ("VT", {"without_text"})


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


@pytest.mark.parametrize("n", [1, 2, 256, 257, 511, 700])
def test_rows_are_projected_window_by_window_as_they_are_at_once(n):
    """Oracle: one product of all rows, which some CPUs round in another way where a window ends."""
    rows = np.random.default_rng(n).normal(size=(n, 4420)).astype(np.float32)
    random = np.random.default_rng(0).standard_normal((4420, 512), np.float32)
    whole = rows @ (random / np.sqrt(512, dtype=np.float32))
    np.testing.assert_allclose(to_512(in_file(rows)), whole, rtol=0, atol=1e-4, strict=True)


@pytest.mark.parametrize("trained", [True, False])
def test_rows_in_files_are_analysed_as_rows_in_memory(checkpoint, trained):
    analyzer = Analyzer(fake_encoders(), CONFIG, name="x", checkpoint=checkpoint if trained else None)
    features = make_features(600)
    filed = {name: in_file(getattr(features, name)) for name in ("video", "semantic", "audio")}
    one, two = analyse(analyzer, features), analyse(analyzer, replace(features, **filed))
    for name in (*CURVES, "top_classes", "saliency_peaks", "clip_embeddings", "fused_embeddings"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name, strict=True)
    assert one.modality_scores.keys() == two.modality_scores.keys()
    for name, scores in one.modality_scores.items():
        np.testing.assert_array_equal(scores, two.modality_scores[name])


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
