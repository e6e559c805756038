"""Training labels out of the store: what was decided on the page, with the features of those clips, and no others."""

import pytest
from fakes import CUT, FakeAnalyzer, analysed, make_video, open_workspace

from app.clips.workspace import Cut
from app.export.bundle import ExportError
from app.web.page import Page
from cmhkf.datasets.labels import read_labels
from cmhkf.errors import DataError
from cmhkf.features.folders import FeatureFolder


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return [make_video(folder / f"{i}.mp4", seconds=8 + i) for i in range(3)]


@pytest.fixture
def page(tmp_path, videos):
    """A workspace with three analysed clips, the page's handlers and the exports over it."""
    workspace = open_workspace(tmp_path / "home", analyzer := FakeAnalyzer())
    keys = [analysed(workspace, video, f"cam {i}.mp4", move=False) for i, video in enumerate(videos)]
    made = Page(workspace)
    yield workspace, made.handlers(), made.exports, keys, analyzer
    workspace.close()


def decide(page, key, number, action, reviewer="anna"):
    """Decide a segment as the page does; returns it as it was."""
    workspace, handlers, *_ = page
    question = {"clip": workspace.analysis(key).clip.sha256, "analysis_id": key, "reviewer": reviewer, **CUT}
    shown = handlers["marks"](question)
    mark = shown["marks"][number]
    step = {"action": action, "segment": mark["id"], "revision": shown["revision"], "request": f"{number} {action}"}
    handlers["decide"](question | step)
    return mark


def test_the_library_gives_every_reviewed_clip_and_no_other(page, tmp_path):
    workspace, _, exports, keys, analyzer = page
    confirmed, dismissed = decide(page, keys[0], 0, "confirm"), decide(page, keys[2], 1, "dismiss", "ben")
    file = exports.file("", "labels", Cut(0.5))
    assert file.name == "library-training-labels.zip"
    labels = read_labels([file], tmp_path)
    videos = {video.name: video for video in labels.videos}
    assert (set(videos), labels.model_id, labels.recipe) == ({"cam 0.mp4", "cam 2.mp4"}, "fake", analyzer.recipe)
    first, third = videos["cam 0.mp4"], videos["cam 2.mp4"]
    assert (first.reviewer, third.reviewer) == ("anna", "ben")
    assert [s.state for s in first.segments] == ["confirmed", "open"]
    assert [s.state for s in third.segments] == ["open", "dismissed"]
    assert (first.segments[0].start_s, first.segments[0].end_s) == (confirmed["start_s"], confirmed["end_s"])
    assert (first.segments[0].label, third.segments[1].start_s) == (confirmed["label"], dismissed["start_s"])
    folder = FeatureFolder(tmp_path)
    for key, video in ((keys[0], first), (keys[2], third)):
        assert folder.timeline(video.sha256).n_snippets == workspace.analysis(key).n_snippets


def test_one_clip_gives_its_own_and_a_reviewers(page, tmp_path):
    _, _, exports, keys, _ = page
    decide(page, keys[0], 0, "confirm")
    decide(page, keys[0], 0, "dismiss", "ben")
    decide(page, keys[1], 0, "confirm")
    for reviewer, state in (("anna", "confirmed"), ("ben", "dismissed"), ("", "dismissed")):
        file = exports.file(keys[0], "labels", Cut(0.5), reviewer)
        assert file.name == "cam-0-training-labels.zip"
        (video,) = read_labels([file], tmp_path).videos
        assert (video.name, video.segments[0].state) == ("cam 0.mp4", state)


def test_nothing_decided_and_lost_features_are_said(page):
    workspace, _, exports, keys, analyzer = page
    with pytest.raises(ExportError, match="no segment was confirmed or dismissed"):
        exports.file("", "labels", Cut(0.5))
    decide(page, keys[0], 0, "confirm")
    analyzer.kept.clear()
    with pytest.raises(DataError, match="not kept any more"):
        exports.file(keys[0], "labels", Cut(0.5))
    assert list(workspace.store.exports_dir.iterdir()) == []
