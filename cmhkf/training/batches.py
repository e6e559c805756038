"""From feature rows to what a training step reads: sequences of at most 256 rows, padded batches, the plan of an epoch.

Sequence shaping is that of training in `model.md` C.3; at test nothing is resampled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from cmhkf.datasets.sets import Entry
from cmhkf.errors import DataError
from cmhkf.features.folders import FeatureFolder
from cmhkf.model.build import Model
from cmhkf.model.output import ModelOutput, joined
from cmhkf.timeline import WINDOW_SNIPPETS

TOGETHER = 16  # samples that the model reads at once; of XD-Violence's 96 in a step, 11 % of the rows are padding then


def shape_rows(rows: np.ndarray) -> tuple[np.ndarray, int]:
    """Rows [N, D] as at most 256, and how many: longer ones become means over even bins (C.3)."""
    n, length = len(rows), WINDOW_SNIPPETS
    if n <= length:
        return rows, n
    bounds = np.linspace(0, n, length + 1, dtype=np.int64)
    sums = np.add.reduceat(rows, bounds[:-1], axis=0)  # [length, D]; no bin is empty, as N > length
    return sums / np.diff(bounds).astype(rows.dtype)[:, None], length


@dataclass(frozen=True, eq=False)
class Sample:
    """One video, or one crop of it, as training sees it: n <= 256 rows, float32, not padded."""

    name: str
    video: np.ndarray  # [n, D_v]
    semantic: np.ndarray | None  # [n, D_s]; None: the video rows serve
    audio: np.ndarray | None  # [n, D_a]; None: nothing to hear
    labels: tuple[int, ...]  # indices of its classes; (0,) = normal
    # [n] how anomalous each row is known or believed to be, 0..1; NaN: unknown. None: all unknown (weak labels).
    snippet_targets: np.ndarray | None = None


class Batch(NamedTuple):
    """B samples, padded with zeros at the end to T rows."""

    video: Tensor  # [B, T, D_v]
    semantic: Tensor | None  # [B, T, D_s]
    audio: Tensor | None  # [B, T, D_a], zeros where a sample has no audio; None when none of them has
    has_audio: Tensor  # bool [B]
    lengths: Tensor  # int64 [B], valid rows
    targets: Tensor  # float32 [B, C], multi-hot
    snippet_targets: Tensor | None = None  # float32 [B, T], NaN where unknown; None when no sample has any

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device."""
        video, semantic, audio, *rest = (None if part is None else part.to(device, non_blocking=True) for part in self)
        return Batch(video, semantic, audio, *rest)  # type: ignore[arg-type]

    def look(self, model: Model, text: Tensor, *, has_audio: Tensor | None = None) -> ModelOutput:
        """What a model says of it under class texts [C, D_s]; `has_audio` [B] may take the audio of samples away.

        Samples of like length go through the model together, so that little of the padding does.
        """
        present = self.has_audio if has_audio is None else has_audio
        by_length = self.lengths.argsort(descending=True)
        outputs = []
        for places in by_length.split(TOGETHER):
            longest = int(self.lengths[places[0]]) if model.config.mask_padding else self.video.shape[1]
            streams = (self.video, self.semantic, self.audio)
            video, semantic, audio = (None if rows is None else rows[places, :longest] for rows in streams)
            given = {"semantic": semantic, "audio": audio, "has_audio": present[places]}
            outputs.append(model(video, self.lengths[places], text, **given))
        return joined(outputs, by_length.argsort(), self.video.shape[1])


def collate(samples: Sequence[Sample], n_classes: int, *, length: int = WINDOW_SNIPPETS) -> Batch:
    """Stack samples of at most `length` rows."""
    targets = torch.zeros(len(samples), n_classes)
    for row, sample in zip(targets, samples, strict=True):
        row[list(sample.labels)] = 1
    video = _pad([sample.video for sample in samples], length)
    assert video is not None
    return Batch(
        video=video,
        semantic=_pad([sample.semantic for sample in samples], length),
        audio=_pad([sample.audio for sample in samples], length),
        has_audio=torch.tensor([sample.audio is not None for sample in samples]),
        lengths=torch.tensor([len(sample.video) for sample in samples]),
        targets=targets,
        snippet_targets=_pad([sample.snippet_targets for sample in samples], length, np.nan),
    )


def _pad(streams: Sequence[np.ndarray | None], length: int, fill: float = 0.0) -> Tensor | None:
    """Streams [n, ...] with `fill` after them, and in place of those that are not there: [B, length, ...]."""
    shape = next((rows.shape[1:] for rows in streams if rows is not None), None)
    if shape is None:
        return None
    padded = np.full((len(streams), length, *shape), fill, np.float32)
    for place, rows in zip(padded, streams, strict=True):
        if rows is not None:
            place[: len(rows)] = rows
    return torch.from_numpy(padded)


class Samples(Protocol):
    """A training set, in memory or on disk."""

    @property
    def labels(self) -> Sequence[tuple[int, ...]]:
        """Of each sample, without reading it."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Sample: ...


class SampleList(list[Sample]):
    """Samples in memory."""

    @property
    def labels(self) -> list[tuple[int, ...]]:
        """Of each sample."""
        return [sample.labels for sample in self]


class FolderSamples:
    """The samples of a feature folder, read when requested."""

    def __init__(self, folder: FeatureFolder, entries: Sequence[Entry]) -> None:
        self.folder, self.entries = folder, entries
        self.labels: Sequence[tuple[int, ...]] = [entry.labels for entry in entries]

    @cached_property
    def digest(self) -> str:
        """Names the samples by content: their order, crops and labels, and the bytes of their files."""
        rows = self.folder.digest((entry.name, entry.crop) for entry in self.entries)
        return hashlib.sha256(json.dumps([rows, self.entries]).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, i: int, /) -> Sample:
        entry = self.entries[i]
        rows = self.folder.load(entry.name, entry.crop)
        video, semantic, audio = (
            None if stream is None else shape_rows(stream)[0] for stream in (rows.video, rows.semantic, rows.audio)
        )
        assert video is not None
        return Sample(rows.name, video, semantic, audio, entry.labels)


def content_of(samples: Samples) -> str:
    """Names samples by what they hold, in their order: by the bytes of their files, or by their rows in memory."""
    if isinstance(samples, FolderSamples):
        return samples.digest
    total = hashlib.sha256()
    for i in range(len(samples)):
        sample = samples[i]
        total.update(repr((sample.name, sample.labels)).encode())
        for rows in (sample.video, sample.semantic, sample.audio, sample.snippet_targets):
            total.update(b"none" if rows is None else repr(rows.shape).encode() + np.ascontiguousarray(rows).tobytes())
    return total.hexdigest()


def plan_epoch(
    labels: Sequence[tuple[int, ...]], *, batch_size: int, balanced: bool, seed: int, epoch: int
) -> list[np.ndarray]:
    """Indices of the samples of each step; nothing but the arguments decides them, so a run can be resumed anywhere.

    Args:
        labels: of each sample.
        batch_size: samples per step; the last step may be smaller.
        balanced: half of each step normal, half anomalous, in random pairs until the rarer kind has been seen once;
            what is left of the other waits for another epoch (E26). Otherwise each sample once, shuffled.
        seed: of the run.
        epoch: makes the order of each epoch its own.

    Raises:
        DataError: balanced, and one of the two kinds is absent.
    """
    random = np.random.default_rng([seed, epoch])
    if not balanced:
        order = random.permutation(len(labels))
        return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    is_normal = np.array([0 in classes for classes in labels])
    normal, anomalous = (random.permutation(np.flatnonzero(kind)) for kind in (is_normal, ~is_normal))
    pairs, half = min(len(normal), len(anomalous)), max(1, batch_size // 2)
    if not pairs:
        raise DataError(
            f"{len(normal)} normal and {len(anomalous)} anomalous samples cannot make balanced steps; "
            "add the kind that is absent, or train without balancing"
        )
    starts = range(0, pairs, half)
    return [np.concatenate([kind[i : min(i + half, pairs)] for kind in (normal, anomalous)]) for i in starts]
