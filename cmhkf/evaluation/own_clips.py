"""The quality panel of a model on anybody's labelled clips: `doctor --quality CLIPS.csv`."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmhkf.analysis import Analysis
from cmhkf.analyzer import Analyzer
from cmhkf.datasets.truth import Truth, read_truth
from cmhkf.errors import CmhkfError, DataError, MediaError
from cmhkf.evaluation.quality import USUAL_THRESHOLD, threshold_said
from cmhkf.figures.style import snippet_edges
from cmhkf.files import read_text
from cmhkf.media.clip import Clip, frame_times, probe
from cmhkf.metrics.intervals import RESAMPLES
from cmhkf.metrics.panel import Panel, ScoredVideo, Seen, measure_panel
from cmhkf.model.trained_on import TRAINING_VIDEOS, learned_from

NORMAL = "normal"
NEEDED = ("clip", "class", "segments_s")


@dataclass(frozen=True)
class OwnClip:
    """One line of the table."""

    file: Path
    name: str
    """As written."""
    normal: bool
    kind: str
    source: str


@dataclass(frozen=True, eq=False)
class Measured:
    """A clip with what the model says of it."""

    clip: OwnClip
    analysis: Analysis
    truth: list[Truth]


def read_clips(table: Path) -> list[OwnClip]:
    """The clips of a table, which lie in its folder.

    Its columns are clip, class and segments_s (`start-end` in seconds, several with semicolons or spaces between, none
    for a normal clip), and may be kind (of footage) and source (clips of one camera or film have the same).

    Raises DataError: unreadable, a column or a clip's label is missing, or two clips have one name.
    """
    try:
        rows = list(csv.DictReader(read_text(table).splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the clips {table}: {error}; give a CSV of {', '.join(NEEDED)}") from error
    columns = {*(rows[0] if rows else ())}
    if missing := [name for name in NEEDED if name not in columns]:
        raise DataError(f"{table.name} has no column {missing[0]}, or no clip; it needs {', '.join(NEEDED)}")
    clips: dict[str, OwnClip] = {}
    for number, row in enumerate(rows, start=2):
        name, word, spans = ((row[column] or "").strip() for column in NEEDED)
        where = f"{table.name}, line {number}"
        if not name or not word:
            raise DataError(f"{where} has no clip or no class; write both, {NORMAL!r} where nothing happens")
        normal = word.lower() == NORMAL
        if normal == bool(spans):
            raise DataError(
                f"{where}: {name!r} is of the class {word!r} and has {'' if spans else 'no '}segments_s; give segments "
                "to clips in which something happens, and to no others"
            )
        stem = Path(name).stem
        if stem in clips:
            raise DataError(f"{where}: a second clip is called {stem!r}; rename one")
        kind, source = ((row.get(column) or "").strip() for column in ("kind", "source"))
        clips[stem] = OwnClip(table.parent / name, name, normal, kind, source)
    return list(clips.values())


def analysed(
    analyzer: Analyzer, clips: Sequence[OwnClip], table: Path
) -> Iterator[tuple[OwnClip, Measured | CmhkfError]]:
    """Each clip with its analysis and truth, or with why there is none."""
    for clip in clips:
        try:
            if not clip.file.is_file():
                raise MediaError(f"{clip.name} is not in {table.parent}")
            probed = probe(clip.file)
            analysis = analyzer.analyze(probed)
            yield clip, Measured(clip, analysis, _truth(table, clip, probed, analysis))
        except CmhkfError as error:
            yield clip, error


def own_panel(
    analyzer: Analyzer,
    found: Sequence[Measured],
    *,
    dataset: str,
    threshold: float = USUAL_THRESHOLD,
    notes: Sequence[str] = (),
    resamples: int = RESAMPLES,
) -> Panel:
    """The panel of clips that were analysed. Raises DataError where there is none."""
    checkpoint = analyzer.checkpoint
    sources = {one.clip.source for one in found if _learned(analyzer, one)} - {""}

    def seen(one: Measured) -> Seen:
        if checkpoint and TRAINING_VIDEOS not in checkpoint.provenance:
            return "unknown"
        return "video" if _learned(analyzer, one) else "group" if one.clip.source in sources else "no"

    videos = [
        ScoredVideo(
            one.clip.name,
            one.analysis.scores,
            [(start, end, label.replace("_", " ")) for start, end, label in one.truth],
            group=one.clip.source,
            kind=one.clip.kind,
            seen=seen(one),
            class_probs=one.analysis.class_probs,
            edges_s=snippet_edges(one.analysis),
        )
        for one in found
    ]
    untrained = () if checkpoint else ("nothing is trained: scores only rank moments within a clip",)
    optimistic = (checkpoint.optimistic,) if checkpoint and checkpoint.optimistic else ()
    return measure_panel(
        videos,
        model=analyzer.model_id,
        dataset=dataset,
        classes=analyzer.classes,
        threshold=threshold,
        threshold_from=threshold_said(checkpoint, threshold) if checkpoint else "",
        notes=(*notes, *untrained, *optimistic),
        resamples=resamples,
    )


def _learned(analyzer: Analyzer, one: Measured) -> bool:
    return bool(analyzer.checkpoint and learned_from(analyzer.checkpoint, [one.clip.name]))


def _truth(table: Path, clip: OwnClip, probed: Clip, analysis: Analysis) -> list[Truth]:
    if clip.normal:
        return []
    return read_truth(
        table,
        clip.name,
        native_rate=probed.native_rate,
        duration_s=analysis.timeline.duration_s,
        times_s=lambda: frame_times(probed),
    )
