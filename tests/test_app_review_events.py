"""The events of many clips: what the tables hold is what each clip's own view holds, at any cut, for any reviewer."""

import csv
import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from analyses import make_analysis, make_clip
from fakes import busy_scores, file_at
from sqlalchemy import text

from app.clips.workspace import Cut
from app.review.event_list import Wish
from app.review.events import Around, small_curve
from app.review.marks import ReviewError
from app.review.reviews import Decision
from app.web.page import Page

N_CLIPS = 6
ALL_S = 60.0
LATER = "9999"  # as if the list had just been opened: nothing was decided since


@pytest.fixture
def library(workspace, tmp_path):
    """Six clips of busy curves, of two cameras over three days."""
    file = tmp_path / "in.mp4"
    for i in range(N_CLIPS):
        file.write_bytes(b"video")
        probed = make_clip(path=str(file), sha256=f"{i:02x}" * 32, duration_s=200.0)
        clip = workspace.store.add_clip(probed, f"gate {i % 2} 2026-11-0{1 + i // 2} 22-00-00.mp4", move=False)
        scores = busy_scores(300, i)
        probs = np.stack([1 - scores, scores * (0.2 + 0.1 * i), scores * (0.8 - 0.1 * i)], axis=1)
        workspace.store.save(make_analysis(scores, clip=clip, class_probs=probs))
    return Page(workspace)


def ready(page, reviewer="ann"):
    return page.events.index.ready(reviewer, ALL_S)


def listed(page, wish=None, reviewer="ann", as_of=LATER, **more):
    return page.events.list.page(ready(page, reviewer), wish or Wish("time"), as_of, **more)


def by_hand(page, reviewer="ann", cut=None):
    """(clip, mark, state, near miss) of every clip's own view."""
    found = []
    for entry in page.workspace.store.library():
        view = page.reviews.view(entry.analysis_id, cut or Cut(), reviewer)
        found += [(view.sha256, mark.id, mark.state, False) for mark in view.marks]
        found += [(view.sha256, mark.id, mark.state, True) for mark in view.misses]
    return sorted(found)


def rows(events):
    return sorted((event.clip, event.segment, event.state, event.near_miss) for event in events)


def decide(page, events, action="confirm", reviewer="ann", request="one", **more):
    keys = [event.key for event in events]
    cut = page.reviews.reviewers.of(reviewer).cut
    return page.events.bulk.decide(reviewer, cut, keys, Decision(action, **more), request)


def call(page, handler, **data):
    answer = page.handlers()[handler]({"reviewer": "ann"} | data)
    assert not answer.get("error"), answer
    return answer


def test_the_list_holds_what_each_clip_holds_whatever_was_decided(library):
    assert rows(listed(library, Wish("time", misses="with"))) == by_hand(library)
    first = listed(library)
    decide(library, first[::3])
    decide(library, first[1::3], "dismiss", request="two")
    assert rows(listed(library, Wish("time", misses="with"))) == by_hand(library)
    assert rows(listed(library, Wish("time", misses="with"), "ben")) == by_hand(library, "ben")
    assert {event.state for event in listed(library, reviewer="ben")} == {"open"}


def test_another_cut_changes_every_list_count_and_export_of_that_reviewer_alone(library):
    cut = Cut(0.62, 1.0, 2.0)
    before = by_hand(library, "ben")
    call(library, "choose", threshold=0.62, min_length_s=1.0, merge_gap_s=2.0)
    assert rows(listed(library, Wish("time", misses="with"))) == by_hand(library, cut=cut)
    assert rows(listed(library, Wish("time", misses="with"), "ben")) == before
    marks = [row for row in by_hand(library, cut=cut) if not row[3]]
    assert call(library, "left")["left"]["n"] == len(marks) != sum(not row[3] for row in before)
    entries = call(library, "library")["library"]
    assert sum(entry["segments"] for entry in entries) == len(marks)
    everything = {"ev_sort": "time", "as_of": LATER}
    assert call(library, "export_events", **everything)["n"] == len(marks)
    call(library, "choose", threshold=0.5, min_length_s=0, merge_gap_s=1)
    assert rows(listed(library, Wish("time", misses="with"))) == by_hand(library)


@pytest.mark.parametrize(
    ("wish", "key"),
    [
        (Wish("score"), lambda e: -e.score),
        (Wish("time"), lambda e: (e.at, e.start_s)),
        (Wish("class"), lambda e: (e.label, -e.score)),
        (Wish("unseen"), lambda e: (e.state != "open", -e.score)),
    ],
)
def test_each_order_and_its_pages(library, wish, key):
    decide(library, listed(library)[::4])
    found = listed(library, wish)
    keys = [key(event) for event in found]
    assert keys == sorted(keys)
    assert len({event.key for event in found}) == len(found) > 20
    paged = [event for start in range(0, len(found), 7) for event in listed(library, wish, offset=start, limit=7)]
    assert paged == found
    view = ready(library)
    for place in (0, 11, len(found) - 1):
        assert library.events.list.index(view, wish, LATER, found[place].key) == place
    assert library.events.list.count(view, wish, LATER) == len(found)


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({"state": "open"}, lambda e: e.state == "open"),
        ({"state": "decided"}, lambda e: e.state != "open"),
        ({"label": "fighting"}, lambda e: "fighting" in (e.label, *e.classes)),
        ({"camera": "gate 1"}, lambda e: e.name.startswith("gate 1")),
        ({"least": 0.8}, lambda e: e.score >= 0.8),
        ({"since": "2026-11-02"}, lambda e: e.at >= "2026-11-02"),
        ({"since": "2026-11-02", "until": "2026-11-02"}, lambda e: e.at[:10] == "2026-11-02"),
        ({"words": "GATE 11-03"}, lambda e: "11-03" in e.name),
        ({"by": "ben"}, lambda e: bool(e.others)),
    ],
)
def test_each_filter_against_a_loop(library, change, fits):
    decide(library, listed(library)[::4])
    decide(library, listed(library, reviewer="ben")[::5], reviewer="ben", request="b")
    every = listed(library)
    wanted = [event for event in every if fits(event)]
    assert 0 < len(wanted) < len(every)
    assert listed(library, Wish("time", **change)) == wanted


def test_an_event_whose_class_changes_is_found_and_counted_by_each_of_them(library):
    listed(library, Wish("time"))  # all clips are looked into
    before = dict(call(library, "event_choices")["labels"])
    probed = replace(library.workspace.store.clip("00" * 32), sha256="ee" * 32)
    clip = library.workspace.store.add_clip(probed, "yard.mp4", move=False)
    probs = np.eye(3)[[1] * 9 + [2] * 6]
    library.workspace.store.save(make_analysis([0.9] * 15, clip=clip, class_probs=probs))
    found = {label: listed(library, Wish("time", label=label, clip="ee" * 32)) for label in ("fighting", "explosion")}
    ((event,), same) = found.values()
    assert (event.label, event.classes, same) == ("fighting", ("fighting", "explosion"), [event])
    assert call(library, "list_events", ev_label="explo", offset=0, limit=9, as_of="")["total"] == 0
    after = dict(call(library, "event_choices")["labels"])
    assert {label: after[label] - before.get(label, 0) for label in after} == {"fighting": 1, "explosion": 1}
    table = call(library, "export_events", ev_sort="time", ev_label="explosion", as_of=LATER)["url"]
    assert "fighting; explosion" in file_at(table).read_text()
    decide(library, [event], "relabel", label="explosion")  # a person's class holds of all of it
    assert listed(library, Wish("time", label="fighting", clip="ee" * 32)) == []


def test_an_unclear_class_is_told_as_such_until_it_is_decided_and_found_as_before(library):
    listed(library)  # all clips are looked into
    probed = replace(library.workspace.store.clip("00" * 32), sha256="dd" * 32)
    clip = library.workspace.store.add_clip(probed, "pier.mp4", move=False)
    unclear = make_analysis([0.9] * 9, clip=clip, class_probs=np.tile([0.1, 0.5, 0.4], (9, 1)))
    library.workspace.store.save(replace(unclear, least_share=0.6))
    wish = Wish("time", label="fighting", clip="dd" * 32)

    def told():
        (event,) = listed(library, wish)
        (glance,) = [each.glance for each in library.library.listed(reviewer="ann") if each.entry.sha256 == "dd" * 32]
        table = file_at(call(library, "export_events", ev_sort="time", ev_label="fighting", as_of=LATER)["url"])
        (row,) = [row for row in csv.DictReader(table.open(encoding="utf-8-sig")) if row["name"] == "pier.mp4"]
        assert (event.label, glance.label, row["label"]) == ("fighting",) * 3
        return {event.called, glance.called, row["called"]}

    assert told() == {"unclear: fighting or explosion"}
    assert listed(library, replace(wish, label="explosion")) == []
    decide(library, listed(library, wish))
    assert told() == {"fighting"}


@pytest.mark.parametrize("lacking", ["events.classes", "events.called", "event_counts.called"])
def test_tables_of_an_earlier_release_gain_columns(library, lacking):
    before = listed(library)
    table, column = lacking.split(".")
    with library.workspace.store.engine.begin() as connection:
        connection.execute(text("DROP INDEX events_of_classes"))
        connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
    assert listed(Page(library.workspace)) == before


def test_a_filter_that_makes_no_sense_is_named(library):
    for change, words in (
        ({"ev_sort": "age"}, "sort is 'age'; choose one of unseen, score"),
        ({"ev_since": "soon"}, "'soon' is no day; write it as"),
        ({"ev_least": "2"}, "least is"),
    ):
        answer = library.handlers()["list_events"]({"reviewer": "ann", "offset": 0, "limit": 9, "as_of": ""} | change)
        assert words in answer["error"]


def test_what_is_decided_stays_at_its_place_until_the_list_is_opened_anew(library):
    """A reviewer who decides his way down a list of open events meets each once, however it is paged."""
    ready(library)
    wish, seen = {"ev_state": "open", "ev_sort": "score"}, []
    answer = call(library, "list_events", **wish, offset=0, limit=5, as_of="")
    as_of, total = answer["as_of"], answer["total"]
    while answer["events"]:
        for event in answer["events"]:
            seen.append(event["key"])
            call(library, "decide_events", action="dismiss", events=[event["key"]], request=event["key"])
        answer = call(library, "list_events", **wish, offset=len(seen), limit=5, as_of=as_of)
        assert answer["total"] == total
    assert len(seen) == len(set(seen)) == total
    assert call(library, "left")["left"] == {"n": 0, "left_s": 0.0, "n_marks": total, "n_clips": 0}
    assert call(library, "list_events", **wish, offset=0, limit=5, as_of="")["total"] == 0


def test_bulk_is_one_step_over_all_clips_to_undo_and_to_redo(library):
    before = by_hand(library)
    chosen = [event.key for event in listed(library, Wish("score"))[:20]]
    assert len({key.split("/")[0] for key in chosen}) > 2
    answer = call(library, "decide_events", action="confirm", events=chosen, request="bulk")
    assert (answer["n"], answer["left_out"]) == (20, 0)
    confirmed = by_hand(library)
    again = call(library, "decide_events", action="confirm", events=chosen, request="bulk")  # sent twice
    assert again["n_clips"] == answer["n_clips"]
    single = listed(library, Wish("score"))[30]
    decide(library, [single], "dismiss", request="single")
    dismissed = by_hand(library)
    assert call(library, "undo_events", request="u1")["changed"] == [single.key]
    assert by_hand(library) == confirmed
    undone = call(library, "undo_events", request="u2")
    assert (sorted(undone["changed"]), by_hand(library)) == (sorted(chosen), before)
    assert "nothing to undo" in library.handlers()["undo_events"]({"reviewer": "ann", "request": "u3"})["error"]
    call(library, "redo_events", request="r1")
    assert by_hand(library) == confirmed
    call(library, "redo_events", request="r2")
    assert by_hand(library) == dismissed


def test_a_whole_list_is_decided_without_those_left_out(library):
    first, *others = listed(library, Wish("score"))
    wish = {"ev_sort": "score", "as_of": LATER, "except": [first.key]}
    assert call(library, "decide_events", action="dismiss", request="r", **wish)["n"] == len(others) > 30
    assert [event.key for event in listed(library, Wish("score", state="open"))] == [first.key]


def test_a_whole_list_of_one_class_is_given_another(library):
    wish, before = {"ev_label": "fighting", "as_of": LATER}, {e.key: e.label for e in listed(library)}
    wanted = {key for key, label in before.items() if label == "fighting"}
    answer = call(library, "decide_events", action="relabel", label="explosion", request="r", **wish)
    assert 0 < answer["n"] == len(wanted) < len(before)
    assert {e.key: e.label for e in listed(library)} == before | dict.fromkeys(wanted, "explosion")


def test_what_cannot_be_decided_is_left_out_and_told(library):
    some = listed(library)[:3]
    outcome = decide(library, some, "remove")
    assert (outcome.changed, len(outcome.left_out)) == ((), 3)
    assert "dismiss it instead" in outcome.left_out[0][1]
    outcome = decide(library, [some[0], replace(some[1], key="gone/p1")], request="two")
    assert (outcome.changed, [key for key, _ in outcome.left_out]) == ((some[0].key,), ["gone/p1"])
    with pytest.raises(ReviewError, match="decided in its clip"):
        decide(library, some, "split")


def test_a_note_and_an_edge_moved_in_the_clip_stand_in_the_list(library):
    event = listed(library)[4]
    decide(library, [event], "note", note="the one in red")
    view = library.reviews.view(event.analysis_id, Cut(), "ann")
    edges = Decision("edges", event.segment, start_s=event.start_s + 0.1, end_s=event.end_s)
    library.reviews.decide(view, edges, 1, "edges")
    (now,) = library.events.list.named(ready(library), [event.key])
    assert (now.note, now.start_s) == ("the one in red", pytest.approx(event.start_s + 0.1))


def test_who_reads_blind_hears_of_others_when_all_of_the_clip_is_decided(library):
    decide(library, listed(library, reviewer="ben"), reviewer="ben", request="b")
    assert all(event.others == (f"ben: confirmed as {event.label}",) for event in listed(library))
    call(library, "choose", blind=True)
    assert not any(event.others for event in listed(library))
    assert listed(library, Wish(by="ben")) == []
    mine = [event for event in listed(library) if event.clip == "01" * 32]
    assert not library.reviews.view(mine[0].analysis_id, Cut(), "ann").others
    decide(library, mine, "dismiss")
    assert {event.clip for event in listed(library) if event.others} == {"01" * 32}
    assert [*library.reviews.view(mine[0].analysis_id, Cut(), "ann").others] == ["ben"]


@pytest.mark.parametrize(
    ("name", "at", "recorded"),
    [
        ("gate 2026-11-29.mp4", r"2026-11-29", True),
        ("gate 2026-11-29 22-05.mp4", r"2026-11-29T22:05", True),
        ("gate 2026-11-29 22-05-10.mp4", r"2026-11-29T22:05:20", True),
        ("gate.mp4", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", False),  # when it came in
    ],
)
def test_when_an_event_began_is_told_no_more_exactly_than_the_name_of_its_file_does(
    workspace, tmp_path, name, at, recorded
):
    file = tmp_path / "in.mp4"
    file.write_bytes(b"video")
    clip = workspace.store.add_clip(make_clip(path=str(file)), name, move=False)
    scores = np.zeros(60)
    scores[15:20] = 0.9  # from 10 s on
    workspace.store.save(make_analysis(scores, clip=clip))
    (event,) = listed(Page(workspace))
    assert (bool(re.fullmatch(at, event.at)), event.recorded) == (True, recorded), event.at


def test_from_clip_to_clip_with_something_left(library):
    order = [entry.sha256 for entry in library.workspace.store.library()]
    key = {entry.sha256: entry.analysis_id for entry in library.workspace.store.library()}
    done = [event for event in listed(library) if event.clip in (order[1], order[2])]
    decide(library, done)

    def following(clip, back=False, reviewer="ann"):
        ready(library, reviewer)  # the page would be told how far the list is
        return call(library, "next_clip", clip=clip, back=back, reviewer=reviewer)["analysis_id"]

    assert following(order[0]) == key[order[3]]
    assert following(order[3], back=True) == key[order[0]]
    assert following(order[-1]) == key[order[0]]  # round
    assert following("") in key.values()
    assert following(order[0], reviewer="ben") == key[order[1]]
    decide(library, listed(library), request="rest")
    assert following(order[0]) is None


def test_a_clip_that_leaves_takes_its_events_along(library):
    gone = listed(library)[0]
    decide(library, [gone])
    library.library.remove(gone.clip, decisions=True)
    assert gone.clip not in {event.clip for event in listed(library)}
    assert rows(listed(library, Wish("time", misses="with"))) == by_hand(library)


def test_a_clip_without_segments_is_watched_by_one_reviewer(library, workspace, tmp_path):
    file = tmp_path / "quiet.mp4"
    file.write_bytes(b"quiet")
    clip = workspace.store.add_clip(make_clip(path=str(file), sha256="ee" * 32), "quiet.mp4", move=False)
    key = workspace.store.save(make_analysis([0.1] * 9, clip=clip))
    view = {"clip": clip.sha256, "analysis_id": key, "threshold": 0.5, "min_length_s": 0, "merge_gap_s": 1}
    assert call(library, "watch", **view, on=True, revision=0, request="w")["watched"]

    def said(reviewer):
        entries = call(library, "library", reviewer=reviewer)["library"]
        return next(entry["watched"] for entry in entries if entry["clip"] == clip.sha256)

    assert (said("ann"), said("ben")) == (True, False)
    assert call(library, "watch", **view, on=True, revision=0, request="w")["revision"] == 1  # sent twice
    assert not call(library, "watch", **view, on=False, revision=1, request="x")["watched"]
    assert not said("ann")
    busy = listed(library)[0]
    answer = library.handlers()["watch"](
        view
        | {
            "clip": busy.clip,
            "analysis_id": busy.analysis_id,
            "reviewer": "ann",
            "on": True,
            "revision": 0,
            "request": "y",
        }
    )
    assert "has segments" in answer["error"]


def test_what_is_answered_to_a_decision_holds_it_however_busy_the_machine(library, monkeypatch):
    """Without a moment for what is outdated, an answer once told of the rows as they were before the decision."""
    first, second, *_ = listed(library)
    before = call(library, "left")["left"]["n"]
    index, was = library.events.index, library.events.index.ready
    monkeypatch.setattr(index, "ready", lambda reviewer, _, *needed: was(reviewer, 0.0, *needed))
    for key, n_left in ((first.key, before - 1), (second.key, before - 2)):
        answer = call(library, "decide_events", action="confirm", request=key, events=[key])
        assert [event["state"] for event in answer["events"]] == ["confirmed"]
        assert answer["left"]["n"] == n_left
    undone = call(library, "undo_events", request="back")
    assert ([event["state"] for event in undone["events"]], undone["left"]["n"]) == (["open"], before - 1)


def test_an_undo_or_redo_that_is_sent_twice_is_one(library):
    first, second, *_ = listed(library)
    decide(library, [first], request="one")
    decide(library, [first, second], "dismiss", request="two")
    undone = [call(library, "undo_events", request="back") for _ in range(2)]
    assert undone[0] == undone[1]
    assert undone[0]["n"] == 2
    assert {e.key: e.state for e in listed(library)}[first.key] == "confirmed"  # the one before it stands
    redone = [call(library, "redo_events", request="again") for _ in range(2)]
    assert redone[0] == redone[1]
    assert {e.key: e.state for e in listed(library)}[first.key] == "dismissed"


def test_a_locked_database_is_told_as_one_of_the_moment(library, workspace):
    event = listed(library)[0]
    with workspace.store.engine.connect() as mine, closing(sqlite3.connect(database_of(mine))) as other:
        other.execute("BEGIN IMMEDIATE")
        mine.exec_driver_sql("PRAGMA busy_timeout = 10")
        mine.close()  # back to the pool, from which the handler takes it
        asked = {"reviewer": "ann", "action": "confirm", "request": "r", "events": [event.key]}
        answer = library.handlers()["decide_events"](asked)
        assert answer["busy"]
        assert "database is busy" in answer["error"]
    assert call(library, "decide_events", **asked)["n"] == 1


def database_of(connection):
    return connection.engine.url.database


def test_filters_are_kept_under_a_name(library):
    kept = call(library, "keep_filter", name="night", query="state=open&camera=gate+1")
    assert kept["filters"] == [["night", "state=open&camera=gate+1"]]
    assert call(library, "choices", reviewer="ben")["filters"] == []
    assert call(library, "drop_filter", name="night")["filters"] == []
    assert "type one" in library.handlers()["keep_filter"]({"reviewer": "ann", "name": " ", "query": "x"})["error"]


def test_the_small_curve_is_the_highest_score_of_each_part():
    analysis = make_analysis(busy_scores(90, 3))
    around = Around.event(50.0, 59.0)
    edges = np.linspace(around.from_s, around.to_s, 33)
    drawn = small_curve(analysis, around)
    for i in range(32):
        value = drawn[2 * i : 2 * i + 2]
        first, after = (analysis.timeline.snippet_at(edge) for edge in edges[i : i + 2])
        top = max(analysis.scores[first : max(after, first + 1)])
        assert value == (f"{round(float(top) * 255):02x}" if edges[i] < 60.0 else "--"), i


def test_a_question_that_may_take_no_time_tells_how_far_it_is(library):
    view = library.events.index.ready("carl", 0.0)
    assert (view.n_done, view.n_clips, view.complete) == (0, N_CLIPS, False)
    assert ready(library, "carl").complete


def test_a_cut_out_of_range_is_refused(library):
    answer = library.handlers()["choose"]({"reviewer": "ann", "threshold": 2, "min_length_s": 0, "merge_gap_s": 1})
    assert "threshold is 2" in answer["error"]
