"""Exports of a real clip under a made-up analysis: the API's files, the zip's manifest, pieces measured, reports."""

import base64
import csv
import io
import json
import os
import re
import shutil
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from analyses import make_analysis
from fakes import CUT as CUT_ASKED
from fakes import FakeAnalyzer, analysed, file_at, make_video, open_workspace, until
from media_factory import read_number
from PIL import Image
from time_cases import CASES

from app.clips.truths import TruthStore
from app.clips.workspace import Cut
from app.export.bundle import MANIFEST, ExportError, write_export
from app.export.checks import check_text, check_zip
from app.export.exports import KEPT_S, Exports
from app.export.marks_file import MarksFile, csv_text, read_marks
from app.export.report import clock, css_text, day, draw, report_html
from app.export.reviewed import Reviewed
from app.export.shots import ReelChoice
from app.review.marks import Change, Mark, ReviewError
from app.review.reviews import Decision, Reviews, View
from app.web.page import Page
from cmhkf.figures.qualitative import qualitative
from cmhkf.figures.style import save_figure
from cmhkf.media.clip import probe

CUT = Cut(0.5)
STATES = ("confirmed", "dismissed", "open")


def test_a_report_reads_its_analysis_once(workspace, tmp_path, monkeypatch):
    probed = probe(make_video(tmp_path / "a.mp4", seconds=4))
    clip = workspace.store.add_clip(probed, "a.mp4", move=False)
    key = workspace.store.save(make_analysis([0.1, 0.9, 0.1], clip=clip))
    read = []
    for name in ("load", "load_curve"):
        was = getattr(workspace.store, name)
        monkeypatch.setattr(workspace.store, name, lambda key, was=was, name=name: read.append(name) or was(key))
    Exports(workspace, Reviews(workspace)).reviewed(key, CUT, "ann")
    assert read == ["load"]


class Decided(Reviews):
    """What the model flagged, each decided in turn, and one mark added by hand."""

    taken = ()

    def view(self, analysis_id, cut, reviewer=""):
        flagged = super().view(analysis_id, Cut(0.4)).marks
        marks = [replace(m, state=STATES[i % 3], note=f"<i>{i}</i>\nnext") for i, m in enumerate(flagged)]
        marks.append(Mark("h", 1.0, 2.0, "confirmed", "=riot"))
        logs = {name: [log_of(name, marks)] for name in (reviewer or "anna", "ben")}
        return View(reviewer or "anna", analysis_id, self._workspace.analysis(analysis_id), cut, logs)

    def take(self, view, marks):
        self.taken = (view, marks)
        return len(marks)


def log_of(reviewer, marks):
    after = {mark.id: mark for mark in marks}
    return Change(reviewer, 1, "2026-01-02T03:04:05+00:00", "import", dict.fromkeys(after), after)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The exports of a 12 s clip with a keyframe every second, the id of its analysis, and the page."""
    page = decided_page(tmp_path_factory.mktemp("home"))
    video = make_video(tmp_path_factory.mktemp("c") / "in.mp4", seconds=12)
    yield page.exports, analysed(page.workspace, video, "yard <1>.mp4", move=True), page
    page.workspace.close()


def decided_page(home):
    page = Page(open_workspace(home))
    page.exports = Exports(page.workspace, Decided(page.workspace))
    return page


@pytest.fixture
def handlers(made):
    return made[2].handlers()


def follow(handlers, step):
    until(lambda: handlers["export_job"](step)["state"] not in ("queued", "running"), 120)
    return handlers["export_job"](step)


def begun(handlers, key, *kinds, with_dismissed=True):
    asked = {"analysis_id": key, "reviewer": "anna", "kinds": list(kinds), "with_dismissed": with_dismissed}
    return handlers["export"](CUT_ASKED | asked)


def file_of(step):
    assert step["state"] == "done", step
    return file_at(step["result"])


@pytest.mark.parametrize("form", ["csv", "json"])
def test_the_door_gives_files_that_come_back_as_they_went(made, form):
    exports, key, _ = made
    file = exports.file(key, form, CUT)
    assert file.name == f"yard-1-review.{form}"
    assert tuple(read_marks(file.name, file.read_bytes()).marks) == exports.reviewed(key, CUT).marks
    assert (file.read_bytes()[:3] == b"\xef\xbb\xbf") == (form == "csv")


def test_clips_are_as_long_as_their_segments_and_the_table_says_how(made, handlers, tmp_path):
    exports, key, _ = made
    with zipfile.ZipFile(file_of(follow(handlers, begun(handlers, key, "clips")))) as packed:
        packed.extractall(tmp_path)
    marks = [m for m in exports.reviewed(key, CUT).marks if m.state != "dismissed"]
    table = (tmp_path / "clips" / "clips.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [row["id"] for row in rows] == [mark.id for mark in marks]
    for row, mark in zip(rows, marks, strict=True):
        assert length_s(tmp_path / "clips" / row["file"]) == pytest.approx(mark.end_s - mark.start_s, abs=1 / 24)
        whole = mark.start_s % 1 == 0 and mark.end_s % 1 == 0  # there are key pictures
        assert row["how"].startswith("copied" if whole else "re-encoded")
        assert all(len(row[name].partition(".")[2]) <= 3 for name in ("cut_start_s", "cut_end_s"))
    assert {row["how"].split(",")[0] for row in rows} == {"copied", "re-encoded"}
    assert rows[[m.id for m in marks].index("h")]["label"] == "'=riot"


def test_figures_are_those_of_the_command_with_the_clips_truth(made, handlers, tmp_path):
    _, key, page = made
    workspace = page.workspace
    analysis = workspace.analysis(key)
    (tmp_path / "truth.csv").write_text(f"clip,class,segments_s\n{analysis.clip.name},riot,2-4\n")
    truths = TruthStore(workspace.store)
    truths.take(tmp_path / "truth.csv", "truth.csv", analysis)
    try:
        with zipfile.ZipFile(file_of(follow(handlers, begun(handlers, key, "figures")))) as packed:
            packed.extractall(tmp_path)
    finally:
        truths.drop(analysis.clip.sha256)
    folder = tmp_path / "figures"
    widths_in = {"qualitative": 7.0, "embeddings": 7.0, "similarity": 3.4, "saliency": 3.4}
    assert {f.name for f in folder.iterdir()} == {f"{k}{s}" for k in widths_in for s in (".pdf", ".svg", ".png")}
    for kind, width_in in widths_in.items():
        with Image.open(folder / f"{kind}.png") as picture:
            assert picture.width == pytest.approx(300 * width_in, abs=2)
        assert (folder / f"{kind}.pdf").read_bytes().startswith(b"%PDF")
    truth = [(2.0, 4.0, "riot")]
    known = replace(analysis, clip=workspace.store.clip(analysis.clip.sha256))
    save_figure(qualitative([known], truths=[truth]), tmp_path / "q.svg")
    assert (tmp_path / "q.svg").read_bytes() == (folder / "qualitative.svg").read_bytes()


def length_s(path):
    with av.open(str(path)) as source:
        assert source.streams.audio
        return sum(1 for _ in source.decode(video=0)) / 24


def test_one_file_comes_alone_and_dismissed_ones_can_stay_out(made, handlers):
    file = file_of(follow(handlers, begun(handlers, made[1], "csv", with_dismissed=False)))
    assert file.suffix == ".csv"
    assert {m.state for m in read_marks("x", file.read_bytes()).marks} == {"confirmed", "open"}


def test_what_cannot_be_exported_is_said(made, handlers):
    assert "nothing was chosen" in follow(handlers, begun(handlers, made[1]))["error"]
    assert "no export 'exe'; choose from csv" in follow(handlers, begun(handlers, made[1], "exe"))["error"]
    others = Page(made[2].workspace).handlers()
    assert "no segment is confirmed" in follow(others, begun(others, made[1], "reel"))["error"]


@pytest.mark.parametrize("kind", ["clips", "reel"])
@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([0.1, 0.1, 0.1, 0.1, 0.1, 0.1], "there is no segment.*; lower the threshold, or"),
        ([0.9, 0.1, 0.1, 0.1, 0.1, 0.1], "the one segment is dismissed; reopen it, or"),
        ([0.9, 0.1, 0.1, 0.1, 0.1, 0.9], "all segments are dismissed; reopen one, or"),
    ],
)
def test_where_all_is_dismissed_the_way_on_is_to_reopen(workspace, tmp_path, kind, scores, words):
    clip = workspace.store.add_clip(probe(make_video(tmp_path / "a.mp4", seconds=4)), "a.mp4", move=False)
    key, reviews = workspace.store.save(make_analysis(scores, clip=clip)), Reviews(workspace)
    view = reviews.view(key, CUT, "ann")
    for n, mark in enumerate(view.marks):
        view = reviews.decide(view, Decision("dismiss", mark.id), n, mark.id)
    for with_dismissed in (True, False):
        reviewed = Exports(workspace, reviews).reviewed(key, CUT, "ann", with_dismissed=with_dismissed)
        with pytest.raises(ExportError, match=words):
            list(write_export(reviewed, [kind], tmp_path, reel=ReelChoice("flagged")))


def test_a_clip_that_lost_its_end_is_an_error_that_names_the_piece(tmp_path):
    """What was exported before stays, and no file comes that shows less than it says."""
    page = decided_page(tmp_path / "home")
    workspace, handlers = page.workspace, page.handlers()
    video = make_video(tmp_path / "in.ts", seconds=12, options=("-c:a", "mp2"))
    key = analysed(workspace, video, "yard.ts", move=True)
    before = file_of(follow(handlers, begun(handlers, key, "clips")))
    kept = Path(workspace.analysis(key).clip.path)
    kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
    step = follow(handlers, begun(handlers, key, "clips"))
    assert step["state"] == "failed"
    assert re.search(r"yard\.ts: no piece from 6\.00 s to 12\.00 s could be cut: .* end too early", step["error"])
    assert zipfile.ZipFile(before).testzip() is None
    assert [f.parent for f in workspace.store.exports_dir.rglob("*") if f.is_file()] == [before.parent]
    workspace.close()


@pytest.mark.parametrize("kind", ["csv", "json", "vtt", "edl", "html"])
def test_a_file_that_lacks_a_segment_does_not_count(made, tmp_path, kind):
    reviewed = made[0].reviewed(made[1], CUT)
    file = made[0].file(made[1], kind, CUT)
    check_text(kind, file, reviewed)
    with pytest.raises(ExportError, match=rf"{file.name} holds \d segments instead of \d"):
        check_text(kind, file, replace(reviewed, marks=reviewed.marks[:1]))


def test_a_zip_that_was_not_written_whole_does_not_count(made, tmp_path):
    file = Path(shutil.copy(made[0].file(made[1], "zip", CUT), tmp_path / "z.zip"))
    check_zip(file, MANIFEST)
    with zipfile.ZipFile(file, "a") as packed:
        packed.writestr("more.txt", "more")
    with pytest.raises(ExportError, match=r"z\.zip does not hold more\.txt as it was written"):
        check_zip(file, MANIFEST)


def written_of(case, folder, *kinds):
    """Export one mark, from a frame at a quarter of an odd file to one at half of it; what the zip holds, by name."""
    n, edges = len(case.numbers), [*case.times_s, case.length_s]
    mark = Mark("m", edges[n // 4] + 1e-3, edges[n // 2] - 1e-3, "confirmed", "riot")
    analysis = make_analysis([0.1] * 3, clip=probe(case.path), duration_s=case.length_s)
    work = write_export(Reviewed("id", analysis, (mark,), 0.5, "now"), kinds, folder, zipped=True)
    while True:
        try:
            next(work)
        except StopIteration as end:
            with zipfile.ZipFile(end.value) as packed:
                return {name.rpartition(".")[2]: packed.read(name) for name in packed.namelist()}


@pytest.mark.parametrize(
    ("name", "fps", "remark"),
    [
        ("variable_rate_mp4", "", "THE FRAME RATE VARIES"),
        ("tape_dv", "30000/1001", "COUNTED AS 30 FRAMES"),
        ("raw_h264", "15", "FRAME RATE: 15 FPS"),
    ],
)
def test_frames_are_numbered_by_their_times(tmp_path, name, fps, remark):
    case = CASES[name](tmp_path)
    held = written_of(case, tmp_path, "csv", "json", "edl")
    (row,) = csv.DictReader(io.StringIO(held["csv"].decode("utf-8-sig"), newline=""))
    n = len(case.numbers)
    assert (int(row["start_frame"]), int(row["end_frame"]), row["fps"]) == (n // 4, n // 2, fps)
    content = json.loads(held["json"])
    assert (content["clip"]["fps"], content["clip"]["fps_stated"]) == (fps or None, bool(fps))
    assert (content["marks"][0]["start_frame"], content["marks"][0]["end_frame"]) == (n // 4, n // 2)
    assert remark in held["edl"].decode()


@pytest.mark.parametrize("name", ["sound_first_ts", "b_frames_avi", "reconnect_flv"])
def test_clips_and_the_report_show_the_frames_of_the_segment(tmp_path, name):
    case = CASES[name](tmp_path)
    held = written_of(case, tmp_path, "html", "clips")
    n = len(case.numbers)
    with av.open(io.BytesIO(held["mp4"])) as source:
        shown = [read_number(frame.to_ndarray(format="rgb24")) for frame in source.decode(video=0)]
    assert shown == list(case.numbers[n // 4 : n // 2])
    (jpeg,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', held["html"].decode())
    middle_s = (case.times_s[n // 4] + case.times_s[n // 2]) / 2
    number = read_number(np.asarray(Image.open(io.BytesIO(base64.b64decode(jpeg)))))
    assert number in (case.seen_at(middle_s - 1e-3), case.seen_at(middle_s + 1e-3))


def test_cancelling_leaves_nothing(made, handlers):
    before = set(made[2].workspace.store.exports_dir.iterdir())
    step = begun(handlers, made[1], "html", "clips", "reel")
    while handlers["export_job"](step)["stage"] not in ("pictures", "clips"):
        time.sleep(0.01)
    handlers["export_cancel"](step)
    assert follow(handlers, step)["state"] == "cancelled"
    until(lambda: set(made[2].workspace.store.exports_dir.iterdir()) == before)  # the work is wound up a moment after


def test_old_exports_are_swept_away(made):
    exports, key, _ = made
    old = exports.file(key, "vtt", CUT).parent
    os.utime(old, (time.time() - KEPT_S - 1,) * 2)
    kept = exports.file(key, "vtt", CUT)
    assert not old.exists()
    assert kept.exists()


def test_an_exported_file_is_shown_then_taken_in(made, handlers):
    exports, key, page = made
    workspace = page.workspace
    text = csv_text(exports.reviewed(key, CUT)).replace("'=riot", "riot")
    ask = CUT_ASKED | {"threshold": 0.4, "analysis_id": key, "reviewer": " carl ", "name": "t.csv", "text": text}
    seen = handlers["import_preview"](ask)
    assert (seen["n"], seen["same_clip"], seen["reviewers"], seen["clip_name"]) == (4, True, ["anna"], "yard <1>.mp4")
    assert seen["states"] == {"confirmed": 2, "dismissed": 1, "open": 1}
    other = text.replace(workspace.analysis(key).clip.sha256, "ff" * 32)
    assert not handlers["import_preview"](ask | {"text": other})["same_clip"]
    assert handlers["import_marks"](ask) == {"n": 4, "looks": 0}
    wanted = [m if m.id != "h" else replace(m, label="riot") for m in exports.reviewed(key, CUT).marks]
    view, taken = exports._reviews.taken
    assert (view.analysis_id, view.cut, view.reviewer, taken) == (key, Cut(0.4), "carl", wanted)
    assert "t.csv, line 1" in handlers["import_preview"](ask | {"text": "a,b"})["error"]
    for name, said in ((" ", "not 0"), ("x" * 61, "not 61"), ("x" * 1_000_000, "characters"), ("\ud800", "half a")):
        assert said in handlers["import_marks"](ask | {"reviewer": name})["error"]


def test_what_nobody_decided_stays_the_models_and_nothing_lies_beyond_the_clip(made):
    exports, key, page = made
    open_ones = Reviews(page.workspace).view(key, CUT).marks
    found = MarksFile([*open_ones, Mark("h", 1, 2, "open", "riot")], "", "")
    assert exports.import_marks(key, CUT, "carl", found) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"end_s": 12.5}, r"segment 'x': it ends at 12\.50 s and this clip ends at 12\.00 s"),
        ({"start_s": 12.01, "end_s": 12.04}, r"segment 'x': it starts at 12\.01 s"),
        ({"model_label": "riot", "peak_s": 13.0}, r"segment 'x': it peaks at 13\.00 s"),
        ({"label": "arson"}, "segment 'x': label 'arson' is not one of normal, fighting"),
        ({"label": ""}, "segment 'x': label '' is not one of"),
        ({"note": "x" * 2001}, "segment 'x': the note has 2001 characters; 2000 are kept"),
        ({"note": "\ud800"}, "segment 'x': the note is .* half a character"),
    ],
)
def test_a_file_brings_in_nothing_that_could_not_be_entered(made, changes, said):
    exports, key, _ = made
    mark = replace(Mark("x", 1, 2, "confirmed", "riot"), **changes)
    with pytest.raises(ReviewError, match=said):
        exports.import_marks(key, CUT, "carl", MarksFile([mark], "", ""))


def test_a_file_cannot_forge_what_the_model_said(made):
    exports, key, page = made
    analysis = page.workspace.analysis(key)
    real = next(m for m in exports.reviewed(key, CUT).marks if m.peak_s is not None)
    forged = replace(real, state="dismissed", model_score=0.999, model_label="explosion")
    elsewhere = replace(real, id="e", start_s=0, end_s=1, peak_s=0.4, model_score=1.0, state="confirmed")
    by_hand = Mark("b", 0, 1, "confirmed", "riot", model_score=0.99, peak_s=0.5)
    half = replace(real, id="half", peak_s=None, model_score=0.99, state="confirmed")
    hiding = replace(real, id="hides", state="dismissed", model_start_s=0.0, model_end_s=12.0)
    exports.import_marks(key, CUT, "carl", MarksFile([forged, elsewhere, by_hand, half, hiding], "", ""))
    taken = {mark.id: mark for mark in exports._reviews.taken[1]}
    assert (taken[real.id].model_score, taken[real.id].model_label) == (real.model_score, real.model_label)
    assert (taken[real.id].state, taken["e"].model_score) == ("dismissed", float(analysis.scores[0]))
    assert (taken["b"].model_score, taken["b"].peak_s) == (None, None)
    assert taken["half"].model_score is None
    assert (taken[real.id].model_start_s, taken[real.id].model_end_s) == (real.model_start_s, real.model_end_s)
    assert (taken["hides"].model_start_s, taken["hides"].model_end_s) == (real.start_s, real.end_s)


def test_so_many_exports_wait_and_no_more(made, handlers):
    exports, key, _ = made
    go = threading.Event()

    def stands():
        while not go.wait(0.01):
            yield

    first = exports._queue.submit("stands", stands)
    while first.state != "running":
        time.sleep(0.01)
    answers = [begun(handlers, key, "csv") for _ in range(25)]
    go.set()
    refused = [answer["error"] for answer in answers if answer.get("error")]
    assert refused == ["20 exports are waiting already; try again when some are done"] * 5
    assert len({answer["job"] for answer in answers if "job" in answer}) == 20
    for answer in answers[:20]:
        handlers["export_cancel"]({"job": answer["job"]})


# The report ----------------------------------------------------------------------------------------------------------


def test_the_report_stands_alone_and_names_everything(made):
    exports, key, _ = made
    page = exports.file(key, "html", Cut(0.37), "<b>eve</b>").read_text()
    reviewed = exports.reviewed(key, CUT)
    assert not re.search(
        r"https?:|//[a-z]|url\((?!#)|<script|<link|<iframe|@import", re.sub(r"data:image/jpeg;base64,[^\"]+", "", page)
    )
    facts = (reviewed.analysis.clip.sha256, "NOT TRAINED", FakeAnalyzer.recipe_hash, "0.37", "not an alarm", key)
    names = ("yard &lt;1&gt;.mp4", "&lt;i&gt;0&lt;/i&gt;\nnext", "=riot")
    for text in (*facts, *names, "&lt;b&gt;eve&lt;/b&gt; and ben: no kappa (too few"):
        assert text in page, text
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == len(reviewed.marks)
    for picture in pictures:
        assert max(Image.open(io.BytesIO(base64.b64decode(picture))).size) <= 320
    assert page.count('class="state dismissed"') == 1


def test_the_report_of_a_trained_model_does_not_say_untrained(made):
    reviewed = made[0].reviewed(made[1], CUT)
    page = report_html(replace(reviewed, analysis=replace(reviewed.analysis, trained=True), marks=()), {})
    assert "ntrained score" not in page
    assert "NOT TRAINED" not in page
    assert "Nothing reaches the threshold" in page


def test_the_curve_keeps_every_peak(made):
    scores = np.zeros(50_000)
    scores[[700, 31_111]] = 1.0, 0.9
    drawing = draw(replace(made[0].reviewed(made[1], CUT), analysis=make_analysis(scores)))
    points = [tuple(map(float, p.split(","))) for p in drawing.curve.split()]
    assert len(points) < 1100
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    top = min(y for _, y in points)
    assert sum(y < top + 25 for _, y in points) == 2
    assert 4 <= len(drawing.ticks) <= 11


def test_numbers_that_would_overlap_are_left_out(made):
    marks = tuple(Mark(str(i), i / 10, i / 10 + 0.05, "open", "riot") for i in range(110))
    boxes = draw(replace(made[0].reviewed(made[1], CUT), marks=marks)).boxes
    middles = [box.x + box.width / 2 for box in boxes if box.named]
    assert len(boxes) == 110
    assert 20 < len(middles) < 60
    assert min(np.diff(middles)) > 19


def test_a_name_cannot_leave_the_string_of_the_printed_foot(made):
    reviewed = made[0].reviewed(made[1], CUT)
    clip = replace(reviewed.analysis.clip, name='a"}</style><script>é.mp4')
    page = report_html(replace(reviewed, analysis=replace(reviewed.analysis, clip=clip)), {})
    assert css_text('a"}é') == r'"a\22 \7d \e9 "'
    assert r"\22 \7d \3c \2f style\3e \3c script" in page
    assert page.count("</style>") == 1
    assert "<script" not in page


def test_times_for_people():
    assert (clock(0.005), clock(59.999), clock(3725.5), clock(61, 0)) == ("00:00.00", "01:00.00", "1:02:05.50", "01:01")
    assert day("2026-02-03T15:05:00+01:00") == day("2026-02-03T14:05:00Z") == "2026-02-03 14:05 UTC"
    assert day("some day") == "some day"
