"""CLIP ViT-B/16 and VGGish: the share of this machine that the pipeline reaches, and plain code beside it.

    python benchmarks/analyze.py [CLIP] [--threads N] [--cpu-time]

Plain code is what one writes without this project: moviepy's frames and audio, open_clip with its own preprocessing in
float32, torchvggish as it comes, one after the other. The weights are random, of the published shapes: the work is the
same, and counted on the plain networks. The limit is the fastest square matrix product in bfloat16, measured before and
after all else; beside it stands what CLIP's own linear layers reach by themselves. On a busy machine --cpu-time counts
the processor's time of this process alone, for one thread: in both ways to do it, others decode. Exit code 1: the
pipeline reaches less than 80 % of the limit or is not 4 times as fast, or rows differ.
"""

import argparse
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import open_clip
import torch
from moviepy import VideoFileClip
from physical_limit import EXAMPLE, best_s, product_gflops, show
from PIL import Image
from safetensors.torch import save_model
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvggish.torchvggish import VGG, make_layers
from torchvggish.vggish_input import waveform_to_examples

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.encoders.clip import MODEL, load_clip
from cmhkf.encoders.image_tower import TOKENS
from cmhkf.encoders.linear import Linear
from cmhkf.encoders.logmel import RATE_HZ
from cmhkf.encoders.protocols import Encoders
from cmhkf.encoders.vggish import SAMPLES, WINDOW_S, load_vggish
from cmhkf.features.extract import Features, extract
from cmhkf.features.recipe import recipe_of
from cmhkf.media.clip import Clip, SnippetStream, probe
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

SHARE, FASTER, COSINE = 0.8, 4.0, 0.999
BATCH = 16
MONO_GAIN = 2**0.5  # moviepy hands one channel over as two that are 3 dB lower

Made = TypeVar("Made")
Clock = Callable[[], float]


def make_weights(clip: Path, vggish: Path) -> None:
    """Write random weights; VGGish's keep the spread of what it hears through its layers."""
    torch.manual_seed(0)
    save_model(open_clip.create_model(MODEL, pretrained=None), str(clip))
    network = VGG(make_layers(), postprocess=False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), vggish)


def plain_video(path: str, n_snippets: int, model: Any, preprocess: Any) -> np.ndarray:
    """The middle frame of each snippet through open_clip: [N, 512]."""
    rows, pictures = [], []
    with VideoFileClip(path) as video:
        for i in range(n_snippets):
            frame: Any = video.get_frame(float((i + 0.5) * SNIPPET_FRAMES / GRID_RATE))
            pictures.append(preprocess(Image.fromarray(frame)))
            if len(pictures) == BATCH or i == n_snippets - 1:
                rows.append(model.encode_image(torch.stack(pictures)).numpy())
                pictures = []
    return np.concatenate(rows)


def plain_audio(path: str, n_snippets: int, network: nn.Module) -> np.ndarray:
    """The audio before the end of each snippet through torchvggish: [N, 128]."""
    with VideoFileClip(path, audio_fps=RATE_HZ) as video:
        assert video.audio
        sound = video.audio.to_soundarray(fps=RATE_HZ).mean(axis=1) * MONO_GAIN
    sound = np.concatenate([np.zeros(RATE_HZ), sound, np.zeros(RATE_HZ)])
    rows = []
    for i in range(n_snippets):
        end_s = (i + 1) * SNIPPET_FRAMES / GRID_RATE
        first, end = round(100 * (end_s - Fraction(WINDOW_S))) * RATE_HZ // 100, round(end_s * RATE_HZ)
        window = sound[RATE_HZ + first : RATE_HZ + end]
        window = np.pad(window, (0, SAMPLES - len(window)), "symmetric")
        rows.append(network(waveform_to_examples(window, RATE_HZ)).numpy())
    return np.concatenate(rows)


def timed(work: Callable[[], Made], clock: Clock) -> tuple[Made, float]:
    """What one run of the work makes, and its seconds."""
    begun = clock()
    return work(), clock() - begun


def gflop(work: Callable[[], object]) -> float:
    """Of the matrix products, convolutions and attention in a run; in attention's fast path none would be counted."""
    torch.backends.mha.set_fastpath_enabled(False)
    with FlopCounterMode(display=False) as counter:
        work()
    torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops() / 1e9


def layers_gflops(rows: int, clock: Clock) -> float:
    """GFLOP a second of CLIP's four kinds of linear layers together, one after the other, the weights packed."""
    work, seconds = 0.0, 0.0
    for n_in, n_out in ((768, 2304), (768, 768), (768, 3072), (3072, 768)):
        x, weight, bias = (torch.randn(*shape).bfloat16() for shape in ((rows, n_in), (n_out, n_in), (n_out,)))
        layer = Linear(weight, bias, rows=rows)
        work += 2e-9 * rows * n_in * n_out
        seconds += best_s(lambda layer=layer, x=x: layer(x), clock)
    return work / seconds


def agreement(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    """The least cosine of a row with its like; shown beside that of rows of different snippets."""
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (ours, theirs)]
    cosines = units[0] @ units[1].T
    same, other = cosines.diagonal().min(), np.median(cosines[~np.eye(len(cosines), dtype=bool)])
    print(f"{name} rows of both: cosine {same:.5f} or more; of different snippets usually {other:.5f}")
    return float(same)


def features_of(clip: Clip, encoders: Encoders) -> Features:
    """The pipeline, as the program runs it."""
    *_, features = extract(clip, encoders, recipe_of(encoders, "24fps"))
    assert isinstance(features, Features)
    return features


@torch.inference_mode()
def main() -> int:
    """Measure on this machine, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?", default=EXAMPLE, help="with mono sound, at a constant frame rate")
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own choice")
    parser.add_argument("--cpu-time", action="store_true", help="for one thread on a busy machine")
    args = parser.parse_args()
    clock = time.process_time if args.cpu_time else time.perf_counter
    if args.threads:
        torch.set_num_threads(args.threads)
    clip = probe(args.clip)
    with TemporaryDirectory() as folder:
        files = Path(folder) / "clip.safetensors", Path(folder) / "vggish.pth"
        make_weights(*files)
        video, text, _ = load_clip(files[0], device="cpu")
        audio = load_vggish(files[1], device="cpu")
        model: Any = open_clip.create_model(MODEL, pretrained=str(files[0]))
        preprocess = open_clip.image_transform(
            224, is_train=False, mean=model.visual.image_mean, std=model.visual.image_std
        )
        network = VGG(make_layers(), postprocess=False)
        network.load_state_dict(torch.load(files[1]))
    model.eval()
    network.eval()
    limit = product_gflops(torch.bfloat16, clock)
    print(
        f"CLIP's linear layers alone, {BATCH} frames: {layers_gflops(BATCH * TOKENS, clock):.0f} GFLOP/s\n"
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; matrix products in bfloat16 {limit:.0f} GFLOP/s"
    )

    frames = np.random.default_rng(0).integers(0, 256, (BATCH, 1, 224, 224, 3), dtype=np.uint8)
    sound, ends = np.random.default_rng(0).uniform(-1, 1, 2 * BATCH * RATE_HZ), np.arange(1, BATCH + 1) * 2 / 3
    encodings = {"CLIP": lambda: video.encode(frames), "VGGish": lambda: audio.encode(sound, 0.0, ends)}
    pixels, patches = torch.zeros(BATCH, 3, 224, 224), torch.zeros(BATCH, 1, 96, 64)
    works = {"CLIP": gflop(lambda: model.encode_image(pixels)), "VGGish": gflop(lambda: network(patches))}
    for name, run in encodings.items():
        show(f"{name} alone, {BATCH} snippets", works[name], best_s(run, clock), limit)

    encoders = Encoders("CLIP ViT-B/16 + VGGish", video, text, audio)
    features_of(clip, encoders)
    features, ours_s = timed(lambda: features_of(clip, encoders), clock)
    n = features.timeline.n_snippets
    _, decode_s = timed(lambda: list(SnippetStream(clip, video.sampling)), time.perf_counter)
    print(f"{clip.name}: {clip.width_px}x{clip.height_px}, {n} snippets; frames decoded alone in {decode_s:.2f} s")
    work = sum(works.values()) * n / BATCH
    show("file to rows", work, ours_s, limit)

    seen, seen_s = timed(lambda: plain_video(clip.path, n, model, preprocess), clock)
    heard, heard_s = timed(lambda: plain_audio(clip.path, n, network), clock)
    print(f"plain code: {seen_s:.2f} s for frames, {heard_s:.2f} s for audio")
    after = product_gflops(torch.bfloat16, clock)
    print(f"matrix products in bfloat16 now: {after:.0f} GFLOP/s")
    limit = max(limit, after)
    share, faster = work / ours_s / limit, (seen_s + heard_s) / ours_s
    print(
        f"{share:.0%} of the limit (wanted: {SHARE:.0%}), {faster:.1f} x as fast as plain code (wanted: {FASTER:g} x)"
    )
    assert features.audio is not None
    cosine = min(
        agreement("CLIP", np.asarray(features.video), seen), agreement("VGGish", np.asarray(features.audio), heard)
    )
    return int(share < SHARE or faster < FASTER or cosine < COSINE)


if __name__ == "__main__":
    sys.exit(main())
