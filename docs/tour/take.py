"""Takes the README's pictures of the page: the bundled examples, seen by the demo model, at a threshold of 0.15.

    python docs/tour/take.py

The model has not learned from these clips, and it misses the events in them at 0.5. Needs Debian's chromium.
"""

import shutil
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from browser import CHROMIUM_ARGS, Server, chromium_path
from media_factory import ffmpeg

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "assets" / "examples"
NAMES = {  # under which the examples are uploaded: a camera and a time, as a recorder writes them
    "quiet_street": "shopping street 2026-11-29 17-40-00",
    "explosion": "loading yard 2026-11-29 18-02-30",
    "scuffle": "market square 2026-11-29 17-12-00",
    "crash": "crossing 2026-11-29 11-26-00",
}
THRESHOLD, N_EVENTS = "0.15", 3  # and what it flags
LONG = "round 2026-11-29 19-00-00"  # all examples one after the other, twice: more than one window of the model
PROVISIONAL_S, LONG_S = 200.0, 292.0  # a moment behind its first window, and its length
SETTLE_MS = 2500
ANALYSED_MS = 600_000


class RealServer(Server):
    """The page with the demo model, as `python app.py` starts it."""

    def command(self) -> list[str]:
        """What starts it."""
        return [sys.executable, str(ROOT / "app.py")]

    def arguments(self) -> list[str]:
        """None beside the port."""
        return []

    def environment(self) -> dict[str, str]:
        """With a library of its own."""
        return super().environment() | {"CMHKF_HOME": str(self.home)}


def save(page: Page, name: str, *, settle_ms: int = SETTLE_MS) -> None:
    """Keep what the page shows as `NAME.webp`."""
    page.wait_for_timeout(settle_ms)
    picture = Image.open(BytesIO(page.screenshot()))
    picture.save(Path(__file__).parent / f"{name}.webp", quality=80, method=6)


def fill_library(page: Page, folder: Path) -> None:
    """Upload the examples under their names, and wait for the last analysis."""
    files = []
    for example, name in NAMES.items():
        files.append(str(shutil.copy(EXAMPLES / f"{example}.mp4", folder / f"{name}.mp4")))
    page.set_input_files(".rv-file", files)
    page.wait_for_function(
        f"document.querySelectorAll('.rv-is-quiet, .rv-is-todo').length === {len(NAMES)}",
        timeout=ANALYSED_MS,
    )


def join_examples(folder: Path) -> Path:
    """A clip long enough to be seen growing."""
    listed, made = folder / "examples.txt", folder / f"{LONG}.mp4"
    listed.write_text("".join(f"file '{EXAMPLES / name}.mp4'\n" for name in [*NAMES, *NAMES]))
    ffmpeg("-f concat -safe 0 -i", listed, "-r 24 -c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac", made)
    return made


def take_growing(page: Page, clip: Path) -> None:
    """The picture of a curve of which a part is final, a part provisional, and a part not read yet."""
    page.set_input_files(".rv-file", str(clip))
    page.locator(".rv-entry", has_text=LONG).click()
    page.wait_for_selector('.rv[data-view="clip"][data-work="growing"]', timeout=ANALYSED_MS)
    page.wait_for_selector(".rv-count:has-text('final until')", timeout=ANALYSED_MS)
    box = page.locator(".rv-hit").bounding_box()
    assert box
    while "provisional" not in page.inner_text(".rv-readout"):
        assert page.is_visible('.rv[data-work="growing"]'), "it was analysed before its picture was taken"
        page.mouse.move(box["x"] + box["width"] * PROVISIONAL_S / LONG_S, box["y"] + 150)
        page.mouse.move(box["x"] + box["width"] * PROVISIONAL_S / LONG_S + 1, box["y"] + 150)
        page.wait_for_timeout(100)
    page.mouse.move(0, 0)
    save(page, "growing", settle_ms=0)


def take(page: Page) -> None:
    """The pictures, once the examples are analysed."""
    page.locator(".rv-entry", has_text="loading yard").click()
    page.wait_for_selector('.rv[data-view="clip"][data-work="none"] .rv-field[data-to]', state="attached")
    page.fill('[name="threshold"]', THRESHOLD)
    page.press('[name="threshold"]', "Enter")
    page.wait_for_selector(".rv-flagged tr")
    page.click(".rv-flagged tr")
    page.keyboard.press("ArrowRight")
    save(page, "clip")
    page.click("#rv-tab-why")
    page.click(".rv-theme")
    save(page, "why")
    page.click(".rv-theme")
    page.click(".rv-trust button:has-text('How good is this?')")
    page.locator(".rv-q-choice").evaluate("(choice) => choice.scrollIntoView()")
    save(page, "quality")
    page.keyboard.press("Escape")
    page.click('.rv-views [data-go="events"]')
    shown = "(card) => card.querySelector('img')?.naturalWidth"
    cards = "[...document.querySelectorAll('.rv-ev-card')]"
    page.wait_for_function(f"{cards}.length === {N_EVENTS} && {cards}.every({shown})")
    page.press(".rv-ev-card", "ArrowRight")
    save(page, "events")


def main() -> int:
    """Take all pictures, and return the exit code."""
    if (chromium := chromium_path()) is None:
        sys.exit("chromium is not here; install it (Debian: apt-get install chromium)")
    with TemporaryDirectory() as home, TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = RealServer(Path(home))
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS.split())
        try:
            context = browser.new_context(viewport={"width": 1440, "height": 900}, device_scale_factor=1)
            context.add_init_script("localStorage.setItem('cmhkf-reviewer', 'Ann')")
            page = context.new_page()
            page.goto(server.url)
            fill_library(page, Path(folder))
            take(page)
            page.click('.rv-views [data-go="clips"]')
            take_growing(page, join_examples(Path(folder)))
        finally:
            browser.close()
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
