"""A threshold for a clip from a budget of alarms: by its camera's normal minutes, or by the model's calibration set."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.review.marks import n_open
from app.review.reviews import View
from cmhkf import ConfigError
from cmhkf.evaluation.budget import normal_curve, shipped_budget
from cmhkf.metrics.budget import AlarmBudget, alarm_budget, minute_peaks

UNFINISHED = "segments are still open, and a minute is normal only when a person has seen all that was flagged"


@dataclass(frozen=True)
class Budgeted:
    """A threshold, and where it comes from."""

    threshold: float
    said: str


def budgeted(view: View, of_camera: Sequence[View], preset: str, per_hour: float) -> Budgeted:
    """The threshold at which so many alarms an hour of normal footage are expected at most.

    `of_camera` are other clips of the same camera by the same model, as the same reviewer sees them. Once no segment of
    a clip is open, all of it but its confirmed segments is taken for normal, the dismissed ones too: these are false
    alarms. What was never flagged nobody has seen. Raises ConfigError: nothing can promise that.
    """
    if not view.analysis.trained:
        raise ConfigError("nothing is trained, and untrained scores only rank moments within a clip")
    try:
        own = _of_reviewed(view, of_camera, per_hour)
    except ConfigError as error:
        shipped = _shipped(preset, per_hour, why=str(error))
        return Budgeted(shipped.threshold, f"{_sentence(shipped.said)} Not set on your own minutes: {error}.")
    return Budgeted(own.threshold, _sentence(own.said))


def _of_reviewed(view: View, of_camera: Sequence[View], per_hour: float) -> AlarmBudget:
    others = [other for other in of_camera if not n_open(other.marks)]
    reviewed = others if n_open(view.marks) else [view, *others]
    if not reviewed:
        raise ConfigError(UNFINISHED)
    curves = [normal_curve(each.analysis, _confirmed(each)) for each in reviewed]
    n = len(others)
    more = f"{n} other clip{'s' * (n > 1)} of its camera"
    source = more if view not in reviewed else f"this clip and {more}" if others else "this clip"
    return alarm_budget(minute_peaks(curves), per_hour, source=source)


def _confirmed(view: View) -> list[tuple[float, float]]:
    return [(mark.start_s, mark.end_s) for mark in view.marks if mark.state == "confirmed"]


def _shipped(preset: str, per_hour: float, *, why: str) -> AlarmBudget:
    try:
        return shipped_budget(preset, per_hour)
    except ConfigError as error:
        raise ConfigError(f"{_sentence(why)} {_sentence(str(error))}") from None


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."
