"""A linear layer together with what comes right after it.

For each product in bfloat16 torch puts the weights into the order that a CPU multiplies them in. Here they are put into
it once, and the activation or the addition is computed while a result is still in a register. Both need operators that
torch keeps for its own compiler; where they are missing, plain ones do the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

PACK, MULTIPLY = "_reorder_linear_weight", "_linear_pointwise"


def is_packable(weight: Tensor) -> bool:
    """Whether this torch and this machine have the operators for a weight: bfloat16 on a CPU that multiplies it."""
    ops = torch.ops.mkldnn
    return (
        weight.is_cpu
        and weight.dtype == torch.bfloat16
        and all(hasattr(ops, name) for name in (PACK, MULTIPLY, "_is_mkldnn_bf16_supported"))
        and ops._is_mkldnn_bf16_supported()
    )


class Linear:
    """x W^T + b for x [..., n_in]; weight [n_out, n_in], bias [n_out]. `rows` is how many x usually has."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, rows: int) -> None:
        self.packed = is_packable(weight)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows) if self.packed else weight
        self.bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        """The product."""
        if self.packed:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return F.linear(x, self.weight, self.bias)

    def silu(self, x: Tensor) -> Tensor:
        """Its SiLU."""
        if self.packed:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "swish", [], "")
        return F.silu(F.linear(x, self.weight, self.bias), inplace=True)

    def added(self, x: Tensor, other: Tensor) -> Tensor:
        """Its sum with `other` [..., n_out]."""
        if self.packed:
            return torch.ops.mkldnn._linear_pointwise(x, other, self.weight, self.bias, "add")
        return other + F.linear(x, self.weight, self.bias)
