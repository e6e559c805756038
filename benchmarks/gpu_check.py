"""Whether a device computes what a CPU does, and how fast: the demo's networks by golden rows, the model, training,
decoding, every encoder, the presets that need no checkpoint of one's own; CLIP and VGGish with random weights. Then
speeds, which are figures and no verdict.

    python benchmarks/gpu_check.py [auto | cpu | cuda | cuda:N]

Prints a table for docs/performance.md. Needs torch, numpy and safetensors; what needs more says so and is left out.
A check that ends with an error is a line too, and the rest goes on. Exit code 1: something is wrong.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.encoders.demo.golden import NETWORKS, Network, measure
from cmhkf.encoders.device import compute_dtype, pick_device
from cmhkf.encoders.load import load_encoders
from cmhkf.encoders.protocols import Encoders, VideoEncoder, VideoRows
from cmhkf.errors import ConfigError, WeightsError
from cmhkf.features.extract import blocks, delayed
from cmhkf.model.build import build_model
from cmhkf.model.config import ModelConfig
from cmhkf.model.output import ModelOutput
from cmhkf.model.texts import FixedTexts
from cmhkf.training.batches import Sample, SampleList
from cmhkf.training.config import TrainConfig
from cmhkf.training.fit import fit

if TYPE_CHECKING:
    from cmhkf.media.clip import Clip

LOGITS_WITHIN, LOSS_WITHIN = 0.02, 0.01  # of a CPU's in float32: convolutions may run in TF32
BF16_LOGITS_WITHIN = 0.25
SCORES_WITHIN, COSINE = 0.1, 0.99  # of a CPU's, each in its usual number format
LEVELS_WITHIN = 2  # of 255, by which a GPU's decoded frames may differ
FEW = 16  # snippets that are compared
Kind = Literal["clip", "demo"]
KINDS: tuple[Kind, ...] = ("clip", "demo")
WINDOWS, SNIPPETS, CLASSES, WIDTH, AUDIO = 16, 256, 7, 512, 128


Verdict = tuple[bool | None, str]
"""Whether it is right, None where it was not run; and what was found."""


def main() -> int:
    """Check, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device", nargs="?", default="auto", help="auto, cpu, cuda or cuda:N; %(default)s")
    try:
        device = pick_device(parser.parse_args().device)
    except ConfigError as error:
        parser.error(str(error))
    kind = torch.cuda.get_device_name(device) if device.startswith("cuda") else f"{torch.get_num_threads()} threads"
    usual = str(compute_dtype(device)).removeprefix("torch.")
    print(f"{kind} ({device}), torch {torch.__version__}, encoders usually in {usual}\n")
    print("| what | seconds | verdict | |\n|---|---:|---|---|")
    with TemporaryDirectory() as folder:
        wrong = told(checks(device, example := Example(device, Path(folder))))
        for what, footage_s, seconds in example.speeds:
            print(f"| speed: {what} | {seconds:.2f} | | {footage_s / seconds:.1f} x real time |")
    print(f"\n{wrong} wrong" if wrong else "\nnothing is wrong")
    return 1 if wrong else 0


def told(checks: Iterable[tuple[str, Callable[[], Verdict]]]) -> int:
    """Make each check and print its line; returns how many are wrong. One that ends with an error stops no other."""
    wrong = 0
    for what, check in checks:
        begun = time.perf_counter()
        try:
            right, found = check()
            verdict = "not run" if right is None else "right" if right else "WRONG"
        except ModuleNotFoundError as error:
            right, verdict, found = None, "not run", f"package {error.name} is missing"
        except WeightsError as error:
            right, verdict, found = None, "not run", str(error).splitlines()[0]
        except Exception as error:
            logging.exception("%s failed", what)
            right, verdict, found = False, "WRONG", f"failed: {type(error).__name__}: {' '.join(str(error).split())}"
        print(f"| {what} | {since(begun):.2f} | {verdict} | {found} |", flush=True)
        wrong += right is False
    return wrong


def checks(device: str, example: Example) -> Iterator[tuple[str, Callable[[], Verdict]]]:
    """All of them, each by its name."""
    for network in NETWORKS:
        for dtype in dict.fromkeys((compute_dtype(device), torch.float32)):
            yield f"{network.name}, {str(dtype).removeprefix('torch.')}", partial(golden, network, dtype, device)
    yield "model, float32, beside a CPU's", partial(forward, device, "cpu")
    yield "model, bfloat16, beside its float32", partial(forward, device, device, rounded=True)
    formats = {"fp32": LOSS_WITHIN, "bf16": 5 * LOSS_WITHIN} | ({"fp16": 5 * LOSS_WITHIN} if device != "cpu" else {})
    for precision, within in formats.items():
        yield f"6 steps of training, {precision}", partial(training, device, precision, within)
    for kind in KINDS:
        yield f"{kind}: frames", partial(example.frames, kind)
        yield f"{kind}: video rows", partial(example.video, kind)
        yield f"{kind}: a block begun ahead", partial(example.ahead, kind)
        yield f"{kind}: texts", partial(example.texts, kind)
        yield f"{kind}: audio rows", partial(example.audio, kind)
    for spec in ("demo", "zero-shot"):
        yield f"preset {spec}", partial(example.preset, spec)


def golden(network: Network, dtype: torch.dtype, device: str) -> Verdict:
    """A network of the demo in a number format."""
    agreement = measure(network, network.load(device, dtype), device)
    return agreement.right, str(agreement)


def forward(device: str, other: str, *, rounded: bool = False) -> Verdict:
    """The model with random weights, in bfloat16 if `rounded`, beside float32 on another device."""
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
        expected = look(other)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=rounded):
            found = look(device)
    return _compare(found, expected, BF16_LOGITS_WITHIN if rounded else LOGITS_WITHIN)


def _compare(found: ModelOutput, expected: ModelOutput, within: float) -> tuple[bool, str]:
    mask = expected.mask.cpu()
    apart = (found.logits.float().cpu() - expected.logits.float().cpu())[mask].abs().max().item()
    classes = int((found.top_classes.cpu() != expected.top_classes.cpu()).any(dim=1).sum())
    peaks = int((found.peaks.cpu() != expected.peaks.cpu())[mask].sum())
    right = apart <= within and not classes and not peaks
    return right, f"logits within {apart:.1e}, {classes} other class choices, {peaks} other peaks"


def training(device: str, precision: str, within: float) -> Verdict:
    """A few steps beside a CPU's."""
    expected, found = _loss("cpu", "fp32"), _loss(device, precision)
    return abs(found / expected - 1) <= within, f"loss {found:.4f}, a CPU's {expected:.4f}"


@cache
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


class Example:
    """An example clip on a device, beside a CPU; and how fast it went there."""

    def __init__(self, device: str, folder: Path) -> None:
        self._device, self._folder = device, folder
        self._encoders: dict[Kind, tuple[Encoders, Encoders]] = {}
        self._snippets: dict[Kind, list[np.ndarray]] = {}
        self.speeds: list[tuple[str, float, float]] = []
        """What was done, the seconds of footage, and those that it took."""

    def _clip(self) -> Clip:
        from physical_limit import EXAMPLE

        from cmhkf.media.clip import probe

        return probe(EXAMPLE)

    def _pair(self, kind: Kind) -> tuple[Encoders, Encoders]:
        """A CPU's encoders and the device's."""
        self._make_weights()
        if kind not in self._encoders:
            cpus, encoders = (load_encoders(kind, audio=True, device=place) for place in ("cpu", self._device))
            self._encoders[kind] = cpus, encoders
        return self._encoders[kind]

    def _make_weights(self) -> None:
        from analyze import make_weights

        weights = {name: self._folder / name for name in ("CMHKF_CLIP_WEIGHTS", "CMHKF_VGGISH_WEIGHTS")}
        if not all(path.exists() for path in weights.values()):
            make_weights(*weights.values())
            os.environ |= {name: str(path) for name, path in weights.items()}

    def _decoded(self, kind: Kind) -> list[np.ndarray]:
        """By a CPU."""
        from cmhkf.media.clip import SnippetStream

        if kind not in self._snippets:
            self._snippets[kind] = list(SnippetStream(self._clip(), self._pair(kind)[0].video.sampling))
        return self._snippets[kind]

    def frames(self, kind: Kind) -> Verdict:
        """Decoding, and its speed."""
        from cmhkf.media.clip import SnippetStream

        _, encoders = self._pair(kind)
        clip = self._clip()
        stream = SnippetStream(clip, encoders.video.sampling, device=self._device)
        begun = time.perf_counter()
        decoded = list(stream)
        self.speeds.append((f"decoding for {kind}", clip.duration_s, since(begun)))
        apart = max(np.abs(a.astype(int) - b).max() for a, b in zip(decoded, self._decoded(kind), strict=True))
        return apart <= LEVELS_WITHIN, f"by {stream.decoded_by}, within {apart} levels of 255"

    def video(self, kind: Kind) -> Verdict:
        """Rows of frames, and how fast many are made with the device warm."""
        cpus, encoders = self._pair(kind)
        snippets = self._decoded(kind)
        found, expected = (rows_of(side.video, snippets[:FEW], by=0) for side in (encoders, cpus))
        video = encoders.video
        n = 3 * video.block
        many = [snippets[i % len(snippets)] for i in range(n)]
        name = f"{video.identity[0][1]}, {video.block} snippets at once"
        self.speeds.append((name, n / 1.5, warm_s(lambda: list(all_rows(video, many)))))
        return alike(found, expected)

    def ahead(self, kind: Kind) -> Verdict:
        """Blocks begun ahead beside one after the other."""
        few, (_, encoders) = self._decoded(kind)[:FEW], self._pair(kind)
        return alike(*(rows_of(encoders.video, few, by=by) for by in (1, 0)))

    def texts(self, kind: Kind) -> Verdict:
        """Rows of texts."""
        cpus, encoders = self._pair(kind)
        texts = ("a fight", "a car accident", "a street")
        return alike(encoders.text.encode(texts), cpus.text.encode(texts))

    def audio(self, kind: Kind) -> Verdict:
        """Rows of noise, and their speed."""
        cpus, audio = (side.audio for side in self._pair(kind))
        assert cpus
        assert audio
        noise = np.random.default_rng(0).standard_normal(31 * audio.rate_hz).astype(np.float32) / 8
        few = noise[: 5 * audio.rate_hz]
        found, expected = (side.encode(few, 0.0, np.arange(1.0, 5.0)).audio for side in (audio, cpus))
        seconds = warm_s(lambda: audio.encode(noise, 0.0, np.arange(1, 46) / 1.5))
        self.speeds.append((audio.identity[0][1], 30.0, seconds))
        return alike(found, expected)

    def preset(self, spec: str) -> Verdict:
        """File to scores, and its speed."""
        from cmhkf.analyzer import load

        self._make_weights()
        clip = self._clip()
        cpus, analyzer = load(spec, device="cpu"), load(spec, device=self._device)
        cpus.cache_dir, analyzer.cache_dir = self._folder / "cpu", self._folder / "other"
        begun = time.perf_counter()
        scores = analyzer.analyze(clip).scores
        self.speeds.append((f"preset {spec}, file to scores", clip.duration_s, since(begun)))
        apart = float(np.abs(scores - cpus.analyze(clip).scores).max())
        return apart <= SCORES_WITHIN, f"scores within {apart:.1e}"


def rows_of(video: VideoEncoder, snippets: list[np.ndarray], *, by: int) -> np.ndarray:
    """Video rows of consecutive snippets, each block's taken when `by` more have been begun."""
    begun = (video.start(*block) for block in blocks(snippets, min(video.block, FEW // 2), video.context))
    return np.concatenate([wait().video for wait in delayed(begun, by)])


def alike(found: np.ndarray, expected: np.ndarray) -> tuple[bool, str]:
    """Whether rows point the same way."""
    cosines = (found * expected).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    return bool(cosines.min() >= COSINE), f"cosine {cosines.min():.5f} or more"


def warm_s(work: Callable[[], object]) -> float:
    """The seconds that work takes the second time."""
    work()
    begun = time.perf_counter()
    work()
    return since(begun)


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
