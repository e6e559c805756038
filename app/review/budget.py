"""A threshold for a clip from a budget of alarms: by its camera's normal minutes, or by the model's test videos."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.review.marks import n_open
from app.review.reviews import View
from cmhkf import ConfigError
from cmhkf.evaluation.budget import normal_curve, shipped_budget
from cmhkf.metrics.budget import MINUTE_S, AlarmBudget, alarm_budget, minute_peaks, minutes_needed, minutes_said

LONGER = "analyse longer recordings of this camera, or several named by camera and day (gate_2026-11-29.mp4), "


@dataclass(frozen=True)
class Budgeted:
    """A threshold, and where it comes from."""

    threshold: float
    said: str  # a line for each thing


def budgeted(view: View, of_camera: Sequence[View], preset: str, per_hour: float) -> Budgeted:
    """The threshold at which so many alarms an hour of normal footage are expected at most.

    `of_camera` are other clips of the same camera by the same model, as the same reviewer sees them. Once no segment of
    a clip is open, all of it but its confirmed segments is taken for normal, the dismissed ones too: these are false
    alarms. What was never flagged nobody has seen. Raises ConfigError: nothing can promise that.
    """
    if not view.analysis.trained:
        raise ConfigError("nothing is trained, and untrained scores only rank moments within a clip")
    needed = minutes_needed(per_hour)
    try:
        own = _of_reviewed(view, of_camera, per_hour, needed)
        return Budgeted(own.threshold, own.said)
    except ConfigError as error:
        why = f"Not set on your own footage: {error}."
    try:
        shipped = shipped_budget(preset, per_hour)
    except ConfigError as error:
        raise ConfigError(f"No threshold was set: {error}.\n{why}") from None
    return Budgeted(shipped.threshold, f"{shipped.said}\n{why}")


def _of_reviewed(view: View, of_camera: Sequence[View], per_hour: float, needed: int) -> AlarmBudget:
    clips = [view, *of_camera]
    reviewed = [each for each in clips if not n_open(each.marks)]
    peaks = minute_peaks([normal_curve(each.analysis, _confirmed(each)) for each in reviewed])
    if len(peaks) < needed:
        enough = sum(each.analysis.timeline.duration_s for each in clips) >= needed * MINUTE_S
        whose, have = _told(view, clips), "has" if len(clips) == 1 else "have"
        first = "" if enough and len(reviewed) < len(clips) else LONGER
        raise ConfigError(
            f"that takes {minutes_said(needed)} with every segment decided; {whose} {have} {len(peaks)} so far. "
            f"Next: {first}decide every segment, and press Set again"
        )
    return alarm_budget(peaks, per_hour, source=_told(view, reviewed))


def _told(view: View, clips: Sequence[View]) -> str:
    n = sum(each is not view for each in clips)
    others = f"{n} other clip{'s' * (n > 1)} of its camera"
    return " and ".join(["this clip"] * (view in clips) + [others] * (n > 0))


def _confirmed(view: View) -> list[tuple[float, float]]:
    return [(mark.start_s, mark.end_s) for mark in view.marks if mark.state == "confirmed"]
