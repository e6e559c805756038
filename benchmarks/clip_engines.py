"""CLIP's image tower in each way torch can run it here: speed as a ratio to plain float32, and the cosine to it.

    python benchmarks/clip_engines.py [--weights FILE] [--threads 1] [--pictures 8] [--rounds 5]

Without --weights the values are random: speed is the same, cosines are close to those of trained weights.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[1]))

from cmhkf.encoders.clip import MODEL, ClipVideoEncoder, build_clip
from cmhkf.encoders.weights import Found


@contextmanager
def medium_precision() -> Iterator[None]:
    """Let float32 products go to oneDNN, which may use bfloat16 inside where the hardware has it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def random_weights(folder: Path) -> Path:
    """A file of random values in the true format."""
    model = open_clip.create_model(MODEL, pretrained=None)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "clip.safetensors")
    return folder / "clip.safetensors"


def main() -> None:
    """Time every engine in turns, so that a busy machine slows them alike, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    with tempfile.TemporaryDirectory() as folder:
        found = Found(options.weights or random_weights(Path(folder)), sha256="unchecked")
        fp32, bf16 = (
            ClipVideoEncoder(build_clip(found, device="cpu", dtype=dtype), weights_sha256=found.sha256)
            for dtype in (torch.float32, torch.bfloat16)
        )
    engines: dict[str, tuple[ClipVideoEncoder, Callable]] = {
        "torch float32": (fp32, nullcontext),
        "torch float32, matmul precision medium": (fp32, medium_precision),
        "torch bfloat16, direct cast": (bf16, nullcontext),
    }
    frames = np.random.default_rng(0).integers(0, 256, (options.pictures, 1, 224, 224, 3), np.uint8)
    best = dict.fromkeys(engines, float("inf"))
    rows = {}
    for _ in range(options.rounds + 1):  # the first round warms up, and keeps its time only if it was the best
        for name, (video, context) in engines.items():
            started = time.perf_counter()
            with context():
                rows[name] = video.encode(frames).semantic
            best[name] = min(best[name], time.perf_counter() - started)
    capable = [k for k, v in torch.cpu.get_capabilities().items() if v is True and ("bf16" in k or "amx" in k)]
    print(f"torch {torch.__version__}, {options.threads} threads, {options.pictures} pictures; CPU has {capable}")
    print(f"{'engine':<40} {'pictures/s':>10} {'ratio':>6} {'least cosine':>13} {'largest difference':>19}")
    for name in engines:
        exact = rows["torch float32"]
        cosine, difference = (rows[name] * exact).sum(1).min(), np.abs(rows[name] - exact).max()
        ratio = best["torch float32"] / best[name]
        print(f"{name:<40} {options.pictures / best[name]:>10.2f} {ratio:>6.2f} {cosine:>13.7f} {difference:>19.1e}")


if __name__ == "__main__":
    main()
