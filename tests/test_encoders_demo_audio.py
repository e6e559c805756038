"""The demo preset's ear, against the packages it was converted from and against plain loops."""

from __future__ import annotations

import importlib.util
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cmhkf.encoders.demo import aisfx, movie_sounds, sound_kinds
from cmhkf.encoders.demo import audio as demo_audio
from cmhkf.encoders.demo.audio import EFFECTS, KINDS, LEVEL, LOGMEL_MEAN, DemoAudioEncoder, load_audio, sound_cues
from cmhkf.encoders.demo.shipped import SOUND_KINDS

RATE = aisfx.RATE_HZ


@pytest.fixture(scope="module")
def encoder() -> DemoAudioEncoder:
    return load_audio("cpu")


@pytest.fixture(scope="module")
def kinds() -> sound_kinds.SoundKinds:
    return sound_kinds.load_sound_kinds()


def sounds() -> dict[str, np.ndarray]:
    """One second each at 16 kHz."""
    rng = np.random.default_rng(0)
    t = np.arange(16_000) / 16_000
    return {
        "noise": 0.1 * rng.normal(size=16_000),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * t),
        "burst": rng.normal(size=16_000) * np.exp(-12 * t),
        "late burst": np.concatenate([np.zeros(12_000), rng.normal(size=4_000)]),
        "buzz": 0.2 * np.sign(np.sin(2 * np.pi * 200 * t)),
        "rumble": np.cumsum(rng.normal(size=16_000)) / 100,
        "silence": np.zeros(16_000),
    }


@pytest.mark.parametrize("name", sounds())
def test_features_are_the_packages(name):
    """Oracle: pyAudioAnalysis' own short-term features, their mean and deviation over the second."""
    short_term = pytest.importorskip("pyAudioAnalysis.ShortTermFeatures")
    sound = sounds()[name]
    frames, _ = short_term.feature_extraction(sound * 2**15, 16_000, 800, 800)  # [68, 20]
    expected = np.concatenate([frames.mean(axis=1), frames.std(axis=1)])
    np.testing.assert_allclose(movie_sounds.features(sound[None])[0], expected, atol=1e-9)


def package_machine() -> object:
    """The support vector machine as the package ships it, opened by sklearn."""
    package = importlib.util.find_spec("pyAudioAnalysis")
    if package is None or package.origin is None:
        pytest.skip("pyAudioAnalysis is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pickle.loads((Path(package.origin).parent / "data/models/svm_rbf_movie8class").read_bytes())


def test_probabilities_are_the_packages():
    """Oracle: sklearn's predict_proba, which stops iterating within 0.005 / 8 of what is solved exactly here."""
    machine, ours = package_machine(), movie_sounds.load_movie_sounds()
    scaled = np.random.default_rng(1).normal(size=(300, 136))
    found = ours.probabilities(scaled * ours.std + ours.mean)
    expected = machine.predict_proba(scaled)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.99


def test_coupling_returns_what_the_pairs_were_made_of():
    """Pairs P(i | i or j) = p_i / (p_i + p_j) of known probabilities determine them."""
    p = np.random.default_rng(2).dirichlet(np.ones(5), size=20)
    i, j = np.triu_indices(5, 1)
    np.testing.assert_allclose(movie_sounds.couple(p[:, i] / (p[:, i] + p[:, j]), 5), p, atol=1e-9)


def test_spectrogram_equals_a_loop():
    """Oracle: frame by frame and band by band with a plain Fourier sum, in float64."""
    sound = np.random.default_rng(3).normal(size=aisfx.BLOCK).astype(np.float32) * 0.02
    found = aisfx.spectrogram(sound[None])[0]
    assert found.shape == (100, 96)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 22050 / 700), 98) / 2595) - 1)
    hertz = np.arange(1025) * 44100 / 2048
    for frame in (0, 41, 99):
        piece = sound[frame * 1024 : frame * 1024 + 2048].astype(float) / np.abs(sound).max()
        power = np.abs(np.fft.rfft(piece * np.hanning(2048))) ** 2
        for band in (0, 30, 95):
            weights = np.interp(hertz, edges[band : band + 3], [0, 1, 0], left=0, right=0)
            expected = np.log10(1e4 * (power @ weights) / weights.sum() + 1) / aisfx.LARGEST
            assert found[frame, band] == pytest.approx(expected, rel=1e-4)


def test_spectrogram_does_not_know_loudness_and_bears_silence():
    sound = np.random.default_rng(4).normal(size=(1, aisfx.BLOCK)).astype(np.float32)
    np.testing.assert_allclose(aisfx.spectrogram(sound * 0.01), aisfx.spectrogram(sound), atol=1e-5)
    assert not aisfx.spectrogram(np.zeros((1, aisfx.BLOCK), np.float32)).any()


def clip(seconds: float = 8.0) -> np.ndarray:
    """Noise that swells and falls, with a bang at 4 s."""
    rng = np.random.default_rng(5)
    t = np.arange(int(seconds * RATE)) / RATE
    loud = 0.02 + 0.05 * np.sin(t) ** 2 + 0.6 * np.exp(-8 * np.abs(t - 4))
    return (loud * rng.normal(size=len(t))).clip(-1, 1).astype(np.float32)


def test_rows_do_not_depend_on_how_the_sound_is_cut(encoder):
    sound, ends = clip(), np.arange(1, 13) * 2 / 3
    whole = encoder.encode(sound, 0.0, ends)
    assert (whole.audio.shape, whole.audio.dtype) == ((12, encoder.audio_dim), np.float32)
    for cut in (1, 5, 11):
        start = max(0, int((ends[cut] - encoder.context_s) * RATE) - 1)
        early = encoder.encode(sound[: int(np.ceil(ends[cut - 1] * RATE))], 0.0, ends[:cut])
        late = encoder.encode(sound[start:], start / RATE, ends[cut:])
        joined = np.concatenate([early.audio, late.audio])
        np.testing.assert_allclose(joined, whole.audio, atol=2e-3)  # bfloat16 kernels vary with the batch


def test_what_is_missing_counts_as_silence(encoder):
    sound, ends = clip(2.0), np.array([0.5, 2.4])
    padded = np.concatenate([np.zeros(3 * RATE, np.float32), sound, np.zeros(RATE, np.float32)])
    rows, expected = encoder.encode(sound, 0.0, ends), encoder.encode(padded, -3.0, ends)
    np.testing.assert_allclose(rows.audio, expected.audio, atol=1e-6)


def test_silence_gives_finite_rows_and_no_cues(encoder, kinds):
    ends = np.array([2 / 3, 8 / 3])
    for sound in (np.zeros(3 * RATE, np.float32), np.zeros(0, np.float32), np.zeros(1, np.float32)):
        rows = encoder.encode(sound, 0.0, ends)
        assert np.isfinite(rows.audio).all()
        assert not rows.audio[:, LOGMEL_MEAN].any()
        np.testing.assert_allclose(rows.audio[:, LEVEL], 0, atol=1e-6)
        assert not any(values.any() for values in sound_cues(kinds, rows.audio, ends).values())


def test_no_snippets_give_no_rows(encoder):
    rows = encoder.encode(clip(1.0), 0.0, np.zeros(0))
    assert rows.audio.shape == (0, encoder.audio_dim)


def test_loudness_is_carried_beside_the_normalised_parts(encoder):
    tone = np.sin(2 * np.pi * 1000 * (np.arange(3 * RATE) / RATE)).astype(np.float32)
    loud, soft = (encoder.encode(tone * gain, 0.0, np.array([3.0])).audio[0] for gain in (1.0, 0.1))
    assert loud[LEVEL][0] == pytest.approx(1 - 0.0301, abs=1e-3)  # a full sine lies 3.01 dB under full scale
    assert loud[LEVEL][0] - soft[LEVEL][0] == pytest.approx(0.2, abs=1e-3)
    np.testing.assert_allclose(loud[KINDS], soft[KINDS], atol=1e-3)
    np.testing.assert_allclose(loud[EFFECTS], soft[EFFECTS], atol=2e-2)


def row_of(embedding: np.ndarray, level_db: float) -> np.ndarray:
    """An audio row that holds nothing but these."""
    row = np.zeros(demo_audio.AUDIO_DIM, np.float32)
    row[EFFECTS], row[LEVEL] = embedding / demo_audio.EFFECTS_NORM, 1 + level_db / 100
    return row


def test_the_heads_are_the_packages_perceptrons(kinds):
    """Oracle: torch's own layers, with the weights as they are in the file."""
    arrays = load_file(SOUND_KINDS.path)
    embeddings = torch.from_numpy(np.random.default_rng(1).random((5, aisfx.FEATURES), np.float32))
    for head, (said, n) in enumerate(zip(kinds.log_probabilities(embeddings.numpy()), (78, 79, 69), strict=True)):
        layers = [torch.nn.Linear(*size) for size in ((512, 256), (256, 128), (128, n))]
        for i, layer in enumerate(layers):
            state = {name: arrays[f"{head}.{i}.{name}"].float() for name in ("weight", "bias")}
            layer.load_state_dict(state)
        net = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
        with torch.inference_mode():
            np.testing.assert_allclose(said, net(embeddings).log_softmax(dim=1), atol=1e-4)


def test_a_cue_is_half_where_its_heads_agree_on_its_half(kinds):
    embeddings = 2 * np.random.default_rng(2).random((40, aisfx.FEATURES), np.float32)
    rows = np.stack([row_of(embedding, -20) for embedding in embeddings])
    cues, said = sound_cues(kinds, rows, np.full(40, 9.0)), kinds.log_probabilities(embeddings)
    assert set(cues) == {"gunshot", "explosion", "breaking glass", "crowd"} <= demo_audio.SOUND_CUES
    for name, kind in sound_kinds.KINDS.items():
        mean = np.mean([head[:, i] for head, i in zip(said, kind.outputs, strict=True)], axis=0)
        np.testing.assert_allclose(np.log(cues[name] / (1 - cues[name])), 2 * (mean - kind.half), atol=1e-2)


def test_cues_fade_below_what_is_loud_and_leave_the_beginning_unjudged(kinds):
    embedding = 2 * np.random.default_rng(3).random(aisfx.FEATURES, np.float32)
    rows = np.stack([row_of(embedding, level_db) for level_db in (-5, -35, -40, -45, -60, -5)])
    for values in sound_cues(kinds, rows, np.array([9, 9, 9, 9, 9, 2.3])).values():
        assert values[0] > 0
        np.testing.assert_allclose(values / values[0], [1, 1, 0.5, 0, 0, 0], atol=1e-5)


def test_the_recipe_of_the_rows_is_the_one_that_heads_were_trained_on(encoder):
    """Cues changed and rows did not: a checkpoint of before must go on reading them."""
    assert ("cues", "from -20 to -10 dB") in encoder.identity
    assert len(encoder.identity) == 9


def test_bfloat16_hears_what_float32_hears():
    spectra = torch.from_numpy(aisfx.spectrogram(clip(3.0)[None, -aisfx.BLOCK :]))
    exact = aisfx.load_aisfx("cpu", torch.float32)(spectra)
    fast = aisfx.load_aisfx("cpu", torch.bfloat16)(spectra.bfloat16())
    assert torch.cosine_similarity(exact, fast).item() > 0.999


def test_the_blocks_fill_the_row():
    named = [getattr(demo_audio, name) for name in ("LOGMEL_MEAN", "LOGMEL_STD", "EFFECTS", "KINDS", "LEVEL")]
    assert ([b.start for b in named], named[-1].stop) == ([0, *(b.stop for b in named[:-1])], demo_audio.AUDIO_DIM)
