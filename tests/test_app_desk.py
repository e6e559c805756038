"""The desk and the doors, called directly, with a made-up analyzer and real clips."""

import dataclasses
import json
import time
from pathlib import Path

import gradio as gr
import pytest
from fakes import FakeAnalyzer, make_video, refusing
from gradio.utils import get_upload_folder

from app.desk import Desk
from app.doors import Doors, PageAsks
from app.settings import Settings
from cmhkf import ConfigError, MediaError, flag_segments


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("clips") / "corridor.mp4", seconds=6)


def open_desk(home, analyzer):
    return Desk(Settings(home=home), lambda model: analyzer)


@pytest.fixture
def analyzer():
    return FakeAnalyzer()


@pytest.fixture
def desk(tmp_path, analyzer):
    made = open_desk(tmp_path, analyzer)
    yield made
    made.close()


@pytest.fixture
def asks(desk):
    return {f.__name__: f for f in PageAsks(desk).functions()}


def wait(job, seconds=20.0):
    end = time.monotonic() + seconds
    while not job.over:
        assert time.monotonic() < end, f"job still {job.state}"
        time.sleep(0.01)
    return job


def analysed(desk, file, name="corridor.mp4"):
    clip = desk.add(file, name, move=False)
    job = wait(desk.analyse(clip.sha256))
    assert job.state == "done", job.error
    return job.result


def last(iterator):
    for item in iterator:
        result = item
    return result


def test_the_same_clip_is_never_computed_twice(desk, analyzer, clip_file, tmp_path):
    key = analysed(desk, clip_file)
    assert analysed(desk, clip_file, "other name.mp4") == key
    assert analyzer.runs == 1
    desk.close()
    restarted = open_desk(tmp_path, second := FakeAnalyzer())
    assert analysed(restarted, clip_file) == key
    assert second.runs == 0
    restarted.close()
    other = FakeAnalyzer()
    other.recipe_hash = "0123456789abcdef"
    changed = open_desk(tmp_path, other)
    assert analysed(changed, clip_file) != key
    changed.close()


def test_two_requests_at_once_share_one_run(desk, analyzer, clip_file):
    analyzer.delay_s = 0.03
    clip = desk.add(clip_file, "a.mp4", move=False)
    first, second = desk.analyse(clip.sha256), desk.analyse(clip.sha256)
    assert first is second
    wait(first)
    assert analyzer.runs == 1


def test_cancel_really_stops_and_the_clip_stays(desk, analyzer, clip_file):
    analyzer.delay_s = 0.2
    clip = desk.add(clip_file, "a.mp4", move=False)
    job = desk.analyse(clip.sha256)
    while desk.job(job.id)["stage"] != "pictures":
        time.sleep(0.01)
    desk.cancel(job.id)
    assert wait(job, 2).state == "cancelled"
    assert analyzer.closed_early == 1
    (entry,) = desk.library()
    assert (entry["analysis_id"], entry["job"]) == (None, None)
    opened = desk.open(clip=clip.sha256)
    assert opened["analysis"] is None
    assert opened["job"]["state"] == "cancelled"


def test_opening_shows_a_running_job_then_its_result(desk, analyzer, clip_file):
    analyzer.delay_s = 0.05
    clip = desk.add(clip_file, "a.mp4", move=False)
    job = desk.analyse(clip.sha256)
    assert desk.open(clip=clip.sha256)["job"]["job"] == job.id
    assert desk.library()[0]["job"] == job.id
    wait(job)
    opened = desk.open(clip=clip.sha256)
    assert opened["job"] is None
    assert opened["analysis"]["analysis_id"] == job.result
    assert opened["analysis"]["trained"] is False


def test_curves_are_what_the_analysis_says(desk, clip_file):
    key = analysed(desk, clip_file)
    shown = desk.open(analysis_id=key)["analysis"]
    analysis = desk.store.load(key)
    curves = json.loads(Path(shown["curves_url"].removeprefix("gradio_api/file=")).read_text())
    assert curves["scores"] == pytest.approx(analysis.scores.tolist(), abs=5e-5)
    assert len(curves["similarity"]) == len(analysis.classes)
    assert [row[3] for row in curves["similarity"]] == pytest.approx(analysis.similarity[3].tolist(), abs=5e-5)
    assert curves["peaks_s"] == pytest.approx((analysis.saliency_peaks + 0.5) * 2 / 3, abs=1e-3)
    assert curves["windows_s"] == pytest.approx(analysis.saliency_windows_s, abs=1e-3)
    assert curves["chosen"] == [1, 5]
    assert curves["duration_s"] == analysis.timeline.duration_s


def test_segments_follow_the_threshold_without_inference(desk, analyzer, clip_file):
    key = analysed(desk, clip_file)
    expected = flag_segments(desk.store.load(key), 0.3, min_length_s=1, merge_gap_s=0, near_misses=True)
    answer = desk.segments(key, 0.3, min_length_s=1, merge_gap_s=0)
    together = sorted(answer["segments"] + answer["near_misses"], key=lambda s: s["start_s"])
    assert together == [dataclasses.asdict(s) for s in expected]
    assert len(desk.segments(key, 0.95)["segments"]) < len(desk.segments(key, 0.3)["segments"])
    assert analyzer.runs == 1


def test_a_clip_that_browsers_cannot_play_gets_a_copy(desk, tmp_path):
    file = make_video(tmp_path / "old.avi", seconds=2, codec="mpeg4", sound=False)
    clip = desk.add(file, "old.avi", move=False)
    first = desk.playback(clip)
    assert first["url"] is None
    while desk.job(first["copy_job"])["state"] != "done":
        time.sleep(0.02)
    then = desk.playback(clip)
    assert then["is_copy"]
    assert then["url"].endswith(f"/playback/{clip.sha256}.mp4")
    assert then["copy_job"] is None


def test_playable_clips_are_served_as_they_are_unless_the_browser_says_no(desk, clip_file):
    clip = desk.add(clip_file, "a.mp4", move=False)
    assert desk.playback(clip)["url"].endswith(f"/clips/{clip.sha256}.mp4")
    assert desk.playback(clip, copy=True)["copy_job"]


def test_models_are_presets_and_nothing_else(desk, clip_file):
    clip = desk.add(clip_file, "a.mp4", move=False)
    with pytest.raises(ConfigError, match="'/etc/passwd' is not one of demo"):
        desk.analyse(clip.sha256, "/etc/passwd")
    with pytest.raises(ConfigError, match=r"no example '\.\./secret\.mp4'"):
        desk.add_example("../secret.mp4")


def test_a_model_that_cannot_be_loaded_says_why(tmp_path, clip_file):
    desk = Desk(Settings(home=tmp_path), refusing)
    desk.warm_up()
    clip = desk.add(clip_file, "a.mp4", move=False)
    job = wait(desk.analyse(clip.sha256))
    assert job.error == "no weights for demo; get them from somewhere"
    status = desk.status()
    assert (status["model"], status["error"]) == ("failed", job.error)
    desk.close()


# The page's functions ------------------------------------------------------------------------------------------------


def test_status_before_and_after_loading(desk, asks):
    assert asks["status"]({})["trained"] is None
    desk.warm_up()
    end = time.monotonic() + 5
    while asks["status"]({})["model"] != "ready":
        assert time.monotonic() < end
        time.sleep(0.01)
    assert asks["status"]({})["trained"] is False


def uploaded(file, name="in.mp4"):
    folder = Path(get_upload_folder()) / "test-of-the-page"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(Path(file).read_bytes() if file else b"<html>no video</html>")
    return path


def test_an_upload_becomes_a_clip_and_leaves_no_second_copy(desk, asks, clip_file):
    path = uploaded(clip_file)
    answer = asks["take_upload"]({"upload": str(path), "name": "<img src=x onerror=alert(1)>.mp4"})
    assert not path.exists()
    assert desk.library()[0]["name"] == "<img src=x onerror=alert(1)>.mp4"
    begun = asks["analyse"]({"clip": answer["clip"]})
    while asks["job"](begun)["state"] != "done":
        time.sleep(0.01)
    assert asks["analyse"]({"clip": answer["clip"]}) == {
        "analysis_id": asks["show"]({"clip": answer["clip"]})["analysis"]["analysis_id"]
    }


def test_only_uploaded_files_are_taken(asks, clip_file):
    folder = Path(get_upload_folder())
    for path in (str(clip_file), f"{folder}/../{Path(clip_file).name}", "/etc/passwd"):
        assert "was not uploaded here" in asks["take_upload"]({"upload": path, "name": "x.mp4"})["error"]
    assert Path(clip_file).exists()


def test_what_is_no_video_is_refused_and_removed(asks, desk):
    path = uploaded(None, "page.mp4")
    assert asks["take_upload"]({"upload": str(path), "name": "page.mp4"})["error"]
    assert not path.exists()
    assert desk.library() == []


def test_answers_never_raise_and_hide_what_is_ours(asks, caplog):
    assert "no job 'zz'" in asks["job"]({"job": "zz"})["error"]
    said = asks["show"]({"clip": "ff"})["error"]
    assert "no clip 'ff'" in said
    neutral = asks["analyse"]({"wrong": "arguments"})["error"]
    assert "KeyError" not in neutral
    number = neutral.split("(id ")[1].split(")")[0]
    assert number in caplog.text
    assert "KeyError" in caplog.text


# The public listeners ------------------------------------------------------------------------------------------------


def test_analyze_returns_what_scripts_are_promised(desk, clip_file):
    answer = last(Doors(desk).analyze(str(clip_file), "demo", 0.5))
    for key in ("analysis_id", "scores", "times_s", "classes", "segments", "trained", "score_source", "model_id"):
        assert key in answer, key
    assert len(answer["scores"]) == len(answer["times_s"]) == answer["n_snippets"]
    assert '"path"' not in json.dumps(answer)
    assert Doors(desk).segments(answer["analysis_id"], 0.5)["segments"] == answer["segments"]
    assert Doors(desk).library()[0]["analysis_id"] == answer["analysis_id"]


def test_segments_refuses_a_threshold_out_of_range(desk, clip_file):
    key = analysed(desk, clip_file)
    with pytest.raises(gr.Error, match=r"threshold is 1\.5"):
        Doors(desk).segments(key, 1.5)


def test_giving_up_on_analyze_stops_the_work(desk, analyzer, clip_file):
    analyzer.delay_s = 0.1
    answer = Doors(desk).analyze(str(clip_file), None, 0.5)
    next(answer)
    while not analyzer.runs:
        next(answer)
    answer.close()
    end = time.monotonic() + 3
    while not analyzer.closed_early:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("error", "shown"),
    [(MediaError("corridor.mp4: too dark"), "too dark"), (ValueError("secret"), "Something went wrong inside")],
)
def test_analyze_shows_errors_for_people_only(desk, analyzer, clip_file, error, shown):
    analyzer.error = error
    with pytest.raises(gr.Error, match=shown) as caught:
        last(Doors(desk).analyze(str(clip_file), "demo", 0.5))
    assert "secret" not in str(caught.value)


def test_doors_explain_bad_arguments(desk):
    doors = Doors(desk)
    with pytest.raises(gr.Error, match="handle_file"):
        last(doors.analyze(None, "demo", 0.5))
    with pytest.raises(gr.Error, match="no analysis 'x'"):
        doors.segments("x", 0.5)
