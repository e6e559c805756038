"""Training labels out of the store: what was decided on the page, with the features of those clips, and no others."""

import time

import pytest
from fakes import FakeAnalyzer, make_video

from app.bundle import ExportError
from app.decision_store import Decisions
from app.desk import Desk
from app.exports import ExportAsks, Exports
from app.review_asks import ReviewAsks
from app.reviews import Cut, Reviews
from app.settings import Settings
from cmhkf.errors import DataError
from cmhkf.folders import FeatureFolder
from cmhkf.labels import read_labels

CUT = {"threshold": 0.5, "min_length_s": 0.0, "merge_gap_s": 1.0}


@pytest.fixture
def page(tmp_path):
    """A desk with three analysed clips, what reviews are decided with, and its exports."""
    desk = Desk(Settings(home=tmp_path / "home"), lambda model: analyzer)
    analyzer = FakeAnalyzer()
    decisions = Decisions(desk.store)
    keys = []
    for i in range(3):
        clip = desk.add(make_video(tmp_path / f"{i}.mp4", seconds=8 + i), f"cam {i}.mp4", move=True)
        job = desk.analyse(clip.sha256)
        while not job.over:
            time.sleep(0.01)
        keys.append(job.result)
    exports = Exports(desk, Reviews(desk, decisions))
    yield desk, ReviewAsks(desk, decisions), exports, keys, analyzer
    exports.close()
    desk.close()


def decide(page, key, number, action, reviewer="anna"):
    """Decide a segment as the page does; returns it as it was."""
    desk, asks, *_ = page
    question = {"clip": desk.analysis(key).clip.sha256, "analysis_id": key, "reviewer": reviewer, **CUT}
    shown = asks.marks(question)
    mark = shown["marks"][number]
    step = {"action": action, "segment": mark["id"], "revision": shown["revision"], "request": f"{number} {action}"}
    asks.decide(question | step)
    return mark


def test_the_library_gives_every_reviewed_clip_and_no_other(page, tmp_path):
    desk, _, exports, keys, analyzer = page
    confirmed, dismissed = decide(page, keys[0], 0, "confirm"), decide(page, keys[2], 1, "dismiss", "ben")
    file = exports.file("", "labels", Cut(0.5))
    assert file.name == "library-training-labels.zip"
    labels = read_labels([file], tmp_path)
    videos = {video.name: video for video in labels.videos}
    assert set(videos) == {"cam 0.mp4", "cam 2.mp4"}
    assert (labels.model_id, labels.recipe) == ("fake", analyzer.recipe)
    first, third = videos["cam 0.mp4"], videos["cam 2.mp4"]
    assert (first.reviewer, third.reviewer) == ("anna", "ben")
    assert [s.state for s in first.segments] == ["confirmed", "open"]
    assert [s.state for s in third.segments] == ["open", "dismissed"]
    assert (first.segments[0].start_s, first.segments[0].end_s) == (confirmed["start_s"], confirmed["end_s"])
    assert (first.segments[0].label, third.segments[1].start_s) == (confirmed["label"], dismissed["start_s"])
    folder = FeatureFolder(tmp_path)
    for key, video in ((keys[0], first), (keys[2], third)):
        assert folder.timeline(video.sha256).n_snippets == desk.analysis(key).n_snippets


def test_one_clip_gives_its_own_and_a_reviewers(page, tmp_path):
    _, _, exports, keys, _ = page
    decide(page, keys[0], 0, "confirm")
    decide(page, keys[0], 0, "dismiss", "ben")
    decide(page, keys[1], 0, "confirm")
    for reviewer, state in (("anna", "confirmed"), ("ben", "dismissed"), ("", "dismissed")):
        file = exports.file(keys[0], "labels", Cut(0.5, reviewer=reviewer))
        assert file.name == "cam-0-training-labels.zip"
        (video,) = read_labels([file], tmp_path).videos
        assert (video.name, video.segments[0].state) == ("cam 0.mp4", state)


def test_nothing_decided_and_lost_features_are_said(page):
    desk, _, exports, keys, analyzer = page
    with pytest.raises(ExportError, match="no segment was confirmed or dismissed"):
        exports.file("", "labels", Cut(0.5))
    decide(page, keys[0], 0, "confirm")
    analyzer.kept.clear()
    with pytest.raises(DataError, match="not kept any more"):
        exports.file(keys[0], "labels", Cut(0.5))
    assert list(desk.store.exports_dir.iterdir()) == []


def test_the_page_gets_a_file_to_fetch(page, tmp_path):
    desk, _, exports, keys, _ = page
    decide(page, keys[0], 0, "confirm")
    asks = ExportAsks(exports)
    step = asks.export_labels(CUT)
    while step["state"] in ("queued", "running"):
        step = asks.export_job({"job": step["job"]})
        time.sleep(0.01)
    assert step["state"] == "done", step
    file = desk.store.exports_dir.joinpath(*step["result"].rsplit("/", 2)[1:])
    assert read_labels([file], tmp_path).count("confirmed") == 1
