"""CLIP with random values in the true shape and file formats, against open_clip's own loading and preprocessing."""

import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import cmhkf
from cmhkf.encoders.clip import (
    MODEL,
    OPENAI_ONLY,
    ClipVideoEncoder,
    build_clip,
    empty_clip,
    find_weights,
    load_clip,
    tokenise,
    wanted,
)
from cmhkf.encoders.device import compute_dtype
from cmhkf.encoders.tensors import read_tensors
from cmhkf.encoders.weights import find
from cmhkf.errors import WeightsError
from cmhkf.files import sha256_of

TEXTS = ("normal", "car accident", "a person in a supermarket")


@pytest.fixture(scope="module", autouse=True)
def environment(tmp_path_factory):
    """No real cache of this machine is looked at, and there is no way to the network."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CMHKF_CLIP_WEIGHTS", "HF_HUB_CACHE", "HF_HUB_OFFLINE"):
            patch.delenv(name, raising=False)
        patch.setenv("CMHKF_HOME", str(home / "cmhkf"))
        patch.setenv("HF_HOME", str(home / "hf"))
        patch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
        patch.setenv("HF_ENDPOINT", "https://hub.invalid")
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The published file's keys, shapes and size, with random values."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("clip") / "open_clip_model.safetensors"
    model = open_clip.create_model(MODEL, pretrained=None)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    yield path
    shutil.rmtree(path.parent)


@pytest.fixture(scope="module")
def fp32(weights):
    return load_clip(str(weights), device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def oracle(weights):
    return open_clip.create_model(MODEL, pretrained=str(weights)).eval()


@pytest.fixture(scope="module")
def frames():
    """Snippets of one 224 px picture each: noise, a gradient, a flat colour."""
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    ramp = np.broadcast_to(np.arange(224, dtype=np.uint8)[:, None, None], (224, 224, 3))
    flat = np.full((224, 224, 3), (200, 30, 90), np.uint8)
    return np.stack([noise, ramp, flat])[:, None]  # [3, 1, 224, 224, 3]


@pytest.fixture(scope="module")
def exact(fp32, frames):
    return fp32[0].encode(frames)


@torch.inference_mode()
def test_rows_equal_open_clips_own_pipeline(fp32, exact, oracle, frames):
    preprocess = open_clip.image_transform(
        224, is_train=False, mean=oracle.visual.image_mean, std=oracle.visual.image_std
    )
    pictures = torch.stack([preprocess(Image.fromarray(f[0])) for f in frames])
    expected = oracle.encode_image(pictures).numpy()
    rows = exact
    assert rows.video.dtype == rows.semantic.dtype == np.float32
    np.testing.assert_allclose(rows.video, expected, atol=1e-5)
    assert not np.allclose(np.linalg.norm(rows.video, axis=1), 1, atol=1e-2)  # C.1: not normalised
    np.testing.assert_allclose(rows.semantic, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
    tokens = open_clip.get_tokenizer(MODEL)(list(TEXTS))  # [3, 77]
    np.testing.assert_allclose(fp32[1].encode(TEXTS), oracle.encode_text(tokens, normalize=True).numpy(), atol=1e-5)


def test_the_text_context_is_cut_to_what_the_texts_need():
    tokens, ends = tokenise(TEXTS)
    assert (ends.tolist(), tokens.shape) == ([2, 3, 6], (3, 7))
    tokens, ends = tokenise(["word " * 100])
    assert (tokens.shape, tokens[0, 76]) == ((1, 77), tokens.max())


def test_rows_do_not_depend_on_the_batch(fp32, exact, frames):
    together = fp32[0].encode(np.concatenate([frames] * 6)).video  # 18 frames: more than one pass
    np.testing.assert_allclose(together, np.concatenate([exact.video] * 6), atol=1e-5)
    np.testing.assert_allclose(fp32[0].encode(frames[1:2]).video, exact.video[1:2], atol=1e-5)


def test_bf16_keeps_the_direction_and_the_recipe(weights, fp32, exact, frames):
    video, text, _ = load_clip(str(weights), device="cpu", dtype=torch.bfloat16)
    cast = video.encode(frames)
    cosine = (exact.semantic * cast.semantic).sum(axis=1)
    assert cosine.min() > 0.999
    assert cosine.min() < 1 - 1e-9  # it really was another format
    assert cast.video.dtype == np.float32
    assert video.tower.projection.dtype == torch.bfloat16
    assert video.identity == fp32[0].identity  # a checkpoint serves machines of either format
    np.testing.assert_array_equal(text.encode(TEXTS), fp32[1].encode(TEXTS))  # the text tower stays as it was


def test_the_identity_says_how_rows_were_made(weights, fp32):
    video, text, model = fp32
    identity = dict(video.identity)
    assert (identity["name"], identity["model"]) == ("CLIP ViT-B/16", "ViT-B-16-quickgelu")
    assert (identity["weights"], identity["activation"]) == (sha256_of(weights), "QuickGELU")
    assert identity["frames"] == "8"
    assert "bicubic" in identity["picture"]
    assert (identity["normalisation"], dict(text.identity)["weights"]) == ("none", identity["weights"])
    assert not any(p.requires_grad for p in model.parameters())
    assert sum(p.numel() for p in empty_clip().parameters()) == 149_620_737


def test_the_two_published_files_are_one_recipe(fp32):
    hub, openai = (file.sha256 for file in wanted().files)
    one, other = (ClipVideoEncoder(fp32[0].tower, weights_sha256=sha256).identity for sha256 in (hub, openai))
    assert one == other


class Archived(open_clip.CLIP):
    """CLIP as OpenAI archived it, with a program short enough to trace at once."""

    def forward(self, x):
        return x


def test_openais_torchscript_archive(weights, exact, tmp_path, frames, monkeypatch):
    """Half-precision matrices, and three numbers stored as tensors, as in the published file."""
    path = tmp_path / "cache" / "clip" / "ViT-B-16.pt"
    path.parent.mkdir(parents=True)
    model = build_clip(find(wanted(), weights), device="cpu")
    open_clip.model.convert_weights_to_lp(model, torch.float16)
    model.__class__ = Archived
    del model.attn_mask, model.context_length, model.vocab_size
    for name, value in zip(OPENAI_ONLY, (224, 77, 49408), strict=True):
        model.register_buffer(name, torch.tensor(value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(model, torch.zeros(1)), str(path))
    assert set(OPENAI_ONLY) < set(read_tensors(path))

    video, _, _ = load_clip(str(path), device="cpu", dtype=torch.float32)
    cosine = (video.encode(frames).semantic * exact.semantic).sum(axis=1)
    assert cosine.min() > 0.9999

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where the archive lies is looked at, and its hash
    with pytest.raises(WeightsError, match=r"ViT-B-16\.pt has 5806e77c\w{56}: it is damaged or another file"):
        find_weights()


def test_the_hub_cache_is_found_and_a_wrong_hash_refused(weights):
    """The random file has the published one's exact size, so that only the hash tells them apart."""
    place = wanted().files[0].places[0]
    assert "models--timm--vit_base_patch16_clip_224.openai" in str(place)
    place.parent.mkdir(parents=True)
    place.symlink_to(weights)
    try:
        with pytest.raises(WeightsError) as caught:
            load_clip()
    finally:
        place.unlink()
    assert str(caught.value).startswith(f"{place} has the SHA-256 {sha256_of(weights)}, where ")
    assert "4b8699299b1e8997753c64b052ba32031449d5d853f55a039148560ee02b820f" in str(caught.value)


@pytest.mark.serial
def test_offline_without_weights_is_said_at_once_and_in_full():
    started = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        load_clip()
    assert time.monotonic() - started < 3
    text = str(caught.value)
    for part in (
        "CLIP ViT-B/16: the weights are not on this machine, and hub.invalid",
        "CMHKF_CLIP_WEIGHTS",
        "open_clip_model.safetensors (598,516,980 bytes, SHA-256 4b869929",
        "ViT-B-16.pt (SHA-256 5806e77c",
        str(Path("clip") / "ViT-B-16.pt"),
        "hub.invalid/timm/vit_base_patch16_clip_224.openai/resolve/977e3dd0ec55ab8da155f2fbeb6b5f54948b6e3d/",
        "  1. ",
        "  2. ",
        "  3. ",
    ):
        assert part in text
    with pytest.raises(WeightsError, match="not on this machine\n"):
        find_weights()


def test_the_zero_shot_preset_analyses_a_clip_and_calls_itself_untrained(weights, numbered_clip, monkeypatch):
    monkeypatch.setenv("CMHKF_CLIP_WEIGHTS", str(weights))
    analyzer = cmhkf.load("zero-shot")
    assert analyzer.encoders.video.dtype == compute_dtype("cpu")  # the format that the hardware multiplies
    analysis = analyzer.analyze(numbered_clip)
    assert not analysis.trained
    assert analysis.score_source == "1 - P(normal), untrained"
    assert (analysis.encoders, analysis.modalities) == ("CLIP ViT-B/16 (not the published weights)", "VT")
    assert analysis.clip_embeddings.shape == (3, 512)
    np.testing.assert_allclose(analysis.scores, 1 - analysis.class_probs[:, 0], atol=1e-6)
    odds = np.exp(analysis.similarity / 0.01)  # CLIP's own temperature
    np.testing.assert_allclose(analysis.class_probs, odds / odds.sum(1, keepdims=True), rtol=1e-3)
