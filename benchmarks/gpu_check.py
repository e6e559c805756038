"""Whether a device computes what a CPU does, and how fast: the demo's networks by golden rows, the model, training,
VGGish, and the presets that need no checkpoint of one's own on an example clip, CLIP and VGGish with random weights.

    python benchmarks/gpu_check.py [auto | cpu | cuda | cuda:N]

Needs torch, numpy and safetensors; what needs more says so and is left out. Exit code 1: something is wrong.
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
from cmhkf.errors import WeightsError
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
WINDOWS, SNIPPETS, CLASSES, WIDTH, AUDIO = 16, 256, 7, 512, 128


def main() -> int:
    """Check, print a table, and return the exit code."""
    device = pick_device(sys.argv[1] if len(sys.argv) > 1 else "auto")
    kind = torch.cuda.get_device_name(device) if device.startswith("cuda") else f"{torch.get_num_threads()} threads"
    usual = str(compute_dtype(device)).removeprefix("torch.")
    print(f"torch {torch.__version__}, device {device} ({kind}), encoders usually in {usual}")
    print(f"{'what':44} {'seconds':>8}  result")
    wrong = 0
    for check in (golden(device), forward(device), training(device), presets(device)):
        begun = time.perf_counter()
        for what, right, told in check:
            verdict = "not run" if right is None else "right" if right else "WRONG"
            print(f"{what:44} {time.perf_counter() - begun:8.2f}  {verdict}: {told}", flush=True)
            wrong += right is False
            begun = time.perf_counter()
    print(f"{wrong} wrong" if wrong else "nothing is wrong")
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


def presets(device: str) -> Iterator[Line]:
    """An example clip from file to scores, how fast its frames are encoded, and VGGish on noise; beside a CPU's."""
    try:
        from analyze import make_weights
        from physical_limit import EXAMPLE, encoding_s

        from cmhkf.analyzer import load
        from cmhkf.encoders.vggish import load_vggish
        from cmhkf.media.clip import SnippetStream, probe
    except ModuleNotFoundError as error:
        yield "presets", None, f"package {error.name} is missing"
        return
    with TemporaryDirectory() as folder:
        weights = {name: Path(folder) / name for name in ("CMHKF_CLIP_WEIGHTS", "CMHKF_VGGISH_WEIGHTS")}
        make_weights(*weights.values())
        os.environ |= {name: str(path) for name, path in weights.items()}
        clip = probe(EXAMPLE)
        for spec in ("demo", "zero-shot"):
            cpus, analyzer = load(spec, device="cpu"), load(spec, device=device)
            cpus.cache_dir, analyzer.cache_dir = Path(folder) / "cpu", Path(folder) / "other"
            apart = float(np.abs(analyzer.analyze(clip).scores - cpus.analyze(clip).scores).max())
            video = analyzer.encoders.video
            snippets = list(SnippetStream(clip, video.sampling, grid="24fps"))
            speed = clip.duration_s / encoding_s(snippets, video)
            told = f"scores within {apart:.1e}; frames to rows alone {speed:.2f} x real time"
            yield f"preset {spec}, file to scores", apart <= SCORES_WITHIN, told
        noise = np.random.default_rng(0).standard_normal(5 * 16000).astype(np.float32) / 8
        rows = [load_vggish(device=place).encode(noise, 0.0, np.arange(1.0, 5.0)).audio for place in ("cpu", device)]
        cosine = min(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(*rows, strict=True))
        yield "VGGish, float32", cosine >= COSINE, f"cosine {cosine:.5f} or more"


if __name__ == "__main__":
    with TemporaryDirectory() as home:  # where checked sums are remembered
        os.environ.setdefault("CMHKF_HOME", home)
        sys.exit(main())
