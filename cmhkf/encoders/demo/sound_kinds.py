"""Kinds of sound, by the classifiers that aiSFX's authors trained on sound-effect libraries (Ma and Lerch, ISMIR 2022).

Three of their libraries are sorted by the Universal Category System. The classifiers read the embedding alone, so kinds
of sound follow from rows that were kept. What each output stands for was not published with the weights: how it was
found, and how often the kinds are right, is written in `checkpoints/README.md`.
"""

from dataclasses import dataclass

import numpy as np
from safetensors.numpy import load_file
from scipy.special import expit, log_softmax  # pyright: ignore[reportMissingTypeStubs]

from cmhkf.encoders.demo.shipped import SOUND_KINDS

HEADS = ("Pro Sound Effects", "Soundly", "UCS Mixed")  # 78, 79 and 69 of the system's 82 categories


@dataclass(frozen=True)
class Kind:
    """A kind of sound, and where its cue rises."""

    outputs: tuple[int, int, int]
    """Which output of each head."""
    half: float
    """The mean of the heads' log probabilities at which the cue is 0.5."""


KINDS = {
    "gunshot": Kind((38, 37, 35), -7.0),
    "explosion": Kind((26, 27, 24), -2.2),
    "breaking glass": Kind((36, 35, 33), -5.5),
    "crowd": Kind((18, 19, 18), -2.0),
}
WIDTH = 0.5  # of the logistic curve, in log probability


class SoundKinds:
    """The three classifiers: a multilayer perceptron each, 512 to 256 to 128 to its library's categories."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        wide = {name: array.astype(np.float32) for name, array in arrays.items()}
        self._layers = [[(wide[f"{h}.{i}.weight"], wide[f"{h}.{i}.bias"]) for i in range(3)] for h in range(len(HEADS))]

    def log_probabilities(self, embeddings: np.ndarray) -> list[np.ndarray]:
        """Embeddings [B, 512] to each head's log probabilities [B, C]."""
        return [log_softmax(_outputs(layers, embeddings), axis=1) for layers in self._layers]

    def cues(self, embeddings: np.ndarray) -> dict[str, np.ndarray]:
        """Embeddings [B, 512] to the cue of each kind, float32 [B] in 0..1: 0.5 at its half."""
        by_head = self.log_probabilities(embeddings)
        said = {
            name: np.mean([head[:, i] for head, i in zip(by_head, kind.outputs, strict=True)], axis=0) - kind.half
            for name, kind in KINDS.items()
        }
        return {name: expit(above / WIDTH).astype(np.float32) for name, above in said.items()}


def _outputs(layers: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> np.ndarray:
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight.T + bias, 0)
    weight, bias = layers[-1]
    return x @ weight.T + bias


def load_sound_kinds() -> SoundKinds:
    """The classifiers with their shipped weights. Raises WeightsError."""
    return SoundKinds(load_file(SOUND_KINDS.path))
