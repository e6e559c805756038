"""Exports of a real clip under a made-up analysis: the door's files, the zip's manifest, pieces measured, reports."""

import base64
import csv
import hashlib
import io
import os
import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from analyses import make_analysis
from fakes import FakeAnalyzer, make_video
from PIL import Image

from app.bundle import ExportError
from app.decision_store import Decisions
from app.desk import Desk
from app.exports import KEPT_S, Cut, ExportAsks, Exports
from app.marks_file import MarksFile, csv_text, json_text, read_marks
from app.report import clock, css_text, day, draw, report_html
from app.review import Mark
from app.reviews import Reviews
from app.settings import Settings
from app.store import NotFoundError
from app.truth import TruthKeeper
from cmhkf.figures import qualitative, save_figure

CUT = Cut(0.5)
STATES = ("confirmed", "dismissed", "open")


class Decided(Reviews):
    """What the model flagged, each decided in turn, and one mark added by hand."""

    taken = ()

    def marks_of(self, analysis_id, cut):
        marks = super().marks_of(analysis_id, replace(cut, threshold=0.4))
        made = [
            replace(m, state=STATES[i % 3], reviewer=cut.reviewer or "anna", revision=i + 1, note=f"<i>{i}</i>\nnext")
            for i, m in enumerate(marks)
        ]
        return [*made, Mark("h", 1.0, 2.0, "confirmed", "=riot")]

    def agreement(self, analysis_id, cut):
        return ["anna and ben agree on 2 of 3."]

    def take(self, sha256, reviewer, marks):
        self.taken = (sha256, reviewer, marks)
        return len(marks)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The exports of a 12 s clip with a key picture every second, the id of its analysis, and the desk."""
    desk = Desk(Settings(home=tmp_path_factory.mktemp("home")), lambda model: FakeAnalyzer())
    clip = desk.add(make_video(tmp_path_factory.mktemp("c") / "in.mp4", seconds=12), "yard <1>.mp4", move=True)
    job = desk.analyse(clip.sha256)
    while not job.over:
        time.sleep(0.01)
    exports = Exports(desk, Decided(desk, Decisions(desk.store)))
    yield exports, job.result, desk
    exports.close()
    desk.close()


@pytest.fixture
def asks(made):
    return {f.__name__: f for f in ExportAsks(made[0]).functions()}


def follow(asks, step):
    end = time.monotonic() + 120
    while step["state"] in ("queued", "running"):
        assert time.monotonic() < end
        time.sleep(0.02)
        step = asks["export_job"](step)
    return step


def begun(asks, key, *kinds, with_dismissed=True):
    cut = {"analysis_id": key, "threshold": 0.5, "min_length_s": 0, "merge_gap_s": 1, "reviewer": "anna"}
    return asks["export"](cut | {"kinds": list(kinds), "with_dismissed": with_dismissed})


def file_of(step):
    assert step["state"] == "done", step
    return Path(step["result"].removeprefix("gradio_api/file="))


@pytest.mark.parametrize("form", ["csv", "json"])
def test_the_door_gives_files_that_come_back_as_they_went(made, form):
    exports, key, _ = made
    file = exports.file(key, form, CUT)
    assert file.name == f"yard-1-review.{form}"
    assert tuple(read_marks(file.name, file.read_bytes()).marks) == exports.reviewed(key, CUT).marks
    assert (file.read_bytes()[:3] == b"\xef\xbb\xbf") == (form == "csv")


def test_the_zip_holds_every_paper_and_its_manifest_is_true(made):
    exports, key, desk = made
    file = exports.file(key, "zip", CUT)
    assert file.is_relative_to(desk.store.exports_dir)
    with zipfile.ZipFile(file) as packed:
        names = set(packed.namelist())
        lines = packed.read("MANIFEST.sha256").decode().splitlines()
        for line in lines:
            digest, name = re.fullmatch(r"([0-9a-f]{64})  (.+)", line).groups()
            assert hashlib.sha256(packed.read(name)).hexdigest() == digest
    assert {f"yard-1-review.{kind}" for kind in ("csv", "json", "vtt", "edl", "html")} == names - {"MANIFEST.sha256"}
    assert len(lines) == len(names) - 1


def test_a_bad_format_lists_the_choices(made):
    exports, key, _ = made
    with pytest.raises(ExportError, match="no format 'pdf'; choose from csv, json, vtt, edl, html, zip"):
        exports.file(key, "pdf", CUT)
    with pytest.raises(NotFoundError, match="no analysis 'x'"):
        exports.file("x", "csv", CUT)


def test_clips_are_as_long_as_their_segments_and_the_table_says_how(made, asks, tmp_path):
    exports, key, _ = made
    with zipfile.ZipFile(file_of(follow(asks, begun(asks, key, "clips", "reel")))) as packed:
        packed.extractall(tmp_path)
    marks = [m for m in exports.reviewed(key, CUT).marks if m.state != "dismissed"]
    table = (tmp_path / "clips" / "clips.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [row["id"] for row in rows] == [mark.id for mark in marks]
    for row, mark in zip(rows, marks, strict=True):
        assert length_s(tmp_path / "clips" / row["file"]) == pytest.approx(mark.end_s - mark.start_s, abs=1 / 24)
        whole = mark.start_s % 1 == 0 and mark.end_s % 1 == 0  # there are key pictures
        assert row["how"].startswith("copied" if whole else "re-encoded")
    assert {row["how"].split(",")[0] for row in rows} == {"copied", "re-encoded"}
    assert rows[[m.id for m in marks].index("h")]["label"] == "'=riot"
    confirmed_s = sum(m.end_s - m.start_s for m in marks if m.state == "confirmed")
    assert length_s(tmp_path / "yard-1-review-reel.mp4") == pytest.approx(confirmed_s, abs=2 / 24)


def test_figures_are_those_of_the_command_with_the_clips_truth(made, asks, tmp_path):
    _, key, desk = made
    analysis = desk.analysis(key)
    (tmp_path / "truth.csv").write_text(f"clip,class,segments_s\n{analysis.clip.name},riot,2-4\n")
    truths = TruthKeeper(desk.settings.home)
    truths.take(tmp_path / "truth.csv", "truth.csv", analysis)
    try:
        with zipfile.ZipFile(file_of(follow(asks, begun(asks, key, "figures")))) as packed:
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
    save_figure(
        qualitative([replace(analysis, clip=desk.store.clip(analysis.clip.sha256))], truths=[truth]), tmp_path / "q.svg"
    )
    assert (tmp_path / "q.svg").read_bytes() == (folder / "qualitative.svg").read_bytes()


def length_s(path):
    with av.open(str(path)) as source:
        assert source.streams.audio
        return sum(1 for _ in source.decode(video=0)) / 24


def test_one_file_comes_alone_and_dismissed_ones_can_stay_out(made, asks):
    file = file_of(follow(asks, begun(asks, made[1], "csv", with_dismissed=False)))
    assert file.suffix == ".csv"
    assert {m.state for m in read_marks("x", file.read_bytes()).marks} == {"confirmed", "open"}


def test_what_cannot_be_exported_is_said(made, asks):
    assert "nothing was chosen" in follow(asks, begun(asks, made[1]))["error"]
    assert "no export 'exe'; choose from csv" in follow(asks, begun(asks, made[1], "exe"))["error"]
    plain = Exports(made[2], Reviews(made[2], Decisions(made[2].store)))
    others = {f.__name__: f for f in ExportAsks(plain).functions()}
    assert "no segment is confirmed" in follow(others, begun(others, made[1], "reel"))["error"]
    plain.close()


def test_cancelling_leaves_nothing(made, asks):
    before = set(made[2].store.exports_dir.iterdir())
    step = begun(asks, made[1], "html", "clips", "reel")
    while asks["export_job"](step)["stage"] not in ("pictures", "clips"):
        time.sleep(0.01)
    asks["export_cancel"](step)
    assert follow(asks, step)["state"] == "cancelled"
    end = time.monotonic() + 30
    while set(made[2].store.exports_dir.iterdir()) != before:  # the work is wound up a moment after
        assert time.monotonic() < end
        time.sleep(0.02)


def test_old_exports_are_swept_away(made):
    exports, key, _ = made
    old = exports.file(key, "vtt", CUT).parent
    os.utime(old, (time.time() - KEPT_S - 1,) * 2)
    kept = exports.file(key, "vtt", CUT)
    assert not old.exists()
    assert kept.exists()


def test_an_exported_file_is_shown_then_taken_in(made, asks):
    exports, key, desk = made
    text = csv_text(exports.reviewed(key, CUT))
    ask = {"analysis_id": key, "reviewer": "carl", "name": "t.csv", "text": text}
    seen = asks["import_preview"](ask)
    assert (seen["n"], seen["same_clip"], seen["reviewers"], seen["clip_name"]) == (4, True, ["anna"], "yard <1>.mp4")
    assert seen["states"] == {"confirmed": 2, "dismissed": 1, "open": 1}
    other = text.replace(desk.analysis(key).clip.sha256, "ff" * 32)
    assert not asks["import_preview"](ask | {"text": other})["same_clip"]
    assert asks["import_marks"](ask) == {"n": 4}
    sha256 = desk.analysis(key).clip.sha256
    assert exports._decisions.taken == (sha256, "carl", list(exports.reviewed(key, CUT).marks))
    assert "t.csv, line 1" in asks["import_preview"](ask | {"text": "a,b"})["error"]
    assert "give a name first" in asks["import_marks"](ask | {"reviewer": " "})["error"]


def test_what_nobody_decided_stays_the_models_and_nothing_lies_beyond_the_clip(made):
    exports, key, desk = made
    open_ones = Exports(desk, Reviews(desk, Decisions(desk.store))).reviewed(key, CUT).marks
    found = MarksFile([*open_ones, Mark("h", 1, 2, "open", "riot")], "", "")
    assert exports.import_marks(key, "carl", found) == 1
    with pytest.raises(ExportError, match=r"segment 'late' ends at 12\.50 s and this clip at 12\.00 s"):
        exports.import_marks(key, "carl", MarksFile([Mark("late", 11, 12.5, "confirmed", "riot")], "", ""))


# The report ----------------------------------------------------------------------------------------------------------


def test_the_report_stands_alone_and_names_everything(made):
    exports, key, _ = made
    page = exports.file(key, "html", Cut(0.37, reviewer="<b>eve</b>")).read_text()
    reviewed = exports.reviewed(key, CUT)
    assert not re.search(
        r"https?:|//[a-z]|url\((?!#)|<script|<link|<iframe|@import", re.sub(r"data:image/jpeg;base64,[^\"]+", "", page)
    )
    for text in (
        "yard &lt;1&gt;.mp4", reviewed.analysis.clip.sha256, "NOT TRAINED", FakeAnalyzer.recipe_hash, "0.37",
        "not an alarm",
        "&lt;i&gt;0&lt;/i&gt;\nnext", "&lt;b&gt;eve&lt;/b&gt;", "anna and ben agree on 2 of 3.", "=riot", key,
    ):  # fmt: skip
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


def test_json_and_table_agree(made):
    reviewed = made[0].reviewed(made[1], CUT)
    assert read_marks("a", json_text(reviewed).encode()) == read_marks("b", csv_text(reviewed).encode())
