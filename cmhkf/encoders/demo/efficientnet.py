"""EfficientNet-Lite0 (Tan and Le, 2019) with ImageNet weights that lie in a package, which is only looked into."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cmhkf.encoders.demo.shipped import EFFICIENTNET
from cmhkf.encoders.tensors import fill, read_tensors


def load_efficientnet(device: str, dtype: torch.dtype) -> nn.Module:
    """The network with its weights, for inference. Raises WeightsError.

    The package keeps the original port's parameter names; timm's stand in the same order.
    """
    import timm

    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    path = EFFICIENTNET.path
    fill(net, dict(zip(net.state_dict(), read_tensors(path).values(), strict=True)), shown=str(path))
    fold_normalisation(net.eval().requires_grad_(False))
    return net.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]


def fold_normalisation(net: nn.Module) -> None:
    """Put each batch normalisation of timm's into the convolution before it; its activation stays in its place."""
    for module in net.modules():
        children = list(module.named_children())
        for (name, conv), (after, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, after, norm.act)


FRAMES = 8  # in a pass: more of them do not fit into a core's cache


def features_of(net: nn.Module, pictures: Tensor) -> Tensor:
    """Pictures uint8 RGB [B, H, W, 3] on the network's device to features float32 [B, 1280]."""
    dtype, rows = next(net.parameters()).dtype, []
    for part in pictures.split(FRAMES if pictures.is_cpu else len(pictures)):
        x = (part.to(dtype) - 127) / 128
        maps = net.forward_features(x.permute(0, 3, 1, 2))  # type: ignore[operator]
        rows.append(net.forward_head(maps, pre_logits=True).float())  # type: ignore[operator]
    return torch.cat(rows)
