"""VGGish through torchvggish's network: sound to one 128-d row per snippet (C.2).

The front end is our own (`logmel.py`), cut per snippet. VGGish features exist in several kinds: with or without the
last ReLU, raw or whitened and quantised. Which kind XD-Violence's released features are is not known, so the recipe
records ours.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cmhkf.encoders import AudioRows, Identity
from cmhkf.encoders.logmel import FRAME, HOP, RATE_HZ, log_mel
from cmhkf.encoders.precision import pick_device
from cmhkf.encoders.tensors import fill, read_tensors
from cmhkf.encoders.weights import Found, OnBytes, Wanted, WeightFile, find, find_or_fetch
from cmhkf.errors import WeightsError

DIM = 128
PATCH = 96  # log-mel frames in a row
WINDOW_S = 0.96  # C.2: the window is [end - 0.96, end]
SAMPLES = (PATCH - 1) * HOP + FRAME  # 15,600: what 96 whole frames take
ROWS = 32  # per pass
SHA256 = "10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b"
RELEASE = "https://github.com/harritaylor/torchvggish/releases/download/v0.1"


@dataclass(frozen=True, eq=False)
class Pca:
    """AudioSet's post-processing: whiten, clip to [-2, 2], quantise to 0..255."""

    vectors: Tensor  # [128, 128]
    means: Tensor  # [128]
    sha256: str

    def __call__(self, rows: Tensor) -> Tensor:
        """Rows [B, 128] to whole numbers 0..255, as float32 [B, 128]."""
        whitened = (rows - self.means) @ self.vectors.T
        return ((whitened.clamp(-2, 2) + 2) * (255 / 4)).round()


class VggishEncoder:
    """The sound before each snippet's end to VGGish's embedding."""

    rate_hz = RATE_HZ
    context_s = WINDOW_S + HOP / RATE_HZ / 2  # the start is rounded to the nearest of the 10 ms frames
    audio_dim = DIM

    def __init__(
        self, network: nn.Module, *, weights_sha256: str, final_relu: bool = True, pca: Pca | None = None
    ) -> None:
        """`network` is `build_vggish`'s: log-mel [B, 1, 96, 64] to [B, 128], before the last ReLU."""
        self.network, self.final_relu, self.pca = network, final_relu, pca
        self.device = str(next(network.parameters()).device)
        self.identity = audio_identity(weights_sha256, final_relu=final_relu, pca=pca)

    @torch.inference_mode()
    def encode(self, waveform: np.ndarray, start_s: float, ends_s: np.ndarray) -> AudioRows:
        """Encode the snippets that end at `ends_s` [B]; float32 [B, 128]. Missing sound counts as silence (C.2)."""
        rows = [np.zeros((0, DIM), np.float32)]
        for first in range(0, len(ends_s), ROWS):
            windows = cut(waveform, start_s, ends_s[first : first + ROWS])  # [b, 15600]
            patches = torch.from_numpy(log_mel(windows))[:, None].to(self.device)  # [b, 1, 96, 64]
            out = self.network(patches)  # [b, 128]
            out = out.relu() if self.final_relu else out
            rows.append((self.pca(out) if self.pca else out).cpu().numpy())
        return AudioRows(np.concatenate(rows))


def audio_identity(weights_sha256: str, *, final_relu: bool = True, pca: Pca | None = None) -> Identity:
    """What a recipe records of VGGish."""
    return (
        ("name", "VGGish"),
        ("weights", weights_sha256),
        ("rate_hz", str(RATE_HZ)),
        ("window", f"{PATCH} log-mel frames of 10 ms, from round(100 (end - {WINDOW_S}))"),
        ("final_relu", str(final_relu).lower()),
        ("postprocess", f"pca {pca.sha256}, quantised" if pca else "none"),
    )


def cut(waveform: np.ndarray, start_s: float, ends_s: np.ndarray) -> np.ndarray:
    """The samples under each row's 96 log-mel frames, float32 [B, 15600]; zeros where there is no sound.

    The first frame is round(100 (end - 0.96)) on the clip's own 10 ms grid, rounded per row, so nothing drifts (C.2).
    The last frames reach up to 20 ms past the end. What lies there may not be known yet, so the sound just before the
    end is mirrored into its place: a row is the same however the sound is handed over.
    """
    ends = np.rint(np.asarray(ends_s) * RATE_HZ).astype(np.int64)[:, None]
    firsts = np.rint((np.asarray(ends_s) - WINDOW_S) * (RATE_HZ / HOP)).astype(np.int64)[:, None] * HOP
    idx = firsts + np.arange(SAMPLES)  # [B, 15600], samples of the clip
    idx = np.where(idx < ends, idx, 2 * ends - 1 - idx) - round(start_s * RATE_HZ)
    known = (idx >= 0) & (idx < len(waveform))
    padded = np.append(np.asarray(waveform, np.float32), np.float32(0))
    return padded[np.where(known, idx, -1)]


def load_vggish(
    weights: str | Path | None = None,
    *,
    device: str = "auto",
    final_relu: bool = True,
    postprocess: bool = False,
    on_progress: OnBytes | None = None,
    allow_download: bool = True,
) -> VggishEncoder:
    """The encoder with its weights, in float32.

    `weights` is a file; without it CMHKF_VGGISH_WEIGHTS, torch's cache, then a download. `postprocess` needs the PCA
    file as well, from CMHKF_VGGISH_PCA, torch's cache, or a download.

    Raises:
        WeightsError: no weights or PCA file, or one that is not what it should be.
    """

    def obtain(wanted: Wanted, path: str | Path | None) -> Found:
        return find_or_fetch(wanted, path, on_progress=on_progress) if allow_download else find(wanted, path)

    found = obtain(wanted_network(), weights)
    pca = read_pca(obtain(wanted_pca(), None), device=pick_device(device)) if postprocess else None
    network = build_vggish(found, device=pick_device(device))
    return VggishEncoder(network, weights_sha256=found.sha256, final_relu=final_relu, pca=pca)


def find_weights(path: str | Path | None = None) -> Found:
    """The file that `load_vggish` would take, without downloading. Raises WeightsError."""
    return find(wanted_network(), path)


def wanted_network() -> Wanted:
    """torchvggish's published weights."""
    file = _released("vggish-10086976.pth", SHA256, 288_567_937)
    return Wanted("VGGish", "CMHKF_VGGISH_WEIGHTS", (file,), "torchvggish's .pth, or its tensors as safetensors")


def wanted_pca() -> Wanted:
    """Its post-processing parameters; no more than the first digits of their hash are published."""
    file = _released("vggish_pca_params-970ea276.pth", "970ea276", 181_358)
    return Wanted("VGGish post-processing", "CMHKF_VGGISH_PCA", (file,), "torchvggish's PCA .pth")


def _released(name: str, sha256: str, size_bytes: int) -> WeightFile:
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    return WeightFile(name, sha256, size_bytes, f"{RELEASE}/{name}", (cached,))


def build_vggish(found: Found, *, device: str) -> nn.Module:
    """torchvggish's network with the weights of a file, for inference, without the last ReLU."""
    from torchvggish.torchvggish import VGG, make_layers  # takes seconds to import

    with torch.device("meta"):
        network = VGG(make_layers(), postprocess=False)
    fill(network, read_tensors(found.path), shown=str(found.path))
    network.embeddings = network.embeddings[:-1]
    return network.to(device).eval().requires_grad_(False)


def read_pca(found: Found, *, device: str) -> Pca:
    """The post-processing of a PCA file, which holds numpy arrays: only those are unpickled.

    Raises:
        WeightsError: the file holds something else.
    """
    try:
        with torch.serialization.safe_globals(_numpy_globals()):
            held: Mapping[str, np.ndarray] = torch.load(found.path, map_location="cpu", weights_only=True)
        vectors, means = (np.asarray(held[name], np.float32) for name in ("pca_eigen_vectors", "pca_means"))
        return Pca(
            torch.from_numpy(vectors.reshape(DIM, DIM)).to(device),
            torch.from_numpy(means.reshape(DIM)).to(device),
            found.sha256,
        )
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{found.path} is not VGGish's PCA file: it must hold pca_eigen_vectors [128, 128] and pca_means [128]\n"
            "Download it again, or leave the post-processing off."
        ) from error


def _numpy_globals() -> list:
    """What a pickled array of floats is made of."""
    array = np.zeros(1)
    rebuild = array.__reduce__()[0]
    old_name = (rebuild, "numpy.core.multiarray._reconstruct")  # as numpy before 2 wrote it
    return [rebuild, old_name, np.ndarray, np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.float32))]
