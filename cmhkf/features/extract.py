"""A clip's rows: what the encoders say about each snippet, made once and cached under the recipe's hash.

Data flow: frames stream out of a child process snippet by snippet, go through the video encoder in small blocks and
are forgotten, and the audio streams out of another in step with them. Only the rows stay, in files.
Where a snippet ends is known beforehand on the 24 fps grid alone; on the native grid the audio comes after the frames.

While the frames come, whoever asks for `Part`s is shown the rows that are complete, window by window.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.lib.npyio import NpzFile

from cmhkf import heap
from cmhkf.encoders.crops import CENTRE_CROP, cut_crop
from cmhkf.encoders.protocols import AudioEncoder, AudioRows, Encoders, VideoRows
from cmhkf.errors import DataError, MediaError
from cmhkf.features.cache import evict, limit_bytes, mark_used
from cmhkf.features.recipe import Recipe
from cmhkf.files import NPZ_DAMAGE, FileRows, open_npz, save_npz
from cmhkf.media.clip import Clip, SnippetStream, WaveformStream
from cmhkf.media.unseen import Unseen, as_rows, from_rows, joined
from cmhkf.progress import Progress
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES, WINDOW_SNIPPETS, Timeline, n_snippets_of, split_windows

FORMAT = "cmhkf-features-1"
AUDIO_BLOCK_S = 30.0
SILENCE_DB = -100.0
AUDIBLE_DB = -70.0  # a track that never rises above it counts as silent
TRIMMED_EVERY = 64  # snippets
PART_EVERY_S = 2.0  # wall-clock time between two looks at the rows so far, at least
PART_SHARE = 0.02  # of the time, at most, for what is done with them

log = logging.getLogger(__name__)
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Features:
    """What the encoders say about one clip; N snippets. Rows in files are read slice by slice (`FileRows`)."""

    clip: Clip
    timeline: Timeline
    recipe_hash: str
    video: np.ndarray | FileRows
    """[N, D_v] float32: what the model's temporal part reads."""
    semantic: np.ndarray | FileRows
    """[N, D_s] float32, unit rows: compared with class texts (Eq. 1)."""
    audio: np.ndarray | FileRows | None
    """[N, D_a] float32; None when there is nothing to hear."""
    audio_level_db: np.ndarray | None
    """[N] RMS level re full scale; None without an audio track."""
    audio_state: str
    """"heard", "silent", "no sound track", "not used", or why the track could not be read."""
    cues: Mapping[str, np.ndarray] = field(default_factory=dict)
    """[N] each: the encoders' named signals."""
    unseen: tuple[Unseen, ...] | None = ()
    """Footage that was not seen or heard; None where an earlier version did not look."""

    def save(self, path: Path) -> None:
        """Write an `.npz` with a JSON header; complete or not at all."""
        header = {
            "format": FORMAT,
            "recipe_hash": self.recipe_hash,
            "audio_state": self.audio_state,
            "cues": [*self.cues],
            "n_snippets": self.timeline.n_snippets,
            "duration_s": self.timeline.duration_s,
            "rate": str(self.timeline.rate),
            "unseen": as_rows(self.unseen),
            "source": self.clip.sha256,
        }
        arrays: dict[str, np.ndarray | FileRows] = {f"cues.{i}": cue for i, cue in enumerate(self.cues.values())}
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        arrays |= {"video": self.video, "semantic": self.semantic}
        if self.timeline.frame_times_s is not None:
            arrays["frame_times_s"] = self.timeline.frame_times_s
        for name in ("audio", "audio_level_db"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        save_npz(path, arrays)

    @classmethod
    def load(cls, path: Path, clip: Clip) -> Features:
        """Read a cached file. Raises one of NPZ_DAMAGE when it is not one."""
        with open_npz(path) as file:
            header = read_header(file)
            return cls(
                clip,
                header.timeline,
                header.recipe_hash,
                FileRows.copied(file, "video"),
                FileRows.copied(file, "semantic"),
                FileRows.copied(file, "audio") if "audio" in file else None,
                file.get("audio_level_db"),
                header.audio_state,
                {name: file[f"cues.{i}"] for i, name in enumerate(header.cues)},
                header.unseen,
            )


class Header(NamedTuple):
    """What a saved file says of its arrays."""

    timeline: Timeline
    recipe_hash: str
    audio_state: str
    cues: tuple[str, ...]
    unseen: tuple[Unseen, ...] | None
    source: str
    """SHA-256 of the video; empty in files of older versions."""


def read_header(file: NpzFile) -> Header:
    """The header of an open file, without reading its rows. Raises one of NPZ_DAMAGE when it has none."""
    header = json.loads(file["header"].tobytes())
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']}")
    timeline = Timeline.from_dict(header | {"frame_times_s": file.get("frame_times_s")})
    unseen = header.get("unseen")
    return Header(
        timeline,
        header["recipe_hash"],
        header["audio_state"],
        tuple(header["cues"]),
        None if unseen is None else from_rows(unseen),
        header.get("source", ""),
    )


def cached_file(cache_dir: Path, recipe_hash: str, sha256: str) -> Path:
    """Where `extract` keeps a clip's features."""
    return cache_dir / recipe_hash / f"{sha256}.npz"


def kept_file(cache_dir: Path, recipe_hash: str, sha256: str) -> Path:
    """The file in which `extract` kept a clip's features, now marked as used. Raises DataError when it is gone."""
    path = cached_file(cache_dir, recipe_hash, sha256)
    if not path.exists():
        raise _lost(sha256, "are not kept any more")
    mark_used(path)
    return path


def cached_semantic(cache_dir: Path, recipe_hash: str, sha256: str) -> np.ndarray:
    """The semantic rows [N, D_s] that `extract` kept of a clip, for comparing with texts; no other rows are read.

    Raises:
        DataError: they are not there any more, or the file is damaged.
    """
    try:
        with open_npz(kept_file(cache_dir, recipe_hash, sha256)) as file:
            read_header(file)
            return file["semantic"]
    except NPZ_DAMAGE as error:
        raise _lost(sha256, f"are damaged ({error})") from error


def _lost(sha256: str, how: str) -> DataError:
    return DataError(
        f"the features of clip {sha256[:12]} {how}; "
        "remove the clip from the library and open it again: the analysis makes them anew"
    )


@dataclass(frozen=True, eq=False)
class Part:
    """What is known so far of one window of a clip that is still being read."""

    first: int
    """Index in the clip of the window's first snippet."""
    features: Features
    """Of the window's snippets alone, its timeline too; fewer than 256 while it is open."""


def extract(
    clip: Clip, encoders: Encoders, recipe: Recipe, *, cache_dir: Path | None = None, parts: bool = False
) -> Iterator[Progress | Part | Features]:
    """Yield the progress of making a clip's features, and at last the features.

    A cached file of the same clip and recipe is used instead, unless it is of an earlier version, which did not note
    unseen footage. The rest is as with `extract_crops`.
    """
    cached = cached_file(cache_dir, recipe.hash, clip.sha256) if cache_dir else None
    if cached and cached.exists():
        try:
            features = Features.load(cached, clip)
        except NPZ_DAMAGE as error:
            log.warning("%s is damaged (%s): making the features again", cached, error)
        else:
            if features.unseen is not None:
                mark_used(cached)
                yield features
                return
    for step in extract_crops(clip, encoders, recipe, crops=(CENTRE_CROP,), parts=parts):
        if cache_dir and cached and isinstance(step, Features):
            try:
                step.save(cached)
                evict(cache_dir, cached, limit_bytes())
            except OSError as error:
                log.warning("features are not cached: %s", error)
        yield step


def extract_crops(
    clip: Clip, encoders: Encoders, recipe: Recipe, *, crops: Sequence[int], parts: bool = False
) -> Iterator[Progress | Part | Features]:
    """Yield the progress of making a clip's features, and at last the features of each crop, which share their audio.

    With `parts`, what is known so far of the first crop is yielded between, on the 24 fps grid: each window that was
    not complete the last time, in order. The features do not depend on it. Closing the iterator stops the work and
    ends its child processes. Raises MediaError when the frames cannot be read; unreadable audio is recorded and left
    out.
    """
    sampling = encoders.video.sampling
    cropped = sampling.stretched_px and sampling.crop_px
    assert cropped or list(crops) == [CENTRE_CROP], "only a stretched frame has other crops"
    listener = encoders.audio if clip.has_audio else None
    foreseen = _foreseen(clip) if recipe.grid == "24fps" else None
    heard, hearing = _hear(clip, listener, foreseen) if listener and foreseen else (None, iter(()))
    device = encoders.video.device
    stream = SnippetStream(clip, sampling, grid=recipe.grid, device=device)
    begun = (
        [encoders.video.start(cut_crop(frames, crop, cropped) if cropped else frames, inner) for crop in crops]
        for frames, inner in blocks(stream, encoders.video.block, encoders.video.context)
    )
    rows = [_Spool() for _ in crops]
    growth = _Growth() if parts and foreseen else None
    done = 0
    yield Progress("pictures", 0.0, clip.duration_s)
    for waits in delayed(begun, int(device != "cpu")):  # a GPU computes a block while the next one is read
        made = [wait() for wait in waits]
        for held, new in zip(rows, made, strict=True):
            held.add(new)
        done += len(made[0].video)
        if done % TRIMMED_EVERY < len(made[0].video):
            heap.trim()
        done_s = done * float(SNIPPET_FRAMES / GRID_RATE)
        yield Progress("pictures", done_s, max(clip.duration_s, done_s))
        while heard and (heard.done < done or not heard.audible) and (step := next(hearing, None)):
            if not heard.audible:
                yield step
        if growth and not (heard and heard.n_snippets < done):  # no part has frames beyond the audio that was heard
            for first, seen in growth.due():
                line = _line_of(len(seen.video))
                audio = _audio_of(clip, heard, line, first=first)
                yield Part(first, _features(clip, line, recipe, seen, audio, ()))
            growth.add(made[0])  # shown with the next ones, for they may be the last
    timeline = stream.timeline
    if listener and (heard is None or heard.n_snippets < timeline.n_snippets):
        heard, hearing = _hear(clip, listener, timeline)
    yield from hearing
    audio = _audio_of(clip, heard, timeline)
    for held in rows:
        yield _features(clip, timeline, recipe, held, audio, joined((*stream.unseen, *audio.unheard)))


def _features(
    clip: Clip, line: Timeline, recipe: Recipe, seen: VideoRows | _Spool, audio: _Audio, unseen: tuple[Unseen, ...]
) -> Features:
    return Features(
        clip=clip,
        timeline=line,
        recipe_hash=recipe.hash,
        video=seen.video,
        semantic=seen.semantic,
        audio=audio.rows,
        audio_level_db=audio.level_db,
        audio_state=audio.state,
        cues=dict(seen.cues) | audio.cues,
        unseen=unseen,
    )


def _foreseen(clip: Clip) -> Timeline:
    """The snippets that a clip will have on the 24 fps grid by its packets, or one more than it will have."""
    return _line_of(n_snippets_of(math.ceil(clip.duration_s * GRID_RATE) + 1))


def _line_of(n_snippets: int) -> Timeline:
    """So many snippets of the 24 fps grid."""
    return Timeline(n_snippets, float(n_snippets * SNIPPET_FRAMES / GRID_RATE))


def _joined(rows: Sequence[VideoRows]) -> VideoRows:
    return VideoRows(
        np.concatenate([r.video for r in rows]),
        np.concatenate([r.semantic for r in rows]),
        {name: np.concatenate([r.cues[name] for r in rows]) for name in rows[0].cues},
    )


def _cut(rows: VideoRows, part: slice) -> VideoRows:
    return VideoRows(rows.video[part], rows.semantic[part], {name: cue[part] for name, cue in rows.cues.items()})


class _Spool:
    """The rows of a clip while they come, as VideoRows has them: what is wide waits in files."""

    def __init__(self) -> None:
        self.video, self.semantic = FileRows(), FileRows()
        self._cues: list[Mapping[str, np.ndarray]] = []

    def add(self, rows: VideoRows) -> None:
        """Take the next rows."""
        self.video.add(rows.video)
        self.semantic.add(rows.semantic)
        self._cues.append({name: cue.copy() for name, cue in rows.cues.items()})  # a view would keep all rows

    @property
    def cues(self) -> dict[str, np.ndarray]:
        """[N] each."""
        return {name: np.concatenate([cues[name] for cues in self._cues]) for name in self._cues[0]}


class _Growth:
    """The rows of a clip while they come, window by window; those of complete windows are let go once shown."""

    def __init__(self) -> None:
        self._open: list[VideoRows] = []
        self._first = 0  # index of the first open snippet
        self._due_s = 0.0  # when to look again, by the clock of `perf_counter`

    def add(self, rows: VideoRows) -> None:
        """Take the next rows."""
        self._open.append(rows)

    def due(self) -> Iterator[tuple[int, VideoRows]]:
        """Each window that was not complete the last time, with the index of its first snippet; nothing before it is
        time. The next time depends on what the caller spends on these."""
        begun_s = time.perf_counter()
        if begun_s < self._due_s or not any(len(rows.video) for rows in self._open):
            return
        rows = _joined(self._open)
        for window in split_windows(len(rows.video)):
            yield self._first + window.start, _cut(rows, window)
        complete = len(rows.video) // WINDOW_SNIPPETS * WINDOW_SNIPPETS
        self._open = [_cut(rows, slice(complete, None))]
        self._first += complete
        now_s = time.perf_counter()
        self._due_s = now_s + max(PART_EVERY_S, (now_s - begun_s) / PART_SHARE)


def delayed(items: Iterable[Item], by: int) -> Iterator[Item]:
    """Items in order, each once `by` more of them have come, or no more do."""
    held: deque[Item] = deque()
    for item in items:
        held.append(item)
        if len(held) > by:
            yield held.popleft()
    yield from held


def blocks(snippets: Iterable[np.ndarray], size: int, context: int) -> Iterator[tuple[np.ndarray, slice]]:
    """Snippets [frames, ...] by `size`, fewer at the end, with up to `context` more before and after them.

    Yields each time all of these together [S, frames, ...] and where among them the `size` lie.
    """
    coming = iter(snippets)
    held: list[np.ndarray] = []
    before = 0
    while True:
        held += islice(coming, before + size + context - len(held))
        if len(held) == before:
            return
        inner = slice(before, min(before + size, len(held)))
        yield np.stack(held), inner
        held = held[max(0, inner.stop - context) :]
        before = min(context, inner.stop)


@dataclass
class _Heard:
    """What comes of listening to a clip's first snippets, filled in as the track goes by."""

    n_snippets: int
    done: int = 0
    """Snippets that were listened to."""
    rows: FileRows = field(default_factory=FileRows)
    cues: dict[str, np.ndarray] = field(default_factory=dict)
    level_db: np.ndarray = field(init=False)
    unheard: tuple[Unseen, ...] = ()
    """Known at the end."""
    error: str = ""
    """Why the track could not be read."""

    def __post_init__(self) -> None:
        self.level_db = np.full(self.n_snippets, SILENCE_DB, np.float32)

    @property
    def audible(self) -> bool:
        """Whether there was anything to hear yet: a track without is as good as none, which its end alone tells."""
        return bool(self.level_db.max() >= AUDIBLE_DB)

    def add(self, rows: AudioRows, level_db: np.ndarray) -> None:
        """Take the next snippets."""
        part = slice(self.done, self.done + len(level_db))
        self.rows.add(rows.audio)
        self.level_db[part] = level_db
        for name, cue in rows.cues.items():
            self.cues.setdefault(name, np.zeros(self.n_snippets, np.float32))[part] = cue
        self.done = part.stop


@dataclass(frozen=True)
class _Audio:
    rows: np.ndarray | FileRows | None
    level_db: np.ndarray | None
    state: str
    unheard: tuple[Unseen, ...]
    cues: dict[str, np.ndarray] = field(default_factory=dict)


def _audio_of(clip: Clip, heard: _Heard | None, line: Timeline, *, first: int | None = None) -> _Audio:
    """The audio of a clip, or of a window of it that begins with the snippet `first`."""
    if heard is None:
        return _Audio(None, None, "no sound track" if not clip.has_audio else "not used", ())
    if not heard.done or heard.error:
        lost = Unseen(0.0, line.duration_s, f"the audio cannot be read: {heard.error}", only_sound=True)
        return _Audio(None, None, heard.error, (lost,))
    part = slice(first or 0, (first or 0) + line.n_snippets)
    level = heard.level_db[part]
    if (level if first is None else heard.level_db).max() < AUDIBLE_DB:  # of the whole track
        return _Audio(None, level, "silent", heard.unheard)
    cues = {name: cue[part] for name, cue in heard.cues.items()}
    if first is None:
        heard.rows.cut_to(line.n_snippets)
    rows = heard.rows if first is None else heard.rows[part]
    return _Audio(rows, level, "heard", heard.unheard, cues)


def _hear(clip: Clip, encoder: AudioEncoder, timeline: Timeline) -> tuple[_Heard, Iterator[Progress]]:
    """What comes of listening to a clip's snippets, and the listening, a step for each block that is wanted."""
    heard = _Heard(timeline.n_snippets)
    return heard, _fill(heard, clip, encoder, timeline)


def _fill(heard: _Heard, clip: Clip, encoder: AudioEncoder, timeline: Timeline) -> Iterator[Progress]:
    """Encode the audio track block by block, keeping only the context that the next rows look back at."""
    ends, lengths, rate = timeline.ends_s, timeline.ends_s - timeline.times_s, encoder.rate_hz
    buffer, start = np.zeros(0, np.float32), 0
    stream = WaveformStream(clip, rate, block_s=AUDIO_BLOCK_S)
    try:
        # A last empty block flushes the rows that reach past the end of the track.
        for block in chain(stream, [None]):
            done = heard.done
            if done == len(ends):
                continue  # only what the rest of the track says of itself is wanted
            if block is not None:
                buffer = np.concatenate([buffer, block])
            heard_s = float("inf") if block is None else (start + len(buffer)) / rate
            ready = int(np.searchsorted(ends, heard_s, "right"))
            if ready > done:
                rows = encoder.encode(buffer, start / rate, ends[done:ready])
                heard.add(rows, level_db(buffer, start / rate, ends[done:ready], lengths[done:ready], rate))
                yield Progress("sound", float(ends[ready - 1]), timeline.duration_s)
            if ready == len(ends):
                continue
            keep = max(0, int((ends[ready] - encoder.context_s) * rate) - 1 - start)
            buffer, start = buffer[keep:], start + min(keep, len(buffer))
        heard.unheard = stream.unheard
    except MediaError as error:
        heard.error = str(error)


def level_db(
    waveform: np.ndarray, start_s: float, ends_s: np.ndarray, length_s: np.ndarray | float, rate_hz: int
) -> np.ndarray:
    """RMS level of each snippet's own audio, the `length_s` before its end, in dB re full scale, floor -100; [B]."""
    power = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    samples = np.maximum(np.asarray(length_s) * rate_hz, 1)
    ends = np.rint((ends_s - start_s) * rate_hz).astype(int)
    first, last = (np.clip(edge, 0, len(waveform)) for edge in (ends - np.rint(samples).astype(int), ends))
    mean = (power[last] - power[first]) / samples
    return np.maximum(10 * np.log10(np.maximum(mean, 1e-10)), SILENCE_DB).astype(np.float32)
