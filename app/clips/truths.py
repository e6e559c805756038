"""Ground truth kept beside the library: one small JSON file for each clip, and how well an analysis fits it."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from app.clips.store import Store
from cmhkf.analysis import Analysis
from cmhkf.datasets.truth import Truth, clip_metrics, frame_labels, truth_of
from cmhkf.errors import DataError

MAX_BYTES = 16_000_000  # XD-Violence's and UCF-Crime's files have less than 0.1 MB

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptTruth:
    """What an annotation file says of one clip."""

    source: str  # name of the file
    segments: list[Truth]


class TruthStore:
    """The ground truth of clips by SHA-256."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, file: Path, name: str, analysis: Analysis) -> KeptTruth:
        """Read and keep what a file says of an analysed clip; `name` is what the user calls the file.

        Raises DataError as `read_truth` does; what was kept before then stays.
        """
        if file.stat().st_size > MAX_BYTES:
            raise DataError(f"{name} has {file.stat().st_size / 1e6:.0f} MB; an annotation file has a few kilobytes")
        clip = analysis.clip
        try:
            segments = truth_of(file, analysis)
        except DataError as error:
            raise DataError(str(error).replace(str(file), name).replace(file.name, name)) from None
        truth = KeptTruth(name, segments)
        with self._store.scratch.making(self._file(clip.sha256)) as part:
            part.write_text(json.dumps(asdict(truth)), encoding="utf-8")
        return truth

    def kept(self, sha256: str) -> KeptTruth | None:
        """What is kept of a clip."""
        path = self._file(sha256)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            segments = [(float(start), float(end), str(label)) for start, end, label in values["segments"]]
            return KeptTruth(str(values["source"]), segments)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is damaged and counts as none: %s", path, error)
            return None

    def drop(self, sha256: str) -> None:
        """Forget it."""
        self._file(sha256).unlink(missing_ok=True)

    def _file(self, sha256: str) -> Path:
        return self._store.truth_dir / f"{sha256}.json"


@dataclass(frozen=True)
class Fit:
    """How well a clip's score finds its ground truth; None where that cannot be said."""

    ap: float | None = None
    auc: float | None = None
    prevalence: float | None = None
    why_not: str = ""


def fit(analysis: Analysis, truth: list[Truth]) -> Fit:
    """Frame AP and AUC of one clip, as `cmhkf.metrics` measures them, with the share of anomalous frames."""
    labels = frame_labels(truth, analysis.timeline)
    if not labels.any():
        return Fit(why_not="This clip is normal throughout, so there is nothing to find: AP and AUC do not exist.")
    if labels.all():
        return Fit(why_not="Every frame of this clip is anomalous, so AP would be 1 for any score and says nothing.")
    found = clip_metrics(analysis.scores, truth, analysis.timeline)
    return Fit(found.ap, found.auc, found.prevalence)
