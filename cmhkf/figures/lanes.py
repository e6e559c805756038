"""What the model sees over time, for print: how much frames resemble each class text, and AFAE's saliency.

Like every figure of this package they are matplotlib Figures for `save_figure`, and say where nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cmhkf.analysis import Analysis
from cmhkf.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW_IN = 0.135  # height of one class in the heat map


def similarity(analyses: Sequence[Analysis], *, width_in: float = style.COLUMN_IN) -> Figure:
    """Draw heat maps of Eq. 1: how much every snippet's frame resembles every class text."""
    low, high = (f([f(a.similarity) for a in analyses]) for f in (np.min, np.max))
    limits = low, max(high, low + 1e-6)
    n_rows = [len(a.classes) for a in analyses]
    with style.styled():
        figure = style.new_figure(width_in, sum(0.62 + ROW_IN * n for n in n_rows))
        panels = figure.subplots(len(analyses), 1, squeeze=False, height_ratios=n_rows).ravel()
        for axes, analysis in zip(panels, analyses, strict=True):
            chosen = set(analysis.top_classes.ravel().tolist())
            edges = style.snippet_edges(analysis)
            rows = np.arange(len(analysis.classes) + 1) - 0.5
            axes.pcolormesh(edges, rows, analysis.similarity.T, cmap="cividis", rasterized=True).set_clim(*limits)
            axes.set_yticks(range(len(analysis.classes)))
            axes.set_yticklabels([f"{name} ●" if i in chosen else name for i, name in enumerate(analysis.classes)])
            axes.invert_yaxis()
            axes.tick_params(axis="y", length=0)
            axes.set_title(analysis.clip.name)
            style.time_axis(axes, analysis)
        heat = panels[-1].collections[0]
        figure.colorbar(heat, ax=list(panels), label="cosine similarity", pad=0.02, aspect=12 * len(analyses))
        style.write_notes(figure, analyses, ["● chosen by CVKA in a window of the clip"], scores=False)
    return figure


def saliency(analyses: Sequence[Analysis], *, width_in: float = style.COLUMN_IN) -> Figure:
    """Draw AFAE's saliency (Eqs. 5 and 6) with its peaks and windows, named as what it is: no audio is in it."""
    with style.styled():
        figure = style.new_figure(width_in, 1.25 * len(analyses) + (0.17 if width_in > 5 else 0.51))
        panels = figure.subplots(len(analyses), 1, squeeze=False).ravel()
        for axes, analysis in zip(panels, analyses, strict=True):
            edges = style.snippet_edges(analysis)
            for i, (start_s, end_s) in enumerate(analysis.saliency_windows_s):
                label = "window round a peak" if i == 0 else None
                axes.axvspan(start_s, end_s, facecolor="#d9ece7", edgecolor="none", zorder=0, label=label)
            axes.axhline(1, color=style.CALM, linewidth=0.6, linestyle=(0, (4, 3)), label="average of the clip")
            peaks, raised = analysis.saliency_peaks, analysis.windowed_saliency
            axes.stairs(
                analysis.saliency, edges, baseline=None, color=style.DIM, linewidth=0.7, label="saliency (Eq. 5)"
            )
            label = "raised in windows (Eq. 6)"
            axes.stairs(raised, edges, baseline=None, color=style.SALIENCY, linewidth=1.3, label=label)
            middle = analysis.timeline.middles_s[peaks]
            top = float(max(analysis.saliency.max(), raised.max()))
            axes.plot(middle, raised[peaks] + 0.07 * top, "kv", markersize=3.5, linestyle="none", label="peak")
            axes.set(title=analysis.clip.name, ylim=(0, 1.2 * top), ylabel="saliency (1 = average)")
            style.time_axis(axes, analysis)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2 if width_in < 5 else 5)
        what = "Video-text saliency projected on the audio axis: no sound is in it."
        style.write_notes(figure, analyses, [what], scores=False)
    return figure
