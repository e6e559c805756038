"""The demo encoders: everything the `demo` preset needs, from files that come with the project and its requirements."""

from __future__ import annotations

from safetensors.numpy import load_file

from cmhkf.encoders import Encoders
from cmhkf.encoders.conse import ConSE, EmbeddedTextEncoder
from cmhkf.encoders.embedded_audio import SOUND_CUES, load_audio
from cmhkf.encoders.embedded_video import load_video
from cmhkf.encoders.minilm import load_minilm
from cmhkf.encoders.precision import pick_device
from cmhkf.encoders.shipped import NAMES
from cmhkf.encoders.untrained import untrained_score

NAME = "demo encoders"


def load_embedded(device: str = "auto") -> Encoders:
    """The demo encoders on a device ("auto", "cpu", "cuda"). Takes seconds and no network.

    Raises:
        WeightsError: a weight file is missing or is not the recorded one.
        ConfigError: the device is not there.
    """
    device = pick_device(device)
    names = load_file(NAMES.path)
    space = ConSE(names["objects"].astype("float32"), names["actions"].astype("float32"))
    return Encoders(
        NAME,
        load_video(space, device),
        EmbeddedTextEncoder(load_minilm(), space),
        load_audio(device),
        cue_score=untrained_score,
        sound_cues=frozenset(SOUND_CUES),
    )
