"""The model card beside a checkpoint: what its header says of its making, for people to read before they trust it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmhkf.errors import DataError
from cmhkf.metrics.panel import Panel
from cmhkf.metrics.panel_file import read_panels
from cmhkf.metrics.panel_text import panel_markdown
from cmhkf.model.checkpoint import Checkpoint
from cmhkf.model.run import NORMAL_FOOTAGE
from cmhkf.model.trained_on import TRAINING_VIDEOS

CARD_FILE = "model_card.md"
NO_PANEL = """\
Not measured: `python -m cmhkf evaluate --model FILE --keep ...` measures it on a data set and keeps the figures."""
LIMITS = """\
- Scores order snippets of footage like that it was trained on; nothing is known of other cameras, places or people.
- A score is no evidence of what happened: a person decides.
- Whether weights may be used commercially depends on the rights in the footage."""


def write_card(checkpoint: Checkpoint, path: Path) -> Path:
    """Write the card of the checkpoint at `path` beside it, with the quality panels of these weights; returns where."""
    try:
        panels = read_panels(path)
    except DataError:  # of the weights that lay there before
        panels = ()
    card = path.with_name(CARD_FILE)
    card.write_text(card_text(checkpoint, path.name, panels=panels), encoding="utf-8")
    return card


def card_text(checkpoint: Checkpoint, file: str, *, panels: Sequence[Panel] = ()) -> str:
    """The card as Markdown."""
    config = checkpoint.config
    model = {
        "architecture": f"{config.architecture}, width {config.dim}",
        "modalities": config.modalities,
        "classes": ", ".join(checkpoint.classes),
        "features": checkpoint.recipe.describe(),
        "SHA-256": checkpoint.sha256,
    }
    optimistic = checkpoint.optimistic
    limits = f"- {optimistic[0].upper()}{optimistic[1:]}.\n{LIMITS}" if optimistic else LIMITS
    figures = {name: value for name, value in checkpoint.metrics.items() if name != NORMAL_FOOTAGE}
    measured = _table(figures) if figures else "Nothing was measured on held-out videos."
    made = _table({**checkpoint.provenance, **_counted(checkpoint)})
    parts = [f"# Model card: {checkpoint.name}", f"`{file}`, a checkpoint of CMHKF Review.", _table(model)]
    parts += ["## How it was made", made, "## Measured", measured]
    parts += ["## How good is this?", *(map(panel_markdown, panels) if panels else [NO_PANEL]), "## Limits", limits]
    return "\n\n".join(parts) + "\n"


def _counted(checkpoint: Checkpoint) -> dict[str, str]:
    """The number of the training videos in place of their list."""
    digests = checkpoint.provenance.get(TRAINING_VIDEOS)
    return {} if digests is None else {TRAINING_VIDEOS: f"{len(digests)}, listed in the file by digests of their names"}


def _table(values: Mapping[str, Any]) -> str:
    rows = [f"| {key} | {_cell(value)} |" for key, value in values.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", "\\|").replace("\n", " ")
