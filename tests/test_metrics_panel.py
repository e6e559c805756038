"""The quality panel on videos worked out by hand; a snippet lasts 1 s here unless it says otherwise."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from cmhkf.errors import DataError
from cmhkf.metrics.panel import ScoredVideo, measure_panel
from cmhkf.metrics.panel_file import panel_from, panel_json, quality_file, read_panels, write_panels

CLASSES = ("normal", "fighting", "explosion")


def video(name, scores, truth=(), called=1, **more):
    """A video whose every snippet is called by one class."""
    probs = np.full((len(scores), 3), 0.1)
    probs[:, called] = 0.8
    edges = np.arange(len(scores) + 1.0)
    return ScoredVideo(name, np.array(scores, float), truth, class_probs=probs, edges_s=edges, **more)


# Cut at 0.5: a segment goes on until the score falls under 0.4. No gap is under 1 s.
VIDEOS = [
    # Flagged 3-6: the event 2-5 is found 1 s late; that of 8-9 is missed.
    video(
        "a", [0, 0, 0.2, 0.9, 0.8, 0.6, 0, 0, 0.3, 0], [(2, 5, "fighting"), (8, 9, "fighting")], group="g", kind="tv"
    ),
    # Flagged 0-2 and 6-8: the first is wrong, the second begins before its event 7-8 and is called by another class.
    video("b", [0.7, 0.7, 0, 0, 0, 0, 0.6, 0.9], [(7, 8, "explosion")], kind="phone"),
    # Normal, flagged 1-2 and 4-5.
    video("c", [0, 0.6, 0, 0, 0.7, 0], kind="tv", group="g", called=2),
    video("d", [0.1, 0.1, 0.1, 0.1], kind="phone", seen="video"),
]


def panel_of(videos=VIDEOS, **options):
    options = {"model": "m", "dataset": "d", "classes": CLASSES, "resamples": 0} | options
    return measure_panel(videos, **options)


def test_counts_and_lengths():
    panel = panel_of()
    assert (panel.n_videos, panel.n_abnormal, panel.n_groups) == (4, 2, 3)
    assert (panel.hours * 3600, panel.normal_hours * 3600) == pytest.approx((28, 10))
    assert panel.prevalence.value == pytest.approx(5 / 28)
    assert (panel.overlap.n_videos, panel.overlap.n_groups, panel.overlap.n_unknown) == (1, 0, 3)


def test_events_by_the_rule():
    """Three events, two found; five segments, two of them right."""
    events = panel_of().events
    assert events is not None
    assert (events.n_events, events.n_found, events.n_flagged, events.n_right) == (3, 2, 5, 2)
    assert (events.precision.value, events.recall.value) == pytest.approx((2 / 5, 2 / 3))
    assert events.f1.value == pytest.approx(2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3))
    assert events.latencies_s == (0, 1)  # b was flagged already
    assert events.latency_s.value == 0.5


@pytest.mark.parametrize(("event", "right"), [((0, 1), 1), ((0, 0.99), 0), ((0, 0.5), 0), ((3, 3.5), 0)])
def test_a_segment_is_right_when_a_tenth_of_it_is(event, right):
    """One segment of 10 s; 1 s of it is enough, whether in one event or in two."""
    events = panel_of([video("a", [0.9] * 10 + [0], [(*event, "fighting")])]).events
    assert (events.n_right, events.n_found) == (right, right)
    both = panel_of([video("a", [0.9] * 10 + [0], [(*event, "fighting"), (6, 6.5, "fighting")])]).events
    assert (both.n_right, both.n_found) == ((1, 2) if event[1] - event[0] >= 0.5 else (0, 0))


def test_events_that_overlap_or_touch_are_one_and_end_with_the_last_snippet():
    events = panel_of([video("a", [0.9, 0, 0, 0], [(0, 1, "fighting"), (1, 2, "x"), (1.5, 9, "x"), (6, 9, "x")])])
    assert (events.events.n_events, events.events.n_found) == (1, 1)
    assert events.prevalence.value == 1
    assert events.pooled is None  # no normal time
    assert "only one of the two" in events.notes[0]


def test_alarms_of_normal_footage_by_kind():
    """Two alarms in 6 s of TV, none in 4 s of phone; the interval of a count of 2 is 0.2422 to 7.2247 by the tables."""
    every, phone, tv = panel_of().alarms
    assert [(a.kind, a.n_videos, a.n_alarms) for a in (every, phone, tv)] == [
        ("all", 2, 2),
        ("phone", 1, 0),
        ("tv", 1, 2),
    ]
    assert every.poisson == pytest.approx((2 * 360, 0.2422 * 360, 7.2247 * 360), rel=1e-3)
    assert phone.poisson == pytest.approx((0, 0, 3.6889 * 900), rel=1e-3)
    assert (tv.hours, tv.per_hour.value) == pytest.approx((6 / 3600, 1200))


def by_seconds(scores):
    """Pooled scores and labels, one for each second."""
    labels = [np.zeros(len(v.scores)) for v in VIDEOS]
    labels[0][[2, 3, 4, 8]] = labels[1][7] = 1
    return np.concatenate(labels), np.concatenate(scores)


@pytest.mark.parametrize(
    ("field", "level"),
    [
        ("pooled", lambda v: v.scores),
        ("constant", lambda v: np.full(len(v.scores), v.scores.max())),
        ("video_label", lambda v: np.full(len(v.scores), len(v.truth) > 0)),
    ],
)
def test_areas_equal_scikit_learn(field, level):
    labels, scores = by_seconds([level(v) for v in VIDEOS])
    areas = getattr(panel_of(), field)
    assert areas.auc.value == pytest.approx(roc_auc_score(labels, scores))
    assert areas.ap.value == pytest.approx(average_precision_score(labels, scores))


def test_within_videos():
    """a: of 4 × 6 pairs of an anomalous and a normal second 22 are in order; b: 7 of 7."""
    panel = panel_of()
    a = roc_auc_score([0, 0, 1, 1, 1, 0, 0, 0, 1, 0], VIDEOS[0].scores)
    assert panel.within_aucs == pytest.approx((a, 1))
    assert a == pytest.approx((5 + 6 + 6 + 5) / 24)
    assert panel.within.value == pytest.approx((a + 1) / 2)


def test_videos_that_are_anomalous_all_along_have_no_auc_of_their_own():
    """Thirds of a second add up to a little less than the video's length."""
    whole = ScoredVideo("e", np.linspace(0, 1, 1001), [(0, 300.3, "fighting"), (300.3, 1e9, "fighting")])
    panel = panel_of([*VIDEOS, whole], classes=())
    assert panel.within == panel_of().within
    assert len(panel.within_aucs) == 2


def test_calibration_by_hand():
    """From .6 to .7 there are 3 s, none anomalous; at .9 there are 2, both anomalous; at .4 there are none."""
    calibration = panel_of().calibration
    at = {round(b.low, 1): b for b in calibration.bins}
    assert (at[0.6].seconds, at[0.6].anomalous.value) == (3, 0)
    assert (at[0.9].seconds, at[0.9].anomalous.value, at[0.9].score) == pytest.approx((2, 1, 0.9))
    assert at[0.4].seconds == 0
    assert np.isnan([at[0.4].score, at[0.4].anomalous.value]).all()
    assert sum(b.seconds for b in calibration.bins) == 28
    off = {0.0: 0, 0.1: 0.4, 0.2: 0.2 - 1, 0.3: 0.3 - 1, 0.6: 1.8, 0.7: 2.1, 0.8: 0.8 - 1, 0.9: 1.8 - 2}
    assert calibration.error.value == pytest.approx(sum(map(abs, off.values())) / 28)


def test_confusion_by_hand():
    confusion = panel_of().confusion
    assert confusion.rows == ("fighting", "explosion", "normal footage")
    assert confusion.columns == ("fighting", "explosion", "not flagged")
    assert confusion.counts == ((1, 0, 1), (1, 0, 0), (0, 2, 0))
    assert (confusion.right.value, confusion.n_known) == (0.5, 2)


def test_classes_that_the_model_does_not_know_have_rows_of_their_own():
    confusion = panel_of([video("a", [0.9, 0], [(0, 1, "fall")]), VIDEOS[3]]).confusion
    assert confusion.rows == ("fall", "normal footage")
    assert confusion.counts == ((1, 0, 0), (0, 0, 0))
    assert (confusion.n_known, np.isnan(confusion.right.value)) == (0, True)


def test_the_operating_curve_agrees_with_panels_at_its_thresholds():
    curve = panel_of().curve
    for k in (4, 24, 34, 44):
        panel = panel_of(threshold=curve.thresholds[k])
        assert curve.alarms_per_hour[k] == panel.alarms[0].per_hour.value
        assert curve.recall[k] == panel.events.recall.value
        assert curve.precision[k] == pytest.approx(panel.events.precision.value, nan_ok=True)


def test_intervals_draw_groups():
    """Oracle: groups are drawn by hand with the same generator, and the panel of what was drawn is measured again."""
    panel = panel_of(resamples=40, seed=5)
    groups = [["a", "c"], ["b"], ["d"]]
    by_name, random = {v.name: v for v in VIDEOS}, np.random.default_rng(5)
    drawn = []
    for _ in range(40):
        names = [name for g in random.integers(3, size=3) for name in groups[g]]
        copies = [replace(by_name[name], name=f"{name} {i}", group="") for i, name in enumerate(names)]
        drawn.append(panel_of(copies))

    def check(figure):
        values = [value for value in map(figure, drawn) if value is not None and not np.isnan(value.value)]
        low, high = np.percentile([value.value for value in values], [2.5, 97.5])
        assert figure(panel)[1:] == pytest.approx((low, high))

    check(lambda p: p.prevalence)
    check(lambda p: p.pooled and p.pooled.auc)
    check(lambda p: p.constant and p.constant.ap)
    check(lambda p: p.within)
    check(lambda p: p.events and p.events.recall)
    check(lambda p: p.events and p.events.precision)
    check(lambda p: p.events and p.events.f1)
    check(lambda p: p.events and p.events.latency_s)
    check(lambda p: p.alarms[0].per_hour if p.alarms else None)
    check(lambda p: p.confusion.right)


def test_without_normal_videos_or_scores_from_0_to_1_the_rest_is_measured():
    abnormal = panel_of(VIDEOS[:2])
    assert (abnormal.alarms, abnormal.normal_hours) == ((), 0)
    assert abnormal.pooled is not None
    assert np.isnan(abnormal.curve.alarms_per_hour).all()
    wide = panel_of([replace(v, scores=5 * v.scores) for v in VIDEOS])
    assert (wide.events, wide.alarms, wide.calibration, wide.confusion, wide.curve) == (None, (), None, None, None)
    assert wide.pooled == panel_of().pooled
    assert "go beyond" in wide.notes[0]
    normal = panel_of(VIDEOS[2:])
    assert (normal.pooled, normal.events, normal.within) == (None, None, None)
    assert normal.alarms[0].n_alarms == 2


def test_minutes_of_normal_videos_are_kept_for_a_budget_of_alarms():
    calm = [ScoredVideo(name, np.full(90, level), []) for name, level in (("x", 0.2), ("y", 0.12362))]
    panel = panel_of([*calm, ScoredVideo("z", np.ones(90), [(0, 1, "x")])], classes=())
    assert panel.minute_peaks == (0.2, 0.1236)
    assert panel_of(VIDEOS).minute_peaks == ()  # 10 s


def test_snippets_last_two_thirds_of_a_second_unless_told():
    panel = panel_of([ScoredVideo("a", np.zeros(6), [])], classes=())
    assert panel.hours * 3600 == pytest.approx(4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.array([0.5, np.nan])}, "the scores of 'a' have the shape"),
        ({"edges_s": np.arange(2.0)}, "edges_s of 'a' must be 3 rising times"),
        ({"class_probs": None}, r"class_probs of 'a' has the shape None; \(2, 3\) is needed"),
        ({"truth": [(3, 2, "x")]}, r"'a' has the event \(3, 2, 'x'\)"),
        ({"seen": "perhaps"}, "seen of 'a' is 'perhaps'"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        panel_of([replace(video("a", [0.1, 0.2]), **change)])


def test_names_and_videos_are_needed():
    with pytest.raises(DataError, match="no video to measure"):
        panel_of([])
    with pytest.raises(DataError, match="two of the videos have the same name: 'd'"):
        panel_of([VIDEOS[3], VIDEOS[3]])


def same(one, other):
    return json.dumps(panel_json(one)) == json.dumps(panel_json(other))


@pytest.mark.parametrize("videos", [VIDEOS, VIDEOS[2:], VIDEOS[:2]])
def test_a_panel_comes_back_from_json(videos):
    panel = panel_of(videos, resamples=10)
    back = panel_from(json.loads(json.dumps(panel_json(panel), allow_nan=False)))
    assert same(back, panel)
    assert type(back.alarms) is tuple
    assert back.overlap == panel.overlap
    assert back.prevalence == panel.prevalence


@pytest.mark.parametrize("damage", [lambda v: v.pop("events"), lambda v: v.update(n_videos="4"), lambda v: v.clear()])
def test_what_is_no_panel_is_refused(damage):
    values = panel_json(panel_of())
    damage(values)
    with pytest.raises(DataError, match="no quality panel"):
        panel_from(values)


def test_panels_lie_beside_the_weights_that_they_were_measured_of(tmp_path):
    weights = tmp_path / "demo.safetensors"
    weights.write_bytes(b"first")
    assert read_panels(weights) == ()
    one, other = panel_of(), panel_of(dataset="other")
    assert write_panels(weights, [one]) == quality_file(weights) == tmp_path / "demo.quality.json"
    write_panels(weights, [other])
    assert [p.dataset for p in read_panels(weights)] == ["d", "other"]
    write_panels(weights, [replace(one, notes=("again",))])
    assert [(p.dataset, p.notes) for p in read_panels(weights)] == [("other", ()), ("d", ("again",))]
    weights.write_bytes(b"second")
    with pytest.raises(DataError, match=r"measured of other weights than demo\.safetensors holds"):
        read_panels(weights)
    write_panels(weights, [one])
    assert [p.dataset for p in read_panels(weights)] == ["d"]
    quality_file(weights).write_text('{"format": "x"}')
    with pytest.raises(DataError, match="is of the format 'x'"):
        read_panels(weights)
