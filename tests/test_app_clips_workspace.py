"""The workspace, the page's handlers and the API, called directly, with a made-up analyzer and real clips."""

import dataclasses
import json
import re
import time
from pathlib import Path

import gradio as gr
import pytest
from fakes import (
    CUT,
    FakeAnalyzer,
    analysed,
    brought,
    curves_at,
    make_video,
    open_workspace,
    refusing,
    until,
    uploaded,
    wait,
)
from gradio.utils import get_upload_folder
from media_factory import probed

from app.clips.workspace import Workspace
from app.settings import Settings
from app.web.api import Api
from app.web.calls import guarded
from app.web.page import Page
from app.web.player import STATIC
from cmhkf import CmhkfError, ConfigError, MediaError, flag_segments
from cmhkf.media.clip import VIDEO_SUFFIXES


def test_an_analysis_of_an_earlier_version_is_made_anew_and_decisions_stay(workspace, handlers, analyzer, clip_file):
    key = analysed(workspace, clip_file)
    old = dataclasses.replace(workspace.analysis(key), unseen_s=None)
    workspace.store.save(old)
    workspace.forget(old.clip.sha256, [key])
    clip = {"clip": old.clip.sha256}
    asked = clip | CUT | {"analysis_id": key, "reviewer": "ann"}
    [mark, *_] = handlers["marks"](asked)["marks"]
    handlers["decide"](asked | {"revision": 0, "request": "1", "action": "confirm", "segment": mark["id"]})

    def unseen():
        return handlers["show"](clip)["analysis"]["unseen_s"], handlers["library"]({})["library"][0]["unseen_s"]

    assert unseen() == (None, None)
    answer = handlers["analyse"](clip)
    assert (wait(workspace.analyses.get(answer["job"])).result, analyzer.runs, unseen()) == (key, 2, ([], []))
    assert handlers["marks"](asked)["marks"][0]["state"] == "confirmed"
    assert handlers["analyse"](clip) == {"analysis_id": key}


def test_the_same_clip_is_never_computed_twice(workspace, analyzer, clip_file, tmp_path):
    key = analysed(workspace, clip_file)
    assert (analysed(workspace, clip_file, "other name.mp4"), analyzer.runs) == (key, 1)
    workspace.close()
    restarted = open_workspace(tmp_path / "home", second := FakeAnalyzer())
    assert (analysed(restarted, clip_file), second.runs) == (key, 0)
    restarted.close()
    other = FakeAnalyzer()
    other.recipe_hash = "0123456789abcdef"
    changed = open_workspace(tmp_path / "home", other)
    assert analysed(changed, clip_file) != key
    changed.close()


def test_two_requests_at_once_share_one_run(workspace, analyzer, clip_file):
    analyzer.delay_s = 0.03
    clip = workspace.add(probed(clip_file), "a.mp4", move=False)
    first, second = workspace.analyse(clip.sha256), workspace.analyse(clip.sha256)
    assert first is second
    wait(first)
    assert analyzer.runs == 1


def several(workspace, folder, n):
    """Kept clips of 2, 3, ... seconds."""
    files = [make_video(folder / f"{i}.mp4", seconds=2 + i, size="32x18", rate=4, sound=False) for i in range(n)]
    return [brought(workspace, file, file.name) for file in files]


def test_the_queue_keeps_its_order_by_hand_over_a_restart(workspace, analyzer, tmp_path):
    clips = several(workspace, tmp_path, 4)
    analyzer.delay_s = 0.5
    first, *waiting = [workspace.analyse(clip) for clip in clips]
    until(lambda: analyzer.runs)
    workspace.move(waiting[2].id, waiting[0].id)
    until(lambda: first.state == "running")
    workspace.close()
    restarted = open_workspace(tmp_path / "home", FakeAnalyzer())
    restarted.resume()
    listed = [next(iter(job.clips)) for job in restarted.analyses.all()]
    assert listed == [clips[0], clips[3], clips[1], clips[2]]
    for job in restarted.analyses.all():
        assert wait(job).state == "done", job.error
    restarted.close()


def test_all_that_were_not_analysed_are_and_nothing_twice(workspace, handlers, tmp_path):
    clips = several(workspace, tmp_path, 3)
    wait(workspace.analyse(clips[1]))
    assert handlers["analyse_all"]({}) == {"n": 2}
    queue = handlers["library"]({})["queue"]
    assert {each["clip"] for each in queue} <= {clips[0], clips[2]}
    over = [wait(job) for job in workspace.analyses.all()]
    assert handlers["analyse_all"]({}) == {"n": 0}
    assert all(entry["analysis_id"] for entry in handlers["library"]({})["library"])
    assert "does not wait" in handlers["move"]({"job": over[0].id, "before": ""})["error"]


def test_how_long_it_takes_is_told_once_there_is_something_to_tell_it_by(workspace, handlers, analyzer, tmp_path):
    clips = several(workspace, tmp_path, 3)
    wait(workspace.analyse(clips[0]))
    analyzer.delay_s = 0.3
    jobs = [workspace.analyse(clip) for clip in clips[1:]]
    first, second = (each["left_s"] for each in handlers["library"]({})["queue"])
    pace = 1.25 / 2  # what the made-up analyses say they took, of two seconds
    assert first == pytest.approx(3 * pace, rel=0.5)
    assert second - first == pytest.approx(4 * pace, rel=0.05)
    assert handlers["job"]({"job": jobs[1].id})["left_s"] == pytest.approx(second, rel=0.5)


def test_cancel_really_stops_and_the_clip_stays(workspace, handlers, analyzer, clip_file):
    analyzer.delay_s = 0.2
    clip = workspace.add(probed(clip_file), "a.mp4", move=False)
    job = workspace.analyse(clip.sha256)
    while job.status.stage != "pictures":
        time.sleep(0.01)
    workspace.cancel(job.id)
    assert (wait(job, 2).state, analyzer.closed_early) == ("cancelled", 1)
    (entry,) = handlers["library"]({})["library"]
    assert (entry["analysis_id"], entry["job"]) == (None, None)
    opened = handlers["show"]({"clip": clip.sha256})
    assert opened["analysis"] is None
    assert opened["job"]["state"] == "cancelled"


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
def test_curves_grow_while_a_clip_is_read_and_leave_nothing(workspace, handlers, analyzer, clip_file, end):
    analyzer.grows, analyzer.delay_s = clip_file.parent, 0.05
    analyzer.error = CmhkfError("no more") if end == "failed" else None
    clip = brought(workspace, clip_file)
    before = {path for path in workspace.settings.home.rglob("*") if path.is_file()}
    job = workspace.analyse(clip)
    seen = {}
    while not job.over:
        step = handlers["job"]({"job": job.id})
        answer = handlers["growing"]({"job": job.id})
        if step["grown"] and answer["curves"]:
            curves, facts = answer["curves"], answer["facts"]
            n = len(curves["scores"])
            seen[n] = curves
            assert (facts["analysis_id"], facts["final"], facts["n_snippets"]) == (None, False, n)
            assert facts["final_s"] == pytest.approx(curves["n_final"] * 2 / 3)
            assert curves["duration_s"] == facts["duration_s"] == pytest.approx(n * 2 / 3)
            if end == "cancelled" and len(seen) > 2:
                workspace.cancel(job.id)
        time.sleep(0.01)
    assert wait(job).state == end
    assert len(seen) > 2
    assert handlers["growing"]({"job": job.id}) == {"curves": None, "facts": None}
    if end == "done":
        whole = curves_at(handlers["show"]({"clip": clip})["analysis"]["curves_url"])
        for n, curves in seen.items():
            assert curves["scores"] == whole["scores"][:n]
            assert [row[:n] for row in whole["probs"]] == curves["probs"]
    else:
        assert {path for path in workspace.settings.home.rglob("*") if path.is_file()} == before


def test_curves_are_what_the_analysis_says(workspace, handlers, clip_file):
    key = analysed(workspace, clip_file)
    shown = handlers["show"]({"analysis_id": key})["analysis"]
    analysis = workspace.store.load(key)
    curves = curves_at(shown["curves_url"])
    assert curves["scores"] == pytest.approx(analysis.scores.tolist(), abs=5e-5)
    assert len(curves["similarity"]) == len(analysis.classes)
    assert [row[3] for row in curves["similarity"]] == pytest.approx(analysis.similarity[3].tolist(), abs=5e-5)
    assert curves["peaks_s"] == pytest.approx((analysis.saliency_peaks + 0.5) * 2 / 3, abs=1e-3)
    assert (curves["windows_s"], curves["chosen"]) == (pytest.approx(analysis.saliency_windows_s, abs=1e-3), [1, 5])
    assert curves["duration_s"] == analysis.timeline.duration_s


def test_segments_follow_the_threshold_without_inference(workspace, page, analyzer, clip_file):
    key = analysed(workspace, clip_file)
    expected = flag_segments(workspace.store.load(key), 0.3, near_misses=True)
    answer = Api(page).segments(key, 0.3)
    together = sorted(answer["segments"] + answer["near_misses"], key=lambda s: s["start_s"])
    assert together == [dataclasses.asdict(s) | {"class_runs": [*s.class_runs]} for s in expected]
    assert len(Api(page).segments(key, 0.95)["segments"]) < len(answer["segments"])
    assert analyzer.runs == 1


def test_playable_clips_are_served_as_they_are_unless_the_browser_says_no(workspace, handlers, clip_file):
    clip = brought(workspace, clip_file)
    assert handlers["show"]({"clip": clip})["clip"]["url"].endswith(f"/clips/{clip}.mp4")
    assert handlers["copy"]({"clip": clip})["copy_job"]


def test_scripts_are_told_what_is_known_before_the_end(page, analyzer, clip_file):
    analyzer.grows, analyzer.delay_s = clip_file.parent, 0.15
    upload = uploaded("a.mp4", clip_file.read_bytes())
    *updates, answer = (told for told in Api(page).analyze(str(upload), None, 0.5) if "analysis_id" in told)
    assert len(updates) > 2
    assert [len(told["scores"]) for told in updates] == sorted({len(told["scores"]) for told in updates})
    for told in updates:
        n = len(told["scores"])
        assert (told["final"], told["analysis_id"], len(told["times_s"])) == (False, None, n)
        assert answer.keys() <= told.keys()
        assert told["scores"] == answer["scores"][:n]
        assert all(segment["end_s"] <= n * 2 / 3 + 1e-6 for segment in told["segments"])
    assert "final" not in answer
    assert answer["analysis_id"]


def test_models_are_presets_and_nothing_else(workspace, handlers, clip_file):
    clip = workspace.add(probed(clip_file), "a.mp4", move=False)
    with pytest.raises(ConfigError, match="'/etc/passwd' is not one of demo"):
        workspace.analyse(clip.sha256, "/etc/passwd")
    assert "no example '../secret.mp4'" in handlers["take_example"]({"name": "../secret.mp4"})["error"]


def test_a_model_that_cannot_be_loaded_says_why(tmp_path, clip_file):
    workspace = Workspace(Settings(home=tmp_path), refusing)
    workspace.warm_up()
    job = wait(workspace.analyse(workspace.add(probed(clip_file), "a.mp4", move=False).sha256))
    assert job.error == "no weights for demo; get them from somewhere"
    status = Page(workspace).handlers()["status"]({})
    assert (status["model"], status["error"]) == ("failed", job.error)
    workspace.close()


# The page's functions ------------------------------------------------------------------------------------------------


def test_the_page_learns_from_one_list_what_videos_end_in(handlers):
    assert set(handlers["status"]({})["video_suffixes"]) == VIDEO_SUFFIXES
    for file in (*STATIC.rglob("*.js"), *STATIC.glob("*.html")):
        assert not re.search(r"\b(mkv|webm|wmv|flv|m2ts)\b", file.read_text(encoding="utf-8")), file.name


def test_status_before_and_after_loading(workspace, handlers):
    assert handlers["status"]({})["trained"] is None
    workspace.warm_up()
    until(lambda: handlers["status"]({})["model"] == "ready")
    assert handlers["status"]({})["trained"] is False


def test_an_upload_becomes_a_clip_and_leaves_no_second_copy(workspace, handlers, clip_file):
    path = uploaded("in.mp4", clip_file.read_bytes())
    answer = handlers["take_upload"]({"upload": str(path), "name": "<img src=x onerror=alert(1)>.mp4"})
    assert not path.exists()
    assert workspace.store.library()[0].name == "<img src=x onerror=alert(1)>.mp4"
    begun = handlers["analyse"]({"clip": answer["clip"]})
    while handlers["job"](begun)["state"] != "done":
        time.sleep(0.01)
    assert handlers["analyse"]({"clip": answer["clip"]}) == {
        "analysis_id": handlers["show"]({"clip": answer["clip"]})["analysis"]["analysis_id"]
    }


def test_only_uploaded_files_are_taken(handlers, clip_file):
    folder = Path(get_upload_folder())
    for path in (str(clip_file), f"{folder}/../{Path(clip_file).name}", "/etc/passwd"):
        assert "was not uploaded here" in handlers["take_upload"]({"upload": path, "name": "x.mp4"})["error"]
    assert Path(clip_file).exists()


def test_answers_never_raise_and_hide_what_is_ours(handlers, caplog):
    assert "no job 'zz'" in handlers["job"]({"job": "zz"})["error"]
    assert "no clip 'ff'" in handlers["show"]({"clip": "ff"})["error"]
    assert "the request lacks 'clip'" in handlers["analyse"]({"wrong": "arguments"})["error"]

    def fails(_):
        return {}["ours"]

    neutral = guarded("fails", fails)({})["error"]
    assert "KeyError" not in neutral
    assert neutral.split("(id ")[1].split(")")[0] in caplog.text
    assert "KeyError" in caplog.text


# The public listeners ------------------------------------------------------------------------------------------------


def test_analyze_returns_what_scripts_are_promised(page, clip_file):
    answer = [*Api(page).analyze(str(uploaded("in.mp4", clip_file.read_bytes())), "demo", 0.5)][-1]
    for key in ("analysis_id", "scores", "times_s", "classes", "segments", "trained", "score_source", "model_id"):
        assert key in answer, key
    assert len(answer["scores"]) == len(answer["times_s"]) == answer["n_snippets"]
    assert '"path"' not in json.dumps(answer)
    assert Api(page).segments(answer["analysis_id"], 0.5)["segments"] == answer["segments"]
    [entry] = Api(page).library()
    assert (entry["analysis_id"], entry["unseen_s"], answer["unseen_s"]) == (answer["analysis_id"], [], [])


def test_giving_up_on_analyze_stops_the_work(page, analyzer, clip_file):
    analyzer.delay_s = 0.1
    answer = Api(page).analyze(str(uploaded("in.mp4", clip_file.read_bytes())), None, 0.5)
    next(answer)
    while not analyzer.runs:
        next(answer)
    answer.close()
    until(lambda: analyzer.closed_early)


@pytest.mark.parametrize(
    ("error", "shown"),
    [(MediaError("corridor.mp4: too dark"), "too dark"), (ValueError("secret"), "Something went wrong inside")],
)
def test_analyze_shows_errors_for_people_only(page, analyzer, clip_file, error, shown):
    analyzer.error = error
    with pytest.raises(gr.Error, match=shown) as caught:
        [*Api(page).analyze(str(uploaded("in.mp4", clip_file.read_bytes())), "demo", 0.5)][-1]
    assert "secret" not in str(caught.value)


def test_the_api_explains_bad_arguments(page, workspace, clip_file):
    with pytest.raises(gr.Error, match="handle_file"):
        [*Api(page).analyze(None, "demo", 0.5)][-1]
    with pytest.raises(gr.Error, match=r"threshold is 1\.5"):
        Api(page).segments(analysed(workspace, clip_file), 1.5)
