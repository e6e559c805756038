"""Settings of the model and of feature extraction, as frozen values that a checkpoint stores.

Only `build_model` and `load` read these; modules take flat arguments. Ids such as E1 name the readings of the paper
in `docs/model.md`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from cmhkf.errors import ConfigError
from cmhkf.timeline import Grid

XD_CLASSES = ("normal", "fighting", "shooting", "riot", "abuse", "car accident", "explosion")
UCF_CLASSES = (
    "normal", "abuse", "arrest", "arson", "assault", "burglary", "explosion", "fighting", "roadaccidents", "robbery",
    "shooting", "shoplifting", "stealing", "vandalism",
)  # fmt: skip

Modalities = Literal["V", "VA", "VT", "VAT"]
T = TypeVar("T")


def check_fields(config: Any) -> None:
    """Refuse a value that is not of its field's type or Literal, naming the field, the value and what is wanted."""
    for name, hint in get_type_hints(type(config)).items():
        value, where = getattr(config, name), f"{type(config).__name__}.{name}"
        if get_origin(hint) is Literal:
            if value not in get_args(hint):
                raise ConfigError(f"{where} is {value!r}; choose one of {', '.join(get_args(hint))}")
            continue
        kinds = get_args(hint) if get_origin(hint) is UnionType else (get_origin(hint) or hint,)
        fits = isinstance(value, (*kinds, int) if float in kinds else kinds)
        if not fits or (isinstance(value, bool) and bool not in kinds):
            raise ConfigError(f"{where} is {value!r}; it must be of type {kinds[0].__name__}")


def check_least(config: Any, **least: float) -> None:
    """Refuse a number below its bound, naming the field."""
    for name, bound in least.items():
        if not getattr(config, name) >= bound:
            raise ConfigError(
                f"{type(config).__name__}.{name} is {getattr(config, name)!r}; it must be {bound} or more"
            )


@dataclass(frozen=True)
class TemporalConfig:
    """Local Transformer encoder and global graph network (C.4, C.5)."""

    layers: int = 1
    heads: int = 1
    window: int = 64
    """Snippets in one block of the block-diagonal attention mask."""
    gcn_threshold: float = 0.7
    """Cosine similarities at or below it are cut from the similarity graph."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_least(self, layers=1, heads=1, window=1, gcn_threshold=-1)


@dataclass(frozen=True)
class PromptConfig:
    """Learnable context round each class name (C.7)."""

    prefix: int = 10
    postfix: int = 10

    def __post_init__(self) -> None:
        check_fields(self)
        check_least(self, prefix=0, postfix=0)


@dataclass(frozen=True)
class CvkaConfig:
    """Cross-Modality Video-Text Knowledge Alignment (Eq. 1-4)."""

    k: int = 2
    """Class texts chosen per window (E8). 0 disables text and the saliency that AFAE needs (E29)."""
    tau: float = 0.07
    norm: Literal["time", "class"] = "time"
    """Softmax over the snippets (E1) or over the chosen classes."""
    scale: Literal["length", "none"] = "length"
    """Multiply by the number of valid snippets (of chosen classes with `norm = "class"`), so that the average weight
    is 1 (E2); "none" leaves Eq. 4 to the letter."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_least(self, k=0, tau=1e-6)


@dataclass(frozen=True)
class AfaeConfig:
    """Audio Modality Feature Adaptive Extraction (Eq. 5-7)."""

    w: int = 2
    """Half width: the saliency window holds 2 w + 1 snippets (E14). -1 leaves the windows out."""
    tau: float = 0.07
    overlap: Literal["max", "sum"] = "max"
    """Where windows overlap, add the largest covering peak, or all of them (E10)."""
    aggregate: Literal["weight", "pool", "residual", "none"] = "weight"
    """Weight each snippet's audio (E9), broadcast the weighted sum, F_a (1 + N S), or the BiLSTM's output as it is."""
    renorm: bool = False
    """Divide the windowed saliency by its sum (E12)."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_least(self, w=-1, tau=1e-6)


@dataclass(frozen=True)
class AudioConfig:
    """BiLSTM over the audio rows (E15, E16)."""

    stream: bool = False
    """Run over the whole video instead of restarting in every window of 256 snippets (E16)."""
    layer_norm: bool = True
    """LayerNorm on the BiLSTM's output, before the saliency weights it (E9)."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class MkafConfig:
    """Multi-Modality Knowledge Adaptive Fusion (`model.md`, part 2)."""

    type: Literal["xattn", "jca", "concat", "bilinear_concat", "bilinear_add"] = "xattn"
    heads: int = 1
    """Of `xattn`."""
    residual: bool = False
    """Add the modality to its attended version before the feed-forward layer (`xattn`; `jca` always does)."""
    layer_norm: bool = False
    """One LayerNorm after the sum with J (`xattn`, `jca`)."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_least(self, heads=1)
        for name, types in (("heads", ["xattn"]), ("residual", ["xattn"]), ("layer_norm", ["xattn", "jca"])):
            if getattr(self, name) != getattr(MkafConfig, name) and self.type not in types:
                raise ConfigError(f"mkaf.{name} has no effect with mkaf.type {self.type!r}, only with {types}")


@dataclass(frozen=True)
class FineConfig:
    """Fine-grained branch (C.6, E20, E21)."""

    weight: Literal["logit", "sigmoid"] = "logit"
    tau: float = 0.07

    def __post_init__(self) -> None:
        check_fields(self)
        check_least(self, tau=1e-6)


@dataclass(frozen=True)
class ModelConfig:
    """Everything `build_model` needs; the defaults are the paper's for XD-Violence (`model.md`, part 3)."""

    classes: tuple[str, ...] = XD_CLASSES
    """Class names; index 0 is the normal class."""
    modalities: Modalities = "VAT"
    architecture: Literal["cmhkf", "mil"] = "cmhkf"
    """The paper's, or plain multiple-instance ranking on the video rows, which uses nothing below but `video_dim`."""
    dim: int = 512
    """D, the width of every stream inside the model."""
    video_dim: int = 512
    """Width of the video rows; a learned projection to `dim` is added where it differs."""
    semantic_dim: int = 512
    """Width of the space in which pictures and class texts are compared (Eq. 1)."""
    audio_dim: int = 128
    light: bool = False
    """The paper's light variant: no CVKA weighting, no AFAE (E28)."""
    operating_logit: float = 0.0
    """The classifier's logit that scores 0.5; a calibrated checkpoint sets it, and training leaves it at 0."""
    mask_padding: bool = True
    """False reproduces the reference, which lets padded rows leak (C.4, C.5)."""
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    cvka: CvkaConfig = field(default_factory=CvkaConfig)
    afae: AfaeConfig = field(default_factory=AfaeConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    mkaf: MkafConfig = field(default_factory=MkafConfig)
    fine: FineConfig = field(default_factory=FineConfig)

    def __post_init__(self) -> None:
        check_fields(self)
        named = all(isinstance(c, str) and c for c in self.classes)
        if not named or len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ConfigError(f"classes must be two or more different names, normal first; got {self.classes!r}")
        check_least(self, dim=8, video_dim=1, semantic_dim=1, audio_dim=1)
        if self.cvka.k > len(self.classes):
            raise ConfigError(f"cvka.k is {self.cvka.k} but there are only {len(self.classes)} classes")
        for name, heads in (("temporal", self.temporal.heads), ("mkaf", self.mkaf.heads)):
            if self.dim % heads:
                raise ConfigError(f"{name}.heads is {heads}, which does not divide dim = {self.dim}")
        if self.dim % 2:
            raise ConfigError(f"dim is {self.dim}; the BiLSTM has two directions and needs an even width")


@dataclass(frozen=True)
class Preset:
    """A named way to look at a clip: which encoders, which classes, and where a trained head is looked for."""

    encoders: Literal["clip", "embedded"]
    model: ModelConfig
    """The classes and, for training, the architecture. A checkpoint brings its own."""
    needs_checkpoint: bool
    """True: refuse to run without one. False: run untrained, and say so."""
    uses_checkpoint: bool = True


PRESETS = {
    "demo": Preset("embedded", ModelConfig(), needs_checkpoint=False),
    "xd-violence": Preset("clip", ModelConfig(), needs_checkpoint=True),
    "ucf-crime": Preset(
        "clip",
        ModelConfig(
            classes=UCF_CLASSES,
            modalities="VT",
            temporal=TemporalConfig(layers=2, window=8),
            cvka=CvkaConfig(k=4),
        ),
        needs_checkpoint=True,
    ),
    "zero-shot": Preset("clip", ModelConfig(modalities="VT"), needs_checkpoint=False, uses_checkpoint=False),
}


@dataclass(frozen=True)
class Recipe:
    """How features were made. Its hash is written into every feature file and checkpoint."""

    video: tuple[tuple[str, str], ...]
    """The video encoder's identity: name, revision, weight hash, activation, frames, size, crop, normalisation."""
    text: tuple[tuple[str, str], ...]
    audio: tuple[tuple[str, str], ...]
    """The audio encoder's identity: name, weight hash, rate, window, post-processing, last activation."""
    grid: Grid = "24fps"
    snippet_frames: int = 16

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the recipe as canonical JSON."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """One line for messages: the hash and the encoders' names."""
        names = " + ".join(dict(part).get("name", "none") for part in (self.video, self.text, self.audio))
        return f"{self.hash} ({names}, {self.grid} grid)"


def to_dict(config: Any) -> dict[str, Any]:
    """A config as plain values for JSON."""
    return asdict(config)


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """The inverse of `to_dict`; an unknown field is refused by name."""
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - {f.name for f in fields(kind)})  # type: ignore[arg-type]
    if unknown:
        raise ConfigError(f"{kind.__name__} has no field {unknown[0]!r}; was the file written by a newer version?")
    return kind(**{name: _revive(hints[name], value) for name, value in values.items()})


def _revive(hint: Any, value: Any) -> Any:
    if is_dataclass(hint) and isinstance(value, dict):
        return from_dict(hint, value)  # type: ignore[arg-type]
    if isinstance(value, list):
        return tuple(_revive(None, v) for v in value)
    return value
