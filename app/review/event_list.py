"""Which events a list holds, in what order, and how many there are: questions to the tables of `events`."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, and_, case, false, func, or_, select, true, tuple_
from sqlalchemy.orm import Session

from app.clips.names import named
from app.clips.store import ClipRow, Store
from app.review.events import ORDERS, Around, CountsRow, EventRow, OtherRow, Ready
from app.review.marks import ReviewError

STATES: dict[str, tuple[str, ...]] = {"open": ("open",), "confirmed": ("confirmed",), "dismissed": ("dismissed",)}
STATES["decided"] = STATES["confirmed"] + STATES["dismissed"]
MISSES = ("", "with", "only")
SORTS = ("unseen", *ORDERS)
MOST_AT_ONCE = 200  # events of one answer
MOST_CHOSEN = 20_000  # events of one decision


@dataclass(frozen=True)
class Wish:
    """Which events are wanted. Empty values stand for any."""

    sort: str = "unseen"  # what this reviewer has not decided comes first; "score", "time" or "class"
    state: str = ""
    label: str = ""  # among its classes over time
    camera: str = ""
    since: str = ""  # a day, as 2026-11-29: the first
    until: str = ""  # the last
    least: float = 0.0  # score
    by: str = ""  # a reviewer who decided on it too
    words: str = ""  # all in the clip's name
    misses: str = ""  # near misses: "with" or "only"
    clip: str = ""  # SHA-256

    def __post_init__(self) -> None:
        for name, value, known in (
            ("sort", self.sort, SORTS),
            ("state", self.state, ("", *STATES)),
            ("misses", self.misses, MISSES),
        ):
            if value not in known:
                raise ReviewError(f"{name} is {value[:100]!r}; choose one of {', '.join(filter(None, known))}")


@dataclass(frozen=True)
class Event:
    """An event as a list shows it."""

    key: str  # the analysis, a slash, and the mark
    analysis_id: str
    segment: str
    clip: str
    name: str
    camera: str
    at: str  # when it began: ISO 8601 without a zone; to the minute or the day where the file's name tells no more
    recorded: bool  # by the camera's clock, as the file's name tells; else counted from when the clip came in
    near_miss: bool
    state: str
    label: str
    model_label: str
    called: str  # its class in words: "unclear: riot or fighting" where that is all that the model says
    classes: tuple[str, ...]  # over time, where they change
    score: float | None
    start_s: float
    end_s: float
    peak_s: float | None
    note: str
    curve: str  # scores from 0 to 255 of equal parts of `curve_s`, as `small_curve` writes them
    curve_s: tuple[float, float]
    others: tuple[str, ...] = ()  # "Ann: confirmed as fighting"


@dataclass(frozen=True)
class Left:
    """What a reviewer has before him in the whole library."""

    n: int  # open events
    left_s: float  # how long they are together
    n_marks: int  # events in all, without near misses
    n_clips: int  # clips with something left


class EventList:
    """Answers questions about a view that is ready."""

    def __init__(self, store: Store) -> None:
        self._engine: Engine = store.engine

    def left(self, view: Ready) -> Left:
        """What is left to do."""
        n, seconds, marks = (
            func.coalesce(func.sum(c), 0) for c in (CountsRow.n_open, CountsRow.left_s, CountsRow.n_marks)
        )
        clips = func.coalesce(func.sum(case((CountsRow.n_open > 0, 1), else_=0)), 0)
        with Session(self._engine) as session:
            row = session.execute(select(n, seconds, marks, clips).where(_newest(view))).one()
        return Left(int(row[0]), float(row[1]), int(row[2]), int(row[3]))

    def count(self, view: Ready, wish: Wish, as_of: str) -> int:
        """How many events a list holds. `as_of`: see `page`."""
        with Session(self._engine) as session:
            return session.scalar(select(func.count()).select_from(EventRow).where(_fits(view, wish, as_of))) or 0

    def page(self, view: Ready, wish: Wish, as_of: str, *, offset: int = 0, limit: int = MOST_AT_ONCE) -> list[Event]:
        """Some events of a list, in its order.

        The list is as it was at `as_of` (ISO 8601, UTC): what this reviewer decided since stays in it and at its place,
        so that a page further on begins where the one before it ended.
        """
        fits, limit = _fits(view, wish, as_of), min(limit, MOST_AT_ONCE)
        if wish.sort != "unseen":
            return self._events(view, _part(fits, ORDERS[wish.sort], offset, limit))
        # In two parts, each of which an index gives in its order.
        unseen, order = _unseen(as_of), ORDERS["score"]
        with Session(self._engine) as session:
            n = session.scalar(select(func.count()).select_from(EventRow).where(fits, unseen)) or 0
        found = self._events(view, _part(and_(fits, unseen), order, offset, limit)) if offset < n else []
        rest = limit - len(found)
        return found + (self._events(view, _part(and_(fits, ~unseen), order, max(0, offset - n), rest)) if rest else [])

    def named(self, view: Ready, keys: Sequence[str]) -> list[Event]:
        """The events with these keys that there are."""
        wanted = [tuple(key.split("/", 1)) for key in keys if "/" in key]
        place = tuple_(EventRow.analysis_id, EventRow.mark).in_(wanted)
        return self._events(view, select(EventRow).where(EventRow.view_id == view.id, place))

    def index(self, view: Ready, wish: Wish, as_of: str, key: str) -> int | None:
        """The place of an event in a list, from 0; None when it is not in it."""
        order = _order(wish, as_of)
        analysis_id, _, mark = key.partition("/")
        it = and_(EventRow.analysis_id == analysis_id, EventRow.mark == mark)
        with Session(self._engine) as session:
            here = session.execute(select(*order).where(_fits(view, wish, as_of), it)).first()
            if here is None:
                return None
            before = tuple_(*order) < tuple_(*here)
            return session.scalar(select(func.count()).select_from(EventRow).where(_fits(view, wish, as_of), before))

    def keys(self, view: Ready, wish: Wish, as_of: str) -> list[str]:
        """All of a list. Raises ReviewError when they are more than anybody decides at once."""
        asked = select(EventRow.analysis_id, EventRow.mark).where(_fits(view, wish, as_of))
        with Session(self._engine) as session:
            found = [f"{row.analysis_id}/{row.mark}" for row in session.execute(asked.limit(MOST_CHOSEN + 1))]
        if len(found) > MOST_CHOSEN:
            raise ReviewError(f"more than {MOST_CHOSEN:,} events are selected; filter them first")
        return found

    def choices(self, view: Ready) -> dict[str, list[tuple[str, int]]]:
        """Classes and cameras with the number of their events, and the other reviewers with what they decided.

        An event whose class changes is one of each of its classes.
        """
        n = func.count()
        flagged = and_(EventRow.view_id == view.id, EventRow.near_miss == false())
        labels = select(EventRow.label, EventRow.classes, n).where(flagged)
        cameras = select(CountsRow.camera, func.sum(CountsRow.n_marks)).where(_newest(view), CountsRow.camera != "")
        others = select(OtherRow.reviewer, n).where(OtherRow.view_id == view.id)
        with Session(self._engine) as session:
            by_label = Counter[str]()
            for label, classes, count in session.execute(labels.group_by(EventRow.label, EventRow.classes)):
                by_label.update(dict.fromkeys({label, *_classes(classes)}, count))
            found = {
                "labels": sorted(by_label.items()),
                "cameras": session.execute(cameras.group_by(CountsRow.camera).order_by(CountsRow.camera)),
                "reviewers": session.execute(others.group_by(OtherRow.reviewer).order_by(OtherRow.reviewer)),
            }
            return {name: [(str(row[0]), int(row[1])) for row in rows] for name, rows in found.items()}

    def next_clip(self, view: Ready, sha256: str, *, back: bool = False) -> str | None:
        """The newest analysis of the next clip with something left, in the order of the library; None without one.

        After the last comes the first. The clip itself does not count.
        """
        here = select(ClipRow.created).where(ClipRow.sha256 == sha256).scalar_subquery()
        place = tuple_(ClipRow.created, ClipRow.sha256)
        beyond = (place > tuple_(here, sha256)) if back else (place < tuple_(here, sha256))
        way = (ClipRow.created, ClipRow.sha256)
        asked = (
            select(CountsRow.analysis_id)
            .join(ClipRow, ClipRow.sha256 == CountsRow.clip_sha256)
            .where(_newest(view), CountsRow.n_open > 0, ClipRow.sha256 != sha256)
            .order_by(case((beyond, 0), else_=1), *(way if back else (column.desc() for column in way)))
        )
        with Session(self._engine) as session:
            return session.scalars(asked).first()

    def _events(self, view: Ready, asked: Select[Any]) -> list[Event]:
        with Session(self._engine) as session:
            rows = list(session.scalars(asked))
            said = self._said(session, view, rows)
        return [_event(row, tuple(said.get((row.analysis_id, row.mark), ()))) for row in rows]

    @staticmethod
    def _said(session: Session, view: Ready, rows: Sequence[EventRow]) -> dict[tuple[str, str], list[str]]:
        """What others said of events, in words. Whoever reads blind hears it when all of the clip is decided."""
        keys = {row.analysis_id for row in rows}
        asked = select(OtherRow).where(OtherRow.view_id == view.id, OtherRow.analysis_id.in_(keys), _heard(view))
        said: dict[tuple[str, str], list[str]] = {}
        for row in session.scalars(asked.order_by(OtherRow.reviewer)):
            words = f"{row.reviewer}: {row.state}" + (f" as {row.label}" if row.state == "confirmed" else "")
            said.setdefault((row.analysis_id, row.mark), []).append(words)
        return said


def _event(row: EventRow, others: tuple[str, ...]) -> Event:
    around = Around.event(row.start_s, row.end_s)
    at, told = datetime.fromtimestamp(row.begun, timezone.utc).replace(tzinfo=None), named(row.name)
    timespec = told.timespec if told.begun else "seconds"
    return Event(
        key=f"{row.analysis_id}/{row.mark}",
        analysis_id=row.analysis_id,
        segment=row.mark,
        clip=row.clip_sha256,
        name=row.name,
        camera=row.camera,
        at=at.isoformat(timespec=timespec) if timespec else at.date().isoformat(),
        recorded=told.begun is not None,
        near_miss=row.near_miss,
        state=row.state,
        label=row.label,
        model_label=row.model_label,
        called=row.called,
        classes=_classes(row.classes),
        score=None if row.lack > 1 else round(1 - row.lack, 4),
        start_s=row.start_s,
        end_s=row.end_s,
        peak_s=row.peak_s,
        note=row.note,
        curve=row.curve,
        curve_s=(around.from_s, around.to_s),
        others=others,
    )


def _classes(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text or "[]"))


def _newest(view: Ready) -> ColumnElement[bool]:
    return and_(CountsRow.view_id == view.id, CountsRow.newest)


def _heard(view: Ready) -> ColumnElement[bool]:
    if not view.blind:
        return true()
    done = select(CountsRow.analysis_id).where(CountsRow.view_id == view.id, CountsRow.n_open == 0)
    return OtherRow.analysis_id.in_(done)


def _fits(view: Ready, wish: Wish, as_of: str) -> ColumnElement[bool]:
    """What of a view a list holds."""
    lasting = [EventRow.view_id == view.id]
    if wish.camera:
        lasting.append(EventRow.camera == wish.camera)
    if wish.clip:
        lasting.append(EventRow.clip_sha256 == wish.clip)
    if wish.least:
        lasting.append(EventRow.lack <= 1 - wish.least + 1e-6)
    if wish.since:
        lasting.append(EventRow.begun >= _day(wish.since))
    if wish.until:
        lasting.append(EventRow.begun < _day(wish.until, 1))
    lasting += [func.lower(EventRow.name).contains(word, autoescape=True) for word in wish.words.lower().split()]
    if wish.by:
        # As a list, which SQLite makes once; asked of each event it would be a search for each.
        theirs = select(OtherRow.analysis_id, OtherRow.mark).where(OtherRow.view_id == view.id, _heard(view))
        lasting.append(tuple_(EventRow.analysis_id, EventRow.mark).in_(theirs.where(OtherRow.reviewer == wish.by)))
    passing = list[ColumnElement[bool]]()  # until it is decided
    if wish.misses != "with":
        passing.append(EventRow.near_miss == (wish.misses == "only"))
    if wish.state:
        passing.append(EventRow.state.in_(STATES[wish.state]))
    if wish.label:
        over_time = EventRow.classes.contains(json.dumps(wish.label), autoescape=True)
        passing.append(or_(EventRow.label == wish.label, over_time))
    return and_(*lasting, or_(and_(true(), *passing), EventRow.decided >= as_of))


def _order(wish: Wish, as_of: str) -> tuple[Any, ...]:
    if wish.sort != "unseen":
        return ORDERS[wish.sort]
    return case((_unseen(as_of), 0), else_=1), *ORDERS["score"]


def _unseen(as_of: str) -> ColumnElement[bool]:
    """What was open then."""
    return or_(EventRow.state == "open", EventRow.decided >= as_of)


def _part(fits: ColumnElement[bool], order: tuple[Any, ...], offset: int, limit: int) -> Select[Any]:
    return select(EventRow).where(fits).order_by(*order).offset(offset).limit(limit)


def _day(text: str, more: int = 0) -> float:
    """The beginning of a day, in seconds since 1970. Raises ReviewError."""
    try:
        day = date.fromisoformat(text) + timedelta(days=more)
    except (ValueError, OverflowError):
        raise ReviewError(f"{text[:40]!r} is no day; write it as 2026-11-29") from None
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()
