"""How good the page's model is: the quality panels that lie beside its checkpoint."""

from dataclasses import dataclass
from typing import Any

from cmhkf.errors import CheckpointError, DataError
from cmhkf.files import sha256_of
from cmhkf.metrics.panel_file import panel_json, read_panels
from cmhkf.metrics.panel_text import Line, panel_lines, panel_notes, panel_title
from cmhkf.presets import checkpoint_path

UNTRAINED = "Not measured: no trained head takes part, and untrained scores only rank moments within a clip."
NO_FILE = (
    "Not measured: a model from the Hub brings no measurements with it; "
    "`python -m cmhkf doctor --quality CLIPS.csv --model {model}` measures it on clips of your own."
)
NO_PANEL = (
    "Not measured. `python -m cmhkf evaluate --model {model} --keep ...` measures it on a data set and keeps the "
    "figures for this page; `python -m cmhkf doctor --quality CLIPS.csv --model {model}` measures it on your own clips."
)
OTHER = "Not measured: this clip was analysed by {asked}, and the page knows the figures of its own model only."


@dataclass(frozen=True)
class ShownPanel:
    """One panel, with the words that the command line has for it."""

    title: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    panel: dict[str, Any]


@dataclass(frozen=True)
class Quality:
    """What was measured of one model."""

    model_id: str
    panels: tuple[ShownPanel, ...]
    missing: str
    """Why there is none, in words for people; empty where there are some."""


def quality_of(preset: str, asked: str) -> Quality:
    """What was measured of the model that made an analysis.

    Args:
        preset: of the page, or its checkpoint.
        asked: the analysis's `model_id`; of a trained model it ends in its checkpoint's hash.
    """
    panels, missing = (), ""
    if "@" not in asked:
        missing = UNTRAINED
    elif preset.startswith("hf:"):
        missing = NO_FILE.format(model=preset)
    else:
        try:
            path = checkpoint_path(preset)
            if path is None or not sha256_of(path).startswith(asked.rpartition("@")[2]):
                missing = OTHER.format(asked=asked)
            else:
                panels = read_panels(path)
                missing = "" if panels else NO_PANEL.format(model=preset)
        except (CheckpointError, DataError, OSError) as error:
            missing = f"Not measured: {error}"
    shown = (ShownPanel(panel_title(p), tuple(panel_lines(p)), tuple(panel_notes(p)), panel_json(p)) for p in panels)
    return Quality(asked, tuple(shown), missing)
