"""The page's questions about decisions, called directly, over a real store and an analysis whose segments are known."""

import threading
from types import SimpleNamespace

import pytest
from analyses import make_analysis, make_clip
from fakes import FakeAnalyzer

from app.decision_store import Decisions
from app.desk import Desk
from app.review_asks import ReviewAsks
from app.reviews import Reviews
from app.settings import Settings

SCORES = [0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.8, 0.1, 0.1, 0.1, 0.45, 0.1]  # flagged 1-2 and 6, a near miss at 10


class Page:
    """What a browser holds: a clip, a name, and the revision it saw last."""

    def __init__(self, asks, view):
        self.asks = {f.__name__: f for f in asks.functions()}
        self.view = view
        self.revision = 0
        self.n = 0

    def ask(self, name, **more):
        self.n += 1
        request = f"{self.view['reviewer']}-{self.n}"
        answer = self.asks[name](self.view | {"revision": self.revision, "request": request} | more)
        self.revision = answer.get("revision", self.revision)
        return answer

    def decide(self, action, mark, **more):
        return self.ask("decide", action=action, segment=mark["id"], **more)


@pytest.fixture
def desk(tmp_path):
    made = Desk(Settings(home=tmp_path), lambda model: FakeAnalyzer())
    yield made
    made.close()


@pytest.fixture
def view(desk, tmp_path):
    file = tmp_path / "door.mp4"
    file.write_bytes(b"video")
    clip = desk.store.add_clip(make_clip(path=str(file)), "door.mp4", move=False)
    key = desk.store.save(make_analysis(SCORES, clip=clip))
    cut = {"threshold": 0.5, "min_length_s": 0, "merge_gap_s": 0}
    return {"clip": clip.sha256, "reviewer": "ann", "analysis_id": key} | cut


@pytest.fixture
def page(desk, view):
    return Page(ReviewAsks(desk, Decisions(desk.store)), view)


def other_page(page, **changes):
    made = Page.__new__(Page)
    made.asks, made.view, made.revision, made.n = page.asks, page.view | changes, 0, 0
    return made


def test_the_list_before_anything_is_decided(page):
    answer = page.ask("marks")
    assert [(m["start_s"], m["end_s"], m["state"]) for m in answer["marks"]] == [
        (0.667, 2.0, "open"),
        (4.0, 4.667, "open"),
    ]
    assert [m["label"] for m in answer["misses"]] == ["fighting"]
    assert (answer["revision"], answer["undo"], answer["redo"], answer["others"]) == (0, None, None, [])
    assert len(answer["segments"]) == 2  # as the timeline draws them


def test_ten_quick_decisions_are_ten_rows_and_every_one_can_be_undone(page, desk, view):
    marks = page.ask("marks")["marks"]
    for i in range(10):
        answer = page.decide(("confirm", "dismiss")[i % 2], marks[i // 2 % 2])
        assert answer["revision"] == i + 1
    assert len(Decisions(desk.store).changes(view["clip"])["ann"]) == 10
    for _ in range(10):
        answer = page.ask("undo")
    assert [m["state"] for m in answer["marks"]] == ["open", "open"]
    assert answer["marks"] == marks
    assert "nothing to undo" in page.ask("undo")["error"]
    for _ in range(10):
        answer = page.ask("redo")
    assert [m["state"] for m in answer["marks"]] == ["dismissed", "dismissed"]
    assert answer["revision"] == 30
    assert "nothing to redo" in page.ask("redo")["error"]


def test_a_repeated_request_is_one_row_and_a_stale_one_is_refused(page):
    (first, second) = page.ask("marks")["marks"]
    once = page.decide("confirm", first, request="same")
    again = page.decide("confirm", first, request="same", revision=0)
    assert again == once
    assert again["revision"] == 1
    stale = page.decide("confirm", second, revision=0)
    assert "not saved: ann decided something in another tab meanwhile" in stale["error"]
    assert page.ask("marks")["revision"] == 1


def test_of_decisions_at_the_same_moment_one_wins_and_the_rest_are_told(page, desk, view):
    mark = page.ask("marks")["marks"][0]
    answers = []
    ask = page.asks["decide"]
    base = page.view | {"revision": 0, "action": "confirm", "segment": mark["id"]}
    threads = [threading.Thread(target=lambda i=i: answers.append(ask(base | {"request": f"r{i}"}))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("error" not in a for a in answers) == 1
    assert all("another tab" in a["error"] for a in answers if "error" in a)
    assert len(Decisions(desk.store).changes(view["clip"])["ann"]) == 1


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
    assert kept["misses"] == []
    assert kept["marks"][-1]["state"] == "confirmed"
    assert page.decide("reopen", miss)["marks"][-1]["state"] == "open"
    assert "not in the list any more" in page.decide("confirm", {"id": "nope"})["error"]
    assert "there is no decision 'undo'" in page.decide("undo", first)["error"]


def test_decisions_stay_when_the_threshold_moves(page):
    second = page.ask("marks")["marks"][1]
    page.decide("confirm", second)
    page.view["threshold"] = 0.95
    (kept,) = page.ask("marks")["marks"]
    assert (kept["id"], kept["state"], kept["model_score"]) == (second["id"], "confirmed", pytest.approx(0.8))


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
    assert other["reviewer"] == "ben b."
    assert [m["state"] for m in other["marks"]] == ["confirmed", "dismissed"]
    # p_o = 1/2, p_e = 1 * 1/2 + 0 * 1/2 = 1/2
    assert (other["agreement"]["n"], other["agreement"]["kappa"]) == (2, pytest.approx(0))
    assert "1 to 60 characters, not 0" in other_page(page, reviewer=" ").ask("marks")["error"]


def test_who_logs_in_is_the_reviewer(view, tmp_path):
    desk = Desk(Settings(home=tmp_path, auth=("carla", "secret")), lambda model: FakeAnalyzer())
    page = Page(ReviewAsks(desk, Decisions(desk.store)), view | {"reviewer": "somebody else"})
    assert page.ask("who") == {"reviewer": "carla"}
    assert page.decide("confirm", page.ask("marks")["marks"][0])["marks"][0]["reviewer"] == "carla"
    desk.close()


def test_progress_tells_what_is_left(page, desk, view):
    decisions = Decisions(desk.store)
    first, second = page.ask("marks")["marks"]
    page.decide("confirm", first)
    now = decisions.progress_of(view["clip"], view["analysis_id"])
    assert (now.reviewer, now.n_decided, now.n_left) == ("ann", 1, 1)
    page.decide("dismiss", second)
    page.ask("undo")
    assert decisions.progress_of(view["clip"]).n_left == 1


def test_an_analysis_of_another_clip_is_refused(page, desk, tmp_path):
    file = tmp_path / "other.mp4"
    file.write_bytes(b"other")
    other = desk.store.add_clip(make_clip(path=str(file), sha256="cd" * 32), "other.mp4", move=False)
    assert "of another clip" in page.ask("marks", clip=other.sha256)["error"]


def test_exports_get_the_marks_and_agreement_of_whom_they_name(page, desk, view):
    reviews = Reviews(desk, Decisions(desk.store))
    cut = SimpleNamespace(threshold=0.5, min_length_s=0, merge_gap_s=0, reviewer="")
    assert [m.state for m in reviews.marks_of(view["analysis_id"], cut)] == ["open", "open"]
    first, second = page.ask("marks")["marks"]
    page.decide("confirm", first)
    page.decide("dismiss", second)
    ben = other_page(page, reviewer="ben")
    ben.decide("confirm", first)
    last = reviews.marks_of(view["analysis_id"], cut)
    assert [(m.state, m.reviewer) for m in last] == [("confirmed", "ben"), ("open", "")]
    cut.reviewer = "ann"
    assert [m.state for m in reviews.marks_of(view["analysis_id"], cut)] == ["confirmed", "dismissed"]
    (said,) = reviews.agreement(view["analysis_id"], cut)
    assert said.startswith("ann and ben: no kappa (both only confirmed")
    assert said.endswith("1 of 1 decided alike")


def test_marks_of_a_file_are_one_change_and_come_once(page, desk, view):
    reviews = Reviews(desk, Decisions(desk.store))
    first = page.ask("marks")["marks"][0]
    page.decide("confirm", first)
    marks = [m for m in reviews.marks_of(view["analysis_id"], SimpleNamespace(**view)) if m.state != "open"]
    assert reviews.take(view["clip"], "ben", marks) == 1
    assert reviews.take(view["clip"], "ben", marks) == 0
    ben = other_page(page, reviewer="ben")
    taken = ben.ask("marks")["marks"][0]
    assert (taken["id"], taken["state"], taken["reviewer"]) == (first["id"], "confirmed", "ben")
    assert ben.ask("undo")["marks"][0]["state"] == "open"
    reviews.forget(view["clip"])
    assert ben.ask("marks")["revision"] == 0
    assert reviews.progress_of(view["clip"]) is None
