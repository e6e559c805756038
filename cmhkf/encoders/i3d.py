"""I3D: the Inception network inflated to three dimensions, trained on Kinetics-400 (Carreira and Zisserman, 2017).

Batch normalisation is folded into the convolutions by `checkpoints/convert_weights.py`; padding is TensorFlow's SAME,
which at stride 2 puts the odd pixel at the end.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmhkf.encoders.shipped import I3D as I3D_FILE
from cmhkf.encoders.shipped import furnish

FEATURES = 1024
LOCAL_FEATURES = 832
CLASSES = 400
Triple = tuple[int, int, int]


def same_padding(sizes: tuple[int, ...], kernel: Triple, stride: Triple) -> list[int]:
    """Zeros before and after each axis so that ceil(size / stride) steps fit, in `F.pad`'s order (last axis first)."""
    pads: list[int] = []
    for size, k, s in zip(reversed(sizes), reversed(kernel), reversed(stride), strict=True):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads += [total // 2, total - total // 2]
    return pads


class Conv(nn.Conv3d):
    """Convolution, bias (the folded normalisation) and ReLU with SAME padding."""

    def __init__(self, n_in: int, n_out: int, kernel: Triple = (1, 1, 1), stride: Triple = (1, 1, 1)) -> None:
        # An odd kernel at stride 1 pads alike on both sides; only strided ones need the padded copy in `forward`.
        even = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2) if stride == (1, 1, 1) else (0, 0, 0)
        super().__init__(n_in, n_out, kernel, stride, even)
        self.strided = stride != (1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, n_in, T, H, W] to [B, n_out, T / s, H / s, W / s], rounded up."""
        if self.strided:
            kernel, stride = self.kernel_size, self.stride
            x = F.pad(x, same_padding(tuple(x.shape[2:]), kernel, stride))  # type: ignore[arg-type]
        return super().forward(x).relu_()


def max_pool(x: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """SAME max pooling. Padding with zeros is exact because everything pooled here has passed a ReLU."""
    return F.max_pool3d(F.pad(x, same_padding(tuple(x.shape[2:]), kernel, stride)), kernel, stride)


class Inception(nn.Module):
    """Four branches side by side: 1x1 | 1x1, 3x3 | 1x1, 3x3 | pool, 1x1."""

    def __init__(self, n_in: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = widths
        self.branch0 = Conv(n_in, one)
        self.branch1 = nn.Sequential(Conv(n_in, reduce3), Conv(reduce3, three, (3, 3, 3)))
        self.branch2 = nn.Sequential(Conv(n_in, reduce5), Conv(reduce5, five, (3, 3, 3)))
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
    """Clips of pictures to 1024 features, 832 local ones and 400 action logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleList([Conv(3, 64, (7, 7, 7), (2, 2, 2)), Conv(64, 64), Conv(64, 192, (3, 3, 3))])
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
        """Pictures [B, 3, T, H, W] in [-1, 1], T a multiple of 8, to a row for every eight of them: features
        [B, T/8, 1024], local features [B, T/8, 832] and logits [B, T/8, 400].

        The local features are those of the last block but two, strongest over the picture: what happens in a small
        part of it, which the mean of the features drowns.
        """
        x = max_pool(self.stem[0](x), (1, 3, 3), (1, 2, 2))  # [B, 64, T/2, H/4, W/4]
        x = max_pool(self.stem[2](self.stem[1](x)), (1, 3, 3), (1, 2, 2))  # [B, 192, T/2, H/8, W/8]
        x = max_pool(self.stages[0](x), (3, 3, 3), (2, 2, 2))  # [B, 480, T/4, H/16, W/16]
        x = self.stages[1](x)  # [B, 832, T/4, H/16, W/16]
        local = x.float().amax(dim=(3, 4)).unflatten(2, (-1, 2)).mean(dim=3).transpose(1, 2)  # [B, T/8, 832]
        x = max_pool(x, (2, 2, 2), (2, 2, 2))  # [B, 832, T/8, H/32, W/32]
        features = self.stages[2](x).float().mean(dim=(3, 4)).transpose(1, 2)  # [B, T/8, 1024]
        return features, local, F.linear(features, self.classifier.weight.float(), self.classifier.bias.float())


def load_i3d(device: str, dtype: torch.dtype) -> I3D:
    """The network with its shipped weights, for inference. Raises WeightsError."""
    return furnish(I3D(), I3D_FILE, device=device, dtype=dtype, layout=torch.channels_last_3d)
