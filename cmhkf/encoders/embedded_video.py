"""The demo preset's eye: what is there (EfficientNet-Lite0), what is done (I3D), and how much moves.

Eight pictures of a snippet, every second one of the 24 fps grid, are what one step of I3D's output stands for, so I3D
streams over the clip: it sees blocks of eight snippets with up to two more on either side, and each snippet's row knows
what went on around it. EfficientNet looks at four of the eight pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import timm
import torch
from torch import Tensor, nn

from cmhkf.encoders import FrameSampling, Identity, VideoRows
from cmhkf.encoders.conse import ConSE
from cmhkf.encoders.i3d import I3D, load_i3d
from cmhkf.encoders.minilm import WIDTH
from cmhkf.encoders.precision import compute_dtype
from cmhkf.encoders.shipped import EFFICIENTNET
from cmhkf.encoders.shipped import I3D as I3D_FILE
from cmhkf.encoders.tensors import fill, read_tensors

# Blocks of a video row. Each is divided by about its mean norm on real footage, so that none drowns the others.
ACTION = slice(0, 1024)  # I3D features
APPEARANCE = slice(1024, 2304)  # EfficientNet features, mean over the pictures
CHANGE = slice(2304, 3584)  # their deviation over the pictures
MOTION = slice(3584, 3588)  # picture differences: mean, largest, deviation; and change of brightness
LOCAL = slice(3588, 4420)  # I3D's local features
VIDEO_DIM = 4420
ACTION_NORM, APPEARANCE_NORM, CHANGE_NORM, MOTION_NORM, LOCAL_NORM = 8.0, 17.0, 3.0, 3.0, 80.0
MOTION_UNIT = 0.004  # an ordinary difference between pictures of a still camera; motion is counted in log steps of it

SIZE_PX = (320, 224)  # the whole picture, whatever its shape: what matters on CCTV is often at its edge
FIGHT_ACTIONS = (
    "drop kicking", "headbutting", "high kick", "punching bag", "punching person (boxing)", "side kick", "slapping",
    "sword fighting", "wrestling",
)  # fmt: skip
"""The Kinetics classes whose probabilities add up to the cue "fight actions"."""


class EmbeddedVideoEncoder:
    """VideoEncoder of the demo preset.

    Cues: "motion", the mean absolute difference of grey between consecutive pictures of the snippet (0..1; 0.003 is a
    still camera's noise, 0.03 a busy scene; the pictures are 1/12 s apart), and "fight actions", a probability.
    """

    sampling = FrameSampling(tuple(range(0, 16, 2)), min(SIZE_PX), None, "bilinear", SIZE_PX)
    video_dim = VIDEO_DIM
    semantic_dim = WIDTH
    block, context = 8, 2
    identity: Identity = (
        ("name", "demo: I3D + EfficientNet-Lite0"),
        I3D_FILE.label,
        EFFICIENTNET.label,
        ("frames", "8 of 16 in blocks of 8 snippets and up to 2 round them; 4 of them for EfficientNet"),
        ("picture", "whole, stretched to 320x224 bilinear"),
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

    @torch.inference_mode()
    def encode(self, frames: np.ndarray, inner: slice = slice(None)) -> VideoRows:
        """Encode uint8 RGB [S, 8, 224, 320, 3] to the rows of the B snippets in `inner`."""
        pictures = torch.from_numpy(frames).to(self.device)
        action, local, p_actions = (rows[inner] for rows in self._actions(pictures))
        frames = frames[inner]
        seen, p_objects = self._objects(pictures[inner])  # [B, 4, 1280], [B, 1000]
        difference, brightness = _motion(frames)  # [B, 7], [B]
        motion = np.stack(
            [difference.mean(axis=1), difference.max(axis=1), difference.std(axis=1), brightness], axis=1
        )  # [B, 4]
        rows = (
            action / ACTION_NORM,
            seen.mean(axis=1) / APPEARANCE_NORM,
            seen.std(axis=1) / CHANGE_NORM,
            np.log1p(motion / MOTION_UNIT) / MOTION_NORM,
            local / LOCAL_NORM,
        )
        return VideoRows(
            video=np.concatenate(rows, axis=1, dtype=np.float32),  # [B, 4420]
            semantic=self.space.pictures(p_objects, p_actions),
            cues={"motion": motion[:, 0], "fight actions": p_actions[:, self.fights].sum(axis=1)},
        )

    def _actions(self, pictures: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features [B, 1024], local features [B, 832] and probabilities [B, 400] of consecutive snippets."""
        weight = self.i3d.classifier.weight
        x = (pictures.flatten(0, 1).to(weight.dtype) / 127.5 - 1).permute(3, 0, 1, 2)  # [3, 8 B, H, W]
        features, local, logits = self.i3d(x[None].contiguous(memory_format=torch.channels_last_3d))
        return features[0].cpu().numpy(), local[0].cpu().numpy(), logits[0].softmax(dim=-1).cpu().numpy()

    def _objects(self, pictures: Tensor) -> tuple[np.ndarray, np.ndarray]:
        chosen = pictures[:, ::2]
        b, n = chosen.shape[:2]
        x = (chosen.flatten(0, 1).float() - 127) / 128
        maps = self.efficientnet.forward_features(x.permute(0, 3, 1, 2))  # type: ignore[operator]
        features = self.efficientnet.forward_head(maps, pre_logits=True)  # type: ignore[operator]  # [B * 4, 1280]
        p = self.efficientnet.classifier(features).softmax(dim=-1)  # type: ignore[operator]
        return features.view(b, n, -1).cpu().numpy(), p.view(b, n, -1).mean(dim=1).cpu().numpy()


def _motion(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean grey difference of consecutive pictures [B, 7], and the largest change of mean brightness [B], in 0..1."""
    grey = frames.mean(axis=-1, dtype=np.float32) / 255  # [B, 8, H, W]
    difference = np.abs(np.diff(grey, axis=1)).mean(axis=(2, 3))
    return difference, np.abs(np.diff(grey.mean(axis=(2, 3)), axis=1)).max(axis=1)


def load_efficientnet(device: str) -> nn.Module:
    """EfficientNet-Lite0 with its package's weights, in float32: bfloat16 would blur the differences of pictures.

    The package keeps the original port's parameter names; timm's stand in the same order.
    """
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    path = EFFICIENTNET.path
    fill(net, dict(zip(net.state_dict(), read_tensors(path).values(), strict=True)), shown=str(path))
    net = net.eval().requires_grad_(False).to(device)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def load_video(space: ConSE, device: str) -> EmbeddedVideoEncoder:
    """The video encoder with its weights. Raises WeightsError."""
    i3d = load_i3d(device, compute_dtype(device))
    actions = I3D_FILE.about()["classes"]
    return EmbeddedVideoEncoder(i3d, load_efficientnet(device), space, actions=actions, device=device)
