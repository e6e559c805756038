"""How figures for print look: sizes of a two-column paper, text that stays text, colours that survive grey and print.

Colours are those of Okabe and Ito, told apart by the colour-blind; a shape, a pattern or a label always says the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from cmhkf.analysis import Analysis
from cmhkf.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_IN, PAGE_IN = 3.4, 7.0  # widths of one column and of both
SUFFIXES = (".pdf", ".svg", ".png")
LINE_IN, LETTERS_PER_IN = 0.125, 20  # of notes in 7 pt
DPI = 300  # of PNG, and of images inside PDF and SVG

SCORE, TRUTH, CALM, DIM, SALIENCY = "#b2342a", "#0072b2", "#8a8f94", "#555555", "#00755e"
TRUTH_SHADE = "#cfe3f2"
# Colour and shape of class 0 (normal), 1, 2, ...; as many as UCF-Crime has, then again from the first anomaly
HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00")  # of two anomalies each
MARKS = ((CALM, "o"), *zip(HUES, "^sDvXP", strict=True), ("#56b4e9", "*"), *zip(HUES, "<>phd8", strict=True))
UNTRAINED = "Untrained: no trained head took part."
ONLY_RANKS = "Untrained scores only rank moments within a clip."

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    **dict.fromkeys(("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7),
    **{"axes.titlesize": 8, "figure.titlesize": 8, "axes.titlelocation": "left", "axes.titlepad": 3},
    **{"lines.linewidth": 1.1, "hatch.linewidth": 0.5, "axes.linewidth": 0.6},
    **{"xtick.major.width": 0.6, "xtick.major.size": 2.5, "xtick.major.pad": 2},
    **{"ytick.major.width": 0.6, "ytick.major.size": 2.5, "ytick.major.pad": 2},
    **{"axes.labelpad": 2, "axes.spines.top": False, "axes.spines.right": False},
    **{"legend.frameon": False, "legend.handlelength": 1.6, "legend.columnspacing": 1.2, "legend.handletextpad": 0.5},
    **{"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "cmhkf"},
    "text.parse_math": False,  # names of clips and classes may hold dollars
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in this style. Not for several threads at once: matplotlib's settings are global."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


def check_suffix(path: Path) -> None:
    """Raise ConfigError when a figure cannot be written in the form that the name says."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path.name!r} ends in {path.suffix!r}; figures are written as {', '.join(SUFFIXES)}")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure by its suffix; the same figure is the same file on every day."""
    check_suffix(path)
    form = path.suffix.lower()[1:]
    dated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[form]
    path.parent.mkdir(parents=True, exist_ok=True)
    with styled():
        figure.savefig(path, format=form, dpi=DPI, metadata=dated)
    return path


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure that lays itself out; to be called within `styled`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)  # type: ignore[union-attr]
    return figure


def class_mark(class_idx: int) -> tuple[str, str]:
    """Colour and marker of a class."""
    return MARKS[class_idx if class_idx < len(MARKS) else 1 + (class_idx - 1) % (len(MARKS) - 1)]


def score_name(analyses: Sequence[Analysis]) -> str:
    """What to call the scores."""
    return "anomaly score" if all(a.trained for a in analyses) else "untrained score"


def write_notes(figure: Figure, analyses: Sequence[Analysis], notes: Sequence[str] = (), *, scores: bool) -> None:
    """Add to the foot what a reader must know: that nothing is trained, what this makes of scores, and more."""
    names = [a.clip.name for a in analyses if not a.trained]
    some = "" if len(names) == len(analyses) else f" ({', '.join(names)})"
    untrained = UNTRAINED.replace(":", f"{some}:", 1) + (f" {ONLY_RANKS}" if scores else "")
    width = int(LETTERS_PER_IN * figure.get_figwidth())
    lines = [line for note in (untrained if names else "", *notes) for line in wrap(note, width)]
    if lines:
        figure.set_figheight(figure.get_figheight() + LINE_IN * len(lines))
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7, color=DIM)


def snippet_edges(analysis: Analysis) -> np.ndarray:
    """Where snippets begin and the last ends, seconds, [N + 1]: the last stands for what follows it."""
    return np.append(analysis.times_s, max(analysis.timeline.duration_s, analysis.times_s[-1] + 1e-3))


def time_axis(axes: Axes, analysis: Analysis) -> None:
    """The clip's whole length in seconds."""
    axes.set_xlim(0, analysis.timeline.duration_s)
    axes.set_xlabel("time (s)")
