"""Analysis: everything the model said about one clip, as an immutable numpy value.

It is the only thing the review page, the exports and the figures see. It is saved as one `.npz` whose `header` entry is
UTF-8 JSON, and loaded without pickle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from cmhkf.errors import CheckpointError
from cmhkf.files import NPZ_DAMAGE, open_npz, save_npz
from cmhkf.media.clip import Clip
from cmhkf.media.unseen import Unseen, as_rows, from_rows
from cmhkf.timeline import Timeline

FORMAT = "cmhkf-analysis-1"
FRAME_TIMES = "timeline.frame_times_s"


@dataclass(frozen=True, eq=False)
class Analysis:
    """One clip as the model saw it; N snippets, C classes (0 = normal), W windows of at most 256 snippets."""

    clip: Clip
    timeline: Timeline
    classes: tuple[str, ...]
    model_id: str
    """Preset or checkpoint name, with the checkpoint's hash when there is one."""
    recipe_hash: str
    encoders: str
    """What made the features, in words for people: "CLIP ViT-B/16 + VGGish" or "demo encoders"."""
    trained: bool
    """False: no trained head took part, and `scores` only ranks snippets."""
    score_source: str
    """What `scores` is, in words for people: the trained classifier, 1 - P(normal), or named cues."""
    modalities: str
    """The modalities used for this clip: V, VA, VT or VAT."""
    device: str
    elapsed_s: float
    """Wall-clock seconds the analysis took, decoding included."""
    scores: np.ndarray
    """[N] in [0, 1]: the headline anomaly score (E31)."""
    alignment_scores: np.ndarray
    """[N] in [0, 1]: 1 - P(normal) of the alignment branch."""
    class_probs: np.ndarray
    """[N, C], rows sum to 1."""
    similarity: np.ndarray
    """[N, C] raw cosine of frame and class text (Eq. 1)."""
    top_classes: np.ndarray
    """[W, k] CVKA's chosen classes per window, most similar first (Eq. 3)."""
    saliency: np.ndarray
    """[N] N * S of Eq. 5: 1.0 = average. Video-text similarity on the audio's time axis: no audio is in it."""
    windowed_saliency: np.ndarray
    """[N] N * S~ of Eq. 6."""
    saliency_peaks: np.ndarray
    """[P] snippet indices of the AFAE peaks."""
    saliency_windows_s: np.ndarray
    """[P, 2] start and end in seconds of the window round each peak."""
    clip_embeddings: np.ndarray
    """[N, 512] frame embeddings before the model."""
    fused_embeddings: np.ndarray
    """[N, D_f] MKAF's output; zero columns when no trained head took part."""
    modality_scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What-if: `scores` with one modality left out, by name ("without_audio", "without_text")."""
    cues: Mapping[str, np.ndarray] = field(default_factory=dict)
    """[N] each: named signals of the encoders that need no training, such as motion."""
    audio_cues: tuple[str, ...] = ()
    """Those of `cues` that name a kind of sound, in [0, 1]; empty in files of older versions."""
    calibration: str = ""
    """What a score of 0.5 means, in words for people; empty where nothing was calibrated."""
    least_share: float = 0.0
    """The share of the strongest anomaly class below which its name is unclear; 0 where none was measured."""
    normal_similarity: np.ndarray | None = None
    """[C, 2]: the median and the 99.9th percentile of each class' similarity on normal footage that the checkpoint was
    calibrated with, by which it is drawn; None where they were not measured."""
    normal_saliency: float | None = None
    """The 99.9th percentile of `windowed_saliency` on the same footage."""
    audio_level_db: np.ndarray | None = None
    """[N] dB re full scale, floor -100; None without an audio track."""
    unseen_s: tuple[Unseen, ...] | None = ()
    """Footage that was not seen or heard, in order of time; None where an earlier version did not look."""
    declared_duration_s: float | None = None
    """How long the file says that it is; None where it says nothing (a transport stream, a raw stream)."""

    def __post_init__(self) -> None:
        n, c = self.timeline.n_snippets, len(self.classes)
        for name, shape in {
            **dict.fromkeys(("scores", "alignment_scores", "saliency", "windowed_saliency", "audio_level_db"), (n,)),
            **dict.fromkeys(("class_probs", "similarity"), (n, c)),
            **dict.fromkeys(("clip_embeddings", "fused_embeddings"), (n, None)),
            "normal_similarity": (c, 2),
            "top_classes": (len(self.timeline.windows()), None),
            "saliency_peaks": (None,),
            "saliency_windows_s": (len(self.saliency_peaks), 2),
        }.items():
            array = getattr(self, name)
            if array is not None:
                object.__setattr__(self, name, _frozen(name, array, shape))
        for name in ("modality_scores", "cues"):
            group = {k: _frozen(f"{name}[{k!r}]", v, (n,)) for k, v in getattr(self, name).items()}
            object.__setattr__(self, name, MappingProxyType(group))
        for name in ("scores", "alignment_scores", "class_probs"):
            values = getattr(self, name)
            if values.min() < -1e-6 or values.max() > 1 + 1e-6:
                raise ValueError(f"{name} must lie in [0, 1], got {values.min():.4g} to {values.max():.4g}")

    def __reduce__(self) -> tuple[type[Analysis], tuple[Any, ...]]:
        """For other processes; the read-only groups do not pickle by themselves, and are checked anew on arrival."""
        values = (getattr(self, f.name) for f in fields(self))
        return Analysis, tuple(dict(v) if isinstance(v, MappingProxyType) else v for v in values)

    @property
    def n_snippets(self) -> int:
        """N."""
        return self.timeline.n_snippets

    @property
    def times_s(self) -> np.ndarray:
        """Start of every snippet in seconds, [N]."""
        return self.timeline.times_s

    def save(self, path: str | Path) -> Path:
        """Write the `.npz`; an existing file is replaced only when the new one is complete.

        Nearly all of it is embeddings, of which compression would save 8 % and cost most of the time to open a clip.
        """
        path = Path(path)
        header: dict[str, Any] = {"format": FORMAT, "modality_scores": [*self.modality_scores], "cues": [*self.cues]}
        arrays: dict[str, np.ndarray] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                arrays[f.name] = value
            elif isinstance(value, Mapping):
                arrays |= {f"{f.name}.{i}": v for i, v in enumerate(value.values())}
            elif f.name == "unseen_s":
                header[f.name] = as_rows(value)
            elif f.name in ("clip", "timeline"):
                plain = {k: v for k, v in asdict(value).items() if k != "frame_times_s"}
                header[f.name] = {k: str(v) if isinstance(v, Fraction) else v for k, v in plain.items()}
            elif value is not None:
                header[f.name] = value
        # The times are not stored state (the timeline gives them) but spare other programs the arithmetic.
        arrays["times_s"] = self.times_s
        if self.timeline.frame_times_s is not None:
            arrays[FRAME_TIMES] = self.timeline.frame_times_s
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        save_npz(path, arrays)
        return path

    @classmethod
    def load(cls, path: str | Path) -> Analysis:
        """Read a file written by `save`. Raises CheckpointError for anything else."""
        with _opened(path) as file:
            header = _header(path, file)
            groups = {
                name: {key: file[f"{name}.{i}"] for i, key in enumerate(header.pop(name))}
                for name in ("modality_scores", "cues")
            }
            known = {f.name for f in fields(cls)}
            arrays = {k: file[k] for k in file.files if k in known}
            times = file.get(FRAME_TIMES)
            for array in arrays.values():
                array.setflags(write=False)  # no copy is made of them
            return cls(**_revived(header, times), **groups, **arrays)


@dataclass(frozen=True, eq=False)
class Curve:
    """What segments are cut from: the part of an `Analysis` that lists over many clips need, and read in a tenth of
    the time. The names are the same."""

    clip: Clip
    timeline: Timeline
    classes: tuple[str, ...]
    model_id: str
    recipe_hash: str
    trained: bool
    least_share: float
    unseen_s: tuple[Unseen, ...] | None
    scores: np.ndarray
    """[N] in [0, 1]."""
    class_probs: np.ndarray
    """[N, C], rows sum to 1."""

    @classmethod
    def load(cls, path: str | Path) -> Curve:
        """Read it out of a file of `Analysis.save`. Raises CheckpointError."""
        with _opened(path) as file:
            header = _header(path, file)
            arrays = {name: file[name] for name in ("scores", "class_probs")}
            times = file.get(FRAME_TIMES)
            for array in arrays.values():
                array.setflags(write=False)
            told = {"least_share": 0.0} | _revived(header, times)
            return cls(**{f.name: told[f.name] for f in fields(cls) if f.name not in arrays}, **arrays)


@dataclass(frozen=True, eq=False)
class Growing:
    """What is known so far of a clip that is still being read."""

    analysis: Analysis
    """Of the snippets that were read; without embeddings, cues and what-if scores."""
    n_final: int
    """How many of these, from the first on, are final: those of complete windows. The others are provisional."""


def _frozen(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """A read-only copy, or what is read-only already, checked against a shape in which None is free."""
    array = np.asarray(value)
    if array.flags.writeable:
        array = array.copy()
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a value that is not finite")
    array.setflags(write=False)
    return array


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """An open file of `Analysis.save`; whatever is wrong with it becomes a CheckpointError."""
    try:
        with open_npz(path) as file:
            yield file
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; analyses are written by `python -m cmhkf analyze`") from None
    except NPZ_DAMAGE as error:
        raise CheckpointError(f"{path} is not a readable analysis ({error}); analyse the clip again") from error


def _header(path: str | Path, file: Any) -> dict[str, Any]:
    header = json.loads(file["header"].tobytes())
    if header.pop("format") != FORMAT:
        raise CheckpointError(f"{path} is not of the format {FORMAT}; analyse the clip again")
    return header


def _revived(header: dict[str, Any], times: np.ndarray | None) -> dict[str, Any]:
    """A header's plain values as those that they stand for."""
    rows = header.get("unseen_s")
    return header | {
        "clip": Clip.from_dict(header["clip"]),
        "timeline": Timeline.from_dict(header["timeline"] | {"frame_times_s": times}),
        "classes": tuple(header["classes"]),
        "audio_cues": tuple(header.get("audio_cues", ())),
        "unseen_s": None if rows is None else from_rows(rows),
    }
