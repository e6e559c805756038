"""The log of decisions in the store's database: rows are added and read, never changed.

A decision belongs to the bytes of a clip, not to one analysis of it, and outlives both until it is to be forgotten.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any, cast

from sqlalchemy import Index, UniqueConstraint, delete, func, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.clips.store import Base, ClipRow, Store, naive_utc, utc_iso
from app.review.look_log import forget_looks, looked_at_and_gone
from app.review.marks import Action, Change, Mark, Patch, ReviewError, bare
from cmhkf.settings import picked


class DecisionRow(Base):
    """One change by one reviewer to one clip."""

    __tablename__ = "decisions"
    __table_args__ = (UniqueConstraint("clip_sha256", "reviewer", "request"),)
    clip_sha256: Mapped[str] = mapped_column(primary_key=True)
    reviewer: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    decided: Mapped[datetime] = mapped_column(index=True)  # naive UTC
    action: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]  # JSON: marks by id
    request: Mapped[str]
    number: Mapped[int] = mapped_column(default=0)  # rises with every row of anybody; clocks may be set back
    analysis_id: Mapped[str | None]  # the analysis on screen at the time
    n_decided: Mapped[int]
    # As the reviewer saw them after the change, at the threshold of the moment: what a list shows without a fold
    n_left: Mapped[int]


# Whether a clip's review went on, what a reviewer did last, and which clips a request of his changed
INDEXES = (
    Index("decisions_newest", DecisionRow.clip_sha256, DecisionRow.number),
    Index("decisions_by_reviewer", DecisionRow.reviewer, DecisionRow.clip_sha256, DecisionRow.number),
    Index("decisions_by_request", DecisionRow.reviewer, DecisionRow.request),
)


@dataclass(frozen=True)
class ReviewProgress:
    """How far the review of a clip is, after the latest change of anybody."""

    reviewer: str
    n_decided: int
    n_left: int
    decided: str  # ISO 8601, UTC


class DecisionLog:
    """The log. Older databases gain its table here."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine
        with store.scratch.starting():
            Base.metadata.create_all(self._engine)
            self._number_old_rows()
            for index in INDEXES:
                index.create(self._engine, checkfirst=True)

    def _number_old_rows(self) -> None:
        """Databases of earlier releases know only the time of each row."""
        if any(column["name"] == "number" for column in inspect(self._engine).get_columns("decisions")):
            return
        with Session(self._engine) as session, session.begin():
            session.execute(text("ALTER TABLE decisions ADD COLUMN number INTEGER NOT NULL DEFAULT 0"))
            rows = session.scalars(select(DecisionRow).order_by(DecisionRow.decided, DecisionRow.revision))
            for number, row in enumerate(rows, 1):
                row.number = number

    def changes(self, sha256: str) -> dict[str, list[Change]]:
        """All changes to a clip by reviewer, each list in order of revision."""
        rows = select(DecisionRow).where(DecisionRow.clip_sha256 == sha256)
        made: dict[str, list[Change]] = {}
        with Session(self._engine) as session:
            for row in session.scalars(rows.order_by(DecisionRow.reviewer, DecisionRow.revision)):
                made.setdefault(row.reviewer, []).append(_change(row))
        return made

    def clips_of(self, reviewer: str) -> set[str]:
        """The SHA-256 of every clip on which a reviewer decided something."""
        with Session(self._engine) as session:
            return set(
                session.scalars(select(DecisionRow.clip_sha256).where(DecisionRow.reviewer == reviewer).distinct())
            )

    def append(
        self, sha256: str, change: Change, *, n_decided: int, n_left: int, analysis_id: str | None = None
    ) -> None:
        """Add a row. Raises ReviewError when its revision, or its request, is there already."""
        number = select(func.coalesce(func.max(DecisionRow.number), 0)).scalar_subquery() + 1
        same = picked(change, "reviewer", "revision", "action", "request")
        row = DecisionRow(clip_sha256=sha256, analysis_id=analysis_id, number=number, **same)
        row.decided, row.n_decided, row.n_left = naive_utc(datetime.fromisoformat(change.decided)), n_decided, n_left
        row.before, row.after = _text(change.before), _text(change.after)
        with Session(self._engine) as session:
            session.add(row)
            try:
                session.commit()
            except IntegrityError:
                raise stale(change.reviewer) from None

    def progress_of(self, sha256: str, analysis_id: str | None = None) -> ReviewProgress | None:
        """How far a clip's review is, or its review on one analysis; None when nobody decided anything."""
        rows = select(DecisionRow).where(DecisionRow.clip_sha256 == sha256)
        if analysis_id is not None:
            rows = rows.where(DecisionRow.analysis_id == analysis_id)
        with Session(self._engine) as session:
            row = session.scalars(rows.order_by(DecisionRow.number.desc(), DecisionRow.decided.desc())).first()
        return row and ReviewProgress(row.reviewer, row.n_decided, row.n_left, utc_iso(row.decided))

    def touched(self, reviewer: str) -> list[tuple[str, int]]:
        """The clips that a reviewer changed, with the number of his newest change to each, the newest first."""
        newest = func.max(DecisionRow.number)
        rows = select(DecisionRow.clip_sha256, newest).where(DecisionRow.reviewer == reviewer)
        with Session(self._engine) as session:
            return [
                (row[0], row[1])
                for row in session.execute(rows.group_by(DecisionRow.clip_sha256).order_by(newest.desc()))
            ]

    def with_request(self, reviewer: str, request: str) -> list[str]:
        """The clips that a request of a reviewer changed."""
        rows = select(DecisionRow.clip_sha256).where(DecisionRow.reviewer == reviewer, DecisionRow.request == request)
        with Session(self._engine) as session:
            return list(session.scalars(rows))

    def forget(self, sha256: str) -> None:
        """Delete every decision on a clip, and what blind looks hold of it."""
        with Session(self._engine) as session, session.begin():
            forget_looks(session, [sha256])
            session.execute(delete(DecisionRow).where(DecisionRow.clip_sha256 == sha256))

    def forget_gone(self, before: datetime) -> int:
        """Delete the decisions on clips that are not kept any more, the last of which is older, and their blind looks.

        Returns of how many clips.
        """
        last = select(DecisionRow.clip_sha256).group_by(DecisionRow.clip_sha256)
        gone = last.where(DecisionRow.clip_sha256.not_in(select(ClipRow.sha256))).having(
            func.max(DecisionRow.decided) < naive_utc(before)
        )
        with Session(self._engine) as session, session.begin():
            found = list(session.scalars(gone))
            session.execute(delete(DecisionRow).where(DecisionRow.clip_sha256.in_(found)))
            looked_at = looked_at_and_gone(session, naive_utc(before))
            forget_looks(session, looked_at)
        return len({*found, *looked_at})


class StaleError(ReviewError):
    """A decision made on an outdated view."""


def stale(reviewer: str) -> StaleError:
    """The refusal of a decision made on an outdated view."""
    return StaleError(
        f"not saved: {reviewer} decided something in another tab meanwhile; the newest state is shown now, try again"
    )


def now_iso() -> str:
    """UTC, to the microsecond."""
    return datetime.now(timezone.utc).isoformat()


def _change(row: DecisionRow) -> Change:
    action = cast(Action, row.action)
    return Change(
        row.reviewer,
        row.revision,
        utc_iso(row.decided),
        action,
        _patch(row.before),
        _patch(row.after),
        row.request,
        row.number,
    )


def _text(patch: Patch) -> str:
    return json.dumps({key: mark and _stored(mark) for key, mark in patch.items()}, ensure_ascii=False)


def _stored(mark: Mark) -> dict[str, Any]:
    kept = asdict(bare(mark))
    return {name: value for name, value in kept.items() if name not in ("reviewer", "revision", "decided")}


def _patch(text: str) -> Mapping[str, Mark | None]:
    return {key: mark and Mark(**mark) for key, mark in json.loads(text).items()}
