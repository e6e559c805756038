"""ReviewPlayer: video, timeline, segment table, library and keys in one component.

The browser part lives in `static/` as ES modules. It calls Python through server functions, which answer with JSON;
curves and images travel as files. Gradio evaluates `html_template` as a JavaScript template, so nothing variable is
ever put into it: names and labels reach the page as text nodes.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cmhkf.files import sha256_of

STATIC = Path(__file__).parents[1] / "static"
START = "import(new URL(props.main, document.baseURI)).then((m) => m.start({ element, props, server }))"


def content_hash(folder: Path) -> str:
    """A name for what the modules of a folder hold: it changes with any byte of any of them."""
    told = [f"{file.relative_to(folder).as_posix()} {sha256_of(file)}" for file in _modules(folder)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.js"))


def page_modules() -> Route:
    """Serves the modules, below the root path, under a name that is never given to others: a browser may keep them for
    a year, and never mixes versions. No mount: behind a proxy that cuts the root path off, a mount finds nothing. From
    memory: a browser that opens the page for the first time asks for all of them, and waits."""
    texts = {file.relative_to(STATIC).as_posix(): file.read_bytes() for file in _modules(STATIC)}
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}

    async def module(request: Request) -> Response:
        text = texts.get(request.path_params["name"])
        return Response(status_code=404) if text is None else Response(text, 200, headers, "text/javascript")

    return Route(f"/page/{content_hash(STATIC)}/{{name:path}}", module)


def preloads() -> str:
    """Links that let a browser fetch all modules at once, and not each as another one asks for it."""
    here, names = f"page/{content_hash(STATIC)}", (file.relative_to(STATIC).as_posix() for file in _modules(STATIC))
    return "".join(f'<link rel="modulepreload" href="{here}/{name}">' for name in names)


class ReviewPlayer(gr.HTML):
    """The whole review page.

    `handlers` are the functions that the page may call, each taking one dict of arguments and answering it.
    `plotly_js` is the library's address relative to the page.
    """

    def __init__(self, handlers: list[Callable[[dict[str, Any]], Response]], *, plotly_js: str) -> None:
        template, main = (STATIC / "review.html").read_text(encoding="utf-8"), f"page/{content_hash(STATIC)}/main.js"
        code = {"html_template": template, "js_on_load": START, "server_functions": handlers}
        super().__init__(**code, main=main, plotly_js=plotly_js, apply_default_css=False, elem_id="review")
