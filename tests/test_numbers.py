"""Numbers from outside: what is read is right to the last digit, and all else is refused at once, by name."""

import math
import time
from fractions import Fraction

import pytest

from cmhkf.errors import ConfigError, DataError
from cmhkf.numbers import exact, number, ratio, short_text, whole

HUGE = 10**5000  # more digits than Python writes
WORDS = "x 1_000 १२ １２ ² 1e8000000 1e-30000000 1e999 nan inf -inf NaN 0x10 1,5 1/3 --1 1e . -0.001 1000000001"
NONE = ["", " ", "1 2", "1\x00", "1" * 5000, *WORDS.split(), None, True, False, [], {}, b"1", HUGE, -1, 1e300]


@pytest.mark.parametrize(
    "value", [*NONE, math.nan, math.inf], ids=lambda value: "huge" if value is HUGE else repr(value)[:12]
)
def test_what_is_no_number_within_bounds_is_refused_at_once(value):
    begun = time.process_time()
    for read in (number, exact, whole):
        with pytest.raises(DataError, match=r"^an edge is .*; it must be a") as caught:
            read(value, "an edge")
        assert len(str(caught.value)) < 200
    assert time.process_time() - begun < 0.5


EXACT = "12=12 0.1=1/10 1e3=1000 12.5E-1=5/4 .5=1/2 +3=3 000000000000000001=1 -0=0"


@pytest.mark.parametrize(("text", "wanted"), [pair.split("=") for pair in EXACT.split()])
def test_numbers_are_exact(text, wanted):
    assert (exact(f" {text} ", "it"), number(text, "it")) == (Fraction(wanted), float(Fraction(wanted)))


@pytest.mark.parametrize("value", [7, 0.25, Fraction(1, 3)])
def test_what_is_a_number_already_stays_it(value):
    assert (exact(value, "it"), number(value, "it")) == (Fraction(value), float(value))


def test_bounds_and_errors_are_the_askers():
    assert number("-2", "it", least=-3) == -2
    assert whole("3", "it") == whole(3.0, "it") == 3
    with pytest.raises(ConfigError, match=r"^it is 1\.5; it must be a number from 0 to 1, with a point"):
        number(1.5, "it", most=1, error=ConfigError)
    with pytest.raises(DataError, match=r"^it is '1\.5'; it must be a whole number"):
        whole("1.5", "it")


def test_rates():
    assert (ratio("30000/1001", "it"), ratio(Fraction(24), "it")) == (Fraction(30000, 1001), 24)
    for value in ("0", "1/0", "0/5", "1e8000000", "-1", "1/2/3", "nan", None, "9" * 5000, "1_0"):
        with pytest.raises(DataError, match=r"^it is .*; it must be a rate"):
            ratio(value, "it")


def test_text():
    assert short_text("ü" * 5, "it", 5) == "ü" * 5
    for value, said in (("x" * 6, "6 characters; 5 are kept"), (5, "it is 5; it must be text"), ("\ud800", "half")):
        with pytest.raises(DataError, match=said):
            short_text(value, "it", 5)
