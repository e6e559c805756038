"""VGGish through torchvggish's network: audio to one 128-d row per snippet (C.2).

The front end is our own (`logmel.py`), cut per snippet. VGGish features exist in several kinds: with or without the
last ReLU, raw or whitened and quantised. Which kind XD-Violence's released features are is not known; ours have the
ReLU and are raw, and the recipe says so.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from cmhkf.encoders.device import at_once, compute_dtype, fetching, pick_device, sent
from cmhkf.encoders.logmel import FRAME, HOP, RATE_HZ, log_mel
from cmhkf.encoders.protocols import AudioRows, Identity
from cmhkf.encoders.tensors import fill, read_tensors
from cmhkf.encoders.weights import Found, Wanted, WeightFile, find, find_or_fetch

DIM = 128
PATCH = 96  # log-mel frames in a row
WINDOW_S = 0.96  # C.2: the window is [end - 0.96, end]
SAMPLES = (PATCH - 1) * HOP + FRAME  # 15,600: what 96 whole frames take
ROWS, MOST_ROWS = 32, 1024  # in a pass: on a CPU, on a GPU at most
ROW_BYTES = 6 * 2**20  # of memory that a row takes on its way through the network
SHA256 = "10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b"
RELEASE = "https://github.com/harritaylor/torchvggish/releases/download/v0.1"


class VggishEncoder:
    """The audio before each snippet's end to VGGish's embedding."""

    rate_hz = RATE_HZ
    context_s = WINDOW_S + HOP / RATE_HZ / 2  # the start is rounded to the nearest of the 10 ms frames
    audio_dim = DIM

    def __init__(self, network: nn.Module, *, weights_sha256: str) -> None:
        """`network` is `build_vggish`'s: log-mel [B, 1, 96, 64] to [B, 128]."""
        self.network = network
        weight = next(network.parameters())
        self.device, self.dtype = str(weight.device), weight.dtype
        self.at_once = at_once(self.device, ROW_BYTES, usual=ROWS, most=MOST_ROWS)
        self.published = weights_sha256 == SHA256
        self.identity = audio_identity(weights_sha256)

    @torch.inference_mode()
    def encode(self, waveform: np.ndarray, start_s: float, ends_s: np.ndarray) -> AudioRows:
        """Encode the snippets that end at `ends_s` [B]; float32 [B, 128]. Missing audio counts as silence (C.2)."""
        rows = [torch.zeros(0, DIM, device=self.device)]
        for first in range(0, len(ends_s), self.at_once):
            windows = cut(waveform, start_s, ends_s[first : first + self.at_once])  # [b, 15600]
            patches = sent(log_mel(windows)[:, None], self.device).to(self.dtype)  # [b, 1, 96, 64]
            rows.append(self.network(patches).float())  # [b, 128]
        return AudioRows(fetching(torch.cat(rows))())


def audio_identity(weights_sha256: str) -> Identity:
    """What a recipe records of VGGish."""
    return (
        ("name", "VGGish"),
        ("weights", weights_sha256),
        ("rate_hz", str(RATE_HZ)),
        ("window", f"{PATCH} log-mel frames of 10 ms, from round(100 (end - {WINDOW_S}))"),
        ("final_relu", "true"),
        ("postprocess", "none"),
    )


def cut(waveform: np.ndarray, start_s: float, ends_s: np.ndarray) -> np.ndarray:
    """The samples under each row's 96 log-mel frames, float32 [B, 15600]; zeros where there is no audio.

    The first frame is round(100 (end - 0.96)) on the clip's own 10 ms grid, rounded per row, so nothing drifts (C.2).
    The last frames reach up to 20 ms past the end. What lies there may not be known yet, so the audio just before the
    end is mirrored into its place: a row is the same however the audio is handed over.
    """
    ends = np.rint(np.asarray(ends_s) * RATE_HZ).astype(np.int64)[:, None]
    firsts = np.rint((np.asarray(ends_s) - WINDOW_S) * (RATE_HZ / HOP)).astype(np.int64)[:, None] * HOP
    idx = firsts + np.arange(SAMPLES)  # [B, 15600], samples of the clip
    idx = np.where(idx < ends, idx, 2 * ends - 1 - idx) - round(start_s * RATE_HZ)
    known = (idx >= 0) & (idx < len(waveform))
    padded = np.append(np.asarray(waveform, np.float32), np.float32(0))
    return padded[np.where(known, idx, -1)]


def load_vggish(
    weights: str | Path | None = None, *, device: str = "auto", dtype: torch.dtype | None = None
) -> VggishEncoder:
    """The encoder with its weights.

    `weights` is a file; without it CMHKF_VGGISH_WEIGHTS, torch's cache, then a download. `dtype` None: bfloat16
    (float16) where the hardware multiplies it, else float32.

    Raises:
        WeightsError: no weights, or a file that is not what it should be.
    """
    found = find_or_fetch(wanted(), weights)
    device = pick_device(device)
    network = build_vggish(found, device=device, dtype=dtype or compute_dtype(device))
    return VggishEncoder(network, weights_sha256=found.sha256)


def find_weights() -> Found:
    """The file that `load_vggish` would take, without downloading. Raises WeightsError."""
    return find(wanted())


def wanted() -> Wanted:
    """torchvggish's published weights."""
    name = "vggish-10086976.pth"
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    file = WeightFile(name, SHA256, 288_567_937, f"{RELEASE}/{name}", (cached,))
    return Wanted("VGGish", "CMHKF_VGGISH_WEIGHTS", (file,), "torchvggish's .pth, or its tensors as safetensors")


def build_vggish(found: Found, *, device: str, dtype: torch.dtype) -> nn.Module:
    """torchvggish's network with the weights of a file, for inference."""
    from torchvggish.torchvggish import VGG, make_layers  # takes seconds to import

    with torch.device("meta"):
        network = VGG(make_layers(), postprocess=False)
    fill(network, read_tensors(found.path), shown=str(found.path))
    network.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval().requires_grad_(False)
