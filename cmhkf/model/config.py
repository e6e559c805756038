"""Settings of the model, as frozen values that a checkpoint stores.

Only `build_model` and `load` read these; modules take flat arguments. Ids such as E1 name the readings of the paper
in `docs/model.md`.
"""

from dataclasses import dataclass, field
from typing import Literal

from cmhkf.datasets.classes import UCF_CLASSES, XD_CLASSES
from cmhkf.errors import ConfigError
from cmhkf.settings import check_fields, check_least

Modalities = Literal["V", "VA", "VT", "VAT"]
Architecture = Literal["cmhkf", "mil", "rtfm", "ur-dmu", "hl-net", "macil-sd", "avadclip"]
Init = Literal["linear", "multihead"]
"""How fresh attention begins: as torch's linear layers, or as its `nn.MultiheadAttention`, which VadCLIP's blocks are.
"""


@dataclass(frozen=True)
class TemporalConfig:
    """Local Transformer encoder and global graph network (C.4, C.5)."""

    layers: int = 1
    """Blocks of the local Transformer."""
    heads: int = 1
    """Of each block's attention."""
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
    """Learned words before the class name."""
    postfix: int = 10
    """Learned words after it."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_least(self, prefix=0, postfix=0)


@dataclass(frozen=True)
class CvkaConfig:
    """Cross-Modality Video-Text Knowledge Alignment (Eq. 1-4)."""

    k: int = 2
    """Class texts chosen per window (E8). 0 disables text and the saliency that AFAE needs (E29)."""
    tau: float = 0.07
    """Temperature of the softmax (Eq. 4)."""
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
    """Temperature of the softmax over time (Eq. 5)."""
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
    """BiLSTM over the audio rows, which restarts in every window of 256 snippets (E15, E16)."""

    layer_norm: bool = True
    """LayerNorm on the BiLSTM's output, before the saliency weights it (E9)."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class MkafConfig:
    """Multi-Modality Knowledge Adaptive Fusion (`model.md`, part 2)."""

    type: Literal["xattn", "jca", "concat", "bilinear_concat", "bilinear_add"] = "xattn"
    """How the modalities are fused: the paper's cross-attention, or one of its rivals in Table 11."""
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
    """What of the classifier weights the rows that meet the class texts (E20)."""
    tau: float = 0.07
    """Temperature of the alignment (E21)."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_least(self, tau=1e-6)


@dataclass(frozen=True)
class ModelConfig:
    """Everything `build_model` needs; the defaults are the paper's for XD-Violence (`model.md`, part 3)."""

    classes: tuple[str, ...] = XD_CLASSES
    """Class names; index 0 is the normal class."""
    modalities: Modalities = "VAT"
    """What the model reads: frames (V), audio (A), class texts (T)."""
    architecture: Architecture = "cmhkf"
    """The paper's, or a baseline, which uses nothing below but the widths of its rows; AVadCLIP also `temporal`,
    `prompt` and `fine`."""
    dim: int = 512
    """D, the width of every stream inside the model."""
    video_dim: int = 512
    """Width of the video rows; a learned projection to `dim` is added where it differs."""
    semantic_dim: int = 512
    """Width of the space in which frames and class texts are compared (Eq. 1)."""
    audio_dim: int = 128
    """Width of the audio rows."""
    light: bool = False
    """The paper's light variant: no CVKA weighting, no AFAE (E28)."""
    operating_logit: float = 0.0
    """The classifier's logit that scores 0.5; a calibrated checkpoint sets it, and training leaves it at 0."""
    temperature: float = 1.0
    """What the logit is divided by, so that scores are right as often as they say; set with `operating_logit`."""
    score_probe: bool = False
    """Whether a linear probe on the video rows, as its mean over nine snippets, is added to the classifier's logit."""
    class_probe: bool = False
    """Whether a linear probe on the video rows, fitted after the rest, names the class in place of the fine branch."""
    least_share: float = 0.0
    """The share of the strongest anomaly class below which its name is unclear; 0 where no such share was measured."""
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
        check_least(self, dim=8, video_dim=1, semantic_dim=1, audio_dim=1, least_share=0, temperature=1e-3)
        if self.cvka.k > len(self.classes):
            raise ConfigError(f"ModelConfig.cvka.k is {self.cvka.k} but there are only {len(self.classes)} classes")
        for name, heads in (("temporal", self.temporal.heads), ("mkaf", self.mkaf.heads)):
            if self.dim % heads:
                raise ConfigError(f"ModelConfig.{name}.heads is {heads}, which does not divide dim = {self.dim}")
        if self.architecture in ("macil-sd", "avadclip") and not self.listens:
            raise ConfigError(f"{self.architecture} joins frames with audio; give it features that hold audio")
        if self.dim % 2:
            raise ConfigError(f"ModelConfig.dim is {self.dim}; the BiLSTM has two directions and needs an even width")

    @property
    def knows_classes(self) -> bool:
        """Whether it compares rows with class texts, and so tells the classes."""
        return self.architecture in ("cmhkf", "avadclip")

    @property
    def listens(self) -> bool:
        """Whether audio is among its modalities."""
        return "A" in self.modalities


DATASET_MODELS = {
    "xd-violence": ModelConfig(),
    "ucf-crime": ModelConfig(
        classes=UCF_CLASSES, modalities="VT", temporal=TemporalConfig(layers=2, window=8), cvka=CvkaConfig(k=4)
    ),
}
"""The paper's model for each data set."""


def settings_like(dataset: str) -> str:
    """Which of the paper's two data sets gives the settings for a data set: itself, or XD-Violence for any other."""
    return dataset if dataset in DATASET_MODELS else "xd-violence"
