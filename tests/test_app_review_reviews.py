"""The page's calls about decisions, called directly, over a real store and an analysis whose segments are known."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from analyses import make_analysis, make_clip
from fakes import open_workspace

from app.clips.workspace import Cut
from app.export.exports import agreements
from app.review.log import DecisionLog
from app.review.reviews import Reviews
from app.web.page import Page

SCORES = [0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.8, 0.1, 0.1, 0.1, 0.45, 0.1]  # flagged 1-2 and 6, a near miss at 10
CUT = Cut(0.5, 0.0, 0.0)


class Browser:
    """What a browser holds: a clip, a name, and the revision it saw last."""

    def __init__(self, workspace, view):
        self.handlers = Page(workspace).handlers()
        self.view = view
        self.revision = 0
        self.n = 0

    def ask(self, name, **more):
        self.n += 1
        request = f"{self.view['reviewer']}-{self.n}"
        answer = self.handlers[name](self.view | {"revision": self.revision, "request": request} | more)
        self.revision = answer.get("revision", self.revision)
        return answer

    def decide(self, action, mark, **more):
        return self.ask("decide", action=action, segment=mark["id"], **more)


@pytest.fixture
def view(workspace, tmp_path):
    file = tmp_path / "door.mp4"
    file.write_bytes(b"video")
    clip = workspace.store.add_clip(make_clip(path=str(file)), "door.mp4", move=False)
    key = workspace.store.save(make_analysis(SCORES, clip=clip))
    cut = {"threshold": 0.5, "min_length_s": 0, "merge_gap_s": 0}
    return {"clip": clip.sha256, "reviewer": "ann", "analysis_id": key} | cut


@pytest.fixture
def page(workspace, view):
    return Browser(workspace, view)


def other_page(page, **changes):
    made = Browser.__new__(Browser)
    made.handlers, made.view, made.revision, made.n = page.handlers, page.view | changes, 0, 0
    return made


def test_the_list_before_anything_is_decided(page):
    answer = page.ask("marks")
    listed = [(m["start_s"], m["end_s"], m["state"]) for m in answer["marks"]]
    assert listed == [(0.667, 2.0, "open"), (4.0, 4.667, "open")]
    assert [m["label"] for m in answer["misses"]] == ["fighting"]
    assert (answer["revision"], answer["undo"], answer["redo"], answer["others"]) == (0, None, None, [])
    assert len(answer["segments"]) == 2  # as the timeline draws them


def test_ten_quick_decisions_are_ten_rows_and_every_one_can_be_undone(page, workspace, view):
    marks = page.ask("marks")["marks"]
    for i in range(10):
        answer = page.decide(("confirm", "dismiss")[i % 2], marks[i // 2 % 2])
        assert answer["revision"] == i + 1
    assert len(DecisionLog(workspace.store).changes(view["clip"])["ann"]) == 10
    for _ in range(10):
        answer = page.ask("undo")
    assert ([m["state"] for m in answer["marks"]], answer["marks"]) == (["open", "open"], marks)
    assert "nothing to undo" in page.ask("undo")["error"]
    for _ in range(10):
        answer = page.ask("redo")
    assert ([m["state"] for m in answer["marks"]], answer["revision"]) == (["dismissed", "dismissed"], 30)
    assert "nothing to redo" in page.ask("redo")["error"]


def test_a_decision_that_changes_nothing_leaves_nothing_to_undo(page):
    first = page.ask("marks")["marks"][0]
    for action in ("edges", "note", "reopen"):
        answer = page.decide(action, first, start_s=first["start_s"], end_s=first["end_s"], note="")
        assert (answer["marks"][0], answer["undo"]) == (first, None)


def test_a_repeated_request_is_one_row_and_a_stale_one_is_refused(page):
    (first, second) = page.ask("marks")["marks"]
    once = page.decide("confirm", first, request="same")
    again = page.decide("confirm", first, request="same", revision=0)
    assert (again, again["revision"]) == (once, 1)
    stale = page.decide("confirm", second, revision=0)
    assert "not saved: ann decided something in another tab meanwhile" in stale["error"]
    assert page.ask("marks")["revision"] == 1


def test_of_decisions_at_the_same_moment_one_wins_and_the_rest_are_told(page, workspace, view):
    mark = page.ask("marks")["marks"][0]
    base = page.view | {"revision": 0, "action": "note", "segment": mark["id"]}
    ask = page.handlers["decide"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: ask(base | {"request": f"r{i}", "note": f"n{i}"}), range(8)))
    assert sum("error" not in a for a in answers) == 1
    assert all("another tab" in a["error"] for a in answers if "error" in a)
    assert len(DecisionLog(workspace.store).changes(view["clip"])["ann"]) == 1


def test_every_kind_of_decision(page):
    first, second = page.ask("marks")["marks"]
    (miss,) = page.ask("marks")["misses"]
    called = page.decide("relabel", first, label="explosion")["marks"][0]
    assert (called["label"], called["model_label"], called["state"]) == ("explosion", "fighting", "open")
    assert page.decide("note", first, note="by the door")["marks"][0]["note"] == "by the door"
    moved = page.decide("edges", first, start_s=0.5, end_s=1.9)["marks"][0]
    assert (moved["start_s"], moved["end_s"], moved["id"]) == (0.5, 1.9, first["id"])
    halves = page.decide("split", first, at_s=1.2)["marks"][:2]
    assert [(h["start_s"], h["end_s"]) for h in halves] == [(0.5, 1.2), (1.2, 1.9)]
    whole = page.decide("merge", halves[0])["marks"]
    assert [(m["start_s"], m["end_s"]) for m in whole] == [(0.5, 1.9), (4.0, 4.667)]
    assert (whole[0]["label"], whole[0]["note"]) == ("explosion", "by the door")
    added = page.ask("decide", action="add", start_s=3.0, end_s=2.5)["marks"][1]
    assert (added["start_s"], added["end_s"], added["label"], added["model_label"]) == (2.5, 3.0, "fighting", "")
    assert len(page.decide("remove", added)["marks"]) == 2
    assert "dismiss it instead" in page.decide("remove", second)["error"]
    kept = page.decide("confirm", miss)
    assert (kept["misses"], kept["marks"][-1]["state"]) == ([], "confirmed")
    assert page.decide("reopen", miss)["marks"][-1]["state"] == "open"
    assert "not in the list any more" in page.decide("confirm", {"id": "nope"})["error"]
    assert "there is no decision 'undo'" in page.decide("undo", first)["error"]


def test_a_lower_threshold_hides_nothing_behind_what_was_decided(page):
    """At 0.05 the whole clip is one segment, whose peak is that of a confirmed mark."""
    first, second = page.ask("marks")["marks"]
    page.decide("confirm", first)
    page.decide("dismiss", second)
    page.view["threshold"] = 0.05
    answer = page.ask("marks")
    (whole,) = answer["segments"]
    assert (whole["start_s"], whole["end_s"]) == (0, 8)
    shown = [(m["start_s"], m["end_s"], m["state"]) for m in answer["marks"]]
    decided = [(0.667, 2.0, "confirmed"), (4.0, 4.667, "dismissed")]
    assert shown == [decided[0], (2.0, 4.0, "open"), decided[1], (4.667, 8.0, "open")]
    last = answer["marks"][-1]
    assert (last["model_score"], last["peak_s"]) == (pytest.approx(0.45), pytest.approx(10.5 * 2 / 3))
    assert page.decide("confirm", last)["marks"][-1]["state"] == "confirmed"
    page.view["threshold"] = 0.5
    assert [m["state"] for m in page.ask("marks")["marks"]] == ["confirmed", "dismissed", "confirmed"]


def test_two_reviewers_see_each_other_and_their_agreement(page):
    first, second = page.ask("marks")["marks"]
    ben = other_page(page, reviewer="  ben \n b. ")
    page.decide("confirm", first)
    assert ben.ask("marks")["others"][0]["agreement"]["reason"] == "no segment was decided by both"
    ben.decide("confirm", first)
    answer = ben.decide("dismiss", second)
    assert (answer["reviewer"], answer["revision"]) == ("ben b.", 2)
    page.decide("confirm", second)
    (other,) = page.ask("marks")["others"]
    assert (other["reviewer"], [m["state"] for m in other["marks"]]) == ("ben b.", ["confirmed", "dismissed"])
    assert (other["agreement"]["n"], other["agreement"]["kappa"]) == (2, None)
    assert other["agreement"]["reason"].startswith("too few: 2 decided by both")
    assert "1 to 60 characters, not 0" in other_page(page, reviewer=" ").ask("marks")["error"]


def test_who_logs_in_is_the_reviewer(view, tmp_path):
    workspace = open_workspace(tmp_path / "home", auth=("carla", "secret"))
    page = Browser(workspace, view | {"reviewer": "somebody else"})
    assert page.ask("who") == {"reviewer": "carla"}
    assert page.decide("confirm", page.ask("marks")["marks"][0])["marks"][0]["reviewer"] == "carla"
    workspace.close()


def test_an_analysis_of_another_clip_is_refused(page, workspace, tmp_path):
    file = tmp_path / "other.mp4"
    file.write_bytes(b"other")
    other = workspace.store.add_clip(make_clip(path=str(file), sha256="cd" * 32), "other.mp4", move=False)
    assert "of another clip" in page.ask("marks", clip=other.sha256)["error"]


def test_exports_get_the_marks_and_agreement_of_whom_they_name(page, workspace, view):
    reviews, key = Reviews(workspace), view["analysis_id"]
    assert [m.state for m in reviews.view(key, CUT).marks] == ["open", "open"]
    first, second = page.ask("marks")["marks"]
    page.decide("confirm", first)
    page.decide("dismiss", second)
    other_page(page, reviewer="ben").decide("confirm", first)
    assert [(m.state, m.reviewer) for m in reviews.view(key, CUT).marks] == [("confirmed", "ben"), ("open", "")]
    mine = reviews.view(key, CUT, "ann")
    assert [m.state for m in mine.marks] == ["confirmed", "dismissed"]
    (said,) = agreements(mine)
    assert said.startswith("ann and ben: no kappa (too few: 1 decided by both")
    assert said.endswith("1 of 1 decided alike")


def test_marks_of_a_file_are_one_change_and_come_once(page, workspace, view):
    reviews, key = Reviews(workspace), view["analysis_id"]
    first = page.ask("marks")["marks"][0]
    page.decide("confirm", first)
    marks = [m for m in reviews.view(key, CUT, "ann").marks if m.state != "open"]
    assert reviews.take(reviews.view(key, CUT, "ben"), marks) == 1
    assert reviews.take(reviews.view(key, CUT, "ben"), marks) == 0
    progress = reviews.log.progress_of(view["clip"], view["analysis_id"])
    assert (progress.reviewer, progress.n_decided, progress.n_left) == ("ben", 1, 1)  # of two that are flagged
    ben = other_page(page, reviewer="ben")
    taken = ben.ask("marks")["marks"][0]
    assert (taken["id"], taken["state"], taken["reviewer"]) == (first["id"], "confirmed", "ben")
    assert ben.ask("undo")["marks"][0]["state"] == "open"
    reviews.log.forget(view["clip"])
    assert ben.ask("marks")["revision"] == 0
    assert reviews.log.progress_of(view["clip"]) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"request": "x" * 1_000_000}, "request has 1,000,000 characters; 100 are kept"),
        ({"reviewer": "x" * 1_000_000}, "reviewer has 1,000,000 characters"),
        ({"reviewer": "x" * 61}, "1 to 60 characters, not 61"),
        ({"reviewer": "\ud800"}, "half a character"),
        ({"reviewer": ["a"] * 101}, "at most 100"),
        ({"threshold": float("nan")}, "threshold is nan; it must be a number from 0 to 1"),
        ({"threshold": "1e8000000"}, "threshold is '1e8000000'"),
        ({"merge_gap_s": 10**400}, "merge_gap_s is "),
        ({"revision": 1.5}, "revision is 1.5; it must be a whole number"),
        ({"revision": "9" * 4000}, "revision is '999"),
        ({"start_s": float("inf")}, "start_s is inf"),
        ({"start_s": {}}, "start_s is {}; it must be one value"),
    ],
)
def test_what_is_asked_has_bounds_and_is_named(page, changes, said):
    assert said in page.ask("decide", **({"action": "add", "start_s": 1, "end_s": 2} | changes))["error"]
    assert page.ask("marks")["revision"] == 0
