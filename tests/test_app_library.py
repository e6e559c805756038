"""What the library lists, what a removal leaves behind (nothing), and the sweep of old clips, on real files."""

import os
import time
from datetime import datetime, timedelta, timezone

import pytest
from analyses import make_analysis, make_clip
from fakes import FakeAnalyzer, brought, file_at, make_video, open_workspace, until, wait
from media_factory import probed
from PIL import Image
from sqlalchemy import create_engine, inspect, text
from test_app_clips_jobs import iter_of

from app.clips.jobs import JobQueue
from app.clips.store import NotFoundError
from app.clips.workspace import Cut
from app.library import sweep_now_and_then
from app.review.reviews import Decision
from app.settings import Settings, parse_settings
from app.web.api import Api
from app.web.page import Page
from cmhkf import CmhkfError, ConfigError, MediaError, flag_segments
from cmhkf.media.unseen import Unseen


@pytest.fixture(scope="module")
def other_file(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("clips") / "yard.mp4", seconds=3)


def analysed(workspace, file):
    sha256 = brought(workspace, file, file.name)
    wait(workspace.analyse(sha256))
    return sha256


def listed(page, reviewer=""):
    return page.handlers()["library"]({"reviewer": reviewer})["library"]


def only(page, reviewer=""):
    (entry,) = listed(page, reviewer)
    return entry


def decide(page, sha256):
    """Confirm the first of two segments."""
    view = page.reviews.view(page.workspace.store.latest(sha256), Cut(), "Ann")
    page.reviews.decide(view, Decision("confirm", view.marks[0].id), 0, "one")


# The list ------------------------------------------------------------------------------------------------------------


def test_an_entry_tells_what_was_found_at_the_usual_threshold(workspace, page, clip_file):
    analysed(workspace, clip_file)
    entry = only(page)
    found = flag_segments(workspace.store.load(entry["analysis_id"]), 0.5)
    assert entry["segments"] == len(found) == 2
    assert entry["label"] == max(found, key=lambda s: s.score).label
    assert (entry["work"], entry["error"], entry["review"]) == (None, "", None)


def test_an_entry_follows_its_work_from_waiting_to_failed(workspace, page, analyzer, clip_file, other_file):
    analyzer.delay_s, analyzer.error = 0.1, MediaError("too dark to see")
    first, second = (workspace.add(probed(file), file.name, move=False) for file in (clip_file, other_file))
    jobs = [workspace.analyse(clip.sha256) for clip in (first, second)]
    while jobs[0].status.stage != "pictures":
        time.sleep(0.01)
    work = {entry["clip"]: entry["work"] for entry in listed(page)}
    assert (work[first.sha256]["state"], work[second.sha256]["state"]) == ("running", "queued")
    assert work[first.sha256]["total"] == pytest.approx(6, abs=0.1)
    workspace.cancel(jobs[1].id)
    wait(jobs[0])
    entries = {entry["clip"]: entry for entry in listed(page)}
    ended = entries[first.sha256]["work"]
    assert (ended["state"], ended["error"]) == ("failed", "too dark to see")
    assert entries[second.sha256]["work"] is None  # a cancelled clip is one that is not analysed


def test_a_clip_whose_analysis_died_with_the_server_is_not_analysed(workspace, analyzer, clip_file, tmp_path):
    analyzer.delay_s = 0.2
    workspace.analyse(workspace.add(probed(clip_file), "corridor.mp4", move=False).sha256)
    workspace.close()
    restarted = open_workspace(tmp_path / "home", FakeAnalyzer())
    entry = only(Page(restarted))
    assert (entry["analysis_id"], entry["work"], entry["job"]) == (None, None, None)
    restarted.close()


def test_an_analysis_that_cannot_be_read_is_named_and_stops_no_list(workspace, page, clip_file, other_file):
    analysed(workspace, clip_file)
    analysed(workspace, other_file)
    lost = workspace.store.library()[0].analysis_id
    (workspace.store.analyses_dir / f"{lost}.npz").unlink()
    entries = {entry["analysis_id"]: entry for entry in listed(page)}
    assert "no such file" in entries.pop(lost)["error"]
    assert [entry["segments"] for entry in entries.values()] == [2]
    analysed(workspace, clip_file), analysed(workspace, other_file)  # the lost one anew, the other is known
    assert [entry["error"] for entry in listed(page)] == ["", ""]


@pytest.mark.serial
def test_a_long_list_is_answered_at_once_and_completed_later(workspace, page, tmp_path, monkeypatch):
    source = tmp_path / "in.tmp"
    for i in range(500):
        source.write_bytes(b"video")
        clip = workspace.store.add_clip(
            make_clip(path=str(source), name="x", sha256=f"{i:04x}" * 16), f"clip {i}.mp4", move=True
        )
        workspace.store.save(make_analysis([0.1, 0.2 + i / 1000], clip=clip))
    handlers = page.handlers()
    monkeypatch.setattr("app.web.page.GLANCE_S", 0.05)
    begun = time.monotonic()
    first = handlers["library"]({})
    assert time.monotonic() - begun < 2
    assert len(first["library"]) == 500
    assert not first["complete"]
    assert first["library"][-1]["segments"] is None
    monkeypatch.setattr("app.web.page.GLANCE_S", 60)
    then = handlers["library"]({})
    assert then["complete"]
    assert sum(entry["segments"] for entry in then["library"]) == sum(0.2 + i / 1000 >= 0.5 for i in range(500))


def test_the_review_of_each_clip_is_told_to_its_reviewer(workspace, page, clip_file):
    decide(page, analysed(workspace, clip_file))
    assert only(page, "Ann")["review"] == {"left": 1, "decided": 1}
    assert only(page, "Ben")["review"] is None


def test_a_keyframe_shows_the_peak_is_made_once_and_goes_with_its_clip(workspace, page, clip_file, other_file):
    """What is unknown takes no other clip's frame away."""
    sha256, early = analysed(workspace, clip_file), brought(workspace, other_file, "yard.mp4")
    key = workspace.store.latest(sha256)
    asked = {"analyses": [key, "no such"], "clips": [early]}
    shown = page.handlers()["keyframes"]
    until(lambda: all(each.get("url") or each["error"] for each in shown(asked).values()))
    answer = shown(asked)
    assert "no analysis 'no such'" in answer["no such"]["error"]
    files = {key: file_at(answer[key]["url"]) for key in (key, early)}
    peak_s = max(flag_segments(workspace.analysis(key)), key=lambda segment: segment.score).peak_s
    assert files[key].name.split(".")[2] == f"{round(peak_s * 1000)}-{round(peak_s * 1000)}"
    assert files[early].name.split(".")[2] == "1000-1000"
    for file in files.values():
        width, height = Image.open(file).size
        assert width / height == pytest.approx(16 / 9, abs=0.05)  # one frame, as the clip's
    times = [file.stat().st_mtime_ns for file in files.values()]
    shown(asked)
    assert [file.stat().st_mtime_ns for file in files.values()] == times
    page.library.remove(sha256)
    assert [file.exists() for file in files.values()] == [False, True]


# Removal -------------------------------------------------------------------------------------------------------------


def everything(home):
    return sorted(path.relative_to(home) for path in home.rglob("*") if path.is_file())


def counts(home):
    engine = create_engine(f"sqlite:///{home / 'review.sqlite3'}")
    with engine.connect() as connection:
        return {
            t: connection.execute(text(f"select count(*) from {t}")).scalar() for t in inspect(engine).get_table_names()
        }


def test_removal_leaves_nothing_of_the_clip_and_all_of_the_others(workspace, page, clip_file, other_file, tmp_path):
    home = tmp_path / "home"
    kept = analysed(workspace, other_file)
    page.handlers()["show"]({"clip": kept})
    listed(page)
    before, rows = everything(home), counts(home)
    gone = analysed(workspace, clip_file)
    page.handlers()["show"]({"clip": gone})  # writes the curves
    wait(workspace.playback.open(workspace.store.clip(gone), copy=True).job)
    features = home / "features" / FakeAnalyzer.recipe_hash
    features.mkdir(parents=True)
    (features / f"{gone}.npz").write_bytes(b"rows")
    pictures = home / "strips" / f"{gone}-96"
    pictures.mkdir(parents=True)
    (pictures / "0.jpg").write_bytes(b"picture")
    key = workspace.store.latest(gone)
    assert len(everything(home)) > len(before) + 4
    listed(page)
    page.library.remove(gone)
    assert (everything(home), counts(home)) == (before, rows)
    assert not pictures.exists()
    assert only(page)["clip"] == kept
    for ask in (lambda: workspace.store.clip(gone), lambda: workspace.analysis(key), lambda: page.library.remove(gone)):
        with pytest.raises(NotFoundError):
            ask()
    assert analysed(workspace, clip_file) == gone  # and it may come back
    assert workspace.store.latest(gone) == key


def test_removal_stops_the_work_first(workspace, page, analyzer, clip_file, tmp_path):
    analyzer.delay_s = 0.1
    clip = workspace.add(probed(clip_file), "a.mp4", move=False)
    job = workspace.analyse(clip.sha256)
    while job.status.stage != "pictures":
        time.sleep(0.01)
    page.library.remove(clip.sha256)
    assert (job.state, analyzer.closed_early, workspace.store.library()) == ("cancelled", 1, [])
    time.sleep(0.3)
    assert not any(clip.sha256 in str(path) for path in everything(tmp_path / "home"))


def test_work_that_does_not_stop_keeps_the_clip(workspace, page, analyzer, clip_file, monkeypatch):
    monkeypatch.setattr("app.library.STOP_S", 0.1)
    analyzer.delay_s = 1.0
    clip = workspace.add(probed(clip_file), "a.mp4", move=False)
    job = workspace.analyse(clip.sha256)
    while not analyzer.runs:
        time.sleep(0.01)
    with pytest.raises(CmhkfError, match="still stopping"):
        page.library.remove(clip.sha256)
    assert workspace.store.clip(clip.sha256)
    wait(job)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder that its owner may not change")
def test_a_file_that_cannot_be_deleted_keeps_the_clip_listed(workspace, page, clip_file):
    sha256 = analysed(workspace, clip_file)
    workspace.store.clips_dir.chmod(0o500)
    with pytest.raises(CmhkfError, match="cannot be deleted"):
        page.library.remove(sha256)
    workspace.store.clips_dir.chmod(0o700)
    assert only(page)["clip"] == sha256


def test_forgotten_jobs_are_those_that_ended():
    jobs = JobQueue("test")
    done, other = (jobs.submit(clip, lambda: iter_of(1), clips=[clip]) for clip in ("ab", "cd"))
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
    workspace = open_workspace(tmp_path, analyzer, keep_days=1)
    page = Page(workspace)
    old, young = analysed(workspace, clip_file), analysed(workspace, other_file)
    decide(page, old)
    decide(page, young)
    age(tmp_path, old, hours=24, seconds=5)
    age(tmp_path, young, hours=23, minutes=59)
    assert page.library.sweep() == [old]
    assert [bool(page.reviews.log.changes(clip)) for clip in (old, young)] == [False, True]
    assert (only(page)["clip"], page.handlers()["library"]({})["keep_days"]) == (young, 1)
    assert not any(old in str(path) for path in everything(tmp_path))
    assert page.library.sweep(datetime.now(timezone.utc) + timedelta(minutes=2)) == [young]
    workspace.close()


def test_the_sweep_spares_a_clip_at_work_and_keeps_all_by_default(tmp_path, analyzer, clip_file):
    analyzer.delay_s = 0.1
    workspace = open_workspace(tmp_path, analyzer, keep_days=1)
    clip = workspace.add(probed(clip_file), "a.mp4", move=False)
    age(tmp_path, clip.sha256, days=9)
    job = workspace.analyse(clip.sha256)
    library = Page(workspace).library
    assert library.sweep() == []
    wait(job)
    everlasting = open_workspace(tmp_path, analyzer)
    assert (Page(everlasting).library.sweep(), library.sweep()) == ([], [clip.sha256])
    everlasting.close()
    workspace.close()


def test_the_sweep_runs_by_itself(tmp_path, analyzer, clip_file):
    workspace = open_workspace(tmp_path, analyzer, keep_days=2)
    sha256 = analysed(workspace, clip_file)
    stop = sweep_now_and_then(Page(workspace).library.sweep, every_s=0.05)
    time.sleep(0.2)
    assert workspace.store.library()
    age(tmp_path, sha256, days=3)
    until(lambda: not workspace.store.library())
    stop.set()
    workspace.close()


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


def test_what_was_not_seen_is_listed_and_null_where_it_is_not_known(workspace, page):
    for n, unseen_s in enumerate(((Unseen(1.0, 2.0, "damaged"),), (), None)):
        clip = make_clip(path=str(workspace.settings.home / f"{n}.mp4"), sha256=f"{n}" * 64)
        (workspace.settings.home / f"{n}.mp4").write_bytes(b"video")
        workspace.store.add_clip(clip, f"{n}.mp4", move=True)
        workspace.store.save(make_analysis([0.9], clip=clip, unseen_s=unseen_s))
    for entries, row in (
        (Api(page).library(), [1.0, 2.0, "damaged"]),
        (listed(page), [1.0, 2.0, "damaged", False]),  # the page's own
    ):
        assert [entry["unseen_s"] for entry in reversed(entries)] == [[row], [], None]
