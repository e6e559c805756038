"""Fixtures shared by tests of several parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import at, browser, clips, server, watched  # noqa: F401
from busy_clip import busy  # noqa: F401
from media_factory import click, constant, write_numbered, write_wav


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
