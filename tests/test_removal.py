"""After a removal nothing of the clip is left: no file, no row, no byte of the database that tells of it."""

import shutil
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from fakes import CUT, FakeAnalyzer, analysed, brought, file_at, make_video, open_workspace, until, wait
from media_factory import probed

from app.clips.store import NotFoundError
from app.clips.workspace import Cut
from app.export.exports import FORMATS
from app.web.page import Page
from cmhkf import CmhkfError
from cmhkf.media.clip import probe

NAME = "warehouse gate 7.mp4"
VIEW = CUT | {"reviewer": "Ann"}


class Called(Page):
    """The page over one home, as `serve` puts it together."""

    def __init__(self, home):
        super().__init__(open_workspace(home, FakeAnalyzer(trained=True), keep_days=1))
        self.home, self.called = home, self.handlers()

    def ask(self, name, **question):
        answer = self.called[name](question)
        assert not answer.get("error"), answer
        return answer

    def until(self, name, step):
        until(lambda: self.ask(name, job=step["job"])["state"] in ("done", "failed", "cancelled"))
        assert self.ask(name, job=step["job"])["state"] == "done"

    def analysed(self, file, name):
        key = analysed(self.workspace, file, name)
        return self.workspace.analysis(key).clip.sha256, key

    def mapped(self, key, scope):
        answer = self.ask("map", analysis_id=key, method="tsne", scope=scope)
        if "job" in answer:
            self.until("map_job", self.ask("map_job", job=answer["job"]))
            answer = self.ask("map", analysis_id=key, method="tsne", scope=scope)
        return file_at(answer["url"])


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setenv("CMHKF_HOME", str(tmp_path / "home"))
    made = Called(tmp_path / "home")
    yield made
    made.workspace.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return [make_video(folder / f"{rate}.mp4", seconds=6, rate=rate) for rate in (24, 12)]


def everything(page, files):
    """Two clips, of one of which all is made that can be made; returns both as (SHA-256, id of the analysis)."""
    one, other = page.analysed(files[0], NAME), page.analysed(files[1], "yard.mp4")
    sha256, key = one
    page.ask("show", clip=sha256)
    wait(page.workspace.scheduler.job(page.ask("copy", clip=sha256)["copy_job"]))
    while any(part.state != "done" for part in page.previews.of(sha256)):
        time.sleep(0.02)
    view = VIEW | {"clip": sha256, "analysis_id": key}
    marks = page.ask("marks", **view)["marks"]
    page.ask("decide", **view, action="confirm", segment=marks[0]["id"], revision=0, request="one")
    page.ask("decide", **view, action="note", note=f"seen in {NAME}", segment=marks[0]["id"], revision=1, request="two")
    page.ask("neighbours", analysis_id=key, start_s=1, end_s=2)
    page.ask("compare", analysis_id=key, text="a forklift")
    for scope in ("clip", "library"):
        assert page.mapped(key, scope).exists()
    kinds = ["html", "clips", "reel", "figures"]
    page.until("export_job", page.ask("export", analysis_id=key, kinds=kinds, with_dismissed=True, **VIEW))
    page.until("export_job", page.ask("export_labels", **VIEW))
    for form in FORMATS:
        assert page.exports.file(key, form, Cut(0.5)).exists()
    return one, other


def told_of(home, words):
    """Files and folders that name the clip, or hold its name, its hash or its analysis."""
    found = []
    for path in home.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if any(word in path.name or word.encode() in content for word in words):
            found.append(str(path.relative_to(home)))
    return found


def words_of(clip):
    return [*clip, NAME, NAME.removesuffix(".mp4"), "warehouse"]


@pytest.fixture(scope="module")
def everything_made(files, tmp_path_factory):
    """A home in which all was made, and its two clips."""
    home = tmp_path_factory.mktemp("full") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CMHKF_HOME", str(home))
        page = Called(home)
        clips = everything(page, files)
        page.workspace.close()
    return home, *clips


@pytest.fixture
def full(everything_made, tmp_path, monkeypatch):
    """The page over a copy of that home, and its two clips."""
    home, *clips = everything_made
    shutil.copytree(home, tmp_path / "home")
    monkeypatch.setenv("CMHKF_HOME", str(tmp_path / "home"))
    page = Called(tmp_path / "home")
    yield page, *clips
    page.workspace.close()


def test_removal_leaves_no_word_of_a_clip_and_no_file_made_of_it(full):
    page, gone, kept = full
    page.until("export_job", page.ask("export", analysis_id=gone[1], kinds=["html"], with_dismissed=True, **VIEW))
    assert any(gone[0] in job.clips for queue in page.workspace.scheduler._queues for job in queue.all())
    before = {str(Path(name).parts[0]) for name in told_of(page.home, words_of(gone))}
    assert before >= {"clips", "analyses", "playback", "previews", "curves", "exports", "features"}
    page.library.remove(gone[0], decisions=True)
    assert told_of(page.home, words_of(gone)) == []
    assert list((page.home / "exports").iterdir()) == []  # a zip and a picture tell of nothing in plain text
    assert list((page.home / "curves").glob("*map*")) == []  # the library's map held its points
    for queue in page.workspace.scheduler._queues:
        assert not any(gone[0] in job.clips for job in queue.all())
    assert page.called["neighbours"]({"analysis_id": gone[1], "start_s": 1, "end_s": 2})["error"].startswith(
        "no analysis"
    )
    assert page.workspace.store.load(kept[1]).n_snippets


def test_retention_leaves_nothing_either_and_takes_the_decisions_of_clips_removed_by_hand(full):
    page, gone, kept = full
    page.library.remove(gone[0])  # its decisions stay, for a while
    assert told_of(page.home, [gone[0]]) == ["review.sqlite3"]
    page.library.sweep()
    assert told_of(page.home, [gone[0]]) == ["review.sqlite3"]
    assert page.library.sweep(datetime.now(timezone.utc) + timedelta(days=2)) == [kept[0]]
    assert told_of(page.home, [*gone, *kept, NAME, "yard"]) == []


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_preview_under_way_does_not_come_back(page, files, tmp_path, state):
    long = make_video(tmp_path / "long.mp4", seconds=90, rate=12)
    sha256 = page.workspace.add(probe(long), NAME, move=False).sha256
    if state == "queued":
        page.previews.of(brought(page.workspace, make_video(tmp_path / "l2.mp4", seconds=60, rate=12)))
    while page.previews.of(sha256)[1].state != state:
        time.sleep(0.01)
    page.library.remove(sha256, decisions=True)
    with pytest.raises(NotFoundError):
        page.previews.of(sha256)
    time.sleep(0.5)
    assert told_of(page.home, [sha256, NAME]) == []


def test_a_clip_removed_while_its_curve_grows_leaves_nothing(tmp_path, files):
    home = tmp_path / "home"
    page = Page(open_workspace(home, FakeAnalyzer(grows=home, delay_s=0.1)))
    sha256 = brought(page.workspace, files[0], NAME)
    job = page.workspace.analyse(sha256)
    until(lambda: job.grown > 1)
    growing = page.handlers()["growing"]
    assert growing({"job": job.id})["curves"]
    page.library.remove(sha256, decisions=True)
    assert (job.state, job.so_far) == ("cancelled", None)
    assert "no job" in growing({"job": job.id})["error"]
    assert told_of(home, [sha256, NAME]) == []
    page.workspace.close()


def test_while_a_clip_leaves_nothing_begins_on_it_and_it_waits_for_who_is_at_work(page, files):
    sha256, key = page.analysed(files[0], NAME)
    alone = page.workspace.scheduler.alone(sha256, timeout_s=0.1)
    with page.workspace.present(sha256), pytest.raises(CmhkfError, match="still stopping"), alone:
        raise AssertionError("somebody was at work on it")
    with page.workspace.scheduler.alone(sha256, timeout_s=1):
        for ask in (
            lambda: page.previews.of(sha256),
            lambda: page.workspace.analyse(sha256, "demo"),
            lambda: page.workspace.add(probed(files[0]), NAME, move=False),
            lambda: page.exports.file(key, "csv", Cut(0.5)),
            lambda: page.library.remove(sha256),
        ):
            with pytest.raises(CmhkfError, match="is being removed"):
                ask()
    assert page.workspace.store.clip(sha256)


def test_what_earlier_releases_left_of_clips_goes_with_the_start(tmp_path):
    Called(tmp_path).workspace.close()
    (tmp_path / "curves" / "map-0123456789.v1.json").write_text("{}")
    (tmp_path / "exports" / "token").mkdir()
    (tmp_path / "exports" / "token" / "clip.mp4").write_bytes(b"video")
    (tmp_path / "clips" / "ab.mp4.part").write_bytes(b"video")
    (tmp_path / "uploads" / ("ab" * 32)).mkdir(parents=True)
    (tmp_path / "uploads" / ("ab" * 32) / "upload.mp4").write_bytes(b"video")
    (tmp_path / "uploads" / "tmp12345678").write_bytes(b"half")
    (tmp_path / "uploads" / "holiday.mp4").write_bytes(b"not ours")
    Called(tmp_path).workspace.close()
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"review.sqlite3", "start.lock", "holiday.mp4"}
