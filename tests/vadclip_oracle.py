"""VadCLIP in plain functions on tensors under their published names, row by row: C.4-C.6 and C.10 of the reading."""

import math

import torch
from torch.nn.functional import conv1d, layer_norm, linear


def published(layers=1, seed=0):
    """A state dict of the published shapes with random values; CLIP's own tensors are left out."""
    rng = torch.Generator().manual_seed(seed)
    shapes = {"text_prompt_embeddings.weight": (77, 512), "frame_position_embeddings.weight": (256, 512)}
    for first, second in (("gc1", "gc2"), ("gc3", "gc4")):
        shapes |= {f"{first}.weight": (512, 256), f"{second}.weight": (256, 256)}
        shapes |= {f"{first}.residual.weight": (256, 512, 5), f"{first}.residual.bias": (256,)}
    shapes |= {"linear.weight": (512, 512), "linear.bias": (512,), "classifier.weight": (1, 512)}
    shapes |= {"classifier.bias": (1,), "disAdj.sigma": (1,)}
    ffn = {"c_fc.weight": (2048, 512), "c_fc.bias": (2048,), "c_proj.weight": (512, 2048), "c_proj.bias": (512,)}
    places = ["mlp1.", "mlp2.", *(f"temporal.resblocks.{b}.mlp." for b in range(layers))]
    shapes |= {place + name: shape for place in places for name, shape in ffn.items()}
    for b in range(layers):
        block = f"temporal.resblocks.{b}."
        shapes |= {block + f"attn.in_proj_{kind}": (1536, *rest) for kind, rest in (("weight", (512,)), ("bias", ()))}
        shapes |= {block + "attn.out_proj.weight": (512, 512), block + "attn.out_proj.bias": (512,)}
        shapes |= {block + f"{norm}.{kind}": (512,) for norm in ("ln_1", "ln_2") for kind in ("weight", "bias")}
    return {
        name: torch.randn(shape, generator=rng) * (0.05 if len(shape) > 1 else 0.3) + name.endswith("ln_1.weight")
        for name, shape in shapes.items()
    }


def forward(state, rows, text, *, window, padded):
    """Logits [n] and alignment [n, C] of one window, rows [n, 512] and texts [C, 512].

    `padded`: the reference's 256 positions, all of which take part. Otherwise only the n that are there.
    """
    n = len(rows)
    total = 256 if padded else n
    x = torch.zeros(total, 512)
    x[:n] = rows
    x = x + state["frame_position_embeddings.weight"][:total]
    b = 0
    while f"temporal.resblocks.{b}.ln_1.weight" in state:
        x = block(state, f"temporal.resblocks.{b}.", x, window)
        b += 1
    x = graphs(state, x, n)
    logits = (x + ffn(state, "mlp2", x)) @ state["classifier.weight"][0] + state["classifier.bias"]
    prompt = sum(logits[i] * x[i] for i in range(total))
    prompted = text + prompt / prompt.norm()
    prompted = prompted + ffn(state, "mlp1", prompted)
    cosine = torch.stack([prompted @ x[i] / (prompted.norm(dim=1) * x[i].norm()) for i in range(n)])  # [n, C]
    return logits[:n], cosine / 0.07


def block(state, at, x, window):
    def weights(name):
        return state[at + name + ".weight"], state[at + name + ".bias"]

    normed = layer_norm(x, (512,), *weights("ln_1"))
    q, k, v = linear(normed, state[at + "attn.in_proj_weight"], state[at + "attn.in_proj_bias"]).split(512, dim=1)
    last_start = (256 // window - 1) * window  # the last block takes in what is left
    out = torch.zeros_like(x)
    for i in range(len(x)):
        start = min(i // window * window, last_start)
        stop = len(x) if start == last_start else min(start + window, len(x))
        out[i] = torch.softmax(k[start:stop] @ q[i] / math.sqrt(512), dim=0) @ v[start:stop]
    x = x + linear(out, *weights("attn.out_proj"))
    return x + ffn(state, at + "mlp", layer_norm(x, (512,), *weights("ln_2")))


def graphs(state, x, n):
    total = len(x)
    alike = torch.zeros(total, total)
    for i in range(n):
        cosine = x[:n] @ x[i] / (x[:n].norm(dim=1) * x[i].norm())
        alike[i, :n] = torch.softmax(torch.where(cosine > 0.7, cosine, 0.0), dim=0)
    near = torch.tensor([[math.exp(-abs(i - j) / math.e) for j in range(total)] for i in range(total)])
    branches = []
    for first, second, graph in (("gc1", "gc2", alike), ("gc3", "gc4", near)):
        residual = conv1d(x.T[None], state[first + ".residual.weight"], state[first + ".residual.bias"], padding=2)
        middle = qgelu(graph @ (x @ state[first + ".weight"]) + residual[0].T)
        branches.append(qgelu(graph @ (middle @ state[second + ".weight"]) + middle))
    return linear(torch.cat(branches, dim=1), state["linear.weight"], state["linear.bias"])


def ffn(state, at, x):
    hidden = qgelu(linear(x, state[at + ".c_fc.weight"], state[at + ".c_fc.bias"]))
    return linear(hidden, state[at + ".c_proj.weight"], state[at + ".c_proj.bias"])


def qgelu(x):
    return x * torch.sigmoid(1.702 * x)
