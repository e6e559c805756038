"""A clip's rows: what the encoders say about each snippet, made once and cached under the recipe's hash.

Data flow: pictures stream out of a child process snippet by snippet, go through the video encoder in small blocks and
are forgotten; then the sound streams past in blocks. Only the rows stay, so memory grows by rows and not by frames.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.npyio import NpzFile

from cmhkf.analysis import NPZ_DAMAGE
from cmhkf.config import Recipe
from cmhkf.crops import CENTRE_CROP, cut_crop
from cmhkf.encoders import AudioEncoder, AudioRows, Encoders, VideoRows
from cmhkf.errors import DataError, MediaError
from cmhkf.media import Clip, SnippetStream, stream_audio
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES, Timeline

FORMAT = "cmhkf-features-1"
SOUND_BLOCK_S = 30.0
SILENCE_DB = -100.0
AUDIBLE_DB = -70.0  # a track that never rises above it counts as silent

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a long piece of work is."""

    stage: str
    """"pictures", "sound", "model", ..."""
    done: float
    """In the stage's unit: seconds of video for pictures and sound."""
    total: float
    """The stage's end as far as it is known; the header's duration may be wrong."""
    message: str = ""


@dataclass(frozen=True, eq=False)
class Features:
    """What the encoders say about one clip; N snippets."""

    clip: Clip
    timeline: Timeline
    recipe_hash: str
    video: np.ndarray
    """[N, D_v] float32: what the model's temporal part reads."""
    semantic: np.ndarray
    """[N, D_s] float32, unit rows: compared with class texts (Eq. 1)."""
    audio: np.ndarray | None
    """[N, D_a] float32; None when there is nothing to hear."""
    audio_level_db: np.ndarray | None
    """[N] RMS level re full scale; None without a sound track."""
    audio_state: str
    """"heard", "silent", "no sound track", "not used", or why the track could not be read."""
    cues: Mapping[str, np.ndarray] = field(default_factory=dict)
    """[N] each: the encoders' named signals."""

    def save(self, path: Path) -> None:
        """Write an `.npz` with a JSON header; complete or not at all."""
        header = {
            "format": FORMAT, "recipe_hash": self.recipe_hash, "audio_state": self.audio_state, "cues": [*self.cues],
            "n_snippets": self.timeline.n_snippets, "duration_s": self.timeline.duration_s,
            "rate": str(self.timeline.rate),
        }  # fmt: skip
        arrays = {f"cues.{i}": values for i, values in enumerate(self.cues.values())}
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        arrays |= {"video": self.video, "semantic": self.semantic}
        for name in ("audio", "audio_level_db"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        part.replace(path)

    @classmethod
    def load(cls, path: Path, clip: Clip) -> Features:
        """Read a cached file. Raises one of NPZ_DAMAGE when it is not one."""
        with np.load(path, allow_pickle=False) as file:
            header = read_header(file)
            return cls(
                clip, header.timeline, header.recipe_hash, file["video"], file["semantic"], file.get("audio"),
                file.get("audio_level_db"), header.audio_state,
                {name: file[f"cues.{i}"] for i, name in enumerate(header.cues)},
            )  # fmt: skip


class Header(NamedTuple):
    """What a saved file says of its arrays."""

    timeline: Timeline
    recipe_hash: str
    audio_state: str
    cues: tuple[str, ...]


def read_header(file: NpzFile) -> Header:
    """The header of an open file, without reading its rows. Raises one of NPZ_DAMAGE when it has none."""
    header = json.loads(file["header"].tobytes())
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']}")
    timeline = Timeline(header["n_snippets"], header["duration_s"], Fraction(header["rate"]))
    return Header(timeline, header["recipe_hash"], header["audio_state"], tuple(header["cues"]))


def cached_file(cache_dir: Path, recipe_hash: str, sha256: str) -> Path:
    """Where `extract` keeps a clip's features."""
    return cache_dir / recipe_hash / f"{sha256}.npz"


def kept_file(cache_dir: Path, recipe_hash: str, sha256: str) -> Path:
    """The file in which `extract` kept a clip's features. Raises DataError when it is not there any more."""
    path = cached_file(cache_dir, recipe_hash, sha256)
    if not path.exists():
        raise _lost(sha256, "are not kept any more")
    return path


def cached_semantic(cache_dir: Path, recipe_hash: str, sha256: str) -> np.ndarray:
    """The semantic rows [N, D_s] that `extract` kept of a clip, for comparing with texts; no other rows are read.

    Raises:
        DataError: they are not there any more, or the file is damaged.
    """
    try:
        with np.load(kept_file(cache_dir, recipe_hash, sha256), allow_pickle=False) as file:
            read_header(file)
            return file["semantic"]
    except NPZ_DAMAGE as error:
        raise _lost(sha256, f"are damaged ({error})") from error


def _lost(sha256: str, how: str) -> DataError:
    return DataError(
        f"the features of clip {sha256[:12]} {how}; "
        "remove the clip from the library and open it again: the analysis makes them anew"
    )


def extract(
    clip: Clip, encoders: Encoders, recipe: Recipe, *, cache_dir: Path | None = None
) -> Iterator[Progress | Features]:
    """Yield the progress of making a clip's features, and at last the features.

    A cached file of the same clip and recipe is used instead. The rest is as with `extract_crops`.
    """
    cached = cached_file(cache_dir, recipe.hash, clip.sha256) if cache_dir else None
    if cached and cached.exists():
        try:
            features = Features.load(cached, clip)
        except NPZ_DAMAGE as error:
            log.warning("%s is damaged (%s): making the features again", cached, error)
        else:
            yield features
            return
    for step in extract_crops(clip, encoders, recipe, crops=(CENTRE_CROP,)):
        if cached and isinstance(step, Features):
            try:
                step.save(cached)
            except OSError as error:
                log.warning("features are not cached: %s", error)
        yield step


def extract_crops(
    clip: Clip, encoders: Encoders, recipe: Recipe, *, crops: Sequence[int]
) -> Iterator[Progress | Features]:
    """Yield the progress of making a clip's features, and at last the features of each crop, which share their sound.

    Closing the iterator stops the work and ends its child processes. Raises MediaError when the pictures cannot be
    read; unreadable sound is recorded and left out.
    """
    sampling = encoders.video.sampling
    cropped = sampling.stretched_px and sampling.crop_px
    assert cropped or list(crops) == [CENTRE_CROP], "only a stretched picture has other crops"
    stream = SnippetStream(clip, sampling, grid=recipe.grid)
    rows: list[list[VideoRows]] = [[] for _ in crops]
    done = 0
    yield Progress("pictures", 0.0, clip.duration_s)
    for pictures, inner in blocks(stream, encoders.video.block, encoders.video.context):
        for crop, held in zip(crops, rows, strict=True):
            held.append(encoders.video.encode(cut_crop(pictures, crop, cropped) if cropped else pictures, inner))
        done += len(pictures[inner])
        done_s = done * float(SNIPPET_FRAMES / GRID_RATE)
        yield Progress("pictures", done_s, max(clip.duration_s, done_s))
    timeline = stream.timeline
    sound = _Sound(None, None, "no sound track" if not clip.has_audio else "not used")
    if clip.has_audio and encoders.audio:
        for step in _hear(clip, encoders.audio, timeline):
            if isinstance(step, _Sound):
                sound = step
            else:
                yield step
    for seen in rows:
        yield Features(
            clip=clip, timeline=timeline, recipe_hash=recipe.hash,
            video=np.concatenate([r.video for r in seen]), semantic=np.concatenate([r.semantic for r in seen]),
            audio=sound.rows.audio if sound.rows else None, audio_level_db=sound.level_db, audio_state=sound.state,
            cues={name: np.concatenate([r.cues[name] for r in seen]) for name in seen[0].cues}
            | (dict(sound.rows.cues) if sound.rows else {}),
        )  # fmt: skip


def blocks(snippets: Iterable[np.ndarray], size: int, context: int) -> Iterator[tuple[np.ndarray, slice]]:
    """Snippets [pictures, ...] by `size`, fewer at the end, with up to `context` more before and after them.

    Yields each time all of these together [S, pictures, ...] and where among them the `size` lie.
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


@dataclass(frozen=True)
class _Sound:
    rows: AudioRows | None
    level_db: np.ndarray | None
    state: str


def _hear(clip: Clip, encoder: AudioEncoder, timeline: Timeline) -> Iterator[Progress | _Sound]:
    """Encode the sound track block by block, keeping only the context that the next rows look back at."""
    ends, rate = timeline.ends_s, encoder.rate_hz
    rows: list[AudioRows] = []
    levels: list[np.ndarray] = []
    buffer, start, done = np.zeros(0, np.float32), 0, 0
    try:
        # A last empty block flushes the rows that reach past the end of the track.
        for block in chain(stream_audio(clip, rate, block_s=SOUND_BLOCK_S), [None]):
            if block is not None:
                buffer = np.concatenate([buffer, block])
            heard_s = float("inf") if block is None else (start + len(buffer)) / rate
            ready = int(np.searchsorted(ends, heard_s, "right"))
            if ready > done:
                rows.append(encoder.encode(buffer, start / rate, ends[done:ready]))
                levels.append(level_db(buffer, start / rate, ends[done:ready], timeline.snippet_s, rate))
                done = ready
                yield Progress("sound", float(ends[done - 1]), timeline.duration_s)
            if done == len(ends):
                break
            keep = max(0, int((ends[done] - encoder.context_s) * rate) - 1 - start)
            buffer, start = buffer[keep:], start + min(keep, len(buffer))
    except MediaError as error:
        yield _Sound(None, None, str(error))
        return
    level = np.concatenate(levels)
    if level.max() < AUDIBLE_DB:
        yield _Sound(None, level, "silent")
        return
    cues = {name: np.concatenate([r.cues[name] for r in rows]) for name in rows[0].cues}
    yield _Sound(AudioRows(np.concatenate([r.audio for r in rows]), cues), level, "heard")


def level_db(waveform: np.ndarray, start_s: float, ends_s: np.ndarray, snippet_s: float, rate_hz: int) -> np.ndarray:
    """RMS level of each snippet's own sound in dB re full scale, floor -100; float32 [B]."""
    power = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    ends = np.rint((ends_s - start_s) * rate_hz).astype(int)
    first, last = (np.clip(edge, 0, len(waveform)) for edge in (ends - round(snippet_s * rate_hz), ends))
    mean = (power[last] - power[first]) / (snippet_s * rate_hz)
    return np.maximum(10 * np.log10(np.maximum(mean, 1e-10)), SILENCE_DB).astype(np.float32)
