"""Takes the README's pictures: the real page, the `demo` preset and the bundled rendered examples, in Chromium.

python docs/take_pictures.py [HOME], which takes a few minutes; without a HOME of its own nothing is kept.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser import CHROMIUM_ARGS, Server, chromium_path

DOCS = Path(__file__).resolve().parent
PATIENCE_MS = 600_000
COLOURS = 256  # of the saved palette
EXAMPLES = ("quiet", "explosion", "crash", "scuffle")
NOTE = "Two push, a third joins in; others pull them apart at 00:24."


class Demo(Server):
    """The page as a visitor starts it."""

    SCRIPT = DOCS.parent / "app.py"


def save(page: Page, name: str, *, full_page: bool = False) -> None:
    """A screenshot in few colours, which takes a third of the room."""
    page.wait_for_timeout(1000)
    picture = Image.open(io.BytesIO(page.screenshot(full_page=full_page))).convert("RGB")
    file = DOCS / f"{name}.png"
    picture.quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


@contextmanager
def opened(browser: Browser, url: str, reviewer: str, theme: str = "light") -> Iterator[Page]:
    """The first page, for a reviewer who knows the keys."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB")
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(f"localStorage['cmhkf-reviewer'] = {reviewer!r}; localStorage['cmhkf-keys-known'] = 'yes'")
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_selector(".rv[data-view='home'] .rv-example")
    yield page
    page.close()


def show(page: Page, name: str, *keys: str) -> None:
    """Open an analysed example, wait for its filmstrip, and press keys."""
    page.click(f".rv-entry:has-text('{name}')")
    page.wait_for_selector(f".rv[data-work='none'] .rv-title:has-text('{name}')")
    page.wait_for_selector(".rv-flagged tr", state="attached")
    page.wait_for_selector(".rv-said-film", state="hidden")
    press(page, *keys)


def press(page: Page, *keys: str) -> None:
    """Keys, each with time to take effect."""
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(700)


def take(browser: Browser, url: str, folder: Path) -> None:
    """Analyse what the library lacks, then take all pictures; the decisions in them are made on the way."""
    with opened(browser, url, "ann") as page:
        for name in EXAMPLES:
            if not page.query_selector(f".rv-entry:has-text('{name}')"):
                page.click(f".rv-example:has-text('{name}')")
                page.wait_for_selector(".rv[data-view='clip'][data-work='none'] .rv-trust dd")
                page.click(".rv-brand")
        save(page, "first-look")
        show(page, "crash", "n", "Shift+ArrowRight")
        page.click("#rv-tab-why")
        page.wait_for_selector(".rv-neighbour")
        save(page, "why")
        show(page, "scuffle", "n", *["Shift+ArrowRight"] * 4)
        page.click("#rv-tab-map")
        page.wait_for_selector(".rv-map .js-plotly-plot")
        page.wait_for_timeout(5000)
        save(page, "map")
    with opened(browser, url, "bo") as page:
        show(page, "scuffle", "n", "c")
    with opened(browser, url, "ann", "dark") as page:
        show(page, "scuffle", "n", "Shift+ArrowRight", "s", "c", "p", "x", "n", "m")
        page.keyboard.insert_text(NOTE)
        press(page, "Enter", *["Shift+ArrowRight"] * 3, "m")
        save(page, "decide")
        page.click(".rv-takeaway")
        page.uncheck("input[name=csv]")
        page.click(".rv-export button[type=submit]")
        with page.expect_download() as report:
            page.click(".rv-export a.rv-open")
        report.value.save_as(folder / "report.html")
        page.goto((folder / "report.html").as_uri())
        page.set_viewport_size({"width": 1000, "height": 900})
        save(page, "report", full_page=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(sys.argv[1] if len(sys.argv) > 1 else folder)
        home.mkdir(parents=True, exist_ok=True)
        server = Demo(home)
        try:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGS)
            take(browser, server.url, Path(folder))
        finally:
            server.stop()
