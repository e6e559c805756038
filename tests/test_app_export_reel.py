"""The reel, decoded again: frames are known by their number, audio by its click, words by the pixels they change."""

import csv
import os
import tempfile
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from analyses import make_analysis, make_clip
from fakes import CUT as CUT_ASKED
from fakes import analysed, file_at, make_video, open_workspace, until
from media_factory import click, click_time, constant, ffmpeg, probed, read_number, write_numbered, write_wav
from media_factory import numbered as numbered_picture

from app.clips.workspace import Cut
from app.export.captions import STATES, Band, layout_of, title_card
from app.export.checks import ExportError
from app.export.marks_file import MarksFile
from app.export.reel import write_reel
from app.export.reviewed import Reviewed
from app.export.shots import ReelChoice, limited, person_said, shots_of
from app.review.marks import Mark
from app.web.page import Page
from cmhkf import ConfigError, MediaError
from cmhkf.media.clip import probe, stream_audio

FLAG = Mark("a", 2.5, 4.0, "open", "riot", model_label="riot", model_score=0.83, peak_s=3.0)
SURE = replace(FLAG, state="confirmed", label="fighting", reviewer="anna", revision=1)
CHOICE = ReelChoice("flagged", context_s=0.5)
CLICK_S = 3.0


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """144 numbered pictures at 24 per second with a click, and a silent clip of uneven times that begins late."""
    folder = tmp_path_factory.mktemp("numbered")
    pictures = write_numbered(folder / "p.mp4", constant(24, 144), last_s=Fraction(1, 24))
    sound = write_wav(folder / "s.wav", click(CLICK_S, 6))
    ffmpeg("-i", pictures, "-i", sound, "-c:v", "copy", "-c:a", "aac", folder / "gate.mp4")
    times = [Fraction(t, 24) + 5 for t in range(0, 96, 2) if t % 6]
    return probed(folder / "gate.mp4"), probe(write_numbered(folder / "yard.mkv", times, last_s=Fraction(1, 12)))


def reviewed(clip, *marks, trained=True):
    scores = np.linspace(0.1, 0.9, int(clip.duration_s * 1.5))
    analysis = make_analysis(scores, duration_s=clip.duration_s, clip=clip, model_id="demo", trained=trained)
    return Reviewed("key", analysis, marks, 0.5, "2026-01-02T03:04:05+00:00")


def frames_of(file):
    with av.open(str(file)) as source:
        return [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]


def table_of(file):
    with file.with_suffix(".csv").open(encoding="utf-8-sig", newline="") as table:
        return list(csv.DictReader(table))


@pytest.fixture(scope="module")
def reel(numbered, tmp_path_factory):
    """A reel of two clips, with its shots and frames. In frames: a card 0 to 60, footage 50 to 110, 100 to 160, 150."""
    gate, yard = numbered
    here = replace(FLAG, start_s=1.0, end_s=2.0)
    shots = shots_of(reviewed(gate, SURE), CHOICE) + shots_of(reviewed(yard, here, trained=False), CHOICE)
    file = tmp_path_factory.mktemp("reel") / "reel.mp4"
    done = [step.done for step in write_reel(shots, CHOICE, file)]
    assert done
    assert sorted(p.name for p in file.parent.iterdir()) == ["reel.csv", "reel.mp4"]
    return file, shots, frames_of(file)


def test_cards_and_footage_follow_one_another_and_overlap_in_the_context_only(reel, numbered):
    file, shots, frames = reel
    assert len(frames) == 198
    assert [(s.start_s, s.end_s) for s in shots] == [(2.0, 4.5), (0.5, 2.5)]
    width, height = layout_of(numbered).size
    assert {frame.shape for frame in frames} == {(height, width, 3)}
    area = slice(0, layout_of(numbered).area_height)
    assert [read_number(picture(f[area])) for f in frames[60:100]] == list(range(58, 98))  # 2 s + (60 - 50) / 24
    times = frame_starts(numbered[1])
    shown = [sum(times <= 0.5 + k / 24 + 1e-3) - 1 for k in range(10, 48)]  # the file rounds to 1 ms
    assert [read_number(picture(f[area])) for f in frames[160:198]] == shown
    card = picture(title_card(shots[0], (width, height), 1, 2)[area])
    for k in (3, 7):  # of ten frames, over which the footage comes in
        expected = card + k / 10 * (numbered_picture(48 + k, len(card)) - card.astype(float))
        assert np.median(np.abs(picture(frames[50 + k][area]) - expected)) < 4  # the rest are blurred edges
    rows = table_of(file)
    assert [(r["reel_start_s"], r["reel_end_s"]) for r in rows] == [("0.0", "4.583"), ("4.167", "8.25")]
    assert [r["remark"] for r in rows] == ["", ""]


def frame_starts(clip):
    with av.open(clip.path) as source:
        times = np.array([float(f.pts * f.time_base) for f in source.decode(video=0)])
    return times - times[0]


def picture(area):
    """The square in the middle of a picture area."""
    height, width, _ = area.shape
    return area[:, (width - height) // 2 : (width + height) // 2]


def test_audio_is_kept_and_in_time_and_what_has_none_is_silent(reel):
    sound = np.concatenate(list(stream_audio(probe(reel[0]), 16_000)))
    assert len(sound) == pytest.approx(198 / 24 * 16_000, abs=1600)
    assert click_time(sound, 16_000) == pytest.approx((50 + (CLICK_S - 2.0) * 24) / 24, abs=0.03)
    assert np.abs(sound[16_000 * 5 :]).max() < 0.01 * np.abs(sound).max()


def test_browsers_can_play_it_at_once(reel):
    content = reel[0].read_bytes()
    assert content.find(b"moov") < content.find(b"mdat")
    clip = probe(reel[0])
    about = (clip.video_codec, clip.audio_codec, clip.pixel_format, clip.native_rate, clip.first_frame_s, clip.start_s)
    assert about == ("h264", "aac", "yuv420p", 24, 0, 0)


def test_words_and_curve_are_on_cards_and_below_the_footage(reel, numbered):
    _, shots, frames = reel
    layout = layout_of(numbered)
    for frame, expected in (
        (frames[30], title_card(shots[0], layout.size, 1, 2)),
        (frames[130], title_card(shots[1], layout.size, 2, 2)),
        (frames[80][layout.area_height :], Band(shots[0], layout.width).at(2.0 + 30 / 24)),
        (frames[180][layout.area_height :], Band(shots[1], layout.width).at(0.5 + 30 / 24)),
    ):
        assert np.abs(frame.astype(int) - expected).mean() < 4
        words = expected.max(axis=-1) > 150
        assert frame.max(axis=-1)[words].mean() > 140
    for n, state, other in ((80, "confirmed", "open"), (180, "open", "confirmed")):
        band = frames[n][layout.area_height :]
        assert coloured(band, STATES[state]) > 50 > coloured(band, STATES[other])


def coloured(pixels, colour):
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(pixels.astype(int) - wanted).max(axis=-1) < 40).sum())


def test_what_model_and_person_said_is_told_apart(numbered):
    gate = numbered[0]
    (shot,) = shots_of(reviewed(gate, SURE), CHOICE)
    assert shot.model_said(SURE) == "riot, score 0.83 · model: demo"
    assert person_said(SURE) == "confirmed by anna: fighting"
    assert person_said(FLAG) == "not reviewed"
    assert person_said(replace(SURE, state="open")) == "not reviewed; called fighting by anna"
    assert person_said(replace(SURE, state="dismissed")) == "dismissed by anna"
    by_hand = Mark("h", 1.0, 2.0, "confirmed", "riot", reviewer="anna")
    assert shot.model_said(by_hand) == "added by hand"
    assert shot.model_said(replace(SURE, model_score=None)) == "riot, no score · model: demo"
    (untrained,) = shots_of(reviewed(gate, FLAG, trained=False), CHOICE)
    assert untrained.model_said(FLAG) == "riot, score 0.83 · model: demo (NOT TRAINED)"
    assert (shot.trust, "ntrained" in untrained.trust) == ("", True)
    analysis = make_analysis([0.9] * 9, clip=gate, class_probs=np.array([[0.1, 0.5, 0.4]] * 9), least_share=0.6)
    (unclear,) = shots_of(Reviewed("key", analysis, (FLAG,), 0.5, ""), CHOICE)
    assert unclear.model_said(FLAG).startswith("unclear: riot or explosion, score 0.83")
    (decided,) = shots_of(Reviewed("key", analysis, (SURE,), 0.5, ""), CHOICE)
    assert decided.model_said(SURE).startswith("riot, score 0.83")
    sizes = (640, 480)
    assert (title_card(shot, sizes, 1, 1) != title_card(untrained, sizes, 1, 1)).any()


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("gate 2 2026-11-29 23-59-58.mp4", "gate 2 · 2026-11-30 00:00:00"),  # 2.5 s on, by its own clock
        ("cam07_20261129_2205.mkv", "cam07 · 2026-11-29 22:05"),  # nobody knows the second
        ("lobby 2026.11.29.mp4", "lobby · dated 2026-11-29"),  # nor the time of day
        ("20261129_220510.mp4", "2026-11-29 22:05:12"),
        ("Fighting003_x264.mp4", ""),
    ],
)
def test_a_card_tells_camera_and_time_of_day_as_far_as_the_name_does(numbered, name, recorded):
    shot, plain = (shots_of(reviewed(replace(numbered[0], name=each), SURE), CHOICE)[0] for each in (name, "clip.mp4"))
    assert shot.recorded == recorded
    first, usual = (np.argmax(title_card(s, (640, 480), 1, 1).max(axis=(1, 2)) > 90) for s in (shot, plain))
    assert (first < usual) == bool(recorded)  # one line more in the middle of the card


def test_the_choice_says_which_segments_and_how_much_around_them(numbered):
    one, two = replace(SURE, id="b", start_s=1.0, end_s=2.0), replace(FLAG, start_s=2.5, end_s=4.0)
    gone = replace(FLAG, id="c", start_s=5.0, end_s=5.5, state="dismissed")
    held = reviewed(numbered[0], one, two, gone)

    def spans(*values, **options):
        return [(s.start_s, s.end_s, s.about and s.about.id) for s in shots_of(held, ReelChoice(*values, **options))]

    assert spans("confirmed", context_s=0.25) == [(0.75, 2.25, "b")]
    assert spans("flagged", context_s=2.0) == [(0.0, 2.5, "b"), (2.5, 6.0, "a")]  # nothing is shown twice
    assert spans("whole") == [(0.0, 6.0, None)]
    sha256 = numbered[0].sha256
    wanted = ((sha256, 3.0, 4.5), ("other", 0.0, 1.0), (sha256, 0.0, 0.5))
    assert spans("selected", context_s=0.0, spans=wanted) == [(3.0, 4.5, "a"), (0.0, 0.5, None)]
    with pytest.raises(ExportError, match=r"gate\.mp4 ends at 6\.00 s, so it shows nothing at 7\.00 s"):
        spans("selected", spans=((sha256, 7.0, 8.0),))


def test_a_limit_leaves_out_lower_scores_first(numbered):
    marks = [replace(FLAG, id=str(n), start_s=n, end_s=n + 0.5, model_score=s) for n, s in enumerate((0.6, 0.9, 0.7))]
    choice = ReelChoice("flagged", titles=False, context_s=0.0, most_s=1.0)
    kept, left_out = limited(shots_of(reviewed(numbered[0], *marks), choice), choice)
    assert [s.about.id for s in kept] == ["1", "2"]
    assert [s.about.id for s in left_out] == ["0"]


@pytest.mark.parametrize(
    ("values", "spans", "said"),
    [
        ({"which": "best"}, [], "which is 'best'; it must be one of confirmed, flagged, selected, whole"),
        ({"context_s": 31}, [], "context_s is 31; it must be a number from 0 to 30"),
        ({"most_s": 1}, [], "most_s is 1; it must be a number from 5 to 3,600"),
        ({}, [["a", 2, 1]], "a span goes from 2 s to 1 s; it must end after it starts"),
        ({}, [["a", "x", 1]], "start_s is 'x'"),
        ({}, [["a", 1]], r"spans is \[\['a', 1\]\]; it must be a list of \[clip, start_s, end_s\]"),
        ({}, 5, "spans is 5"),
    ],
)
def test_a_wrong_choice_is_named(values, spans, said):
    with pytest.raises(ConfigError, match=said):
        ReelChoice.read(values, spans)
    with pytest.raises(ExportError, match="no segment is selected"):
        ReelChoice.read({"which": "selected"})


@pytest.mark.parametrize(
    ("sizes", "rates", "expected"),
    [
        ([(1920, 1080)], [25], (1280, 720, 25)),
        ([(320, 240), (320, 240)], [Fraction(15), Fraction(25)], (640, 480, 30)),
        ([(1080, 1920)], [60], (720, 1280, 30)),
        ([(320, 240), (1920, 1080)], [50, 25], (1280, 720, 25)),
        ([(320, 240), (352, 288)], [None, 25], (640, 360, 30)),
    ],
)
def test_the_layout_fits_the_clips(sizes, rates, expected):
    clips = [
        make_clip(width_px=w, height_px=h, native_rate=r and Fraction(r))
        for (w, h), r in zip(sizes, rates, strict=False)
    ]
    layout = layout_of(clips)
    assert (layout.width, layout.area_height, layout.rate) == expected
    for clip in clips:
        width, height = layout.picture(clip)
        assert width <= layout.width
        assert height <= layout.area_height
        assert width / height == pytest.approx(clip.width_px / clip.height_px, rel=0.02)


def test_what_cannot_be_read_is_left_out_and_named(numbered, tmp_path):
    gate, yard = numbered
    lost = replace(yard, path=str(tmp_path / "lost.mkv"))
    short = ReelChoice("flagged", titles=False, context_s=0.0)
    shots = shots_of(reviewed(lost, SURE), short) + shots_of(reviewed(gate, replace(FLAG, end_s=3.0)), short)
    list(write_reel(shots, short, tmp_path / "r.mp4", faults=[("odd.mp4", "it is not analysed")]))
    assert len(frames_of(tmp_path / "r.mp4")) == 12
    rows = table_of(tmp_path / "r.mp4")
    assert [(r["clip"], r["reel_start_s"]) for r in rows] == [("yard.mkv", ""), ("gate.mp4", "0.0"), ("odd.mp4", "")]
    assert "left out: it is no longer at" in rows[0]["remark"]
    assert rows[2]["remark"] == "left out: it is not analysed"
    with pytest.raises(MediaError, match="no segment could be shown: left out: it is no longer at"):
        list(write_reel(shots[:1], short, tmp_path / "none.mp4"))
    with pytest.raises(ExportError, match=r"there is no segment to show.*odd\.mp4: it is not analysed"):
        list(write_reel([], short, tmp_path / "none.mp4", faults=[("odd.mp4", "it is not analysed")]))
    assert not (tmp_path / "none.mp4").exists()


@pytest.mark.parametrize("n", [1, 20, 70])  # while a card is written before the footage, and in the footage
def test_cancelling_ends_ffmpeg_and_leaves_nothing(numbered, tmp_path, monkeypatch, n):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = children()
    work = write_reel(shots_of(reviewed(numbered[0], SURE), CHOICE), CHOICE, tmp_path / "r.mp4")
    until(lambda: next(work).stage == "reel" and children() - before)
    for _ in range(n):
        next(work)
    work.close()
    assert list(tmp_path.iterdir()) == []
    assert children() <= before


def children():
    """The processes that this one has started and that still run."""
    stats = [path.read_text().rsplit(")", 1)[1].split() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    return {tuple(stat[:4]) for stat in stats if int(stat[1]) == os.getpid()}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page over two analysed clips, of which only the second has a confirmed segment."""
    made, folder = Page(open_workspace(tmp_path_factory.mktemp("home"))), tmp_path_factory.mktemp("clips")
    for name, marks in (("b.mp4", []), ("a.mp4", [Mark("h", 1.0, 1.5, "confirmed", "riot")])):
        key = analysed(made.workspace, make_video(folder / name, seconds=2), name, move=True)
        made.exports.import_marks(key, Cut(0.5), "carl", MarksFile(marks, "", ""))
    yield made
    made.workspace.close()


def asked(page, handler="reel", **values):
    handlers = page.handlers()
    step = handlers[handler](CUT_ASKED | {"reviewer": "carl", "titles": False, "context_s": 0} | values)
    if step["error"]:
        return step
    until(lambda: handlers["export_job"](step)["state"] not in ("queued", "running"), 120)
    return handlers["export_job"](step)


def test_a_reel_of_the_library_holds_the_confirmed_segments_of_every_clip(page, tmp_path):
    step = asked(page)
    assert step["state"] == "done", step
    with zipfile.ZipFile(file_at(step["result"])) as packed:
        assert sorted(packed.namelist()) == ["MANIFEST.sha256", "library-reel.csv", "library-reel.mp4"]
        packed.extractall(tmp_path)
    assert len(frames_of(tmp_path / "library-reel.mp4")) == 12
    (row,) = table_of(tmp_path / "library-reel.mp4")
    assert (row["clip"], row["state"], row["label"], row["reviewer"]) == ("a.mp4", "confirmed", "riot", "carl")


def test_a_reel_of_events_holds_those_selected_in_order_of_time(page, tmp_path):
    handlers, carl = page.handlers(), {"reviewer": "carl", "ev_sort": "score"}
    until(lambda: handlers["left"](carl)["complete"])
    listed = handlers["list_events"](carl | {"offset": 0, "limit": 60, "as_of": ""})
    left_out, *chosen = listed["events"]
    for named in ({"events": [event["key"] for event in chosen]}, {"except": [left_out["key"]]}):
        step = asked(page, "reel_events", ev_sort="score", as_of=listed["as_of"], **named)
        with zipfile.ZipFile(file_at(step["result"])) as packed:
            packed.extractall(tmp_path)
        rows = table_of(tmp_path / "library-reel.mp4")
        in_time = sorted(chosen, key=lambda event: (event["at"], event["name"], event["start_s"]))
        assert [(r["clip"], float(r["start_s"])) for r in rows] == [(e["name"], e["start_s"]) for e in in_time]
        assert {row["remark"] for row in rows} == {""}
    assert "select one" in asked(page, "reel_events", events=[])["error"]


def test_a_selection_is_shown_in_its_order_and_what_is_wrong_is_said(page, tmp_path, monkeypatch):
    by_name = {entry.name: entry.sha256 for entry in page.workspace.store.library()}
    clips = [by_name["b.mp4"], by_name["a.mp4"]]
    step = asked(page, which="selected", clips=clips, starts_s=[1.25, 0.0], ends_s=[1.75, 0.25])
    with zipfile.ZipFile(file_at(step["result"])) as packed:
        packed.extractall(tmp_path)
    assert [r["clip"] for r in table_of(tmp_path / "library-reel.mp4")] == ["b.mp4", "a.mp4"]
    assert len(frames_of(tmp_path / "library-reel.mp4")) == 18
    read, was = [], page.exports.reviewed
    monkeypatch.setattr(page.exports, "reviewed", lambda key, *rest: read.append(key) or was(key, *rest))
    times = {"starts_s": [1.0, 0.0, 0.0, 99.0], "ends_s": [1.25, 0.25, 0.25, 100.0]}
    step = asked(page, which="selected", clips=[*clips, clips[0], clips[0]], **times)
    assert len(read) == 2  # of a clip once
    with zipfile.ZipFile(file_at(step["result"])) as packed:
        packed.extractall(tmp_path)
    *rows, fault = table_of(tmp_path / "library-reel.mp4")
    assert [(r["clip"], r["shown_start_s"]) for r in rows] == [("b.mp4", "1.0"), ("a.mp4", "0.0"), ("b.mp4", "0.0")]
    assert "it shows nothing at 99.00 s" in fault["remark"]
    assert "open a clip and choose it there" in asked(page, which="whole")["error"]
    assert "lists of one length" in asked(page, which="selected", clips=clips)["error"]
    assert "no clip" in asked(page, which="selected", clips=["ab" * 32], starts_s=[0], ends_s=[1])["error"]
