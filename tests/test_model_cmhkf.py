"""The whole model: padding, batching, sizes, every switch, and the heads against loops written from the reading."""

import math
from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch

from cmhkf.errors import ConfigError
from cmhkf.model import afae, cvka
from cmhkf.model.build import build_model
from cmhkf.model.config import AfaeConfig, AudioConfig, CvkaConfig, FineConfig, MkafConfig, ModelConfig, TemporalConfig
from cmhkf.model.output import ModelOutput

NAMES, WIDTHS = ("normal", "fighting", "riot", "explosion"), {"dim": 16, "video_dim": 16, "semantic_dim": 16}
TINY = ModelConfig(classes=NAMES, audio_dim=6, temporal=TemporalConfig(window=8), **WIDTHS)
FUSIONS = get_args(get_type_hints(MkafConfig)["type"])
VALUES = ("logits", "alignment", "similarity", "saliency", "windowed_saliency", "fused", "video")


def build(config=TINY, seed=0) -> Any:
    torch.manual_seed(seed)
    model = build_model(config).eval().requires_grad_(False)
    if model.sound:
        torch.nn.init.normal_(model.sound.no_audio)
    return model


def inputs(lengths, n=None, config=TINY, seed=1):
    rng = torch.Generator().manual_seed(seed)
    shape = (len(lengths), n or max(lengths))
    return {
        "video": torch.randn(*shape, config.video_dim, generator=rng),
        "lengths": torch.tensor(lengths),
        "text": torch.randn(len(config.classes), config.semantic_dim, generator=rng),
        "audio": torch.randn(*shape, config.audio_dim, generator=rng),
    }


def assert_same(got, expected, rows, atol=1e-5):
    """Compare two outputs over the first `rows` snippets."""
    for name in VALUES:
        pair = getattr(got, name)[:, :rows], getattr(expected, name)[:, :rows]
        torch.testing.assert_close(*pair, atol=atol, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
    assert got.peaks[:, :rows].equal(expected.peaks[:, :rows])
    assert got.top_classes.equal(expected.top_classes)
    torch.testing.assert_close(got.text, expected.text, atol=atol, rtol=1e-4)


CASES = [
    *(replace(TINY, mkaf=MkafConfig(type=kind)) for kind in FUSIONS),
    *(replace(TINY, modalities=modalities) for modalities in ("V", "VA", "VT")),
    replace(TINY, mkaf=MkafConfig(heads=4, residual=True, layer_norm=True)),
    replace(TINY, light=True),
    replace(TINY, cvka=CvkaConfig(k=0)),
    replace(TINY, afae=AfaeConfig(aggregate="pool")),
    replace(TINY, video_dim=10, semantic_dim=10),
    replace(TINY, score_probe=True),
]


TENSORS = [field.name for field in fields(ModelOutput) if field.name != "extras"]  # which a baseline alone has


@pytest.mark.parametrize("config", CASES, ids=range(len(CASES)))
def test_padding_and_company_change_nothing(config):
    """A batch of three equals three alone and unpadded, and whatever fills the padding has no effect at all."""
    model, lengths = build(config), (5, 40, 17)
    given = inputs(lengths, config=config)
    together = model(**given)
    for b, n in enumerate(lengths):
        alone = {name: given[name][b : b + 1, :n] for name in ("video", "audio")}
        alone |= {"lengths": torch.tensor([n]), "text": given["text"]}
        one = replace(together, **{name: value[b : b + 1] for name, value in vars(together).items() if name in TENSORS})
        assert_same(one, model(**alone), n)
    padding = torch.arange(40) >= given["lengths"][:, None]
    for filler in (7.0, float("nan")):
        dirty = given | {name: given[name].masked_fill(padding[..., None], filler) for name in ("video", "audio")}
        changed = model(**dirty)
        assert all(getattr(together, name).equal(getattr(changed, name)) for name in TENSORS)


@pytest.mark.parametrize("n", [1, 2, 15, 255, 256])
def test_any_length_up_to_a_window(n):
    out = build()(**inputs((n,)))
    for name in VALUES:
        assert getattr(out, name).isfinite().all(), name
    assert out.scores.shape == (1, n)
    assert out.alignment.shape == out.similarity.shape == (1, n, 4)
    assert out.fused.shape == out.video.shape == (1, n, 16)
    assert (out.top_classes.shape, out.text.shape, out.peaks.sum()) == ((1, 2), (1, 4, 16), n // 16 + 1)
    torch.testing.assert_close(out.saliency.mean(), torch.tensor(1.0))
    torch.testing.assert_close(out.class_probs.sum(-1), torch.ones(1, n))
    assert out.scores.min() >= 0
    assert out.scores.max() <= 1


@pytest.mark.parametrize(
    ("lengths", "n", "message"),
    [
        ((257,), None, "at most 256 snippets, got 257; split the video first"),
        ((0, 3), None, r"between 1 and 3, got \[0, 3\]"),
        ((4,), 3, r"between 1 and 3, got \[4\]"),
    ],
)
def test_sizes_are_refused(lengths, n, message):
    with pytest.raises(ValueError, match=message):
        build()(**inputs(lengths, n))


def test_parameter_counts_of_the_papers_model():
    """Oracle: VadCLIP's 9,489,922 without its prompt table (77 x 512) and its unused sigma is our video-only model."""

    def count(module):
        return sum(p.numel() for p in module.parameters())

    with torch.device("meta"):
        video_only, full = build_model(ModelConfig(modalities="V")), build_model(ModelConfig())
    assert count(video_only) == 9_489_922 - 77 * 512 - 1
    assert full.sound is not None
    assert full.fusion is not None
    assert count(full.sound.lstm) == 790_528
    # MKAF per stream: Wq, Wo 512 -> 512, Wk, Wv 1536 -> 512, FFN 512 -> 2048 -> 512; one Linear 1536 -> 512.
    assert count(full.fusion) == 3 * (2 * 513 * 512 + 2 * 1537 * 512 + 513 * 2048 + 2049 * 512) + 1537 * 512
    assert count(full) == count(video_only) + count(full.fusion) + 790_528 + 3 * 512  # LayerNorm, silence


@pytest.mark.parametrize("weight", ["logit", "sigmoid"])
def test_heads_in_loops(weight):
    """Oracle: C.6 from F~_v and F_fused on, one snippet and one class at a time."""
    model = build(replace(TINY, fine=FineConfig(weight=weight, tau=0.5)))
    given = inputs((3, 6))
    out = model(**given)

    def ffn(layers, x):
        hidden = layers[0].weight.numpy() @ x + layers[0].bias.numpy()
        return layers[2].weight.numpy() @ (hidden / (1 + np.exp(-1.702 * hidden))) + layers[2].bias.numpy()

    for b, n in enumerate((3, 6)):
        video, logits = out.video[b, :n].numpy(), []
        for f in out.fused[b, :n].numpy():
            x = f + ffn(model.classifier.ffn, f)
            logits.append(float(model.classifier.out.weight.numpy()[0] @ x + model.classifier.out.bias.numpy()[0]))
        np.testing.assert_allclose(out.logits[b, :n], logits, atol=1e-5)
        confidence = logits if weight == "logit" else [1 / (1 + math.exp(-a)) for a in logits]
        prompt = sum(a * v for a, v in zip(confidence, video, strict=True))
        prompt = prompt / np.linalg.norm(prompt)
        for c, text in enumerate(given["text"].numpy()):
            t = text + prompt
            t = t + ffn(model.fine.ffn, t)
            np.testing.assert_allclose(out.text[b, c], t, atol=1e-5)
            for i, v in enumerate(video):
                cosine = v @ t / np.linalg.norm(v) / np.linalg.norm(t)
                assert out.alignment[b, i, c].item() == pytest.approx(cosine / 0.5, abs=1e-4)


def test_saliency_is_scaled_by_the_valid_length():
    out = build()(**inputs((5, 40)))
    torch.testing.assert_close(out.saliency.sum(1), torch.tensor([5.0, 40.0]))
    assert (out.windowed_saliency >= out.saliency).all()
    assert (out.windowed_saliency[out.peaks] / out.saliency[out.peaks]).min() >= 2 - 1e-5


def test_semantic_rows_replace_the_video_rows_in_eq_1():
    config = replace(TINY, semantic_dim=9)
    model, given = build(config), inputs((6,), config=config)
    semantic = torch.randn(1, 6, 9)
    out = model(**given, semantic=semantic)
    expected = torch.cosine_similarity(semantic[0, :, None], given["text"], dim=-1)
    torch.testing.assert_close(out.similarity[0], expected, atol=1e-5, rtol=0)
    assert out.text.shape == (1, 4, 16)
    same = build()
    own = inputs((6,))
    assert_same(same(**own), same(**own, semantic=own["video"]), 6)


def test_projections_exist_only_where_widths_differ():
    plain, wide = build(), build(replace(TINY, video_dim=20, semantic_dim=9))
    assert not [*plain.video_in.parameters(), *plain.text_in.parameters()]
    assert (wide.video_in.weight.shape, wide.text_in.weight.shape) == ((16, 20), (16, 9))


def swapped(model, config) -> Any:
    """A model of another config with the same weights."""
    other = build(config)
    other.load_state_dict(model.state_dict())
    return other


SWITCHES = {
    "cvka": [CvkaConfig(norm="class"), CvkaConfig(scale="none"), CvkaConfig(k=1), CvkaConfig(tau=0.5)],
    "afae": [
        *(AfaeConfig(w=-1), AfaeConfig(w=0), AfaeConfig(tau=0.5), AfaeConfig(renorm=True), AfaeConfig(overlap="sum")),
        *(AfaeConfig(aggregate=how) for how in ("pool", "residual")),
    ],
    "mkaf": [MkafConfig(heads=4), MkafConfig(residual=True)],
    "temporal": [
        *(TemporalConfig(window=4), TemporalConfig(window=8, heads=2)),
        TemporalConfig(window=8, gcn_threshold=-0.5),
    ],
    "mask_padding": [False],
    "light": [True],
}


@pytest.mark.parametrize("change", [{name: value} for name, values in SWITCHES.items() for value in values], ids=str)
def test_each_switch_reaches_the_score(change):
    model = build()
    given = inputs((40, 60))
    assert (model(**given).logits - swapped(model, replace(TINY, **change))(**given).logits)[0, :40].abs().max() > 1e-6


def test_switches_that_change_the_parameters():
    def names(config):
        return set(build(config).state_dict())

    base = names(TINY)
    assert names(replace(TINY, audio=AudioConfig(layer_norm=False))) == base - {"sound.norm.weight", "sound.norm.bias"}
    assert names(replace(TINY, mkaf=MkafConfig(layer_norm=True))) == base | {"fusion.norm.weight", "fusion.norm.bias"}
    two = {n.replace("blocks.0", "blocks.1") for n in base if "blocks.0" in n}
    assert names(replace(TINY, temporal=TemporalConfig(layers=2))) == base | two


def test_without_chosen_texts_the_text_stream_and_afae_are_off():
    """E29: k = 0 is the video and audio model, and there the audio is the plain BiLSTM's."""
    model = build(replace(TINY, modalities="VA"))
    given = inputs((20, 33))
    without_k = swapped(model, replace(TINY, cvka=CvkaConfig(k=0)))(**given)
    torch.testing.assert_close(without_k.logits, model(**given).logits)
    assert without_k.top_classes.shape == (2, 0)
    torch.testing.assert_close(without_k.saliency[1], torch.ones(33))
    changed = swapped(model, replace(TINY, modalities="VA", afae=AfaeConfig(aggregate="pool", w=0)))
    torch.testing.assert_close(changed(**given).logits, model(**given).logits)


def test_absent_modalities_shrink_the_model():
    """E30: no branch, a narrower J, and with pictures alone F_fused is F~_v."""
    given = inputs((20,))
    alone = build(replace(TINY, modalities="V"))
    out = alone(**given)
    assert out.fused is out.video
    assert not [name for name in alone.state_dict() if name.startswith(("sound", "fusion"))]
    assert out.alignment.shape == (1, 20, 4)
    for modalities, width in (("VA", 32), ("VT", 32), ("VAT", 48)):
        model = build(replace(TINY, modalities=modalities))
        assert model.fusion is not None
        assert (model.fusion.out.weight.shape, model.sound is None) == ((16, width), "A" not in modalities)


def test_the_parts_put_together_by_hand():
    """Oracle: CVKA, AFAE and MKAF, each tested against loops of its own, in the order of Figure 1."""
    model, given = build(), inputs((9, 20))
    mask = torch.arange(20) < given["lengths"][:, None]
    similarity = cvka.similarity(given["video"], given["text"])
    chosen = cvka.select(similarity, mask, 2)
    aligned = cvka.align(similarity, given["text"], mask, chosen, tau=0.07)
    salient = afae.project(similarity, mask, chosen, tau=0.07, w=2)
    heard = model.sound.encode(given["audio"], given["lengths"])
    weighted = afae.aggregate(heard, salient.windowed, mask)
    video = model.temporal(given["video"], mask, mask)
    out = model(**given)
    torch.testing.assert_close(out.fused, model.fusion([video, aligned, weighted], mask))
    assert out.peaks.equal(salient.peaks)


def test_light_uses_the_plain_mean_and_unweighted_sound():
    """E28. Oracle: MKAF called by hand with the streams it should get."""
    model, given = build(replace(TINY, light=True)), inputs((12,))
    out = model(**given)
    mean = given["text"].mean(0).expand(1, 12, 16)
    heard = model.sound.encode(given["audio"], given["lengths"])
    torch.testing.assert_close(out.fused, model.fusion([out.video, mean, heard], out.mask))


def test_sound_left_out():
    """E22: no audio, a window marked as silent, and the what-if are one thing, and nothing else in the batch moves."""
    model, given = build(), inputs((12, 30))
    full = model(**given)
    dropped = model(**given, drop={"audio"})
    assert (dropped.logits - full.logits).abs().max() > 1e-4
    assert_same(model(**{name: value for name, value in given.items() if name != "audio"}), dropped, 30)
    mixed = model(**given, has_audio=torch.tensor([True, False]))
    torch.testing.assert_close(mixed.logits, torch.stack((full.logits[0], dropped.logits[1])))
    torch.testing.assert_close(mixed.video, full.video)


def test_text_left_out_says_nothing_about_time():
    """Oracle: MKAF called by hand with the mean text and unweighted sound."""
    model, given = build(), inputs((12,))
    out = model(**given, drop={"text"})
    mean = given["text"].mean(0).expand(1, 12, 16)
    heard = model.sound.encode(given["audio"], given["lengths"])
    torch.testing.assert_close(out.fused, model.fusion([out.video, mean, heard], out.mask))
    both = model(**given, drop={"text", "audio"})
    silence = model.sound.no_audio.expand(1, 12, 16)
    torch.testing.assert_close(both.fused, model.fusion([out.video, mean, silence], out.mask))


def test_leaving_out_what_is_not_there_changes_nothing():
    model, given = build(replace(TINY, modalities="V")), inputs((9,))
    assert model(**given).logits.equal(model(**given, drop={"audio", "text"}).logits)
    with pytest.raises(ValueError, match=r"cannot drop \['video'\]; choose from \['audio', 'text'\]"):
        model(**given, drop={"video"})


def test_gradients_reach_every_parameter():
    for config in (TINY, replace(TINY, mkaf=MkafConfig(type="jca"))):
        model = build(config).train().requires_grad_(True)
        out = model(**inputs((20, 40)), has_audio=torch.tensor([True, False]))
        (out.logits.sum() + out.alignment.square().sum()).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            # A bias common to all keys cancels in the softmax.
            assert parameter.grad.abs().max() > 1e-9 or name.endswith("key.bias"), name


def test_calibration_moves_the_logits_and_then_divides_them():
    calibrated, given = build(replace(TINY, operating_logit=0.5, temperature=2.0)), inputs([20, 3])
    plain = build()
    plain.load_state_dict(calibrated.state_dict())
    out, without = calibrated(**given), plain(**given)
    torch.testing.assert_close(out.logits, (without.logits - 0.5) / 2)
    torch.testing.assert_close(out.alignment, without.alignment)
    with pytest.raises(ConfigError, match="temperature"):
        replace(TINY, temperature=0.0)


def test_a_score_probe_adds_its_mean_over_nine_valid_snippets():
    probed, given = build(replace(TINY, score_probe=True)), inputs([20, 3])
    plain = build()
    plain.load_state_dict({name: value for name, value in probed.state_dict().items() if "score_probe" not in name})
    out, without = probed(**given), plain(**given)
    for row, n in enumerate([20, 3]):
        said = probed.score_probe(given["video"][row, :n])[:, 0]
        expected = torch.stack([said[max(i - 4, 0) : i + 5].mean() for i in range(n)])
        torch.testing.assert_close((out.logits - without.logits)[row, :n], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(out.alignment, without.alignment)
