"""What the browser tests share: the page as a process of its own, Chromium, and a page that notes every fault."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from fakes import FakeAnalyzer, made_up, make_video
from media_factory import ffmpeg

from app.clips.store import Store
from app.settings import Settings
from cmhkf.media.clip import probe

TESTS = Path(__file__).parent
SECONDS = 20
STARTUP_S = 180  # the promise is 15 s on an idle machine; others may be at work on this one
WAIT_MS = 60_000  # likewise
CHROMIUM_ARGS = """--no-sandbox --autoplay-policy=no-user-gesture-required --disable-background-networking
--disable-component-update --disable-sync --no-first-run --disable-gpu --disable-audio-output"""
# The narrowest screen is where things do not fit; the others run with -m slow.
SCREENS = [pytest.param(1440, 900, marks=pytest.mark.slow), pytest.param(1024, 768, marks=pytest.mark.slow), (390, 844)]
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
        command = [*self.command(), "--port", str(self.port), *self.arguments()]
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

    def command(self):
        return [sys.executable, str(self.SCRIPT)]

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


def serving(home, kind=Server):
    """A server for a fixture, stopped afterwards; nothing may have gone wrong in it."""
    made = kind(home)
    yield made
    made.stop()
    said = made.said()
    assert "Traceback" not in said, said


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One for all tests that need no empty library."""
    yield from serving(tmp_path_factory.mktemp("home"))


def keep(server, file, analyse=lambda clip: made_up(clip, FakeAnalyzer())):
    """Put a file and its analysis into the server's home as if made before: its SHA-256, and the analysis's id."""
    store = Store(server.home, Settings(home=server.home).store_url)
    clip = store.add_clip(probe(file), file.name, move=False)
    return clip.sha256, store.save(analyse(clip))


@pytest.fixture(scope="session")
def footage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    return [
        make_video(folder / "corridor.mp4", seconds=SECONDS),
        make_video(folder / "yard <b>bold ${alert(1)}.mp4", seconds=5),
        make_video(folder / "old.avi", seconds=6, codec="mpeg4", sound=False),
    ]


@pytest.fixture(scope="module")
def clips(footage, tmp_path_factory, request):
    """Files of the module's own, which the server has not seen: their titles differ."""
    folder = tmp_path_factory.mktemp("clips")
    for file in footage:
        ffmpeg("-i", file, "-c", "copy", "-metadata", f"title={request.module.__name__}", folder / file.name)
    return dict(zip(("main", "slow", "old"), (folder / file.name for file in footage), strict=True))


def chromium_path():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser():
    chromium = chromium_path()
    if chromium is None:
        reason = "chromium is not here; install it (Debian: apt-get install chromium)"
        if os.environ.get("CMHKF_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS.split())
        yield made
        made.close()


class Watched:
    """A page, and everything that must not happen on it.

    A page that is closed leaves its context, with the server's files and the compiled scripts, to the next one, but
    nothing of what it stored there. `reviewer` has said a name, unless it is empty.
    """

    IDLE: dict[str, list] = {}  # contexts by the server's address

    def __init__(self, browser, server, width=1440, height=900, reviewer="reviewer"):
        self.idle = self.IDLE.setdefault(server.url, [])
        self.page = (self.idle.pop() if self.idle else browser.new_context()).new_page()
        self.page.set_viewport_size({"width": width, "height": height})
        stored = {"origin": server.url.rstrip("/"), "storageTypes": "local_storage"}
        self.page.context.new_cdp_session(self.page).send("Storage.clearDataForOrigin", stored)
        self.page.set_default_timeout(WAIT_MS)
        self.forget_choices(server)
        if reviewer:
            self.page.add_init_script(
                f"localStorage.getItem('cmhkf-reviewer') ?? localStorage.setItem('cmhkf-reviewer', {reviewer!r})"
            )
        self.faults = []
        self.page.on("pageerror", lambda e: self.faults.append(f"page error: {e}"))
        self.page.on("console", lambda m: m.type == "error" and self.faults.append(f"console: {m.text}"))
        self.page.on("dialog", lambda d: self.faults.append(f"dialog: {d.message}") or d.dismiss())
        self.page.on("response", lambda r: r.status >= 400 and self.faults.append(f"{r.status} {r.url}"))
        self.page.on("request", lambda r: self.leaves(r.url, server.url) and self.faults.append(f"left: {r.url}"))

    @staticmethod
    def forget_choices(server):
        """Every reviewer cuts the library as usual again, whatever another test chose."""
        file = server.home / "review.sqlite3"
        if file.exists():  # else it is that of a server without a home
            with closing(sqlite3.connect(file, timeout=20)) as database, database:
                database.execute("DELETE FROM reviewers")

    def __getattr__(self, name):
        """All that the page itself can do."""
        return getattr(self.page, name)

    def route(self, pattern, handle):
        """As the page's own, and in force when it returns: Chromium lets requests pass for a moment."""
        self.page.route(pattern, handle)
        if not self.page.url.startswith("http"):
            return
        caught = []
        self.page.route("**/?caught", lambda call: caught.append(call) or call.fulfill())
        while not caught:
            self.page.evaluate("fetch('?caught').then(() => null)")

    def close(self):
        self.page.close()
        self.idle.append(self.page.context)

    def end(self):
        """Close the page; nothing may have gone wrong on it."""
        self.close()
        assert self.faults == [], self.faults

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

    def bring(self, file):
        """Upload a clip and wait for its analysis."""
        self.upload(file)
        self.wait_result()

    def confirm_first(self, file):
        """Bring a clip in and confirm its first segment."""
        self.bring(file)
        press(self, "n", "c")
        wait_ack(self, "Confirmed")


def opened_on(browser, server, file, width=1440, height=900):
    """A page on which a file was brought in."""
    made = Watched(browser, server, width, height)
    made.goto(server.url)
    made.bring(file)
    return made


def address_of(browser, server, file):
    """Bring a clip in, and return the address that shows it."""
    made = opened_on(browser, server, file)
    made.wait_for_url("**analysis=*")
    address = made.url.split("&t=")[0]
    made.close()
    return address


@pytest.fixture
def watched(browser, server):
    made = Watched(browser, server)
    made.goto(server.url)
    yield made
    made.end()


@pytest.fixture(scope="module")
def reviewed(browser, server, clips):
    """The main clip, analysed, on a page that the tests of a file share."""
    made = opened_on(browser, server, clips["main"])
    yield made
    made.close()


@pytest.fixture
def at(browser, server, analysed, request):
    """Opens the module's clip, at the address `analysed`, as a reviewer named after the test: no test sees another's
    marks as its own."""
    pages = []
    mine = request.node.name[5:35]

    def open_page(name=mine, more="&t=0", width=1440, height=900):
        watched = Watched(browser, server, width, height, name)
        watched.goto(analysed + more)
        watched.wait_result()
        pages.append(watched)
        return watched

    yield open_page
    for watched in pages:
        watched.end()


def on_call(watched, name, handle):
    """Have `handle` answer what the page requests of Python by that name."""

    def route(call):
        called = f'"fn_name":"{name}"' in (call.request.post_data or "")
        return handle(call) if called else call.fallback()

    watched.route("**/component_server/**", route)


class Held:
    """Holds requests back, or with `answered` their answers, until they are released."""

    def __init__(self, watched, name, *, answered=False, wanted=lambda call: True):
        self.calls, self.open = [], False
        self.watched, self.answered, self.wanted = watched, answered, wanted
        on_call(watched, name, self.take)

    def take(self, call):
        if self.open or not self.wanted(call):
            return call.fallback()
        answer = call.fetch() if self.answered else None
        return self.calls.append((call, answer))

    def refuse_first(self):
        """Refuse the first one, as soon as it is there, and release the others."""
        while not self.calls:
            self.watched.wait_for_timeout(50)
        self.calls.pop(0)[0].fulfill(json={"error": "That was refused."})
        self.release()

    def release(self):
        self.open = True
        for call, answer in self.calls:
            if answer:
                call.fulfill(response=answer)
            else:
                call.continue_()


def only_lost_requests(watched):
    """What the browser itself notes of requests that were lost on purpose is no fault."""
    assert all("Failed to load resource" in fault for fault in watched.faults), watched.faults
    watched.faults.clear()


def press(watched, *keys):
    for key in keys:
        watched.keyboard.press(key)


def export(watched, folder):
    """Press the button of the dialog of exports, and save the file that comes of it."""
    watched.click(".rv-export button[type=submit]")
    watched.wait_for_selector(".rv-export a:visible")
    with watched.expect_download() as download:
        watched.click(".rv-export a")
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file


def wait_ack(watched, words):
    watched.wait_for_function("w => document.querySelector('.rv-ack').textContent.includes(w)", arg=words)


def states(watched):
    return watched.evaluate("[...document.querySelectorAll('.rv-flagged tr')].map(r => r.dataset.state)")


def current(watched):
    return watched.evaluate(
        "[...document.querySelectorAll('.rv-table tr[data-id]')].findIndex(r => r.getAttribute('aria-current'))"
    )


def violations(page):
    """Of our part of the page; the frame round it is Gradio's."""
    found = Axe().run(page, context=".rv").response["violations"]
    return [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in found]


def click_axis(opened, share):
    box = opened.locator(".rv-hit").bounding_box()
    opened.mouse.click(box["x"] + box["width"] * share, box["y"] + box["height"] * 0.5)
    return box["x"] + box["width"] * share
