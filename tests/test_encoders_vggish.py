"""VGGish with random values in the true format: front end, cutting and network against torchvggish itself."""

import os
import re
import shutil
import time

import numpy as np
import pytest
import torch
from torchvggish import mel_features
from torchvggish.torchvggish import VGG, make_layers
from torchvggish.vggish_input import waveform_to_examples

from cmhkf.encoders.logmel import SILENCE, log_mel
from cmhkf.encoders.vggish import cut, find_weights, load_vggish, wanted
from cmhkf.errors import WeightsError
from cmhkf.files import sha256_of
from cmhkf.timeline import Timeline

RATE = 16_000


@pytest.fixture(scope="module", autouse=True)
def environment(tmp_path_factory):
    """No real cache of this machine is looked at."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CMHKF_VGGISH_WEIGHTS", raising=False)
        patch.delenv("CMHKF_VGGISH_PCA", raising=False)
        patch.setenv("CMHKF_HOME", str(home / "cmhkf"))
        patch.setenv("TORCH_HOME", str(home / "torch"))
        yield


@pytest.fixture(scope="module")
def stock():
    """torchvggish's own network, scaled so that random rows are neither zero nor huge."""
    torch.manual_seed(0)
    return VGG(make_layers(), postprocess=False).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def weights(stock, tmp_path_factory):
    path = tmp_path_factory.mktemp("vggish") / "vggish-10086976.pth"
    torch.save(stock.state_dict(), path)
    yield path
    shutil.rmtree(path.parent)


@pytest.fixture(scope="module")
def encoder(weights):
    return load_vggish(str(weights), device="cpu", dtype=torch.float32)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def stock_log_mel(waveform: np.ndarray) -> np.ndarray:
    bands = {"num_mel_bins": 64, "lower_edge_hertz": 125, "upper_edge_hertz": 7500}
    return mel_features.log_mel_spectrogram(waveform.astype(float), audio_sample_rate=RATE, log_offset=0.01, **bands)


@pytest.mark.parametrize("kind", ["noise", "loud noise", "faint noise", "tone", "sweep", "click", "silence"])
def test_log_mel_equals_torchvggishs(kind):
    t = np.arange(2 * RATE) / RATE
    waveform = {
        "noise": noise(2),
        "loud noise": noise(2).clip(-1, 1) * 8,
        "faint noise": noise(2) * 1e-3,
        "tone": np.sin(2 * np.pi * 440 * t),
        "sweep": np.sin(2 * np.pi * 4000 * t * t / 4),
        "click": np.eye(1, 2 * RATE, 9000)[0],
        "silence": np.zeros(2 * RATE),
    }[kind]
    ours = log_mel(waveform)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, stock_log_mel(waveform), atol=1e-4)
    if kind == "silence":
        np.testing.assert_allclose(ours, SILENCE, atol=1e-6)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (15_600, 96)])
def test_log_mel_has_a_row_per_whole_frame(samples, frames):
    assert log_mel(np.zeros(samples)).shape == (frames, 64)
    assert log_mel(np.zeros((3, samples))).shape == (3, frames, 64)


def test_rows_are_cut_at_the_rounded_start_and_never_drift():
    """Against frames of the whole track: row n starts at frame round(100 (end - 0.96)) (C.2)."""
    line = Timeline(270, 180.0)
    waveform = noise(185)
    frames = log_mel(waveform)
    rows = log_mel(cut(waveform, 0.0, line.ends_s[::21]))
    for row, end in zip(rows, line.ends_s[::21], strict=True):
        first = round(100 * (end - 0.96))
        if first >= 0:
            np.testing.assert_allclose(row[:94], frames[first : first + 94], atol=1e-5)
            assert abs(first / 100 + 0.96 - end) <= 0.005 + 1e-9
    assert rows.shape == (13, 96, 64)


def test_before_the_clip_there_is_silence():
    rows = log_mel(cut(noise(2), 0.0, Timeline(2, 2.0).ends_s))
    np.testing.assert_allclose(rows[0, :27], SILENCE, atol=1e-6)  # the clip begins 29 frames into the window
    assert (rows[0, 30:] > SILENCE + 0.1).all()
    assert (rows[1] > SILENCE + 0.1).all()


def test_sound_after_a_snippets_end_changes_nothing():
    waveform, ends = noise(7), Timeline(9, 6.0).ends_s
    rows = cut(waveform, 0.0, ends)
    for i, end in enumerate(ends):
        known = waveform[: round(end * RATE)]
        np.testing.assert_array_equal(cut(known, 0.0, ends[i : i + 1]), rows[i : i + 1])


def test_the_last_frames_are_as_loud_as_the_others():
    """They reach past the end: mirrored sound keeps their level, where zeros would take away up to half."""
    ends = np.arange(2, 200) / 3.0 + 1
    rows = log_mel(cut(noise(70), 0.0, ends))  # [198, 96, 64]
    level = rows.mean(axis=(0, 2))  # [96]
    assert level[:94].std() < 0.01
    np.testing.assert_allclose(level[94:], level[:94].mean(), atol=0.1)


def test_bf16_keeps_the_direction_and_the_recipe(encoder, weights):
    cast = load_vggish(str(weights), device="cpu", dtype=torch.bfloat16)
    waveform, ends = noise(6.1), Timeline(9, 6.0).ends_s
    rows, exact = (made.encode(waveform, 0.0, ends).audio for made in (cast, encoder))
    cosine = (rows * exact).sum(axis=1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosine.min() > 0.999
    assert cosine.min() < 1 - 1e-9  # it really was another format
    assert (rows.dtype, cast.identity) == (np.float32, encoder.identity)


def test_rows_do_not_depend_on_how_the_sound_is_handed_over(encoder):
    """Whole; in two blocks with only the stated context before each; one row at a time."""
    waveform, ends = noise(6.1), Timeline(9, 6.0).ends_s
    whole = encoder.encode(waveform, 0.0, ends).audio
    assert (whole.shape, whole.dtype) == ((9, 128), np.float32)
    assert (np.ptp(whole, axis=0) > 0).any()
    for sizes in ([4, 5], [1] * 9):
        parts, done = [], 0
        for size in sizes:
            part = ends[done : done + size]
            start = max(0, int((part[0] - encoder.context_s) * RATE))
            parts.append(encoder.encode(waveform[start : round(part[-1] * RATE)], start / RATE, part).audio)
            done += size
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)
    assert encoder.encode(waveform, 0.0, ends[:0]).audio.shape == (0, 128)


def test_rows_equal_torchvggishs_where_both_apply(encoder, stock):
    """A window that begins on its grid and ends where the sound does: torchvggish needs 0.975 s for it."""
    waveform = noise(4)
    firsts = np.array([0, 96, 192])
    ends = firsts / 100 + 0.96
    examples = waveform_to_examples(waveform.astype(np.float64), RATE).detach()[:3]  # [3, 1, 96, 64]
    patches = log_mel(cut(waveform, 0.0, ends))
    np.testing.assert_allclose(patches[:, :94], examples[:, 0, :94].numpy(), atol=1e-4)
    with torch.inference_mode():
        expected = stock(torch.from_numpy(patches)[:, None])
    np.testing.assert_allclose(encoder.encode(waveform, 0.0, ends).audio, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("length", [0, 1, 399, 15_599])
def test_very_short_sound_still_gives_a_row(encoder, length):
    row = encoder.encode(noise(1)[:length], 0.0, np.array([2 / 3])).audio
    assert row.shape == (1, 128)
    assert np.isfinite(row).all()


def test_the_recipe_tells_the_weights_and_the_kind_of_rows(encoder, weights):
    told = {"weights": sha256_of(weights), "final_relu": "true", "postprocess": "none"}
    assert dict(encoder.identity).items() >= told.items()


def test_missing_key_and_truncation_are_named(stock, tmp_path):
    tensors = {name: value for name, value in stock.state_dict().items() if name != "embeddings.4.bias"}
    path = tmp_path / "vggish.pth"
    torch.save(tensors, path)
    with pytest.raises(WeightsError, match=r"does not fit this network: it is missing embeddings\.4\.bias\n"):
        load_vggish(str(path))
    os.truncate(path, 1_000_000)
    with pytest.raises(WeightsError, match="is damaged, cut short or of another kind"):
        load_vggish(str(path))


def test_torchs_cache_is_found_and_its_content_checked():
    place = wanted().files[0].places[0]
    assert place.parts[-3:] == ("hub", "checkpoints", "vggish-10086976.pth")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    os.truncate(place, 288_567_937)
    with pytest.raises(WeightsError, match=rf"{re.escape(str(place))} has the SHA-256 .* where .* has 10086976"):
        find_weights()
    place.unlink()


@pytest.mark.serial
def test_offline_without_weights_is_said_at_once(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # a closed door, whatever network the machine has
    started = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        load_vggish()
    assert time.monotonic() - started < 3
    text = str(caught.value)
    assert text.startswith("VGGish: the weights are not on this machine, and github.com cannot be reached")
    assert "vggish-10086976.pth (288,567,937 bytes, SHA-256 10086976245803799d" in text
    assert "CMHKF_VGGISH_WEIGHTS" in text
