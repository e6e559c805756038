"""What is told while work goes on: how far it is, and what was done where data is missing or trimmed."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cmhkf.errors import DataError

SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Progress:
    """How far a long piece of work is."""

    stage: str
    """"pictures", "sound", "model", ..."""
    done: float
    """In the stage's unit: seconds of video for frames and audio."""
    total: float
    """The stage's end as far as it is known; the header's duration may be wrong."""
    message: str = ""


class Fallback(NamedTuple):
    """One thing that was done because the data is not as it should be."""

    what: str
    """What it is of, and what was done: "training videos without sound, read as if they were silent"."""
    names: tuple[str, ...]
    """Those it is of; none where it is of everything."""

    def __str__(self) -> str:
        return f"{self.what} ({len(self.names):,}): {named(self.names)}" if self.names else self.what


def said_of(fallbacks: Sequence[Fallback]) -> str:
    """All of them in one line, for a model card or a report."""
    return "; ".join(map(str, fallbacks)) or "none"


def named(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def tell(fallbacks: Sequence[Fallback], *, strict: bool) -> None:
    """Print what was done where data is not as it should be. Raises DataError if that is not to be."""
    if strict and fallbacks:
        raise DataError(f"the data is not as it should be, which --strict refuses: {'; '.join(map(str, fallbacks))}")
    for fallback in fallbacks:
        say(f"note: {fallback}")


def say(text: str) -> None:
    """Print a line for people, beside the results: on stderr."""
    print(text, file=sys.stderr)  # noqa: T201
