"""The paper's Figure 4 for any clips: score curve, shaded ground truth, and the frames that tell what happens."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cmhkf.analysis import Analysis
from cmhkf.datasets.truth import Truth, Truths, snippets_inside
from cmhkf.errors import MediaError
from cmhkf.figures import style
from cmhkf.media.clip import SnippetStream
from cmhkf.media.sampling import FrameSampling
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

FLAGGED = 0.5  # a score that counts as anomalous where no ground truth is given
FRAME_HEIGHT_PX = 240
MIDDLE = SNIPPET_FRAMES // 2  # the grid frame of a snippet that is shown
TITLE_IN, CURVE_IN, AXIS_IN, TALLEST_IN = 0.2, 0.62, 0.36, 0.8  # heights within one clip's part; of upright frames
LEGEND_IN = 0.17  # each line


@dataclass(frozen=True)
class KeyFrame:
    """A moment whose frame is shown."""

    snippet_idx: int
    time_s: float
    anomalous: bool  # within the ground truth or, without one, where the score reaches 0.5


def key_frames(analysis: Analysis, truth: Sequence[Truth] | None, n_frames: int) -> list[KeyFrame]:
    """One moment from each of `n_frames` equal parts of the clip: the highest score among the part's anomalous
    snippets, or the middle of a part without any.
    """
    times = analysis.timeline.middles_s
    anomalous = analysis.scores >= FLAGGED if truth is None else snippets_inside(truth, analysis.timeline)
    parts = np.array_split(np.arange(len(times)), min(n_frames, len(times)))
    found = []
    for part in parts:
        inside = part[anomalous[part]]
        best = inside[analysis.scores[inside].argmax()] if len(inside) else part[len(part) // 2]
        found.append(KeyFrame(int(best), float(times[best]), bool(anomalous[best])))
    return found


def read_frames(analysis: Analysis, frames: Sequence[KeyFrame]) -> list[np.ndarray]:
    """Images uint8 RGB [240, width, 3] of ascending moments, from the analysed file.

    Raises:
        MediaError: the file is gone, is another one now, or cannot be decoded.
    """
    clip = analysis.clip
    file = Path(clip.path)
    if file.is_file() and file.stat().st_size != clip.size_bytes:
        raise MediaError(f"{clip.path} is another file than the one analysed; analyse it again")
    width_px = max(2, round(FRAME_HEIGHT_PX * clip.width_px / clip.height_px))
    sampling = FrameSampling((MIDDLE,), FRAME_HEIGHT_PX, None, stretched_px=(width_px, FRAME_HEIGHT_PX))
    grid = "24fps" if analysis.timeline.rate == GRID_RATE else "native"
    wanted = {frame.snippet_idx for frame in frames}
    images = []
    with closing(iter(SnippetStream(clip, sampling, grid=grid))) as snippets:  # type: ignore[type-var]
        for i, snippet in enumerate(snippets):
            if i in wanted:
                images.append(snippet[0])
            if len(images) == len(wanted):
                return images
    raise MediaError(f"{clip.path} has fewer frames than when it was analysed; analyse it again")


def qualitative(
    analyses: Sequence[Analysis], *, truths: Truths, n_frames: int = 5, width_in: float = style.PAGE_IN
) -> Figure:
    """Draw every clip's curve with its frames above; two clips side by side where the page is wide enough.

    `truths` has an entry for each analysis: intervals, none for a normal clip, or None where it is not known.
    """
    n_columns = 2 if len(analyses) > 1 and width_in > 5 else 1
    n_rows = -(-len(analyses) // n_columns)
    cells, notes = [], []
    for analysis, truth in zip(analyses, truths, strict=True):
        frames = key_frames(analysis, truth, n_frames)
        try:
            cells.append((analysis, truth, frames, read_frames(analysis, frames)))
        except MediaError as error:
            cells.append((analysis, truth, frames, []))
            notes.append(f"No frames of {analysis.clip.name}: {error}")
    cell_in = width_in / n_columns
    tall = [_frame_height(a, cell_in, len(f)) if images else 0.0 for a, _, f, images in cells]
    tallest = [max(tall[i : i + n_columns]) for i in range(0, len(cells), n_columns)]  # of each row
    heights = [TITLE_IN + CURVE_IN + AXIS_IN + frames_in for frames_in in tallest]
    with style.styled():
        figure = style.new_figure(width_in, sum(heights) + LEGEND_IN * (1 if width_in > 5 else 2))
        parts = figure.subfigures(n_rows, n_columns, squeeze=False, height_ratios=heights).ravel()
        for i, (part, cell) in enumerate(zip(parts, cells, strict=False)):
            letter = f"({'abcdefghijklmnopqrstuvwxyz'[i % 26]}) " if len(cells) > 1 else ""
            _draw_clip(part, *cell, letter=letter, frames_in=tallest[i // n_columns])
        _legend(figure, cells)
        style.write_notes(figure, analyses, notes, scores=True)
    return figure


def _frame_height(analysis: Analysis, cell_in: float, n_frames: int) -> float:
    return min((cell_in - 0.45) / n_frames * analysis.clip.height_px / analysis.clip.width_px, TALLEST_IN)


def _draw_clip(
    part: SubFigure,
    analysis: Analysis,
    truth: Sequence[Truth] | None,
    frames: Sequence[KeyFrame],
    images: Sequence[np.ndarray],
    *,
    letter: str,
    frames_in: float,
) -> None:
    part.suptitle(letter + analysis.clip.name, x=0.01, ha="left")
    if images:
        grid = part.add_gridspec(2, len(frames), height_ratios=[frames_in, CURVE_IN])
        curve = part.add_subplot(grid[1, :])
        for i, (frame, image) in enumerate(zip(frames, images, strict=True)):
            _draw_frame(part.add_subplot(grid[0, i]), curve, frame, image)
    else:
        curve = part.add_subplot()
    _draw_curve(curve, analysis, truth)


def _draw_frame(axes: Axes, curve: Axes, frame: KeyFrame, image: np.ndarray) -> None:
    from matplotlib.patches import ConnectionPatch

    colour, width = (style.TRUTH, 1.8) if frame.anomalous else (style.CALM, 0.8)
    axes.imshow(image)
    axes.set(xticks=[], yticks=[], anchor="S")
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=width)
    ends = (0.5, 0), (frame.time_s, 1), "axes fraction", curve.get_xaxis_transform()
    line = ConnectionPatch(*ends, axesA=axes, axesB=curve, color=colour, linewidth=0.6)
    line.set(linestyle="-" if frame.anomalous else (0, (2, 2)), in_layout=False)
    curve.add_artist(line)


def _draw_curve(axes: Axes, analysis: Analysis, truth: Sequence[Truth] | None) -> None:
    for start_s, end_s, label in truth or ():
        axes.axvspan(start_s, end_s, facecolor=style.TRUTH_SHADE, edgecolor=style.TRUTH, linewidth=0.4, zorder=0)
        axes.text((start_s + end_s) / 2, 0.97, label, ha="center", va="top", color="#003f63", clip_on=True)
    axes.stairs(analysis.scores, style.snippet_edges(analysis), baseline=None, color=style.SCORE, linewidth=1.1)
    axes.set(ylim=(0, 1.04), yticks=[0, 0.5, 1], ylabel=style.score_name([analysis]))
    style.time_axis(axes, analysis)


def _legend(figure: Figure, cells: Sequence[tuple]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    analyses = [cell[0] for cell in cells]
    handles: list[Artist] = [Line2D([], [], color=style.SCORE, label=style.score_name(analyses))]
    known = [truth for _, truth, _, _ in cells if truth is not None]
    if any(known):
        handles.append(Patch(facecolor=style.TRUTH_SHADE, edgecolor=style.TRUTH, linewidth=0.4, label="ground truth"))
    shown = {frame.anomalous for _, _, frames, images in cells if images for frame in frames}
    flagged = "anomalous frame (ground truth)" if len(known) == len(cells) else f"flagged frame (score ≥ {FLAGGED})"
    for anomalous, colour, width, words in (
        (True, style.TRUTH, 1.8, "anomalous frame (truth, else score)" if 0 < len(known) < len(cells) else flagged),
        (False, style.CALM, 0.8, "normal frame" if len(known) == len(cells) else "other frame"),
    ):
        if anomalous in shown:
            handles.append(Patch(facecolor="none", edgecolor=colour, linewidth=width, label=words))
    figure.legend(handles=handles, loc="outside upper left", ncols=2 if figure.get_figwidth() < 5 else 4)
