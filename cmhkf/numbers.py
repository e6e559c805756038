"""Numbers and names from outside (files, requests, options), read by one function each, within bounds.

A number is written in digits 0 to 9 with a point for decimals, as in 12, 0.5 or 1e-3. Python's own readers take more:
`Fraction("1e30000000")` works for minutes, `float("nan")` passes many comparisons, and `int("1_0")` and `int("१०")` are
10.
"""

import math
import re
from fractions import Fraction

from cmhkf.errors import DataError

WRITTEN = re.compile(r"\s*[+-]?([0-9]{1,18}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?\s*")
MOST = 1e9  # seconds or frames: more than any recording has
SHOWN = 60  # characters of a wrong value in a message


def number(
    value: object, name: str, *, least: float = 0.0, most: float = MOST, error: type[Exception] = DataError
) -> float:
    """A finite number from `least` to `most`, given as text or as a number. Raises `error`, which names it."""
    return float(exact(value, name, least=least, most=most, error=error))


def whole(
    value: object, name: str, *, least: int = 0, most: int = int(MOST), error: type[Exception] = DataError
) -> int:
    """A whole number likewise."""
    found = exact(value, name, least=least, most=most, error=error, kind="a whole number")
    if found.denominator != 1:
        raise error(_wrong(value, name, "a whole number", least, most))
    return int(found)


def exact(
    value: object,
    name: str,
    *,
    least: float = 0.0,
    most: float = MOST,
    error: type[Exception] = DataError,
    kind: str = "a number",
) -> Fraction:
    """A number likewise, without rounding."""
    text = isinstance(value, str) and WRITTEN.fullmatch(value)
    whole_one = isinstance(value, (int, Fraction)) and not isinstance(value, bool)
    if text or whole_one or (isinstance(value, float) and math.isfinite(value)):
        found = Fraction(value)  # type: ignore[arg-type]
        if least <= found <= most:
            return found
    raise error(_wrong(value, name, kind, least, most))


def ratio(value: object, name: str, *, error: type[Exception] = DataError) -> Fraction:
    """A rate as it is saved, such as 24 or "30000/1001"; above 0. Raises `error`."""
    if re.fullmatch("[0-9]{1,28}(/[0-9]{1,28})?", text := str(value)[:SHOWN]):
        above, _, below = text.partition("/")
        if int(above) and int(below or 1):
            return Fraction(int(above), int(below or 1))
    raise error(f"{name} is {shown(value)}; it must be a rate such as 24 or 30000/1001")


def short_text(value: object, name: str, most: int, *, error: type[Exception] = DataError) -> str:
    """Text of at most so many characters that can be written as UTF-8. Raises `error`."""
    if not isinstance(value, str):
        raise error(f"{name} is {shown(value)}; it must be text")
    if len(value) > most:
        raise error(f"{name} has {len(value):,} characters; {most:,} are kept, so shorten it")
    if re.search("[\ud800-\udfff]", value):
        raise error(f"{name} is {shown(value)}, which holds half a character; write it anew")
    return value


def shown(value: object) -> str:
    """A value as a message shows it, however long it is."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _wrong(value: object, name: str, kind: str, least: float, most: float) -> str:
    return f"{name} is {shown(value)}; it must be {kind} from {least:,.12g} to {most:,.12g}, with a point for decimals"
