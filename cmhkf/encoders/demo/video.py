"""The demo preset's eye: what is there (EfficientNet-Lite0), what is done (I3D), and how much moves.

Eight frames of a snippet, every second one of the 24 fps grid, are what one step of I3D's output stands for, so I3D
sees blocks of sixteen snippets with up to two more on either side, and each snippet's row knows what went on around it.
EfficientNet looks at four of the eight frames.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from cmhkf.encoders.demo.conse import ConSE
from cmhkf.encoders.demo.efficientnet import features_of
from cmhkf.encoders.demo.golden import EFFICIENTNET_NETWORK, I3D_NETWORK, load_right
from cmhkf.encoders.demo.i3d import I3D
from cmhkf.encoders.demo.minilm import WIDTH
from cmhkf.encoders.demo.shipped import EFFICIENTNET
from cmhkf.encoders.demo.shipped import I3D as I3D_FILE
from cmhkf.encoders.device import fetching, sent
from cmhkf.encoders.protocols import Identity, VideoRows
from cmhkf.heap import return_blocks
from cmhkf.media.sampling import FrameSampling

# Blocks of a video row. Each is divided by about its mean norm on real footage, so that none drowns the others.
ACTION = slice(0, 1024)  # I3D features
APPEARANCE = slice(1024, 2304)  # EfficientNet features, mean over the frames
CHANGE = slice(2304, 3584)  # their deviation over the frames
MOTION = slice(3584, 3588)  # frame differences: mean, largest, deviation; and change of brightness
LOCAL = slice(3588, 4420)  # I3D's local features
VIDEO_DIM = 4420
ACTION_NORM, APPEARANCE_NORM, CHANGE_NORM, MOTION_NORM, LOCAL_NORM = 8.0, 17.0, 3.0, 3.0, 80.0
MOTION_UNIT = 0.004  # an ordinary difference between frames of a still camera; motion is counted in log steps of it

STILL_LEVELS = 2.0  # grey levels of 255 that frames of a still camera differ by, in the 16 x 16 pixels that differ most
SIZE_PX = (320, 224)  # the whole frame, whatever its shape: what matters on CCTV is often at its edge
# The Kinetics classes whose probabilities add up to the cue "fight actions"
FIGHT_ACTIONS = (
    "drop kicking",
    "headbutting",
    "high kick",
    "punching bag",
    "punching person (boxing)",
    "side kick",
    "slapping",
    "sword fighting",
    "wrestling",
)


class DemoVideoEncoder:
    """VideoEncoder of the demo preset.

    Cues: "motion", the mean absolute difference of grey between consecutive frames of the snippet (0..1; 0.003 is a
    still camera's noise, 0.03 a busy scene; the frames are 1/12 s apart), and "fight actions", a probability.
    """

    sampling = FrameSampling(tuple(range(0, 16, 2)), min(SIZE_PX), None, "bilinear", SIZE_PX, STILL_LEVELS)
    video_dim = VIDEO_DIM
    semantic_dim = WIDTH
    block, context = 16, 2
    identity: Identity = (
        ("name", "demo: I3D + EfficientNet-Lite0"),
        I3D_FILE.label,
        EFFICIENTNET.label,
        ("frames", "8 of 16 in blocks of 16 snippets and up to 2 round them; 4 of them for EfficientNet"),
        ("picture", "whole, stretched to 320x224 bilinear"),
        ("still", f"the last frame again where no 16x16 pixels differ by more than {STILL_LEVELS:g} levels"),
        ("rows", "action 1024, appearance 1280, change 1280, motion 4, local 832"),
        (
            "norms",
            f"{ACTION_NORM:g} {APPEARANCE_NORM:g} {CHANGE_NORM:g} {MOTION_NORM:g} {LOCAL_NORM:g}, "
            f"motion unit {MOTION_UNIT:g}",
        ),
        ("semantic", "ConSE over ImageNet and Kinetics names, centred"),
    )

    def __init__(self, i3d: I3D, efficientnet: nn.Module, space: ConSE, *, actions: Sequence[str], device: str) -> None:
        """`actions` names the outputs of `i3d`."""
        self.i3d, self.efficientnet, self.space, self.device = i3d, efficientnet, space, device
        self.fights = [actions.index(name) for name in FIGHT_ACTIONS]
        # The last block and the last frame, of whichever clip, and what was said of them: a camera that stands still,
        # or has few frames a second, brings the same again and again.
        self._last_block: tuple[np.ndarray, dict[str, Tensor]] = np.zeros(0), {}
        self._last_frame = np.zeros(0), torch.zeros(1, 1280, device=device), torch.zeros(1, 1000, device=device)

    @torch.inference_mode()
    def start(self, frames: np.ndarray, inner: slice = slice(None)) -> Callable[[], VideoRows]:
        """Begin to encode uint8 RGB [S, 8, 224, 320, 3] to the rows of the B snippets in `inner`."""
        block, said = self._last_block
        pixels = sent(frames, self.device)
        if not np.array_equal(frames, block):
            said = self.actions(pixels)
            self._last_block = frames, said
        pixels, said = pixels[inner], {name: rows[inner] for name, rows in said.items()}
        said |= self._objects_of(pixels, frames[inner]) | {"motion": motion_of(pixels)}
        fetched = fetching(torch.cat([rows.float() for rows in said.values()], dim=1))
        ends = np.cumsum([rows.shape[1] for rows in said.values()])[:-1]
        return lambda: self._rows(dict(zip(said, np.split(fetched(), ends, axis=1), strict=True)))

    def encode(self, frames: np.ndarray, inner: slice = slice(None)) -> VideoRows:
        """What `start` begins, to its end."""
        return self.start(frames, inner)()

    def actions(self, frames: Tensor) -> dict[str, Tensor]:
        """What I3D says of each of a few consecutive snippets [S, 8, H, W, 3]."""
        weight = self.i3d.classifier.weight
        x = (frames.flatten(0, 1).to(weight.dtype) / 127.5 - 1).permute(3, 0, 1, 2)  # [3, 8 S, H, W]
        features, local, logits = self.i3d(x[None].contiguous(memory_format=torch.channels_last_3d))
        return {"action": features[0], "local": local[0], "p actions": logits[0].softmax(dim=-1)}

    def objects(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """EfficientNet's features [F, 1280] and probabilities [F, 1000] of frames [F, H, W, 3]."""
        features = features_of(self.efficientnet, frames)
        weight, bias = (part.float() for part in self.efficientnet.classifier.parameters())  # type: ignore[union-attr]
        return features, linear(features, weight, bias).softmax(dim=-1)

    def _objects_of(self, pixels: Tensor, frames: np.ndarray) -> dict[str, Tensor]:
        """What EfficientNet says of each snippet; equal frames that follow one another are looked at once.

        `pixels` are `frames` on the device. They are compared on the CPU, which else would wait for the device.
        """
        chosen = frames[:, ::2].reshape(-1, *frames.shape[2:])  # [S * 4, H, W, 3]
        before, *known = self._last_frame
        is_new = np.array([not np.array_equal(*both) for both in pairwise([before, *chosen])])
        if is_new.any():
            new = pixels[:, ::2].flatten(0, 1)[sent(np.flatnonzero(is_new), self.device)]
            known = [torch.cat(both) for both in zip(known, self.objects(new), strict=True)]
        self._last_frame = chosen[-1], known[0][-1:], known[1][-1:]
        of_frame = sent(is_new.cumsum(), self.device)
        features, p = (rows[of_frame].unflatten(0, (len(pixels), -1)) for rows in known)
        return {
            "appearance": features.mean(dim=1),
            "change": features.std(dim=1, correction=0),
            "p objects": p.mean(dim=1),
        }

    def _rows(self, said: dict[str, np.ndarray]) -> VideoRows:
        """The rows of snippets of which everything is said."""
        blocks = (
            said["action"] / ACTION_NORM,
            said["appearance"] / APPEARANCE_NORM,
            said["change"] / CHANGE_NORM,
            np.log1p(said["motion"] / MOTION_UNIT) / MOTION_NORM,
            said["local"] / LOCAL_NORM,
        )
        p_actions = said["p actions"]
        return VideoRows(
            video=np.concatenate(blocks, axis=1, dtype=np.float32),  # [B, 4420]
            semantic=self.space.pictures(said["p objects"], p_actions),
            cues={"motion": said["motion"][:, 0], "fight actions": p_actions[:, self.fights].sum(axis=1)},
        )


def motion_of(frames: Tensor) -> Tensor:
    """Of each snippet, uint8 [S, 8, H, W, 3], the mean grey difference of consecutive frames: its mean, largest and
    deviation; and the largest change of mean brightness; [S, 4] in 0..1."""
    red, green, blue = frames.unbind(dim=-1)
    grey = red.short() + green + blue  # [S, 8, H, W], 0..765
    difference = (grey[:, 1:] - grey[:, :-1]).abs().float().mean(dim=(2, 3)) / 765  # [S, 7]
    brightness = grey.float().mean(dim=(2, 3)).diff(dim=1).abs().amax(dim=1) / 765
    spread = difference.std(dim=1, correction=0)
    return torch.stack([difference.mean(dim=1), difference.amax(dim=1), spread, brightness], dim=1)


def load_video(space: ConSE, device: str) -> DemoVideoEncoder:
    """The video encoder with its weights. Raises WeightsError, or ConfigError where the device computes it wrongly."""
    return_blocks(of_mib=16)  # I3D's, of all sizes, leave holes that the next ones do not fit
    i3d, efficientnet = load_right(I3D_NETWORK, device), load_right(EFFICIENTNET_NETWORK, device)
    encoder = DemoVideoEncoder(i3d, efficientnet, space, actions=I3D_FILE.about()["classes"], device=device)
    if os.environ.get("CMHKF_STILL") == "0":
        encoder.sampling = replace(encoder.sampling, still_levels=0.0)
    return encoder
