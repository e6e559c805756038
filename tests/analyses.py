"""Small Analysis values for tests."""

from fractions import Fraction

import numpy as np

from cmhkf import Analysis
from cmhkf.media import Clip
from cmhkf.timeline import Timeline

CLASSES = ("normal", "fighting", "explosion")


def make_clip(**changes) -> Clip:
    values = {
        "path": "clip.mp4", "name": "clip.mp4", "sha256": "ab" * 32, "size_bytes": 1, "container": "mov,mp4",
        "video_codec": "h264", "width_px": 320, "height_px": 180, "native_rate": Fraction(30000, 1001),
        "duration_s": 10.0, "rotation_deg": 0, "pixel_aspect": Fraction(1), "has_audio": True, "audio_codec": "aac",
    }  # fmt: skip
    return Clip(**values | changes)


def make_analysis(scores, *, duration_s=None, class_probs=None, **changes) -> Analysis:
    """An Analysis whose headline scores are given; everything else is plain."""
    scores = np.asarray(scores, np.float32)
    n = len(scores)
    if class_probs is None:
        class_probs = np.stack([1 - scores, 0.75 * scores, 0.25 * scores], axis=1)
    line = Timeline(n, duration_s or n * 2 / 3)
    values = {
        "clip": make_clip(), "timeline": line, "classes": CLASSES, "model_id": "test", "recipe_hash": "0" * 16,
        "encoders": "fake", "trained": False, "score_source": "given", "modalities": "VAT", "device": "cpu",
        "elapsed_s": 0.1, "scores": scores, "alignment_scores": scores, "class_probs": class_probs,
        "similarity": np.zeros((n, 3)), "top_classes": np.zeros((len(line.windows()), 2), int),
        "saliency": np.ones(n), "windowed_saliency": np.ones(n), "saliency_peaks": np.array([0]),
        "saliency_windows_s": np.array([[0.0, 1.0]]), "clip_embeddings": np.ones((n, 4)),
        "fused_embeddings": np.ones((n, 0)), "modality_scores": {"without_audio": scores / 2},
        "cues": {"motion": scores}, "audio_level_db": np.full(n, -30.0),
    }  # fmt: skip
    return Analysis(**values | changes)
