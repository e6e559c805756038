"""The log of decisions in the store's database: rows are added and read, never changed.

A decision belongs to the bytes of a clip, not to one analysis of it, and outlives both until it is to be forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any, cast

from sqlalchemy import UniqueConstraint, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.review import Action, Change, Mark, Patch, ReviewError, bare
from app.store import Base, Store


class DecisionRow(Base):
    """One change by one reviewer to one clip."""

    __tablename__ = "decisions"
    __table_args__ = (UniqueConstraint("clip_sha256", "reviewer", "request"),)
    clip_sha256: Mapped[str] = mapped_column(primary_key=True)
    reviewer: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    decided: Mapped[datetime] = mapped_column(index=True)
    """Naive UTC."""
    action: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]
    """JSON: marks by id."""
    request: Mapped[str]
    analysis_id: Mapped[str | None]
    """The analysis on screen at the time."""
    n_decided: Mapped[int]
    n_left: Mapped[int]
    """As the reviewer saw them after the change, at the threshold of the moment: what a list shows without a fold."""


@dataclass(frozen=True)
class Progress:
    """How far the review of a clip is, after the latest change of anybody."""

    reviewer: str
    n_decided: int
    n_left: int
    decided: str
    """ISO 8601, UTC."""


class Decisions:
    """The log. Older databases gain its table here."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine
        Base.metadata.create_all(self._engine)

    def changes(self, sha256: str) -> dict[str, list[Change]]:
        """All changes to a clip by reviewer, each list in order of revision."""
        rows = select(DecisionRow).where(DecisionRow.clip_sha256 == sha256)
        made: dict[str, list[Change]] = {}
        with Session(self._engine) as session:
            for row in session.scalars(rows.order_by(DecisionRow.reviewer, DecisionRow.revision)):
                made.setdefault(row.reviewer, []).append(_change(row))
        return made

    def append(
        self, sha256: str, change: Change, *, n_decided: int, n_left: int, analysis_id: str | None = None
    ) -> None:
        """Add a row. Raises ReviewError when its revision, or its request, is there already."""
        when = datetime.fromisoformat(change.decided).astimezone(timezone.utc).replace(tzinfo=None)
        row = DecisionRow(
            clip_sha256=sha256, reviewer=change.reviewer, revision=change.revision, decided=when, action=change.action,
            before=_text(change.before), after=_text(change.after), request=change.request, analysis_id=analysis_id,
            n_decided=n_decided, n_left=n_left,
        )  # fmt: skip
        with Session(self._engine) as session:
            session.add(row)
            try:
                session.commit()
            except IntegrityError:
                raise stale(change.reviewer) from None

    def progress_of(self, sha256: str, analysis_id: str | None = None) -> Progress | None:
        """How far a clip's review is, or its review on one analysis; None when nobody decided anything."""
        rows = select(DecisionRow).where(DecisionRow.clip_sha256 == sha256)
        if analysis_id is not None:
            rows = rows.where(DecisionRow.analysis_id == analysis_id)
        with Session(self._engine) as session:
            row = session.scalars(rows.order_by(DecisionRow.decided.desc(), DecisionRow.revision.desc())).first()
        return row and Progress(row.reviewer, row.n_decided, row.n_left, _iso(row.decided))

    def forget(self, sha256: str) -> None:
        """Delete every decision on a clip."""
        with Session(self._engine) as session:
            session.execute(delete(DecisionRow).where(DecisionRow.clip_sha256 == sha256))
            session.commit()


def stale(reviewer: str) -> ReviewError:
    """The refusal of a decision made on an outdated view."""
    return ReviewError(
        f"not saved: {reviewer} decided something in another tab meanwhile; the newest state is shown now, try again"
    )


def now_iso() -> str:
    """UTC, to the microsecond."""
    return datetime.now(timezone.utc).isoformat()


def _change(row: DecisionRow) -> Change:
    action = cast(Action, row.action)
    return Change(
        row.reviewer, row.revision, _iso(row.decided), action, _patch(row.before), _patch(row.after), row.request
    )


def _iso(naive: datetime) -> str:
    return naive.replace(tzinfo=timezone.utc).isoformat()


def _text(patch: Patch) -> str:
    return json.dumps({key: mark and _stored(mark) for key, mark in patch.items()}, ensure_ascii=False)


def _stored(mark: Mark) -> dict[str, Any]:
    kept = asdict(bare(mark))
    return {name: value for name, value in kept.items() if name not in ("reviewer", "revision", "decided")}


def _patch(text: str) -> Mapping[str, Mark | None]:
    return {key: mark and Mark(**mark) for key, mark in json.loads(text).items()}
