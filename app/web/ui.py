"""Gradio: one component for people, an API for scripts. Wiring only; what is done is in the other packages."""

import logging
from pathlib import Path
from threading import Event

import gradio as gr
import plotly
from gradio.themes import Base
from starlette.middleware import Middleware

from app.clips.workspace import Workspace
from app.library import sweep_now_and_then
from app.web.api import Api
from app.web.calls import as_response
from app.web.guard import Guard
from app.web.page import Page
from app.web.player import STATIC, ReviewPlayer, page_modules, preloads
from app.web.uploads import FailedUploads, Uploads
from cmhkf.home import EXAMPLES

log = logging.getLogger(__name__)
LOOK_S = 0.5  # how often the main thread looks whether it is to stop; Windows tells it of no signal meanwhile
PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

# In the order of the cascade
STYLES = ("theme", "library/home", "library/library", "player/clip", "player/picture", "timeline/timeline")
STYLES += ("timeline/previews", "review/review", "review/segment_filter", "review/look", "explain/why")
STYLES += ("explain/classes", "explain/map", "export/export", "quality/quality", "narrow", "events/events")


def build_ui(page: Page) -> gr.Blocks:
    """The page, and beside it the API for scripts."""
    with gr.Blocks(title="CMHKF Review", analytics_enabled=False, fill_width=True) as blocks:
        handlers = [as_response(handler) for handler in page.handlers().values()]
        ReviewPlayer(handlers, plotly_js=f"gradio_api/file={PLOTLY_JS}")
        Api(page).register()
    return blocks


def serve(workspace: Workspace, stopping: Event) -> None:
    """Launch the page, and close it when `stopping` is set."""
    settings, page = workspace.settings, Page(workspace)
    blocks = build_ui(page).queue(max_size=32)
    guard = Guard(settings)
    blocks.launch(
        server_name=settings.host,
        server_port=settings.port,
        root_path=settings.root_path or None,
        auth=settings.auth,
        max_file_size=f"{settings.max_upload_mb}mb",
        allowed_paths=[str(path) for path in (PLOTLY_JS, EXAMPLES, *workspace.store.public_dirs)],
        theme=Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        head=preloads(),
        css_paths=[STATIC / f"{name}.css" for name in STYLES],
        footer_links=[],
        show_error=False,
        ssr_mode=False,
        run_history=False,
        share=False,  # footage is private, whatever GRADIO_SHARE says
        quiet=True,  # else it advises a public link
        enable_monitoring=False,
        prevent_thread_lock=True,
        app_kwargs={
            "lifespan": guard.lifespan,
            "routes": [page_modules()],
            "middleware": [Middleware(FailedUploads, folder=workspace.store.scratch.uploads)],
        },
        _frontend=False,  # else Gradio gives up when its own page takes 3 s once, as on a busy machine
    )
    guard.require()
    log.info("the page is at %s", blocks.local_url)
    workspace.warm_up()
    workspace.resume()
    sweep_now_and_then(page.library.sweep, page.exports.sweep, Uploads.sweep)
    while not stopping.wait(LOOK_S):
        pass
    blocks.close(verbose=False)
