"""Marks out and back: nothing is lost whatever people write, frames are counted by hand, damage is named."""

import csv
import io
import json
import math
from fractions import Fraction

import pytest
from analyses import make_analysis, make_clip

from app.marks_file import MARK_FIELDS, MarksFileError, csv_text, json_text, read_marks
from app.review import Mark
from app.reviewed import Reviewed, safe_stem

NASTY = [
    'she said "stop"', "two\nlines", "dos\r\nlines", "old\rmac", "ünï ✓ 日本 🎬", "=1+1", "'=1+1", "''=1+1", "'tis",
    "-5", "+49 30", "@home", "\tTab", "＝ｆ", " spaces ", ",;\t,", "", "-->", "\n", "\r", "<b>&amp;</b>", "'", '"',
    "null",
]  # fmt: skip
WHEN = "2026-02-03T14:05:00.123456+00:00"


def marks():
    made = [
        Mark(f"m{i}", 0.1 * i + 1 / 3, 0.1 * i + 2 / 3, ("open", "confirmed", "dismissed")[i % 3], note, note,
             "fighting", 0.1 + i / 100, 0.1 * i + 0.5, note, i, WHEN)
        for i, note in enumerate(NASTY)
    ]  # fmt: skip
    return (*made, Mark("by hand", 5.0, 5.000001, label="riot"), Mark("=cmd", 0.0, 1e-9))


def reviewed(rate=Fraction(30000, 1001), **changes):
    analysis = make_analysis([0.1] * 15, clip=make_clip(native_rate=rate, name='clip "x", =y.mp4'))
    return Reviewed(**{"analysis_id": "a" * 20, "analysis": analysis, "marks": marks(), "threshold": 0.37,
                       "exported": WHEN} | changes)  # fmt: skip


@pytest.mark.parametrize("write", [csv_text, json_text])
@pytest.mark.parametrize("mark_of_order", ["", "\ufeff"])
def test_what_comes_back_is_what_went_out(write, mark_of_order):
    back = read_marks("x", (mark_of_order + write(reviewed())).encode())
    assert tuple(back.marks) == marks()
    assert (back.clip_name, back.clip_sha256) == ('clip "x", =y.mp4', "ab" * 32)


@pytest.mark.parametrize("write", [csv_text, json_text])
def test_no_marks_are_no_error(write):
    assert read_marks("x", write(reviewed(marks=())).encode()).marks == []


def test_no_cell_runs_as_a_formula():
    for row in csv.reader(io.StringIO(csv_text(reviewed()), newline="")):
        for cell in row:
            assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n", "＝"), cell


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(981, 50), None])
def test_frames_are_those_that_begin_nearest(rate):
    rows = json.loads(json_text(reviewed(rate)))["marks"]
    begins = [k / float(rate or 24) for k in range(400)]
    for row in rows:
        for edge in ("start", "end"):
            nearest = min(range(400), key=lambda k: abs(begins[k] - row[f"{edge}_s"]))
            assert row[f"{edge}_frame"] == nearest
    table = list(csv.DictReader(io.StringIO(csv_text(reviewed(rate)), newline="")))
    assert [int(r["start_frame"]) for r in table] == [r["start_frame"] for r in rows]
    assert {r["fps"] for r in table} == {str(rate or 24)}


def test_json_says_what_made_the_marks():
    content = json.loads(json_text(reviewed()))
    assert content["clip"]["fps"] == "30000/1001"
    assert content["clip"]["sha256"] == "ab" * 32
    assert (content["analysis"]["trained"], content["analysis"]["model_id"]) == (False, "test")
    assert (content["analysis"]["recipe_hash"], content["analysis"]["threshold"]) == ("0" * 16, 0.37)
    assert set(MARK_FIELDS) < set(content["marks"][0])


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
    [("start_s", "3,5", r"line 3: start_s is '3,5'; it must be a number, with a point"),
     ("end_s", "0", r"line 3: start_s is .* and end_s 0\.0; a segment ends after it starts"),
     ("start_s", "-1", r"line 3: start_s is -1\.0"), ("end_s", "inf", "line 3: end_s is 'inf'"),
     ("state", "maybe", "line 3: state is 'maybe'; it must be one of open, confirmed, dismissed"),
     ("revision", "1.5", "line 3: revision is '1.5'; it must be a whole number"),
     ("model_score", "high", "line 3: model_score is 'high'"), ("id", "", "line 3: id is empty"),
     ("id", "m5", "the id 'm5' stands there twice"), ("clip_sha256", "cd", "line 3: clip_sha256 differs")],
)  # fmt: skip
def test_a_bad_cell_is_named_by_line_and_field(column, value, said):
    with pytest.raises(MarksFileError, match=f"^t.csv[,:] .*{said}|^t.csv: {said}|^t.csv, {said}"):
        read_marks("t.csv", changed_csv(column, value))


@pytest.mark.parametrize(
    ("change", "said"),
    [({"start_s": "x"}, r"marks\[1\]: start_s is 'x'"), ({"note": None}, r"marks\[1\]: note is None; it must be text"),
     ({"start_s": True}, r"marks\[1\]: start_s is True"), ({"revision": -1}, r"marks\[1\]: revision is -1"),
     ({"peak_s": math.nan}, r"marks\[1\]: peak_s is nan"), ({"end_s": None}, r"marks\[1\]: end_s is None")],
)  # fmt: skip
def test_a_bad_field_is_named_by_place(change, said):
    content = json.loads(json_text(reviewed()))
    content["marks"][1] |= change
    with pytest.raises(MarksFileError, match=f"^t.json, {said}"):
        read_marks("t.json", json.dumps(content).encode())


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "line 1: no column id, start_s"), (b"\xff\xfe\x00a", "byte 0 is not UTF-8"), (b"{", "is not JSON"),
     (b"[]", "format is None, not 'cmhkf-review-1'"), (b'{"format": "other"}', "format is 'other'"),
     (b'{"format": "cmhkf-review-1", "clip": {}, "marks": 3}', "marks a list"),
     (b'{"format": "cmhkf-review-1", "clip": {}, "marks": [3]}', r"marks\[0\]: it must be an object"),
     (b"[" * 100_000, "is not JSON"), (b"a,b\n1,2\n", "no column"),
     (csv_text(reviewed()).encode() + b"a,b\r\n", "no cell for end_s"),
     (csv_text(reviewed()).encode() + b"," * 99, "more cells than columns"),
     (csv_text(reviewed()).encode() + b'"never closed', "unexpected end of data")],
    ids=range(12),
)  # fmt: skip
def test_foreign_and_damaged_files_are_refused(content, said):
    with pytest.raises(MarksFileError, match=f"(?s)^f.x.*{said}"):
        read_marks("f.x", content)


def test_a_file_far_too_large_is_not_read():
    with pytest.raises(MarksFileError, match=r"big\.csv has 60 MB; an exported file has 50 MB at most"):
        read_marks("big.csv", b"x" * 60_000_000)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("corridor.mp4", "corridor"), ("../../etc/passwd", "passwd"), ("Köln 2.mov", "Koln-2"), ("日本.mp4", "clip"),
     ("a<b>${x}.mp4", "a-b-x"), ("", "clip"), ("x" * 300 + ".mp4", "x" * 60), (".hidden", "hidden")],
)  # fmt: skip
def test_names_of_files_are_plain(name, stem):
    assert safe_stem(name) == stem
