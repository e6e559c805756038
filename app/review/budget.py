"""A threshold for a clip from a budget of alarms: by its own normal minutes, or by the model's calibration set."""

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


def budgeted(view: View, preset: str, per_hour: float) -> Budgeted:
    """The threshold at which so many alarms an hour of normal footage are expected at most.

    Once no segment is open, all of the clip but its confirmed segments is taken for normal, the dismissed ones too:
    these are false alarms. What was never flagged nobody has seen. Raises ConfigError: nothing can promise that.
    """
    if not view.analysis.trained:
        raise ConfigError("nothing is trained, and untrained scores only rank moments within a clip")
    try:
        own = _of_clip(view, per_hour)
    except ConfigError as error:
        shipped = _shipped(preset, per_hour, why=str(error))
        return Budgeted(shipped.threshold, f"{_sentence(shipped.said)} Not set on this clip: {error}.")
    return Budgeted(own.threshold, _sentence(own.said))


def _of_clip(view: View, per_hour: float) -> AlarmBudget:
    if n_open(view.marks):
        raise ConfigError(UNFINISHED)
    confirmed = [(mark.start_s, mark.end_s) for mark in view.marks if mark.state == "confirmed"]
    peaks = minute_peaks([normal_curve(view.analysis, confirmed)])
    return alarm_budget(peaks, per_hour, source="this clip")


def _shipped(preset: str, per_hour: float, *, why: str) -> AlarmBudget:
    try:
        return shipped_budget(preset, per_hour)
    except ConfigError as error:
        raise ConfigError(f"{_sentence(why)} {_sentence(str(error))}") from None


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."
