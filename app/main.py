"""Start the page: settings first, then the store, and only then the slow imports."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.settings import Settings, parse_settings, refuse
from cmhkf.errors import ConfigError
from cmhkf.home import spare_caches

if TYPE_CHECKING:
    from app.desk import Analyzer


def load_analyzer(model: str) -> Analyzer:
    """The real analyzer. Loading it imports torch, so it happens in the worker, after the page is up."""
    from cmhkf import load

    return load(model)


def main(argv: Sequence[str] | None = None, analyzer_factory: Callable[[str], Analyzer] = load_analyzer) -> None:
    """Parse settings, serve the page, and stop all work when told to end. A bad setting exits with code 2."""
    settings = parse_settings(sys.argv[1:] if argv is None else argv, os.environ)
    os.environ["CMHKF_HOME"] = str(settings.home)  # the analyzer keeps its features there too
    os.environ.update(spare_caches())
    # Not Gradio's own folder: that is one for all users of a machine, and whoever comes second may not write there.
    os.environ.setdefault("GRADIO_TEMP_DIR", str(settings.home / "uploads"))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from app.desk import Desk

    try:
        check_port(settings)
        desk = Desk(settings, analyzer_factory)
    except ConfigError as error:
        refuse(str(error))
    from app.ui import serve

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(desk)
    finally:
        desk.close()


def check_port(settings: Settings) -> None:
    """Raise ConfigError when the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror or error}); "
                "choose another with --port or --host"
            ) from None
