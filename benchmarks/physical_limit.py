"""How near the demo encoders come to what this machine can do.

    python benchmarks/physical_limit.py [CLIP] [--threads N]

One run prints the matrix products that torch reaches here, each of I3D's convolutions as a share of them, the networks,
and, for a clip: decoding and encoding, each alone, and all of it as the program does it. GFLOP are those of the
convolutions as they are defined, however they are computed, and of every frame once.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.encoders.demo.load import load_demo
from cmhkf.encoders.demo.video import DemoVideoEncoder
from cmhkf.encoders.protocols import AudioEncoder, Encoders, VideoEncoder
from cmhkf.features.extract import blocks, extract
from cmhkf.features.recipe import recipe_of
from cmhkf.media.clip import Clip, SnippetStream, probe, stream_audio
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

EXAMPLE = Path(__file__).resolve().parents[1] / "assets" / "examples" / "crash.mp4"
REPEATS = 5


def best_s(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """The shortest of a few runs after a first one."""
    work()
    times = []
    for _ in range(REPEATS):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def product_gflops(dtype: torch.dtype, clock: Callable[[], float] = time.perf_counter) -> float:
    """GFLOP a second of the fastest of a few sizes of square matrix products."""
    speeds = []
    for n in (1024, 2048, 4096):
        a = torch.randn(n, n).to(dtype)
        speeds.append(2e-9 * n**3 / best_s(lambda a=a: a @ a, clock))
    return max(speeds)


def gflop(module: Any, made: Tensor) -> float:
    """Of one convolution with this result."""
    return 2e-9 * made.numel() * module.weight[0].numel()


def convolutions(net: nn.Module, run: Callable[[], object]) -> list[tuple[nn.Module, Tensor, float]]:
    """Every convolution in a run of a network, with its input and its GFLOP."""
    found: list[tuple[nn.Module, Tensor, float]] = []
    kinds = (nn.Conv2d, nn.Conv3d)
    hooks = [
        m.register_forward_hook(lambda module, given, made: found.append((module, given[0], gflop(module, made))))
        for m in net.modules()
        if isinstance(m, kinds)
    ]
    run()
    for hook in hooks:
        hook.remove()
    return found


def networks(video: DemoVideoEncoder, limit: float) -> float:
    """Show each convolution of I3D and both networks on eight snippets; returns their GFLOP."""
    total = 0.0
    rng = np.random.default_rng(0)
    frames = torch.from_numpy(rng.integers(0, 256, (8, 8, 224, 320, 3), dtype=np.uint8)).to(video.device)
    names = {module: name for name, module in video.i3d.named_modules()}
    for module, given, work in convolutions(video.i3d, lambda: video.actions(frames)):
        seconds = best_s(lambda module=module, given=given: module(given))
        show(f"  {names[module]} {tuple(given.shape[1:])}", work, seconds, limit)
    runs: dict[str, tuple[nn.Module, Callable[[], object]]] = {"I3D": (video.i3d, lambda: video.actions(frames))}
    pictures = frames[:, ::2].flatten(0, 1)
    runs["EfficientNet-Lite0"] = (video.efficientnet, lambda: video.objects(pictures))
    for name, (net, run) in runs.items():
        work = sum(work for *_, work in convolutions(net, run))
        show(f"{name}, 8 snippets", work, best_s(run), limit)
        total += work
    return total


def show(name: str, work: float, seconds: float, limit: float) -> None:
    """One line: the work in GFLOP, its time, its speed and that speed's share of the limit."""
    speed = work / seconds
    print(f"{name:55} {work:7.1f} GFLOP {seconds * 1e3:8.1f} ms {speed:7.0f} GFLOP/s {speed / limit:6.0%}")


def encoding_s(snippets: list[np.ndarray], video: VideoEncoder) -> float:
    """The seconds that the frames of a clip take to become rows."""
    start = time.perf_counter()
    for frames, inner in blocks(snippets, video.block, video.context):
        video.encode(frames, inner)
    return time.perf_counter() - start


def hearing_s(clip: Clip, audio: AudioEncoder, n_snippets: int) -> float:
    """The seconds that the audio of a clip takes to become rows."""
    waveform = np.concatenate([*stream_audio(clip, audio.rate_hz)])
    ends_s = np.arange(1, n_snippets + 1) * float(SNIPPET_FRAMES / GRID_RATE)
    start = time.perf_counter()
    audio.encode(waveform, 0.0, ends_s)
    return time.perf_counter() - start


def whole(clip: Clip, encoders: Encoders, work: float, limit: float) -> None:
    """Decoding alone, encoding alone, all of it as the program does it."""
    start = time.perf_counter()
    snippets = list(SnippetStream(clip, encoders.video.sampling, grid="24fps"))
    decode_s = time.perf_counter() - start
    times_s = {"decoding the frames": decode_s, "encoding the frames": encoding_s(snippets, encoders.video)}
    if encoders.audio and clip.has_audio:
        times_s["encoding the audio"] = hearing_s(clip, encoders.audio, len(snippets))
    encode_s = sum(times_s.values()) - decode_s
    start = time.perf_counter()
    for _ in extract(clip, encoders, recipe_of(encoders, "24fps")):
        pass
    both_s = time.perf_counter() - start
    print(f"{clip.name}: {clip.width_px}x{clip.height_px}, {clip.duration_s:.1f} s")
    for name, seconds in (times_s | {"file to rows": both_s}).items():
        print(f"  {name:20} {seconds:6.1f} s {clip.duration_s / seconds:6.2f} x real time")
    print(f"  file to rows is {both_s / max(decode_s, encode_s):.2f} x the slower of decoding and encoding")
    show("  file to rows, of the work looked at above", work * len(snippets) / 8, both_s, limit)


def main() -> None:
    """Measure on this machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?", default=EXAMPLE)
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own choice")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    limits = {dtype: product_gflops(dtype) for dtype in (torch.float32, torch.bfloat16)}
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; matrix products: ", end="")
    print(", ".join(f"{str(dtype)[6:]} {speed:.0f} GFLOP/s" for dtype, speed in limits.items()))
    encoders = load_demo("cpu")
    assert isinstance(encoders.video, DemoVideoEncoder)
    limit = limits[next(encoders.video.i3d.parameters()).dtype]
    with torch.inference_mode():
        work = networks(encoders.video, limit)
    whole(probe(args.clip), encoders, work, limit)


if __name__ == "__main__":
    main()
