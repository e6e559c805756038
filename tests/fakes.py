"""An analyzer for tests of the page: real clips in, made-up but valid curves out, as slow as a test wants."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from feature_files import RECIPE, write_own
from media_factory import ffmpeg

from cmhkf import Analysis, CmhkfError
from cmhkf.config import XD_CLASSES
from cmhkf.errors import DataError
from cmhkf.features import Progress
from cmhkf.media import probe
from cmhkf.timeline import SNIPPET_FRAMES, Timeline, n_snippets_of


class FakeAnalyzer:
    """Flagged at 20 % and 70 % of every clip, a near miss at 45 %; 10 steps of `delay_s` each."""

    recipe = RECIPE
    recipe_hash = RECIPE.hash
    classes = XD_CLASSES

    def __init__(
        self, *, trained: bool = False, delay_s: float = 0.0, error: Exception | None = None, model_id: str = "fake"
    ) -> None:
        self.model_id = model_id
        self.trained = trained
        self.delay_s = delay_s
        self.error = error
        self.runs = 0
        self.closed_early = 0
        self.kept: dict[str, int] = {}  # clips whose features are cached

    def steps(self, path: str) -> Iterator[Progress | Analysis]:
        """Progress by stage, then the Analysis."""
        self.runs += 1
        clip = probe(path)
        try:
            for i in range(10):
                time.sleep(self.delay_s)
                yield Progress("pictures" if i < 7 else "sound", i / 10 * clip.duration_s, clip.duration_s, "made up")
        except GeneratorExit:
            self.closed_early += 1
            raise
        if self.error:
            raise self.error
        analysis = made_up(clip, self)
        self.kept[clip.sha256] = analysis.n_snippets
        yield analysis

    def compare(self, sha256: str, texts) -> np.ndarray:
        """Similar to the c-th text where a bump stands at (c + 1) / (C + 1) of the clip."""
        if sha256 not in self.kept:
            raise DataError(f"the features of clip {sha256[:12]} are not kept any more; open it again")
        n = self.kept[sha256]
        at = (np.arange(n) + 0.5)[:, None] / n
        return 0.1 + 0.2 * np.exp(-(((at - (np.arange(len(texts)) + 1) / (len(texts) + 1)) / 0.1) ** 2))

    def features_file(self, sha256: str) -> Path:
        """Rows of noise."""
        if sha256 not in self.kept:
            raise DataError(f"the features of clip {sha256[:12]} are not kept any more; open it again")
        folder = Path(tempfile.mkdtemp(prefix="features-"))
        return write_own(folder, sha256, self.kept[sha256]) / f"{sha256}__0.npz"


BUMPS = ((1, 0.2, 0.04, 0.86), (5, 0.7, 0.06, 0.97), (3, 0.45, 0.03, 0.44))  # class, middle, half width, height


def made_up(clip, analyzer, bumps=BUMPS) -> Analysis:
    n = n_snippets_of(int(clip.duration_s * 24))
    line = Timeline(n, max(clip.duration_s, SNIPPET_FRAMES / 24))
    x = (np.arange(n) + 0.5) / n
    rng = np.random.default_rng(int(clip.sha256[:8], 16))
    heights = [(c, top * np.clip(2 - abs(x - at) / wide, 0, 1)) for c, at, wide, top in bumps]
    scores = np.clip(np.max([height for _, height in heights], axis=0) + 0.02 * rng.random(n), 0, 1)
    probs = 0.02 + 0.02 * rng.random((n, len(XD_CLASSES)))
    for c, height in heights:
        probs[:, c] += height
    probs[:, 0] += 1 - scores
    probs /= probs.sum(1, keepdims=True)
    saliency = 0.6 + 1.6 * scores + 0.2 * rng.random(n)
    saliency *= n / saliency.sum()
    peaks = np.array([int(0.2 * n), int(0.7 * n)])
    windows = np.clip(np.stack([peaks - 2, peaks + 3], axis=1) * line.snippet_s, 0, line.duration_s)
    return Analysis(
        clip=clip, timeline=line, classes=XD_CLASSES, model_id=analyzer.model_id, recipe_hash=analyzer.recipe_hash,
        encoders="made-up encoders", trained=analyzer.trained, score_source="two bumps, made up for tests",
        modalities="VAT" if clip.has_audio else "VT", device="cpu", elapsed_s=1.25, scores=scores,
        alignment_scores=np.clip(1 - probs[:, 0], 0, 1), class_probs=probs,
        similarity=0.2 + 0.1 * probs + 0.005 * rng.random(probs.shape),
        top_classes=np.tile([1, 5], (len(line.windows()), 1)), saliency=saliency,
        windowed_saliency=np.where(scores > 0.3, saliency * 1.2, saliency), saliency_peaks=peaks,
        saliency_windows_s=windows, clip_embeddings=probs[:, 1:] + 0.05 * rng.random((n, len(XD_CLASSES) - 1)),
        fused_embeddings=probs if analyzer.trained else np.ones((n, 0)),
        modality_scores={"without_audio": 0.6 * scores} if clip.has_audio else {}, cues={"motion": 0.3 * scores},
        audio_level_db=-20 - 30 * rng.random(n) if clip.has_audio else None,
    )  # fmt: skip


def busy_scores(n: int, seed: int) -> np.ndarray:
    """A curve that crosses every threshold many times: smoothed noise, float32 [n] from 0 to 1."""
    noise = np.convolve(np.random.default_rng(seed).random(n + 11), np.ones(12) / 12, "valid")
    return ((noise - noise.min()) / (noise.max() - noise.min())).astype(np.float32)


def refusing(model: str) -> FakeAnalyzer:
    """A factory whose model cannot be loaded."""
    raise CmhkfError(f"no weights for {model}; get them from somewhere")


def make_video(path, *, seconds=4, size="192x108", rate=24, sound=True, codec="libx264", options=()):
    """A moving test picture with a tone, written by ffmpeg."""
    tone = ["-f", "lavfi", "-i", f"sine=440:duration={seconds}", "-c:a", "aac"] if sound else []
    picture = f"testsrc2=size={size}:rate={rate}:duration={seconds}"
    ffmpeg("-f", "lavfi", "-i", picture, *tone, "-c:v", codec, "-pix_fmt", "yuv420p", "-g", "24", *options, path)
    return path
