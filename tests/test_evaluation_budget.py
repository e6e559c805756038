"""A budget of alarms for a clip on the page and for a folder on the command line."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from analyses import make_analysis
from test_app_explain_quality import MODEL, weights  # noqa: F401 (a fixture)

from app.clips.workspace import Cut
from app.review.budget import budgeted
from app.review.marks import Change, Mark
from app.review.reviews import View
from cmhkf.commands.analyze import _threshold
from cmhkf.errors import ConfigError
from cmhkf.evaluation.budget import normal_curve, own_budget, shipped_budget
from cmhkf.metrics.panel import ScoredVideo, measure_panel
from cmhkf.metrics.panel_file import write_panels

OTHER = "demo@" + hashlib.sha256(b"other").hexdigest()[:12]


def minutes(peaks):
    """Scores of minutes of 90 snippets, each with one peak."""
    curve = np.zeros((len(peaks), 90))
    curve[:, 40] = peaks
    return curve.ravel()


NINE = minutes([0.1, 0.2, 0.3, 0.4, 0.9, 0.6, 0.7, 0.8, 0.5])


def analysis_of(scores=NINE, **options):
    return make_analysis(scores, **{"trained": True, "model_id": MODEL} | options)


def view_of(scores=NINE, *marks, trained=True):
    decided = Change("ann", 1, "2026-01-01T00:00:00+00:00", "import", {}, {mark.id: mark for mark in marks}, "r")
    return View("ann", "key", analysis_of(scores, trained=trained), Cut(threshold=0.85), {"ann": [decided]})


PEAK = (4 * 60 + 40 / 1.5, 4 * 60 + 41 / 1.5)  # of the 0.9
DISMISSED = Mark("a", *PEAK, "dismissed", model_label="fighting", model_start_s=PEAK[0], model_end_s=PEAK[1])
CONFIRMED = replace(DISMISSED, state="confirmed")


def test_what_is_left_out_is_cut_out_by_snippets():
    scores, seconds = normal_curve(make_analysis([0.1, 0.2, 0.3, 0.4]), [(0.7, 1.4)])
    assert [*scores, *seconds] == pytest.approx([0.1, 0.4, 2 / 3, 2 / 3])


def test_a_reviewed_clip_sets_its_own_threshold_and_dismissed_segments_count():
    """With the dismissed 0.9 one of nine minutes may reach it at 12 an hour: above 0.8. Confirmed, it is cut out."""
    found = budgeted(view_of(NINE, DISMISSED), [], "demo", 12)
    assert found.threshold == 0.81
    assert "9 normal minutes of this clip" in found.said
    assert budgeted(view_of(NINE, DISMISSED), [], "demo", 6).threshold == 0.91
    eight = budgeted(view_of(NINE, CONFIRMED), [], "demo", 7)  # 8 minutes and a rest: 60 / 9 = 6.7
    assert (eight.threshold, "8 normal minutes" in eight.said) == (0.81, True)


def test_other_reviewed_clips_of_the_camera_count_too():
    """18 minutes, two of which reach .9 and two .8: of 19, none may at 6 an hour, and two may at 10."""
    one, other, unfinished = view_of(NINE, DISMISSED), view_of(NINE, DISMISSED), view_of(NINE)
    found = budgeted(one, [other, unfinished], "demo", 10)
    assert found.threshold == 0.81
    assert "18 normal minutes of this clip and 1 other clip of its camera" in found.said
    assert budgeted(one, [other], "demo", 6).threshold == 0.91
    assert "of 1 other clip of its camera." in budgeted(unfinished, [other], "demo", 12).said


def test_until_then_the_models_test_videos_do_and_that_is_said(weights):  # noqa: F811
    with pytest.raises(ConfigError, match=r"^No threshold was set: no normal minutes are kept for 'demo'"):
        budgeted(view_of(NINE), [], "demo", 12)
    panels = [measure_panel([ScoredVideo("x", NINE, [])], model="demo", dataset=d, resamples=0) for d in ("a", "b, c")]
    write_panels(weights, panels)
    found = budgeted(view_of(NINE), [], "demo", 12)
    assert found.threshold == 0.81
    threshold, footage, sure, why = found.said.split("\n")
    assert threshold == "Threshold 0.81: at most 12 false alarms an hour."
    assert footage == "Set on 18 normal minutes of the model's test videos from other cameras (9 of a, 9 of b)."
    assert sure.startswith("How sure: 2 of them have an alarm then, 6.7 an hour (95 % interval ")
    assert why == (
        "Not set on your own footage: that takes 4 normal minutes with every segment decided; this clip has 0 so far. "
        "Next: decide every segment, and press Set again."
    )


@pytest.mark.usefixtures("weights")
def test_footage_that_is_too_short_is_called_so_before_anybody_decides_all_of_it():
    """Of 9 minutes none decided so far gives 9 at most; 1 an hour takes 59."""
    more = (
        r"Not set on your own footage: that takes 59 normal minutes .* {} so far\. Next: analyse longer recordings of"
    )
    for view in (view_of(NINE), view_of(NINE, DISMISSED)):
        n = 9 if view.decided else 0
        with pytest.raises(ConfigError, match=more.format(f"this clip has {n}")):
            budgeted(view, [], "demo", 1)
    with pytest.raises(ConfigError, match=more.format("this clip and 2 other clips of its camera have 9")):
        budgeted(view_of(NINE), [view_of(NINE, DISMISSED), view_of(NINE)], "demo", 1)
    with pytest.raises(ConfigError, match=r"^No threshold [^$]* this clip has 0 so far\. Next: analyse longer"):
        budgeted(view_of(NINE[:12]), [], "demo", 60)
    with pytest.raises(ConfigError, match="nothing is trained"):
        budgeted(view_of(NINE, trained=False), [], "demo", 6)
    with pytest.raises(ConfigError, match=r"^at most 0 alarms an hour is no budget; give a number above 0$"):
        budgeted(view_of(NINE), [], "demo", 0)


def test_the_command_line_takes_analyses_of_the_same_model(weights, tmp_path, capsys):  # noqa: F811
    folder = tmp_path / "calm"
    folder.mkdir()
    analysis_of().save(folder / "one.npz")
    assert _threshold(None, 12, [folder], model="demo") == 0.81
    assert "9 normal minutes of 1 clip given as normal" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=f"was analysed by {OTHER}"):
        own_budget([analysis_of(model_id=OTHER)], 12, model="demo")
    with pytest.raises(ConfigError, match="'zero-shot' has no trained head"):
        own_budget([analysis_of()], 12, model="zero-shot")
    with pytest.raises(ConfigError, match="no normal minutes are kept for 'demo'"):
        _threshold(None, 12, [], model="demo")
    write_panels(weights, [measure_panel([ScoredVideo("x", NINE, [])], model="m", dataset="CCTV", resamples=0)])
    assert shipped_budget("demo", 12).threshold == 0.81


def test_options_that_do_not_go_together(tmp_path):
    assert [_threshold(given, None, [], model="demo") for given in (None, 0.0, 0.3)] == [0.5, 0.0, 0.3]
    with pytest.raises(ConfigError, match="either --threshold or --alarms-per-hour"):
        _threshold(0.5, 6, [], model="demo")
    with pytest.raises(ConfigError, match="--normal says what is normal for --alarms-per-hour"):
        _threshold(None, None, [tmp_path], model="demo")
