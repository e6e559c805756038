"""The quality panel of a test set's predictions, and its files: quality.json, quality.svg and quality.html."""

import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cmhkf.datasets.annotations import Event
from cmhkf.datasets.sets import Dataset
from cmhkf.datasets.truth import UNNAMED
from cmhkf.figures.quality import quality_figure
from cmhkf.figures.style import styled
from cmhkf.metrics.intervals import RESAMPLES
from cmhkf.metrics.panel import Panel, ScoredVideo, Seen, measure_panel
from cmhkf.metrics.panel_file import panel_json
from cmhkf.metrics.panel_text import panel_lines, panel_notes, panel_title
from cmhkf.model.checkpoint import Checkpoint
from cmhkf.model.run import Prediction
from cmhkf.model.trained_on import TRAINING_VIDEOS, learned_from
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

USUAL_THRESHOLD = 0.5
AS_GIVEN = "as given; no rate of false alarms was aimed at"
STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } td { border-top: 1px solid #8886; padding: .3rem .6rem .3rem 0 }
td:nth-child(2) { white-space: nowrap; font-variant-numeric: tabular-nums } td:nth-child(3) { opacity: .75 }
figure { margin: 1.5rem 0; background: #fff; padding: 1rem; overflow-x: auto } svg { width: 100%; height: auto }
"""


def dataset_panel(
    dataset: Dataset,
    predictions: Sequence[Prediction],
    *,
    model: str,
    classes: Sequence[str],
    threshold: float = USUAL_THRESHOLD,
    threshold_from: str = "",
    seen: Mapping[str, Seen] | None = None,
    notes: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Panel:
    """The panel of one prediction for each test video; `seen` by its name, and the rest as in `measure_panel`."""
    truth = dataset.truth
    rates = [_rate_of(dataset, name) for name in truth.names]
    tells = all(prediction.class_probs is not None for prediction in predictions)
    of_classes = dataset.segments or [[] for _ in truth.names]
    videos = [
        ScoredVideo(
            name,
            prediction.scores,
            [(e.start / rate, e.end / rate, _named(e, known, dataset.spec.classes)) for e in events],
            group=source_of(name),
            kind=kind_of(name),
            seen=(seen or {}).get(name, "unknown"),
            class_probs=prediction.class_probs,
            edges_s=np.arange(len(prediction.scores) + 1) * SNIPPET_FRAMES / rate,
        )
        for name, prediction, events, known, rate in zip(
            truth.names, predictions, truth.events, of_classes, rates, strict=True
        )
    ]
    return measure_panel(
        videos,
        model=model,
        dataset=dataset.spec.name,
        classes=tuple(classes) if tells else (),
        threshold=threshold,
        threshold_from=threshold_from,
        notes=notes,
        resamples=resamples,
        seed=seed,
    )


def _rate_of(dataset: Dataset, name: str) -> float:
    """Frames a second of a video's snippets."""
    folder, stated = dataset.folder, dataset.spec.rate
    return float(stated or (GRID_RATE if folder.recipe_assumed else folder.timeline(name).rate))


def source_of(name: str) -> str:
    """The film or upload that an XD-Violence clip was cut from; the name itself where it does not tell."""
    return name.split("__")[0]


def kind_of(name: str) -> str:
    """Of footage, where an XD-Violence name tells it: those of uploads begin with "v="."""
    if "_label_" not in name:
        return ""
    return "YouTube" if name.startswith("v=") else "film"


def seen_by(checkpoint: Checkpoint, dataset: Dataset) -> dict[str, Seen]:
    """Which test videos a checkpoint has learned from, itself or another clip of the same film; empty: not known.

    Its own list of training videos tells; other clips are looked for in the data set's training list.
    """
    if TRAINING_VIDEOS not in checkpoint.provenance:
        return {}
    videos = {*learned_from(checkpoint, dataset.test_names)}
    trained = {entry.name for entry in dataset.train}
    sources = {source_of(name) for name in learned_from(checkpoint, sorted(trained))}
    return {
        name: "video" if name in videos else "group" if source_of(name) in sources else "no"
        for name in dataset.test_names
    }


def threshold_said(checkpoint: Checkpoint, threshold: float) -> str:
    """How the threshold was chosen."""
    said = str(checkpoint.metrics.get("calibration", ""))
    return said if said and threshold == USUAL_THRESHOLD else AS_GIVEN


def write_panel(panel: Panel, out: Path) -> None:
    """Write quality.json (the panel), quality.svg (its plots) and quality.html (both, with the table) to a folder."""
    out.mkdir(parents=True, exist_ok=True)
    drawn = _svg(panel)
    (out / "quality.json").write_text(json.dumps(panel_json(panel), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    (out / "quality.svg").write_text(drawn, encoding="utf-8")
    (out / "quality.html").write_text(panel_html(panel, drawn), encoding="utf-8")


def panel_html(panel: Panel, svg: str) -> str:
    """A page that needs nothing else."""
    title, said = (html.escape(text) for text in ("How good is this?", panel_title(panel)))
    rows = [
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in line[1:]) + "</tr>" for line in panel_lines(panel)
    ]
    notes = [f"<li>{html.escape(note)}</li>" for note in panel_notes(panel)]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>{said}.</p>",
            "<table>",
            *rows,
            f"</table><figure>{svg[svg.index('<svg') :]}</figure><ul>",
            *notes,
            "</ul></html>\n",
        ]
    )


def _svg(panel: Panel) -> str:
    file = io.StringIO()
    with styled():
        quality_figure(panel).savefig(file, format="svg", metadata={"Date": None})
    return re.sub(r"[ \t]+\n", "\n", file.getvalue())


def _named(event: Event, known: Sequence[tuple[int, int, int]], classes: Sequence[str]) -> str:
    """An event's class: its own, or that of the annotated segment that shares most with it."""
    if event.class_idx is not None:
        return classes[event.class_idx]
    shared = [(min(event.end, end) - max(event.start, start), c) for c, start, end in known]
    most, class_idx = max(shared, default=(0, 0))
    return classes[class_idx] if most > 0 else UNNAMED
