"""VadCLIP (Wu et al., AAAI 2024): CMHKF's own line of descent, which is CMHKF with frames alone (`model.md` C.4-C.8).

Its forward pass is that of `modalities="V"`; what differs is one term of the objective, and that the reference lets
padded rows take part.
"""

from torch import Tensor
from torch.nn.functional import cosine_similarity

from cmhkf.model.losses import Objective, mil_align, mil_bce
from cmhkf.model.output import ModelOutput

LAMBDA_TEXT = {"xd-violence": 1e-4, "ucf-crime": 1e-1}  # weight of the text separation, by data set


def vadclip_objective(output: ModelOutput, targets: Tensor, text: Tensor, *, lambda_text: float = 1e-4) -> Objective:
    """L_BCE + L_NCE + λ · mean |cos(t_0, t_c)|, the last reported as `na` (C.8); otherwise as `losses.total`."""
    bce = mil_bce(output.logits, output.mask, 1 - targets[:, 0])
    nce = mil_align(output.alignment, output.mask, targets)
    separation = cosine_similarity(text[1:].float(), text[:1].float(), dim=-1).abs().mean()
    return Objective(bce + nce + lambda_text * separation, bce, nce, separation, separation.new_zeros(()))
