"""What decisions mean: the log folded, undone and redone, the review list, the edits, and agreement by hand."""

import dataclasses
import random
import time

import pytest

from app.review.edits import annotate, decide, merge, move_edges, relabel, split
from app.review.marks import (
    KAPPA_FROM,
    Change,
    Mark,
    ReviewError,
    agreement,
    check_room,
    fold,
    materialise,
    merged,
    n_open,
    uncovered,
    uncovered_misses,
    undoable,
)
from cmhkf import Segment

CLASSES = ("normal", "fighting", "riot")


def segment(start_s, end_s, *, label="fighting", score=0.9):
    return Segment(start_s, end_s, peak_s=(start_s + end_s) / 2, score=score, label=label, label_prob=0.8)


def mark(start_s, end_s, state="open", **more):
    key = more.pop("id", f"m{start_s}")
    return Mark(key, start_s, end_s, state, **{"label": "riot", "model_label": "riot", "model_score": 0.7} | more)


def log(*steps):
    """Changes from (action, before, after)."""
    return [
        Change("ann", i + 1, f"2026-01-01T00:00:{i:02}+00:00", action, before, after, f"q{i}")
        for i, (action, before, after) in enumerate(steps)
    ]


def test_the_fold_keeps_the_last_word_and_who_said_it_when():
    a, b = mark(1, 2), mark(5, 6)
    yes = dataclasses.replace(a, state="confirmed")
    first, second = ("confirm", {b.id: None}, {b.id: b}), ("note", {a.id: None}, {a.id: a})
    changes = log(first, second, ("confirm", {a.id: a}, {a.id: yes}))
    folded = fold(changes)
    assert list(folded) == [a.id, b.id]  # in order of time
    assert folded[a.id] == dataclasses.replace(yes, reviewer="ann", revision=3, decided="2026-01-01T00:00:02+00:00")
    assert (folded[b.id].revision, fold([])) == (1, {})


def test_undo_and_redo_walk_the_log_and_a_new_decision_ends_redo():
    a = mark(1, 2)
    yes, no = (dataclasses.replace(a, state=s) for s in ("confirmed", "dismissed"))
    rows = log(("confirm", {a.id: None}, {a.id: yes}), ("dismiss", {a.id: yes}, {a.id: no}))
    assert undoable(rows) == (rows[1], None)
    rows += log(("undo", {a.id: no}, {a.id: yes}))
    assert (undoable(rows), fold(rows)[a.id].state) == ((rows[0], rows[1]), "confirmed")
    rows += log(("undo", {a.id: yes}, {a.id: None}))
    assert undoable(rows) == (None, rows[0])
    assert fold(rows) == {}  # the model's again
    rows += log(("redo", {a.id: None}, {a.id: yes}))
    assert undoable(rows) == (rows[0], rows[1])
    rows += log(("reopen", {a.id: yes}, {a.id: a}))
    assert undoable(rows) == (rows[5], None)


def test_undo_passes_by_what_changed_nothing():
    a = mark(1, 2)
    rows = log(("confirm", {a.id: None}, {a.id: a}), ("confirm", {a.id: a}, {a.id: a}))
    assert undoable(rows)[0] is rows[0]


def between(start_s, end_s):
    return segment(start_s, end_s)


def times(marks):
    return [(m.start_s, m.end_s) for m in marks]


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ((0, 10), []),  # the same
        ((5, 20), [(0, 5)]),
        ((0.5, 9.2), []),  # under a second on either side: the edges of the mark
        ((4, 5), [(0, 4), (5, 10)]),  # a short mark inside takes its own time and no more
        ((10, 20), [(0, 10)]),  # neighbours
    ],
)
def test_of_a_flagged_segment_what_was_not_decided_stays_listed(taken, left):
    found = uncovered({"x": mark(*taken, "dismissed", id="x")}, [segment(0, 10)], between)
    assert times(found) == left
    assert all(m.state == "open" and m.start_s <= m.peak_s < m.end_s for m in found)
    assert len({m.id for m in found}) == len(found)


def test_a_segment_as_long_as_the_clip_is_not_swallowed_by_decided_ones():
    marks = {f"m{start}": mark(start, start + 4, "confirmed") for start in (10, 30, 34)}
    shown = merged(marks, [segment(0, 60)], between)
    assert (times(shown), n_open(shown)) == ([(0, 10), (10, 14), (14, 30), (30, 34), (34, 38), (38, 60)], 3)


def test_its_own_mark_takes_no_more_of_a_grown_segment_than_was_flagged_when_it_was_decided():
    marks = decide(materialise(Segment(4, 8, 5.0, 0.9, "riot", 0.5)), "confirmed")
    assert times(uncovered(marks, [Segment(0, 20, 5.0, 0.9, "riot", 0.5)], between)) == [(0, 4), (8, 20)]


def test_what_a_person_cut_away_does_not_come_back():
    one = materialise(segment(0, 10))
    moved = move_edges(one, 30, 40, between, duration_s=60)
    assert merged(moved, [segment(0, 10)], between) == [moved[one.id]]
    narrowed = move_edges(one, 4, 6, between, duration_s=60)
    assert merged(narrowed, [segment(0, 10)], between) == [narrowed[one.id]]
    whole = merge(narrowed[one.id], [narrowed[one.id], materialise(segment(12, 20))], between, new_id="n")
    assert times(merged({"n": whole["n"]}, [segment(0, 20)], between)) == [(4, 20)]
    left = {key: m for key, m in split(narrowed[one.id], 5, between, new_id="n").items() if m}
    assert times(merged(left, [segment(0, 10)], between)) == [(4, 5), (5, 6)]


def test_of_a_near_miss_only_the_part_that_came_near_is_left():
    miss = Segment(0, 20, 15.0, 0.45, "riot", 0.5, near_miss=True)
    peaked = Segment(8, 20, 15.0, 0.45, "riot", 0.5)
    marks = {"x": mark(4, 8, "confirmed", id="x")}
    described = {(0, 4): Segment(0, 4, 2.0, 0.2, "riot", 0.5), (8, 20): peaked}
    assert times(uncovered_misses(marks, [miss], lambda *rest: described[rest])) == [(8, 20)]


def test_the_list_is_marks_and_open_segments_in_order_and_the_id_stays_with_the_peak():
    wide, narrow = Segment(0, 10, 4.0, 0.9, "riot", 0.5), Segment(3, 5, 4.0, 0.9, "riot", 0.5)
    assert materialise(wide).id == materialise(narrow).id == "p4000"
    marks = {"m20": mark(20, 25, "dismissed"), "m50": mark(50, 55, "confirmed")}
    shown = merged(marks, [segment(21, 24), wide, segment(30, 40)], between)
    assert ([m.start_s for m in shown], n_open(shown)) == ([0, 20, 30, 50], 2)
    assert shown[0].label == shown[0].model_label == "riot"
    assert shown[0].reviewer == ""


def test_nothing_is_confirmed_and_normal_at_once():
    one = materialise(segment(1, 3))
    for state in ("open", "confirmed", "dismissed"):
        called = relabel(dataclasses.replace(one, state=state), "normal", CLASSES)[one.id]
        assert (called.state, called.label) == ("dismissed", "fighting")
    kept = dataclasses.replace(one, state="confirmed", label="normal")  # by an earlier version, or another's file
    (shown,) = fold(log(("import", {one.id: None}, {one.id: kept}))).values()
    assert (shown.state, shown.label) == ("dismissed", "fighting")


def test_decide_relabel_and_note_leave_the_models_word():
    one = materialise(segment(1, 3))
    assert decide(one, "dismissed")[one.id].state == "dismissed"
    called = relabel(one, "riot", CLASSES)[one.id]
    assert (called.label, called.model_label) == ("riot", "fighting")
    assert annotate(one, "  two men\nat the door ")[one.id].note == "two men\nat the door"
    with pytest.raises(ReviewError, match="label 'arson' is not one of normal, fighting, riot"):
        relabel(one, "arson", CLASSES)
    with pytest.raises(ReviewError, match="the note has 2001 characters; 2000 are kept"):
        annotate(one, "x" * 2001)


def test_what_leaves_a_segment_as_it_was_changes_nothing():
    one = materialise(segment(1, 3))
    same = [decide(one, "open"), annotate(one, " "), move_edges(one, 1.0004, 2.9996, between, duration_s=9)]
    assert same == [{}, {}, {}]
    assert relabel(one, one.label, CLASSES)  # a person stands for it now


@pytest.mark.parametrize(
    ("start_s", "end_s", "words"),
    [
        (5.0, 5.0004, "start 5.000 s is not before end 5.000 s; move the playhead"),
        (6, 5, "start 6.000 s is not before end 5.000 s"),
        (-0.1, 5, "reaches out of the clip, which lasts 9.500 s; stay inside"),
        (5, 9.6, "reaches out of the clip"),
    ],
)
def test_edges_that_make_no_sense(start_s, end_s, words):
    with pytest.raises(ReviewError, match=words):
        move_edges(mark(1, 2), start_s, end_s, between, duration_s=9.5)


def parts(start_s, end_s):
    """What the model says of a part: fighting up to 3 s, then riot."""
    return segment(start_s, end_s, label="fighting" if end_s <= 3 else "riot", score=end_s / 10)


def test_moved_edges_have_what_the_model_says_of_what_lies_inside():
    (moved,) = move_edges(mark(1, 9, peak_s=8.0), 1, 3, parts, duration_s=9).values()
    assert (moved.label, moved.model_label, moved.model_score, moved.peak_s) == ("fighting", "fighting", 0.3, 2.0)
    (named,) = move_edges(mark(1, 9, "confirmed"), 1, 3, parts, duration_s=9).values()
    assert (named.label, named.model_label, named.model_score) == ("riot", "fighting", 0.3)
    (by_hand,) = move_edges(mark(1, 9, model_label="", model_score=None), 1, 3, parts, duration_s=9).values()
    assert (by_hand.by_hand, by_hand.model_score, by_hand.end_s) == (True, None, 3)


def test_a_name_that_a_person_chose_is_kept_though_it_was_the_models_word():
    (named,) = relabel(mark(1, 5), "riot", CLASSES).values()
    moved = move_edges(named, 1, 3, parts, duration_s=9)[named.id]
    halves = split(named, 3, parts, new_id="n")
    for part, word in ((moved, "fighting"), (halves["na"], "fighting"), (halves["nb"], "riot")):
        assert (part.label, part.model_label) == ("riot", word)
    whole = merge(moved, [moved, mark(4, 6, label="fighting", model_label="fighting")], between, new_id="w")["w"]
    assert (whole.label, whole.model_label) == ("riot", "fighting")
    again = move_edges(dataclasses.replace(whole, model_label="riot"), 1, 3, parts, duration_s=9)[whole.id]
    assert again.label == "riot"


def test_each_half_of_a_split_has_what_the_model_says_of_it():
    one = mark(1, 5, peak_s=4.0, note="seen")
    after = split(one, 3.00049, parts, new_id="n")
    assert after[one.id] is None
    left, right = after["na"], after["nb"]
    assert (left.start_s, left.end_s, right.start_s, right.end_s) == (1, 3, 3, 5)
    assert [(m.label, m.model_label, m.model_score, m.peak_s) for m in (left, right)] == [
        ("fighting", "fighting", 0.3, 2.0),
        ("riot", "riot", 0.5, 4.0),
    ]
    assert left.note == "seen"
    for outside in (1.0, 5.0, 0.2, 7):
        with pytest.raises(ReviewError, match=r"does not lie inside 1.000 to 5.000 s; move the playhead"):
            split(one, outside, parts, new_id="n")


@pytest.mark.parametrize("named", [{"label": "explosion"}, {"state": "confirmed"}, {"state": "dismissed"}])
def test_a_split_keeps_what_a_person_said(named):
    one = mark(1, 5, **named)
    halves = [half for half in split(one, 3, parts, new_id="n").values() if half]
    assert {(half.label, half.state) for half in halves} == {(one.label, one.state)}
    assert [half.model_label for half in halves] == ["fighting", "riot"]


def test_a_split_makes_nothing_of_the_models_out_of_what_was_added_by_hand():
    one = mark(1, 5, "confirmed", model_label="", model_score=None)
    assert all(half.by_hand and half.model_score is None for half in split(one, 3, parts, new_id="n").values() if half)


def test_merge_takes_the_next_that_is_not_dismissed():
    first, gone = mark(1, 2, note="a"), mark(3, 4, "dismissed")
    last = mark(5, 6, model_score=0.8, note="b")
    after = merge(first, [first, gone, last], between, new_id="n")
    assert {k for k, m in after.items() if m is None} == {first.id, last.id}
    said = {"label": "fighting", "model_label": "fighting", "model_score": 0.9, "peak_s": 3.5}
    assert after["n"] == mark(1, 6, id="n", note="a\nb", **said)
    apart = merge(first, [first, dataclasses.replace(last, state="confirmed")], between, new_id="n")["n"]
    assert apart.state == "open"
    with pytest.raises(ReviewError, match=r"no segment follows the one at 5.000 s"):
        merge(last, [first, gone, last], between, new_id="n")


NAMED = {"label": "explosion"}


@pytest.mark.parametrize(
    ("left", "right", "label"),
    [
        ({}, {}, "fighting"),  # the model's word for both together
        (NAMED, {}, "explosion"),
        ({}, NAMED, "explosion"),
        ({"state": "confirmed"}, {}, "riot"),
        ({"state": "dismissed"}, {}, "fighting"),
        ({"named": True}, {}, "riot"),  # the model's word, which a person chose
        ({"named": True}, NAMED, "explosion"),
        ({"label": "abuse"}, NAMED, "explosion"),  # the right half's score is higher
        (NAMED, {"label": "explosion", "model_label": "explosion"}, "explosion"),
        (NAMED | {"state": "confirmed", "model_label": "", "model_score": None}, {}, "explosion"),  # added by hand
    ],
)
def test_a_merged_mark_has_the_models_word_unless_a_person_has_named_a_half(left, right, label):
    halves = [mark(1, 3, **left), mark(3, 5, **{"model_score": 0.8} | right)]
    whole = merge(halves[0], halves, between, new_id="n")["n"]
    assert (whole.label, whole.model_label, whole.model_score, whole.peak_s) == (label, "fighting", 0.9, 3.0)


def decided(*states):
    return [mark(10 * i, 10 * i + 5, s) for i, s in enumerate(states) if s]


def test_kappa_by_hand():
    """Cohen 1960: 20 of 50 both yes, 15 both no, 5 and 10 apart: p_o = 0.7, p_e = 0.5 * 0.6 + 0.5 * 0.4, k = 0.4."""
    c, d = "confirmed", "dismissed"
    one = decided(*[c] * 20, *[d] * 15, *[c] * 5, *[d] * 10)
    found = agreement(one, decided(*[c] * 20, *[d] * 15, *[d] * 5, *[c] * 10))
    assert (found.both_confirmed, found.both_dismissed) == (20, 15)
    assert (found.only_first_confirmed, found.only_second_confirmed, found.n) == (5, 10, 50)
    assert found.kappa == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_a_kappa_of_a_few_is_none():
    c, d = "confirmed", "dismissed"
    few, enough = [*[c] * (KAPPA_FROM - 2), d], [*[c] * (KAPPA_FROM - 1), d]
    assert agreement(decided(*few), decided(*few)).kappa is None
    assert agreement(decided(*enough), decided(*enough)).kappa == 1


def test_agreement_counts_only_what_both_decided_and_says_why_there_is_no_kappa():
    c, d = "confirmed", "dismissed"
    assert agreement([], decided(c)).reason == "no segment was decided by both"
    found = agreement(decided(c, "open", c), decided(c, d, None))
    assert (found.n, found.kappa) == (1, None)
    assert found.reason.startswith("too few: 1 decided by both")
    assert "both only confirmed" in agreement(decided(*[c] * 10), decided(*[c] * 10)).reason
    # one long segment of the first meets two of the second: it is compared with the longer one only
    found = agreement([mark(0, 10, c)], [mark(0, 4, d), mark(4, 10, c)])
    assert (found.n, found.both_confirmed) == (1, 1)


def same_event(one, other):
    """Whether two intervals overlap by at least half of the shorter."""
    shorter = min(one.end_s - one.start_s, other.end_s - other.start_s)
    return min(one.end_s, other.end_s) - max(one.start_s, other.start_s) >= 0.5 * shorter > 0


def all_pairs(marks_a, marks_b):
    """What agreement pairs, looked for in every pair."""
    found = [(a, b) for a in marks_a for b in marks_b if same_event(a, b)]
    length = {id(p): min(p[0].end_s, p[1].end_s) - max(p[0].start_s, p[1].start_s) for p in found}
    pairs, taken = [], set()
    for a, b in sorted(found, key=lambda p: -length[id(p)]):
        if a.id not in taken and b.id not in taken:
            pairs.append((a.state, b.state))
            taken |= {a.id, b.id}
    return pairs


def test_pairs_are_those_of_looking_at_every_pair():
    rng = random.Random(3)
    states = ("confirmed", "dismissed")
    for _ in range(50):
        times = [[(s := rng.uniform(0, 40), s + rng.uniform(0.1, 6)) for _ in range(25)] for _ in "ab"]
        sides = [[mark(*t, rng.choice(states), id=f"{k}{i}") for i, t in enumerate(times[k])] for k in (0, 1)]
        sides = [sorted(side, key=lambda m: m.start_s) for side in sides]  # as logs fold: ties go by time
        wanted, found = all_pairs(*sides), agreement(*sides)
        counts = (found.both_confirmed, found.both_dismissed, found.only_first_confirmed, found.only_second_confirmed)
        alike = [("confirmed", "confirmed"), ("dismissed", "dismissed"), states, states[::-1]]
        assert counts == tuple(wanted.count(pair) for pair in alike)


@pytest.mark.parametrize("apart", [2.0, 0.0])
def test_thousands_of_marks_are_compared_at_once(apart):
    sides = [
        [mark(apart * i, apart * i + 1, "confirmed" if i % 3 else "dismissed", id=f"{k}{i}") for i in range(3000)]
        for k in "ab"
    ]
    begun = time.process_time()
    found = agreement(*sides)
    assert time.process_time() - begun < 5
    if apart:
        assert (found.both_confirmed, found.both_dismissed, found.kappa) == (2000, 1000, 1.0)


def test_a_review_has_bounds():
    many = {f"m{i}": mark(i, i + 1, id=f"m{i}") for i in range(5001)}
    change = Change("ann", 1, "2026-01-01T00:00:00+00:00", "import", dict.fromkeys(many), many)
    with pytest.raises(ReviewError, match=r"5,001 segments would be ann's on this clip; 5,000 are kept"):
        check_room({"ann": [change]}, "ann")
    one = dataclasses.replace(change, before={}, after={})
    check_room({"ann": [one]}, "ann")
    with pytest.raises(ReviewError, match=r"100 people have reviewed this clip"):
        check_room({f"p{i}": [one] for i in range(101)}, "p100")
    with pytest.raises(ReviewError, match=r"ann has changed this clip 100,000 times"):
        check_room({"ann": [one] * 100_001}, "ann")
