"""CLIP ViT-B/16 through open_clip: frames to the rows of C.1, class texts to the same space.

The network is always `ViT-B-16-quickgelu`: `ViT-B-16` takes OpenAI's weights with the wrong activation. open_clip's own
loader is not used: it checks no hash, and a wrong name gives it random weights.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from cmhkf.encoders.device import at_once, compute_dtype, fetching, pick_device, sent
from cmhkf.encoders.image_tower import ImageTower
from cmhkf.encoders.protocols import Identity, VideoRows
from cmhkf.encoders.tensors import fill, read_tensors
from cmhkf.encoders.weights import Found, Wanted, WeightFile, find, find_or_fetch, hub_snapshot, hub_url, user_cache
from cmhkf.media.sampling import FrameSampling

CLIP = Any  # open_clip.CLIP, in annotations alone: importing it takes seconds, and its parts have no useful types

MODEL = "ViT-B-16-quickgelu"
DIM = 512
CONTEXT = 77  # tokens the text tower has positions for
FRAMES, MOST_FRAMES = 16, 256  # in a pass: on a CPU, where more only costs memory; on a GPU at most
FRAME_BYTES = 16 * 2**20  # of memory that a frame takes on its way through the tower, in float32

REPO, REVISION = "timm/vit_base_patch16_clip_224.openai", "977e3dd0ec55ab8da155f2fbeb6b5f54948b6e3d"
HUB_SHA256 = "4b8699299b1e8997753c64b052ba32031449d5d853f55a039148560ee02b820f"
OPENAI_SHA256 = "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"
OPENAI_ONLY = ("input_resolution", "context_length", "vocab_size")  # numbers that OpenAI's archive keeps as tensors


class ClipVideoEncoder:
    """The middle frame of a snippet to CLIP's image embedding (C.1)."""

    sampling = FrameSampling((8,), 224, 224, "bicubic")
    video_dim = DIM
    semantic_dim = DIM
    context = 0

    def __init__(self, tower: ImageTower, *, weights_sha256: str) -> None:
        self.tower = tower
        self.device, self.dtype = tower.device, tower.dtype
        self.block = at_once(self.device, FRAME_BYTES, usual=FRAMES, most=MOST_FRAMES)
        self.published = weights_sha256 in (HUB_SHA256, OPENAI_SHA256)
        self.identity = video_identity(weights_sha256)

    @torch.inference_mode()
    def start(self, frames: np.ndarray, inner: slice = slice(None)) -> Callable[[], VideoRows]:
        """Begin to encode uint8 RGB [S, 1, 224, 224, 3]; the video rows have CLIP's own length."""
        parts = sent(frames[inner, 0], self.device).split(self.block)
        fetched = fetching(torch.cat([self.tower(part) for part in parts]))  # [B, 512]

        def rows() -> VideoRows:
            video = fetched()
            return VideoRows(video=video, semantic=normalize(torch.from_numpy(video), dim=-1).numpy())

        return rows

    def encode(self, frames: np.ndarray, inner: slice = slice(None)) -> VideoRows:
        """What `start` begins, to its end."""
        return self.start(frames, inner)()


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
    """Both encoders, and open_clip's network with its text tower alone, frozen.

    `weights` is a file; without it CMHKF_CLIP_WEIGHTS, the Hugging Face cache, OpenAI's cache, then a download.
    `dtype` concerns the image tower; None: bfloat16 (float16) where the hardware multiplies it, else float32.

    Raises:
        WeightsError: no weights, or a file that is not what it should be.
        ConfigError: an unknown device.
    """
    device = pick_device(device)
    found = find_or_fetch(wanted(), weights)
    model = build_clip(found, device=device)
    with torch.inference_mode():
        tower = ImageTower(model.visual, dtype or compute_dtype(device), frames=FRAMES)
    del model.visual
    video = ClipVideoEncoder(tower, weights_sha256=found.sha256)
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


def build_clip(found: Found, *, device: str) -> CLIP:
    """open_clip's network with the weights of a file, in float32, for inference."""
    tensors = read_tensors(found.path)
    model = empty_clip()
    fill(model, {k: v for k, v in tensors.items() if k not in OPENAI_ONLY}, shown=str(found.path))
    return model.to(device).eval().requires_grad_(False)


def empty_clip() -> CLIP:
    """The architecture without values (on the meta device), save for the causal mask, which no file holds."""
    import open_clip
    from open_clip.transformer import QuickGELU

    config = open_clip.get_model_config(MODEL)
    assert config is not None
    with torch.device("meta"):
        model = open_clip.CLIP(**config)
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
