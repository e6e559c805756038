"""The two data sets put together from features, lists and annotations in the distributed formats, whole or in part."""

import pytest
from feature_files import write_npy

from cmhkf.datasets.annotations import Event
from cmhkf.datasets.classes import UCF_CLASSES, XD_CLASSES
from cmhkf.datasets.sets import DATASETS, Entry, open_dataset, read_list
from cmhkf.errors import ConfigError, DataError

RIOT, SHOOTING, NORMAL = "v=a__#1_label_B4-0-0", "Film.2003__#00-06_label_B2-G-0", "v=n__#1_label_A"
TRAIN_FIGHT, TRAIN_NORMAL = "v=t__#1_label_B1-0-0", "v=u__#1_label_A"
XD = {
    "train.csv": f"path,label\n/home/x/{TRAIN_NORMAL}__0.npy,A\n/home/x/{TRAIN_FIGHT}__1.npy,B1\n",
    "test.csv": f"path,label\n/home/x/{SHOOTING}__0.npy,B2-G-0\n/home/x/{NORMAL}__0.npy,A\n/home/x/{RIOT}__0.npy,B4\n",
    "annotations.txt": f"{SHOOTING}.mp4 3 20 30 99\n{RIOT} 0 16\n",
    "annotations_multiclasses.txt": f"{RIOT} B4 0 16\n{SHOOTING}.mp4 B2 3 20 G 15 99\n",
}
LENGTHS = {RIOT: 4, SHOOTING: 5, NORMAL: 2, TRAIN_FIGHT: 3, TRAIN_NORMAL: 3}


def write_xd(folder, *, without=(), videos=LENGTHS, **texts):
    for name in videos:
        write_npy(folder, name, LENGTHS[name], crops=(0, 1, 2))
    for name, text in (XD | texts).items():
        if name not in without:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_xd_violence_as_distributed(tmp_path):
    dataset = open_dataset("xd-violence", write_xd(tmp_path))
    assert (dataset.spec.classes, dataset.spec.headline) == (XD_CLASSES, "ap")
    assert dataset.train == (Entry(TRAIN_NORMAL, 0, (0,)), Entry(TRAIN_FIGHT, 1, (1,)))
    assert (dataset.test_names, dataset.truth.n_snippets) == ((SHOOTING, NORMAL, RIOT), (5, 2, 4))
    assert dataset.truth.events[0] == (Event(None, 3, 20), Event(None, 30, 80))
    assert dataset.segments == [[(2, 3, 20), (6, 15, 99)], [(0, 0, 32)], [(3, 0, 16)]]
    assert (dataset.missing, dataset.absent) == ((), ())
    assert dataset.describe() == (
        "xd-violence: 2 training samples of 2 videos; 3 test videos (2 abnormal), 11 snippets\n"
        "test videos are read by crop 0 of 3 videos, as the test list names them"
    )


def test_a_list_of_videos_takes_all_crops(tmp_path):
    folder = write_xd(tmp_path, **{"train.csv": f"video,label\n{TRAIN_FIGHT}.mp4,B1\n{TRAIN_FIGHT},B1\n"})
    dataset = open_dataset("xd-violence", folder)
    assert dataset.train == tuple(Entry(TRAIN_FIGHT, crop, (1,)) for crop in (0, 1, 2))


def test_test_videos_listed_by_crops_count_once(tmp_path):
    crops = "".join(f"/media/RGBTest/{name}__{crop}.npy\n" for name in (RIOT, NORMAL) for crop in range(5))
    folder = write_xd(tmp_path, without=["test.csv"], **{"rgb_test.list": crops})
    dataset = open_dataset("xd-violence", folder)
    assert (dataset.test_names, dataset.test_crops) == ((RIOT, NORMAL), ((0, 1, 2),) * 2)  # those that are there


def test_ucf_crime_as_distributed(tmp_path):
    for name in ("Abuse028_x264", "Normal_Videos_003_x264", "RoadAccidents004_x264"):
        write_npy(tmp_path / name[:4], name, 20, crops=(0, 5))
    (tmp_path / "Anomaly_Train.txt").write_text("RoadAccidents/RoadAccidents004_x264.mp4\n\n")
    (tmp_path / "Anomaly_Test.txt").write_text(
        "Abuse/Abuse028_x264.mp4\nTesting_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4\n"
    )
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text(
        "Abuse028_x264  Abuse  165  240  -1  -1  \nNormal_Videos_003_x264  Normal  -1  -1  -1  -1  \n"
    )
    dataset = open_dataset("ucf-crime", tmp_path)
    assert dataset.spec.headline == "auc"
    road = UCF_CLASSES.index("roadaccidents")
    assert dataset.train == (Entry("RoadAccidents004_x264", 0, (road,)), Entry("RoadAccidents004_x264", 5, (road,)))
    assert (dataset.segments, dataset.truth.frames.sum()) == ([[(1, 165, 240)], [(0, 0, 320)]], 75)
    assert dataset.absent == ()


def test_what_is_missing_is_listed_and_the_rest_is_used(tmp_path):
    train = f"path\n{TRAIN_FIGHT}__0.npy\n{TRAIN_FIGHT}__9.npy\n{TRAIN_NORMAL}__0.npy\n{TRAIN_NORMAL}__1.npy\n"
    folder = write_xd(tmp_path, videos=[TRAIN_FIGHT, NORMAL, SHOOTING], **{"train.csv": train})
    dataset = open_dataset("xd-violence", folder)
    assert (dataset.train, dataset.test_names) == ((Entry(TRAIN_FIGHT, 0, (1,)),), (SHOOTING, NORMAL))
    assert dataset.missing == (f"{TRAIN_FIGHT}__9", TRAIN_NORMAL, RIOT)
    assert dataset.fallbacks("train", hears=False)[0].names == (f"{TRAIN_FIGHT}__9", TRAIN_NORMAL)
    assert dataset.fallbacks("test", hears=False)[0].names == (RIOT,)


def test_many_missing_are_counted(tmp_path):
    train = f"video\n{TRAIN_FIGHT}\n" + "".join(f"v=m{i}_label_A\n" for i in range(1200))
    dataset = open_dataset("xd-violence", write_xd(tmp_path, **{"train.csv": train}))
    told = str(dataset.fallbacks("train", hears=False)[0])
    assert told.startswith("listed training videos or crops without features, left out (1,200): v=m0_label_A, v=m1")
    assert told.endswith("v=m4_label_A and 1,195 more")


def test_a_training_set_alone_and_a_test_set_alone(tmp_path):
    alone = open_dataset("xd-violence", write_xd(tmp_path / "train", without=["test.csv", "annotations.txt"]))
    alone.require("train")
    message = r"nothing to test on in .*train as xd-violence: no test list \(looked for test"
    with pytest.raises(DataError, match=message):
        alone.require("test")
    assert alone.segments is None
    assert "no annotations (looked for annotations.txt in" in alone.describe()
    alone = open_dataset("xd-violence", write_xd(tmp_path / "test", without=["train.csv"]))
    alone.require("test")
    with pytest.raises(DataError, match=r"nothing to train on .*no training list"):
        alone.require("train")


def test_nothing_left_is_an_error(tmp_path):
    write_npy(tmp_path / "a", "other_label_A", 3)
    with pytest.raises(DataError, match=r"nothing to test on in .*: no training list .*; no test list"):
        open_dataset("xd-violence", tmp_path / "a")
    folder = write_xd(write_npy(tmp_path / "b", "other_label_A", 3), videos=[])
    with pytest.raises(DataError, match=f"nothing to test on .*: 5 listed without features, as '{TRAIN_NORMAL}'"):
        open_dataset("xd-violence", folder)


def test_named_files_come_before_those_beside_the_features(tmp_path):
    folder = write_xd(tmp_path / "features")
    (tmp_path / "mine.txt").write_text(f"{NORMAL}\n")
    assert open_dataset("xd-violence", folder, test_list=tmp_path / "mine.txt").test_names == (NORMAL,)
    with pytest.raises(DataError, match=r"cannot read the list .*absent\.csv"):
        open_dataset("xd-violence", folder, train_list=tmp_path / "absent.csv")
    with pytest.raises(DataError, match=r"cannot read the annotations .*absent\.txt"):
        open_dataset("xd-violence", folder, annotations=tmp_path / "absent.txt")


def test_a_video_in_both_lists_is_refused(tmp_path):
    folder = write_xd(tmp_path, **{"train.csv": f"video\n{RIOT}\n{TRAIN_NORMAL}\n"})
    message = "'v=a__#1_label_B4-0-0' is in the training and in the test list, with 0 others"
    with pytest.raises(DataError, match=message):
        open_dataset("xd-violence", folder)


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="dataset is 'shanghai'; choose one of xd-violence, ucf-crime"):
        open_dataset("shanghai", tmp_path)
    assert set(DATASETS) == {"xd-violence", "ucf-crime"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "path,audio_path,label\nx/v__5.npy,x/v__vggish.npy,A\n", [("v", 5)]),
        ("a.csv", "\ufeffvideo,label,n_snippets\nv.mp4,A,67\n\n", [("v", None)]),
        ("a.list", "/x y/v__0.npy\r\n/x y/v__1.npy\r\n", [("v", 0), ("v", 1)]),
        ("a.txt", "Abuse/Abuse028_x264.mp4\n", [("Abuse028_x264", None)]),
    ],
)
def test_read_list(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert read_list(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "file,label\nv,A\n", r"a\.csv has the columns \['file', 'label'\]; one must be called path or video"),
        ("a.csv", "path,label\n", r"a\.csv lists no video"),
        ("a.txt", "\n \n", r"a\.txt lists no video"),
        ("a.csv", "", r"a\.csv has the columns None"),
    ],
)
def test_lists_that_are_none_are_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_list(tmp_path / name)
