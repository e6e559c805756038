"""Tiny encoders whose rows can be predicted, in place of networks."""

import numpy as np
import open_clip
import torch

from cmhkf.encoders.protocols import AudioRows, Encoders, VideoRows
from cmhkf.media.sampling import FrameSampling

SEMANTIC = np.eye(4, dtype=np.float32)


class MeanColour:
    """Video row = mean R, G, B and their sum in 0..1, of the snippet's pictures; semantic = the same, unit length."""

    identity = (("name", "fake mean colour"),)
    video_dim = semantic_dim = 4
    device = "cpu"
    block, context = 16, 0

    def __init__(self, offsets=(8,)):
        self.sampling = FrameSampling(offsets, 16, 16)
        self.batches = []

    def start(self, frames, inner=slice(None)):
        rows = self.encode(frames, inner)
        return lambda: rows

    def encode(self, frames, inner=slice(None)):
        frames = frames[inner]
        self.batches.append(len(frames))
        rgb = frames.reshape(len(frames), -1, 3).mean(axis=1) / 255
        rows = np.concatenate([rgb, rgb.sum(axis=1, keepdims=True)], axis=1).astype(np.float32)
        norm = np.linalg.norm(rows, axis=1, keepdims=True)
        return VideoRows(rows, rows / np.maximum(norm, 1e-6), {"brightness": rows[:, 3] / 3})


class Axes:
    """Text c is the c-th unit vector."""

    identity = (("name", "fake axes"),)
    semantic_dim = 4

    def encode(self, texts):
        return SEMANTIC[np.arange(len(texts)) % 4]


class Loudness:
    """Audio row = RMS of the last second before the snippet's end, and the second's length in samples heard."""

    identity = (("name", "fake loudness"),)
    rate_hz = 8000
    context_s = 1.0
    audio_dim = 2

    def __init__(self):
        self.calls = 0

    def encode(self, waveform, start_s, ends_s):
        self.calls += 1
        rows = []
        for end in ends_s:
            stop = round((end - start_s) * self.rate_hz)
            heard = waveform[max(0, stop - self.rate_hz) : max(0, stop)]
            rows.append([np.sqrt(np.square(heard).sum() / self.rate_hz), len(heard)])
        audio = np.array(rows, np.float32)
        return AudioRows(audio, {"loud": audio[:, 0]})


def fake_encoders(**changes):
    return Encoders(**{"name": "fake", "video": MeanColour(), "text": Axes(), "audio": Loudness()} | changes)


def text_tower(layers=1):
    """CLIP with the text tower's true width and context, few layers deep, and next to no image tower."""
    torch.manual_seed(1)
    picture = {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1}
    text = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": layers}
    return open_clip.CLIP(512, picture, text, quick_gelu=True).eval()
