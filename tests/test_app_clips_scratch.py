"""Temporary files: inside the home, gone with the process, and after a kill gone with the next start."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from app.clips.scratch import Scratch
from cmhkf import ConfigError

ROOT = Path(__file__).parents[1]
HOLDING = """
import sys, time
from pathlib import Path
from app.clips.scratch import Scratch
made = Scratch(Path(sys.argv[1]))
(made.uploads / "half a video.mp4").write_bytes(b"video")
print(made.path, flush=True)
time.sleep(60)
"""


def files(home):
    return [path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_what_a_killed_process_left_goes_with_the_next_start_and_a_living_one_keeps_its_own(tmp_path):
    command = [sys.executable, "-c", HOLDING, str(tmp_path)]
    killed, living = (subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2))
    try:
        gone, kept = (Path(process.stdout.readline().strip()) for process in (killed, living))
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        assert (gone / "uploads" / "half a video.mp4").exists()
        mine = Scratch(tmp_path)
        assert not gone.exists()
        assert (kept / "uploads" / "half a video.mp4").read_bytes() == b"video"
        mine.close()
    finally:
        for process in (killed, living):
            process.kill()
            process.wait()
            process.stdout.close()
    Scratch(tmp_path).close()
    assert files(tmp_path) == []


def test_what_is_made_appears_complete_or_not_at_all(tmp_path):
    scratch = Scratch(tmp_path)
    final = tmp_path / "final.json"

    def fail():
        with scratch.making(final) as path:
            path.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert files(tmp_path) == []
    with scratch.making(final) as path:
        path.write_text("whole")
        assert not final.exists()
    assert files(tmp_path) == [final]
    scratch.close()


def test_other_libraries_put_their_temporary_files_there_too(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in ("TMPDIR", "GRADIO_TEMP_DIR"):
        monkeypatch.setenv(name, "elsewhere")
    scratch = Scratch(tmp_path)
    scratch.use_everywhere()
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent == scratch.path
    assert (Path(os.environ["TMPDIR"]), Path(os.environ["GRADIO_TEMP_DIR"])) == (scratch.path, scratch.uploads)
    scratch.close()


@pytest.mark.parametrize("make", [lambda home: home.touch(), lambda home: home.mkdir(mode=0o500)])
def test_a_home_that_cannot_be_written_is_named(tmp_path, make):
    home = tmp_path / "home"
    make(home)
    if os.access(home, os.W_OK) and home.is_dir():
        pytest.skip("this user may write everywhere")
    with pytest.raises(ConfigError, match=r"home .*cannot be written .*--home"):
        Scratch(home)


@pytest.mark.parametrize(
    ("names", "mode"),
    [
        (["analyses", "clips"], 0o700),  # its database lies elsewhere
        (["review.sqlite3"], 0o700),
        (["clips", "letters"], 0o755),
        ([], 0o700),
    ],
)
def test_a_home_is_made_private_and_a_folder_of_other_things_stays_as_it_is(names, mode, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    for name in names:
        (home / name).mkdir()
    home.chmod(0o755)
    Scratch(home).close()
    assert home.stat().st_mode & 0o777 == mode
