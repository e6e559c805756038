"""Crops of a frame for training: five places of a 340 x 256 frame, then the same flipped (`model.md` C.1).

They are augmentation: all crops of a folder share one recipe, and crop 0, the centre, is what is looked at elsewhere.
"""

from copy import copy
from dataclasses import replace

import numpy as np

from cmhkf.encoders.protocols import Encoders, Identity
from cmhkf.media.sampling import FrameSampling

STRETCHED_PX = (340, 256)
CROP_PX = 224
WHOLE_FRAME = "{}x{} whatever the aspect".format(*STRETCHED_PX)
CENTRE_CROP = 0


def cut_crop(frames: np.ndarray, crop: int, side_px: int) -> np.ndarray:
    """Crop 0 centre, 1 top left, 2 top right, 3 bottom left, 4 bottom right, 5-9 the same flipped left to right.

    Frames [..., H, W, 3] to [..., side, side, 3].
    """
    free_y, free_x = (edge - side_px for edge in frames.shape[-3:-1])
    place = crop % 5
    top, left = (free_y // 2, free_x // 2) if place == 0 else (free_y * (place > 2), free_x * (place in (2, 4)))
    cut = frames[..., top : top + side_px, left : left + side_px, :]
    return np.ascontiguousarray(cut if crop < 5 else cut[..., ::-1, :])


def crops_identity(identity: Identity, sampling: FrameSampling) -> Identity:
    """An encoder's identity when it looks at crops of a stretched frame."""
    frame = f"{WHOLE_FRAME}, {sampling.filter} antialiased, crops of {CROP_PX}"
    return tuple((key, frame if key == "picture" else value) for key, value in identity)


def in_crops(encoders: Encoders) -> Encoders:
    """The same encoders, looking at crops of a stretched frame in place of their own way to cut it."""
    video = copy(encoders.video)
    video.identity = crops_identity(video.identity, video.sampling)
    video.sampling = replace(video.sampling, stretched_px=STRETCHED_PX, crop_px=CROP_PX)
    return replace(encoders, video=video)
