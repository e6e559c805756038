"""The recipe of features: what made them, as a value whose hash is written into every feature file and checkpoint."""

import hashlib
import json
from dataclasses import asdict, dataclass

from cmhkf.encoders.crops import WHOLE_FRAME
from cmhkf.encoders.protocols import NO_ENCODER, Encoders
from cmhkf.settings import check_fields
from cmhkf.timeline import Grid


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


def recipe_of(encoders: Encoders, grid: Grid) -> Recipe:
    """How these encoders make features."""
    audio = encoders.audio.identity if encoders.audio else NO_ENCODER
    return Recipe(encoders.video.identity, encoders.text.identity, audio, grid=grid)


def needs_crops(recipe: Recipe) -> bool:
    """Whether features of a recipe were made from crops of a stretched frame."""
    return dict(recipe.video).get("picture", "").startswith(WHOLE_FRAME)
