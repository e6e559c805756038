"""A budget of alarms, set on a camera's own normal minutes or on those that the model's figures were measured on."""

from collections.abc import Sequence

import numpy as np

from cmhkf.analysis import Analysis, Curve
from cmhkf.errors import ConfigError
from cmhkf.files import sha256_of
from cmhkf.metrics.budget import AlarmBudget, alarm_budget, minute_peaks
from cmhkf.metrics.panel_file import read_panels
from cmhkf.presets import checkpoint_path


def normal_curve(
    analysis: Analysis | Curve, left_out: Sequence[tuple[float, float]] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and seconds, [M] each, of the snippets of a clip that share no time with what is left out."""
    line = analysis.timeline
    starts, ends = line.times_s, line.ends_s
    kept = np.ones(line.n_snippets, bool)
    for start_s, end_s in left_out:
        kept &= (ends <= start_s) | (starts >= end_s)
    return analysis.scores[kept], (ends - starts)[kept]


def own_budget(normal: Sequence[Analysis], per_hour: float, *, model: str) -> AlarmBudget:
    """The threshold from clips in which nothing happened, analysed by the same model before.

    Raises ConfigError: they were analysed by another model or by none that is trained, or promise too little.
    """
    path = checkpoint_path(model)
    if path is None:
        raise ConfigError(f"{model!r} has no trained head, and untrained scores only rank moments within a clip")
    ending = f"@{sha256_of(path)[:12]}"
    for analysis in normal:
        if not analysis.model_id.endswith(ending):
            raise ConfigError(
                f"{analysis.clip.name} was analysed by {analysis.model_id}, and not by {model}{ending}; analyse it anew"
            )
    peaks = minute_peaks([normal_curve(analysis) for analysis in normal])
    return alarm_budget(peaks, per_hour, source=f"{len(normal)} clip{'s' * (len(normal) != 1)} given as normal")


def shipped_budget(model: str, per_hour: float) -> AlarmBudget:
    """The threshold from the normal minutes of the panels that lie beside a checkpoint: other cameras than one's own.

    Raises ConfigError: there are none, or too few; DataError: the panels are damaged, or of other weights.
    """
    path = checkpoint_path(model)
    panels = [panel for panel in (read_panels(path) if path else ()) if panel.minute_peaks]
    if not panels:
        raise ConfigError(
            f"no normal minutes are kept for {model!r}, so a budget of alarms needs your own footage in which nothing "
            "happens (on the command line: --normal)"
        )
    peaks = np.concatenate([panel.minute_peaks for panel in panels])
    named = [panel.dataset.partition(",")[0] for panel in panels]  # without how it was held out
    told = ", ".join(f"{len(panel.minute_peaks)} of {name}" for panel, name in zip(panels, named, strict=True))
    source = f"the model's test videos from other cameras ({told})"
    return alarm_budget(peaks, per_hour, source=source)
