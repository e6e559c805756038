"""Marks out and back: nothing is lost whatever people write, frames are counted by hand, damage is named."""

import csv
import io
import json
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from analyses import make_analysis, make_clip

from app.export.checks import ExportError, check_text
from app.export.cue_files import title
from app.export.marks_file import MARK_FIELDS, MarksFileError, csv_text, json_text, read_marks, table_row
from app.export.report import report_html
from app.export.reviewed import Reviewed, safe_stem
from app.review.marks import Mark
from cmhkf.media.unseen import Unseen

NASTY = (
    "two\nlines|dos\r\nlines|old\rmac|ünï ✓ 日本 🎬|=1+1|'=1+1|''=1+1|'tis|-5|+49 30|@home|\tTab|＝ｆ| spaces |,;\t,||"
    '-->|\n|\r|<b>&amp;</b>|\'|"|null|she said "stop"'
)
WHEN = "2026-02-03T14:05:00.123456+00:00"


def mark(i, note):
    start_s, end_s, peak_s = (0.1 * i + part for part in (1 / 3, 2 / 3, 1 / 2))
    state = ("open", "confirmed", "dismissed")[i % 3]
    return Mark(f"m{i}", start_s, end_s, state, note, note, "fighting", 0.1 + i / 100, peak_s, note, i, WHEN)


def marks():
    made = [mark(i, note) for i, note in enumerate(NASTY.split("|"))]
    return (*made, Mark("by hand", 5.0, 5.000001, label="riot"), Mark("=cmd", 0.0, 1e-9))


def reviewed(rate=Fraction(30000, 1001), **changes):
    analysis = make_analysis([0.1] * 15, clip=make_clip(native_rate=rate, name='clip "x", =y.mp4'))
    facts = {"analysis_id": "a" * 20, "analysis": analysis, "marks": marks(), "threshold": 0.37, "exported": WHEN}
    return Reviewed(**facts | changes)


@pytest.mark.parametrize("write", [csv_text, json_text])
@pytest.mark.parametrize("mark_of_order", ["", "\ufeff"])
def test_what_comes_back_is_what_went_out(write, mark_of_order):
    back = read_marks("x", (mark_of_order + write(reviewed())).encode())
    assert (tuple(back.marks), back.clip_name, back.clip_sha256) == (marks(), 'clip "x", =y.mp4', "ab" * 32)


def test_what_the_model_had_flagged_comes_back_and_may_be_missing_in_older_files():
    mark = Mark("m", 1.0, 2.0, "confirmed", "riot", "", "riot", 0.9, 1.5, "ann", 1, WHEN, 0.5, 2.5, named=True)
    for write in (csv_text, json_text):
        assert read_marks("x", write(reviewed(marks=(mark,))).encode()).marks == [mark]
    rows = list(csv.reader(io.StringIO(csv_text(reviewed(marks=(mark,))), newline="")))
    gone = [rows[0].index(name) for name in ("model_start_s", "model_end_s", "named")]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([cell for i, cell in enumerate(row) if i not in gone] for row in rows)
    (back,) = read_marks("x", out.getvalue().encode()).marks
    assert (back.id, back.model_start_s, back.model_end_s, back.decided, back.named) == ("m", None, None, WHEN, False)
    wrong = json_text(reviewed(marks=(mark,))).replace('"named": true', '"named": "perhaps"')
    with pytest.raises(MarksFileError, match=r"named is 'perhaps'; it must be true or false"):
        read_marks("x", wrong.encode())


@pytest.mark.parametrize("write", [csv_text, json_text])
def test_no_marks_are_no_error(write):
    assert read_marks("x", write(reviewed(marks=())).encode()).marks == []


def test_no_cell_runs_as_a_formula():
    for row in csv.reader(io.StringIO(csv_text(reviewed()), newline="")):
        for cell in row:
            assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n", "＝"), cell


def test_tables_that_are_not_read_back_hold_milliseconds():
    row = {"end_s": 71.88000000000001, "peak_s": None, "score": 2 / 3, "label": "=riot"}
    assert table_row(row) == {"end_s": 71.88, "peak_s": None, "score": 2 / 3, "label": "'=riot"}


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(981, 50), None])
def test_frames_are_those_that_begin_nearest(rate):
    rows = json.loads(json_text(reviewed(rate)))["marks"]
    begins = [k / float(rate or 24) for k in range(400)]
    for row in rows:
        for edge in ("start", "end"):
            assert row[f"{edge}_frame"] == min(range(400), key=lambda k: abs(begins[k] - row[f"{edge}_s"]))
    table = list(csv.DictReader(io.StringIO(csv_text(reviewed(rate)), newline="")))
    assert [int(r["start_frame"]) for r in table] == [r["start_frame"] for r in rows]
    assert {r["fps"] for r in table} == {str(rate or 24)}


def test_json_says_what_made_the_marks():
    content = json.loads(json_text(reviewed()))
    assert (content["clip"]["fps"], content["clip"]["sha256"]) == ("30000/1001", "ab" * 32)
    assert (content["analysis"]["trained"], content["analysis"]["model_id"]) == (False, "test")
    assert (content["analysis"]["recipe_hash"], content["analysis"]["threshold"]) == ("0" * 16, 0.37)
    assert set(MARK_FIELDS) < set(content["marks"][0])


def test_classes_over_time_are_told_where_they_change_and_nobody_said_otherwise():
    analysis = make_analysis([0.9] * 15, class_probs=np.eye(3)[[1] * 9 + [2] * 6])
    mine = Mark("m", 0.0, 10.0, label="fighting", model_label="fighting")
    told = reviewed(analysis=analysis, marks=(mine, replace(mine, id="n", label="riot")))
    first, second = json.loads(json_text(told))["marks"]
    assert first["class_runs"] == [
        {"label": "fighting", "start_s": 0.0, "end_s": 6.0},
        {"label": "explosion", "start_s": 6.0, "end_s": 10.0},
    ]
    assert second["class_runs"] == []
    cells = [row["class_runs"] for row in csv.DictReader(io.StringIO(csv_text(told), newline=""))]
    assert cells == ["fighting 0.0 to 6.0 s; explosion 6.0 to 10.0 s", ""]
    assert title(mine, told) == "fighting (open, no score): fighting 0.0 to 6.0 s, explosion 6.0 to 10.0 s"
    assert "explosion 00:06.0 – 00:10.0" in report_html(told, {})


def test_an_unclear_name_is_told_until_a_person_has_decided():
    """By hand: explosion has .6 of .8 among the anomalies, fighting .2."""
    analysis = make_analysis([0.9] * 15, class_probs=np.array([[0.2, 0.2, 0.6]] * 15), least_share=0.8)
    mine = Mark("m", 0.0, 10.0, label="explosion", model_label="explosion", model_score=0.9)
    told = reviewed(analysis=analysis, marks=(mine,))
    assert title(mine, told) == "unclear: explosion or fighting (open, untrained score 0.90)"
    assert "unclear: explosion or fighting" in report_html(told, {})
    for said in (replace(mine, revision=1, state="confirmed"), replace(mine, label="riot")):
        assert title(said, told).startswith(f"{said.label} (")


def test_semicolons_of_a_spreadsheet_are_understood():
    rows = list(csv.reader(io.StringIO(csv_text(reviewed()), newline="")))
    saved = io.StringIO(newline="")
    csv.writer(saved, delimiter=";").writerows(rows)
    assert tuple(read_marks("x.csv", saved.getvalue().encode()).marks) == marks()


def changed_csv(column, value, row=3):
    rows = list(csv.reader(io.StringIO(csv_text(reviewed(marks=marks()[5:12])), newline="")))
    rows[row - 1][rows[0].index(column)] = value
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("start_s", "3,5", r"line 3: start_s is '3,5'; it must be a number from 0 to 1,000,000,000, with a point"),
        ("end_s", "0", r"line 3: start_s is .* and end_s 0\.0; a segment ends after it starts"),
        ("start_s", "-1", "line 3: start_s is '-1'"),
        ("end_s", "inf", "line 3: end_s is 'inf'"),
        ("end_s", "1e8000000", "line 3: end_s is '1e8000000'"),
        ("end_s", "1_0", "line 3: end_s is '1_0'"),
        ("end_s", "१०", "line 3: end_s is '१०'"),
        ("revision", "9" * 5000, "line 3: revision is '9999"),
        ("note", "x" * 2001, "line 3: note has 2,001 characters; 2,000 are kept"),
        ("label", "x" * 1000, "line 3: label has 1,000 characters"),
        ("id", "x" * 65, "line 3: id has 65 characters"),
        ("reviewer", "x" * 256, "line 3: reviewer has 256"),
        ("clip", "x" * 256, "line 3: clip has 256"),
        ("state", "maybe", "line 3: state is 'maybe'; it must be one of open, confirmed, dismissed"),
        ("revision", "1.5", "line 3: revision is '1.5'; it must be a whole number"),
        ("model_score", "high", "line 3: model_score is 'high'"),
        ("id", "", "line 3: id is empty"),
        ("id", "m5", "the id 'm5' stands there twice"),
        ("clip_sha256", "cd", "line 3: clip_sha256 differs"),
    ],
)
def test_a_bad_cell_is_named_by_line_and_field(column, value, said):
    with pytest.raises(MarksFileError, match=f"^t.csv[,:] .*{said}|^t.csv: {said}|^t.csv, {said}"):
        read_marks("t.csv", changed_csv(column, value))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"start_s": "x"}, r"marks\[1\]: start_s is 'x'"),
        ({"note": None}, r"marks\[1\]: note is None; it must be text"),
        ({"start_s": True}, r"marks\[1\]: start_s is True"),
        ({"revision": -1}, r"marks\[1\]: revision is -1"),
        ({"peak_s": math.nan}, r"marks\[1\]: peak_s is nan"),
        ({"end_s": None}, r"marks\[1\]: end_s is None"),
    ],
)
def test_a_bad_field_is_named_by_place(change, said):
    content = json.loads(json_text(reviewed()))
    content["marks"][1] |= change
    with pytest.raises(MarksFileError, match=f"^t.json, {said}"):
        read_marks("t.json", json.dumps(content).encode())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1: no column id, start_s"),
        (b"\xff\x00a", "byte 0 is not UTF-8"),
        (b"{", "is not JSON"),
        (b"[]", "format is None, not 'cmhkf-review-1'"),
        (b'{"format": "other"}', "format is 'other'"),
        (b'{"format": "cmhkf-review-1", "clip": {}, "marks": 3}', "marks a list"),
        (b'{"format": "cmhkf-review-1", "clip": {}, "marks": [3]}', r"marks\[0\]: it must be an object"),
        (b"[" * 100_000, "is not JSON"),
        (b"a,b\n1,2\n", "no column"),
        (csv_text(reviewed()).encode() + b"a,b\r\n", "no cell for end_s"),
        (csv_text(reviewed()).encode() + b"," * 99, "more cells than columns"),
        (csv_text(reviewed()).encode() + b'"never closed', "unexpected end of data"),
    ],
    ids=range(12),
)
def test_foreign_and_damaged_files_are_refused(content, said):
    with pytest.raises(MarksFileError, match=f"(?s)^f.x.*{said}"):
        read_marks("f.x", content)


def test_a_file_far_too_large_is_not_read():
    with pytest.raises(MarksFileError, match=r"big\.csv has 60 MB; an exported file has 6 MB at most"):
        read_marks("big.csv", b"x" * 60_000_000)


@pytest.mark.parametrize("write", [csv_text, json_text])
def test_more_segments_than_anybody_decides_are_refused(write):
    many = tuple(Mark(f"m{i}", i, i + 1) for i in range(5001))
    assert len(read_marks("x", write(reviewed(marks=many[:5000])).encode()).marks) == 5000
    with pytest.raises(MarksFileError, match="holds 5,001 segments; at most 5,000 are read, so"):
        read_marks("x", write(reviewed(marks=many)).encode())


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_badly_damaged_recording_with_many_segments_passes_its_own_check(kind, tmp_path):
    reason = "the file is damaged here: no frame can be decoded"
    lost = tuple(Unseen(10.0 * n, 10.0 * n + 3, reason) for n in range(350))
    marks = tuple(Mark(f"m{i}", i, i + 0.5) for i in range(400))
    damaged = reviewed(marks=marks, analysis=make_analysis([0.1] * 6000, unseen_s=lost))
    file = tmp_path / f"damaged.{kind}"
    file.write_text({"csv": csv_text, "json": json_text}[kind](damaged), encoding="utf-8")
    check_text(kind, file, damaged)
    assert file.stat().st_size < 1_000_000
    assert tuple(read_marks(file.name, file.read_bytes()).marks) == marks
    if kind == "json":
        assert len(json.loads(file.read_text())["analysis"]["unseen_s"]) == 350
    with pytest.raises(ExportError, match="holds 400 segments instead of 399"):
        check_text(kind, file, replace(damaged, marks=marks[1:]))


def test_our_own_file_is_checked_however_long_it_is(tmp_path):
    long = reviewed(marks=tuple(Mark(f"m{i}", i, i + 0.5) for i in range(5001)))
    (tmp_path / "long.csv").write_text(csv_text(long), encoding="utf-8")
    check_text("csv", tmp_path / "long.csv", long)


def test_what_is_not_known_to_be_seen_is_not_said_to_be():
    unknown = reviewed(analysis=make_analysis([0.1] * 15, unseen_s=None))
    assert json.loads(json_text(unknown))["analysis"]["unseen_s"] is None
    assert {row["unseen_s"] for row in csv.DictReader(io.StringIO(csv_text(unknown), newline=""))} == {"not known"}


def test_a_table_without_segments_tells_of_the_clip_and_of_unseen_footage():
    empty = reviewed(marks=(), analysis=make_analysis([0.1] * 15, unseen_s=(Unseen(2.0, 5.0, "damaged"),)))
    [row] = csv.DictReader(io.StringIO(csv_text(empty), newline=""))
    assert row["unseen_s"] == "2.000-5.000 damaged"
    assert list(row) == list(next(csv.DictReader(io.StringIO(csv_text(reviewed()), newline=""))))
    assert not any(row[field] for field in MARK_FIELDS)
    found = read_marks("x.csv", csv_text(empty).encode())
    assert (found.marks, found.clip_sha256) == ([], empty.analysis.clip.sha256)


STEMS = {"corridor.mp4": "corridor", "../../etc/passwd": "passwd", "Köln 2.mov": "Koln-2", "日本.mp4": "clip"}
STEMS |= {"a<b>${x}.mp4": "a-b-x", "": "clip", "x" * 300 + ".mp4": "x" * 60, ".hidden": "hidden"}


@pytest.mark.parametrize(("name", "stem"), STEMS.items())
def test_names_of_files_are_plain(name, stem):
    assert safe_stem(name) == stem
