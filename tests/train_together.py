"""What each of several processes does: `torchrun train_together.py OUT [spoilt]` trains, and writes what it came to."""

import sys
from dataclasses import replace

import torch
from test_training_fit import QUICK, fresh
from training_sets import Made, made

from cmhkf.errors import DataError
from cmhkf.training.fit import fit
from cmhkf.training.processes import joined, rank


class Spoilt(Made):
    """One sample cannot be read."""

    def __getitem__(self, i):
        if i == 5:
            raise DataError("v5 is damaged")
        return super().__getitem__(i)


def trained(batch_size, samples=None):
    """Losses by epoch, the class texts and the first of what a layer that drops values draws; the last step has one
    sample, and shares of the others are silent.
    """
    model, texts = fresh()
    drawn = []
    texts.register_forward_hook(lambda *_: drawn.append(torch.rand(1).item()))
    samples = samples or Made(
        replace(sample, audio=sample.audio if i % 3 else None) for i, sample in enumerate(made(13))
    )
    log = fit(model, texts, samples, replace(QUICK, batch_size=batch_size)).log
    losses = torch.tensor([[row.total, row.bce, row.nce, row.na, row.aa] for row in log])
    return {"losses": losses, "texts": texts.table.detach(), "drawn": drawn[0], "steps": log[-1].step}


if __name__ == "__main__":
    with joined("cpu"):
        result = trained(2, Spoilt(made(13)) if "spoilt" in sys.argv else None)
        torch.save(result, f"{sys.argv[1]}/{rank()}.pt")
