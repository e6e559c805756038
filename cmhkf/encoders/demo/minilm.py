"""MiniLM sentence embeddings (all-MiniLM-L6-v2): a six-layer BERT, mean pooling, unit length.

The forward pass is BERT's (post-norm, learned positions, exact GELU) written over the published tensor names; importing
a model library for it would cost seconds. Token ids come from the package's own `tokenizer.json`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from cmhkf.encoders.demo.shipped import MINILM, MINILM_TOKENIZER
from cmhkf.encoders.tensors import read_tensors

WIDTH = 384
LAYERS = 6
HEADS = 12
MAX_TOKENS = 256
NORM_EPS = 1e-12


class MiniLM:
    """Sentences to unit vectors of 384."""

    def __init__(self, tensors: Mapping[str, Tensor], tokenizer: Tokenizer) -> None:
        self.tensors = tensors
        self.tokenizer = tokenizer
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.enable_padding()

    @torch.inference_mode()
    def embed(self, sentences: Sequence[str]) -> np.ndarray:
        """Embed sentences: float32 [B, 384], rows of unit length. Neighbours in the batch change nothing."""
        encoded = self.tokenizer.encode_batch(list(sentences))
        ids = torch.tensor([e.ids for e in encoded])  # [B, L]
        mask = torch.tensor([e.attention_mask for e in encoded], dtype=torch.bool)
        table = self.tensors["embeddings.word_embeddings.weight"]
        x = table[ids] + self.tensors["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = self._norm("embeddings.LayerNorm", x + self.tensors["embeddings.token_type_embeddings.weight"][0])
        for i in range(LAYERS):
            x = self._layer(f"encoder.layer.{i}", x, mask)  # [B, L, 384]
        weight = mask[..., None].float()
        return F.normalize((x * weight).sum(1) / weight.sum(1), dim=-1).numpy()

    def _layer(self, name: str, x: Tensor, mask: Tensor) -> Tensor:
        b, n, _ = x.shape
        q, k, v = (
            self._linear(f"{name}.attention.self.{part}", x).view(b, n, HEADS, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        heads = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])  # [B, heads, L, 32]
        attended = self._linear(f"{name}.attention.output.dense", heads.transpose(1, 2).reshape(b, n, WIDTH))
        x = self._norm(f"{name}.attention.output.LayerNorm", x + attended)
        inner = F.gelu(self._linear(f"{name}.intermediate.dense", x))
        return self._norm(f"{name}.output.LayerNorm", x + self._linear(f"{name}.output.dense", inner))

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (WIDTH,), self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"], NORM_EPS)


def load_minilm() -> MiniLM:
    """Read the model from its package's files."""
    tokenizer = Tokenizer.from_str(MINILM_TOKENIZER.path.read_text("utf-8"))
    return MiniLM(read_tensors(MINILM.path), tokenizer)
