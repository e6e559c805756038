"""ReviewPlayer: video, timeline, segment table, library and keys in one component.

The browser part lives in `static/`. It asks Python through server functions, which answer with JSON; curves and
pictures travel as files. Gradio evaluates `html_template` as a JavaScript template, so nothing variable is ever put
into it: names and labels reach the page as text nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

STATIC = Path(__file__).parent / "static"
SCRIPTS = (
    "basics", "transport", "lanes", "paint", "previews", "gutter", "review_strip", "timeline", "minimap", "cut",
    "segments", "segment_sift", "reviewer", "decisions", "decide_bar", "files", "uploads", "sift", "shelf", "removal",
    "library", "online", "tabs", "keys", "export", "page", "opening", "intake", "small", "why", "classes", "truth",
    "map_view", "map", "start",
)  # fmt: skip
"""Joined in this order into the one function body that Gradio runs: parts first, then what joins them."""


class ReviewPlayer(gr.HTML):
    """The whole review page.

    `asks` are the functions that the page may call, each taking one dict of arguments and returning one.
    `plotly_js` is the library's address relative to the page.
    """

    def __init__(self, asks: list[Callable[[dict[str, Any]], dict[str, Any]]], *, plotly_js: str) -> None:
        parts = [(STATIC / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
        super().__init__(
            html_template=(STATIC / "review.html").read_text(encoding="utf-8"),
            js_on_load="\n".join(parts),
            server_functions=asks,
            apply_default_css=False,
            elem_id="review",
            plotly_js=plotly_js,
        )
