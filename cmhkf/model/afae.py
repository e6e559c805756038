"""Audio Modality Feature Adaptive Extraction: when to listen (Eq. 5-7).

No audio enters the saliency: it is the similarity of frames and class texts projected on the audio's time axis.
The functions have no parameters, so that an untrained analysis can use them too. B windows of N snippets; `mask` bool
[B, N] is true for valid snippets, at least one per window.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, max_pool1d
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cmhkf.model.cvka import temporal_weights
from cmhkf.model.layers import exact_matmul
from cmhkf.timeline import SNIPPET_FRAMES

Overlap = Literal["max", "sum"]
How = Literal["weight", "pool", "residual"]


class Saliency(NamedTuple):
    """Where in a window the frames match the chosen class texts."""

    saliency: Tensor  # [B, N] S_a of Eq. 5; sums to 1 over the valid snippets.
    peaks: Tensor  # bool [B, N]: the floor(n/16)+1 most salient snippets; none where windows are left out (w = -1)
    windowed: Tensor  # [B, N] S~_a of Eq. 6.


def project(
    similarity: Tensor,
    mask: Tensor,
    chosen: Tensor,
    *,
    tau: float,
    w: int,
    overlap: Overlap = "max",
    renorm: bool = False,
) -> Saliency:
    """From similarities [B, N, C] and the chosen classes [B, k] to saliency, peaks and windowed saliency."""
    salient = saliency(similarity, mask, chosen, tau=tau)
    if w < 0:
        return Saliency(salient, torch.zeros_like(mask), salient)
    top = peaks(salient, mask, top_snippets(mask.sum(dim=1)))
    return Saliency(salient, top, windowed(salient, mask, top, w=w, overlap=overlap, renorm=renorm))


def saliency(similarity: Tensor, mask: Tensor, chosen: Tensor, *, tau: float) -> Tensor:
    """S_a: mean over the chosen classes of their softmax over time -> [B, N], sums to 1 (Eq. 5).

    With no chosen class (E29) nothing stands out: 1/n everywhere.
    """
    if not chosen.shape[1]:
        return mask / mask.sum(dim=1, keepdim=True).to(similarity.dtype)
    return temporal_weights(similarity, mask, chosen, tau=tau).mean(dim=2)


def top_snippets(lengths: Tensor) -> Tensor:
    """floor(n/16) + 1 for each n: the number of AFAE peaks, and of snippets that MIL averages (E8)."""
    return lengths // SNIPPET_FRAMES + 1


def peaks(saliency: Tensor, mask: Tensor, n_peaks: Tensor) -> Tensor:
    """The `n_peaks` [B] most salient valid snippets as bool [B, N]; ties go to the earlier one."""
    order = saliency.masked_fill(~mask, -1).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1)  # [B, N]: 0 for the most salient
    return (rank < n_peaks[:, None]) & mask


def windowed(
    saliency: Tensor, mask: Tensor, peaks: Tensor, *, w: int, overlap: Overlap = "max", renorm: bool = False
) -> Tensor:
    """S~_a: within w snippets of a peak, the peak's saliency is added -> [B, N] (Eq. 6, E13).

    The peak lies in its own window and gets its saliency twice (E11). Where windows overlap the largest covering peak
    is added once, or the sum of them all (E10). `renorm` divides by the sum over the window of the model (E12).
    """
    bells = (saliency * peaks)[:, None]  # [B, 1, N], not negative
    size = 2 * w + 1
    if overlap == "max":
        bonus = max_pool1d(bells, size, stride=1, padding=w)
    else:
        bonus = avg_pool1d(bells, size, stride=1, padding=w) * size
    raised = (saliency + bonus[:, 0]) * mask  # [B, N]
    return raised / raised.sum(dim=1, keepdim=True) if renorm else raised


def aggregate(audio: Tensor, windowed: Tensor, mask: Tensor, *, how: How = "weight") -> Tensor:
    """F~_a: the audio features [B, N, D] under the windowed saliency [B, N] (Eq. 7, E9) -> [B, N, D].

    "weight" keeps each snippet's own features, n S~ F_a; "pool" is Eq. 7 to the letter, one weighted sum given to all
    valid snippets; "residual" is F_a (1 + n S~). Padded rows are zero.
    """
    if how == "pool":
        pooled = exact_matmul(windowed[:, None], audio)  # [B, 1, D]
        return (pooled * mask[..., None]).to(audio.dtype)
    weight = (windowed * mask.sum(dim=1, keepdim=True))[..., None]  # [B, N, 1], average about 1 (E2)
    return (audio * (weight + 1 if how == "residual" else weight)).to(audio.dtype)


class AudioBranch(nn.Module):
    """Audio rows to F~_a: BiLSTM (E15), LayerNorm before the weighting (E9), AFAE, and a vector for silence (E22)."""

    def __init__(self, audio_dim: int, dim: int, *, layer_norm: bool, how: How | None) -> None:
        """`how` None leaves AFAE out (E28, E29)."""
        super().__init__()
        self.how: How | None = how
        self.lstm = nn.LSTM(audio_dim, dim // 2, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(dim) if layer_norm else nn.Identity()
        self.no_audio = nn.Parameter(torch.zeros(dim))

    def encode(self, audio: Tensor, lengths: Tensor) -> Tensor:
        """[B, N, D_a] -> F_a [B, N, D], zero in padded rows."""
        if torch.compiler.is_compiling():
            return self._masked(self._unpacked(audio, lengths), lengths)
        packed = pack_padded_sequence(audio, lengths.cpu(), batch_first=True, enforce_sorted=False)
        encoded, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=audio.shape[1])
        return self._masked(encoded, lengths)

    def _masked(self, encoded: Tensor, lengths: Tensor) -> Tensor:
        valid = torch.arange(encoded.shape[1], device=encoded.device) < lengths[:, None].to(encoded.device)
        return self.norm(encoded) * valid[..., None]

    def _unpacked(self, audio: Tensor, lengths: Tensor) -> Tensor:
        """The BiLSTM's output in valid rows without packing, which `torch.export` cannot follow.

        Padding comes last, so that only the backward direction must be kept from it: it reads each row from its last
        valid snippet.
        """
        position = torch.arange(audio.shape[1], device=audio.device)
        mirrored = (lengths[:, None] - 1 - position) % audio.shape[1]  # [B, N], its own inverse in valid rows
        reversed_rows = torch.take_along_dim(audio, mirrored[..., None], dim=1)
        start = audio.new_zeros(1, len(audio), self.lstm.hidden_size)
        encoded = []
        for rows, direction in ((audio, ""), (reversed_rows, "_reverse")):
            names = (f"{kind}_l0{direction}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            weights = [getattr(self.lstm, name) for name in names]
            encoded.append(torch.lstm(rows, (start, start), weights, True, 1, 0.0, self.training, False, True)[0])
        return torch.cat([encoded[0], torch.take_along_dim(encoded[1], mirrored[..., None], dim=1)], dim=-1)

    def forward(
        self, encoded: Tensor | None, windowed: Tensor | None, mask: Tensor, *, has_audio: Tensor | None = None
    ) -> Tensor:
        """F_a [B, N, D] under S~_a [B, N] -> F~_a [B, N, D]; `windowed` None leaves it unweighted.

        Where `has_audio` [B] is false, and everywhere with `encoded` None, the vector for silence takes F~_a's place,
        after the weighting: a missing audio track says nothing about time.
        """
        silence = mask[..., None] * self.no_audio  # [B, N, D]
        if encoded is None:
            return silence
        encoded = encoded.masked_fill(~mask[..., None], 0)
        if windowed is not None and self.how is not None:
            encoded = aggregate(encoded, windowed, mask, how=self.how)
        return encoded if has_audio is None else torch.where(has_audio[:, None, None], encoded, silence)
