"""How fast the review page is with a long clip, in Chromium, with an analysis made up for the purpose.

    python benchmarks/page_speed.py [--minutes 60] [--clips 2] [--home FOLDER]

Prints, for each clip: from the click in the library to curves and table on screen; each step of a dragged threshold,
from the pointer's move to the new segments painted; and the gaps between frames during playback, while zooming, and
while moving a zoomed view. The clips are low-resolution test pictures at 2 frames per second: decoding hardly counts.
With --home they are kept, and used again.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser import CHROMIUM_ARGS, DRAG, Server, chromium_path
from fakes import FakeAnalyzer, busy_scores, made_up, make_video

from app.settings import Settings
from app.store import Store
from cmhkf import Analysis
from cmhkf.media import probe

FRAMES = """async ({ doing, seconds }) => {
  const hit = document.querySelector('.rv-hit');
  const box = hit.getBoundingClientRect();
  const wheel = (deltaY, shiftKey) => hit.dispatchEvent(new WheelEvent('wheel',
    { bubbles: true, cancelable: true, deltaY, shiftKey, clientX: box.x + box.width * 0.4, clientY: box.y + 60 }));
  const gaps = [];
  const start = performance.now();
  let last = await new Promise(requestAnimationFrame);
  for (let i = 0; performance.now() - start < seconds * 1000; i++) {
    if (doing === 'zooming') wheel(i % 60 < 30 ? -60 : 60, false);
    if (doing === 'panning') wheel(i % 60 < 30 ? 40 : -40, true);
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - last);
    last = now;
  }
  return gaps;
}"""


def fill(home: Path, minutes: float, clips: int) -> list[str]:
    """Clips and analyses in a data home, unless there are some; returns the clips' names."""
    store = Store(home, Settings(home=home).store_url)
    if entries := store.library():
        return [entry.clip.name for entry in entries][:clips]
    names = []
    for i in range(clips):
        file = home / f"long-{i + 1}.mp4"
        make_video(file, seconds=round(minutes * 60) + i, size="160x90", rate=2, options=("-preset", "ultrafast"))
        clip = store.add_clip(probe(file), file.name, move=True)
        analysis: Analysis = made_up(clip, FakeAnalyzer())
        store.save(dataclasses.replace(analysis, scores=busy_scores(analysis.n_snippets, i)))
        names.append(clip.name)
    return names


def open_s(page: Page, name: str) -> float:
    """Seconds from the click on a clip in the library to its curves and table."""
    return page.evaluate(
        """async (name) => {
          const entry = [...document.querySelectorAll('.rv-entry')].find((e) => e.textContent.includes(name));
          const start = performance.now();
          entry.click();
          const title = document.querySelector('.rv-title');
          for (;;) {
            await new Promise(requestAnimationFrame);
            const drawn = document.querySelector('.rv-flagged tr');
            if (title.textContent === name && drawn && document.querySelector('.rv[data-work=none]')) break;
          }
          return (performance.now() - start) / 1000;
        }""",
        name,
    )


def spread(values_ms: list[float]) -> str:
    """Median, 95th percentile and worst of some milliseconds, in words."""
    middle, high, worst = np.percentile(values_ms, [50, 95, 100])
    return f"median {middle:.0f} ms, 95 % under {high:.0f} ms, worst {worst:.0f} ms ({len(values_ms)})"


def measure(page: Page, name: str) -> None:
    """Open one clip and print everything about it."""
    print(f"{name}: opened in {open_s(page, name):.2f} s")
    page.wait_for_function("document.querySelector('.rv-video').readyState >= 2")
    page.wait_for_timeout(1500)
    print(f"  threshold drag: {spread(page.evaluate(DRAG))}")
    page.keyboard.press("k")
    for doing in ("playing", "zooming", "panning"):
        if doing == "panning":
            for _ in range(6):
                page.keyboard.press("+")
        print(f"  {doing}: {spread(page.evaluate(FRAMES, {'doing': doing, 'seconds': 4}))}")
    page.keyboard.press("k")


def main() -> None:
    """Make the clips, start the page, measure, clear away."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = arguments.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        names = fill(home, arguments.minutes, arguments.clips)
        server = Server(home)
        try:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(server.url)
            page.wait_for_selector(".rv-entry")
            for name in names:
                measure(page, name)
            browser.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
