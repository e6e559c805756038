"""Labels, annotation files in the distributed formats, and the frame ground truth, against frames marked one by one."""

import numpy as np
import pytest

from cmhkf.datasets import annotations as data
from cmhkf.datasets.annotations import AnnotatedVideo, DataError, Event
from cmhkf.datasets.classes import UCF_CLASSES, XD_CLASSES

RIOT, SHOOTING, NORMAL = "v=a__#1_label_B4-0-0", "Film.2003__#00-06_label_B2-G-0", "v=n__#1_label_A"


def write(tmp_path, text):
    path = tmp_path / "annotations.txt"
    path.write_text(text, encoding="utf-8")
    return path


def xd_truth(protocol, annotations, **n_snippets):
    lengths = n_snippets or {RIOT: 4, SHOOTING: 5, NORMAL: 2}
    return data.ground_truth(protocol, annotations, n_snippets=lengths, labels_of=data.xd_labels)


def marked(truth):
    """Oracle: each frame asked whether any event holds it."""
    return [
        int(any(e.start <= frame < e.end for e in events))
        for events, n in zip(truth.events, truth.n_snippets, strict=True)
        for frame in range(16 * n)
    ]


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("Bad.Boys.II.2003__#00-06-42_00-10-00_label_B2-G-0", ["shooting", "explosion"]),
        ("v=ab_label_G-B2-B6.mp4", ["explosion", "shooting", "car accident"]),
        ("v=ab_label_B4-0-0__5.npy", ["riot"]),
        ("v=ab_label_B1-B5-0__vggish.npy", ["fighting", "abuse"]),
        ("v=ab_label_A__0.npy", ["normal"]),
        ("v=ab_label_B1-B1-0", ["fighting"]),
    ],
)
def test_xd_labels(name, classes):
    assert [XD_CLASSES[c] for c in data.xd_labels(name)] == classes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Bad.Boys", r"'Bad.Boys' has no label code; .*_label_B2-G-0"),
        ("v_label_0-0-0", "has no label code"),
        ("v_label_B3-0-0", r"'B3' in 'v_label_B3-0-0' is no XD-Violence class; known are A normal, B1 fighting"),
        ("v_label_A-B1-0", "both normal"),
    ],
)
def test_wrong_xd_labels_are_named(name, message):
    with pytest.raises(DataError, match=message):
        data.xd_labels(name)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Abuse/Abuse028_x264.mp4", "abuse"),
        ("RoadAccidents004_x264", "roadaccidents"),
        ("Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4", "normal"),
        ("Normal_Videos_003_x264__5", "normal"),
    ],
)
def test_ucf_labels(name, label):
    assert data.ucf_labels(name) == (UCF_CLASSES.index(label),)


@pytest.mark.parametrize("name", ["Parade001_x264.mp4", "001_x264.mp4", ""])
def test_a_ucf_name_of_no_class_is_named(name):
    with pytest.raises(DataError, match="is no UCF-Crime class; known are normal, abuse"):
        data.ucf_labels(name)


def test_read_xd_binary(tmp_path):
    path = write(tmp_path, f"{RIOT} 0 15 20 38\n\n{SHOOTING}.mp4 7 90  \n")
    assert data.read_xd(path) == [
        AnnotatedVideo(RIOT, (Event(None, 0, 15), Event(None, 20, 38))),
        AnnotatedVideo(SHOOTING, (Event(None, 7, 90),)),
    ]


def test_read_xd_with_classes(tmp_path):
    (video,) = data.read_xd(write(tmp_path, f"{SHOOTING}.mp4 B2 0 15 G 10 38 B2 40 41\n"))
    assert (video.name, video.events) == (SHOOTING, (Event(2, 0, 15), Event(6, 10, 38), Event(2, 40, 41)))


def test_read_ucf_leaves_out_absent_events(tmp_path):
    text = "Abuse028_x264.mp4  Abuse  165  240  -1  -1  \nNormal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1\n"
    text += "RoadAccidents001_x264  RoadAccidents  1  2  5  9\n"
    road = UCF_CLASSES.index("roadaccidents")
    assert data.read_ucf(write(tmp_path, text)) == [
        AnnotatedVideo("Abuse028_x264", (Event(1, 165, 240),)),
        AnnotatedVideo("Normal_Videos_003_x264", ()),
        AnnotatedVideo("RoadAccidents001_x264", (Event(road, 1, 2), Event(road, 5, 9))),
    ]


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (data.read_xd, "ok_label_G 1 2\nv 1 2 3", r"annotations.txt, line 2 \('v'\): 3 fields .* take 2 each"),
        (data.read_xd, "v B2 1 2 G 3", "5 fields after the name; events take 3 each"),
        (data.read_xd, "v", "0 fields after the name"),
        (data.read_xd, "v B2 1 2 B9 3 4", "'B9' in .* is no XD-Violence class"),
        (data.read_xd, "v 30 20", "from frame 30 to 20"),
        (data.read_xd, "v 3 x", "'x'"),
        (data.read_xd, "v 1 2\nv.mp4 3 4", "line 2: 'v' is annotated twice"),
        (data.read_ucf, "Abuse1 Parade 1 2 -1 -1", "'Parade' in .* is no UCF-Crime class"),
        (data.read_ucf, "Abuse1 Abuse -1 -1 -1 -1", "class Abuse has 0 events"),
        (data.read_ucf, "Normal1 Normal 1 2 -1 -1", "class Normal has 1 events"),
        (
            data.read_ucf,
            "Abuse1 Abuse -1 20 -1 -1",
            "first frame of an event is '-1'; it must be a whole number from 0",
        ),
        (data.read_xd, "v 1 1e8000000", "its end is '1e8000000'; it must be a whole number"),
        (data.read_xd, "v ² 3", "2 fields after the name; events take 3"),
        (data.read_xd, "v 1 ١٢", "its end is"),
        (data.read_xd, "v 1 " + "9" * 5000, "its end is '99999"),
        (data.read_ucf, "Abuse1", "is no UCF-Crime class"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, read, text, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, text))


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the annotations .*absent\.txt"):
        data.read_xd(tmp_path / "absent.txt")
    (tmp_path / "gt.npz").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(DataError, match=r"cannot read the annotations .*gt\.npz"):
        data.read_xd(tmp_path / "gt.npz")


def test_frames_follow_the_protocol_with_overlaps_and_ends_cut(tmp_path):
    annotations = data.read_xd(write(tmp_path, f"{SHOOTING}.mp4 B2 3 20 G 15 33 B2 70 95\n{RIOT} B4 60 64\n"))
    truth = xd_truth([NORMAL, SHOOTING + ".mp4", RIOT], annotations)
    assert (truth.names, truth.n_snippets) == ((NORMAL, SHOOTING, RIOT), (2, 5, 4))
    assert truth.events == ((), (Event(2, 3, 20), Event(6, 15, 33), Event(2, 70, 80)), (Event(3, 60, 64),))
    assert (truth.frames.dtype, truth.frames.tolist(), truth.frames.sum()) == (np.uint8, marked(truth), 30 + 10 + 4)
    assert (truth.missing, truth.unlisted) == ((), ())


def test_an_event_after_the_last_whole_snippet_is_dropped():
    truth = xd_truth([RIOT], [AnnotatedVideo(RIOT, (Event(3, 5, 9), Event(3, 64, 70)))])
    assert (truth.events, truth.frames.sum()) == (((Event(3, 5, 9),),), 4)


def test_what_is_missing_is_listed():
    annotations = [AnnotatedVideo(name, (Event(3, 0, 8),)) for name in (RIOT, SHOOTING, "z_label_G", "y_label_G")]
    truth = xd_truth([RIOT, NORMAL, SHOOTING], annotations, **{SHOOTING: 1, "other": 7})
    assert (truth.names, truth.missing, truth.unlisted) == ((SHOOTING,), (RIOT, NORMAL), ("y_label_G", "z_label_G"))
    assert truth.frames.tolist() == [1] * 8 + [0] * 8
    nothing = xd_truth([NORMAL], [], other=7)
    assert (nothing.frames.shape, nothing.missing) == ((0,), (NORMAL,))


def test_features_much_shorter_than_the_annotation_are_refused():
    assert xd_truth([RIOT], [AnnotatedVideo(RIOT, (Event(3, 0, 64 + 48),))]).frames.all()
    longer = [AnnotatedVideo(RIOT, (Event(3, 0, 64 + 49),))]
    message = r"B4-0-0': features of 4 snippets \(64 frames\), .* frame 113; were the .*rate"
    with pytest.raises(DataError, match=message):
        xd_truth([RIOT], longer)
    with pytest.raises(DataError, match="features of 0 snippets"):
        xd_truth([NORMAL], [], **{NORMAL: 0})


def test_labels_and_annotations_must_agree():
    with pytest.raises(DataError, match="B4-0-0' is anomalous by its name but not annotated"):
        xd_truth([RIOT], [])
    with pytest.raises(DataError, match="label_A' is normal by its name but annotated"):
        xd_truth([NORMAL], [AnnotatedVideo(NORMAL, (Event(None, 0, 5),))])
    with pytest.raises(DataError, match="the list names 'v=n__#1_label_A' 2 times"):
        xd_truth([NORMAL, RIOT, NORMAL + ".mp4"], [])


def test_class_segments_are_as_annotated_and_a_normal_videos_is_its_whole_length():
    truth = xd_truth([SHOOTING, NORMAL], [AnnotatedVideo(SHOOTING, (Event(2, 3, 20), Event(2, 15, 100)))])
    assert data.class_segments(truth) == [[(2, 3, 20), (2, 15, 100)], [(0, 0, 32)]]


def test_an_anomaly_that_is_cut_off_does_not_make_the_video_normal():
    truth = xd_truth([RIOT, NORMAL], [AnnotatedVideo(RIOT, (Event(3, 64, 70),))])
    assert not truth.frames.any()
    assert (truth.abnormal, data.class_segments(truth)) == ((True, False), [[(3, 64, 70)], [(0, 0, 32)]])


def test_class_segments_need_classes():
    truth = xd_truth([RIOT], [AnnotatedVideo(RIOT, (Event(None, 3, 20),))])
    with pytest.raises(DataError, match=r"B4-0-0' tells no class; read annotations_multiclasses\.txt"):
        data.class_segments(truth)
