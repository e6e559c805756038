"""The log of decisions on real SQLite files."""

import sqlite3

import pytest
from sqlalchemy import create_engine, inspect

from app.clips.store import Base, ClipRow, Store
from app.review.log import DecisionLog, ReviewProgress
from app.review.marks import Change, Mark, fold

SHA = "ab" * 32
SEEN = Mark("p1", 1.0, 2.5, "confirmed", "riot", 'ünï "quoted" <b>', "fighting", 0.875, 1.5)


def url(tmp_path):
    return f"sqlite:///{tmp_path / 'review.sqlite3'}"


@pytest.fixture
def decisions(tmp_path):
    return DecisionLog(Store(tmp_path, url(tmp_path)))


def change(revision, reviewer="ann", after=SEEN, **more):
    values = {"decided": f"2026-01-02T03:04:{revision:02}.000005+00:00", "action": "confirm", "request": f"q{revision}"}
    return Change(reviewer, revision, before={"p1": None}, after={"p1": after}, **values | more)


def put(decisions, made, n_decided=1, n_left=0, **more):
    decisions.append(SHA, made, n_decided=n_decided, n_left=n_left, **more)


def test_rows_come_back_as_they_went_in_after_a_restart(decisions, tmp_path):
    rows = [change(1), change(2, after=None, action="undo")]
    for made in rows:
        put(decisions, made)
    put(decisions, change(1, "ben"))
    again = DecisionLog(Store(tmp_path, url(tmp_path)))
    assert (again.changes(SHA), again.changes("cd" * 32)) == ({"ann": rows, "ben": [change(1, "ben")]}, {})
    assert fold(again.changes(SHA)["ben"])["p1"].note == SEEN.note


def test_times_of_other_zones_are_kept_as_utc(decisions):
    put(decisions, change(1, decided="2026-01-02T05:04:01+02:00"))
    assert decisions.changes(SHA)["ann"][0].decided == "2026-01-02T03:04:01+00:00"


def test_progress_is_the_newest_row_of_anybody(decisions):
    assert decisions.progress_of(SHA) is None
    put(decisions, change(1), n_decided=1, n_left=4, analysis_id="a")
    put(decisions, change(2, "ben"), n_decided=3, n_left=2, analysis_id="b")
    assert decisions.progress_of(SHA) == ReviewProgress("ben", 3, 2, change(2).decided)
    assert decisions.progress_of(SHA, "a") == ReviewProgress("ann", 1, 4, change(1).decided)
    assert decisions.progress_of(SHA, "c") is None


def test_an_older_database_gains_the_table_and_keeps_what_it_had(tmp_path):
    old = create_engine(url(tmp_path))
    Base.metadata.create_all(old, tables=[ClipRow.__table__])
    old.dispose()
    with sqlite3.connect(tmp_path / "review.sqlite3") as file:
        file.execute("insert into clips values (?, 'door.mp4', 'x.mp4', '{}', '2026-01-01 00:00:00')", (SHA,))
    put(DecisionLog(store := Store(tmp_path, url(tmp_path))), change(1))
    assert "decisions" in inspect(store.engine).get_table_names()
    with sqlite3.connect(tmp_path / "review.sqlite3") as file:
        assert file.execute("select name from clips").fetchall() == [("door.mp4",)]
