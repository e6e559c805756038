"""How much was missed: what a blind look at random windows of unflagged footage says of all that was not flagged.

Flagged footage is looked at anyway; what was not flagged nobody sees. Of windows drawn so that each has the same
chance, the share in which a person sees something estimates that share of all of them, with an exact interval.
"""

import math
from dataclasses import dataclass

from cmhkf.errors import DataError
from cmhkf.metrics.intervals import binomial_at_most, binomial_interval

SHORT_S = 120.0  # less footage is told in seconds, not in minutes
WHOLE = "A window counts whole, which is rather too much."


@dataclass(frozen=True)
class Tally:
    """How many of the windows drawn were answered how."""

    nothing: int = 0
    something: int = 0
    unsure: int = 0
    """A person looked and could not tell."""
    skipped: int = 0
    left: int = 0
    """Not answered yet."""

    @property
    def n_told(self) -> int:
        """Those that count: something or nothing was seen."""
        return self.nothing + self.something


@dataclass(frozen=True)
class Bounded:
    """A figure with its two-sided interval, and the bound for whoever asks only for the most; both hold 95 %."""

    value: float
    low: float
    high: float
    at_most: float


@dataclass(frozen=True)
class MissEstimate:
    """What the answers say of the unflagged footage. A window in which something is seen counts whole."""

    tally: Tally
    n_windows: int
    """All windows of the unflagged footage, of which some were drawn."""
    unflagged_s: float
    confirmed_s: float
    share: Bounded
    """Of the unflagged windows, those that hold something."""
    at_most_unsure: float
    """The share at most, if every window that could not be told held something."""
    missed_s: Bounded
    minutes_an_hour: Bounded
    """Missed minutes in an hour of unflagged footage."""
    miss_rate: Bounded | None
    """Missed time of missed and confirmed time; None where nothing is confirmed, for then there is no such share."""

    @property
    def complete(self) -> bool:
        """Whether every unflagged window was looked at: then these are counts, and no estimates."""
        return self.tally.n_told == self.n_windows


def miss_estimate(tally: Tally, *, n_windows: int, unflagged_s: float, confirmed_s: float) -> MissEstimate | None:
    """What a blind look found; None while no window was told.

    Args:
        tally: the answers.
        n_windows: the windows that could have been drawn, each with the same chance and at most once.
        unflagged_s: how much footage these are.
        confirmed_s: how much other footage was confirmed to be anomalous.

    Raises:
        DataError: more windows were told than there are.
    """
    n = tally.n_told
    if n + tally.unsure > n_windows:
        raise DataError(f"{n + tally.unsure} windows were told of {n_windows}; each can be drawn once")
    if not n:
        return None
    value = tally.something / n
    if n == n_windows:
        share, unsure = Bounded(value, value, value, value), value
    else:
        low, high = binomial_interval(tally.something, n)
        share = Bounded(value, low, high, binomial_at_most(tally.something, n))
        unsure = binomial_at_most(tally.something + tally.unsure, n + tally.unsure)
    missed_s = _times(share, unflagged_s)
    return MissEstimate(
        tally, n_windows, unflagged_s, confirmed_s, share, unsure, missed_s, _times(share, 60.0),
        _rate(missed_s, confirmed_s),
    )  # fmt: skip


def _times(share: Bounded, factor: float) -> Bounded:
    return Bounded(*(each * factor for each in (share.value, share.low, share.high, share.at_most)))


def _rate(missed_s: Bounded, confirmed_s: float) -> Bounded | None:
    """It rises with the missed time, so the ends of one interval are those of the other."""
    if not confirmed_s:
        return None
    ends = (missed_s.value, missed_s.low, missed_s.high, missed_s.at_most)
    return Bounded(*(each / (each + confirmed_s) for each in ends))


def miss_text(found: MissEstimate) -> list[str]:
    """The figures in sentences, the most important first."""
    tally, share = found.tally, found.share
    unit, unit_s = ("minutes", 60.0) if found.unflagged_s >= SHORT_S else ("seconds", 1.0)
    of_all = f"{_range(_times(found.missed_s, 1 / unit_s))} of the {found.unflagged_s / unit_s:.1f} {unit} drawn from"
    said = [f"Something was seen in {tally.something} of {tally.n_told} windows: "]
    if found.complete:
        said[0] += "these are all that was not flagged, so nothing is estimated."
        said.append(f"That is {of_all}. {WHOLE}")
    else:
        said[0] += f"{_range(_times(share, 100.0), ' %')} of what was not flagged, 95 % sure."
        hour = f"{_range(found.minutes_an_hour, ' minutes')} in an hour of unflagged footage"
        said.append(f"That is {hour}: {of_all}. {WHOLE}")
    if found.miss_rate is None:
        said.append("Miss rate: not known, for no segment is confirmed to compare with.")
    else:
        beside = f"beside {found.confirmed_s / unit_s:.1f} {unit} of confirmed segments"
        said.append(f"Miss rate: {_range(_times(found.miss_rate, 100.0), ' %')} of the anomalous time, {beside}.")
    if tally.unsure:
        worst = f"if all of them held something, it would be at most {_figure(100 * found.at_most_unsure, up=True)} %"
        said.append(f"Not counted: {tally.unsure} that could not be told; {worst}.")
    if tally.skipped:
        said.append(f"Not counted: {tally.skipped} skipped.")
    return said


def miss_short(found: MissEstimate) -> str:
    """The share in a few words."""
    share = "" if found.complete else f"at most {_figure(100 * found.share.at_most, up=True)} %"
    return f"{found.tally.something} of {found.tally.n_told}: {share or _figure(100 * found.share.value) + ' %'}"


def _range(found: Bounded, unit: str = "") -> str:
    """The value with its interval and what it is at most; of nothing that alone."""
    if found.low == found.high:
        return _figure(found.value) + unit
    most = f"at most {_figure(found.at_most, up=True)}"
    if not found.value:
        return most + unit
    return f"{_figure(found.value)}{unit} ({_figure(found.low)} to {_figure(found.high, up=True)}; one-sided {most})"


def _figure(value: float, *, up: bool = False) -> str:
    digits = 0 if value >= 10 else 1
    scaled = value * 10**digits
    return f"{(math.ceil(scaled - 1e-9) if up else round(scaled)) / 10**digits:.{digits}f}".removesuffix(".0")
