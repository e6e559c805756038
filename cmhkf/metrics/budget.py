"""A threshold from a budget: "at most N false alarms an hour", by conformal p-values of minutes known to be normal.

Let m_1 ... m_n be the highest scores of n normal minutes of one camera. A new normal minute that is exchangeable with
them reaches a threshold t with a probability of at most p(t) = (1 + #{m_i >= t}) / (n + 1), its conformal p-value. So
at most 60 p(t) minutes of an hour are expected to raise alarms, and the threshold is the lowest t for which that keeps
to the budget. It is a promise about the mean of minutes with an alarm; how the footage differs from the minutes it was
set on, no method knows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cmhkf.errors import ConfigError
from cmhkf.metrics.intervals import Interval, poisson_interval

MINUTE_S = 60.0
MINUTES_AN_HOUR = 60
STEPS = 100  # thresholds are given to two digits, as the page shows them
LEAST = 1 / STEPS
DIGITS = 4  # of scores: single precision is no reason to raise or to lower a threshold


@dataclass(frozen=True)
class AlarmBudget:
    """A threshold, and what it promises."""

    per_hour: float
    """The budget: normal minutes of an hour in which there may be an alarm."""
    threshold: float
    expected: float
    """60 p(t): the most of these that are expected."""
    n_minutes: int
    """Normal minutes that it was set on."""
    n_flagged: int
    """Those of them that reach the threshold."""
    flagged: Interval
    """The same in minutes an hour, with the interval of a Poisson count."""
    source: str
    """Whose minutes they are, in words for people."""

    @property
    def said(self) -> str:
        """All of it in words."""
        return (
            f"{self.threshold:g} keeps to at most {self.per_hour:g} alarms an hour. Set on {self.n_minutes:,} normal "
            f"minutes of {self.source}. Of these, {self.n_flagged:,} reach it: {self.flagged.value:.2g} an hour, 95 % "
            f"interval {self.flagged.low:.2g} to {self.flagged.high:.2g}. Of new ones alike, at most "
            f"{self.expected:.2g} an hour are expected to (conformal p-values)"
        )


def minute_peaks(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The highest score of each minute of normal footage, joined end to end; what is left over at the end is dropped.

    `curves` are pairs of the scores and the seconds of each snippet, [N] each. A snippet belongs to the minute in which
    it begins.
    """
    if not curves:
        return np.zeros(0)
    scores, seconds = (np.concatenate([curve[i] for curve in curves]) for i in (0, 1))
    ends = np.cumsum(seconds)
    minute = ((ends - seconds) / MINUTE_S + 1e-9).astype(int)
    n = int(ends[-1] / MINUTE_S + 1e-9) if len(ends) else 0
    peaks = np.full(max(n, int(minute.max(initial=0)) + 1), -np.inf)
    np.maximum.at(peaks, minute, scores)
    return peaks[:n]


def alarm_budget(peaks: np.ndarray, per_hour: float, *, source: str) -> AlarmBudget:
    """The lowest threshold that keeps to a budget.

    Args:
        peaks: of `minute_peaks`, in [0, 1].
        per_hour: alarms an hour, above 0.
        source: whose minutes they are, in words for people.

    Raises:
        ConfigError: a budget that is none, or that so few minutes, or minutes with such scores, cannot promise.
    """
    n = len(peaks)
    if not 0 < per_hour < math.inf:
        raise ConfigError(f"at most {per_hour:g} alarms an hour is no budget; give a number above 0")
    allowed = math.floor(per_hour * (n + 1) / MINUTES_AN_HOUR + 1e-9) - 1  # minutes that may reach the threshold
    if allowed < 0:
        needed = math.ceil(MINUTES_AN_HOUR / per_hour - 1e-9) - 1
        raise ConfigError(
            f"{n} normal minutes of {source} cannot promise at most {per_hour:g} alarms an hour: that takes "
            f"{needed:,}. Mark more footage as normal, or allow {MINUTES_AN_HOUR / (n + 1):.2g} or more"
        )
    ranked = np.sort(peaks.round(DIGITS))[::-1]
    above = ranked[allowed] if allowed < n else 0.0  # the threshold lies above it
    threshold = max(LEAST, (math.floor(above * STEPS + 1e-9) + 1) / STEPS)
    if threshold > 1:
        raise ConfigError(
            f"{int((peaks >= 1).sum())} of {n} normal minutes of {source} score as high as can be, so no "
            f"threshold keeps to {per_hour:g} alarms an hour"
        )
    n_flagged = int((peaks >= threshold).sum())
    expected = MINUTES_AN_HOUR * (n_flagged + 1) / (n + 1)
    rate = Interval(*(MINUTES_AN_HOUR * count / n for count in (n_flagged, *poisson_interval(n_flagged))))
    return AlarmBudget(per_hour, threshold, min(expected, MINUTES_AN_HOUR), n, n_flagged, rate, source)
