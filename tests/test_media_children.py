"""Child processes end with the process that started them, also when that is killed and can do nothing about it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fakes import make_video, until
from processes import below, ran

from cmhkf.media import children
from cmhkf.media.clip import probe
from cmhkf.media.filmstrip import make_film

TESTS = Path(__file__).parent
AT_WORK = """
import sys, time
from test_removal import Called
from pathlib import Path
page = Called(Path(sys.argv[1]))
sha256, key = page.analysed(Path(sys.argv[2]), "long.mp4")
page.ask("copy", clip=sha256)
page.previews.of(sha256)
page.ask("map", analysis_id=key, method="umap", scope="clip")
print("at work", flush=True)
time.sleep(120)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_child_outlives_an_app_that_is_killed(tmp_path):
    video = make_video(tmp_path / "long.mp4", seconds=240, size="320x180", options=("-preset", "ultrafast"))
    command = [sys.executable, "-c", AT_WORK, str(tmp_path / "home"), str(video)]
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    app = subprocess.Popen(command, cwd=TESTS.parent, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert app.stdout.readline() == "at work\n"
        kinds = ("cmhkf.media.decode", "multiprocessing")

        def all_kinds():
            found = below(app.pid)
            return found if all(any(kind in words for words in found.values()) for kind in kinds) else None

        running = until(all_kinds)
    finally:
        os.kill(app.pid, signal.SIGKILL)
        app.wait()
        app.stdout.close()
    until(lambda: not any(alive(pid) for pid in running), seconds=5)


@pytest.mark.skipif(sys.platform != "linux", reason="for the kernel of Linux a thread is the parent")
def test_a_child_outlives_the_thread_that_began_to_read(tmp_path):
    steps = make_film(probe(make_video(tmp_path / "a.mp4", seconds=20)), tmp_path / "film")
    begun = threading.Thread(target=next, args=(steps,))
    begun.start()
    begun.join()
    assert len(list(steps)) > 20
    assert (tmp_path / "film" / "film.json").exists()


def test_killing_ends_what_the_child_started_too():
    code = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    process = children.start([sys.executable, "-c", code], stdout=subprocess.PIPE)
    grandchild = int(process.stdout.readline())
    children.kill(process)
    process.wait(5)
    process.stdout.close()
    until(lambda: not alive(grandchild), seconds=5)


WATCHED = """
import sys, time
from cmhkf.children import die_with
sys.platform = "darwin"
die_with(int(sys.argv[1]))
print("up", flush=True)
time.sleep(60)
"""
PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid)
"""


def test_where_the_kernel_does_not_help_a_thread_looks_for_the_parent():
    """As on macOS; the parent ends at once."""
    done = ran("-c", PARENT, WATCHED)
    until(lambda: not alive(int(done.stdout)), seconds=5)


def test_a_child_whose_parent_has_ended_before_does_not_begin():
    code = "from cmhkf.children import die_with; die_with(1); print('begun')"
    done = ran("-c", code)
    assert (done.returncode, done.stdout) == (1, "")
