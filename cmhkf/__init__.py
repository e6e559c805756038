"""CMHKF: weakly supervised video anomaly detection with sight, sound and text.

Importing this package costs no torch: what needs it is loaded when first asked for.
"""

from typing import TYPE_CHECKING, Any

from cmhkf.analysis import Analysis
from cmhkf.errors import CheckpointError, CmhkfError, ConfigError, MediaError, RecipeMismatch, WeightsError
from cmhkf.segments import Segment, flag_segments

if TYPE_CHECKING:
    from cmhkf.analyzer import Analyzer, Progress, load

__all__ = [
    "Analysis", "Analyzer", "CheckpointError", "CmhkfError", "ConfigError", "MediaError", "Progress",
    "RecipeMismatch", "Segment", "WeightsError", "flag_segments", "load",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("Analyzer", "Progress", "load"):
        from cmhkf import analyzer

        return getattr(analyzer, name)
    raise AttributeError(f"module 'cmhkf' has no attribute {name!r}")
