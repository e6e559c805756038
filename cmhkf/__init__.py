"""CMHKF: weakly supervised video anomaly detection with frames, audio and text.

Importing this package costs no torch: what needs it is loaded when first requested.
"""

from typing import TYPE_CHECKING, Any

from cmhkf.analysis import Analysis
from cmhkf.errors import CheckpointError, CmhkfError, ConfigError, MediaError, RecipeMismatch, WeightsError
from cmhkf.progress import Progress
from cmhkf.segments import Segment, flag_segments
from cmhkf.training.version import __version__

if TYPE_CHECKING:
    from cmhkf.analyzer import Analyzer, load

__all__ = ["Analysis", "Analyzer", "Progress", "Segment", "__version__", "flag_segments", "load"]
__all__ += ["CheckpointError", "CmhkfError", "ConfigError", "MediaError", "RecipeMismatch", "WeightsError"]


def __getattr__(name: str) -> Any:
    if name in ("Analyzer", "load"):
        from cmhkf import analyzer

        return getattr(analyzer, name)
    raise AttributeError(f"module 'cmhkf' has no attribute {name!r}")
