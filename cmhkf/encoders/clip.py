"""CLIP ViT-B/16 through open_clip: frames to the rows of C.1, class texts to the same space.

The network is always `ViT-B-16-quickgelu`: `ViT-B-16` takes OpenAI's weights with the wrong activation. open_clip's own
loader is not used: it checks no hash, and a wrong name gives it random weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from cmhkf.encoders.device import compute_dtype, pick_device
from cmhkf.encoders.protocols import Identity, VideoRows
from cmhkf.encoders.tensors import fill, read_tensors
from cmhkf.encoders.weights import Found, Wanted, WeightFile, find, find_or_fetch, hub_snapshot, hub_url, user_cache
from cmhkf.media.sampling import FrameSampling

CLIP = Any  # open_clip.CLIP, in annotations alone: importing it takes seconds, and its parts have no useful types

MODEL = "ViT-B-16-quickgelu"
DIM = 512
QUICK_GELU = 1.702
CONTEXT = 77  # tokens the text tower has positions for
FRAMES = 8  # per pass: more only costs memory
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)

REPO, REVISION = "timm/vit_base_patch16_clip_224.openai", "977e3dd0ec55ab8da155f2fbeb6b5f54948b6e3d"
HUB_SHA256 = "4b8699299b1e8997753c64b052ba32031449d5d853f55a039148560ee02b820f"
OPENAI_SHA256 = "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"
OPENAI_ONLY = ("input_resolution", "context_length", "vocab_size")  # numbers that OpenAI's archive keeps as tensors


class ClipVideoEncoder:
    """The middle frame of a snippet to CLIP's image embedding (C.1)."""

    sampling = FrameSampling((8,), 224, 224, "bicubic")
    video_dim = DIM
    semantic_dim = DIM
    block, context = 16, 0

    def __init__(self, model: CLIP, *, weights_sha256: str) -> None:
        weight = model.visual.conv1.weight
        self.model = model
        self.device, self.dtype = str(weight.device), weight.dtype
        self.published = weights_sha256 in (HUB_SHA256, OPENAI_SHA256)
        self.identity = video_identity(weights_sha256)

    @torch.inference_mode()
    def encode(self, frames: np.ndarray, inner: slice = slice(None)) -> VideoRows:
        """Encode uint8 RGB [S, 1, 224, 224, 3]; the video rows have CLIP's own length."""
        parts = torch.from_numpy(np.ascontiguousarray(frames[inner, 0])).split(FRAMES)
        rows = torch.cat([self.model.visual(self._pixels(part)).float().cpu() for part in parts])  # [B, 512]
        return VideoRows(video=rows.numpy(), semantic=normalize(rows, dim=-1).numpy())

    def _pixels(self, frames: Tensor) -> Tensor:
        """Bytes [B, 224, 224, 3] to what the image tower reads, [B, 3, 224, 224]."""
        pixels = frames.to(self.device).permute(0, 3, 1, 2).float() / 255
        mean, std = (pixels.new_tensor(values)[:, None, None] for values in (MEAN, STD))
        return ((pixels - mean) / std).to(self.dtype)


class ClipTextEncoder:
    """Texts as they stand to CLIP's text embedding, in float32: it runs once per set of classes."""

    semantic_dim = DIM

    def __init__(self, model: CLIP, *, weights_sha256: str) -> None:
        self.model = model
        self.identity = text_identity(weights_sha256)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embed C texts: float32 [C, 512], rows of unit length. A text of over 77 tokens loses its end."""
        tokens, end_idx = tokenise(texts)
        tokens = tokens.to(self.model.token_embedding.weight.device)
        rows = run_text_tower(self.model, self.model.token_embedding(tokens), end_idx)
        return normalize(rows, dim=-1).cpu().numpy()


def tokenise(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Tokens [C, L] of C texts, no longer than the longest needs, and the index of each one's end token [C]."""
    from open_clip.tokenizer import SimpleTokenizer  # takes seconds, so only when it is needed

    tokens = SimpleTokenizer()(list(texts), context_length=CONTEXT)  # [C, 77]
    end_idx = tokens.argmax(dim=1)  # the end token has the highest number
    return tokens[:, : int(end_idx.max()) + 1], end_idx


def run_text_tower(model: CLIP, embeddings: Tensor, end_idx: Tensor) -> Tensor:
    """CLIP's text transformer over token embeddings [C, L, 512] to text features [C, 512], not normalised (C.7).

    The mask is causal, so L need only reach the last end token. Gradients flow to `embeddings`.
    """
    n = embeddings.shape[1]
    x = embeddings + model.positional_embedding[:n]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:n, :n]))  # [C, L, 512]
    ends = x[torch.arange(len(x), device=x.device), end_idx.to(x.device)]  # [C, 512]
    return ends @ model.text_projection


def load_clip(
    weights: str | Path | None = None, *, device: str = "auto", dtype: torch.dtype | None = None
) -> tuple[ClipVideoEncoder, ClipTextEncoder, CLIP]:
    """Both encoders and the network they share, frozen.

    `weights` is a file; without it CMHKF_CLIP_WEIGHTS, the Hugging Face cache, OpenAI's cache, then a download.
    `dtype` concerns the image tower; None: bfloat16 (float16) where the hardware multiplies it, else float32.

    Raises:
        WeightsError: no weights, or a file that is not what it should be.
        ConfigError: an unknown device.
    """
    device = pick_device(device)
    found = find_or_fetch(wanted(), weights)
    model = build_clip(found, device=device, dtype=dtype or compute_dtype(device))
    video = ClipVideoEncoder(model, weights_sha256=found.sha256)
    return video, ClipTextEncoder(model, weights_sha256=found.sha256), model


def find_weights() -> Found:
    """The file that `load_clip` would take, without downloading. Raises WeightsError."""
    return find(wanted())


def wanted() -> Wanted:
    """The two published forms of OpenAI's weights."""
    name = "open_clip_model.safetensors"
    places = (hub_snapshot(REPO, REVISION) / name,)
    hub = WeightFile(name, HUB_SHA256, 598_516_980, hub_url(REPO, REVISION, name), places)
    url = f"https://openaipublic.azureedge.net/clip/models/{OPENAI_SHA256}/ViT-B-16.pt"
    openai = WeightFile("ViT-B-16.pt", OPENAI_SHA256, None, url, (user_cache() / "clip" / "ViT-B-16.pt",))
    formats = "safetensors, a state dict .pt or .bin, or OpenAI's TorchScript .pt"
    return Wanted("CLIP ViT-B/16", "CMHKF_CLIP_WEIGHTS", (hub, openai), formats)


def build_clip(found: Found, *, device: str, dtype: torch.dtype) -> CLIP:
    """The network with the weights of a file, for inference: the image tower in `dtype`, the text tower in float32.

    The cast is direct, with LayerNorm kept in float32: autocast is slower than float32 on CPUs.
    """
    tensors = read_tensors(found.path)
    # A CPU's LayerNorm takes numbers of both formats; elsewhere they are converted.
    model = empty_clip(torch.float32 if device == "cpu" else dtype)
    fill(model, {k: v for k, v in tensors.items() if k not in OPENAI_ONLY}, shown=str(found.path))
    model = model.to(device).eval().requires_grad_(False)
    if dtype != torch.float32:
        from open_clip.model import convert_weights_to_lp

        _fold_activation(model.visual)
        convert_weights_to_lp(model.visual, dtype)
    return model


def _fold_activation(visual: CLIP) -> None:
    """Put QuickGELU's factor into the weights around it, so that one pass over the memory is left of three.

    x sigmoid(1.702 x) = silu(1.702 x) / 1.702.
    """
    for block in visual.transformer.resblocks:
        for weights in (block.mlp.c_fc.weight, block.mlp.c_fc.bias):
            weights *= QUICK_GELU
        block.mlp.c_proj.weight /= QUICK_GELU
        block.mlp.gelu = nn.SiLU(inplace=True)


def empty_clip(dtype: torch.dtype = torch.float32) -> CLIP:
    """The architecture without values (on the meta device), save for the causal mask, which no file holds."""
    import open_clip
    from open_clip.transformer import QuickGELU

    config = open_clip.get_model_config(MODEL)
    assert config is not None
    low = dtype != torch.float32
    with torch.device("meta"):
        model = open_clip.CLIP(**config, cast_dtype=dtype if low else None)
    assert sum(isinstance(m, QuickGELU) for m in model.modules()) == 24, "OpenAI trained all 24 blocks with QuickGELU"
    model.attn_mask = torch.full((CONTEXT, CONTEXT), float("-inf")).triu_(1)
    return model


def video_identity(weights_sha256: str = HUB_SHA256) -> Identity:
    """What a recipe records of the image tower; the default is OpenAI's weights."""
    return (
        *_identity(weights_sha256),
        ("frames", ",".join(map(str, ClipVideoEncoder.sampling.offsets))),
        ("picture", "short side 224, bicubic antialiased, centre crop 224"),
        ("normalisation", "none"),
    )


def text_identity(weights_sha256: str = HUB_SHA256) -> Identity:
    """What a recipe records of the text tower."""
    return *_identity(weights_sha256), ("normalisation", "unit length")


def _identity(weights_sha256: str) -> Identity:
    """Both published files hold the same weights; the number format of a machine (cosine > 0.999) is no part of it."""
    weights = HUB_SHA256 if weights_sha256 == OPENAI_SHA256 else weights_sha256
    return ("name", "CLIP ViT-B/16"), ("model", MODEL), ("weights", weights), ("activation", "QuickGELU")
