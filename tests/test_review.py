"""What decisions mean: the log folded, undone and redone, the review list, the edits, and agreement by hand."""

import dataclasses

import pytest

from app.review import Change, Mark, ReviewError, agreement, fold, materialise, merged, n_open, uncovered, undoable
from app.review_edits import add, annotate, decide, merge, move_edges, relabel, remove, split
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


def without_stamps(marks):
    return {m.id: dataclasses.replace(m, reviewer="", revision=0, decided="") for m in marks.values()}


def test_the_fold_keeps_the_last_word_and_who_said_it_when():
    a, b = mark(1, 2), mark(5, 6)
    yes = dataclasses.replace(a, state="confirmed")
    changes = log(
        ("confirm", {b.id: None}, {b.id: b}), ("note", {a.id: None}, {a.id: a}), ("confirm", {a.id: a}, {a.id: yes})
    )
    folded = fold(changes)
    assert list(folded) == [a.id, b.id]  # in order of time
    assert folded[a.id] == dataclasses.replace(yes, reviewer="ann", revision=3, decided="2026-01-01T00:00:02+00:00")
    assert folded[b.id].revision == 1
    assert fold([]) == {}


def test_undo_and_redo_walk_the_log_and_a_new_decision_ends_redo():
    a = mark(1, 2)
    yes, no = (dataclasses.replace(a, state=s) for s in ("confirmed", "dismissed"))
    rows = log(("confirm", {a.id: None}, {a.id: yes}), ("dismiss", {a.id: yes}, {a.id: no}))
    assert undoable(rows) == (rows[1], None)
    rows += log(("undo", {a.id: no}, {a.id: yes}))
    assert undoable(rows) == (rows[0], rows[1])
    assert fold(rows)[a.id].state == "confirmed"
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


@pytest.mark.parametrize(
    ("taken", "covered"),
    [
        ((0, 10), True),  # the same
        ((5, 20), True),  # half of the shorter, just
        ((5.1, 20), False),
        ((4, 5), True),  # the mark is the shorter one and lies inside
        ((10, 20), False),  # neighbours
    ],
)
def test_a_mark_covers_a_segment_from_half_of_the_shorter(taken, covered):
    marks = {"x": mark(*taken, id="x")}
    assert (uncovered(marks, [segment(0, 10)]) == []) is covered


def test_a_segment_whose_mark_was_moved_away_does_not_come_back():
    one = materialise(segment(0, 10))
    moved = move_edges(one, 30, 40, duration_s=60)
    assert merged(moved, [segment(0, 10)]) == [moved[one.id]]


def test_the_list_is_marks_and_open_segments_in_order_and_the_id_stays_with_the_peak():
    wide, narrow = Segment(0, 10, 4.0, 0.9, "riot", 0.5), Segment(3, 5, 4.0, 0.9, "riot", 0.5)
    assert materialise(wide).id == materialise(narrow).id == "p4000"
    marks = {"m20": mark(20, 25, "dismissed"), "m50": mark(50, 55, "confirmed")}
    shown = merged(marks, [segment(21, 24), wide, segment(30, 40)])
    assert [m.start_s for m in shown] == [0, 20, 30, 50]
    assert n_open(shown) == 2
    assert shown[0].label == shown[0].model_label == "riot"
    assert shown[0].reviewer == ""


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
        move_edges(mark(1, 2), start_s, end_s, duration_s=9.5)


def test_split_gives_the_peak_to_the_half_it_lies_in():
    one = mark(1, 5, "confirmed", peak_s=4.0, note="seen")
    after = split(one, 3.00049, new_id="n")
    assert after[one.id] is None
    left, right = after["na"], after["nb"]
    assert (left.start_s, left.end_s, right.start_s, right.end_s) == (1, 3, 3, 5)
    assert (left.model_score, left.peak_s) == (None, None)
    assert (right.model_score, right.peak_s) == (0.7, 4.0)
    assert left.state == right.state == "confirmed"
    assert left.note == "seen"
    for outside in (1.0, 5.0, 0.2, 7):
        with pytest.raises(ReviewError, match=r"does not lie inside 1.000 to 5.000 s; move the playhead"):
            split(one, outside, new_id="n")


def test_merge_takes_the_next_that_is_not_dismissed():
    first, gone, last = (
        mark(1, 2, note="a"),
        mark(3, 4, "dismissed"),
        mark(5, 6, label="fighting", model_score=0.8, note="b"),
    )
    after = merge(first, [first, gone, last], new_id="n")
    assert {k for k, m in after.items() if m is None} == {first.id, last.id}
    assert after["n"] == mark(1, 6, id="n", label="fighting", model_score=0.8, note="a\nb")
    apart = merge(first, [first, dataclasses.replace(last, state="confirmed")], new_id="n")["n"]
    assert apart.state == "open"
    with pytest.raises(ReviewError, match=r"no segment follows the one at 5.000 s"):
        merge(last, [first, gone, last], new_id="n")


def test_add_and_remove_by_hand():
    (made,) = add(4.2, 3.1, "riot", duration_s=10, new_id="n").values()
    assert made == Mark("n", 3.1, 4.2, "confirmed", "riot")
    assert made.by_hand
    assert remove(made) == {"n": None}
    with pytest.raises(ReviewError, match="dismiss it instead"):
        remove(mark(1, 2))


def decided(*states):
    return [mark(10 * i, 10 * i + 5, s) for i, s in enumerate(states) if s]


def test_kappa_by_hand():
    """Cohen 1960: 20 of 50 both yes, 15 both no, 5 and 10 apart: p_o = 0.7, p_e = 0.5 * 0.6 + 0.5 * 0.4, k = 0.4."""
    c, d = "confirmed", "dismissed"
    one = decided(*[c] * 20, *[d] * 15, *[c] * 5, *[d] * 10)
    two = decided(*[c] * 20, *[d] * 15, *[d] * 5, *[c] * 10)
    found = agreement(one, two)
    assert (found.both_confirmed, found.both_dismissed) == (20, 15)
    assert (found.only_first_confirmed, found.only_second_confirmed) == (5, 10)
    assert found.n == 50
    assert found.kappa == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_agreement_counts_only_what_both_decided_and_says_why_there_is_no_kappa():
    c, d = "confirmed", "dismissed"
    assert agreement([], decided(c)).reason == "no segment was decided by both"
    found = agreement(decided(c, "open", c), decided(c, d, None))
    assert (found.n, found.kappa) == (1, None)
    assert "both only confirmed" in found.reason
    # one long segment of the first meets two of the second: it is compared with the longer one only
    found = agreement([mark(0, 10, c)], [mark(0, 4, d), mark(4, 10, c)])
    assert (found.n, found.both_confirmed) == (1, 1)
