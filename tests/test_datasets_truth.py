"""Ground truth of one clip: every known form of file against intervals read off by hand, AP against scikit-learn."""

import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from cmhkf.datasets.truth import clip_metrics, frame_labels, read_truth
from cmhkf.errors import ConfigError, DataError
from cmhkf.timeline import Timeline

EXAMPLES = Path(__file__).parents[1] / "assets" / "examples" / "ground_truth.csv"
RIOT, BOTH = "v=S__#1_label_B4-0-0", "Film.2003__#00-06_label_B2-G-0"
XD = f"{RIOT} 0 120 240 480\n{BOTH}.mp4 48 96\n"
XD_CLASSES = f"{RIOT} B4 0 120 B4 240 480\n{BOTH} B2 48 96 G 96 120\n"
UCF = "Abuse028_x264.mp4  Abuse  150  240  -1  -1\nNormal_Videos_003_x264 Normal -1 -1 -1 -1\n"
CSV = "clip,class,segments_s\nyard.mp4,fighting,1.5-2 4-5.25\nquiet.mp4,normal,\n"
CSV_FRAMES = "clip,class,segments_frames\nyard.mp4,G,30-60\nyard.mp4,B4,90-120\n"


def read(tmp_path, text, name, *, rate: int | None = 24, duration_s=30.0):
    path = tmp_path / "truth.txt"
    path.write_text(text, encoding="utf-8")
    return read_truth(path, name, native_rate=rate and Fraction(rate), duration_s=duration_s)


@pytest.mark.parametrize(
    ("text", "name", "rate", "expected"),
    [
        (XD, f"{RIOT}.mp4", 24, [(0, 5, "riot"), (10, 20, "riot")]),
        (XD, f"{BOTH}.mp4", 24, [(2, 4, "anomaly")]),
        (XD, "v=n__#1_label_A.mp4", 24, []),
        (XD_CLASSES, f"{BOTH}.mp4", 24, [(2, 4, "shooting"), (4, 5, "explosion")]),
        (XD_CLASSES, f"{BOTH}.mkv", 24, [(2, 4, "shooting"), (4, 5, "explosion")]),
        (UCF, "Abuse028_x264.mp4", 30, [(5, 8, "abuse")]),
        (UCF, "Normal_Videos_003_x264.mp4", 30, []),
        (CSV, "yard.mp4", None, [(1.5, 2, "fighting"), (4, 5.25, "fighting")]),
        (CSV, "yard.webm", 24, [(1.5, 2, "fighting"), (4, 5.25, "fighting")]),
        (CSV, "quiet.mp4", None, []),
        (CSV_FRAMES, "yard.mp4", 30, [(1, 2, "explosion"), (3, 4, "riot")]),
    ],
)
def test_every_known_form(tmp_path, text, name, rate, expected):
    assert read(tmp_path, text, name, rate=rate) == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le-mark", "utf-16-be-mark"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_files_as_windows_saves_them(tmp_path, encoding, line_end):
    mark, name = ("\ufeff", encoding.removesuffix("-mark")) if encoding.endswith("-mark") else ("", encoding)
    for text, clip, expected in (
        (UCF, "Abuse028_x264.mp4", [(5, 8, "abuse")]),
        (XD, f"{RIOT}.mp4", [(0, 4, "riot"), (8, 16, "riot")]),
        (CSV, "yard.mp4", [(1.5, 2, "fighting"), (4, 5.25, "fighting")]),
    ):
        path = tmp_path / "truth.txt"
        path.write_bytes((mark + text.replace("\n", line_end)).encode(name))
        assert read_truth(path, clip, native_rate=Fraction(30), duration_s=30.0) == expected


@pytest.mark.parametrize("edge", ["1e8000000", "nan", "१०", "9" * 5000])
@pytest.mark.parametrize("column", ["segments_s", "segments_frames"])
def test_a_number_that_is_none_is_refused_at_once(tmp_path, edge, column):
    begun = time.process_time()
    with pytest.raises(DataError, match=r"line 2: an edge of the segment .*; it must be a number from 0 to"):
        read(tmp_path, f"clip,class,{column}\nyard.mp4,fighting,1-{edge}\n", "yard.mp4")
    assert time.process_time() - begun < 1


def test_so_many_segments_or_letters_are_refused(tmp_path):
    head = "clip,class,segments_s\nyard.mp4,"
    assert len(read(tmp_path, head + "fighting," + " 1-2" * 2000, "yard.mp4")) == 2000
    with pytest.raises(DataError, match=r"2,001 segments of 'yard.mp4'; at most 2,000 are read"):
        read(tmp_path, head + "fighting," + " 1-2" * 2001, "yard.mp4")
    with pytest.raises(DataError, match=r"line 2: the class has 81 characters; 80 are kept"):
        read(tmp_path, head + "x" * 81 + ",1-2", "yard.mp4")


def test_our_own_examples():
    assert read_truth(EXAMPLES, "crash.mp4", native_rate=None, duration_s=40) == [(16.6, 21, "car accident")]
    assert read_truth(EXAMPLES, "quiet_street.mp4", native_rate=None, duration_s=40) == []


def test_truth_ends_with_the_clip(tmp_path):
    assert read(tmp_path, CSV, "yard.mp4", duration_s=5.0) == [(1.5, 2, "fighting"), (4, 5, "fighting")]


@pytest.mark.parametrize(
    ("text", "name", "options", "message"),
    [
        (CSV, "other.mp4", {}, "'other' is not among the clips of truth.txt"),
        (XD, "other.mp4", {}, "'other' is not among the clips"),
        (CSV, "yard.mp4", {"duration_s": 3.0}, r"lasts 3.0 s and truth.txt annotates it up to 5.2 s"),
        (CSV_FRAMES, "yard.mp4", {"rate": None}, "counts frames, but 'yard.mp4' has no constant frame rate"),
        ("", "yard.mp4", {}, "truth.txt is empty; give XD-Violence's"),
        ("Dear reader,\n", "yard.mp4", {}, "no annotation file known here; give XD-Violence's"),
        ("clip,class\nyard.mp4,riot\n", "yard.mp4", {}, "segments_s or segments_frames is missing"),
        ("clip,class,segments_s\nyard.mp4,riot,5\n", "yard.mp4", {}, "line 2: '5' is no segment"),
        ("clip,class,segments_s\nyard.mp4,riot,5-4\n", "yard.mp4", {}, "line 2: the segment '5-4' ends before"),
        (f"{RIOT} 5\n", f"{RIOT}.mp4", {}, "line 1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, name, options, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, name, **options)


@pytest.mark.parametrize(("rate", "expected"), [(24, (36, 48)), (30, (45, 60)), (Fraction(30000, 1001), (45, 60))])
def test_frames_are_labelled_by_their_time(rate, expected):
    """Oracle: each frame asked for its own time."""
    line = Timeline(5, 4.0, Fraction(rate))
    labels = frame_labels([(1.5, 2.0, "riot")], line)
    assert labels.tolist() == [int(1.5 <= i / float(line.rate) < 2.0) for i in range(80)]
    assert (labels.argmax(), labels.argmax() + labels.sum()) == expected


def test_frame_numbers_survive_the_way_through_seconds(tmp_path):
    """A clip on its own frames has the labels of the protocol: frames[start:end] = 1."""
    rate, line = Fraction(30000, 1001), Timeline(40, 21.3, Fraction(30000, 1001))
    path = tmp_path / "truth.csv"
    for start in range(100, 160):
        path.write_text(f"clip,class,segments_frames\na,riot,{start}-{start + 33}\n")
        labels = frame_labels(read_truth(path, "a.mp4", native_rate=rate, duration_s=21.3), line)
        assert np.flatnonzero(labels).tolist() == list(range(start, start + 33))


def test_metrics_of_a_clip_equal_scikit_learn():
    scores, line = np.random.default_rng(3).random(30).round(1), Timeline(30, 20.0)
    truth = [(2.0, 5.5, "riot"), (5.0, 7.1, "riot"), (15.0, 16.0, "abuse")]
    labels = [int(any(a <= i / 24 < b for a, b, _ in truth)) for i in range(480)]
    frames = np.repeat(scores, 16)
    found = clip_metrics(scores, truth, line)
    assert found.ap == pytest.approx(average_precision_score(labels, frames))
    assert found.auc == pytest.approx(roc_auc_score(labels, frames))
    assert found.prevalence == pytest.approx(np.mean(labels))


@pytest.mark.parametrize("truth", [[], [(0.0, 20.0, "riot")]])
def test_a_clip_of_one_kind_has_no_metrics(truth):
    with pytest.raises(ConfigError, match="both must occur"):
        clip_metrics(np.zeros(30), truth, Timeline(30, 20.0))
