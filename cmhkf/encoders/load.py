"""The encoders of a preset, loaded with their weights."""

from dataclasses import replace
from typing import Literal

from cmhkf.encoders.crops import in_crops
from cmhkf.encoders.protocols import Encoders

CLIP_TAU = 0.01  # 1 / CLIP's learned logit scale, which stops at 100


def load_encoders(kind: Literal["clip", "demo"], *, audio: bool, device: str = "auto", crops: bool = False) -> Encoders:
    """Encoders of one kind, with that of audio or without.

    With `crops` they look at crops of a stretched frame, as the data sets' features were made (C.1).

    Raises:
        WeightsError: an encoder's weights are not here and cannot be fetched.
    """
    if kind == "demo":
        from cmhkf.encoders.demo.load import load_demo

        encoders = load_demo(device)
        encoders = encoders if audio else replace(encoders, audio=None)
    else:
        encoders = _load_clip_encoders(device, audio=audio)
    return in_crops(encoders) if crops else encoders


def _load_clip_encoders(device: str, *, audio: bool) -> Encoders:
    from cmhkf.encoders.clip import load_clip

    video, text, _ = load_clip(device=device)
    clip = _told("CLIP ViT-B/16", video.published)
    if not audio:
        return Encoders(clip, video, text, None, tau=CLIP_TAU)
    from cmhkf.encoders.vggish import load_vggish

    vggish = load_vggish(device=device)
    return Encoders(f"{clip} + {_told('VGGish', vggish.published)}", video, text, vggish, tau=CLIP_TAU)


def _told(name: str, published: bool) -> str:
    return name if published else f"{name} (not the published weights)"
