"""Which videos a model has learned from, so that it is said when it is measured on one of them.

Its checkpoint keeps digests of their names, which do not spell out what they are called. Names are compared without
folder and suffix, as features are found by them.
"""

import hashlib
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from cmhkf.media.clip import VIDEO_SUFFIXES
from cmhkf.model.checkpoint import Checkpoint
from cmhkf.progress import named

# Of the checkpoint's provenance: the digests of its own training videos and of those of the model it began from
TRAINING_VIDEOS = "training_videos"


def digests(names: Iterable[str]) -> list[str]:
    """48 bits for each name, as hexadecimal digits, each once and sorted."""
    return sorted({_digest(name) for name in names})


def with_parent(names: Iterable[str], parent: Checkpoint | None) -> list[str]:
    """The digests of names, and of what the model that training began from has learned from."""
    return sorted({*digests(names), *(parent.provenance.get(TRAINING_VIDEOS, ()) if parent else ())})


def learned_from(checkpoint: Checkpoint, names: Iterable[str]) -> tuple[str, ...]:
    """Those names that are among the checkpoint's training videos, each once; none where it does not list these."""
    known = set(checkpoint.provenance.get(TRAINING_VIDEOS, ()))
    return tuple(name for name in dict.fromkeys(names) if _digest(name) in known)


def warning(checkpoint: Checkpoint, names: Collection[str]) -> str:
    """A sentence for people who measure it on videos of these names; empty unless it learned from some."""
    seen, n_videos = learned_from(checkpoint, names), len(set(names))
    if not seen:
        return ""
    return (
        f"{checkpoint.name!r} was trained on {len(seen):,} of these {n_videos:,} videos, by their names "
        f"({named(seen)}): figures on them are optimistic"
    )


def _digest(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    stem = path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name
    return hashlib.sha256(stem.encode(errors="surrogatepass")).hexdigest()[:12]
