"""How fast training and the metrics are, beside plain loops over the samples of a batch.

    python benchmarks/training.py [step] [data] [map] [--batch 96] [--full] [--precision fp32]

**step**: training steps at the paper's size as `train` makes them, from files on disk (random rows, of XD-Violence's
lengths or, `--full`, all longer than the 256 of a window) to AdamW, by part; then the same as the code of the paper's
line has it: one padded batch, the likeness graph, the alignment of texts, AFAE and both losses sample by sample, and
the text tower on all its 77 positions. Both compute the same: the first losses are compared. `--full` also tells the
share of the matrix products. **data**: how many samples a second processes can read. **map**: mAP over 800 videos of
XD-Violence's lengths beside the loops of `tests/map_oracle.py`. CLIP has random weights, which cost what its own do.
"""

import argparse
import sys
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from physical_limit import product_gflops
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, cosine_similarity, normalize, pad
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.datasets.classes import XD_CLASSES
from cmhkf.datasets.sets import Entry
from cmhkf.encoders.clip import MODEL
from cmhkf.features.folders import FeatureFolder
from cmhkf.metrics.detection import IOUS, detection_map
from cmhkf.model import losses, temporal
from cmhkf.model.afae import Saliency
from cmhkf.model.build import build_model
from cmhkf.model.config import ModelConfig
from cmhkf.model.layers import QuickGELU
from cmhkf.model.losses import Objective
from cmhkf.model.output import ModelOutput
from cmhkf.model.texts import LearnablePrompts, PromptTexts
from cmhkf.timeline import WINDOW_SNIPPETS
from cmhkf.training.batches import Batch, FolderSamples
from cmhkf.training.config import TrainConfig
from cmhkf.training.fit import StepDone, fit, stack
from tests.map_oracle import slow_map

PARTS = ("data", "texts", "forward", "losses", "backward", "optimizer")
CONFIG = ModelConfig()
N_VIDEOS, N_ABNORMAL = 800, 500  # XD-Violence's test set


def lengths(n: int, random: np.random.Generator) -> np.ndarray:
    """Snippets of n videos, distributed as XD-Violence's: half have 128 or fewer, a quarter more than 256."""
    return np.maximum(random.lognormal(np.log(128.5), 0.94, n), 1).astype(int)


def looped_look(batch: Batch, model: nn.Module, text: Tensor, *, has_audio: Tensor) -> ModelOutput:
    """The padded batch as it is."""
    streams = {"semantic": batch.semantic, "audio": batch.audio, "has_audio": has_audio}
    return model(batch.video, batch.lengths, text, **streams)


def looped_graph(x: Tensor, mask: Tensor, *, threshold: float) -> Tensor:
    """C.5: the likeness graph of each sample on its own valid rows."""
    graph = x.new_zeros(len(x), x.shape[1], x.shape[1])
    for i, n in enumerate(mask.sum(dim=1).tolist()):
        unit = normalize(x[i, :n], dim=-1)
        cosine = unit @ unit.T
        graph[i, :n, :n] = torch.where(cosine > threshold, cosine, 0.0).softmax(dim=-1)
    return graph


def looped_align(similarity: Tensor, text: Tensor, mask: Tensor, chosen: Tensor) -> Tensor:
    """Eq. 4 of each sample and chosen class."""
    aligned = []
    for i, n in enumerate(mask.sum(dim=1).tolist()):
        rows = similarity.new_zeros(n, text.shape[1])
        for c in chosen[i].tolist():
            weight = n * (similarity[i, :n, c] / CONFIG.cvka.tau).softmax(dim=0)
            rows = rows + weight[:, None] * text[c]
        aligned.append(pad(rows / chosen.shape[1], (0, 0, 0, mask.shape[1] - n)))
    return torch.stack(aligned)


def looped_project(similarity: Tensor, mask: Tensor, chosen: Tensor) -> Saliency:
    """Eq. 5 and 6 of each sample, peak by peak."""
    salient, windowed, peaks = (similarity.new_zeros(mask.shape) for _ in range(3))
    for i, n in enumerate(mask.sum(dim=1).tolist()):
        each = [(similarity[i, :n, c] / CONFIG.afae.tau).softmax(dim=0) for c in chosen[i].tolist()]
        curve = torch.stack(each).mean(dim=0)
        bonus = torch.zeros_like(curve)
        for j in curve.topk(n // 16 + 1).indices.tolist():
            peaks[i, j] = 1
            first, last = max(0, j - CONFIG.afae.w), min(n, j + CONFIG.afae.w + 1)
            bonus = torch.cat([bonus[:first], bonus[first:last].maximum(curve[j]), bonus[last:]])
        salient[i, :n], windowed[i, :n] = curve, curve + bonus
    return Saliency(salient, peaks.bool(), windowed)


def looped_losses(output: ModelOutput, targets: Tensor, *, text: Tensor) -> Objective:
    """Eq. 8 to 11 of each sample, class and pair of texts."""
    bce, nce = [], []
    for i, n in enumerate(output.mask.sum(dim=1).tolist()):
        k = n // 16 + 1
        score = output.logits[i, :n].float().sigmoid().topk(k).values.mean()
        bce.append(binary_cross_entropy(score, 1 - targets[i, 0]))
        columns = [output.alignment[i, :n, c].topk(k).values.mean() for c in range(targets.shape[1])]
        nce.append(-(targets[i] / targets[i].sum() * torch.stack(columns).log_softmax(dim=0)).sum())
    anomalies = range(1, len(text))
    na = torch.stack([1 + cosine_similarity(text[0], text[c], dim=0) for c in anomalies]).mean()
    pairs = [cosine_similarity(text[a], text[b], dim=0).abs() for a in anomalies for b in range(a + 1, len(text))]
    parts = torch.stack(bce).mean(), torch.stack(nce).mean(), na, torch.stack(pairs).mean()
    return Objective(parts[0] + parts[1] + 1e-3 * na + 1e-4 * parts[3], *parts)


def plain_gelu(_: nn.Module, x: Tensor) -> Tensor:
    """QGELU as it is defined."""
    return x * torch.sigmoid(1.702 * x)


class WholeContext(LearnablePrompts):
    """Prompts of 77 positions, whatever they hold."""

    def embeddings(self, clip: Any) -> Tensor:
        """[C, 77, 512]; what comes after the end token reaches no text."""
        short = super().embeddings(clip)
        return torch.cat([short, self.table[short.shape[1] :].expand(len(short), -1, -1)], dim=1)


class PartTimer:
    """Seconds of each part of each step, from hooks on the modules that `fit` runs."""

    def __init__(self, device: str, clock: Callable[[], float]) -> None:
        self.device, self.clock, self.steps, self.losses = device, clock, list[dict[str, float]](), list[float]()
        self.mark(new=True)

    def mark(self, part: str = "", *, new: bool = False) -> None:
        """The time since the last mark was spent on `part`."""
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        now = self.clock()
        if part:
            self.steps[-1][part] = self.steps[-1].get(part, 0.0) + now - self.last
        if new:
            self.steps.append({})
        self.last = now

    def watch(self, model: nn.Module, texts: nn.Module) -> None:
        """Mark where texts and model begin and end."""
        texts.register_forward_pre_hook(lambda *_: self.mark("data"))
        texts.register_forward_hook(lambda *_: self.mark("texts"))
        model.register_forward_hook(lambda *_: self.mark("forward"))

    def objective(self, compute: Callable[..., Objective]) -> Callable[..., Objective]:
        """The objective, with a mark after it."""

        def marked(*given: Any, **named: Any) -> Objective:
            found = compute(*given, **named)
            self.mark("losses")
            return found

        return marked

    def done(self, progress: Any) -> None:
        """For `on_progress`."""
        if isinstance(progress, StepDone):
            self.losses.append(progress.loss)
            self.mark("optimizer", new=True)

    @property
    def parts(self) -> dict[str, float]:
        """The median of each part over the steps after the first."""
        return {part: median(step[part] for step in self.steps[1:-1]) for part in PARTS}


@contextmanager
def optimizer_hook(timer: PartTimer) -> Iterator[None]:
    """Mark where AdamW begins: what came before it is the backward pass."""
    handle = register_optimizer_step_pre_hook(lambda *_: timer.mark("backward"))
    yield
    handle.remove()


def samples_on_disk(folder: Path, n: int, *, full: bool) -> FolderSamples:
    """Files of random rows as XD-Violence's are distributed, every second video normal; `full`: all of 400 rows."""
    random = np.random.default_rng(0)
    entries = [Entry(f"v{i}", 0, (i % 2 * (1 + i % 6),)) for i in range(n)]
    for entry, rows in zip(entries, np.full(n, 400) if full else lengths(n, random), strict=True):
        np.save(folder / f"{entry.name}__0.npy", random.standard_normal((rows, 512), np.float32))
        np.save(folder / f"{entry.name}__vggish.npy", random.standard_normal((rows, 128), np.float32))
    return FolderSamples(FeatureFolder(folder), entries)


def time_steps(samples: FolderSamples, clip: Any, config: TrainConfig, options: Any, *, loops: bool) -> PartTimer:
    """Train for one epoch."""
    torch.manual_seed(0)
    clock = time.process_time if options.cpu_time else time.perf_counter
    model, timer = build_model(CONFIG), PartTimer(options.device, clock)
    texts = PromptTexts((WholeContext if loops else LearnablePrompts)(CONFIG.classes), clip)
    objective = timer.objective(looped_losses if loops else losses.total)
    replaced = ExitStack()
    if loops:
        vars(model).update(align=looped_align, project=looped_project)
        replaced.enter_context(patch.object(temporal, "likeness_graph", looped_graph))
        replaced.enter_context(patch.object(Batch, "look", looped_look))
        replaced.enter_context(patch.object(QuickGELU, "forward", plain_gelu))
    timer.watch(model, texts)
    more = {"device": options.device, "workers": options.workers}
    with replaced, optimizer_hook(timer):
        timer.mark()
        fit(model, texts, samples, config, objective=objective, on_progress=timer.done, **more)
    return timer


def window_gflop() -> float:
    """Of the matrix products in forward and backward of one full window, without those of LSTM and text tower."""
    model, texts, targets = build_model(CONFIG), torch.randn(len(XD_CLASSES), 512), torch.eye(len(XD_CLASSES))[:1]
    video, audio = (torch.randn(1, WINDOW_SNIPPETS, width) for width in (CONFIG.video_dim, CONFIG.audio_dim))
    with FlopCounterMode(display=False) as counter:
        output = model(video, torch.tensor([WINDOW_SNIPPETS]), texts, audio=audio)
        losses.total(output, targets, text=texts).total.backward()
    return counter.get_total_flops() / 1e9


def measure_step(folder: Path, options: Any) -> None:
    """Print both tables."""
    import open_clip

    clip = open_clip.create_model(MODEL, device=options.device).eval()
    samples = samples_on_disk(folder, options.batch * (1 + options.steps), full=options.full)
    config = TrainConfig(epochs=1, batch_size=options.batch, precision=options.precision, milestones=(), drop_audio=0.0)
    plain, ours = (time_steps(samples, clip, config, options, loops=loops) for loops in (True, False))
    threads = f"{torch.get_num_threads()} threads{', CPU time' if options.cpu_time else ''}"
    kind = "full windows" if options.full else "XD-Violence's lengths"
    print(
        f"a step of {options.batch} x {WINDOW_SNIPPETS} snippets, {kind}, {options.precision}, {options.device}, "
        f"{threads}; median of {options.steps} after a first one\n"
        f"first losses {ours.losses[0]:.6f}, with loops {plain.losses[0]:.6f}\n\n"
        "| part | s | share | with loops, s | share |\n| --- | ---: | ---: | ---: | ---: |"
    )
    totals = [sum(timer.parts.values()) for timer in (ours, plain)]
    for part in PARTS:
        seconds = [timer.parts[part] for timer in (ours, plain)]
        cells = [f"{s:.3f} | {100 * s / total:.1f} %" for s, total in zip(seconds, totals, strict=True)]
        print(f"| {part} | {' | '.join(cells)} |")
    print(f"| all | {totals[0]:.3f} | | {totals[1]:.3f} | |\n\nloops take {totals[1] / totals[0]:.2f} times as long")
    if options.full and options.precision == "fp32" and options.device == "cpu":
        work, limit = options.batch * window_gflop(), product_gflops(torch.float32, plain.clock)
        print(
            f"matrix products of {work:.0f} GFLOP at {limit:.0f} GFLOP/s, the fastest here: {work / limit:.1f} s, "
            f"{work / limit / totals[0]:.0%} of the step"
        )


def measure_data(folder: Path, options: Any) -> None:
    """Print how many samples a second are read, shaped and stacked."""
    samples = samples_on_disk(folder, 4 * options.batch, full=options.full)
    for workers in (0, 1, 2):
        start = time.perf_counter()
        loader = DataLoader(
            samples,  # type: ignore[arg-type]
            batch_size=options.batch,
            collate_fn=partial(stack, config=CONFIG),
            num_workers=workers,
        )
        n = sum(len(batch.video) for batch in loader)
        print(f"{n / (time.perf_counter() - start):,.0f} samples a second with {workers} processes that read ahead")


def measure_map() -> None:
    """Print the ratio; the curves wander as those of a model do."""
    random = np.random.default_rng(0)
    probs, truths = [], []
    for v, n in enumerate(lengths(N_VIDEOS, random).tolist()):
        logits = random.standard_normal((n, len(XD_CLASSES))).cumsum(axis=0) / 3
        probs.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
        starts = random.integers(0, 16 * n, 2) if v < N_ABNORMAL else []
        truths.append([(1 + v % 6, int(s), int(s + random.integers(16, 400))) for s in starts] or [(0, 0, 16 * n)])
    start = time.perf_counter()
    expected = [slow_map(probs, truths, least) for least in tqdm(IOUS, desc="loops", leave=False, disable=None)]
    loops = time.perf_counter() - start
    np.testing.assert_allclose(detection_map(probs, truths).per_iou, expected)
    times = timeit.repeat(lambda: detection_map(probs, truths), number=1, repeat=5)
    n_snippets = sum(map(len, probs))
    print(
        f"mAP at {len(IOUS)} IoUs over {N_VIDEOS} videos, {n_snippets:,} snippets: {1000 * min(times):.0f} ms, "
        f"the best of {len(times)}; loops {loops:.0f} s, {loops / min(times):,.0f} times as long"
    )


def main() -> None:
    """Measure what is asked for, or everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", nargs="*", choices=[[], "step", "data", "map"], default=[], help="everything, if left out"
    )
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--full", action="store_true", help="every video fills its window of 256 snippets")
    parser.add_argument("--cpu-time", action="store_true", help="of a step: what other processes take does not count")
    parser.add_argument("--workers", type=int, default=0, help="processes that read ahead")
    parser.add_argument("--precision", choices=["fp32", "bf16", "fp16"], default="fp32")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    for name, measure in (("step", measure_step), ("data", measure_data)):
        if name in options.what or not options.what:
            with TemporaryDirectory() as folder:
                measure(Path(folder), options)
    if "map" in options.what or not options.what:
        measure_map()


if __name__ == "__main__":
    main()
