"""RTFM, UR-DMU, HL-Net, MACIL-SD and AVadCLIP in plain functions on one video of n rows, by their papers and published
code: weights under our names, no mask, no batch, loops where the formulas have sums.
"""

import math

import torch
from torch.nn.functional import batch_norm, conv1d, gelu, layer_norm, linear, relu


def conv(state, at, x, **options):
    """[n, D] through a convolution over time."""
    return conv1d(x.T[None], state[at + ".weight"], state.get(at + ".bias"), **options)[0].T


def dense(state, at, x):
    return linear(x, state[at + ".weight"], state.get(at + ".bias"))


def norm(state, at, x):
    return layer_norm(x, x.shape[-1:], state[at + ".weight"], state[at + ".bias"])


def batch(state, at, x):
    """In evaluation: by the running statistics."""
    return batch_norm(x, *(state[f"{at}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")))


def attend(query, key, value, heads):
    """softmax(q kᵀ / √d) v for each head, row by row."""
    out, width = torch.zeros_like(query), query.shape[1] // heads
    for h in range(heads):
        at = slice(h * width, (h + 1) * width)
        for i in range(len(query)):
            out[i, at] = torch.softmax(key[:, at] @ query[i, at] / math.sqrt(width), dim=0) @ value[:, at]
    return out


def distances(n):
    return torch.tensor([[math.exp(-abs(i - j) / math.e) for j in range(n)] for i in range(n)])


def likeness(x):
    n = len(x)
    graph = torch.zeros(n, n)
    for i in range(n):
        cosine = x @ x[i] / (x.norm(dim=1) * x[i].norm())
        graph[i] = torch.softmax(torch.where(cosine > 0.7, cosine, 0.0), dim=0)
    return graph


def rtfm(state, x):
    """Logits [n] and features [n, D]."""
    n = len(x)
    parts = [
        batch(state, f"dilated_norms.{i}", relu(conv(state, f"dilated.{i}", x, padding=2**i, dilation=2**i)))
        for i in range(3)
    ]
    narrow = relu(conv(state, "narrow", x))
    theta, phi, g = (conv(state, f"non_local.{name}", narrow) for name in ("theta", "phi", "g"))
    y = torch.stack([sum(theta[i] @ phi[j] * g[j] for j in range(n)) / n for i in range(n)])
    parts.append(narrow + batch(state, "non_local.norm", conv(state, "non_local.out", y)))
    features = x + batch(state, "join_norm", relu(conv(state, "join", torch.cat(parts, dim=1), padding=1)))
    hidden = relu(dense(state, "head.1", relu(dense(state, "head.0", features))))
    return dense(state, "head.2", hidden)[:, 0], features


def ur_dmu(state, x):
    """Embedded rows, then of each memory (abnormal, normal) how much a row is like it and what it recalls."""
    x = relu(conv(state, "embed", x, padding=1))
    n = len(x)
    for b in range(2):
        at = f"blocks.{b}"
        q, k, v, t = dense(state, at + ".project", norm(state, at + ".norm_attention", x)).chunk(4, dim=1)
        near = distances(n)
        near = torch.stack([near[:, j] / near[j].sum() for j in range(n)], dim=1)
        by_content, by_time = attend(q, k, v, 4), near @ t
        heads = [part[:, h * 128 : (h + 1) * 128] for h in range(4) for part in (by_content, by_time)]
        x = x + dense(state, at + ".out.0", torch.cat(heads, dim=1))
        x = x + dense(state, at + ".ffn.3", gelu(dense(state, at + ".ffn.0", norm(state, at + ".norm_ffn", x))))
    found = []
    for name in ("abnormal", "normal"):
        slots = state[name + ".slots"]
        attention = torch.sigmoid(x @ slots.T / math.sqrt(512))
        found += [attention.topk(4, dim=1).values.mean(dim=1), attention @ slots]
    return x, *found


def ur_dmu_head(state, x, memory):
    return dense(state, "head.1", relu(dense(state, "head.0", torch.cat([x, memory], dim=1))))[:, 0]


def hl_net(state, x):
    """Offline and online logits [n]."""
    n = len(x)
    hidden = relu(conv(state, "rows.1", relu(conv(state, "rows.0", x))))
    ahead = relu(conv(state, "online.1", relu(conv(state, "online.0", hidden))))
    ahead = torch.cat([torch.zeros(4, 32), ahead])
    online = conv(state, "online.2", ahead)[:, 0]
    s = torch.sigmoid(online)
    by_score = torch.stack(
        [torch.softmax(torch.sigmoid(((1 - (s[i] - s).abs()) - 0.5) / 0.1), dim=0) for i in range(n)]
    )
    branches = []
    for b, graph in enumerate((likeness(x), distances(n), by_score)):
        at = f"graphs.{b}"
        first = graph @ (hidden @ state[at + ".0.weight"]) + conv(state, at + ".0.residual", hidden, padding=2)
        first = relu(first)
        branches.append(relu(graph @ (first @ state[at + ".1.weight"]) + first))
    return dense(state, "out", torch.cat(branches, dim=1))[:, 0], online


def macil_block(state, at, x, context):
    normed = norm(state, at + ".norm_attention", x)
    q = dense(state, at + ".attention.query", normed)
    k, v = dense(state, at + ".attention.key", context), dense(state, at + ".attention.value", context)
    x = x + dense(state, at + ".attention.out", attend(q, k, v, 4))
    return x + dense(state, at + ".ffn.3", relu(dense(state, at + ".ffn.0", norm(state, at + ".norm_ffn", x))))


def macil_sd(state, video, audio):
    """Rows of frames and of audio [n, 128], their logits [n], and the logits of the frames alone."""
    v, a = dense(state, "frames_in", video), dense(state, "audio_in", audio)
    v, a = macil_block(state, "block", v, a), macil_block(state, "block", a, v)
    alone = dense(state, "unimodal.frames_in", video)
    alone = dense(state, "unimodal.head", macil_block(state, "unimodal.block", alone, alone))[:, 0]
    return v, a, dense(state, "head", v)[:, 0], dense(state, "head", a)[:, 0], alone


def causal_net(state, x):
    """Three levels of two causal convolutions, dilated by 1, 2 and 4, whose weights are g · v / |v|."""
    for level in range(3):
        at, past = f"audio_net.{level}", 2**level
        out = x
        for i in range(2):
            layer = f"{at}.layers.{i}"
            g, v = (state[f"{layer}.parametrizations.weight.original{k}"] for k in (0, 1))
            weight = g * v / v.flatten(1).norm(dim=1)[:, None, None]
            rows = torch.cat([torch.zeros(past, out.shape[1]), out])
            out = torch.stack(
                [
                    weight[:, :, 0] @ rows[t] + weight[:, :, 1] @ rows[t + past] + state[layer + ".bias"]
                    for t in range(len(x))
                ]
            )
            out = relu(out)
        shortcut = conv(state, at + ".shortcut", x) if at + ".shortcut.weight" in state else x
        x = relu(out + shortcut)
    return x


def gated(state, seen, heard):
    both = torch.cat([seen, heard], dim=1)
    gate = torch.sigmoid(dense(state, "gate.0", both))
    return seen + gate * dense(state, "residual.2", gelu(dense(state, "residual.0", both)))
