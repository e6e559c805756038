"""I3D: the Inception network inflated to three dimensions, trained on Kinetics-400 (Carreira and Zisserman, 2017).

Batch normalisation is folded into the convolutions by `checkpoints/convert_weights.py`; padding is TensorFlow's SAME,
which at stride 2 puts the odd pixel at the end.
"""

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmhkf.encoders.demo.shipped import I3D as I3D_FILE
from cmhkf.encoders.demo.shipped import furnish

FEATURES = 1024
CLASSES = 400
Triple = tuple[int, int, int]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis so that ceil(size / stride) steps fit."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Conv(nn.Conv3d):
    """Convolution, bias (the folded normalisation) and ReLU with SAME padding."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 1) -> None:
        super().__init__(n_in, n_out, kernel, padding=kernel // 2)

    def forward(self, input: Tensor) -> Tensor:
        """[B, n_in, T, H, W] to [B, n_out, T, H, W]."""
        return super().forward(input).relu_()


class FirstConv(nn.Conv3d):
    """The first convolution, 7x7x7 at stride 2 with SAME padding, of an even number of frames of even sides.

    A CPU multiplies three channels badly: cubes of 2x2x2 pixels become 24 of them, and the kernel 4x4x4 at stride 1.
    """

    def __init__(self) -> None:
        super().__init__(3, 64, 7, 2)

    def forward(self, input: Tensor) -> Tensor:
        """[1, 3, T, H, W] to [1, 64, T / 2, H / 2, W / 2]."""
        pixels = input[0].permute(1, 2, 3, 0)
        for axis in (2, 1, 0):
            pixels = pixels.unflatten(axis, (-1, 2))  # at last [T / 2, 2, H / 2, 2, W / 2, 2, 3]
        cubes = input.new_zeros(*(size // 2 + 3 for size in input.shape[2:]), 2, 2, 2, 3)
        cubes[1:-2, 1:-2, 1:-2] = pixels.permute(0, 2, 4, 1, 3, 5, 6)
        x = cubes.flatten(3).permute(3, 0, 1, 2)[None]
        weight = F.pad(self.weight, (0, 1) * 3).unflatten(4, (4, 2)).unflatten(3, (4, 2)).unflatten(2, (4, 2))
        weight = weight.permute(0, 3, 5, 7, 1, 2, 4, 6).flatten(1, 4)  # [64, 24, 4, 4, 4]
        return F.conv3d(x, weight.contiguous(memory_format=torch.channels_last_3d), self.bias).relu_()


def max_pool(x: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """SAME max pooling after a ReLU; [B, C, T, H, W].

    Floats that are not negative are ordered as their bits are, and a CPU compares whole numbers several times faster.
    """
    ints = x.view(torch.int32 if x.element_size() == 4 else torch.int16)
    t, h, w = (-(-size // s) for size, s in zip(x.shape[2:], stride, strict=True))
    before, _ = same_padding(x.shape[2], kernel[0], stride[0])
    pooled = x.new_empty(len(x), t, h, w, x.shape[1]).permute(0, 4, 1, 2, 3)
    for step in range(t):  # one by one: a frame stays in the cache
        first = step * stride[0] - before
        frame = reduce(torch.maximum, ints[:, :, max(first, 0) : first + kernel[0]].unbind(2))
        pooled.view(ints.dtype)[:, :, step] = _slide(_slide(frame, 3, kernel[2], stride[2]), 2, kernel[1], stride[1])
    return pooled


def _slide(x: Tensor, axis: int, kernel: int, stride: int) -> Tensor:
    """The largest of each `kernel` neighbours along an axis of [B, C, H, W], SAME."""
    x = x.movedim(axis, 0)
    before, _ = same_padding(len(x), kernel, stride)
    largest = x[::stride].clone()
    for offset in range(-before, kernel - before):
        first = -(offset // stride) if offset < 0 else 0
        taken = x[first * stride + offset :: stride]
        part = largest[first : first + len(taken)]
        torch.maximum(part, taken[: len(part)], out=part)
    return largest.movedim(0, axis)


class Inception(nn.Module):
    """Four branches side by side: 1x1 | 1x1, 3x3 | 1x1, 3x3 | pool, 1x1."""

    def __init__(self, n_in: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = widths
        self.branch0 = Conv(n_in, one)
        self.branch1 = nn.Sequential(Conv(n_in, reduce3), Conv(reduce3, three, 3))
        self.branch2 = nn.Sequential(Conv(n_in, reduce5), Conv(reduce5, five, 3))
        self.branch3 = Conv(n_in, pooled)
        self.n_out = one + three + five + pooled

    def forward(self, x: Tensor) -> Tensor:
        """[B, n_in, T, H, W] to [B, n_out, T, H, W]."""
        pooled = max_pool(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(pooled)], dim=1)


STAGES = (  # widths of the Inception blocks between two poolings
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


class I3D(nn.Module):
    """Clips of frames to 1024 features, 832 local ones and 400 action logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleList([FirstConv(), Conv(64, 64), Conv(64, 192, 3)])
        n_in, stages = 192, []
        for blocks in STAGES:
            stage = []
            for widths in blocks:
                stage.append(Inception(n_in, widths))
                n_in = stage[-1].n_out
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)
        self.classifier = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Frames [1, 3, T, H, W] in [-1, 1], T a multiple of 8, to a row for every eight of them: features
        [1, T/8, 1024], local features [1, T/8, 832] and logits [1, T/8, 400].

        The local features are those of the last block but two, strongest over the frame: what happens in a small
        part of it, which the mean of the features drowns.
        """
        x = max_pool(self.stem[0](x), (1, 3, 3), (1, 2, 2))  # [1, 64, T/2, H/4, W/4]
        x = max_pool(self.stem[2](self.stem[1](x)), (1, 3, 3), (1, 2, 2))  # [1, 192, T/2, H/8, W/8]
        x = max_pool(self.stages[0](x), (3, 3, 3), (2, 2, 2))  # [1, 480, T/4, H/16, W/16]
        x = self.stages[1](x)  # [1, 832, T/4, H/16, W/16]
        local = x.amax(dim=(3, 4)).float().unflatten(2, (-1, 2)).mean(dim=3).transpose(1, 2)  # [1, T/8, 832]
        x = max_pool(x, (2, 2, 2), (2, 2, 2))  # [1, 832, T/8, H/32, W/32]
        features = self.stages[2](x).float().mean(dim=(3, 4)).transpose(1, 2)  # [1, T/8, 1024]
        return features, local, F.linear(features, self.classifier.weight.float(), self.classifier.bias.float())


def load_i3d(device: str, dtype: torch.dtype) -> I3D:
    """The network with its shipped weights, for inference. Raises WeightsError."""
    return furnish(I3D(), I3D_FILE, device=device, dtype=dtype, layout=torch.channels_last_3d)
