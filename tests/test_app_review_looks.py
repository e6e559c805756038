"""Blind looks: what is drawn, called directly; and the page's calls about them over a real store."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from analyses import make_analysis, make_clip
from fakes import CUT as ASKED
from fakes import FakeAnalyzer, busy_scores, open_workspace

from app.clips.workspace import Cut
from app.export.marks_file import MarksFileError, read_marks
from app.export.report import report_html
from app.review.looks import Part, Window, confirmed_beside, drawn_windows, free_part, length, pool, without
from app.review.marks import Mark, ReviewError
from app.web.page import Page
from cmhkf import flag_segments
from cmhkf.media.unseen import Unseen

CALM = [0.1] * 90  # a minute, nothing flagged
SCORES = [*CALM[:30], *[0.9] * 6, *CALM[:54]]  # flagged from 20 to 24 s


# Drawing -------------------------------------------------------------------------------------------------------------


def overlaps(window, start_s, end_s):
    return window.start_s < end_s - 1e-9 and start_s < window.end_s - 1e-9


def test_no_window_holds_a_flagged_a_decided_or_an_unseen_second_and_none_another():
    rng = np.random.default_rng(5)
    for seed in range(60):
        analysis = make_analysis(
            busy_scores(int(rng.integers(40, 600)), seed),
            unseen_s=(Unseen(3.0, 5.5, "damaged"), Unseen(9, 12, "x", True)),
        )
        cut = Cut(float(rng.uniform(0.2, 0.9)), float(rng.choice([0, 5])), float(rng.choice([0, 3])))
        end_s = analysis.timeline.duration_s
        marks = [Mark("m", *sorted(rng.random(2) * end_s), "dismissed")]
        part = free_part(analysis, "a", cut, marks)
        flagged = flag_segments(analysis, cut.threshold, min_length_s=cut.min_length_s, merge_gap_s=cut.merge_gap_s)
        try:
            windows = list(drawn_windows([part], 6.0, 20, seed).values())
        except ReviewError:
            assert part.free_s == ()
            continue
        for window in windows:
            assert 0 <= window.start_s < window.end_s <= end_s
            assert 1.0 <= window.end_s - window.start_s + 1e-9 <= 6.002
            assert not any(overlaps(window, s.start_s, s.end_s) for s in [*flagged, *marks])
            assert not overlaps(window, 3.0, 5.5)
            line = analysis.timeline
            inside = (line.times_s < window.end_s - 1e-9) & (line.ends_s > window.start_s + 1e-9)
            assert analysis.scores[inside].max() < cut.threshold
            assert not any(overlaps(window, o.start_s, o.end_s) for o in windows if o is not window)


def test_every_window_and_so_every_second_is_as_likely():
    """Of 14 windows in stretches of many lengths 5 are drawn 4000 times: each about 1429 times, deviation 30."""
    parts = [Part("a", "", ((0.0, 30.0), (31.0, 33.0), (50.0, 61.0)), 0.0), Part("b", "", ((2.0, 33.5),), 0.0)]
    windows = pool(parts, 6.0)
    assert len(windows) == 5 + 1 + 2 + 6
    assert sum(w.end_s - w.start_s for w in windows) == pytest.approx(30 + 2 + 11 + 31.5)
    drawn = Counter[Window]()
    first = Counter[Window]()
    for seed in range(4000):
        chosen = drawn_windows(parts, 6.0, 5, seed)
        drawn.update(chosen.values())
        first.update([chosen[0]])
    assert set(drawn) == set(windows)
    assert max(abs(drawn[w] - 4000 * 5 / 14) for w in windows) < 5 * 30
    assert max(abs(first[w] - 4000 / 14) for w in windows) < 5 * 17  # the order tells nothing either


def test_a_draw_is_repeated_by_its_seed_and_takes_all_where_there_are_fewer():
    part = Part("a", "", ((0.0, 24.0),), 0.0)
    one, again, other = (list(drawn_windows([part], 6.0, 3, seed).values()) for seed in (1, 1, 2))
    assert one == again != other
    assert len(drawn_windows([part], 6.0, 20, 0)) == 4
    with pytest.raises(ReviewError, match="nothing to draw from"):
        drawn_windows([Part("a", "", (), 3.0)], 6.0, 20, 0)


def test_what_is_left_out_is_counted():
    """By hand: 60 s with 4 flagged; 2 s over the threshold are too short for a segment, 1 s was not seen; a rest of
    0.4 s before the mark is too short to be judged."""
    scores = np.array(SCORES)
    scores[60:63] = 0.6  # 40 to 42 s
    analysis = make_analysis(scores, unseen_s=(Unseen(50.0, 51.0, "damaged"),))
    part = free_part(analysis, "a", Cut(0.5, min_length_s=3.0), [Mark("m", 24.4, 30.0, "confirmed")])
    assert part.free_s == ((0.0, 20.0), (30.0, 40.0), (42.0, 50.0), (51.0, 60.0))
    assert part.left_out_s == pytest.approx(2 + 1 + 0.4)


def test_confirmed_time_counts_once_and_outside_the_windows():
    part = Part("a", "", ((10.0, 20.0), (30.0, 40.0)), 0.0)
    marks = [Mark("1", 2.0, 6.0, "confirmed"), Mark("2", 5.0, 8.0, "confirmed"), Mark("3", 22.0, 25.0, "dismissed")]
    added = Mark("4", 12.0, 18.0, "confirmed")  # after the draw: the estimate holds it already
    assert confirmed_beside([*marks, added], part) == 6.0
    assert confirmed_beside([Mark("5", 8.0, 12.0, "confirmed"), Mark("6", 45.0, 50.0, "confirmed")], part) == 7.0
    assert confirmed_beside([], part) == 0.0
    assert length(without((0.0, 9.0), [(8.0, 12.0), (2.0, 3.0), (2.5, 4.0)])) == 6.0


# The page's calls ----------------------------------------------------------------------------------------------------


class Asked:
    """The page over one home, asked as its browser asks."""

    def __init__(self, home, analyzer=None):
        self.workspace = open_workspace(home, analyzer or FakeAnalyzer(model_id="test"))
        self.page = Page(self.workspace)
        self.n = 0

    def ask(self, handler, **data):
        return self.page.handlers()[handler](ASKED | {"reviewer": "ann", "analysis_id": ""} | data)

    def keep(self, name, scores=SCORES, **changes):
        file = self.workspace.settings.home / name
        file.write_bytes(name.encode())
        sha256 = (name.encode().hex() + "0" * 64)[:64]
        facts = {"path": str(file), "name": name, "sha256": sha256, "duration_s": 60.0}
        clip = self.workspace.store.add_clip(make_clip(**facts), name, move=False)
        made = make_analysis(scores, clip=clip, recipe_hash=FakeAnalyzer.recipe_hash, **changes)
        return clip.sha256, self.workspace.store.save(made)

    def answer(self, look, answer, place=None, label="", **more):
        self.n += 1
        data = {"look": look["look"], "revision": look["revision"], "request": f"r{self.n}", "label": label}
        place = look["next"] if place is None else place
        return self.ask("answer_look", **data, place=place, answer=answer, **more)

    def answered(self, look, *said, **more):
        for answer in said:
            look = self.answer(look, answer, **more)
            assert "error" not in look, look
        return look


@pytest.fixture
def asked(tmp_path):
    made = Asked(tmp_path / "home")
    yield made
    made.workspace.close()


def test_a_draw_is_kept_goes_on_after_a_restart_and_tells_nothing_of_the_scores(asked, tmp_path):
    _, key = asked.keep("yard.mp4")
    assert asked.ask("look", analysis_id=key) == {"look": None}
    look = asked.ask("draw_look", analysis_id=key, n=5, window_s=6)
    assert (len(look["windows"]), look["next"], look["revision"]) == (5, 0, 0)
    told = {"place", "clip", "start_s", "end_s", "answer", "label", "added"}
    assert {name for window in look["windows"] for name in window} == told
    look = asked.answered(look, "nothing", "something", analysis_id=key)
    asked.workspace.close()
    again = Asked(tmp_path / "home")
    assert again.ask("look", analysis_id=key) == look
    assert (look["next"], [w["answer"] for w in look["windows"]]) == (2, ["nothing", "something", None, None, None])
    assert again.ask("look", analysis_id=key, reviewer="ben") == {"look": None}
    again.workspace.close()


def test_nothing_in_twenty_windows_is_at_most_14_percent_everywhere(asked):
    """Nine windows of a minute less the flagged 4 s: four clips have 40, of which 20 are drawn."""
    keys = [asked.keep(f"clip {i}.mp4")[1] for i in range(4)]
    asked.workspace._analyzers["demo"] = FakeAnalyzer(model_id="test")
    look = asked.ask("draw_look", n=20, window_s=6)
    assert len({window["clip"] for window in look["windows"]}) > 1
    look = asked.answered(look, *["nothing"] * 20)
    assert (look["next"], look["short"]) == (None, "0 of 20: at most 14 %")
    assert (
        "Drawn from 224.0 s of 4 clips, all that this model had analysed, in 40 windows of 6 s at most, by test"
        in look["said"][-1]
    )
    assert "Miss rate: not known" in look["said"][2]
    reviewed = asked.page.exports.reviewed(keys[0], Cut(), "ann")
    page = report_html(reviewed, {})
    assert "0 of 20 windows: at most 14 % of what was not flagged, 95 % sure" in page
    assert "Random windows of all clips" in page
    assert "Not measured: nobody looked at random windows" in report_html(replace(reviewed, looks=()), {})


def test_confirmed_segments_give_the_miss_rate(asked):
    clip, key = asked.keep("yard.mp4")
    mark = asked.ask("marks", clip=clip, analysis_id=key)["marks"][0]
    more = {"clip": clip, "analysis_id": key, "revision": 0, "request": "one"}
    asked.ask("decide", action="confirm", segment=mark["id"], **more)
    look = asked.ask("draw_look", analysis_id=key, n=50, window_s=6)
    assert len(look["windows"]) == 4 + 6  # all there are: 20 s and 36 s
    look = asked.answered(look, "something", *["nothing"] * 9, analysis_id=key)
    # a tenth of 56 s, beside the 4 s that were confirmed
    assert "That is 5.6 of the 56.0 seconds" in look["said"][1]
    assert "Miss rate: 58 % of the anomalous time, beside 4.0 seconds of confirmed segments" in look["said"][2]


def test_answers_are_taken_back_one_by_one_and_stale_or_senseless_ones_refused(asked):
    _, key = asked.keep("yard.mp4")
    look = asked.ask("draw_look", analysis_id=key, n=3, window_s=6)
    one = asked.answered(look, "something", "unsure", analysis_id=key)
    assert "answered in another tab" in asked.answer(look, "nothing", analysis_id=key)["error"]
    back = asked.answered(one, "undo", analysis_id=key)
    assert [w["answer"] for w in back["windows"]] == ["something", None, None]
    none = asked.answered(back, "undo", analysis_id=key)
    assert "no answer is there to take back" in asked.answer(none, "undo", analysis_id=key)["error"]
    assert "no window 7" in asked.answer(none, "nothing", place=7, analysis_id=key)["error"]
    assert "no answer 'maybe'" in asked.answer(none, "maybe", analysis_id=key)["error"]
    assert "not one of normal" in asked.answer(none, "something", label="riots", analysis_id=key)["error"]
    assert "cannot be what is seen" in asked.answer(none, "nothing", label="fighting", analysis_id=key)["error"]
    for n, window_s, said in ((0, 6, "the number of windows is 0"), (20, 1, "the seconds of a window is 1")):
        assert said in asked.ask("draw_look", analysis_id=key, n=n, window_s=window_s)["error"]
    same = {"request": "twice", "look": none["look"], "revision": none["revision"], "label": "", "place": 0}
    answers = [asked.ask("answer_look", analysis_id=key, answer="nothing", **same) for _ in range(2)]
    assert answers[0] == answers[1]


def test_a_window_becomes_a_segment_by_hand_only_on_request_and_once(asked):
    clip, key = asked.keep("yard.mp4")
    look = asked.ask("draw_look", analysis_id=key, n=3, window_s=6)
    look = asked.answered(look, "nothing", analysis_id=key)
    look = asked.answer(look, "something", label="explosion", analysis_id=key)
    assert [w["added"] for w in look["windows"]] == [False, False, False]
    assert "something must be seen" in asked.ask("add_look", look=look["look"], place=0, analysis_id=key)["error"]
    for _ in range(2):
        look = asked.ask("add_look", look=look["look"], place=1, analysis_id=key)
    assert [w["added"] for w in look["windows"]] == [False, True, False]
    window, marks = look["windows"][1], asked.ask("marks", clip=clip, analysis_id=key)["marks"]
    by_hand = [m for m in marks if not m["model_label"]]
    assert [(m["start_s"], m["end_s"], m["label"], m["state"]) for m in by_hand] == [
        (window["start_s"], window["end_s"], "explosion", "confirmed")
    ]
    assert "Miss rate: not known" in look["said"][2]  # it lies in what was drawn from, and is estimated already


def test_answers_at_another_threshold_or_by_another_model_are_told_apart(asked):
    clip, key = asked.keep("yard.mp4")
    look = asked.ask("draw_look", analysis_id=key, n=3, window_s=6)
    assert look["other"] == ""
    asked.answered(look, "nothing", analysis_id=key)
    now = asked.ask("look", analysis_id=key, threshold=0.3)
    assert "Drawn at threshold 0.50" in now["other"]
    assert "not 0.30 as now" in now["other"]
    other = make_analysis(SCORES, clip=asked.workspace.store.clip(clip), model_id="new")
    there = asked.ask("look", analysis_id=asked.workspace.store.save(other))
    assert "Drawn by test, not new as now" in there["other"]
    fresh = asked.ask("draw_look", analysis_id=key, n=3, window_s=6, threshold=0.3)
    assert (fresh["look"] != look["look"], fresh["revision"], fresh["short"]) == (True, 0, None)


# Out and back, and away ----------------------------------------------------------------------------------------------


def exported(asked, key):
    return asked.page.exports.file(key, "json", Cut(), "ann").read_bytes()


def test_a_look_leaves_in_the_json_and_comes_back_without_loss(asked, tmp_path):
    _, key = asked.keep("yard.mp4")
    look = asked.ask("draw_look", analysis_id=key, n=6, window_s=4.5)
    look = asked.answered(look, "nothing", "undo", "unsure", "skipped", analysis_id=key)
    look = asked.answer(look, "something", label="fighting", analysis_id=key)
    content = exported(asked, key)
    [told] = json.loads(content)["blind_looks"]
    assert told["estimate"]["tally"] == {"nothing": 0, "something": 1, "unsure": 1, "skipped": 1, "left": 3}
    assert told["said"] == look["said"]
    other = Asked(tmp_path / "other")
    _, there = other.keep("yard.mp4")
    data = {"analysis_id": there, "name": "x.json", "text": content.decode()}
    assert other.ask("import_preview", **data)["looks"] == 1
    assert [other.ask("import_marks", **data)["looks"] for _ in range(2)] == [1, 0]
    assert other.ask("look", analysis_id=there) == look
    assert json.loads(exported(other, there))["blind_looks"] == [told]
    more = asked.answered(look, "nothing", analysis_id=key)
    data["text"] = exported(asked, key).decode()
    assert other.ask("import_marks", **data)["looks"] == 1
    assert other.ask("look", analysis_id=there) == more
    other.workspace.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"windows": [[0, 1.0, 2.0]]}, "windows are not cut from free_s"),
        ({"windows": [[0, 1.0]]}, r"windows is \[0, 1.0\]; it must be a list of 3"),
        ({"free_s": [[4, 9], [2, 5]]}, "stretches in order of time"),
        ({"cut": {"threshold": 2}}, "cut: threshold is 2"),
        ({"drawn": "yesterday"}, "drawn is 'yesterday'"),
        (
            {"answers": [{"answer": "maybe", "place": 0, "revision": 1}]},
            r"answers\[0\]: answer is 'maybe'; it must be one of",
        ),
        ({"answers": [{"answer": "undo", "place": 0, "revision": 1}]}, "do not follow"),
        ({"answers": 3}, "answers is 3; it must be a list"),
    ],
)
def test_a_changed_look_is_refused_by_its_field(asked, change, said):
    _, key = asked.keep("yard.mp4")
    asked.answered(asked.ask("draw_look", analysis_id=key, n=3, window_s=6), "nothing", analysis_id=key)
    content = json.loads(exported(asked, key))
    content["blind_looks"][0] |= change
    with pytest.raises(MarksFileError, match=rf"^t.json, blind_looks\[0\].*{said}"):
        read_marks("t.json", json.dumps(content).encode())


def test_with_its_decisions_a_removed_clip_leaves_every_look(asked):
    kept = [asked.keep(f"clip {i}.mp4") for i in range(2)]
    asked.workspace._analyzers["demo"] = FakeAnalyzer(model_id="test")
    look = asked.answered(asked.ask("draw_look", n=20, window_s=6), *["nothing"] * 20)
    asked.answered(asked.ask("draw_look", analysis_id=kept[0][1], n=3, window_s=6), "nothing", analysis_id=kept[0][1])
    gone = [w for w in look["windows"] if w["clip"] == kept[0][0]]
    asked.ask("remove", clip=kept[0][0], decisions=True)
    left = asked.ask("look")
    assert [w for w in look["windows"] if w["clip"] != kept[0][0]] == left["windows"]
    assert left["short"] == f"0 of {20 - len(gone)}: " + left["short"].split(": ")[1]
    assert "of 1 clip, all" in left["said"][-1]
    asked.answered(left, "undo")
    database = (asked.workspace.settings.home / "review.sqlite3").read_bytes()
    assert kept[0][0].encode() not in database


def test_windows_of_a_clip_that_left_are_passed_by(asked):
    kept = [asked.keep(f"clip {i}.mp4") for i in range(2)]
    asked.workspace._analyzers["demo"] = FakeAnalyzer(model_id="test")
    look = asked.ask("draw_look", n=20, window_s=6)
    asked.ask("remove", clip=kept[0][0], decisions=False)
    left = asked.ask("look")
    assert {w["clip"] for w in left["windows"]} == {kept[0][0], kept[1][0]}
    n = sum(w["clip"] == kept[1][0] for w in look["windows"])
    assert asked.answered(left, *["nothing"] * n)["next"] is None
