"""The edge between Gradio and the rest: arguments are checked on the way in, errors explained on the way out."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import gradio as gr
from sqlalchemy.exc import OperationalError
from starlette.responses import JSONResponse, Response

from app.clips.workspace import Cut
from cmhkf import CmhkfError, ConfigError
from cmhkf.numbers import MOST, number, short_text, shown

LENGTHS = {"text": 10_000_000, "name": 255, "request": 100}  # characters of what is sent to the page's functions
LENGTH, ITEMS = 4096, 100  # of any other text, and the number of things in a list or an object
LISTS = {"events": 5000, "except": 5000}  # things in these lists

BUSY = "The database is busy or cannot be written; if that lasts, see the server's log."

Json = dict[str, Any]
log = logging.getLogger(__name__)


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors into `gr.Error`: one a user can act on as it is, any other logged and shown by a number."""
    try:
        yield
    except CmhkfError as error:
        raise gr.Error(str(error), print_exception=False) from None
    except Exception:
        number = secrets.token_hex(4)
        log.exception("error %s", number)
        message = f"Something went wrong inside (id {number}); the server's log has the details."
        raise gr.Error(message, print_exception=False) from None


def guarded(name: str, handler: Callable[[Arguments], Json]) -> Callable[[Json], Json]:
    """A handler as the page calls it, its errors turned into an `error` that the page shows where the user looks.

    With `busy` it is one of the moment, as a locked database is: the page may ask the same again.
    """

    def answer(data: Json) -> Json:
        try:
            with explained():
                try:
                    return handler(checked(data))
                except OperationalError as error:
                    log.warning("%s: the database: %s", name, error.orig)
                    return {"error": BUSY, "busy": True}
        except gr.Error as error:
            return {"error": error.message}

    answer.__name__ = name  # by which Gradio lets the page call it
    return answer


def as_response(handler: Callable[[Json], Json]) -> Callable[[Json], Response]:
    """A handler whose answer is sent as it is; otherwise FastAPI copies every value in it, which of the segments of a
    long clip takes half as long as to find them."""

    @wraps(handler)
    def answer(data: Json) -> Response:
        return JSONResponse(handler(data))

    return answer


class Arguments(dict[str, Any]):
    """The arguments of a call. One that is missing is named."""

    def __missing__(self, name: str) -> Any:
        raise ConfigError(f"the request lacks {name!r}; reload the page, which sends it")

    def text(self, name: str) -> str:
        """An argument as text."""
        return str(self[name])

    def number(self, name: str, *, most: float = MOST) -> float:
        """A number from 0. Raises ConfigError."""
        return number(self[name], name, most=most, error=ConfigError)

    @property
    def cut(self) -> Cut:
        """{threshold, min_length_s, merge_gap_s}. Raises ConfigError."""
        return Cut(self.number("threshold", most=1), self.number("min_length_s"), self.number("merge_gap_s"))


def checked(data: Any) -> Arguments:
    """Arguments of a bounded size. Raises ConfigError."""
    if not isinstance(data, dict) or len(data) > ITEMS:
        raise ConfigError(f"the request is {shown(data)}; it must be an object of at most {ITEMS} fields")
    for name, value in data.items():
        each = value if isinstance(value, list) else [value]
        most = LISTS.get(name, ITEMS)
        if len(each) > most or any(isinstance(item, (dict, list)) for item in each):
            raise ConfigError(f"{name} is {shown(value)}; it must be one value, or a list of at most {most}")
        for item in each:
            if isinstance(item, str):
                short_text(item, name, LENGTHS.get(name, LENGTH), error=ConfigError)
    return Arguments(data)
