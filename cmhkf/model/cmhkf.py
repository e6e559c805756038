"""CMHKF: rows of frames, audio and class texts in, a score per snippet and its reasons out (section 3 of the paper).

`build.py` makes it of a `ModelConfig`. Symbols: B windows of N <= 256 snippets, C classes (0 = normal),
D = `dim`. Longer videos are split by the caller (C.3).
"""

from collections.abc import Callable, Collection
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, normalize

from cmhkf.model import afae, cvka
from cmhkf.model.config import ModelConfig
from cmhkf.model.layers import exact, exact_linear, exact_matmul, feed_forward
from cmhkf.model.output import ModelOutput, shared
from cmhkf.model.temporal import TemporalEncoder
from cmhkf.timeline import WINDOW_SNIPPETS

CAN_DROP = frozenset({"audio", "text"})
PROBED_SNIPPETS = 9  # what a score probe says of a moment is its mean over 6 s


class Classifier(nn.Module):
    """a = Linear(F + FFN(F)), one logit per snippet (C.6, E19)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.ffn = feed_forward(dim)
        self.out = nn.Linear(dim, 1)

    def forward(self, fused: Tensor) -> Tensor:
        """[B, N, D] -> [B, N]; the last sum in float32 at least, since snippets are ranked by it."""
        return exact_linear(self.out, fused + self.ffn(fused)).squeeze(-1)


class FineBranch(nn.Module):
    """Compares F~_v with class texts that carry the window's visual prompt (C.6, E20, E21)."""

    def __init__(self, dim: int, *, weight: Literal["logit", "sigmoid"], tau: float) -> None:
        super().__init__()
        self.weight = weight
        self.tau = tau
        self.ffn = feed_forward(dim)

    def forward(self, video: Tensor, logits: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """F~_v [B, N, D] with zeros in padded rows, [B, N], [C, D] -> alignment [B, N, C] and T'' [B, C, D]."""
        confidence = logits.sigmoid() if self.weight == "sigmoid" else logits
        prompt = exact_matmul(confidence[:, None], video)  # [B, 1, D]
        prompted = (text + normalize(prompt, dim=-1)).to(text.dtype)  # [B, C, D], T'
        prompted = prompted + self.ffn(prompted)  # T''
        unit_video, unit_text = normalize(exact(video), dim=-1), normalize(exact(prompted), dim=-1)
        cosine = exact_matmul(unit_video, unit_text.transpose(1, 2))  # [B, N, C]
        return cosine / self.tau, prompted


class CMHKF(nn.Module):
    """The whole model; `build_model` makes it from a config."""

    config: ModelConfig  # what it was built from, carried for the checkpoint and not read here
    operating_logit, temperature = 0.0, 1.0  # the logit that is to score 0.5, and what it is divided by
    mask_padding = True  # false: padded rows leak, as in the reference

    def __init__(
        self,
        *,
        video_in: nn.Module,
        text_in: nn.Module,
        temporal: TemporalEncoder,
        has_text: bool,
        k: int,
        align: Callable[..., Tensor] | None,
        project: Callable[..., afae.Saliency],
        sound: afae.AudioBranch | None,
        fusion: nn.Module | None,
        classifier: Classifier,
        fine: FineBranch,
        probe: nn.Linear | None,
    ) -> None:
        """`has_text` False, `sound` None, `fusion` None: no such stream (E30). `align` None: the plain mean (E28).

        `probe`, video rows to the anomaly classes, names the class in place of `fine`.
        """
        super().__init__()
        self.video_in = video_in
        self.text_in = text_in
        self.temporal = temporal
        self.has_text = has_text
        self.k = k
        self.align = align
        self.project = project
        self.sound = sound
        self.fusion = fusion
        self.classifier = classifier
        self.fine = fine
        self.probe = probe
        self.score_probe: nn.Linear | None = None  # video rows to one value, which is added to the classifier's

    def forward(
        self,
        video: Tensor,
        lengths: Tensor,
        text: Tensor,
        *,
        semantic: Tensor | None = None,
        audio: Tensor | None = None,
        has_audio: Tensor | None = None,
        drop: Collection[str] = (),
    ) -> ModelOutput:
        """Look at B windows, padded at the end or not.

        Args:
            video: [B, N, D_v], N <= 256.
            lengths: int64 [B], the valid snippets of each window, 1 to N.
            text: [C, D_s], the class texts.
            semantic: [B, N, D_s], the rows that Eq. 1 compares with the texts; None: the video rows, or zeros where
                these have another width.
            audio: [B, N, D_a]; None: no window has audio. A model without audio ignores it.
            has_audio: bool [B]; where false, the learned vector for silence (E22). None: every window has audio.
            drop: what-if, "audio" and "text": the score if that modality had nothing to say. Audio becomes silence.
                Text becomes the plain mean of all class texts in every snippet, and weights no audio: it says nothing
                about time, but is no input that the model never saw, as zeros would be. The class texts of the fine
                branch stay. A modality that the model does not have changes nothing.

        In half precision, cast or autocast, similarities, choices, softmaxes over time, logits and class logits are
        computed in float32. `torch.export` can follow it; a program that it makes does not check the lengths.

        Raises:
            ValueError: more than 256 snippets, a length out of range, or an unknown name in `drop`.
        """
        if unknown := set(drop) - CAN_DROP:
            raise ValueError(f"cannot drop {sorted(unknown)}; choose from {sorted(CAN_DROP)}")
        mask = _valid(video, lengths)
        seen = mask if self.mask_padding else torch.ones_like(mask)
        padding = ~mask[..., None]
        video = video.masked_fill(padding, 0)
        rows = cvka.rows_to_compare(video, semantic, text).masked_fill(padding, 0)

        similarity = cvka.similarity(rows, text)  # [B, N, C]
        chosen = cvka.select(similarity, mask, self.k)  # [B, k]
        salient = self.project(similarity, mask, chosen)
        text = self.text_in(text)  # [C, D]

        streams = [self.temporal(self.video_in(video), mask, seen)]
        if self.has_text:
            align = None if "text" in drop else self.align
            streams.append(align(similarity, text, mask, chosen) if align else cvka.plain_mean(text, mask))
        if self.sound:
            windowed = None if "text" in drop else salient.windowed
            encoded = None if audio is None or "audio" in drop else self.sound.encode(audio, lengths)
            streams.append(self.sound(encoded, windowed, mask, has_audio=has_audio))
        fused = self.fusion(streams, mask) if self.fusion else streams[0]  # [B, N, D]

        logits = self.classifier(fused)  # [B, N]
        alignment, prompted = self.fine(streams[0], logits, text)
        if self.score_probe:
            logits = logits + _moving_mean(exact_linear(self.score_probe, video).squeeze(-1), mask)
        n = lengths[:, None]
        logits = (logits - self.operating_logit) / self.temperature
        return ModelOutput(
            mask=mask,
            logits=logits,
            alignment=alignment,
            class_logits=shared(logits, exact_linear(self.probe, video)) if self.probe else alignment,
            similarity=similarity,
            top_classes=chosen,
            saliency=n * salient.saliency,
            windowed_saliency=n * salient.windowed,
            peaks=salient.peaks,
            fused=fused,
            video=streams[0],
            text=prompted,
        )


def _moving_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Each value's mean over the valid ones among the nine round it; [B, N]."""
    valid = mask.to(values.dtype)
    sums, counts = (
        avg_pool1d(part[:, None], PROBED_SNIPPETS, stride=1, padding=PROBED_SNIPPETS // 2).squeeze(1)
        for part in (values * valid, valid)
    )
    return sums / counts.clamp(min=1 / PROBED_SNIPPETS)


def _valid(video: Tensor, lengths: Tensor) -> Tensor:
    """The mask [B, N] of valid snippets, after checking the sizes."""
    n = video.shape[1]
    if n > WINDOW_SNIPPETS:
        raise ValueError(f"a window holds at most {WINDOW_SNIPPETS} snippets, got {n}; split the video first")
    if not torch.compiler.is_compiling() and (lengths.min() < 1 or lengths.max() > n):
        raise ValueError(f"lengths must lie between 1 and {n}, got {lengths.tolist()}")
    return torch.arange(n, device=video.device) < lengths[:, None]
