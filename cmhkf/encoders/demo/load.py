"""The demo encoders: everything the `demo` preset needs, from files that come with the project and its requirements."""

from functools import partial

from safetensors.numpy import load_file

from cmhkf.encoders.demo.audio import SOUND_CUES, load_audio, sound_cues
from cmhkf.encoders.demo.conse import ConSE, DemoTextEncoder
from cmhkf.encoders.demo.minilm import load_minilm
from cmhkf.encoders.demo.score import untrained_score
from cmhkf.encoders.demo.shipped import NAMES
from cmhkf.encoders.demo.sound_kinds import load_sound_kinds
from cmhkf.encoders.demo.video import load_video
from cmhkf.encoders.device import pick_device
from cmhkf.encoders.protocols import Encoders

NAME = "demo encoders"


def load_demo(device: str = "auto") -> Encoders:
    """The demo encoders on a device ("auto", "cpu", "cuda"). Takes seconds and no network.

    Raises:
        WeightsError: a weight file is missing or is not the recorded one.
        ConfigError: the device is not there.
    """
    device = pick_device(device)
    names = load_file(NAMES.path)
    space = ConSE(names["objects"].astype("float32"), names["actions"].astype("float32"))
    video, text, audio = load_video(space, device), DemoTextEncoder(load_minilm(), space), load_audio(device)
    hear = partial(sound_cues, load_sound_kinds())
    return Encoders(NAME, video, text, audio, cue_score=untrained_score, audio_cues=SOUND_CUES, hear=hear)
