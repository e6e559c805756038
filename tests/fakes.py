"""An analyzer for tests of the page: real clips in, made-up but valid curves out, as slow as a test wants."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from feature_files import RECIPE, write_own
from media_factory import ffmpeg, probed

from app.clips.workspace import Workspace
from app.settings import Settings
from cmhkf import Analysis, CmhkfError
from cmhkf.analysis import Growing
from cmhkf.datasets.classes import XD_CLASSES
from cmhkf.errors import DataError
from cmhkf.home import data_home
from cmhkf.media.clip import Clip
from cmhkf.progress import Progress
from cmhkf.timeline import SNIPPET_FRAMES, Timeline, n_snippets_of


class FakeAnalyzer:
    """Flagged at 20 % and 70 % of every clip, a near miss at 45 %; 10 steps of `delay_s` each.

    With `grows`, each step but the first tells what is known of so much of the clip; half of that is final. After
    the i-th it waits as long as there is a file `grows / f"{clip.name}.hold{i}"`.
    """

    recipe = RECIPE
    recipe_hash = RECIPE.hash
    classes = XD_CLASSES

    def __init__(
        self,
        *,
        trained: bool = False,
        delay_s: float = 0.0,
        error: Exception | None = None,
        model_id: str = "fake",
        grows: Path | None = None,
    ) -> None:
        self.model_id = model_id
        self.grows = grows
        self.trained = trained
        self.delay_s = delay_s
        self.error = error
        self.runs = 0
        self.closed_early = 0
        self.kept: dict[str, int] = {}  # clips whose features are cached

    def steps(self, clip: Clip, *, growing: bool = False) -> Iterator[Progress | Growing | Analysis]:
        """Progress by stage, then the Analysis."""
        self.runs += 1
        whole = made_up(clip, self)
        try:
            for i in range(10):
                time.sleep(self.delay_s)
                yield Progress("pictures" if i < 7 else "sound", i / 10 * clip.duration_s, clip.duration_s, "made up")
                if growing and self.grows and (n := i * whole.n_snippets // 10):
                    yield Growing(beginning(whole, n), n // 2)
                while self.grows and (self.grows / f"{clip.name}.hold{i}").exists():
                    time.sleep(0.05)
                    yield Progress("pictures", i / 10 * clip.duration_s, clip.duration_s)
        except GeneratorExit:
            self.closed_early += 1
            raise
        if self.error:
            raise self.error
        self.kept[clip.sha256] = whole.n_snippets
        yield whole

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
        folder = data_home() / "features" / self.recipe_hash
        folder.mkdir(parents=True, exist_ok=True)
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
    facts = {"clip": clip, "timeline": line, "classes": XD_CLASSES, "trained": analyzer.trained, "elapsed_s": 1.25}
    facts |= {"model_id": analyzer.model_id, "recipe_hash": analyzer.recipe_hash, "device": "cpu"}
    facts |= {"encoders": "made-up encoders", "score_source": "two bumps, made up for tests"}
    cues, loud = {"motion": 0.3 * scores}, {"modalities": "VT", "modality_scores": {}, "audio_level_db": None}
    if clip.has_audio:
        level_db = -20 - 30 * np.random.default_rng(1).random(n)
        loud = {"modalities": "VAT", "modality_scores": {"without_audio": 0.6 * scores}, "audio_level_db": level_db}
        cues |= {"gunshot": scores, "crowd": 0.3 * scores}
        loud |= {"audio_cues": ("gunshot", "crowd")}
    return Analysis(
        **facts | loud,
        scores=scores,
        class_probs=probs,
        alignment_scores=np.clip(1 - probs[:, 0], 0, 1),
        similarity=0.2 + 0.1 * probs + 0.005 * rng.random(probs.shape),
        top_classes=np.tile([1, 5], (len(line.windows()), 1)),
        saliency=saliency,
        windowed_saliency=np.where(scores > 0.3, saliency * 1.2, saliency),
        saliency_peaks=peaks,
        saliency_windows_s=windows,
        clip_embeddings=probs[:, 1:] + 0.05 * rng.random((n, len(XD_CLASSES) - 1)),
        fused_embeddings=probs if analyzer.trained else np.ones((n, 0)),
        cues=cues,
    )


def beginning(whole: Analysis, n: int) -> Analysis:
    """What an analysis says of the first n snippets."""
    line = Timeline(n, n * SNIPPET_FRAMES / 24)
    peaks = whole.saliency_peaks < n
    names = ("scores", "alignment_scores", "class_probs", "similarity", "saliency", "windowed_saliency")
    return replace(
        whole,
        timeline=line,
        **{name: getattr(whole, name)[:n] for name in names},
        top_classes=whole.top_classes[: len(line.windows())],
        saliency_peaks=whole.saliency_peaks[peaks],
        saliency_windows_s=whole.saliency_windows_s[peaks],
        audio_level_db=None if whole.audio_level_db is None else whole.audio_level_db[:n],
        clip_embeddings=np.zeros((n, 0)),
        fused_embeddings=np.zeros((n, 0)),
        modality_scores={},
        cues={},
        audio_cues=(),
    )


def busy_scores(n: int, seed: int) -> np.ndarray:
    """A curve that crosses every threshold many times: smoothed noise, float32 [n] from 0 to 1."""
    noise = np.convolve(np.random.default_rng(seed).random(n + 11), np.ones(12) / 12, "valid")
    return ((noise - noise.min()) / (noise.max() - noise.min())).astype(np.float32)


CUT = {"threshold": 0.5, "min_length_s": 0, "merge_gap_s": 1}  # as the page asks for segments


def refusing(model: str) -> FakeAnalyzer:
    """A factory whose model cannot be loaded."""
    raise CmhkfError(f"no weights for {model}; get them from somewhere")


def open_workspace(home, analyzer=None, **settings) -> Workspace:
    """The workspace of a home, whose model is the given analyzer."""
    made = analyzer or FakeAnalyzer()
    return Workspace(Settings(home=home, **settings), lambda model: made)


def until(condition, seconds=60.0):
    """What the condition gives, as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "in vain"
        time.sleep(0.005)
    return found


def wait(job, seconds=20.0):
    """The job, when it is over."""
    until(lambda: job.over, seconds)
    return job


def brought(workspace, file, name="corridor.mp4", *, move=False) -> str:
    """Keep a file in the library; returns its SHA-256."""
    return workspace.add(probed(file), name, move=move).sha256


def analysed(workspace, file, name="corridor.mp4", *, move=False) -> str:
    """Keep a file in the library and analyse it; returns the id of the analysis."""
    job = wait(workspace.analyse(brought(workspace, file, name, move=move)))
    assert job.state == "done", job.error
    return job.result


def uploaded(name, content) -> Path:
    """A file as an upload of the page leaves it."""
    from gradio.utils import get_upload_folder

    path = Path(get_upload_folder()) / "test-of-the-page" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def file_at(url) -> Path:
    """The file behind an address that the page was given."""
    return Path(unquote(url.removeprefix("gradio_api/file=")))


def curves_at(url) -> dict:
    """The curves in the file behind an address, read as its description says."""
    data = file_at(url).read_bytes()
    begin = 4 + int.from_bytes(data[:4], "little")
    curves = json.loads(data[4:begin])
    unit, n = curves.pop("unit"), curves.pop("n")
    for name, count, size in curves.pop("rows"):
        end = begin + n * size * (count or 1)
        rows = [[v / unit for v in row] for row in np.frombuffer(data[begin:end], f"<i{size}").reshape(-1, n).tolist()]
        curves[name] = rows[0] if count is None else rows
        begin = end
    assert begin == len(data)
    return curves


def make_video(path, *, seconds=4, size="192x108", rate=24, sound=True, codec="libx264", options=()):
    """A moving test picture with a tone, written by ffmpeg; its name is in it, so that no other has its content."""
    tone = ["-f lavfi -i", f"sine=440:duration={seconds}", "-c:a aac"] if sound else []
    picture = f"testsrc2=size={size}:rate={rate}:duration={seconds}"
    codec = "-c:v libx264 -preset ultrafast" if codec == "libx264" else f"-c:v {codec}"
    title = ["-metadata", f"title={path.name}"]
    ffmpeg("-f lavfi -i", picture, *tone, codec, "-pix_fmt yuv420p -g 24", *title, *options, path)
    return path
