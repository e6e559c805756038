"""Gradio: one component for people, four doors for scripts. Wiring only; what is done is in `desk.py`."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import plotly
from gradio.events import api
from gradio.themes import Base

from app.decision_store import Decisions
from app.desk import EXAMPLES, Desk
from app.doors import Doors, PageAsks
from app.exports import ExportAsks, Exports, export_door
from app.library import Library
from app.library_asks import LibraryAsks, sweep_now_and_then
from app.maps import MapAsks, Maps
from app.player import STATIC, ReviewPlayer
from app.previews import PreviewAsks, Previews
from app.review_asks import ReviewAsks
from app.reviews import Reviews
from app.why_asks import WhyAsks

PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

STYLES = (  # in the order of the cascade
    "theme", "opening", "library", "clip", "timeline", "previews", "review", "segment_sift", "why", "classes", "map",
    "export", "narrow",
)  # fmt: skip
HOUR_S, DAY_S = 3600, 86400  # how often, and after what time, what scripts uploaded is cleared away


def build_ui(desk: Desk, decisions: Decisions, library: Library, previews: Previews, exports: Exports) -> gr.Blocks:
    """The page and its public listeners: /analyze, /segments, /export and /library."""
    doors = Doors(desk)
    with gr.Blocks(
        title="CMHKF Review", analytics_enabled=False, fill_width=True, delete_cache=(HOUR_S, DAY_S)
    ) as page:
        parts = (
            PageAsks(desk), LibraryAsks(library), ReviewAsks(desk, decisions), PreviewAsks(previews),
            WhyAsks(desk), MapAsks(Maps(desk)), ExportAsks(exports),
        )  # fmt: skip
        asks = [ask for part in parts for ask in part.functions()]
        ReviewPlayer(asks, plotly_js=f"gradio_api/file={PLOTLY_JS}")
        api(doors.library, api_name="library", concurrency_limit=4)
        api(doors.segments, api_name="segments", concurrency_limit=4)
        video = gr.File(visible=False, label="video")
        model = gr.Textbox(desk.settings.preset, visible=False, label="model")
        threshold = gr.Number(0.5, visible=False, label="threshold")
        answer = gr.JSON(visible=False, label="analysis")
        gr.Button(visible=False).click(
            doors.analyze, [video, model, threshold], answer, api_name="analyze", concurrency_limit=1
        )
        export_door(exports)
    return page


def serve(desk: Desk) -> None:
    """Launch the page and block until it is stopped."""
    settings = desk.settings
    decisions, previews = Decisions(desk.store), Previews(desk.store)
    reviews = Reviews(desk, decisions)
    library, exports = Library(desk, reviews), Exports(desk, reviews)
    page = build_ui(desk, decisions, library, previews, exports).queue(max_size=32)
    page.launch(
        server_name=settings.host,
        server_port=settings.port,
        root_path=settings.root_path or None,
        auth=settings.auth,
        max_file_size=f"{settings.max_upload_mb}mb",
        allowed_paths=[str(path) for path in (PLOTLY_JS, EXAMPLES, *desk.store.public_dirs)],
        theme=Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css_paths=[STATIC / f"{name}.css" for name in STYLES],
        footer_links=[],
        show_error=False,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        prevent_thread_lock=True,
        _frontend=False,  # else Gradio gives up when its own page takes 3 s once, as on a busy machine
    )
    desk.warm_up()
    sweep_now_and_then(library)
    try:
        page.block_thread()
    finally:
        previews.close()
        exports.close()
