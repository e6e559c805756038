"""The events of the whole library as tables, so that lists, filters and counts over all clips are answered by SQL.

A view is one reviewer's library at one cut. Of each analysis it holds a row of counts, and of each clip's newest
analysis its events: the marks and near misses of `View`, which is where they are made and the only place that cuts. The
rows are made when they are first needed, and anew when the analysis or somebody's decisions on its clip are others
since: every question first looks for what is outdated, and spends a moment on it.
"""

import json
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
from sqlalchemy import Executable, Index, Row, and_, delete, func, insert, inspect, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.clips.names import named
from app.clips.store import AnalysisRow, Base, ClipRow
from app.clips.workspace import Cut, Workspace
from app.review.log import DecisionRow
from app.review.marks import Mark, fold, is_watched, n_open, name_of, paired, runs_of
from app.review.reviews import Reviews, View
from cmhkf import Analysis, CmhkfError
from cmhkf.analysis import Curve
from cmhkf.media.unseen import as_rows

AT_ONCE = 50  # clips of one transaction
KEPT_VIEWS = 3  # of one reviewer: the usual cut and back costs nothing
POINTS = 32  # of an event's small curve
AROUND_S = 2.0  # an event's small curve begins and ends at least so far outside it


class ViewRow(Base):
    """One reviewer's library at one cut."""

    __tablename__ = "event_views"
    id: Mapped[int] = mapped_column(primary_key=True)
    reviewer: Mapped[str] = mapped_column(index=True)
    threshold: Mapped[float]
    min_length_s: Mapped[float]
    merge_gap_s: Mapped[float]
    used: Mapped[float]  # seconds since 1970


class CountsRow(Base):
    """What an analysis holds for a reviewer, and of which state of things that is told."""

    __tablename__ = "event_counts"
    view_id: Mapped[int] = mapped_column(primary_key=True)
    analysis_id: Mapped[str] = mapped_column(primary_key=True, index=True)
    clip_sha256: Mapped[str]
    made: Mapped[datetime]  # when the analysis was
    newest: Mapped[bool]  # of its clip
    number: Mapped[int]  # of the newest decision on the clip, by anybody
    camera: Mapped[str]
    n_marks: Mapped[int]
    n_open: Mapped[int]
    n_decided: Mapped[int]
    left_s: Mapped[float]
    label: Mapped[str]  # of the mark with the highest score; empty without one
    called: Mapped[str]  # the same in words
    watched: Mapped[bool]
    unseen: Mapped[str]  # JSON: what of the footage was not seen
    error: Mapped[str]  # why the analysis cannot be read


class EventRow(Base):
    """A mark or a near miss of a clip's newest analysis, as a reviewer sees it. Rows are in order of their index."""

    __tablename__ = "events"
    view_id: Mapped[int] = mapped_column(primary_key=True)
    analysis_id: Mapped[str] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(primary_key=True)
    clip_sha256: Mapped[str]
    name: Mapped[str]
    camera: Mapped[str]
    begun: Mapped[float]  # seconds since 1970 of its first frame, by the camera's clock or that of the library
    near_miss: Mapped[bool]
    state: Mapped[str]
    label: Mapped[str]
    model_label: Mapped[str]
    called: Mapped[str]  # its class in words, as `name_of` gives it
    classes: Mapped[str]  # JSON: those that it has over time, where they change; empty where it is one
    lack: Mapped[float]  # 1 - score, so that all orders go up; 2 without a score
    start_s: Mapped[float]
    end_s: Mapped[float]
    peak_s: Mapped[float | None]
    note: Mapped[str]
    decided: Mapped[str]  # when: ISO 8601, UTC; empty while it was not
    curve: Mapped[str]  # POINTS scores, as `small_curve` writes them


class OtherRow(Base):
    """What another reviewer said of an event."""

    __tablename__ = "event_others"
    view_id: Mapped[int] = mapped_column(primary_key=True)
    analysis_id: Mapped[str] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(primary_key=True)
    reviewer: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    label: Mapped[str]


PLACE = (EventRow.begun, EventRow.analysis_id, EventRow.mark)
"""What tells events apart that are equal otherwise."""
ORDERS = {
    "score": (EventRow.lack, *PLACE),
    "time": PLACE,
    "class": (EventRow.label, EventRow.lack, *PLACE),
}
for _name, _columns in ORDERS.items():
    Index(f"events_by_{_name}", EventRow.view_id, *_columns)
Index("events_of_classes", EventRow.view_id, EventRow.near_miss, EventRow.label, EventRow.classes)  # to count them


@dataclass(frozen=True)
class Around:
    """The part of a clip that an event's small curve shows."""

    from_s: float
    to_s: float

    @classmethod
    def event(cls, start_s: float, end_s: float) -> "Around":
        """So much before it as after it."""
        more_s = max(AROUND_S, (end_s - start_s) / 2)
        return cls(max(0.0, start_s - more_s), end_s + more_s)


def small_curve(curve: Analysis | Curve, around: Around) -> str:
    """The highest score of each of POINTS equal parts, as two hexadecimal digits each; "--" after the clip's end."""
    line = curve.timeline
    starts_s = np.linspace(around.from_s, around.to_s, POINTS, endpoint=False)
    first = np.minimum(np.searchsorted(line.ends_s, starts_s, "right"), line.n_snippets - 1)
    after = np.searchsorted(line.times_s, around.to_s)
    tops = np.round(np.clip(np.maximum.reduceat(curve.scores[:after], first), 0, 1) * 255).astype(int)
    return "".join(f"{top:02x}" if s < line.duration_s else "--" for top, s in zip(tops, starts_s, strict=True))


@dataclass(frozen=True)
class Ready:
    """A view whose rows can be asked for."""

    id: int
    cut: Cut
    blind: bool
    n_clips: int  # analyses that it is of
    n_done: int  # of these are looked into

    @property
    def complete(self) -> bool:
        """Whether all are."""
        return self.n_done == self.n_clips


class EventIndex:
    """Keeps the tables. Safe for several threads."""

    def __init__(self, workspace: Workspace, reviews: Reviews) -> None:
        self._workspace, self._reviews, self._engine = workspace, reviews, workspace.store.engine
        self._lock = threading.Lock()
        with workspace.store.scratch.starting():
            Base.metadata.create_all(self._engine)
            self._renew_older()
        workspace.when_forgotten(self._forget)

    def _renew_older(self) -> None:
        """The tables of earlier releases lack columns; what they hold is made anew."""
        tables = [Base.metadata.tables[row.__tablename__] for row in (EventRow, OtherRow, CountsRow)]
        there = inspect(self._engine)
        if any(len(there.get_columns(table.name)) < len(table.columns) for table in tables):
            Base.metadata.drop_all(self._engine, tables)
            Base.metadata.create_all(self._engine)

    def ready(self, reviewer: str, budget_s: float, needed: Collection[str] = ()) -> Ready:
        """The reviewer's view, brought up to date as far as that many seconds allow, newest analyses first; those that
        are `needed`, by id, however long they take."""
        choices = self._reviews.reviewers.of(reviewer)
        end = time.monotonic() + budget_s
        with self._lock:
            view_id = self._view_of(reviewer, choices.cut)
            with Session(self._engine) as session:
                outdated = sorted(session.execute(_outdated(view_id)), key=lambda row: row.id not in needed)
                n_clips = session.scalar(select(func.count()).select_from(AnalysisRow)) or 0
            done, least = 0, sum(row.id in needed for row in outdated)
            while done < least or (done < len(outdated) and time.monotonic() < end):
                portion = list[_Made]()
                for row in outdated[done : done + AT_ONCE]:
                    portion.append(self._make(view_id, reviewer, choices.cut, row))
                    if time.monotonic() > end and done + len(portion) >= least:
                        break
                self._write(view_id, portion)
                done += len(portion)
        return Ready(view_id, choices.cut, choices.blind, n_clips, n_clips - len(outdated) + done)

    def counts(self, view: Ready) -> dict[str, Row[Any]]:
        """What each analysis holds that was looked into, by its id: the columns of CountsRow."""
        asked = select(CountsRow.__table__).where(CountsRow.view_id == view.id)
        with Session(self._engine) as session:
            return {row.analysis_id: row for row in session.execute(asked)}

    def newest(self, view: Ready) -> str | None:
        """The analysis that was made last."""
        asked = select(CountsRow.analysis_id).where(CountsRow.view_id == view.id, CountsRow.error == "")
        with Session(self._engine) as session:
            return session.scalars(asked.order_by(CountsRow.made.desc())).first()

    def _view_of(self, reviewer: str, cut: Cut) -> int:
        """The id of a view, made where there is none; of the reviewer's others the least used go."""
        own = select(ViewRow).where(ViewRow.reviewer == reviewer).order_by(ViewRow.used.desc())
        with Session(self._engine) as session, session.begin():
            rows = list(session.scalars(own))
            found = next((row for row in rows if Cut(row.threshold, row.min_length_s, row.merge_gap_s) == cut), None)
            if found is None:
                values = {"min_length_s": cut.min_length_s, "merge_gap_s": cut.merge_gap_s}
                found = ViewRow(reviewer=reviewer, threshold=cut.threshold, used=time.time(), **values)
                session.add(found)
                session.flush()
                for old in rows[KEPT_VIEWS - 1 :]:
                    for table in (EventRow, OtherRow, CountsRow):
                        session.execute(delete(table).where(table.view_id == old.id))
                    session.delete(old)
            elif rows[0] is not found:
                found.used = time.time()
            return found.id

    def _make(self, view_id: int, reviewer: str, cut: Cut, row: Row[Any]) -> "_Made":
        key, sha256, number = row.id, row.clip_sha256, row.number
        told = {"view_id": view_id, "analysis_id": key, "clip_sha256": sha256, "made": row.created}
        told |= {"newest": row.newest, "number": number, "camera": named(row.name).camera}
        try:
            logs = self._reviews.log.changes(sha256) if number else {}
            view = View(reviewer, key, self._workspace.curve(key), cut, logs)
            return _Made(key, told | _counts(view), *(_events(view_id, view, row) if row.newest else ([], [])))
        except CmhkfError as error:
            return _Made(key, told | _counts(None) | {"error": str(error)}, [], [])

    def _write(self, view_id: int, portion: "Sequence[_Made]") -> None:
        keys = [made.key for made in portion]
        with Session(self._engine) as session, session.begin():
            for table, name in ((CountsRow, "counts"), (EventRow, "events"), (OtherRow, "others")):
                session.execute(delete(table).where(table.view_id == view_id, table.analysis_id.in_(keys)))
                found = [getattr(made, name) for made in portion]
                rows = found if name == "counts" else [row for rows in found for row in rows]
                if rows:
                    session.execute(insert(table), rows)

    def _forget(self, keys: Sequence[str]) -> None:
        with self._lock, Session(self._engine) as session, session.begin():
            for table in (EventRow, OtherRow, CountsRow):
                session.execute(delete(table).where(table.analysis_id.in_(keys)))


@dataclass(frozen=True)
class _Made:
    """The rows of one analysis."""

    key: str
    counts: dict[str, Any]
    events: list[dict[str, Any]]
    others: list[dict[str, Any]]


def _outdated(view_id: int) -> Executable:
    """The analyses whose rows are not there, or tell of an earlier state of things."""
    last = select(AnalysisRow.clip_sha256, func.max(AnalysisRow.created).label("created")).group_by(
        AnalysisRow.clip_sha256
    )
    said = select(DecisionRow.clip_sha256, func.max(DecisionRow.number).label("number")).group_by(
        DecisionRow.clip_sha256
    )
    newest, decisions = last.subquery(), said.subquery()
    is_newest = (AnalysisRow.created == newest.c.created).label("newest")
    number = func.coalesce(decisions.c.number, 0).label("number")
    known = and_(CountsRow.view_id == view_id, CountsRow.analysis_id == AnalysisRow.id)
    other = [CountsRow.made != AnalysisRow.created, CountsRow.newest != is_newest, CountsRow.number != number]
    columns = (AnalysisRow.id, AnalysisRow.clip_sha256, AnalysisRow.created, is_newest, number)
    return (
        select(*columns, ClipRow.name, ClipRow.created.label("added"))
        .join(newest, newest.c.clip_sha256 == AnalysisRow.clip_sha256)
        .join(ClipRow, ClipRow.sha256 == AnalysisRow.clip_sha256)
        .outerjoin(decisions, decisions.c.clip_sha256 == AnalysisRow.clip_sha256)
        .outerjoin(CountsRow, known)
        .where(or_(CountsRow.analysis_id.is_(None), *other))
        .order_by(AnalysisRow.created.desc())
    )


def _counts(view: View | None) -> dict[str, Any]:
    marks = view.marks if view else []
    top = max(marks, key=lambda mark: mark.model_score or 0.0, default=None)
    return {
        "n_marks": len(marks),
        "n_open": n_open(marks),
        "n_decided": sum(mark.state != "open" for mark in marks),
        "left_s": sum(mark.end_s - mark.start_s for mark in marks if mark.state == "open"),
        "label": top.label if top else "",
        "called": name_of(top, view.analysis) if view and top else "",
        "watched": bool(view and is_watched(view.log)),
        "unseen": json.dumps(view and as_rows(view.analysis.unseen_s)),
        "error": "",
    }


def _events(view_id: int, view: View, row: Row[Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of a view's marks and near misses, and of what others said of them."""
    told = named(row.name)
    begun = (told.begun or row.added).replace(tzinfo=timezone.utc).timestamp()
    same = {"view_id": view_id, "analysis_id": view.analysis_id}
    about = same | {"clip_sha256": view.sha256, "name": row.name, "camera": told.camera}
    shown = [(mark, False) for mark in view.marks] + [(mark, True) for mark in view.misses]
    events = [about | _event(view, mark, begun) | {"near_miss": miss} for mark, miss in shown]
    others = [
        same | {"mark": mine.id, "reviewer": name, "state": theirs.state, "label": theirs.label}
        for name, log in view.logs.items()
        if name != view.reviewer
        for mine, theirs in paired([mark for mark, _ in shown], _decided(fold(log).values()))
    ]
    return events, others


def _decided(marks: Any) -> list[Mark]:
    return [mark for mark in marks if mark.state != "open"]


def _event(view: View, mark: Mark, begun: float) -> dict[str, Any]:
    classes = list(dict.fromkeys(run.label for run in runs_of(mark, view.analysis)))
    return {
        "mark": mark.id,
        "begun": begun + mark.start_s,
        "state": mark.state,
        "label": mark.label,
        "model_label": mark.model_label,
        "called": name_of(mark, view.analysis),
        "classes": json.dumps(classes) if classes else "",
        "lack": 2.0 if mark.model_score is None else 1 - float(mark.model_score),
        "start_s": mark.start_s,
        "end_s": mark.end_s,
        "peak_s": mark.peak_s,
        "note": mark.note,
        "decided": mark.decided,
        "curve": small_curve(view.analysis, Around.event(mark.start_s, mark.end_s)),
    }
