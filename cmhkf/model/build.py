"""The one reader of `ModelConfig`: the model that a config describes."""

from functools import partial

from torch import nn

from cmhkf.model import afae, cvka, mkaf
from cmhkf.model.baselines.avadclip import AvadClip
from cmhkf.model.baselines.hl_net import HlNet
from cmhkf.model.baselines.macil_sd import MacilSd
from cmhkf.model.baselines.rtfm import Rtfm
from cmhkf.model.baselines.ur_dmu import UrDmu
from cmhkf.model.cmhkf import CMHKF, Classifier, FineBranch
from cmhkf.model.config import Init, MkafConfig, ModelConfig
from cmhkf.model.layers import Attention
from cmhkf.model.mil import MilRanking
from cmhkf.model.temporal import GlobalGcn, LocalEncoder, TemporalEncoder

Model = CMHKF | MilRanking | Rtfm | UrDmu | HlNet | MacilSd | AvadClip
"""What a config may describe: all have the same `forward`."""


def fresh_model(config: ModelConfig, init: Init) -> Model:
    """`build_model` with the start of the attention layers that is requested; everything else starts as C.4 to C.7."""
    model = build_model(config)
    if init == "multihead":
        for layer in model.modules():
            if isinstance(layer, Attention):
                layer.begin_as_multihead()
    return model


def build_model(config: ModelConfig) -> Model:
    """Make the model that a config describes, with fresh weights (in training mode, on the default device).

    Where `video_dim` or `semantic_dim` differs from `dim`, a learned linear layer leads there; with CLIP there is none.
    """
    if config.architecture != "cmhkf":
        baseline = _baseline(config)
        baseline.config = config
        return baseline
    dim = config.dim
    # Without chosen texts there is no text stream, and AFAE has no source (E29, E30).
    has_text = "T" in config.modalities and config.cvka.k > 0
    has_audio = config.listens
    has_afae = has_text and not config.light  # E28
    align = partial(cvka.align, tau=config.cvka.tau, norm=config.cvka.norm, scale=config.cvka.scale)
    model = CMHKF(
        video_in=_projection(config.video_dim, dim),
        text_in=_projection(config.semantic_dim, dim),
        temporal=_temporal(config),
        has_text=has_text,
        k=config.cvka.k,
        align=None if config.light else align,
        project=partial(
            afae.project, tau=config.afae.tau, w=config.afae.w, overlap=config.afae.overlap, renorm=config.afae.renorm
        ),
        sound=afae.AudioBranch(
            config.audio_dim,
            dim,
            layer_norm=config.audio.layer_norm,
            how=config.afae.aggregate if has_afae and config.afae.aggregate != "none" else None,
        )
        if has_audio
        else None,
        fusion=_fusion(config.mkaf, dim, 1 + has_text + has_audio),
        classifier=Classifier(dim),
        fine=FineBranch(dim, weight=config.fine.weight, tau=config.fine.tau),
        probe=nn.Linear(config.video_dim, len(config.classes) - 1) if config.class_probe else None,
    )
    model.config, model.mask_padding = config, config.mask_padding
    model.operating_logit, model.temperature = config.operating_logit, config.temperature
    if config.score_probe:
        model.score_probe = nn.Linear(config.video_dim, 1)
    return model


def _baseline(config: ModelConfig) -> MilRanking | Rtfm | UrDmu | HlNet | MacilSd | AvadClip:
    match config.architecture:
        case "rtfm":
            return Rtfm(config.video_dim)
        case "ur-dmu":
            return UrDmu(config.video_dim)
        case "hl-net":
            return HlNet(config.video_dim, config.audio_dim if config.listens else 0)
        case "macil-sd":
            return MacilSd(config.video_dim, config.audio_dim)
        case "avadclip":
            return AvadClip(
                frames_in=_projection(config.video_dim, config.dim),
                texts_in=_projection(config.semantic_dim, config.dim),
                temporal=_temporal(config),
                classifier=Classifier(config.dim),
                fine=FineBranch(config.dim, weight=config.fine.weight, tau=config.fine.tau),
                dim=config.dim,
                audio_dim=config.audio_dim,
                n_classes=len(config.classes),
            )
    return MilRanking(config.video_dim)


def _temporal(config: ModelConfig) -> TemporalEncoder:
    how = config.temporal
    local = LocalEncoder(config.dim, layers=how.layers, heads=how.heads, window=how.window)
    return TemporalEncoder(local, GlobalGcn(config.dim, threshold=how.gcn_threshold))


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
