"""CMHKF: rows of pictures, sound and class texts in, a score per snippet and its reasons out (section 3 of the paper).

`build_model` is the only reader of `ModelConfig`. Symbols: B windows of N <= 256 snippets, C classes (0 = normal),
D = `dim`. Longer videos are split by the caller (C.3).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from cmhkf import afae, cvka, mkaf
from cmhkf.config import MkafConfig, ModelConfig
from cmhkf.layers import feed_forward
from cmhkf.temporal import GlobalGcn, LocalEncoder, TemporalEncoder
from cmhkf.timeline import WINDOW_SNIPPETS

CAN_DROP = frozenset({"audio", "text"})


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """What the model says about B windows; values of padded rows mean nothing."""

    mask: Tensor
    """bool [B, N]: true for valid snippets."""
    logits: Tensor
    """[B, N] of the classifier, above its operating point: the coarse anomaly score before its sigmoid (E19)."""
    alignment: Tensor
    """[B, N, C] cos(F~_v, T'') / tau: the fine branch's class logits (E21)."""
    similarity: Tensor
    """[B, N, C] raw cosine (Eq. 1)."""
    top_classes: Tensor
    """int64 [B, k] CVKA's chosen classes, most similar first (Eq. 3)."""
    saliency: Tensor
    """[B, N] n · S of Eq. 5; 1 = average. Computed for every choice of modalities, used only where AFAE is."""
    windowed_saliency: Tensor
    """[B, N] n · S~ of Eq. 6."""
    peaks: Tensor
    """bool [B, N] AFAE's peaks."""
    fused: Tensor
    """[B, N, D] F_fused."""
    video: Tensor
    """[B, N, D] F~_v."""
    text: Tensor
    """[B, C, D] T'': the class texts with the window's visual prompt (F~_vt)."""

    @property
    def scores(self) -> Tensor:
        """[B, N] in [0, 1]: the classifier's anomaly score, the headline (E31)."""
        return self.logits.sigmoid()

    @property
    def class_probs(self) -> Tensor:
        """[B, N, C], sums to 1 over the classes; 1 - class_probs[..., 0] is the alignment branch's score (E31)."""
        return self.alignment.softmax(dim=-1)


class Classifier(nn.Module):
    """a = Linear(F + FFN(F)), one logit per snippet (C.6, E19)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.ffn = feed_forward(dim)
        self.out = nn.Linear(dim, 1)

    def forward(self, fused: Tensor) -> Tensor:
        """[B, N, D] -> [B, N]."""
        return self.out(fused + self.ffn(fused)).squeeze(-1)


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
        prompt = confidence[:, None] @ video  # [B, 1, D]
        prompted = text + normalize(prompt, dim=-1)  # [B, C, D], T'
        prompted = prompted + self.ffn(prompted)  # T''
        cosine = normalize(video, dim=-1) @ normalize(prompted, dim=-1).transpose(1, 2)  # [B, N, C]
        return cosine / self.tau, prompted


class CMHKF(nn.Module):
    """The whole model; `build_model` makes it from a config."""

    config: ModelConfig
    """What it was built from, carried for the checkpoint and not read here."""
    operating_logit = 0.0
    """The classifier's logit that is to score 0.5."""

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
        sound: afae.SoundStream | None,
        fusion: nn.Module | None,
        classifier: Classifier,
        fine: FineBranch,
        mask_padding: bool,
    ) -> None:
        """`has_text` False, `sound` None, `fusion` None: no such stream (E30). `align` None: the plain mean (E28)."""
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
        self.mask_padding = mask_padding

    def forward(
        self,
        video: Tensor,
        lengths: Tensor,
        text: Tensor,
        *,
        semantic: Tensor | None = None,
        audio: Tensor | None = None,
        heard: Tensor | None = None,
        has_audio: Tensor | None = None,
        drop: Collection[str] = (),
    ) -> ModelOutput:
        """Look at B windows, padded at the end or not.

        Args:
            video: [B, N, D_v], N <= 256.
            lengths: int64 [B], the valid snippets of each window, 1 to N.
            text: [C, D_s], the class texts.
            semantic: [B, N, D_s], the rows that Eq. 1 compares with the texts; None: the video rows.
            audio: [B, N, D_a]; with neither `audio` nor `heard` no window has sound. A model without sound ignores it.
            heard: [B, N, D], sound already through `sound.encode` over the whole video (E16), in place of `audio`.
            has_audio: bool [B]; where false, the learned vector for silence (E22). None: every window has sound.
            drop: what-if, "audio" and "text": the score if that modality had nothing to say. Sound becomes silence.
                Text becomes the plain mean of all class texts in every snippet, and weights no sound: it says nothing
                about time, but is no input that the model never saw, as zeros would be. The class texts of the fine
                branch stay. A modality that the model does not have changes nothing.

        Raises:
            ValueError: more than 256 snippets, a length out of range, or an unknown name in `drop`.
        """
        if unknown := set(drop) - CAN_DROP:
            raise ValueError(f"cannot drop {sorted(unknown)}; choose from {sorted(CAN_DROP)}")
        mask = _valid(video, lengths)
        seen = mask if self.mask_padding else torch.ones_like(mask)
        padding = ~mask[..., None]
        video = video.masked_fill(padding, 0)
        rows = video if semantic is None else semantic.masked_fill(padding, 0)

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
            if "audio" in drop:
                heard = None
            elif heard is None and audio is not None:
                heard = self.sound.encode(audio, lengths)
            streams.append(self.sound(heard, windowed, mask, has_audio=has_audio))
        fused = self.fusion(streams, mask) if self.fusion else streams[0]  # [B, N, D]

        logits = self.classifier(fused)  # [B, N]
        alignment, prompted = self.fine(streams[0], logits, text)
        n = lengths[:, None]
        return ModelOutput(
            mask=mask, logits=logits - self.operating_logit, alignment=alignment, similarity=similarity,
            top_classes=chosen, saliency=n * salient.saliency, windowed_saliency=n * salient.windowed,
            peaks=salient.peaks, fused=fused, video=streams[0], text=prompted,
        )  # fmt: skip


def _valid(video: Tensor, lengths: Tensor) -> Tensor:
    """The mask [B, N] of valid snippets, after checking the sizes."""
    n = video.shape[1]
    if n > WINDOW_SNIPPETS:
        raise ValueError(f"a window holds at most {WINDOW_SNIPPETS} snippets, got {n}; split the video first")
    if lengths.min() < 1 or lengths.max() > n:
        raise ValueError(f"lengths must lie between 1 and {n}, got {lengths.tolist()}")
    return torch.arange(n, device=video.device) < lengths[:, None]


def build_model(config: ModelConfig) -> CMHKF:
    """Make the model that a config describes, with fresh weights (in training mode, on the default device).

    Where `video_dim` or `semantic_dim` differs from `dim`, a learned linear layer leads there; with CLIP there is none.
    """
    if config.architecture == "mil":
        from cmhkf.baselines.mil import MilRanking

        ranking = MilRanking(config.video_dim)
        ranking.config = config
        return ranking  # type: ignore[return-value]  # it stands in for CMHKF
    dim = config.dim
    # Without chosen texts there is no text stream, and AFAE has no source (E29, E30).
    has_text = "T" in config.modalities and config.cvka.k > 0
    has_sound = "A" in config.modalities
    has_afae = has_text and not config.light  # E28
    align = partial(cvka.align, tau=config.cvka.tau, norm=config.cvka.norm, scale=config.cvka.scale)
    model = CMHKF(
        video_in=_projection(config.video_dim, dim),
        text_in=_projection(config.semantic_dim, dim),
        temporal=TemporalEncoder(
            LocalEncoder(
                dim, layers=config.temporal.layers, heads=config.temporal.heads, window=config.temporal.window
            ),
            GlobalGcn(dim, threshold=config.temporal.gcn_threshold),
        ),
        has_text=has_text,
        k=config.cvka.k,
        align=None if config.light else align,
        project=partial(
            afae.project,
            tau=config.afae.tau, w=config.afae.w, overlap=config.afae.overlap, renorm=config.afae.renorm,
        ),
        sound=afae.SoundStream(
            config.audio_dim,
            dim,
            layer_norm=config.audio.layer_norm,
            whole_video=config.audio.stream,
            how=config.afae.aggregate if has_afae and config.afae.aggregate != "none" else None,
        ) if has_sound else None,
        fusion=_fusion(config.mkaf, dim, 1 + has_text + has_sound),
        classifier=Classifier(dim),
        fine=FineBranch(dim, weight=config.fine.weight, tau=config.fine.tau),
        mask_padding=config.mask_padding,
    )  # fmt: skip
    model.config = config
    model.operating_logit = config.operating_logit
    return model


def _projection(dim_in: int, dim: int) -> nn.Module:
    return nn.Identity() if dim_in == dim else nn.Linear(dim_in, dim)


def _fusion(config: MkafConfig, dim: int, n_streams: int) -> nn.Module | None:
    if n_streams == 1:
        return None  # F_fused is F~_v (E30)
    joint = n_streams * dim
    match config.type:
        case "xattn":
            attend = [mkaf.joint_attention(dim, joint, heads=config.heads) for _ in range(n_streams)]
            return mkaf.AttentionFusion(dim, attend, residual=config.residual, layer_norm=config.layer_norm)
        case "jca":  # its residual is part of it
            attend = [mkaf.JointCorrelation(joint) for _ in range(n_streams)]
            return mkaf.AttentionFusion(dim, attend, residual=True, layer_norm=config.layer_norm)
        case "concat" | "bilinear_concat":
            return mkaf.ConcatFusion(dim, n_streams, project=config.type == "bilinear_concat")
        case "bilinear_add":
            return mkaf.SumFusion(dim, n_streams)
