"""Small Analysis values for tests."""

from fractions import Fraction

import numpy as np

from cmhkf import Analysis
from cmhkf.media.clip import Clip
from cmhkf.timeline import Timeline

CLASSES = ("normal", "fighting", "explosion")


FILE = {"path": "clip.mp4", "name": "clip.mp4", "sha256": "ab" * 32, "size_bytes": 1, "container": "mov,mp4"}
FILE |= {"video_codec": "h264", "audio_codec": "aac", "has_audio": True, "duration_s": 10.0}
FILE |= {"width_px": 320, "height_px": 180, "rotation_deg": 0, "pixel_aspect": Fraction(1)}
MADE_BY = {"model_id": "test", "recipe_hash": "0" * 16, "encoders": "fake", "trained": False, "score_source": "given"}
MADE_BY |= {"modalities": "VAT", "device": "cpu", "elapsed_s": 0.1, "classes": CLASSES}


def make_clip(**changes) -> Clip:
    return Clip(**FILE | {"native_rate": Fraction(30000, 1001)} | changes)


def make_analysis(scores, *, duration_s=None, class_probs=None, **changes) -> Analysis:
    """An Analysis whose headline scores are given; everything else is plain."""
    scores = np.asarray(scores, np.float32)
    n = len(scores)
    if class_probs is None:
        class_probs = np.stack([1 - scores, 0.75 * scores, 0.25 * scores], axis=1)
    line = Timeline(n, duration_s or n * 2 / 3)
    values = MADE_BY | {"clip": make_clip(), "timeline": line, "class_probs": class_probs}
    values |= {"scores": scores, "alignment_scores": scores, "modality_scores": {"without_audio": scores / 2}}
    values |= {"saliency": np.ones(n), "windowed_saliency": np.ones(n), "saliency_peaks": np.array([0])}
    values |= {"similarity": np.zeros((n, 3)), "top_classes": np.zeros((len(line.windows()), 2), int)}
    values |= {"clip_embeddings": np.ones((n, 4)), "fused_embeddings": np.ones((n, 0)), "cues": {"motion": scores}}
    values |= {"saliency_windows_s": np.array([[0.0, 1.0]]), "audio_level_db": np.full(n, -30.0)}
    return Analysis(**values | changes)
