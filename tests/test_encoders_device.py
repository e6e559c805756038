"""The model in half and double precision, and as an exported program, beside float32."""

from copy import deepcopy

import pytest
import torch

from cmhkf.model import cvka, losses
from cmhkf.model.afae import AudioBranch
from cmhkf.model.build import build_model
from cmhkf.model.config import AfaeConfig, ModelConfig
from cmhkf.model.output import ModelOutput
from cmhkf.training.mil import mil_config

WINDOWS, CLASSES = 16, 7
LOGITS_WITHIN = 0.1  # of float32's, in bfloat16


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def given():
    """Rows as CLIP makes them, already in bfloat16's values: all much alike, and class texts near one another."""
    torch.manual_seed(1)
    common, common_text = torch.randn(64), torch.randn(64)
    video = common + 0.25 * torch.randn(WINDOWS, 96, 64).cumsum(dim=1) / 5
    text = common_text + 0.01 * torch.randn(CLASSES, 64)
    audio, lengths = torch.randn(WINDOWS, 96, 8), torch.randint(30, 97, (WINDOWS,))
    video, text, audio = (rows.bfloat16().float() for rows in (video, text, audio))
    return video, lengths, text, audio


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(2)
    made = build_model(ModelConfig(dim=64, video_dim=64, semantic_dim=64, audio_dim=8)).eval()
    return made.bfloat16().float()  # so that casting it changes none of its values


def look(model, given, dtype=torch.float32):
    video, lengths, text, audio = given
    with torch.inference_mode():
        return model(video.to(dtype), lengths, text.to(dtype), audio=audio.to(dtype))


def in_bfloat16(model, given, how):
    if how == "cast":
        return look(deepcopy(model).bfloat16(), given, torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        return look(model, given)


@pytest.mark.parametrize("how", ["autocast", "cast"])
def test_bfloat16_chooses_the_same_classes_and_peaks(model, given, how):
    expected, found = look(model, given), in_bfloat16(model, given, how)
    assert torch.equal(found.top_classes, expected.top_classes)
    assert torch.equal(found.peaks, expected.peaks)
    mask = expected.mask
    for name in ("similarity", "saliency", "windowed_saliency"):
        value = getattr(found, name)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value[mask], getattr(expected, name)[mask], atol=1e-5, rtol=1e-5)
    assert found.logits.dtype == found.alignment.dtype == torch.float32
    assert (found.logits - expected.logits)[mask].abs().max() < LOGITS_WITHIN


def test_rounded_similarities_would_choose_others(given):
    """The data can tell: what bfloat16's own products choose differs."""
    video, lengths, text, _ = given
    mask = torch.arange(96) < lengths[:, None]
    exact = cvka.similarity(video, text)
    unit = torch.nn.functional.normalize
    rounded = (unit(video, dim=-1).bfloat16() @ unit(text, dim=-1).bfloat16().T).float()
    choices = [cvka.select(similarity, mask, 2) for similarity in (exact, rounded)]
    assert not torch.equal(*choices)


def test_half_precision_learns(model, given):
    """Gradients pass through the parts that leave autocast."""
    trained = deepcopy(model).train()
    video, lengths, text, audio = given
    with torch.autocast("cpu", torch.bfloat16):
        output = trained(video, lengths, text, audio=audio)
        losses.total(output, torch.eye(CLASSES)[torch.arange(WINDOWS) % CLASSES], text=text).total.backward()
    learned = [p for name, p in trained.named_parameters() if "no_audio" not in name]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learned)


@pytest.mark.parametrize("aggregate", ["weight", "pool", "residual", "none"])
def test_double_precision_equals_float32(given, aggregate):
    config = ModelConfig(dim=64, video_dim=64, semantic_dim=64, audio_dim=8, afae=AfaeConfig(aggregate=aggregate))
    model = build_model(config).eval()
    exact = look(deepcopy(model).double(), given, torch.float64)
    assert exact.logits.dtype == exact.similarity.dtype == exact.saliency.dtype == torch.float64
    found = look(model, given)
    torch.testing.assert_close(found.logits[found.mask].double(), exact.logits[exact.mask], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("how", ["float32", "no sound", "mil"])
def test_an_exported_program_gives_the_same_numbers(model, given, how):
    video, lengths, text, audio = given
    made = build_model(mil_config("xd-violence")).eval() if how == "mil" else model
    if how == "mil":
        video, text = torch.randn(3, 20, 512), torch.randn(CLASSES, 512)
        lengths = torch.tensor([20, 7, 12])
    named = {"audio": audio} if how == "float32" else {}
    program = torch.export.export(made, (video, lengths, text), named)
    shorter = (lengths // 2).clamp(min=1)  # the lengths are data, not built in
    for n in (lengths, shorter):
        with torch.inference_mode():
            expected, found = made(video, n, text, **named), program.module()(video, n, text, **named)
        assert isinstance(found, ModelOutput)
        torch.testing.assert_close(found.logits[expected.mask], expected.logits[expected.mask], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.class_probs[expected.mask], expected.class_probs[expected.mask])
        assert torch.equal(found.top_classes, expected.top_classes)


def test_the_sound_stream_without_packing_equals_the_packed_one():
    stream = AudioBranch(5, 8, layer_norm=True, how="weight").eval()
    audio, lengths = torch.randn(4, 11, 5), torch.tensor([11, 1, 6, 10])
    with torch.inference_mode():
        packed = stream.encode(audio, lengths)
        unpacked = stream._masked(stream._unpacked(audio, lengths), lengths)
    torch.testing.assert_close(unpacked, packed)
