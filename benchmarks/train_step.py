"""Shares of one training step: class texts, model, objective, backward pass, optimizer.

    python benchmarks/train_step.py [--batch 96] [--snippets 256] [--steps 5]

At the paper's size: 256 snippets, 512 wide, sound of 128, seven prompts through a frozen text tower of CLIP ViT-B/16's
true size. Weights and data are random; times depend on neither.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import open_clip
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf import losses
from cmhkf.config import ModelConfig
from cmhkf.encoders.clip import MODEL
from cmhkf.model import build_model
from cmhkf.prompts import LearnablePrompts
from cmhkf.texts import PromptTexts

PARTS = ("class texts", "model", "objective", "backward", "optimizer")


def step_times(steps: int, batch: int, snippets: int, device: str) -> torch.Tensor:
    """Seconds of each part in each step, [steps, parts]."""
    config = ModelConfig()
    model = build_model(config).to(device)
    clip = open_clip.CLIP(**open_clip.get_model_config(MODEL)).to(device)
    texts = PromptTexts(LearnablePrompts(config.classes), clip).to(device)
    optimizer = torch.optim.AdamW([*model.parameters(), *texts.parameters()], lr=1e-5)
    video, audio = (torch.randn(batch, snippets, width, device=device) for width in (512, 128))
    lengths = torch.randint(1, snippets + 1, (batch,), device=device)
    targets = torch.eye(len(config.classes), device=device)[torch.arange(batch) % len(config.classes)]
    times = []
    for _ in range(steps):
        marks = [_now(device)]
        text = texts()
        marks.append(_now(device))
        output = model(video, lengths, text, audio=audio)
        marks.append(_now(device))
        loss = losses.total(output, targets, text=text).total
        marks.append(_now(device))
        optimizer.zero_grad()
        loss.backward()
        marks.append(_now(device))
        optimizer.step()
        marks.append(_now(device))
        times.append(marks)
    return torch.tensor(times, dtype=torch.float64).diff(dim=1)


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Print the shares, from the median step after the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--snippets", type=int, default=256)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    times = step_times(options.steps + 1, options.batch, options.snippets, options.device)[1:].median(dim=0).values
    total = times.sum().item()
    print(f"batch {options.batch}, {options.snippets} snippets, {options.device}: {total:.2f} s a step")
    for name, seconds in zip(PARTS, times.tolist(), strict=True):
        print(f"{name:12} {seconds / total:6.1%}")


if __name__ == "__main__":
    main()
