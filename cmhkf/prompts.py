"""Learnable prompts: context vectors learned round each class name, through CLIP's frozen text tower (C.7)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cmhkf.encoders.clip import CLIP, CONTEXT, run_text_tower, tokenise
from cmhkf.errors import ConfigError

WIDTH = 512  # of CLIP ViT-B/16's text tower


class LearnablePrompts(nn.Module):
    """Class texts whose context is a table of vectors, shared by all classes and indexed by position.

    A prompt of k label tokens is: start, `prefix` learned vectors, the label, `postfix` learned vectors, end (C.7).
    Its only parameter is the table; the text tower is handed to `forward`, so that no checkpoint holds CLIP.
    """

    def __init__(self, classes: Sequence[str], *, prefix: int = 10, postfix: int = 10) -> None:
        """Raises ConfigError when a prompt is longer than CLIP's 77 tokens."""
        super().__init__()
        self.table = nn.Parameter(torch.randn(CONTEXT, WIDTH) * 0.01)  # E of C.7
        labels, ends = tokenise(classes)  # [C, l] with start and end tokens, [C]
        n = ends[:, None] - 1  # [C, 1], label tokens
        end_idx = n + prefix + postfix + 1
        if (longest := int(end_idx.max()) + 1) > CONTEXT:
            name = classes[int(end_idx.argmax())]
            raise ConfigError(
                f"the prompt of the class {name!r} takes {longest} tokens with prefix {prefix} and postfix {postfix}; "
                f"CLIP reads {CONTEXT}: shorten the prefix, the postfix or the name"
            )
        position = torch.arange(longest).expand(len(classes), -1)  # [C, L]
        in_label = (position > prefix) & (position <= prefix + n)
        # Where each position's own token stands in `labels`; learned positions point anywhere.
        source = torch.where(in_label, position - prefix, torch.where(position == end_idx, ends[:, None], 0))
        self.tokens: Tensor
        self.learned: Tensor
        self.end_idx: Tensor
        self.register_buffer("tokens", labels.gather(1, source), persistent=False)  # [C, L]
        self.register_buffer("learned", ~in_label & (position != 0) & (position != end_idx), persistent=False)
        self.register_buffer("end_idx", end_idx[:, 0], persistent=False)  # [C]

    def embeddings(self, clip: CLIP) -> Tensor:
        """The prompts as token embeddings [C, L, 512], cut to the longest."""
        fixed = clip.token_embedding(self.tokens)  # [C, L, 512]
        return torch.where(self.learned[..., None], self.table[: self.tokens.shape[1]], fixed)

    def forward(self, clip: CLIP) -> Tensor:
        """Class features t_c [C, 512], not normalised. Gradients reach the table through CLIP's text tower."""
        return run_text_tower(clip, self.embeddings(clip), self.end_idx)
