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
        """All of it in words: the threshold, what it was set on, and how sure that is, a line each."""
        flagged, have = self.flagged, "has" if self.n_flagged == 1 else "have"
        return (
            f"Threshold {self.threshold:g}: at most {_alarms(self.per_hour)}.\n"
            f"Set on {minutes_said(self.n_minutes)} of {self.source}.\n"
            f"How sure: {self.n_flagged:,} of them {have} an alarm then, {_rate(flagged.value)} an hour (95 % interval "
            f"{_rate(flagged.low)} to {_rate(flagged.high)}); expect {_rate(self.expected)} or fewer in new footage "
            "alike."
        )


def _alarms(per_hour: float) -> str:
    return f"{per_hour:g} false alarm{'s' * (per_hour != 1)} an hour"


def _rate(per_hour: float) -> str:
    return f"{float(f'{per_hour:.2g}'):g}"


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


def minutes_said(n: int) -> str:
    """So many normal minutes, in words."""
    return f"{n:,} normal minute{'s' * (n != 1)}"


def minutes_needed(per_hour: float) -> int:
    """The fewest normal minutes on which a threshold can keep to a budget. Raises ConfigError: it is none."""
    if not 0 < per_hour < math.inf:
        raise ConfigError(f"at most {per_hour:g} alarms an hour is no budget; give a number above 0")
    return max(1, math.ceil(MINUTES_AN_HOUR / per_hour - 1e-9) - 1)


def alarm_budget(peaks: np.ndarray, per_hour: float, *, source: str) -> AlarmBudget:
    """The lowest threshold that keeps to a budget.

    Args:
        peaks: of `minute_peaks`, in [0, 1].
        per_hour: alarms an hour, above 0.
        source: whose minutes they are, in words for people.

    Raises:
        ConfigError: a budget that is none, or that so few minutes, or minutes with such scores, cannot promise.
    """
    n, needed = len(peaks), minutes_needed(per_hour)
    ranked = np.sort(peaks.round(DIGITS))[::-1]
    highest = int((ranked >= 1).sum())
    least = (
        math.ceil(10 * MINUTES_AN_HOUR * (highest + 1) / (n + 1) - 1e-9) / 10
    )  # budget that these keep to, rounded up
    if n < needed:
        there = f"there {'is' if n == 1 else 'are'} {n}" if n else "there is not one whole minute"
        more = f", or allow {least:g} or more" if n else ""
        raise ConfigError(
            f"at most {_alarms(per_hour)} takes {minutes_said(needed)}, and {there} of {source}; "
            f"give more normal footage of your own{more}"
        )
    allowed = max(0, math.floor(per_hour * (n + 1) / MINUTES_AN_HOUR + 1e-9) - 1)  # minutes that may be flagged
    above = ranked[allowed] if allowed < n else 0.0  # the threshold lies above it
    threshold = max(LEAST, (math.floor(above * STEPS + 1e-9) + 1) / STEPS)
    if threshold > 1:
        raise ConfigError(
            f"{highest} of {minutes_said(n)} of {source} score as high as can be, so no threshold keeps to at most "
            f"{_alarms(per_hour)}; allow {least:g} or more"
        )
    n_flagged = int((peaks >= threshold).sum())
    expected = MINUTES_AN_HOUR * (n_flagged + 1) / (n + 1)
    rate = Interval(*(MINUTES_AN_HOUR * count / n for count in (n_flagged, *poisson_interval(n_flagged))))
    return AlarmBudget(per_hour, threshold, min(expected, MINUTES_AN_HOUR), n, n_flagged, rate, source)
