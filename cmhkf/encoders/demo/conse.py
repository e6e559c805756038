"""A space shared by frames and words: convex combination of semantic embeddings (ConSE; Norouzi et al., 2014).

A frame is the mean of the embeddings of class names, weighted by what classifiers see in it: ImageNet's objects and
Kinetics' actions, half each. The mean of all names is subtracted on both sides, so that a cosine tells what sets a
frame apart from the average one and not that both sides are English sentences. A real but weak zero-shot signal.
"""

from collections.abc import Sequence

import numpy as np

from cmhkf.encoders.demo.minilm import WIDTH, MiniLM
from cmhkf.encoders.demo.shipped import MINILM
from cmhkf.encoders.protocols import Identity

OBJECT_SENTENCE = "a photo of a {}"
ACTION_SENTENCE = "a video of {}"

# The sentence that stands for a class of XD-Violence or UCF-Crime; another text t becomes "a video of t"
CLASS_SENTENCES = {
    "normal": "a video of a normal scene",
    "fighting": "a video of people fighting",
    "shooting": "a video of a person shooting a gun",
    "riot": "a video of a riot",
    "abuse": "a video of a person being abused",
    "car accident": "a video of a car accident",
    "explosion": "a video of an explosion",
    "arrest": "a video of police arresting a person",
    "arson": "a video of a person setting fire to a building",
    "assault": "a video of a person assaulting another person",
    "burglary": "a video of a burglar breaking into a house",
    "roadaccidents": "a video of a road accident",
    "robbery": "a video of a robbery",
    "shoplifting": "a video of a person stealing in a shop",
    "stealing": "a video of a person stealing",
    "vandalism": "a video of a person vandalising property",
}


class ConSE:
    """Class probabilities and sentence embeddings to rows that can be compared."""

    def __init__(self, objects: np.ndarray, actions: np.ndarray) -> None:
        """Name embeddings [1000, 384] and [400, 384]."""
        self.objects, self.actions = objects, actions
        self.centre = (objects.mean(axis=0) + actions.mean(axis=0)) / 2  # [384]

    def pictures(self, p_objects: np.ndarray, p_actions: np.ndarray) -> np.ndarray:
        """Probabilities [B, 1000] and [B, 400] to float32 unit rows [B, 384]."""
        return self._centred((p_objects @ self.objects + p_actions @ self.actions) / 2)

    def sentences(self, embedded: np.ndarray) -> np.ndarray:
        """Sentence embeddings [C, 384] to float32 unit rows [C, 384]."""
        return self._centred(embedded)

    def _centred(self, rows: np.ndarray) -> np.ndarray:
        rows = rows - self.centre
        return (rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)).astype(np.float32)


class DemoTextEncoder:
    """TextEncoder: class names and free texts into ConSE's space, by MiniLM."""

    semantic_dim = WIDTH
    identity: Identity = (
        ("name", "demo: MiniLM-L6 in ConSE space"),
        MINILM.label,
        ("sentence", ACTION_SENTENCE),
        ("centred", "yes"),
    )

    def __init__(self, minilm: MiniLM, space: ConSE) -> None:
        self.minilm, self.space = minilm, space

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embed C texts: float32 [C, 384], unit rows. Each is first put into its sentence (`CLASS_SENTENCES`)."""
        if not texts:
            return np.zeros((0, WIDTH), np.float32)
        sentences = [CLASS_SENTENCES.get(text, ACTION_SENTENCE.format(text)) for text in texts]
        return self.space.sentences(self.minilm.embed(sentences))
