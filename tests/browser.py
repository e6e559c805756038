"""What the browser tests share: the page as a process of its own, Chromium, and a page that notes every fault."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from fakes import make_video

TESTS = Path(__file__).parent
SECONDS = 20
STARTUP_S = 180  # the promise is 15 s on an idle machine; others may be at work on this one
WAIT_MS = 60_000  # likewise
CHROMIUM_ARGS = [
    "--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-gpu",
]  # fmt: skip
# Drags the threshold in 20 steps; milliseconds of each, from the pointer's move to the paint of the new cut.
DRAG = """async () => {
  const handle = document.querySelector('.rv-threshold');
  const count = document.querySelector('.rv-count');
  const frame = () => new Promise(requestAnimationFrame);
  const box = handle.getBoundingClientRect();
  const send = (type, y) => handle.dispatchEvent(new PointerEvent(type,
    { bubbles: true, cancelable: true, button: 0, pointerId: 1, clientX: box.x + 300, clientY: y }));
  handle.setPointerCapture = () => {};
  handle.hasPointerCapture = () => true;
  const times = [];
  send('pointerdown', box.y + 6);
  for (let step = 1; step <= 20; step++) {
    await frame();
    const before = count.textContent;
    const start = performance.now();
    send('pointermove', box.y + 6 + (step <= 10 ? step : 20 - step) * 4);
    while (count.textContent === before && performance.now() - start < 3000) await frame();
    await frame();
    times.push(performance.now() - start);
  }
  send('pointerup', box.y);
  delete handle.setPointerCapture;
  delete handle.hasPointerCapture;
  return times;
}"""


class Server:
    """The page as a process of its own, which can be ended and started again."""

    SCRIPT = TESTS / "fake_server.py"

    def __init__(self, home):
        self.home = home
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self):
        self.log = (self.home / "server.log").open("ab")
        command = [sys.executable, str(self.SCRIPT), "--port", str(self.port), *self.arguments()]
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=subprocess.STDOUT, env=self.environment(), cwd=TESTS.parent
        )
        try:
            self.wait()
        except BaseException:
            self.process.kill()
            raise

    def wait(self):
        end = time.monotonic() + STARTUP_S
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, self.said()
                assert time.monotonic() < end, self.said()
                time.sleep(0.1)

    def arguments(self):
        return ["--home", str(self.home)]

    def environment(self):
        return {**os.environ, "CMHKF_FAKE_DELAY_S": "0.12", "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()

    def said(self):
        return (self.home / "server.log").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("home"))
    yield made
    made.stop()
    assert "Traceback" not in made.said()


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return {
        "main": make_video(folder / "corridor.mp4", seconds=SECONDS),
        "slow": make_video(folder / "yard <b>bold ${alert(1)}.mp4", seconds=5),
        "old": make_video(folder / "old.avi", seconds=6, codec="mpeg4", sound=False),
    }


def chromium_path():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    chromium = chromium_path()
    if chromium is None:
        reason = "chromium is not here; install it (Debian: apt-get install chromium)"
        if os.environ.get("CMHKF_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        yield made
        made.close()


class Watched:
    """A page, and everything that must not happen on it."""

    def __init__(self, browser, server, width=1440, height=900):
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(WAIT_MS)
        self.faults = []
        self.page.on("pageerror", lambda e: self.faults.append(f"page error: {e}"))
        self.page.on("console", lambda m: m.type == "error" and self.faults.append(f"console: {m.text}"))
        self.page.on("dialog", lambda d: self.faults.append(f"dialog: {d.message}") or d.dismiss())
        self.page.on("response", lambda r: r.status >= 400 and self.faults.append(f"{r.status} {r.url}"))
        self.page.on("request", lambda r: self.leaves(r.url, server.url) and self.faults.append(f"left: {r.url}"))

    @staticmethod
    def leaves(url, home):
        return not url.startswith((home, "blob:", "data:"))

    def time(self):
        return self.page.evaluate("document.querySelector('.rv-video').currentTime")

    def cursor_x(self):
        return self.page.evaluate("document.querySelector('.rv-cursor').getBoundingClientRect().x")

    def wait_time(self, expected, tolerance=0.1):
        script = "([t, d]) => Math.abs(document.querySelector('.rv-video').currentTime - t) <= d"
        self.page.wait_for_function(script, arg=[expected, tolerance])

    def starts(self):
        script = "[...document.querySelectorAll('.rv-flagged tr')].map(r => r.cells[1].textContent)"
        return [60 * int(t[:2]) + float(t[3:]) for t in self.page.evaluate(script)]

    def wait_result(self):
        self.page.wait_for_selector('.rv[data-view="clip"][data-work="none"] .rv-flagged tr')
        self.page.wait_for_selector(".rv-field[data-to]", state="attached")
        self.page.wait_for_function("document.querySelector('.rv-video').readyState >= 2")

    def upload(self, file):
        self.page.wait_for_selector('.rv:not([data-view="loading"])')
        self.page.set_input_files(".rv-file", str(file))

    def confirm_first(self, file):
        """Bring a clip in, wait for its analysis, and confirm its first segment."""
        self.upload(file)
        self.wait_result()
        press(self, "n", "c")
        wait_ack(self, "Confirmed")


@pytest.fixture
def watched(browser, server):
    made = Watched(browser, server)
    made.page.goto(server.url)
    yield made
    made.page.close()
    assert made.faults == [], made.faults


@pytest.fixture
def at(browser, server, analysed, request):
    """Opens the module's clip, at the address `analysed`, as a reviewer named after the test: no test sees another's
    marks as its own."""
    pages = []
    mine = request.node.name[5:35]

    def open_page(name=mine, more="&t=0", width=1440, height=900):
        watched = Watched(browser, server, width, height)
        watched.page.add_init_script(
            f"localStorage.getItem('cmhkf-reviewer') ?? localStorage.setItem('cmhkf-reviewer', {name!r})"
        )
        watched.page.goto(analysed + more)
        watched.wait_result()
        pages.append(watched)
        return watched

    yield open_page
    for watched in pages:
        watched.page.close()
        assert watched.faults == [], watched.faults


def press(watched, *keys):
    for key in keys:
        watched.page.keyboard.press(key)


def wait_ack(watched, words):
    watched.page.wait_for_function("w => document.querySelector('.rv-ack').textContent.includes(w)", arg=words)


def states(watched):
    return watched.page.evaluate("[...document.querySelectorAll('.rv-flagged tr')].map(r => r.dataset.state)")


def current(watched):
    return watched.page.evaluate(
        "[...document.querySelectorAll('.rv-table tr[data-id]')].findIndex(r => r.getAttribute('aria-current'))"
    )


def violations(page):
    """Of our part of the page; the frame round it is Gradio's."""
    found = Axe().run(page, context=".rv").response["violations"]
    return [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in found]


def click_axis(opened, share):
    box = opened.page.locator(".rv-hit").bounding_box()
    opened.page.mouse.click(box["x"] + box["width"] * share, box["y"] + box["height"] * 0.5)
    return box["x"] + box["width"] * share
