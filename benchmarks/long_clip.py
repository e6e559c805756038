"""How soon the page shows the curve and the list of a six-hour clip, and how fluidly its timeline zooms and pans.

    python benchmarks/long_clip.py

The analysis is made up, of a real one's size, and kept as if made before; a clip of one minute stands beside it. Needs
Debian's chromium, headless and without a GPU; the server makes the clip's filmstrip meanwhile. Exit code 1: the curve
or the list of the long clip takes 2 s or more, or one frame in twenty over 34 ms.
"""

import argparse
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser import CHROMIUM_ARGS, Server, chromium_path, keep
from fakes import FakeAnalyzer, busy_scores, made_up, make_video

from cmhkf.analysis import Analysis
from cmhkf.media.clip import Clip

LONG_S = 6 * 3600
VISITS = 3
OPENS_S, FRAME_MS = 2.0, 34  # two frames of a display of 60 Hz
EMBEDDED = 512  # columns of the embeddings
TURNS = 60
WAIT_MS = 120_000
# Notes when the curve and the list were painted, in ms since the navigation began.
NOTE_DRAWN = """
const note = (selector, name) => {
  if (!document.querySelector(selector)) return requestAnimationFrame(() => note(selector, name));
  requestAnimationFrame(() => requestAnimationFrame(() => { window[name] = performance.now(); }));
};
note('.rv-field[data-to]', 'drawn_ms');
note('.rv-flagged tr', 'listed_ms');
"""
ALL_LISTED = "document.querySelectorAll('.rv-flagged tr').length >= parseInt(/of (\\d+)/.exec("
ALL_LISTED += "document.querySelector('.rv-count').textContent)[1])"
# Turns the wheel over the timeline once a frame; the time from each frame to the next in ms.
TURN = """async ([turns, deltaX, deltaY]) => {
  const field = document.querySelector('.rv-field'), box = field.getBoundingClientRect();
  const place = { clientX: box.x + box.width / 3, clientY: box.y + box.height / 2 };
  const gaps = [];
  let last = await new Promise(requestAnimationFrame);
  for (let i = 0; i < turns; i++) {
    field.dispatchEvent(new WheelEvent('wheel', { ...place, deltaX, deltaY, bubbles: true, cancelable: true }));
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - last);
    last = now;
  }
  return gaps;
}"""
MOVES = {
    "nothing": (0, 0),
    "zooming in": (0, -40),
    "panning": (40, 0),
    "zooming out": (0, 40),
    "panning the whole": (9, 0),
}


def analysis_of(clip: Clip) -> Analysis:
    """A made-up analysis with embeddings as wide as real ones, and a segment every few minutes."""
    made = made_up(clip, FakeAnalyzer())
    embedded = np.random.default_rng(0).standard_normal((made.n_snippets, EMBEDDED), np.float32)
    scores = busy_scores(made.n_snippets, 1)
    return replace(made, scores=scores, clip_embeddings=embedded, fused_embeddings=embedded)


def opened_after_s(page: Page, address: str) -> tuple[float, float]:
    """Open a clip; the seconds from navigation to its curve, and to its list of segments."""
    page.add_init_script(NOTE_DRAWN)
    page.goto(address)
    drawn_ms = page.wait_for_function("window.drawn_ms", timeout=WAIT_MS).json_value()
    listed_ms = page.wait_for_function("window.listed_ms", timeout=WAIT_MS).json_value()
    return drawn_ms / 1000, listed_ms / 1000


def latest_ms(page: Page) -> float:
    """Move the timeline in several ways, and print how often a frame comes; the longest that 95 % of them take."""
    latest = []
    for move, (delta_x, delta_y) in MOVES.items():
        gaps_ms = page.evaluate(TURN, [TURNS, delta_x, delta_y])
        latest.append(statistics.quantiles(gaps_ms, n=20)[-1])
        print(f"  {move}: a frame every {statistics.median(gaps_ms):.0f} ms, 95 % within {latest[-1]:.0f} ms")
    return max(latest)


def measure(browser: Browser, server: Server, folder: Path, seconds: int) -> bool:
    """Look at a clip of that length, print, and return whether all came in time."""
    video = make_video(folder / f"{seconds}.mp4", seconds=seconds, size="64x36", rate=1, sound=False)
    key = keep(server, video, analysis_of)[1]
    in_time = True
    for visit in range(1, VISITS + 1):
        with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
            page = context.new_page()
            drawn_s, listed_s = opened_after_s(page, f"{server.url}?analysis={key}&threshold=0.75")
            page.wait_for_function(ALL_LISTED, timeout=WAIT_MS)
            n_segments = page.locator(".rv-flagged tr").count()
            told = f"curve after {drawn_s:.2f} s, list after {listed_s:.2f} s"
            print(f"{seconds} s, {n_segments} segments, visit {visit}: {told}", flush=True)
            in_time &= max(drawn_s, listed_s) < OPENS_S
            if visit == VISITS:
                in_time &= latest_ms(page) <= FRAME_MS
    return in_time


def main() -> int:
    """Measure on this machine, and return the exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if (chromium := chromium_path()) is None:
        sys.exit("chromium is not here; install it (Debian: apt-get install chromium)")
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS.split())
        try:
            _, in_time = (measure(browser, server, Path(folder), seconds) for seconds in (60, LONG_S))
        finally:
            browser.close()
            server.stop()
    return int(not in_time)


if __name__ == "__main__":
    sys.exit(main())
