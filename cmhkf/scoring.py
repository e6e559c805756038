"""Rows of one window to numbers for people: by the trained model, or by what needs no training at all."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from cmhkf import afae, cvka
from cmhkf.config import ModelConfig
from cmhkf.features import Features
from cmhkf.model import CMHKF, ModelOutput
from cmhkf.timeline import WINDOW_SNIPPETS


@dataclass(frozen=True, eq=False)
class Scored:
    """n snippets of W windows (one before `join`); the fields mean what they mean in Analysis."""

    scores: np.ndarray  # [n]
    class_probs: np.ndarray  # [n, C]
    similarity: np.ndarray  # [n, C]
    top_classes: np.ndarray  # [W, k]
    saliency: np.ndarray  # [n]
    windowed_saliency: np.ndarray  # [n]
    peaks: np.ndarray  # bool [n]
    fused: np.ndarray  # [n, D_f]
    modality_scores: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def join(cls, windows: list[Scored]) -> Scored:
        """Windows in order of time, end to end."""
        arrays = {
            f.name: np.concatenate([getattr(w, f.name) for w in windows])
            for f in fields(cls)
            if f.name != "modality_scores"
        }
        what_if = {
            name: np.concatenate([w.modality_scores[name] for w in windows]) for name in windows[0].modality_scores
        }
        return cls(**arrays, modality_scores=what_if)


def untrained(features: Features, window: slice, text: Tensor, config: ModelConfig, *, tau: float) -> Scored:
    """Similarity, saliency and P(class) = softmax(cosine / tau); the score is 1 - P(normal). Texts [C, D_s]."""
    rows = torch.from_numpy(features.semantic[window])[None]  # [1, n, D_s]
    mask = torch.ones(rows.shape[:2], dtype=torch.bool)
    similarity = cvka.similarity(rows, text)
    chosen = cvka.select(similarity, mask, config.cvka.k)
    salient = afae.project(
        similarity, mask, chosen,
        tau=config.afae.tau, w=config.afae.w, overlap=config.afae.overlap, renorm=config.afae.renorm,
    )  # fmt: skip
    probs = (similarity[0] / tau).softmax(dim=-1).numpy()
    n = rows.shape[1]
    return Scored(
        scores=1 - probs[:, 0],
        class_probs=probs,
        similarity=similarity[0].numpy(),
        top_classes=chosen.numpy(),
        saliency=n * salient.saliency[0].numpy(),
        windowed_saliency=n * salient.windowed[0].numpy(),
        peaks=salient.peaks[0].numpy(),
        fused=np.zeros((n, 0), np.float32),
    )


def trained(model: CMHKF, features: Features, window: slice, text: Tensor, heard: Tensor | None) -> Scored:
    """The model's own view of one window; `heard` [N, D] is the whole clip's sound where the BiLSTM streams (E16)."""
    device, n = text.device, len(features.video[window])

    def padded(rows: Tensor) -> Tensor:
        return pad(rows[window].to(device), (0, 0, 0, positions(model, n) - n))[None]

    video, semantic = (padded(torch.from_numpy(a)) for a in (features.video, features.semantic))
    audio = None if features.audio is None else padded(torch.from_numpy(features.audio))
    if heard is not None:
        audio, heard = None, padded(heard)
    lengths = torch.tensor([n], device=device)

    def look(*drop: str) -> ModelOutput:
        return model(video, lengths, text, semantic=semantic, audio=audio, heard=heard, drop=drop)

    out = look()
    left_out = [name for name, there in (("audio", has_sound(model, features)), ("text", model.has_text)) if there]
    return Scored(
        scores=_numpy(out.scores, n),
        class_probs=_numpy(out.class_probs, n),
        similarity=_numpy(out.similarity, n),
        top_classes=out.top_classes.cpu().numpy(),
        saliency=_numpy(out.saliency, n),
        windowed_saliency=_numpy(out.windowed_saliency, n),
        peaks=out.peaks[0, :n].cpu().numpy(),
        fused=_numpy(out.fused, n),
        modality_scores={f"without_{name}": _numpy(look(name).scores, n) for name in left_out},
    )


def positions(model: CMHKF, n: int) -> int:
    """Rows that a window of n snippets takes: the reference looks at 256 in any case, and its padding has an effect."""
    return n if model.mask_padding else WINDOW_SNIPPETS


def has_sound(model: CMHKF, features: Features) -> bool:
    """Whether sound takes part: the model listens and there is something to hear."""
    return model.sound is not None and features.audio is not None


def hear_whole(model: CMHKF, features: Features, device: str | torch.device) -> Tensor | None:
    """F_a [N, D] of the whole clip for a model whose BiLSTM streams (E16), else None."""
    if not has_sound(model, features) or not model.sound.whole_video:  # type: ignore[union-attr]
        return None
    audio = torch.from_numpy(features.audio)[None].to(device)  # type: ignore[arg-type]
    return model.sound.encode(audio, torch.tensor([audio.shape[1]]))[0]  # type: ignore[union-attr]


def _numpy(values: Tensor, n: int) -> np.ndarray:
    return values[0, :n].float().cpu().numpy()
