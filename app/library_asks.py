"""What the page asks of the library, and the clock that sweeps it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.doors import Json, guarded
from app.library import Library

SWEEP_S = 900.0  # seconds between two sweeps

log = logging.getLogger(__name__)


class LibraryAsks:
    """The functions that the page's library calls, each with one object of arguments."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def functions(self) -> list[Callable[[Json], Json]]:
        """All of them, guarded."""
        return [guarded(self.library), guarded(self.remove)]

    def library(self, _: Json) -> Json:
        """Every clip, its work, what was found in it and its review; how long clips are kept."""
        return self._library.listing()

    def remove(self, ask: Json) -> Json:
        """{clip, decisions} -> {removed}."""
        self._library.remove(str(ask["clip"]), decisions=bool(ask.get("decisions")))
        return {"removed": ask["clip"]}


def sweep_now_and_then(library: Library, *, every_s: float = SWEEP_S) -> threading.Event:
    """Sweep in the background, at once and then at each interval; setting the event that is returned ends it."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                library.sweep()
            except Exception:
                log.exception("the sweep failed; the next one tries again")
            stop.wait(every_s)

    threading.Thread(target=run, name="sweep", daemon=True).start()
    return stop
