"""Start the page: settings first, then the store, and only then the slow imports."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from app.settings import Settings, parse_settings, refuse
from cmhkf.errors import ConfigError
from cmhkf.features.cache import VARIABLE
from cmhkf.home import spare_caches

if TYPE_CHECKING:
    from app.clips.workspace import Analyzer


def load_analyzer(model: str, *, device: str = "auto") -> Analyzer:
    """The real analyzer. Loading it imports torch, so it happens in the worker, after the page is up."""
    from cmhkf import load

    return load(model, device=device)


def main(argv: Sequence[str] | None = None, analyzer_factory: Callable[[str], Analyzer] | None = None) -> None:
    """Parse settings, serve the page, and stop all work when told to end. A bad setting exits with code 2."""
    settings = parse_settings(sys.argv[1:] if argv is None else argv, os.environ)
    os.umask(0o077)  # what is made here is nobody else's business
    os.environ["CMHKF_HOME"] = str(settings.home)  # the analyzer keeps its features there too
    os.environ[VARIABLE] = str(settings.cache_gb)
    os.environ.update(spare_caches())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for talkative in ("httpx", "fontTools.subset"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    from app.clips.workspace import Workspace

    try:
        check_port(settings)
        workspace = Workspace(settings, analyzer_factory or partial(load_analyzer, device=settings.device))
        workspace.store.scratch.use_everywhere()  # before Gradio is imported
    except ConfigError as error:
        refuse(str(error))
    from app.web.ui import serve

    stopping = Event()  # an exception out of the handler could be lost wherever the main thread is
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        serve(workspace, stopping)
    finally:
        workspace.close()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)  # a thread may still be inside torch, which calls abort when Python takes itself apart around it


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
