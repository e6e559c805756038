"""A folder of analyses: whose it holds already, and the same as two Parquet tables (docs/batch.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cmhkf.analysis import FORMAT, Analysis
from cmhkf.errors import CheckpointError
from cmhkf.files import NPZ_DAMAGE, open_npz
from cmhkf.outputs import Bucket, Folder, outputs_at
from cmhkf.segments import flag_segments

SEGMENTS_FILE, SNIPPETS_FILE = "segments.parquet", "snippets.parquet"
GROUP_ROWS = 50_000  # of a Parquet row group; so many rows are held before they are written

TEXT, WHOLE, NUMBER = pa.string(), pa.int32(), pa.float64()

_CLIP = {"file": TEXT, "video": TEXT, "sha256": TEXT, "model_id": TEXT, "trained": pa.bool_()}
_TIMES = {"start_s": NUMBER, "end_s": NUMBER}
_LABEL = {"label": TEXT, "label_prob": NUMBER}
_CUT = {"threshold": NUMBER, "segment": WHOLE}
_SCORES = {"score": NUMBER, "alignment_score": NUMBER}
_SIGNALS = {"saliency": NUMBER, "audio_level_db": NUMBER, "class_probs": pa.map_(TEXT, NUMBER)}
_CUES = {"cues": pa.map_(TEXT, NUMBER)}
_RUNS = {"class_runs": pa.list_(pa.struct({"label": TEXT} | _TIMES))}
SEGMENTS = pa.schema(_CLIP | _CUT | _TIMES | {"peak_s": NUMBER, "score": NUMBER} | _LABEL | {"second": TEXT} | _RUNS)
SNIPPETS = pa.schema(_CLIP | {"snippet": WHOLE} | _TIMES | _SCORES | _LABEL | _SIGNALS | _CUES)


@dataclass(frozen=True)
class Made:
    """What was analysed and by what: an analysis that is equal in all of this need not be made again."""

    sha256: str
    recipe_hash: str
    model_id: str
    """With the checkpoint's hash, where there is one."""
    classes: tuple[str, ...]


@dataclass(frozen=True)
class _Kept:
    name: str
    video: str
    made: Made | None
    """None where an earlier version made it, which did not note unseen footage."""


class Results:
    """What a folder of analyses holds, by the headers of its files; it sees what other processes add."""

    def __init__(self, out: Folder | Bucket) -> None:
        self.out = out
        self._read: dict[str, tuple[object, _Kept | None]] = {}

    def _of(self, stamps: Mapping[str, object]) -> Iterator[_Kept]:
        """What files hold; those are opened that are new or changed."""
        new = [name for name, stamp in stamps.items() if self._read.get(name, (None, None))[0] != stamp]
        for name, kept in zip(new, self.out.each(self._look, new), strict=True):
            self._read[name] = stamps[name], kept
        return (kept for name in stamps if (kept := self._read[name][1]))

    def _look(self, name: str) -> _Kept | None:
        try:
            with self.out.opened(name) as file:
                return _kept(name, file)
        except NPZ_DAMAGE:  # or only a fault of the way there: the whole file decides
            with self.out.fetched(name) as copy, suppress(*NPZ_DAMAGE), copy.open("rb") as file:
                return _kept(name, file)
        return None

    def files(self) -> dict[str, str]:
        """The name of each video's analysis, by the path or URL that the video was read from."""
        return {kept.video: kept.name for kept in self._of(self.out.stamps())}

    def find(self, made: Made, usual: str) -> tuple[str, Analysis] | None:
        """An analysis of this content by this model, and its name: the usual one, or else another.

        None where there is none; a damaged one does not count.
        """
        for look in (lambda: {usual: stamp} if (stamp := self.out.stamp(usual)) else {}, self.out.stamps):
            for kept in self._of(look()):
                if kept.made == made:
                    with suppress(CheckpointError), self.out.fetched(kept.name) as file:
                        return kept.name, Analysis.load(file)
        return None


def _kept(name: str, file: BinaryIO) -> _Kept | None:
    """What an analysis says of itself, None for another format's. Raises one of NPZ_DAMAGE."""
    with open_npz(file) as arrays:
        header = json.loads(arrays["header"].tobytes())
    if header["format"] != FORMAT:
        return None
    made = Made(header["clip"]["sha256"], header["recipe_hash"], header["model_id"], tuple(header["classes"]))
    return _Kept(name, header["clip"]["path"], made if header.get("unseen_s") is not None else None)


def write_tables(out: Path | str, threshold: float) -> list[str]:
    """Write both tables of everything in a folder, segments cut at `threshold`; returns which files are no analyses."""
    foreign, place = [], outputs_at(out)
    with _table(place, SEGMENTS_FILE, SEGMENTS) as segments, _table(place, SNIPPETS_FILE, SNIPPETS) as snippets:
        for name in sorted(place.stamps()):
            try:
                with place.fetched(name) as file:
                    analysis = Analysis.load(file)
            except CheckpointError:
                foreign.append(name)
                continue
            segments.add(_segments(analysis, name, threshold))
            snippets.add(_snippets(analysis, name))
    return foreign


class _Table:
    """Gathers rows into groups, so that a table of many short clips is not one of many short groups."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer, self._waiting, self._n = writer, list[pa.RecordBatch](), 0

    def add(self, rows: pa.RecordBatch) -> None:
        self._waiting.append(rows)
        self._n += len(rows)
        if self._n >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._waiting, self._writer.schema))
        self._waiting, self._n = [], 0


@contextmanager
def _table(place: Folder | Bucket, name: str, schema: pa.Schema) -> Iterator[_Table]:
    with place.replacing(name) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        table = _Table(writer)
        yield table
        table.flush()


def _of_clip(analysis: Analysis, file: str, n: int) -> list[pa.Array]:
    """The columns that say whose n rows they are."""
    clip = analysis.clip
    values = (file, clip.path, clip.sha256, analysis.model_id, analysis.trained)
    return [pa.repeat(pa.scalar(value, kind), n) for value, kind in zip(values, _CLIP.values(), strict=True)]


def _segments(analysis: Analysis, file: str, threshold: float) -> pa.RecordBatch:
    found = flag_segments(analysis, threshold)
    names = SEGMENTS.names[len(_CLIP) + len(_CUT) :]
    rows = [asdict(segment) for segment in found]
    columns = [[threshold] * len(found), range(len(found)), *([row[name] for row in rows] for name in names)]
    kinds = SEGMENTS.types[len(_CLIP) :]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    return pa.record_batch([*_of_clip(analysis, file, len(found)), *arrays], schema=SEGMENTS)


def _snippets(analysis: Analysis, file: str) -> pa.RecordBatch:
    line, n = analysis.timeline, analysis.n_snippets
    anomaly = analysis.class_probs[:, 1:]  # [N, C - 1]
    strongest = anomaly.argmax(axis=1)
    cues = np.stack([*analysis.cues.values()], axis=1) if analysis.cues else np.zeros((n, 0))
    labels = [analysis.classes[1 + c] for c in strongest]
    probs = anomaly.max(axis=1) / np.maximum(anomaly.sum(axis=1), 1e-9)
    columns = [
        np.arange(n, dtype=np.int32),
        *(line.times_s, line.ends_s, analysis.scores, analysis.alignment_scores, labels, probs, analysis.saliency),
        [None] * n if analysis.audio_level_db is None else analysis.audio_level_db,
    ]
    kinds = SNIPPETS.types[len(_CLIP) : -2]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    arrays += [_map(analysis.classes, analysis.class_probs), _map(tuple(analysis.cues), cues)]
    return pa.record_batch([*_of_clip(analysis, file, n), *arrays], schema=SNIPPETS)


def _map(names: tuple[str, ...], values: np.ndarray) -> pa.Array:
    """Values [N, K] as one map of K names for each row."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * len(names)
    flat = pa.array(np.asarray(values, np.float64).ravel())
    return pa.MapArray.from_arrays(offsets, pa.array(names * len(values), TEXT), flat)
