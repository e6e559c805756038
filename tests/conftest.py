"""Fixtures shared by tests of several parts."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: small matrices gain nothing from more threads

import fcntl
import getpass
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from browser import at, browser, clips, footage, reviewed, server, watched  # noqa: F401
from fakes import FakeAnalyzer, make_video, open_workspace
from media_factory import click, constant, ffmpeg, write_numbered, write_wav

from app.clips.workspace import Workspace
from app.web.page import Page

# Empty folders that gradio_client leaves for every upload, and multiprocessing in a worker that is ended.
LEFT_EMPTY = re.compile("[0-9a-f]{40}|pymp-.+")
# What Chromium was writing when it was ended.
LEFT_UNFINISHED = re.compile(r"\.org\.chromium\.Chromium\.\w+")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, so that no worker is left with one of them while the others have ended."""
    items.sort(key=lambda item: not item.path.name.startswith(("test_browser", "test_one_clock")))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test marked `serial` measures time and has the machine to itself: the other workers wait until it is over."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    shared = Path(item.config.getoption("basetemp")).parent
    with (shared / "running.lock").open("w") as running:
        with (shared / "queue.lock").open("w") as queue:  # who waits to be alone is not overtaken
            fcntl.flock(queue, fcntl.LOCK_EX)
            fcntl.flock(running, fcntl.LOCK_EX if item.get_closest_marker("serial") else fcntl.LOCK_SH)
        return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    """pytest removes its folder of this run; here goes the one that held it, unless other runs are in it."""
    with suppress(OSError):
        (Path(tempfile.gettempdir()) / f"pytest-of-{getpass.getuser()}").rmdir()


@pytest.fixture(scope="session", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is left in the temporary folder: for the whole run of a worker that is a new one."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("TMPDIR", str(folder))
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("torch")))  # made when torch trains
        yield
    found = [path for path in folder.iterdir() if not LEFT_UNFINISHED.fullmatch(path.name)]
    left = [path.name for path in found if not LEFT_EMPTY.fullmatch(path.name) or any(path.iterdir())]
    assert left == [], f"the tests left {left} in the temporary folder"


@pytest.fixture(scope="session", autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests write nothing into the data home of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CMHKF_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        yield


@pytest.fixture(scope="session")
def numbered_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, 48 numbered pictures at 24 per second, H.264 in mp4, no sound."""
    return write_numbered(
        tmp_path_factory.mktemp("media") / "numbered.mp4", constant(24, 48), last_s=constant(24, 2)[1]
    )


@pytest.fixture(scope="session")
def click_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of mono sound at 44.1 kHz with a click at 1 s."""
    return write_wav(tmp_path_factory.mktemp("sound") / "click.wav", click(1.0, 2.0))


@pytest.fixture
def unreadable_sound(numbered_clip: Path, click_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The numbered pictures beside a sound track whose codec nobody knows."""
    path = tmp_path_factory.mktemp("unreadable") / "c.mkv"
    ffmpeg("-i", numbered_clip, "-i", click_wav, "-c:v copy -c:a pcm_s16le", path)
    content = path.read_bytes()
    assert content.count(b"A_PCM/INT/LIT") == 1
    path.write_bytes(content.replace(b"A_PCM/INT/LIT", b"A_XYZ/INT/LIT"))
    return path


@pytest.fixture(scope="session")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds with a tone."""
    return make_video(tmp_path_factory.mktemp("clips") / "corridor.mp4", seconds=6)


@pytest.fixture
def analyzer() -> FakeAnalyzer:
    return FakeAnalyzer()


@pytest.fixture
def workspace(tmp_path: Path, analyzer: FakeAnalyzer) -> Iterator[Workspace]:
    made = open_workspace(tmp_path / "home", analyzer)
    yield made
    made.close()


@pytest.fixture
def page(workspace: Workspace) -> Page:
    return Page(workspace)


@pytest.fixture
def handlers(page: Page):
    """The page's functions by name, as the browser calls them."""
    return page.handlers()
