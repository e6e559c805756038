"""Each baseline against its published formulation in plain functions with equal weights, and its objective in loops."""

import math
from dataclasses import replace
from itertools import product

import baseline_oracles as oracle
import pytest
import torch
from torch.nn.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_similarity,
    cross_entropy,
    normalize,
    triplet_margin_loss,
)
from training_sets import made

from cmhkf.errors import ConfigError
from cmhkf.model.baselines.avadclip import avadclip_objective
from cmhkf.model.baselines.hl_net import hl_net_objective
from cmhkf.model.baselines.macil_sd import contrast, macil_sd_objective
from cmhkf.model.baselines.rtfm import rtfm_objective
from cmhkf.model.baselines.ur_dmu import ur_dmu_objective
from cmhkf.model.build import build_model
from cmhkf.model.losses import mil_align, mil_bce
from cmhkf.model.texts import FixedTexts
from cmhkf.training.config import TrainConfig, train_settings
from cmhkf.training.fit import fit
from cmhkf.training.methods import METHODS, method_for
from cmhkf.training.selection import video_auc

CLASSES = ("normal", "fight", "fire")
NEW = METHODS[2:3] + METHODS[4:]
LENGTHS = (40, 17, 33, 5)
TARGETS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0]])
NORMAL, ABNORMAL = (0, 3), (1, 2)


def config(name, **changes):
    base = method_for(name, "xd-violence", TrainConfig(), classes=CLASSES).model
    return replace(base, dim=8, video_dim=12, semantic_dim=8, audio_dim=4, **changes)


def fresh(name, *, training=False):
    """A model without dropout, whose normalisation layers have seen something."""
    torch.manual_seed(2)
    model = build_model(config(name)).train(training)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
        if isinstance(module, torch.nn.BatchNorm1d):
            module.eval()
            for values in (module.running_var, module.weight.data):
                values.uniform_(0.5, 2)
            for values in (module.running_mean, module.bias.data):
                values.normal_(std=0.3)
    return model


def rows(n, width, seed):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def look(model, *, lengths=LENGTHS):
    """What the model says of a padded batch, and the rows of each video: frames and audio."""
    videos = [(rows(n, 12, i), rows(n, 4, 50 + i)) for i, n in enumerate(lengths)]
    video, audio = (
        torch.stack(
            [torch.nn.functional.pad(v[k], (0, 0, 0, max(lengths) - len(v[k])), value=math.nan) for v in videos]
        )
        for k in (0, 1)
    )
    return model(video, torch.tensor(lengths), rows(3, 8, 99), audio=audio), videos


def close(found, expected, atol=2e-5):
    torch.testing.assert_close(found, expected, atol=atol, rtol=1e-4)


def k_of(n):
    return n // 16 + 1


def pooled(values, k):
    return sum(sorted(values.tolist(), reverse=True)[:k]) / k


def best(rows, ranking, k):
    order = sorted(range(len(ranking)), key=lambda i: -float(ranking[i].detach()))[:k]
    return torch.stack([rows[i] for i in order]).mean(dim=0)


def bce(p, label):
    return -math.log(p) if label else -math.log(1 - p)


# Forward passes, of videos padded with rows that must not be read


@torch.no_grad()
def test_rtfm_equals_the_published_network():
    model = fresh("rtfm")
    output, videos = look(model)
    for i, (video, _) in enumerate(videos):
        logits, features = oracle.rtfm(model.state_dict(), video)
        close(output.logits[i, : len(video)], logits)
        close(output.fused[i, : len(video)], features)
        close(output.extras["ranking"][i, : len(video)], features.norm(dim=1))


@torch.no_grad()
def test_ur_dmu_equals_the_published_network():
    model = fresh("ur-dmu")
    state = model.state_dict()
    output, videos = look(model)
    for i, (video, _) in enumerate(videos):
        x, _, abnormal, _, normal = oracle.ur_dmu(state, video)
        close(output.fused[i, : len(video)], x)
        memory = oracle.dense(state, "mean", abnormal) + oracle.dense(state, "mean", normal)
        close(output.logits[i, : len(video)], oracle.ur_dmu_head(state, x, memory))


@torch.no_grad()
def test_hl_net_equals_the_published_network():
    model = fresh("hl-net")
    output, videos = look(model)
    for i, (video, audio) in enumerate(videos):
        logits, online = oracle.hl_net(model.state_dict(), torch.cat([video, audio], dim=1))
        close(output.logits[i, : len(video)], logits)
        close(output.extras["online"][i, : len(video)], online)


@torch.no_grad()
def test_macil_sd_equals_the_published_network():
    model = fresh("macil-sd", training=True)
    output, videos = look(model)
    for i, (video, audio) in enumerate(videos):
        seen, heard, by_frames, by_audio, alone = oracle.macil_sd(model.state_dict(), video, audio)
        n = len(video)
        close(output.fused[i, :n], torch.cat([seen, heard], dim=1))
        close(output.logits[i, :n], by_frames + by_audio)
        close(output.extras["alone"][i, :n], alone)


@torch.no_grad()
def test_avadclip_adds_gated_audio_to_vadclips_rows():
    """Of VadCLIP's own parts, which have an oracle elsewhere, what goes in and what comes out is compared."""
    model = fresh("avadclip")
    text = rows(3, 8, 99)
    output, videos = look(model)
    for i, (video, audio) in enumerate(videos):
        n = len(video)
        every = torch.ones(1, n, dtype=torch.bool)
        seen = model.temporal(model.frames_in(video[None]), every, every)[0]
        fused = oracle.gated(model.state_dict(), seen, oracle.causal_net(model.state_dict(), audio))
        close(output.fused[i, :n], fused)
        logits = model.classifier(fused[None])
        close(output.logits[i, :n], logits[0])
        prompt = normalize((logits[0][:, None] * fused).sum(dim=0), dim=0)
        prompted = text + prompt
        prompted = prompted + model.fine.ffn(prompted)
        close(output.alignment[i, :n], normalize(fused, dim=1) @ normalize(prompted, dim=1).T / 0.07, atol=1e-4)


@pytest.mark.parametrize("name", NEW)
@torch.no_grad()
def test_two_videos_together_are_as_each_alone(name):
    model = fresh(name)
    both, _ = look(model)
    alone, _ = look(model, lengths=LENGTHS[:1])
    close(both.logits[0], alone.logits[0])


# Objectives ---------------------------------------------------------------------------------------------------------


def test_rtfms_objective_equals_the_loop():
    output, _ = look(fresh("rtfm"))
    found = rtfm_objective(output, TARGETS, torch.zeros(3, 8))
    length, chosen, smooth, squares = {}, {}, 0.0, 0.0
    for i, n in enumerate(LENGTHS):
        scores, features = output.scores[i, :n], output.fused[i, :n]
        k = max(1, n // 10)
        length[i] = float(best(features, features.norm(dim=1), k).norm())
        chosen[i] = float(best(scores[:, None], features.norm(dim=1), k))
        if i in ABNORMAL:
            smooth += sum(float(scores[t + 1] - scores[t]) ** 2 for t in range(n - 1))
            squares += sum(float(s) ** 2 for s in scores)
    main = sum(bce(chosen[i], i in ABNORMAL) for i in range(4)) / 4
    apart = sum((abs(100 - length[a]) + length[n]) ** 2 for a, n in product(ABNORMAL, NORMAL)) / 4
    assert found.bce.item() == pytest.approx(main, rel=1e-4)
    expected = main + 1e-4 * apart + 8e-4 * smooth + 8e-3 * math.sqrt(squares)
    assert found.total.item() == pytest.approx(expected, rel=1e-4)


def test_ur_dmus_objective_equals_the_loop():
    model = fresh("ur-dmu", training=True)
    state = {name: values.detach() for name, values in model.state_dict().items()}
    torch.manual_seed(7)
    output, videos = look(model)
    torch.manual_seed(7)
    noise = torch.randn(4, max(LENGTHS), 512)
    found = ur_dmu_objective(output, TARGETS, torch.zeros(3, 8))
    of, main, dual, latent = {}, [], {name: [] for name in ("a", "pan", "n", "an")}, []
    for i, (video, _) in enumerate(videos):
        n, k = len(video), k_of(len(video))
        x, like_a, aug_a, like_n, aug_n = oracle.ur_dmu(state, video)
        code, recalled = oracle.dense(state, "mean", aug_n), oracle.dense(state, "mean", aug_a)
        spread = oracle.dense(state, "log_variance", aug_n)
        drawn = code + noise[i, :n] * torch.exp(spread).sqrt()
        normal = i in NORMAL
        scores = oracle.ur_dmu_head(state, x, (drawn if normal else code) + recalled).sigmoid()
        main.append(bce(pooled(scores, k), not normal))
        if normal:
            dual["n"] += binary_cross_entropy(like_n, torch.ones(n), reduction="none").tolist()
            dual["an"] += binary_cross_entropy(like_a, torch.zeros(n), reduction="none").tolist()
            latent.append(-0.5 * (1 + spread - code**2 - spread.exp()).sum(dim=0))
            of[i] = {"anchor": best(x, like_n, k), "length": best(drawn, like_n, k).norm()}
        else:
            dual["a"].append(bce(pooled(like_a, k), 1))
            dual["pan"].append(bce(pooled(1 - like_n, k), 1))
            of[i] = {"positive": best(x, like_n, k), "negative": best(x, like_a, k)}
            of[i]["length"] = best(recalled, like_a, k).norm()
    unit = {i: {name: v / v.norm() for name, v in parts.items() if name != "length"} for i, parts in of.items()}
    pairs = [*product(NORMAL, ABNORMAL)]
    triplet = sum(
        float(
            triplet_margin_loss(unit[n]["anchor"][None], unit[a]["positive"][None], unit[a]["negative"][None], margin=1)
        )
        for n, a in pairs
    ) / len(pairs)
    distance = sum(max(0.0, float(100 - of[a]["length"] + of[n]["length"])) for n, a in pairs) / len(pairs)
    terms = sum(sum(values) / len(values) for values in dual.values())
    expected = sum(main) / 4 + 0.1 * terms + 0.1 * triplet + 1e-3 * float(torch.stack(latent).mean()) + 1e-4 * distance
    assert found.bce.item() == pytest.approx(sum(main) / 4, rel=1e-4)
    assert found.total.item() == pytest.approx(expected, rel=1e-4)


def test_hl_nets_objective_equals_the_loop():
    output, _ = look(fresh("hl-net"))
    found = hl_net_objective(output, TARGETS, torch.zeros(3, 8))
    online, labels = output.extras["online"], 1 - TARGETS[:, 0]
    losses = []
    for logits in (output.logits, online):
        means = torch.tensor([pooled(logits[i, :n], k_of(n)) for i, n in enumerate(LENGTHS)])
        losses.append(float(binary_cross_entropy_with_logits(means, labels)))
    follows = [
        sum(
            -float(a.sigmoid()) * math.log(float(b.sigmoid()))
            for a, b in zip(output.logits[i, :n], online[i, :n], strict=True)
        )
        / n
        for i, n in enumerate(LENGTHS)
    ]
    assert found.total.item() == pytest.approx(sum(losses) + 5 * sum(follows) / 4, rel=1e-4)
    assert found.bce.item() == pytest.approx(losses[0], rel=1e-4)
    (gradient,) = torch.autograd.grad(found.total - found.bce, output.logits, retain_graph=True, allow_unused=True)
    assert gradient is None or not gradient.any()  # the offline score is followed, and does not follow


def test_macil_sds_objective_equals_the_loop():
    """Two of the videos are taken for abnormal; each of their means stands k times, as in the published code."""
    model = fresh("macil-sd", training=True)
    model.epoch.fill_(4)
    with torch.no_grad():
        middle = look(model)[0]
        bar = sorted(pooled(middle.logits[i, :n], k_of(n)) for i, n in enumerate(LENGTHS))
        model.head.bias -= (bar[1] + bar[2]) / 4  # it counts twice, for frames and audio
    output, _ = look(model)
    found = macil_sd_objective(output, TARGETS, torch.zeros(3, 8))
    bags = {name: {"abn": [], "bgd": [], "nor": []} for name in ("frames", "audio")}
    for i, n in enumerate(LENGTHS):
        k = k_of(n)
        abnormal = pooled(output.logits[i, :n], k) > 0
        for name, bag in bags.items():
            order = output.extras[f"{name}_logits"][i, :n].argsort(descending=True)
            part = output.extras[name][i, :n]
            bag["bgd"] += [part[j] for j in order[-k:]]
            bag["abn" if abnormal else "nor"] += (
                [part[order[:k]].mean(dim=0)] * k if abnormal else [part[j] for j in order[:k]]
            )
    bags = {name: {kind: torch.stack(held) for kind, held in bag.items()} for name, bag in bags.items()}
    terms = []
    for query, key in (("audio", "frames"), ("frames", "audio")):
        for kind in ("bgd", "nor"):
            q, positive, negative = (
                normalize(rows, dim=1) for rows in (bags[query]["abn"], bags[key]["abn"], bags[key][kind])
            )
            logits = torch.cat([(q * positive).sum(dim=1, keepdim=True), q @ negative.T], dim=1) / 0.1
            terms.append(float(cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))))
    assert contrast(output).item() == pytest.approx(sum(terms), rel=1e-4)
    labels, losses = 1 - TARGETS[:, 0], []
    for logits in (output.logits, output.extras["alone"]):
        means = torch.tensor([pooled(logits[i, :n], k_of(n)) for i, n in enumerate(LENGTHS)])
        losses.append(float(binary_cross_entropy_with_logits(means, labels)))
    assert found.total.item() == pytest.approx(sum(losses) + 0.4 * sum(terms), rel=1e-4)


def test_macil_sd_mixes_in_the_frames_network_after_an_epoch():
    model = fresh("macil-sd")
    own, theirs, audio = (
        p.detach().clone() for p in (model.head.weight, model.unimodal["head"].weight, model.audio_in.weight)
    )
    model.end_epoch()
    close(model.head.weight.detach(), 0.91 * own + 0.09 * theirs)
    assert torch.equal(model.audio_in.weight, audio)
    own = model.head.weight.detach().clone()
    model.epoch.fill_(25)  # half way the cosine is 0
    model.end_epoch()
    close(model.head.weight.detach(), 0.955 * own + 0.045 * theirs)
    model.epoch.fill_(50)
    own = model.head.weight.detach().clone()
    model.end_epoch()
    close(model.head.weight.detach(), own)
    assert model.epoch == 51


def test_avadclips_objective_equals_the_loop():
    model = fresh("avadclip")
    model.alpha.data = torch.tensor([0.1, 0.2, 0.4])
    text = rows(3, 8, 99)
    output, _ = look(model)
    found = avadclip_objective(output, TARGETS, text)
    focal = []
    for i, n in enumerate(LENGTHS):
        means = torch.tensor([pooled(output.alignment[i, :n, c], k_of(n)) for c in range(3)])
        p, y = means.softmax(dim=0).tolist(), (TARGETS[i] / TARGETS[i].sum()).tolist()
        alpha = sum(a * b for a, b in zip(y, (0.1, 0.2, 0.4), strict=True))
        p_y = sum(a * b for a, b in zip(y, p, strict=True))
        focal.append(-alpha * (1 - p_y) ** 2 * sum(a * math.log(b) for a, b in zip(y, p, strict=True)))
    nce = mil_align(output.alignment, output.mask, TARGETS).item()
    main = mil_bce(output.logits, output.mask, 1 - TARGETS[:, 0]).item()
    apart = cosine_similarity(text[1:], text[:1]).abs().mean().item()
    assert found.total.item() == pytest.approx(main + (nce + sum(focal) / 4) / 2 + 1e-4 * apart, rel=1e-4)


# In the commands' hands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NEW)
def test_every_baseline_learns_the_made_up_set(name):
    """Anomalous videos come to lie above normal ones, with dropout in training and audio missing in some samples."""
    torch.manual_seed(0)
    model, samples, texts = build_model(config(name)), made(16, signal=8), FixedTexts(rows(3, 8, 99).numpy())
    _, objective = method_for(name, "xd-violence", TrainConfig(), classes=CLASSES)
    epochs, lr = {"ur-dmu": (5, 1e-3), "avadclip": (25, 2e-2)}.get(name, (20, 1e-2))
    how = TrainConfig(epochs=epochs, batch_size=16, lr=lr, milestones=(), drop_audio=0.0)
    fit(model, texts, samples, how, objective=objective)
    assert video_auc(model, texts, samples, device="cpu").value > 0.95
    alone = type(samples)(samples[:1])  # a batch of one kind
    assert math.isfinite(fit(model, texts, alone, replace(how, epochs=1), objective=objective).best.total)


def test_settings_are_those_of_the_published_code():
    rtfm, hl_net = (train_settings("xd-violence", method=name) for name in ("rtfm", "hl-net"))
    assert (rtfm.lr, rtfm.weight_decay, rtfm.batch_size, rtfm.balanced, rtfm.drop_audio) == (1e-3, 5e-3, 64, True, 0)
    assert (hl_net.lr, hl_net.batch_size, hl_net.epochs, hl_net.milestones) == (1e-4, 128, 50, (10,))


@pytest.mark.parametrize("name", ["macil-sd", "avadclip"])
def test_what_joins_frames_with_audio_needs_audio(name):
    with pytest.raises(ConfigError, match=f"{name} joins frames with audio; give it features that hold audio"):
        config(name, modalities="V")
