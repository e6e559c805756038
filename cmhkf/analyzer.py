"""From a clip to an Analysis: features, then the model or, where none is trained, what the encoders alone can say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cmhkf.analysis import Analysis, Growing
from cmhkf.encoders.load import load_encoders
from cmhkf.encoders.protocols import Encoders
from cmhkf.errors import CheckpointError, RecipeMismatch
from cmhkf.features.cache import limit_bytes
from cmhkf.features.extract import Features, Part, cached_semantic, extract, kept_file
from cmhkf.features.recipe import needs_crops, recipe_of
from cmhkf.files import FileRows
from cmhkf.home import data_home
from cmhkf.media.clip import Clip, probe
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import Checkpoint, load_checkpoint
from cmhkf.model.config import ModelConfig
from cmhkf.model.cvka import similarity
from cmhkf.model.run import NORMAL_FOOTAGE, Scored, joined, run, run_untrained
from cmhkf.model.trained_on import learned_from
from cmhkf.presets import PRESETS, checkpoint_path
from cmhkf.progress import Progress
from cmhkf.settings import picked
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES, WINDOW_SNIPPETS, Grid, Timeline, split_windows

EMBEDDING_DIM = 512


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
        kind = "clip" if dict(checkpoint.recipe.video)["name"].startswith("CLIP") else "demo"
        crops = needs_crops(checkpoint.recipe)
        encoders = load_encoders(kind, audio=checkpoint.config.listens, device=device, crops=crops)
        return Analyzer(encoders, checkpoint.config, name=checkpoint.name, checkpoint=checkpoint)
    assert preset
    if preset.needs_checkpoint:
        raise CheckpointError(
            f"the preset {spec!r} needs your own trained checkpoint: put it at "
            f"{data_home() / 'checkpoints' / f'{spec}.safetensors'}, or pass its path. "
            "Untrained, the preset 'zero-shot' uses the same picture and text encoders."
        )
    encoders = load_encoders(preset.encoders, audio=preset.model.listens, device=device)
    return Analyzer(encoders, preset.model, name=spec, grid=grid)


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
        """Raises RecipeMismatch when the checkpoint was trained on features of another recipe.

        Raises ConfigError when the environment gives the cache a limit that is no number.
        """
        limit_bytes()
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
        """What a score of 0.5 means, as the checkpoint states it, and whether its figures are optimistic."""
        if not self.checkpoint:
            return ""
        stated = str(self.checkpoint.metrics.get("calibration", ""))
        return "; ".join(text for text in (stated, self.checkpoint.optimistic) if text)

    def _normal(self) -> dict[str, Any]:
        """What normal footage looks like to the model, as its checkpoint states it."""
        if not (self.checkpoint and (stated := self.checkpoint.metrics.get(NORMAL_FOOTAGE))):
            return {}
        return {"normal_similarity": np.array(stated["similarity"]), "normal_saliency": stated["saliency"]}

    def _calibration_for(self, name: str) -> str:
        """The same, and whether the model has learned from a clip of this name."""
        if not (self.checkpoint and learned_from(self.checkpoint, [name])):
            return self.calibration
        note = "the model was trained on a clip of this name, so its scores here say little"
        return "; ".join(filter(None, [self.calibration, note]))

    def told_of(self, analysis: Analysis, *, path: str, name: str) -> Analysis:
        """An analysis by this model, told of another file with the same content."""
        clip = replace(analysis.clip, path=path, name=name)
        return replace(analysis, clip=clip, calibration=self._calibration_for(name))

    @property
    def recipe_hash(self) -> str:
        """Names the features this analyzer makes and reads."""
        return self.recipe.hash

    def steps(self, clip: Clip | str | Path, *, growing: bool = False) -> Iterator[Progress | Growing | Analysis]:
        """Yield the progress of an analysis and, last, the Analysis. Closing the iterator stops the work.

        A `Clip` is taken as it was probed. With `growing`, what is known so far is yielded now and then while the
        frames are read; the Analysis does not depend on it. Raises MediaError when the clip cannot be read.
        """
        begun = time.perf_counter()
        yield Progress("reading", 0, 1)
        clip = clip if isinstance(clip, Clip) else probe(clip)
        growth = Growth(self, begun=begun)
        for step in extract(clip, self.encoders, self.recipe, cache_dir=self.cache_dir, parts=growing):
            if isinstance(step, Progress):
                yield step
            elif isinstance(step, Part):
                yield growth.take(step)
            else:
                yield Progress("model", 0, 1)
                yield self.analyze_features(step, begun=begun)

    def analyze(self, clip: Clip | str | Path, on_progress: Callable[[Progress], None] | None = None) -> Analysis:
        """Analyse one clip of any length; `on_progress` is called as the stages go on. Raises MediaError."""
        result = None
        for result in self.steps(clip):
            if on_progress and isinstance(result, Progress):
                on_progress(result)
        assert isinstance(result, Analysis)
        return result

    def compare(self, sha256: str, texts: Sequence[str]) -> np.ndarray:
        """Raw cosine (Eq. 1) of an analysed clip's snippets with any texts, [N, T], from its cached features.

        No frame is looked at again and no trained head takes part. Raises DataError when the features are gone.
        """
        rows = torch.from_numpy(cached_semantic(self.cache_dir, self.recipe_hash, sha256))
        return similarity(rows[None], torch.from_numpy(self.encoders.text.encode(texts)))[0].numpy()

    def features_file(self, sha256: str) -> Path:
        """Where an analysed clip's features are cached. Raises DataError when they are gone."""
        return kept_file(self.cache_dir, self.recipe_hash, sha256)

    def score(self, features: Features, *, what_if: bool = True) -> Scored:
        """Put features through the trained model, or through what needs none."""
        if self.model:
            return run(self.model, self.text, features, what_if=what_if)
        scored = run_untrained(self.config, self.text, features.semantic, tau=self.encoders.tau)
        return self._by_cues(scored, features) if self.encoders.cue_score else scored

    def _by_cues(self, scored: Scored, features: Features) -> Scored:
        """Let the encoders' named cues make the untrained score, with and without those that come from audio."""
        assert self.encoders.cue_score
        rows = np.asarray(features.video)
        everything = self.encoders.cue_score(rows, features.cues)
        if features.audio is None:
            return replace(scored, scores=everything)
        sights = {name: cue for name, cue in features.cues.items() if name not in self.encoders.audio_cues}
        without_audio = self.encoders.cue_score(rows, sights)
        return replace(scored, scores=everything, modality_scores={"without_audio": without_audio})

    def cues_of(self, features: Features) -> dict[str, np.ndarray]:
        """The named cues, those that the audio rows tell in place of what was kept of them."""
        hear, names = self.encoders.hear, self.encoders.audio_cues
        if hear is None:
            return dict(features.cues)
        kept = {name: cue for name, cue in features.cues.items() if name not in names}
        if features.audio is None:
            return kept
        line = features.timeline
        heard = [hear(features.audio[window], line.ends_s[window]) for window in line.windows()]
        return kept | {name: np.concatenate([part[name] for part in heard]) for name in heard[0]}

    def _used(self, features: Features) -> str:
        """The modalities that took part in this clip's scores."""
        has_audio = features.audio is not None and self.config.listens
        return "V" + ("A" if has_audio else "") + ("T" if "T" in self.config.modalities else "")

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
        features = replace(features, cues=self.cues_of(features))
        scored, embeddings = self.score(features), to_512(features.video)
        for wide in (scored.fused_embeddings, embeddings):
            wide.setflags(write=False)  # no copy is made of them
        return self.told(features, scored, embeddings, begun=begun)

    def told(self, features: Features, scored: Scored, embeddings: np.ndarray, *, begun: float) -> Analysis:
        """What was scored of a clip's features, as an Analysis."""
        line = features.timeline
        return Analysis(
            timeline=line,
            encoders=self.encoders.name,
            modalities=self._used(features),
            device=self.encoders.video.device,
            elapsed_s=time.perf_counter() - begun,
            **vars(scored),
            **self._normal(),
            **picked(self, "classes", "model_id", "recipe_hash", "trained", "score_source"),
            **picked(features, "clip", "cues", "audio_level_db"),
            audio_cues=tuple(name for name in features.cues if name in self.encoders.audio_cues),
            saliency_windows_s=windows_s(line, scored.saliency_peaks, max(self.config.afae.w, 0)),
            clip_embeddings=embeddings,
            calibration=self._calibration_for(features.clip.name),
            least_share=self.config.least_share,
            unseen_s=features.unseen,
            declared_duration_s=features.clip.declared_duration_s,
        )


class Growth:
    """What an analyzer says of a clip while it is read. Each window is scored again until it is complete, then kept."""

    def __init__(self, analyzer: Analyzer, *, begun: float) -> None:
        self._analyzer, self._begun = analyzer, begun
        self._scored: list[Scored] = []
        self._levels: list[np.ndarray | None] = []
        # An untrained score by cues looks at the whole clip.
        self._settles = analyzer.trained or not analyzer.encoders.cue_score

    def take(self, part: Part) -> Growing:
        """Put the newest of a window to what is known."""
        analyzer, at, n = self._analyzer, part.first // WINDOW_SNIPPETS, part.features.timeline.n_snippets
        scored = analyzer.score(replace(part.features, cues=analyzer.cues_of(part.features)), what_if=False)
        self._scored[at:] = [replace(scored, fused_embeddings=np.zeros((n, 0), np.float32), modality_scores={})]
        self._levels[at:] = [part.features.audio_level_db]
        scored, levels = joined(self._scored), [level for level in self._levels if level is not None]
        line = Timeline(part.first + n, float((part.first + n) * SNIPPET_FRAMES / GRID_RATE))
        level_db = np.concatenate(levels) if levels else None
        features = replace(part.features, timeline=line, audio_level_db=level_db, cues={})
        analysis = analyzer.told(features, scored, scored.fused_embeddings, begun=self._begun)
        n_final = part.first + (n if n == WINDOW_SNIPPETS else 0)
        return Growing(analysis, n_final if self._settles else 0)


def windows_s(line: Timeline, peaks: np.ndarray, w: int) -> np.ndarray:
    """Start and end [P, 2] of the saliency window round each peak, which never leaves its window of the model."""
    first = peaks // WINDOW_SNIPPETS * WINDOW_SNIPPETS
    last = np.minimum(first + WINDOW_SNIPPETS, line.n_snippets) - 1
    starts, ends = line.times_s[np.maximum(peaks - w, first)], line.ends_s[np.minimum(peaks + w, last)]
    return np.stack([starts, ends], axis=1)


def to_512(rows: np.ndarray | FileRows) -> np.ndarray:
    """Rows [N, D_v] as [N, 512]: CLIP's as they are, wider ones by a fixed random projection that keeps distances.

    Johnson-Lindenstrauss: with 512 columns, distances keep to about 10 %. For looking at, not for the model.
    """
    if rows.shape[1] == EMBEDDING_DIM:
        return np.array(rows)
    random = np.random.default_rng(0).standard_normal((rows.shape[1], EMBEDDING_DIM), np.float32)
    random /= np.sqrt(EMBEDDING_DIM, dtype=np.float32)
    short = np.empty((len(rows), EMBEDDING_DIM), np.float32)
    for window in split_windows(len(rows)):
        # As many rows as there are, for one row by itself is multiplied in another way, and rounded differently.
        first = max(0, window.stop - WINDOW_SNIPPETS)
        short[first : window.stop] = rows[first : window.stop] @ random
    return short
