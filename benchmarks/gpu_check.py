"""Whether a device computes what a CPU does, and how fast: the demo's networks by golden rows, the model, training,
decoding, every encoder, the presets that need no checkpoint of one's own, and at last speeds; CLIP and VGGish with
random weights.

    python benchmarks/gpu_check.py [auto | cpu | cuda | cuda:N]

Prints a table for docs/performance.md. Needs torch, numpy and safetensors; what needs more says so and is left out.
Exit code 1: something is wrong.
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.encoders.demo.golden import NETWORKS, measure
from cmhkf.encoders.device import compute_dtype, pick_device
from cmhkf.encoders.load import load_encoders
from cmhkf.encoders.protocols import Encoders, VideoEncoder, VideoRows
from cmhkf.errors import WeightsError
from cmhkf.features.extract import blocks, delayed
from cmhkf.model.build import build_model
from cmhkf.model.config import ModelConfig
from cmhkf.model.output import ModelOutput
from cmhkf.model.texts import FixedTexts
from cmhkf.training.batches import Sample, SampleList
from cmhkf.training.config import TrainConfig
from cmhkf.training.fit import fit

LOGITS_WITHIN, LOSS_WITHIN = 0.02, 0.01  # of a CPU's in float32: convolutions may run in TF32
BF16_LOGITS_WITHIN = 0.25
SCORES_WITHIN, COSINE = 0.1, 0.99  # of a CPU's, each in its usual number format
LEVELS_WITHIN = 2  # of 255, by which a GPU's decoded frames may differ
FEW = 16  # snippets that are compared
WINDOWS, SNIPPETS, CLASSES, WIDTH, AUDIO = 16, 256, 7, 512, 128


def main() -> int:
    """Check, print a table, and return the exit code."""
    device = pick_device(sys.argv[1] if len(sys.argv) > 1 else "auto")
    kind = torch.cuda.get_device_name(device) if device.startswith("cuda") else f"{torch.get_num_threads()} threads"
    usual = str(compute_dtype(device)).removeprefix("torch.")
    print(f"{kind} ({device}), torch {torch.__version__}, encoders usually in {usual}\n")
    print("| what | seconds | verdict | |\n|---|---:|---|---|")
    wrong = 0
    for check in (golden(device), forward(device), training(device), clips(device)):
        begun = time.perf_counter()
        for what, right, told in check:
            verdict = "not run" if right is None else "right" if right else "WRONG"
            print(f"| {what} | {time.perf_counter() - begun:.2f} | {verdict} | {told} |", flush=True)
            wrong += right is False
            begun = time.perf_counter()
    print(f"\n{wrong} wrong" if wrong else "\nnothing is wrong")
    return 1 if wrong else 0


Line = tuple[str, bool | None, str]


def golden(device: str) -> Iterator[Line]:
    """Each network in the device's usual number format and in float32."""
    for network in NETWORKS:
        for dtype in dict.fromkeys((compute_dtype(device), torch.float32)):
            what = f"{network.name}, {str(dtype).removeprefix('torch.')}"
            try:
                net = network.load(device, dtype)
            except ModuleNotFoundError as error:
                yield what, None, f"package {error.name} is missing"
                continue
            except WeightsError as error:
                yield what, None, str(error).splitlines()[0]
                continue
            agreement = measure(network, net, device)
            yield what, agreement.right, str(agreement)


def forward(device: str) -> Iterator[Line]:
    """The model with random weights in float32 beside a CPU's, and in bfloat16 beside its own float32."""
    torch.manual_seed(0)
    config = ModelConfig()
    model = build_model(config).eval()
    video, audio = torch.randn(WINDOWS, SNIPPETS, WIDTH), torch.randn(WINDOWS, SNIPPETS, AUDIO)
    lengths = torch.randint(20, SNIPPETS + 1, (WINDOWS,))
    text = torch.randn(CLASSES, WIDTH)
    video, audio, text = (rows.bfloat16().float() for rows in (video, audio, text))

    def look(place: str) -> ModelOutput:
        given = (rows.to(place) for rows in (video, lengths, text))
        return model.to(place)(*given, audio=audio.to(place))

    with torch.inference_mode():
        expected, found = look("cpu"), look(device)
        yield "model, float32, beside a CPU's", *_compare(found, expected, LOGITS_WITHIN)
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            rounded = look(device)
        yield "model, bfloat16, beside its float32", *_compare(rounded, found, BF16_LOGITS_WITHIN)


def _compare(found: ModelOutput, expected: ModelOutput, within: float) -> tuple[bool, str]:
    mask = expected.mask.cpu()
    apart = (found.logits.float().cpu() - expected.logits.float().cpu())[mask].abs().max().item()
    classes = int((found.top_classes.cpu() != expected.top_classes.cpu()).any(dim=1).sum())
    peaks = int((found.peaks.cpu() != expected.peaks.cpu())[mask].sum())
    right = apart <= within and not classes and not peaks
    return right, f"logits within {apart:.1e}, {classes} other class choices, {peaks} other peaks"


def training(device: str) -> Iterator[Line]:
    """A few steps beside a CPU's."""
    expected = _loss("cpu", "fp32")
    formats = {"fp32": LOSS_WITHIN, "bf16": 5 * LOSS_WITHIN} | ({"fp16": 5 * LOSS_WITHIN} if device != "cpu" else {})
    for precision, within in formats.items():
        found = _loss(device, precision)
        apart = abs(found / expected - 1)
        yield f"6 steps of training, {precision}", apart <= within, f"loss {found:.4f}, a CPU's {expected:.4f}"


def _loss(device: str, precision: str) -> float:
    """Mean loss of the last of three epochs of two steps."""
    random = np.random.default_rng(0)
    samples = SampleList()
    for i in range(8):
        n, label = int(random.integers(20, 60)), i % 3
        video, audio = (random.standard_normal((n, width), np.float32) for width in (WIDTH, AUDIO))
        video[3:9, label] += 9 * (label > 0)
        samples.append(Sample(f"v{i}", video, None, audio, (label,)))
    text = random.standard_normal((3, WIDTH), np.float32)
    torch.manual_seed(0)
    model = build_model(replace(ModelConfig(), classes=("normal", "fight", "fire")))
    config = TrainConfig(epochs=3, batch_size=4, lr=1e-5, milestones=(), drop_audio=0.0, precision=precision)  # type: ignore[arg-type]
    return fit(model, FixedTexts(text), samples, config, device=device).log[-1].total


def clips(device: str) -> Iterator[Line]:
    """An example clip: decoding, each encoder, file to scores, beside a CPU's; then how fast they are."""
    try:
        from analyze import make_weights
        from physical_limit import EXAMPLE

        from cmhkf.analyzer import load
        from cmhkf.media.clip import SnippetStream, probe
    except ModuleNotFoundError as error:
        yield "decoding, encoders, presets", None, f"package {error.name} is missing"
        return
    with TemporaryDirectory() as folder:
        weights = {name: Path(folder) / name for name in ("CMHKF_CLIP_WEIGHTS", "CMHKF_VGGISH_WEIGHTS")}
        make_weights(*weights.values())
        os.environ |= {name: str(path) for name, path in weights.items()}
        clip, speeds = probe(EXAMPLE), []
        for kind in ("clip", "demo"):
            cpus, encoders = (load_encoders(kind, audio=True, device=place) for place in ("cpu", device))
            stream = SnippetStream(clip, encoders.video.sampling, device=device)
            begun = time.perf_counter()
            decoded = list(stream)
            speeds.append((f"decoding for {encoders.video.identity[0][1]}", clip.duration_s, since(begun)))
            snippets = list(SnippetStream(clip, encoders.video.sampling))
            apart = max(np.abs(a.astype(int) - b).max() for a, b in zip(decoded, snippets, strict=True))
            yield f"frames for {kind}", apart <= LEVELS_WITHIN, f"by {stream.decoded_by}, within {apart} levels of 255"
            yield from of_encoders(cpus, encoders, snippets)
            speeds += speeds_of(encoders, snippets)
        for spec in ("demo", "zero-shot"):
            cpus, analyzer = load(spec, device="cpu"), load(spec, device=device)
            cpus.cache_dir, analyzer.cache_dir = Path(folder) / "cpu", Path(folder) / "other"
            begun = time.perf_counter()
            scores = analyzer.analyze(clip).scores
            speeds.append((f"preset {spec}, file to scores", clip.duration_s, since(begun)))
            apart = float(np.abs(scores - cpus.analyze(clip).scores).max())
            yield f"preset {spec}", apart <= SCORES_WITHIN, f"scores within {apart:.1e}"
        for what, footage_s, seconds in speeds:
            yield f"speed: {what}", True, f"{footage_s / seconds:.1f} x real time"


def of_encoders(cpus: Encoders, encoders: Encoders, snippets: list[np.ndarray]) -> Iterator[Line]:
    """Rows of frames, texts and noise beside a CPU's, and blocks begun ahead beside one after the other."""
    few = snippets[:FEW]
    one_by_one, ahead = rows_of(encoders.video, few, by=0), rows_of(encoders.video, few, by=1)
    name = encoders.video.identity[0][1]
    yield f"{name}, video rows", *alike(one_by_one, rows_of(cpus.video, few, by=0))
    yield f"{name}, a block begun ahead", *alike(ahead, one_by_one)
    texts = ("a fight", "a car accident", "a street")
    yield f"{name}, texts", *alike(encoders.text.encode(texts), cpus.text.encode(texts))
    assert encoders.audio
    assert cpus.audio
    rate = encoders.audio.rate_hz
    noise = np.random.default_rng(0).standard_normal(5 * rate).astype(np.float32) / 8
    heard = [audio.encode(noise, 0.0, np.arange(1.0, 5.0)).audio for audio in (encoders.audio, cpus.audio)]
    yield f"{encoders.audio.identity[0][1]}, audio rows", *alike(*heard)


def rows_of(video: VideoEncoder, snippets: list[np.ndarray], *, by: int) -> np.ndarray:
    """Video rows of consecutive snippets, each block's taken when `by` more have been begun."""
    begun = (video.start(*block) for block in blocks(snippets, min(video.block, FEW // 2), video.context))
    return np.concatenate([wait().video for wait in delayed(begun, by)])


def alike(found: np.ndarray, expected: np.ndarray) -> tuple[bool, str]:
    """Whether rows point the same way."""
    cosines = (found * expected).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    return bool(cosines.min() >= COSINE), f"cosine {cosines.min():.5f} or more"


def speeds_of(encoders: Encoders, snippets: list[np.ndarray]) -> Iterator[tuple[str, float, float]]:
    """What is encoded, its length in seconds, and the seconds that took, with the device warm."""
    video, audio = encoders.video, encoders.audio
    assert audio
    n = 3 * video.block
    many = [snippets[i % len(snippets)] for i in range(n)]
    noise = np.random.default_rng(0).standard_normal(31 * audio.rate_hz).astype(np.float32) / 8
    for name, seconds, work in (
        (f"{video.identity[0][1]}, {video.block} snippets at once", n / 1.5, lambda: list(all_rows(video, many))),
        (audio.identity[0][1], 30.0, lambda: audio.encode(noise, 0.0, np.arange(1, 46) / 1.5)),
    ):
        work()
        begun = time.perf_counter()
        work()
        yield name, seconds, since(begun)


def all_rows(video: VideoEncoder, snippets: list[np.ndarray]) -> Iterator[VideoRows]:
    """As `extract` does it on this device."""
    begun = (video.start(*block) for block in blocks(snippets, video.block, video.context))
    for wait in delayed(begun, int(video.device != "cpu")):
        yield wait()


def since(begun_s: float) -> float:
    """Seconds since then, by the clock of `perf_counter`."""
    return time.perf_counter() - begun_s


if __name__ == "__main__":
    with TemporaryDirectory() as home:  # where checked sums are remembered
        os.environ.setdefault("CMHKF_HOME", home)
        sys.exit(main())
