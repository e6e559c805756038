"""What belongs to a reviewer and to the whole library: how segments are cut, blind reading, and saved filters."""

from dataclasses import dataclass, field, replace

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.clips.store import Base, Store
from app.clips.workspace import Cut
from app.review.marks import ReviewError
from cmhkf.numbers import short_text

MOST_FILTERS = 50  # of one reviewer
FILTER_NAME_LENGTH = 60  # characters
QUERY_LENGTH = 2000  # characters


class ReviewerRow(Base):
    """A reviewer who has chosen something."""

    __tablename__ = "reviewers"
    name: Mapped[str] = mapped_column(primary_key=True)
    threshold: Mapped[float] = mapped_column(default=Cut.threshold)
    min_length_s: Mapped[float] = mapped_column(default=Cut.min_length_s)
    merge_gap_s: Mapped[float] = mapped_column(default=Cut.merge_gap_s)
    blind: Mapped[bool] = mapped_column(default=False)


class FilterRow(Base):
    """A filter over the events, under a name."""

    __tablename__ = "filters"
    reviewer: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    query: Mapped[str]  # as in the page's address


@dataclass(frozen=True)
class Choices:
    """What a reviewer has chosen."""

    cut: Cut = field(default_factory=Cut)
    blind: bool = False  # others' marks of a clip are hidden until all of it is decided
    filters: tuple[tuple[str, str], ...] = ()  # name and query


class Reviewers:
    """The choices of every reviewer."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine
        with store.scratch.starting():
            Base.metadata.create_all(self._engine)

    def of(self, name: str) -> Choices:
        """What a reviewer has chosen, or the usual."""
        filters = select(FilterRow).where(FilterRow.reviewer == name).order_by(FilterRow.name)
        with Session(self._engine) as session:
            row = session.get(ReviewerRow, name)
            kept = tuple((each.name, each.query) for each in session.scalars(filters))
        if row is None:
            return Choices(filters=kept)
        return Choices(Cut(row.threshold, row.min_length_s, row.merge_gap_s), row.blind, kept)

    def choose(self, name: str, *, cut: Cut | None = None, blind: bool | None = None) -> Choices:
        """Keep how the whole library is cut for a reviewer, or whether others' marks are hidden."""
        now = self.of(name)
        now = replace(now, cut=cut or now.cut, blind=now.blind if blind is None else blind)
        values = {"threshold": now.cut.threshold, "min_length_s": now.cut.min_length_s}
        with Session(self._engine) as session, session.begin():
            session.merge(ReviewerRow(name=name, merge_gap_s=now.cut.merge_gap_s, blind=now.blind, **values))
        return now

    def keep_filter(self, reviewer: str, name: str, query: str) -> Choices:
        """Keep a filter under a name, in place of one that had it. Raises ReviewError."""
        name = short_text(name, "a filter's name", FILTER_NAME_LENGTH, error=ReviewError).strip()
        query = short_text(query, "a filter", QUERY_LENGTH, error=ReviewError)
        if not name:
            raise ReviewError("a filter is kept under a name; type one")
        kept = dict(self.of(reviewer).filters)
        if name not in kept and len(kept) >= MOST_FILTERS:
            raise ReviewError(f"{MOST_FILTERS} filters are kept already; delete one of them first")
        with Session(self._engine) as session, session.begin():
            session.merge(FilterRow(reviewer=reviewer, name=name, query=query))
        return self.of(reviewer)

    def drop_filter(self, reviewer: str, name: str) -> Choices:
        """Forget a filter."""
        with Session(self._engine) as session, session.begin():
            session.execute(delete(FilterRow).where(FilterRow.reviewer == reviewer, FilterRow.name == name))
        return self.of(reviewer)
