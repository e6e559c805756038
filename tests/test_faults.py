"""What goes wrong between two steps: kills, races, the same thing sent twice, names and homes that cannot be kept."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from analyses import make_analysis
from browser import Server
from fakes import CUT, FakeAnalyzer, analysed, brought, make_video, open_workspace, wait
from test_app_clips_store import bring
from test_app_review_log import SEEN, change, put, url

from app.clips.store import Store
from app.clips.workspace import Workspace
from app.review.log import DecisionLog
from app.settings import Settings
from app.web.page import Page
from cmhkf import CmhkfError, ConfigError
from cmhkf.errors import MediaError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'review.sqlite3'}")
    yield made
    made.close()


# Clips ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kept"),
    [("yard\ud800.mp4", "yard\ufffd.mp4"), ("a\x00b\n.mp4", "a\ufffdb\ufffd.mp4"), ("\ud83d\ude00 ü.mp4", "😀 ü.mp4")],
)
def test_any_name_is_kept_so_that_it_can_be_read_again(store, tmp_path, name, kept):
    assert (bring(store, tmp_path, name).name, [entry.name for entry in store.library()]) == (kept, [kept])
    json.dumps(store.library()[0].name).encode()


def test_no_file_is_served_whose_row_was_not_kept(store, tmp_path, monkeypatch):
    def broken(*_):
        raise CmhkfError("the database is gone")

    monkeypatch.setattr("sqlalchemy.orm.Session.commit", broken)
    with pytest.raises(CmhkfError, match="database is gone"):
        bring(store, tmp_path, "a.mp4")
    monkeypatch.undo()
    assert (list(store.clips_dir.iterdir()), bring(store, tmp_path, "a.mp4").name) == ([], "a.mp4")


# Decisions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_of", [lambda n: "the same", str])
def test_a_decision_sent_ten_times_at_once_is_saved_and_said_so_ten_times(tmp_path, clip_file, request_of):
    workspace = open_workspace(tmp_path)
    key = analysed(workspace, clip_file)
    clip, page = workspace.analysis(key).clip, Page(workspace)
    handlers = page.handlers()
    view = CUT | {"clip": clip.sha256, "analysis_id": key, "reviewer": "Ann"}
    mark = handlers["marks"](view)["marks"][0]["id"]
    together = threading.Barrier(10)

    def send(number):
        together.wait()
        return handlers["decide"](
            view | {"action": "confirm", "segment": mark, "revision": 0, "request": request_of(number)}
        )

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(send, range(10)))
    assert [answer.get("error") for answer in answers] == [None] * 10
    assert {(answer["revision"], tuple(answer["changed"])) for answer in answers} == {(1, (mark,))}
    assert len(page.reviews.log.changes(clip.sha256)["Ann"]) == 1
    other = handlers["decide"](view | {"action": "dismiss", "segment": mark, "revision": 0, "request": "another"})
    assert "another tab" in other["error"]
    workspace.close()


def test_who_decided_last_is_told_by_the_order_of_rows_and_not_by_the_clock(tmp_path):
    decisions = DecisionLog(Store(tmp_path, url(tmp_path)))
    put(decisions, change(1, "ann", decided="2026-01-02T12:00:00+00:00"))
    put(decisions, change(1, "ben", decided="2026-01-02T11:00:00+00:00"))  # the clock was set back
    assert decisions.progress_of("ab" * 32).reviewer == "ben"


def test_a_database_of_an_earlier_release_keeps_its_order(tmp_path):
    decisions = DecisionLog(Store(tmp_path, url(tmp_path)))
    put(decisions, change(1, "ann", decided="2026-01-02T11:00:00+00:00"))
    put(decisions, change(1, "ben", decided="2026-01-02T12:00:00+00:00"))
    with sqlite3.connect(tmp_path / "review.sqlite3") as file:
        for index in ("decisions_newest", "decisions_by_reviewer"):
            file.execute(f"drop index {index}")
        file.execute("alter table decisions drop column number")
    again = DecisionLog(Store(tmp_path, url(tmp_path)))
    assert again.progress_of("ab" * 32).reviewer == "ben"
    put(again, change(2, "ann", after=replace(SEEN, state="dismissed")))
    assert again.progress_of("ab" * 32).reviewer == "ann"


# Starts --------------------------------------------------------------------------------------------------------------

OPENING = """
import sys
from pathlib import Path
from app.review.log import DecisionLog
from app.clips.store import Store
print("ready", flush=True)
sys.stdin.readline()
home = Path(sys.argv[1])
DecisionLog(Store(home, f"sqlite:///{home / 'review.sqlite3'}"))
"""


def test_starts_at_once_on_a_new_home_all_succeed(tmp_path):
    command = [sys.executable, "-c", OPENING, str(tmp_path / "home")]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, said


def test_a_home_and_a_database_that_cannot_be_written_are_noticed_at_the_start(tmp_path):
    Store(tmp_path, url(tmp_path)).close()
    with pytest.raises(ConfigError, match=r"readonly database.*--database-url"):
        Store(tmp_path, f"sqlite:///file:{tmp_path}/review.sqlite3?mode=ro&uri=true")
    if os.geteuid() == 0:
        return  # root may write everywhere
    (tmp_path / "previews").chmod(0o500)
    with pytest.raises(ConfigError, match=r"previews.*--home"):
        Store(tmp_path, url(tmp_path))
    (tmp_path / "previews").chmod(0o700)


def open_to_others(home):
    return [
        str(path.relative_to(home)) for path in [home, *home.rglob("*")] if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]


def test_nobody_else_reads_the_home(tmp_path, clip_file):
    before = os.umask(0o022)
    try:
        home = tmp_path / "new"
        workspace = Workspace(Settings(home=home), lambda model: FakeAnalyzer())
        analysed(workspace, clip_file, "a.mp4")
        (clip,) = workspace.store.library()
        Page(workspace).handlers()["show"]({"clip": clip.sha256})
        assert [path for path in open_to_others(home) if not path.endswith((".lock", "-wal", "-shm"))] == []
        workspace.close()
        home.chmod(0o755)  # as an earlier release left it
        (home / "clips" / f"{clip.sha256}.mp4").chmod(0o644)
        Workspace(Settings(home=home), lambda model: FakeAnalyzer()).close()
        assert open_to_others(home) == []
        shared = tmp_path / "shared"
        shared.mkdir()
        (shared / "somebody's file").touch()
        Store(shared, url(shared)).close()
        assert "somebody's file" in open_to_others(shared)
    finally:
        os.umask(before)


# Interrupted work ----------------------------------------------------------------------------------------------------

WORKING = """
import sys, time
from pathlib import Path
from fakes import FakeAnalyzer
from app.clips.workspace import Workspace
from app.settings import Settings
from cmhkf.media.clip import probe
workspace = Workspace(Settings(home=Path(sys.argv[1])), lambda model: FakeAnalyzer(delay_s=5))
for path in sys.argv[2:]:
    workspace.analyse(workspace.add(probe(Path(path)), Path(path).name, move=False).sha256)
while workspace.analyses.all()[0].state != "running":
    time.sleep(0.01)
print("running", flush=True)
time.sleep(60)
"""


def test_analyses_that_a_kill_interrupted_are_queued_again_in_their_order(tmp_path):
    files = [str(make_video(tmp_path / f"{n}.mp4", seconds=n)) for n in (3, 1, 2)]
    command = [sys.executable, "-c", WORKING, str(tmp_path / "home"), *files]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "running\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    workspace = Workspace(Settings(home=tmp_path / "home"), lambda model: FakeAnalyzer())
    workspace.resume()
    assert [workspace.store.clip(job.key).name for job in workspace.analyses.all()] == ["3.mp4", "1.mp4", "2.mp4"]
    for job in workspace.analyses.all():
        assert wait(job).state == "done"
    workspace.close()
    again = Workspace(Settings(home=tmp_path / "home"), lambda model: FakeAnalyzer())
    again.resume()
    assert again.analyses.all() == []
    again.close()


def test_ordinary_restarts_do_not_count_as_tries_and_a_refused_analysis_does_not_wait(tmp_path, clip_file):
    for n in range(3):
        workspace = Workspace(Settings(home=tmp_path), lambda model: FakeAnalyzer(delay_s=0.05))
        if n == 0:
            workspace.analyse(brought(workspace, clip_file))
        workspace.resume()
        [job] = workspace.analyses.all()
        while job.status.stage != "pictures":
            time.sleep(0.01)
        workspace.close()
    workspace = Workspace(Settings(home=tmp_path), lambda model: FakeAnalyzer())
    [(sha256, model)] = workspace.store.queued()
    workspace.store.dequeue(sha256, model)
    workspace.scheduler.close()
    workspace.analyses._most = 0
    with pytest.raises(CmhkfError, match="waiting already"):
        workspace.analyse(sha256)
    assert workspace.store.queued() == []
    workspace.close()


def test_what_was_cancelled_or_has_failed_is_not_queued_again(tmp_path, clip_file):
    analyzer = FakeAnalyzer(delay_s=0.05, error=MediaError("too dark"))
    workspace = Workspace(Settings(home=tmp_path), lambda model: analyzer)
    other = brought(workspace, make_video(tmp_path / "other.mp4", seconds=1))
    failing, waiting = workspace.analyse(brought(workspace, clip_file)), workspace.analyse(other)
    workspace.cancel(waiting.id)
    assert (wait(failing).state, workspace.store.queued()) == ("failed", [])
    workspace.close()


def test_what_ended_the_server_twice_is_not_tried_a_third_time(store, tmp_path, caplog):
    bring(store, tmp_path, "a.mp4")
    store.enqueue("ab" * 32, "demo")
    store.enqueue("ab" * 32, "demo")
    for _ in range(2):
        assert store.queued() == [("ab" * 32, "demo")]
        store.begun("ab" * 32, "demo")
    assert store.queued() == []
    assert "clip abababababab is not analysed again" in caplog.text
    store.enqueue("ab" * 32, "demo")  # somebody asks for it again
    assert store.queued() == [("ab" * 32, "demo")]
    store.save(make_analysis([0.1], clip=store.clip("ab" * 32)))
    store.remove("ab" * 32)
    assert store.queued() == []


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stopped_page_ends_well_whatever_its_threads_are_inside_of(tmp_path, number):
    script = tmp_path / "aborting.py"  # as torch does when Python takes itself apart around a thread that is inside it
    script.write_text(
        "import atexit, os, sys\nfrom fakes import FakeAnalyzer\nfrom app.main import main\n"
        "atexit.register(os.abort)\nmain(analyzer_factory=lambda model: FakeAnalyzer())\n"
    )
    page = type("Aborting", (Server,), {"SCRIPT": script})(tmp_path)
    page.process.send_signal(number)
    assert page.process.wait(60) == 0, page.said()
    assert "Traceback" not in page.said()
    page.log.close()
