"""From a clip to an Analysis: features, then the model or, where none is trained, what the encoders alone can say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from cmhkf.analysis import Analysis
from cmhkf.checkpoint import Checkpoint, load_checkpoint
from cmhkf.config import PRESETS, ModelConfig, Recipe
from cmhkf.crops import asks_for_crops, in_crops
from cmhkf.cvka import similarity
from cmhkf.encoders import NO_ENCODER, Encoders
from cmhkf.errors import CheckpointError, RecipeMismatch
from cmhkf.features import Features, Progress, cached_semantic, extract, kept_file
from cmhkf.home import data_home
from cmhkf.media import probe
from cmhkf.model import build_model
from cmhkf.scoring import Scored, hear_whole, trained, untrained
from cmhkf.timeline import WINDOW_SNIPPETS, Grid, Timeline

EMBEDDING_DIM = 512
HUB_FILE = "model.safetensors"
CLIP_TAU = 0.01  # 1 / CLIP's learned logit scale, which stops at 100
SHIPPED = Path(__file__).parents[1] / "checkpoints"


def load(spec: str = "demo", *, device: str = "auto", grid: Grid = "24fps") -> Analyzer:
    """Load a preset, a checkpoint file, or "hf:owner/repo", with the encoders it was made for.

    `grid` is for presets without a checkpoint, which brings its own: "24fps", or "native" for the file's own frames.

    Raises:
        CheckpointError: no such preset or file, a bad file, or a preset that needs a checkpoint and finds none.
        WeightsError: an encoder's weights are not here and cannot be fetched.
    """
    preset = PRESETS.get(spec)
    path = checkpoint_path(spec)
    if path is not None:
        checkpoint = load_checkpoint(path)
        encoders = load_encoders(
            _kind(checkpoint.recipe), checkpoint.config, device=device, crops=asks_for_crops(checkpoint.recipe)
        )
        return Analyzer(encoders, checkpoint.config, name=checkpoint.name, checkpoint=checkpoint)
    assert preset
    if preset.needs_checkpoint:
        raise CheckpointError(
            f"the preset {spec!r} needs your own trained checkpoint: put it at "
            f"{data_home() / 'checkpoints' / f'{spec}.safetensors'}, or pass its path. "
            "Untrained, the preset 'zero-shot' uses the same picture and text encoders."
        )
    encoders = load_encoders(preset.encoders, preset.model, device=device)
    return Analyzer(encoders, preset.model, name=spec, grid=grid)


def checkpoint_path(spec: str) -> Path | None:
    """The file that `load` would read; None for a preset without one. Raises CheckpointError as `load` does."""
    return find_checkpoint(spec) if spec in PRESETS else _locate(spec)


def load_head(spec: str) -> Checkpoint:
    """The checkpoint of a preset, a file or "hf:owner/repo", without its encoders. Raises CheckpointError."""
    if (path := checkpoint_path(spec)) is None:
        raise CheckpointError(f"the preset {spec!r} has no checkpoint here; train one first, or name a checkpoint file")
    return load_checkpoint(path)


def find_checkpoint(preset: str) -> Path | None:
    """The preset's checkpoint in the data home or among those shipped; the user's own comes first."""
    if not PRESETS[preset].uses_checkpoint:
        return None
    for folder in (data_home() / "checkpoints", SHIPPED):
        if (path := folder / f"{preset}.safetensors").exists():
            return path
    return None


def _locate(spec: str) -> Path:
    """A checkpoint file, or "hf:owner/repo"'s model.safetensors through the Hub's cache."""
    if not spec.startswith("hf:"):
        if (path := Path(spec).expanduser()).is_file():
            return path
        raise CheckpointError(f"{spec!r} is neither a preset ({', '.join(PRESETS)}) nor a checkpoint file")
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    from cmhkf.encoders.weights import hub_url, offline_reason

    repo = spec.removeprefix("hf:")
    try:
        if reason := offline_reason(hub_url(repo, "main", HUB_FILE)):
            cached = try_to_load_from_cache(repo, HUB_FILE)
            if not isinstance(cached, str):
                raise OSError(f"not in its cache, and {reason}")
            return Path(cached)
        return Path(hf_hub_download(repo, HUB_FILE, etag_timeout=5))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"{HUB_FILE} of {repo!r} cannot be had from the Hub ({error}); "
            "check the name and the network, or download it by hand and pass its path"
        ) from error


def _kind(recipe: Recipe) -> Literal["clip", "embedded"]:
    return "clip" if dict(recipe.video)["name"].startswith("CLIP") else "embedded"


def load_encoders(
    kind: Literal["clip", "embedded"], config: ModelConfig, *, device: str = "auto", crops: bool = False
) -> Encoders:
    """The encoders that a config has a use for: no sound encoder where it does not listen.

    With `crops` they look at crops of a stretched picture, as the data sets' features were made (C.1).

    Raises:
        WeightsError: an encoder's weights are not here and cannot be fetched.
    """
    listens = "A" in config.modalities
    if kind == "embedded":
        from cmhkf.encoders.embedded import load_embedded

        encoders = load_embedded(device)
        encoders = encoders if listens else replace(encoders, audio=None)
    else:
        encoders = _load_clip_encoders(device, listens=listens)
    return in_crops(encoders) if crops else encoders


def _load_clip_encoders(device: str, *, listens: bool) -> Encoders:
    from cmhkf.encoders.clip import load_clip

    video, text, _ = load_clip(device=device)
    if not listens:
        return Encoders("CLIP ViT-B/16", video, text, None, tau=CLIP_TAU)
    from cmhkf.encoders.vggish import load_vggish

    return Encoders("CLIP ViT-B/16 + VGGish", video, text, load_vggish(device=device), tau=CLIP_TAU)


def recipe_of(encoders: Encoders, grid: Grid) -> Recipe:
    """How these encoders make features."""
    audio = encoders.audio.identity if encoders.audio else NO_ENCODER
    return Recipe(encoders.video.identity, encoders.text.identity, audio, grid=grid)


class Analyzer:
    """A set of encoders and, when there is one, a trained head. Not for use from several threads at once."""

    def __init__(
        self,
        encoders: Encoders,
        config: ModelConfig,
        *,
        name: str,
        checkpoint: Checkpoint | None = None,
        grid: Grid = "24fps",
        cache_dir: Path | None = None,
    ) -> None:
        """Raises RecipeMismatch when the checkpoint was trained on features of another recipe."""
        self.recipe = recipe_of(encoders, checkpoint.recipe.grid if checkpoint else grid)
        self.encoders, self.checkpoint = encoders, checkpoint
        self.config = checkpoint.config if checkpoint else config
        self.classes = self.config.classes
        self.cache_dir = cache_dir or data_home() / "features"
        self.model_id, self.model = name, None
        if checkpoint:
            checkpoint.require_recipe(self.recipe)
            device = encoders.video.device
            self.model = build_model(checkpoint.config).to(device).eval()
            self.model.load_state_dict(checkpoint.state)
            self.text = torch.from_numpy(checkpoint.text_features).to(device)
            self.model_id = f"{name}@{checkpoint.sha256[:12]}"
        else:
            self.text = torch.from_numpy(encoders.text.encode(self.classes))

    @property
    def trained(self) -> bool:
        """Whether a trained head takes part in the scores."""
        return self.checkpoint is not None

    @property
    def score_source(self) -> str:
        """What the headline score is, in words for people."""
        if self.trained:
            return "trained classifier"
        return "named cues, untrained" if self.encoders.cue_score else "1 - P(normal), untrained"

    @property
    def calibration(self) -> str:
        """What a score of 0.5 means, as the checkpoint states it."""
        return str(self.checkpoint.metrics.get("calibration", "")) if self.checkpoint else ""

    @property
    def recipe_hash(self) -> str:
        """Names the features this analyzer makes and reads."""
        return self.recipe.hash

    def steps(self, path: str | Path) -> Iterator[Progress | Analysis]:
        """Yield the progress of an analysis and, last, the Analysis. Closing the iterator stops the work.

        Raises MediaError when the clip cannot be read.
        """
        begun = time.perf_counter()
        yield Progress("reading", 0, 1)
        clip = probe(path)
        for step in extract(clip, self.encoders, self.recipe, cache_dir=self.cache_dir):
            if isinstance(step, Progress):
                yield step
            else:
                yield Progress("model", 0, 1)
                yield self.analyze_features(step, begun=begun)

    def analyze(self, path: str | Path, on_progress: Callable[[Progress], None] | None = None) -> Analysis:
        """Analyse one clip of any length; `on_progress` is called as the stages go on. Raises MediaError."""
        result = None
        for result in self.steps(path):
            if on_progress and isinstance(result, Progress):
                on_progress(result)
        assert isinstance(result, Analysis)
        return result

    def compare(self, sha256: str, texts: Sequence[str]) -> np.ndarray:
        """Raw cosine (Eq. 1) of an analysed clip's snippets with any texts, [N, T], from its cached features.

        No picture is looked at again and no trained head takes part. Raises DataError when the features are gone.
        """
        rows = torch.from_numpy(cached_semantic(self.cache_dir, self.recipe_hash, sha256))
        return similarity(rows[None], torch.from_numpy(self.encoders.text.encode(texts)))[0].numpy()

    def features_file(self, sha256: str) -> Path:
        """Where an analysed clip's features are cached. Raises DataError when they are gone."""
        return kept_file(self.cache_dir, self.recipe_hash, sha256)

    def _score(self, features: Features) -> Scored:
        """Put a clip's features through the trained model, or through what needs none, window by window."""
        with torch.inference_mode():
            windows = features.timeline.windows()
            if self.model:
                heard = hear_whole(self.model, features, self.text.device)
                return Scored.join([trained(self.model, features, w, self.text, heard) for w in windows])
            tau = self.encoders.tau
            scored = Scored.join([untrained(features, w, self.text, self.config, tau=tau) for w in windows])
        return self._by_cues(scored, features) if self.encoders.cue_score else scored

    def _by_cues(self, scored: Scored, features: Features) -> Scored:
        """Let the encoders' named cues make the untrained score, with and without those that come from sound."""
        assert self.encoders.cue_score
        everything = self.encoders.cue_score(features.video, features.cues)
        if features.audio is None:
            return replace(scored, scores=everything)
        sights = {name: cue for name, cue in features.cues.items() if name not in self.encoders.sound_cues}
        without_audio = self.encoders.cue_score(features.video, sights)
        return replace(scored, scores=everything, modality_scores={"without_audio": without_audio})

    def _used(self, features: Features) -> str:
        """The modalities that took part in this clip's scores."""
        heard = features.audio is not None and "A" in self.config.modalities
        return "V" + ("A" if heard else "") + ("T" if "T" in self.config.modalities else "")

    def analyze_features(self, features: Features, *, begun: float | None = None) -> Analysis:
        """Analyse features made by `extract` with this recipe; `begun` is when the work on the clip began.

        Raises RecipeMismatch for features made in another way.
        """
        if features.recipe_hash != self.recipe_hash:
            raise RecipeMismatch(
                f"the features of {features.clip.name} were made by recipe {features.recipe_hash}, "
                f"but {self.model_id!r} reads those of {self.recipe.describe()}; extract them anew"
            )
        begun = time.perf_counter() if begun is None else begun
        scored, line = self._score(features), features.timeline
        peaks = np.flatnonzero(scored.peaks)
        return Analysis(
            clip=features.clip, timeline=line, classes=self.classes, model_id=self.model_id,
            recipe_hash=self.recipe_hash, encoders=self.encoders.name, trained=self.trained,
            score_source=self.score_source, modalities=self._used(features), device=self.encoders.video.device,
            elapsed_s=time.perf_counter() - begun, scores=scored.scores,
            alignment_scores=1 - scored.class_probs[:, 0], class_probs=scored.class_probs,
            similarity=scored.similarity, top_classes=scored.top_classes, saliency=scored.saliency,
            windowed_saliency=scored.windowed_saliency, saliency_peaks=peaks,
            saliency_windows_s=_windows_s(line, peaks, max(self.config.afae.w, 0)),
            clip_embeddings=to_512(features.video), fused_embeddings=scored.fused,
            modality_scores=scored.modality_scores, cues=features.cues,
            calibration=self.calibration, audio_level_db=features.audio_level_db,
        )  # fmt: skip


def _windows_s(line: Timeline, peaks: np.ndarray, w: int) -> np.ndarray:
    """Start and end [P, 2] of the saliency window round each peak, which never leaves its window of the model."""
    first = peaks // WINDOW_SNIPPETS * WINDOW_SNIPPETS
    last = np.minimum(first + WINDOW_SNIPPETS, line.n_snippets) - 1
    starts, ends = line.times_s[np.maximum(peaks - w, first)], line.ends_s[np.minimum(peaks + w, last)]
    return np.stack([starts, ends], axis=1)


def to_512(rows: np.ndarray) -> np.ndarray:
    """Rows [N, D_v] as [N, 512]: CLIP's as they are, wider ones by a fixed random projection that keeps distances.

    Johnson-Lindenstrauss: with 512 columns, distances keep to about 10 %. For looking at, not for the model.
    """
    if rows.shape[1] == EMBEDDING_DIM:
        return rows
    random = np.random.default_rng(0).standard_normal((rows.shape[1], EMBEDDING_DIM), np.float32)
    return rows @ (random / np.sqrt(EMBEDDING_DIM, dtype=np.float32))
