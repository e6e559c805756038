"""What went wrong in the page's own code, told by browsers for the server's log."""

import logging
import time
from collections import deque
from collections.abc import Callable

TEXT_LENGTH = 2000  # characters of one fault
HOURLY = 30  # faults of all browsers together; what comes after them is counted and not written

log = logging.getLogger(__name__)


class PageFaults:
    """A log that no page can fill: faults are cut short, kept to one line each, and limited by the hour."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._written: deque[float] = deque()
        self._left_out = 0

    def write(self, text: str) -> None:
        """Log a fault that a page told of."""
        now = self._now()
        while self._written and now - self._written[0] >= 3600:
            self._written.popleft()
        if len(self._written) >= HOURLY:
            self._left_out += 1
            return
        self._written.append(now)
        said = "".join(c if c.isprintable() else " " for c in text[:TEXT_LENGTH])
        log.warning("a fault in a browser's page (%d left out before it): %s", self._left_out, " ".join(said.split()))
        self._left_out = 0
