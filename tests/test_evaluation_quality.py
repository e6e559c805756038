"""The quality panel of a data set's predictions and of one's own clips, in files and on the command line."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from analyses import make_analysis
from feature_files import RECIPE, write_own
from test_evaluation import CONFIG, LENGTHS, guess, listed, saved_model
from typer.testing import CliRunner

from cmhkf.commands import doctor
from cmhkf.commands import evaluate as command
from cmhkf.datasets.sets import open_dataset
from cmhkf.errors import ConfigError, DataError
from cmhkf.evaluation.evaluate import evaluate
from cmhkf.evaluation.own_clips import Measured, OwnClip, own_panel, read_clips
from cmhkf.evaluation.quality import dataset_panel, kind_of, seen_by, source_of, write_panel
from cmhkf.metrics.panel import ScoredVideo, measure_panel
from cmhkf.metrics.panel_file import panel_from, read_panels
from cmhkf.metrics.panel_text import panel_lines, panel_text
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.trained_on import TRAINING_VIDEOS, digests
from cmhkf.training.card import card_text, write_card


@pytest.fixture
def own_folder(tmp_path):
    for name, n in LENGTHS.items():
        write_own(tmp_path / "own", name, n)
    return listed(tmp_path / "own")


def test_the_panel_of_a_data_set_agrees_with_its_report(own_folder):
    dataset = open_dataset("xd-violence", own_folder)
    report = evaluate(
        dataset,
        guess,
        resamples=0,
        panel_of=lambda found: dataset_panel(
            dataset, found, model="guess", classes=dataset.spec.classes, resamples=0, seen={"v=a_label_B1-0-0": "video"}
        ),
    )
    panel = report.panel
    assert panel is not None
    assert panel.pooled.ap.value == pytest.approx(report.classifier.every.ap.value)
    assert panel.pooled.auc.value == pytest.approx(report.classifier.every.auc.value)
    aucs = [video.auc for video in report.videos if not np.isnan(video.auc)]
    assert panel.within_aucs == pytest.approx(tuple(sorted(aucs)))
    assert (panel.n_videos, panel.n_abnormal) == (4, 2)
    assert panel.hours == pytest.approx(sum(LENGTHS.values()) * 16 / 24 / 3600)
    assert (panel.overlap.n_videos, panel.overlap.n_unknown) == (1, 3)
    # Classes come from the second file of annotations.
    assert panel.confusion.rows == ("fighting", "shooting", "explosion", "normal footage")
    assert sum(map(sum, panel.confusion.counts[:-1])) == 3


def test_frames_of_ucf_crime_last_a_thirtieth_of_a_second(tmp_path):
    write_own(tmp_path, "Abuse028_x264", 30)
    write_own(tmp_path, "Normal_Videos_003_x264", 30)
    (tmp_path / "test.txt").write_text("Abuse028_x264\nNormal_Videos_003_x264\n")
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text(
        "Abuse028_x264.mp4 Abuse 165 240 -1 -1\nNormal_Videos_003_x264.mp4 Normal -1 -1 -1 -1\n"
    )
    dataset = open_dataset("ucf-crime", tmp_path)
    scores = np.zeros(30)
    scores[12:15] = 0.9  # from frame 192
    found = [SimpleNamespace(scores=s, class_probs=None) for s in (scores, np.zeros(30))]
    panel = dataset_panel(dataset, found, model="m", classes=dataset.spec.classes, resamples=0)
    assert panel.hours == pytest.approx(2 * 480 / 30 / 3600)
    assert panel.events.latencies_s == pytest.approx(((192 - 165) / 30,))
    assert panel.confusion is None


@pytest.mark.parametrize(
    ("name", "source", "kind"),
    [
        ("Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6", "Bad.Boys.1995", "film"),
        ("v=8cTqh9tMz_I__#1_label_A", "v=8cTqh9tMz_I", "YouTube"),
        ("Abuse028_x264", "Abuse028_x264", ""),
    ],
)
def test_names_tell_source_and_kind(name, source, kind):
    assert (source_of(name), kind_of(name)) == (source, kind)


def test_clips_of_a_film_that_was_trained_on_are_told_from_others(own_folder, tmp_path):
    saved = load_checkpoint(saved_model(tmp_path / "m.safetensors", CONFIG, RECIPE))
    dataset = SimpleNamespace(
        test_names=["Film__1_label_A", "Film__2_label_A", "Other__1_label_A", "Third__1_label_A"],
        train=[SimpleNamespace(name="Film__3_label_A"), SimpleNamespace(name="Third__3_label_A")],
    )
    assert seen_by(replace(saved, provenance={}), dataset) == {}
    knows = replace(saved, provenance={TRAINING_VIDEOS: digests(["Film__1_label_A", "Film__3_label_A"])})
    assert [*seen_by(knows, dataset).values()] == ["video", "group", "no", "no"]


def test_evaluate_prints_and_keeps_the_panel(own_folder, tmp_path, capsys):
    path = saved_model(tmp_path / "m.safetensors", CONFIG, RECIPE)
    options = {"resamples": 10, "device": "cpu", "out": tmp_path / "out"}
    command.evaluate(own_folder, "xd-violence", model=str(path), threshold=0.4, keep=True, **options)
    shown = capsys.readouterr().out
    for line in ("How good is this?", "AUC within single videos", "Segments are cut at 0.4", "false alarms an hour"):
        assert line in shown
    panel = panel_from(json.loads((tmp_path / "out" / "quality.json").read_text()))
    assert [one.pooled for one in read_panels(path)] == [panel.pooled]
    assert (tmp_path / "out" / "quality.svg").read_text().startswith("<?xml")
    page = (tmp_path / "out" / "quality.html").read_text()
    assert page.count("<tr>") == len(panel_lines(panel))
    assert "<svg" in page
    card = write_card(load_checkpoint(path), path).read_text()
    assert "| AUC within single videos |" in card
    assert "Not measured: `python -m cmhkf evaluate" in card_text(load_checkpoint(path), "m")


def test_scores_alone_have_nothing_to_keep_a_panel_beside(tmp_path):
    with pytest.raises(ConfigError, match="--keep belongs to a checkpoint"):
        command.evaluate(tmp_path, "xd-violence", scores=tmp_path / "s.npz", keep=True)


def panel_of(videos, **options):
    return measure_panel(videos, **({"model": "m", "dataset": "d <b>", "resamples": 0} | options))


def test_the_words_of_a_panel_by_hand():
    """A normal video of an hour that is flagged once, and one of 4 s found late: 8/3 s after its event begins."""
    quiet = np.zeros(5400)
    quiet[7] = 0.9
    late = ScoredVideo("b", np.array([0, 0, 0, 0, 0.6, 0]), [(0, 4, "fire")], seen="no")
    panel = panel_of([ScoredVideo("a", quiet, [], kind="cctv", seen="group"), late])
    said = {line.what: (line.value, line.note) for line in panel_lines(panel)}
    assert said["false alarms an hour of normal footage"] == ("1.00 (0.03 to 5.57)", "1 in 1.00 h of 1 video")
    assert said["false alarms an hour of normal footage, cctv"][0] == "1.00 (0.03 to 5.57)"
    assert said["events found (recall)"] == ("100.0 %", "1 of 1")
    assert said["segments that are right (precision)"] == ("50.0 %", "1 of 2")
    assert said["from an event's start to its first flag"] == (
        "2.67 s",
        "median of 1; 1 over 2 s, 0 over 10 s",
    )
    assert said["AUC within single videos"][0] == "not measured"
    assert said["seen in training"] == ("0 of 2 videos", "and 1 other of a camera or film that training has seen")
    assert panel_text(panel).startswith(
        "m on d <b>: 2 videos (1 with events) of 2 groups, 1.00 h, 1.00 h of them normal"
    )


def test_one_video_is_no_videos_and_what_is_short_or_missing_is_no_zero():
    (one,) = videos = [ScoredVideo("b", np.array([0, 0, 0, 0, 0.6, 0]), [(0, 4, "fire")])]
    assert panel_text(panel_of(videos)).startswith(
        "m on d <b>: 1 video (1 with events) of 1 group, 0.1 min, none of them normal"
    )
    quiet = replace(one, truth=[], scores=np.tile([0.9, 0, 0], 30))
    said = {line.what: line.note for line in panel_lines(panel_of([quiet]))}
    assert said["false alarms an hour of normal footage"].endswith(" in 1.0 min of 1 video")


def test_files_are_written_for_a_panel_of_which_little_is_measured(tmp_path):
    write_panel(panel_of([ScoredVideo("a", np.array([7.0, 3.0]), [])]), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["quality.html", "quality.json", "quality.svg"]
    assert "d &lt;b&gt;" in (tmp_path / "quality.html").read_text()
    assert (tmp_path / "quality.svg").read_text().count("not measured") >= 5


TABLE = "clip,class,segments_s,kind,source\na/one.mp4,car_accident,1-2;4.5-5,cctv,cam 1\ntwo.mp4,normal,,phone,\n"


def test_a_table_of_clips(tmp_path):
    (tmp_path / "clips.csv").write_text(TABLE)
    assert read_clips(tmp_path / "clips.csv") == [
        OwnClip(tmp_path / "a/one.mp4", "a/one.mp4", False, "cctv", "cam 1"),
        OwnClip(tmp_path / "two.mp4", "two.mp4", True, "phone", ""),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip,class\na.mp4,normal\n", "no column segments_s"),
        ("clip,class,segments_s\n", "no column clip, or no clip"),
        ("clip,class,segments_s\n,normal,\n", "line 2 has no clip or no class"),
        ("clip,class,segments_s\na.mp4,fire,\n", "line 2: 'a.mp4' is of the class 'fire' and has no segments_s"),
        ("clip,class,segments_s\na.mp4,normal,1-2\n", "is of the class 'normal' and has segments_s"),
        ("clip,class,segments_s\na.mp4,normal,\nb/a.mov,normal,\n", "line 3: a second clip is called 'a'"),
    ],
)
def test_tables_that_cannot_be_measured_are_refused(tmp_path, text, message):
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_clips(tmp_path / "clips.csv")


def test_clips_that_were_learned_from_and_their_sources_are_told():
    checkpoint = SimpleNamespace(provenance={TRAINING_VIDEOS: digests(["a"])}, optimistic="", metrics={})
    analysis = make_analysis([0.9, 0.1, 0.1])
    analyzer = SimpleNamespace(checkpoint=checkpoint, model_id="m@1", classes=analysis.classes)
    found = [
        Measured(
            OwnClip("", f"{name}.mp4", name != "a", "tv", source), analysis, [(0, 0.6, "car_accident")][: name == "a"]
        )
        for name, source in (("a", "cam"), ("b", "cam"), ("c", ""))
    ]
    panel = own_panel(analyzer, found, dataset="clips.csv", resamples=0)
    assert (panel.overlap.n_videos, panel.overlap.n_groups, panel.n_groups) == (1, 1, 2)
    assert (panel.confusion.rows[0], panel.alarms[0].n_alarms) == ("car accident", 2)


def test_doctor_names_the_clips_that_it_cannot_measure(tmp_path):
    (tmp_path / "clips.csv").write_text("clip,class,segments_s\nmissing.mp4,normal,\n")
    app = doctor_app()
    done = CliRunner().invoke(app, ["--quality", str(tmp_path / "clips.csv")])
    assert isinstance(done.exception, DataError)
    assert "none of the 1 clips of clips.csv could be measured" in str(done.exception)
    assert "missing.mp4: missing.mp4 is not in" in done.stderr
    assert isinstance(CliRunner().invoke(app, ["--model", "x"]).exception, ConfigError)


def doctor_app():
    app = typer.Typer()
    app.command()(doctor.doctor)
    return app
