"""One CSV of one's own, and the files of four published data sets, written by hand as their repositories have them."""

import json
from fractions import Fraction

import numpy as np
import pytest
from feature_files import RECIPE, write_npy, write_own
from training_sets import invoke, sets

from cmhkf.datasets.collection import Span, read_own, stem_of, video_files
from cmhkf.datasets.published import read_cctv_fights, read_msad, read_shanghaitech, read_ubnormal
from cmhkf.datasets.sets import Entry, open_dataset
from cmhkf.datasets.truth import read_truth
from cmhkf.errors import ConfigError, DataError

HEAD = "video,split,labels,start_s,end_s"
LINES = (
    "yard/a.avi,train,fighting,,",
    "b.mp4,train,normal,,",
    "c.mp4,test,fire;fighting,1,2.5",
    "c.mp4,test,fire,4,5",
    "d.mp4,test,,,",
)


def written(path, *lines, head=HEAD):
    path.write_text("\n".join((head, *lines)))
    return path


def anomaly(start, end):
    return Span("anomaly", Fraction(start), Fraction(end))


def frames_of(data, name):
    at = dict(
        zip(data.test_names, np.split(data.truth.frames, 16 * np.cumsum(data.truth.n_snippets)[:-1]), strict=True)
    )
    return np.flatnonzero(np.diff(at[name].astype(int), prepend=0, append=0)).tolist()


# One's own ------------------------------------------------------------------------------------------------------------


def test_one_csv_says_everything(tmp_path):
    held = read_own(written(tmp_path / "mine.csv", *LINES))
    assert (held.name, held.classes, held.counts) == ("mine.csv", ("normal", "fighting", "fire"), "seconds")
    assert [(v.name, v.split, v.labels) for v in held.videos] == [
        ("a", "train", ("fighting",)),
        ("b", "train", ()),
        ("c", "test", ("fire", "fighting")),
        ("d", "test", ()),
    ]
    assert held.by_name["c"].spans == (
        Span("fire", Fraction(1), Fraction(5, 2)),
        Span("fighting", Fraction(1), Fraction(5, 2)),
        Span("fire", Fraction(4), Fraction(5)),
    )
    assert (held.labels_of("c"), held.labels_of("d")) == ((2, 1), (0,))
    assert video_files(tmp_path / "mine.csv")[0] == str(tmp_path / "yard" / "a.avi")
    assert [stem_of(name) for name in ("x/a.b.MP4", "a.b", "a")] == ["a.b", "a.b", "a"]


def test_seconds_become_frames_of_the_snippets(tmp_path):
    """At 24 frames a second 1 s to 2.5 s is 24 to 60, 4 s to 5 s is 96 to 120."""
    for name in "abcd":
        write_own(tmp_path / "features", name, 9)
    data = open_dataset(str(written(tmp_path / "mine.csv", *LINES)), tmp_path / "features")
    assert data.train == (Entry("a", 0, (1,)), Entry("b", 0, (0,)))
    assert (data.test_names, data.truth.abnormal, data.missing) == (("c", "d"), (True, False), ())
    assert frames_of(data, "c") == [24, 60, 96, 120]
    assert data.segments == [[(2, 24, 60), (1, 24, 60), (2, 96, 120)], [(0, 0, 144)]]
    assert data.fallbacks("test", hears=True) == []


def test_features_made_elsewhere_need_the_frame_rate(tmp_path):
    for name in "abcd":
        write_npy(tmp_path / "features", name, 12)
    mine = written(tmp_path / "mine.csv", *LINES)
    with pytest.raises(DataError, match="how many frames 'c' has a second; add a column fps"):
        open_dataset(str(mine), tmp_path / "features")
    written(mine, *(f"{line},30" for line in LINES), head=f"{HEAD},fps")
    assert frames_of(open_dataset(str(mine), tmp_path / "features"), "c") == [30, 75, 120, 150]


def test_what_is_listed_and_not_there_is_named(tmp_path):
    for name in ("a", "b", "d"):
        write_own(tmp_path / "features", name, 9)
    data = open_dataset(str(written(tmp_path / "mine.csv", *LINES)), tmp_path / "features")
    assert (data.test_names, data.missing) == (("d",), ("c",))


def test_the_csv_is_ground_truth_for_figures(tmp_path):
    mine = written(tmp_path / "mine.csv", *LINES)
    found = read_truth(mine, "c.mp4", native_rate=None, duration_s=10)
    assert found == [(1, 2.5, "fighting"), (1, 2.5, "fire"), (4, 5, "fire")]
    assert read_truth(mine, "d.mp4", native_rate=None, duration_s=10) == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a.mp4,val,fire,,"], "line 2: split is 'val'; write train or test"),
        (["a.mp4,train,fire;normal,,"], "labelled both normal and fire"),
        (["a.mp4,test,fire,3,3"], "an event from 3 to 3 s; the end must come after the start"),
        (["a.mp4,test,fire,x,3"], "line 2: start_s is 'x'; it must be a number"),
        (["a.mp4,test,normal,1,3"], "line 2: an event of a normal video"),
        (["a.mp4,test,fire,,"], "the test video 'a' is labelled fire, but no line says when"),
        (["a.mp4,test,,,"], "names no anomaly"),
        (["a.mp4,test,fire,1,2", "a.mp4,train,fire,,"], "line 3: 'a' has the split train here and test above"),
        (["a.mp4,test,fire,1,2", "x/a.mp4,test,fire,2,3"], "'a' has the path x/a.mp4 here and a.mp4 above"),
        (["a.mp4,test,fire,1,2", "a.mp4,test,,,"], "'a' stands here again, and one of the lines is normal"),
        ([",test,fire,1,2"], "no video is named"),
    ],
)
def test_lines_that_contradict_are_named(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read_own(written(tmp_path / "mine.csv", *lines))


def test_wrong_use_is_named(tmp_path):
    write_own(tmp_path, "a", 3)
    with pytest.raises(DataError, match=r"lacks the column split; its first line must be video,split,labels,start_s"):
        read_own(written(tmp_path / "mine.csv", "a.mp4", head="video"))
    with pytest.raises(DataError, match="cannot read the data set"):
        read_own(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match=r"brings its own test list"):
        open_dataset(str(tmp_path / "mine.csv"), tmp_path, test_list=tmp_path / "test.txt")
    with pytest.raises(ConfigError, match=r"choose one of xd-violence, ucf-crime, .*cctv-fights, or a CSV"):
        open_dataset("streets", tmp_path)


def test_one_csv_trains_evaluates_and_ablates(tmp_path):
    """Features, in which an anomaly points in a direction of its own, are enough for all commands."""
    rng, lines = np.random.default_rng(0), []
    from types import SimpleNamespace

    from cmhkf.features.extract import Features
    from cmhkf.features.folders import write_recipe
    from cmhkf.timeline import Timeline

    features = tmp_path / "features"
    features.mkdir()
    for i in range(16):
        anomalous, split = i % 2, "train" if i < 12 else "test"
        video = rng.standard_normal((8, 6)).astype(np.float32)
        video[3:6, 0] += 6 * anomalous
        seen = video, video[:, :4], None, None, "no sound track", {"motion": np.zeros(8, np.float32)}
        Features(SimpleNamespace(sha256=""), Timeline(8, 16 / 3), RECIPE.hash, *seen).save(features / f"v{i}__0.npz")
        lines.append(f"v{i}.mp4,{split},{'fire,2,4' if anomalous else 'normal,,'}")
    write_recipe(features, RECIPE)
    mine = written(tmp_path / "mine.csv", *lines)
    np.save(tmp_path / "text.npy", np.eye(2, 4, dtype=np.float32))
    data = ("--features", features, "--dataset", mine)
    quick = sets("train.epochs=8", "train.lr=0.01", "train.val_fraction=0", "train.batch_size=4")
    texts = ("--text-features", tmp_path / "text.npy")
    small = sets("model.dim=8", "model.cvka.k=1")
    shown = invoke("train", *data, "--out", tmp_path / "run", *texts, *quick, *small)
    assert shown.exit_code == 0, shown.output
    model = tmp_path / "run" / "model.safetensors"
    shown = invoke("evaluate", "--model", model, *data, "--out", tmp_path / "report", "--resamples", 10)
    assert "on mine.csv: 4 videos, 2 of them abnormal" in shown.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    auc = next(f["value"] for f in report["figures"] if (f["metric"], f["videos"]) == ("auc", "all"))
    assert auc > 90
    assert [c["classes"].keys() for c in report["map_per_class"]] == [{"normal": 0, "fire": 0}.keys()] * 4
    table = ("--table", 5, "--seeds", 1, "--out", tmp_path / "tables", *texts)
    shown = invoke("ablate", *data, *table, *sets("train.epochs=1", "train.val_fraction=0"), *small)
    assert "the rows on" in shown.output
    assert "| W = 1 |" in shown.output
    assert "| paper |" not in shown.output


def test_extract_finds_the_videos_by_the_csv(tmp_path):
    with pytest.raises(ConfigError, match=r"yard.a\.avi: no such file"):
        invoke("extract", written(tmp_path / "mine.csv", *LINES), "--out", tmp_path / "features")


# Published ------------------------------------------------------------------------------------------------------------


def test_shanghaitech_by_lists_and_masks(tmp_path):
    (tmp_path / "SH_Train.txt").write_text("01_0014\n01_002\n")
    (tmp_path / "SH_Test.txt").write_text("01_0015\n01_001\n")
    (tmp_path / "test_frame_mask").mkdir()
    for name, runs in {"01_0014": [(1, 3)], "01_0015": [(0, 2), (20, 33)]}.items():
        mask = np.zeros(40, np.uint8)
        for start, end in runs:
            mask[start:end] = 1
        np.save(tmp_path / "test_frame_mask" / f"{name}.npy", mask)
    held = read_shanghaitech(tmp_path)
    assert [(v.name, v.split, v.labels, v.spans) for v in held.videos] == [
        ("01_0014", "train", ("anomaly",), ()),
        ("01_002", "train", (), ()),
        ("01_0015", "test", ("anomaly",), (anomaly(0, 2), anomaly(20, 33))),
        ("01_001", "test", (), ()),
    ]
    for name in held.by_name:
        np.save(tmp_path / f"{name}_i3d.npy", np.ones((2, 10, 1024), np.float32))
    data = open_dataset("shanghaitech", tmp_path)
    assert frames_of(data, "01_0015") == [0, 2, 20, 32]  # cut at the last snippet
    assert (data.spec.headline, data.spec.classes) == ("auc", ("normal", "anomaly"))
    np.save(tmp_path / "test_frame_mask" / "01_0015.npy", np.full(40, 2))
    with pytest.raises(DataError, match="a mask is 0 or 1 for each frame"):
        read_shanghaitech(tmp_path)


def test_ubnormal_by_names_and_tracks(tmp_path):
    names = {
        "normal_training": ["normal_scene_1_scenario_1"],
        "abnormal_training": ["abnormal_scene_1_scenario_2"],
        "normal_test": ["normal_scene_2_scenario_1"],
        "abnormal_test": ["abnormal_scene_2_scenario_4"],
    }
    for part, videos in names.items():
        (tmp_path / f"{part}_video_names.txt").write_text("\n".join(videos))
    with pytest.raises(DataError, match=r"holds no abnormal_scene_2_scenario_4_tracks\.txt"):
        read_ubnormal(tmp_path)
    tracks = tmp_path / "Scene2" / "abnormal_scene_2_scenario_4_annotations"
    tracks.mkdir(parents=True)
    (tracks / "abnormal_scene_2_scenario_4_tracks.txt").write_text("1,10,19\n3,15,30\n")
    held = read_ubnormal(tmp_path)
    assert {v.name: (v.split, v.labels, v.spans) for v in held.videos} == {
        "normal_scene_1_scenario_1": ("train", (), ()),
        "abnormal_scene_1_scenario_2": ("train", ("anomaly",), ()),
        "normal_scene_2_scenario_1": ("test", (), ()),
        "abnormal_scene_2_scenario_4": ("test", ("anomaly",), (anomaly(10, 20), anomaly(15, 31))),
    }
    for name in held.by_name:
        write_own(tmp_path / "features", name, 3)
    with pytest.raises(DataError, match=r"counts the frames of its files, .* extract with --grid native"):
        open_dataset("ubnormal", tmp_path / "features", annotations=tmp_path)
    for name in held.by_name:
        write_npy(tmp_path / "made", name, 3)
    data = open_dataset("ubnormal", tmp_path / "made", annotations=tmp_path)
    assert frames_of(data, "abnormal_scene_2_scenario_4") == [10, 31]


def test_msad_by_lists_and_table(tmp_path):
    (tmp_path / "msad-i3d.list").write_text(
        "/data/MSAD-I3D-training/Traffic_accident_1_i3d.npy\n/d/MSAD_normal_x1_i3d.npy\n"
    )
    (tmp_path / "msad-i3d-test.list").write_text("/d/Fire_2_i3d.npy\n/d/MSAD_normal_testing_1_i3d.npy\n")
    table = "name,scenario,total frames,starting frame of anomaly,ending frame of anomaly"
    written(
        tmp_path / "anomaly_annotation.csv", "Traffic_accident_1,highway,90,3,80", "Fire_2,shop,64,19,40", head=table
    )
    held = read_msad(tmp_path)
    assert held.classes == ("normal", "fire", "traffic accident")
    assert {v.name: (v.split, v.labels, v.spans) for v in held.videos} == {
        "Traffic_accident_1": ("train", ("traffic accident",), ()),
        "MSAD_normal_x1": ("train", (), ()),
        "Fire_2": ("test", ("fire",), (Span("fire", Fraction(19), Fraction(40)),)),
        "MSAD_normal_testing_1": ("test", (), ()),
    }
    written(tmp_path / "anomaly_annotation.csv", "Fire_3,shop,64,19,40", head=table)
    with pytest.raises(DataError, match="does not say when 'Fire_2' is anomalous"):
        read_msad(tmp_path)


def test_cctv_fights_by_its_json(tmp_path):
    database = {
        "fight_0001": {
            "subset": "training",
            "frame_rate": 25.0,
            "annotations": [{"segment": [0, 2], "label": "Fight"}],
        },
        "fight_0002": {
            "subset": "testing",
            "frame_rate": 29.97,
            "annotations": [{"segment": [1.5, 3.0], "label": "Fight"}, {"segment": ["4", "5"], "label": "Fight"}],
        },
        "fight_0003": {
            "subset": "validation",
            "frame_rate": 30,
            "annotations": [{"segment": [0, 1], "label": "Fight"}],
        },
    }
    (tmp_path / "groundtruth.json").write_text(json.dumps({"version": "1", "database": database}))
    held = read_cctv_fights(tmp_path)
    assert [(v.name, v.split, v.fps) for v in held.videos] == [
        ("fight_0001", "train", 25),
        ("fight_0002", "test", Fraction("29.97")),
        ("fight_0003", "train", 30),
    ]
    write_npy(tmp_path, "fight_0002", 10)
    data = open_dataset("cctv-fights", tmp_path)
    assert frames_of(data, "fight_0002") == [45, 90, 120, 150]  # 44.96, 89.91, 119.88, 149.85
    (tmp_path / "groundtruth.json").write_text("{}")
    with pytest.raises(DataError, match="not as CCTV-Fights publishes it"):
        read_cctv_fights(tmp_path)


def test_published_files_that_are_not_there_are_named(tmp_path):
    write_own(tmp_path, "a", 3)
    for name, file in (
        ("shanghaitech", "test_frame_mask"),
        ("ubnormal", "normal_training_video_names.txt"),
        ("msad", "MSAD_anomaly_annotation.csv"),
        ("cctv-fights", "groundtruth.json"),
    ):
        with pytest.raises(DataError, match=rf"holds no {file}"):
            open_dataset(name, tmp_path)
