"""What the library lists, what a removal leaves behind (nothing), and the sweep of old clips, on real files."""

import os
import pickle
import time
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import numpy as np
import pytest
from analyses import make_analysis, make_clip
from fakes import FakeAnalyzer, make_video
from sqlalchemy import create_engine, inspect, text
from test_app_desk import wait

from app.desk import Desk
from app.jobs import Jobs
from app.library import Library
from app.library_asks import LibraryAsks, sweep_now_and_then
from app.settings import Settings, parse_settings
from app.store import NotFoundError
from cmhkf import CmhkfError, ConfigError, MediaError, flag_segments


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("clips") / "corridor.mp4", seconds=6)


@pytest.fixture(scope="module")
def other_file(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("clips") / "yard.mp4", seconds=3)


@pytest.fixture
def analyzer():
    return FakeAnalyzer()


def open_desk(home, analyzer, **settings):
    return Desk(Settings(home=home, **settings), lambda model: analyzer)


@pytest.fixture
def desk(tmp_path, analyzer):
    made = open_desk(tmp_path / "home", analyzer)
    yield made
    made.close()


def analysed(desk, file):
    clip = desk.add(file, file.name, move=False)
    wait(desk.analyse(clip.sha256))
    return clip.sha256


def only(library):
    (entry,) = library.listing()["library"]
    return entry


class Notes:
    """What the review keeps, as far as the library asks for it."""

    def __init__(self):
        self.decided = {}

    def progress_of(self, sha256, analysis_id):
        decided = self.decided.get(sha256)
        return None if decided is None else SimpleNamespace(n_left=2 - decided, n_decided=decided, reviewer="Ann")

    def forget(self, sha256):
        self.decided.pop(sha256, None)


# The list ------------------------------------------------------------------------------------------------------------


def test_an_entry_tells_what_was_found_at_the_usual_threshold(desk, clip_file):
    analysed(desk, clip_file)
    entry = only(Library(desk))
    found = flag_segments(desk.store.load(entry["analysis_id"]), 0.5)
    assert entry["segments"] == len(found) == 2
    assert entry["label"] == max(found, key=lambda s: s.score).label
    assert (entry["work"], entry["error"], entry["review"]) == (None, "", None)


def test_an_entry_follows_its_work_from_waiting_to_failed(desk, analyzer, clip_file, other_file):
    analyzer.delay_s, analyzer.error = 0.1, MediaError("too dark to see")
    library = Library(desk)
    first, second = (desk.add(file, file.name, move=False) for file in (clip_file, other_file))
    jobs = [desk.analyse(clip.sha256) for clip in (first, second)]
    while desk.job(jobs[0].id)["stage"] != "pictures":
        time.sleep(0.01)
    work = {entry["clip"]: entry["work"] for entry in library.listing()["library"]}
    assert (work[first.sha256]["state"], work[second.sha256]["state"]) == ("running", "queued")
    assert work[first.sha256]["total"] == pytest.approx(6, abs=0.1)
    desk.cancel(jobs[1].id)
    wait(jobs[0])
    entries = {entry["clip"]: entry for entry in library.listing()["library"]}
    assert (entries[first.sha256]["work"]["state"], entries[first.sha256]["work"]["error"]) == (
        "failed",
        "too dark to see",
    )
    assert entries[second.sha256]["work"] is None  # a cancelled clip is one that is not analysed


def test_a_clip_whose_analysis_died_with_the_server_is_not_analysed(desk, analyzer, clip_file, tmp_path):
    analyzer.delay_s = 0.2
    clip = desk.add(clip_file, "corridor.mp4", move=False)
    desk.analyse(clip.sha256)
    desk.close()
    restarted = open_desk(tmp_path / "home", FakeAnalyzer())
    entry = only(Library(restarted))
    assert (entry["analysis_id"], entry["work"], entry["job"]) == (None, None, None)
    restarted.close()


def test_an_analysis_that_cannot_be_read_is_named_and_stops_no_list(desk, clip_file, other_file):
    analysed(desk, clip_file)
    analysed(desk, other_file)
    lost = desk.library()[0]["analysis_id"]
    (desk.store.analyses_dir / f"{lost}.npz").unlink()
    entries = {entry["analysis_id"]: entry for entry in Library(desk).listing()["library"]}
    assert "no such file" in entries.pop(lost)["error"]
    assert [entry["segments"] for entry in entries.values()] == [2]
    analysed(desk, clip_file), analysed(desk, other_file)  # the lost one anew, the other is known
    assert [entry["error"] for entry in Library(desk).listing()["library"]] == ["", ""]


def test_a_long_list_is_answered_at_once_and_completed_later(desk, tmp_path, monkeypatch):
    source = tmp_path / "in.tmp"
    for i in range(500):
        source.write_bytes(b"video")
        clip = desk.store.add_clip(
            make_clip(path=str(source), name="x", sha256=f"{i:04x}" * 16), f"clip {i}.mp4", move=True
        )
        desk.store.save(make_analysis([0.1, 0.2 + i / 1000], clip=clip))
    library = Library(desk)
    monkeypatch.setattr("app.library.GLANCE_S", 0.05)
    begun = time.monotonic()
    first = library.listing()
    assert time.monotonic() - begun < 2
    assert len(first["library"]) == 500
    assert not first["complete"]
    assert first["library"][-1]["segments"] is None
    monkeypatch.setattr("app.library.GLANCE_S", 60)
    then = library.listing()
    assert then["complete"]
    assert sum(entry["segments"] for entry in then["library"]) == sum(0.2 + i / 1000 >= 0.5 for i in range(500))


def test_the_review_of_each_clip_comes_from_where_it_is_kept(desk, clip_file):
    notes = Notes()
    notes.decided[analysed(desk, clip_file)] = 1
    assert only(Library(desk, notes))["review"] == {"left": 1, "decided": 1, "reviewer": "Ann"}


# Removal -------------------------------------------------------------------------------------------------------------


def everything(home):
    return sorted(path.relative_to(home) for path in home.rglob("*") if path.is_file())


def counts(home):
    engine = create_engine(f"sqlite:///{home / 'review.sqlite3'}")
    with engine.connect() as connection:
        return {
            t: connection.execute(text(f"select count(*) from {t}")).scalar() for t in inspect(engine).get_table_names()
        }


def test_removal_leaves_no_file_and_no_row_of_the_clip_and_all_of_the_others(desk, clip_file, other_file, tmp_path):
    home = tmp_path / "home"
    kept = analysed(desk, other_file)
    desk.open(clip=kept)
    before, rows = everything(home), counts(home)
    gone = analysed(desk, clip_file)
    desk.open(clip=gone)  # writes the curves
    job = desk.playback(desk.store.clip(gone), copy=True)["copy_job"]
    while desk.job(job)["state"] != "done":
        time.sleep(0.02)
    features = home / "features" / FakeAnalyzer.recipe_hash
    features.mkdir(parents=True)
    (features / f"{gone}.npz").write_bytes(b"rows")
    pictures = home / "strips" / f"{gone}-96"
    pictures.mkdir(parents=True)
    (pictures / "0.jpg").write_bytes(b"picture")
    key = desk.store.latest(gone)
    assert len(everything(home)) > len(before) + 4
    library = Library(desk)
    library.listing()
    library.remove(gone)
    assert everything(home) == before
    assert counts(home) == rows
    assert not pictures.exists()
    assert only(library)["clip"] == kept
    for ask in (lambda: desk.open(clip=gone), lambda: desk.segments(key, 0.5), lambda: library.remove(gone)):
        with pytest.raises(NotFoundError):
            ask()
    assert analysed(desk, clip_file) == gone  # and it may come back
    assert desk.store.latest(gone) == key


def test_removal_stops_the_work_first(desk, analyzer, clip_file, tmp_path):
    analyzer.delay_s = 0.1
    clip = desk.add(clip_file, "a.mp4", move=False)
    job = desk.analyse(clip.sha256)
    while desk.job(job.id)["stage"] != "pictures":
        time.sleep(0.01)
    Library(desk).remove(clip.sha256)
    assert job.state == "cancelled"
    assert analyzer.closed_early == 1
    assert desk.library() == []
    time.sleep(0.3)
    assert not any(clip.sha256 in str(path) for path in everything(tmp_path / "home"))


def test_work_that_does_not_stop_keeps_the_clip(desk, analyzer, clip_file, monkeypatch):
    monkeypatch.setattr("app.library.STOP_S", 0.1)
    analyzer.delay_s = 1.0
    clip = desk.add(clip_file, "a.mp4", move=False)
    job = desk.analyse(clip.sha256)
    while not analyzer.runs:
        time.sleep(0.01)
    with pytest.raises(CmhkfError, match="still stopping"):
        Library(desk).remove(clip.sha256)
    assert desk.store.clip(clip.sha256)
    wait(job)


@pytest.mark.parametrize("also", [False, True])
def test_decisions_go_only_when_asked(desk, clip_file, also):
    notes = Notes()
    sha256 = analysed(desk, clip_file)
    notes.decided[sha256] = 1
    Library(desk, notes).remove(sha256, decisions=also)
    assert (sha256 in notes.decided) is not also


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder that its owner may not change")
def test_a_file_that_cannot_be_deleted_keeps_the_clip_listed(desk, clip_file):
    sha256 = analysed(desk, clip_file)
    desk.store.clips_dir.chmod(0o500)
    with pytest.raises(CmhkfError, match="cannot be deleted"):
        Library(desk).remove(sha256)
    desk.store.clips_dir.chmod(0o700)
    assert only(Library(desk))["clip"] == sha256


def test_the_page_asks_by_clip_and_sees_errors(desk, clip_file):
    asks = {f.__name__: f for f in LibraryAsks(Library(desk)).functions()}
    sha256 = analysed(desk, clip_file)
    assert [e["clip"] for e in asks["library"]({})["library"]] == [sha256]
    assert asks["remove"]({"clip": sha256}) == {"removed": sha256}
    assert asks["library"]({})["library"] == []
    assert "no clip" in asks["remove"]({"clip": "../../etc"})["error"]


def test_forgotten_jobs_are_those_that_ended():
    jobs = Jobs("test")
    done, other = jobs.submit("copy ab", lambda: (x for x in [1])), jobs.submit("cd", lambda: (x for x in [1]))
    wait(other)
    jobs.forget("ab")
    assert jobs.all() == [other]
    assert done.id not in jobs
    jobs.close()


# The time that clips are kept ----------------------------------------------------------------------------------------


def age(home, sha256, **since):
    made = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(**since)
    with create_engine(f"sqlite:///{home / 'review.sqlite3'}").begin() as connection:
        connection.execute(text("update clips set created = :t where sha256 = :s"), {"t": made, "s": sha256})


def test_the_sweep_removes_what_is_older_than_stated_and_nothing_else(tmp_path, analyzer, clip_file, other_file):
    desk, notes = open_desk(tmp_path, analyzer, keep_days=1), Notes()
    old, young = analysed(desk, clip_file), analysed(desk, other_file)
    notes.decided = {old: 1, young: 1}
    age(tmp_path, old, hours=24, seconds=5)
    age(tmp_path, young, hours=23, minutes=59)
    library = Library(desk, notes)
    assert library.sweep() == [old]
    assert notes.decided == {young: 1}
    assert only(library)["clip"] == young
    assert library.listing()["keep_days"] == 1
    assert not any(old in str(path) for path in everything(tmp_path))
    assert library.sweep(datetime.now(timezone.utc) + timedelta(minutes=2)) == [young]
    desk.close()


def test_the_sweep_spares_a_clip_at_work_and_keeps_all_by_default(tmp_path, analyzer, clip_file):
    analyzer.delay_s = 0.1
    desk = open_desk(tmp_path, analyzer, keep_days=1)
    clip = desk.add(clip_file, "a.mp4", move=False)
    age(tmp_path, clip.sha256, days=9)
    job = desk.analyse(clip.sha256)
    library = Library(desk)
    assert library.sweep() == []
    wait(job)
    everlasting = open_desk(tmp_path, analyzer)
    assert Library(everlasting).sweep() == []
    assert library.sweep() == [clip.sha256]
    everlasting.close()
    desk.close()


def test_the_sweep_runs_by_itself(tmp_path, analyzer, clip_file):
    desk = open_desk(tmp_path, analyzer, keep_days=2)
    sha256 = analysed(desk, clip_file)
    stop = sweep_now_and_then(Library(desk), every_s=0.05)
    time.sleep(0.2)
    assert desk.library()
    age(tmp_path, sha256, days=3)
    end = time.monotonic() + 5
    while desk.library():
        assert time.monotonic() < end
        time.sleep(0.02)
    stop.set()
    desk.close()


@pytest.mark.parametrize(
    ("argv", "environ", "days"),
    [
        ([], {}, 0),
        ([], {"SPACE_ID": "me/review"}, 1),
        ([], {"SPACE_ID": "me/review", "CMHKF_KEEP_DAYS": "0"}, 0),
        (["--keep-days", "30"], {"CMHKF_KEEP_DAYS": "7"}, 30),
    ],
)
def test_how_long_clips_are_kept(tmp_path, argv, environ, days):
    assert parse_settings([*argv, "--home", str(tmp_path)], environ).keep_days == days


def test_a_time_before_now_is_refused():
    with pytest.raises(ConfigError, match="keep days is -1"):
        Settings(keep_days=-1)


# Between processes ---------------------------------------------------------------------------------------------------


def test_an_analysis_goes_through_pickle_unchanged():
    made = replace(make_analysis([0.1, 0.9]), modality_scores={"without_audio": np.array([0.2, 0.3])})
    again = pickle.loads(pickle.dumps(made))
    for field in fields(made):
        one, other = getattr(made, field.name), getattr(again, field.name)
        if hasattr(one, "items"):
            assert {k: v.tolist() for k, v in one.items()} == {k: v.tolist() for k, v in other.items()}
        else:
            np.testing.assert_array_equal(one, other)
    assert not again.scores.flags.writeable
    with pytest.raises(TypeError):
        again.cues["new"] = made.scores
