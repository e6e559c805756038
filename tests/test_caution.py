"""Footage on which the demo's scores are not known to hold is told, where the clip is shown and exported."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from analyses import make_analysis, make_clip
from fakes import make_video
from media_factory import ffmpeg, probed

from app.export.cue_files import edl_text, vtt_text
from app.export.marks_file import json_text
from app.export.report import report_html
from app.export.reviewed import Reviewed
from app.web.answers import analysis_json
from cmhkf.batch import Job, _outcome, load_model
from cmhkf.caution import caution
from cmhkf.media.clip import Clip
from cmhkf.outputs import Folder

DEMO = {"model_id": "demo@a75ffa5695d9", "trained": True}


def said_of(clip: Clip, **made_by) -> str:
    return caution(make_analysis([0.1] * 3, clip=clip, **DEMO | made_by))


def coded(path, source, quantiser, pixels):
    """H.264 with one quantiser for all blocks; x264 counts that of deeper samples from -12 on."""
    even = f"qp={quantiser + 12 * pixels.endswith('10le')}:ipratio=1:aq-mode=0"
    ffmpeg("-i", source, "-c:v libx264 -preset ultrafast -pix_fmt", pixels, "-x264-params", even, path)
    return probed(path)


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        ("2", "2 frames a second (they hold from 8 on; what to expect at 1.9 stands in the model card"),
        ("15/8", "1.9 frames a second (they hold from 8 on; what to expect at 1.9 stands in the model card"),
        ("5", "5 frames a second (they hold from 8 on)"),
        ("1", "1 frames a second (they hold from 8 on)"),
        ("15/2", None),
        ("8", None),
        ("30", None),
    ],
)
def test_few_frames_a_second_are_told(tmp_path, rate, told):
    clip = probed(make_video(tmp_path / "slow.mp4", seconds=6, rate=rate, sound=False))
    assert clip.native_rate == Fraction(rate)
    said = said_of(clip)
    assert (told in said and said.endswith(". Expect misses and false alarms.")) if told else said == ""


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
def test_strong_compression_is_told(tmp_path, pixels):
    source = make_video(tmp_path / "in.mp4", seconds=2, size="640x360", sound=False)
    clips = [coded(tmp_path / f"{q}.mp4", source, q, pixels) for q in (10, 30, 34)]
    assert [clip.quantiser for clip in clips] == pytest.approx([10, 30, 34], abs=1)
    assert [bool(said_of(clip)) for clip in clips] == [False, False, True]
    assert said_of(clips[2]).startswith("The model's scores are not known to hold on such footage: strongly")


def test_what_is_not_known_is_not_told(tmp_path):
    old = probed(make_video(tmp_path / "old.avi", codec="mpeg4", sound=False))
    assert old.quantiser is None
    assert said_of(old) == said_of(make_clip(native_rate=None)) == ""


def test_other_models_were_not_measured_so():
    slow = make_clip(native_rate=Fraction(2))
    assert said_of(slow)
    assert said_of(slow, model_id="demolition@a75ffa5695d9") == said_of(slow, trained=False, model_id="demo") == ""


@pytest.mark.parametrize("changes", [{"native_rate": Fraction(2)}, {}])
def test_page_exports_and_tables_say_it(changes):
    analysis = make_analysis([0.1] * 9, clip=make_clip(**changes), **DEMO)
    said, mark = caution(analysis), "Expect misses and false alarms."
    assert mark in said if changes else said == ""
    reviewed = Reviewed("id", analysis, (), 0.5, "2026-01-01T00:00:00+00:00")
    assert all((mark in text) == bool(said) for text in (vtt_text(reviewed), edl_text(reviewed)))
    assert (mark in report_html(reviewed, {})) == bool(said)
    assert json.loads(json_text(reviewed))["analysis"]["caution"] == said
    assert analysis_json("id", analysis)["caution"] == said
    job = Job("c.mp4", "/c.mp4", Folder(Path()), "c.npz", 0.5, "demo", "cpu", load_model)
    assert _outcome(job, analysis, kept=False).caution == said
