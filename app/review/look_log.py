"""The blind looks and their answers in the store's database: rows are added and read, never changed.

They belong to the bytes of clips, as decisions do, and are forgotten with these.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from sqlalchemy import UniqueConstraint, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.clips.store import Base, ClipRow, Store, naive_utc, utc_iso
from app.clips.workspace import Cut
from app.review.looks import Answer, Look, Part, Window
from app.review.marks import ReviewError


class LookRow(Base):
    """One draw for one reviewer."""

    __tablename__ = "looks"
    id: Mapped[str] = mapped_column(primary_key=True)
    reviewer: Mapped[str] = mapped_column(primary_key=True)
    clip_sha256: Mapped[str] = mapped_column(index=True)  # empty: of all clips
    drawn: Mapped[datetime]  # naive UTC
    content: Mapped[str]  # the rest of the Look as JSON


class LookAnswerRow(Base):
    """One answer to one window, or one taken back."""

    __tablename__ = "look_answers"
    __table_args__ = (UniqueConstraint("look", "reviewer", "request"),)
    look: Mapped[str] = mapped_column(primary_key=True)
    reviewer: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    clip_sha256: Mapped[str] = mapped_column(index=True)  # the window's
    place: Mapped[int]
    answer: Mapped[str]
    label: Mapped[str]
    decided: Mapped[datetime]  # naive UTC
    request: Mapped[str]


class LookLog:
    """The looks. Older databases gain their tables here."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine
        with store.scratch.starting():
            Base.metadata.create_all(self._engine)

    def looks(self, reviewer: str, clip: str) -> list[tuple[Look, list[Answer]]]:
        """A reviewer's looks at a clip, or with an empty `clip` at all clips, with their answers; newest first."""
        rows = select(LookRow).where(LookRow.reviewer == reviewer, LookRow.clip_sha256 == clip)
        with Session(self._engine) as session:
            return [
                (_look(row), _answers(session, row)) for row in session.scalars(rows.order_by(LookRow.drawn.desc()))
            ]

    def look(self, key: str, reviewer: str) -> tuple[Look, list[Answer]]:
        """One of them. Raises ReviewError."""
        with Session(self._engine) as session:
            row = session.get(LookRow, (key, reviewer))
            if row is None:
                raise ReviewError(
                    f"{reviewer} has drawn no such windows, or they were deleted with their clip; draw anew"
                )
            return _look(row), _answers(session, row)

    def add(self, look: Look, answers: Iterable[Answer] = ()) -> None:
        """Keep a look, with the answers that it brings along. Raises ReviewError: it is there already."""
        row = LookRow(id=look.id, reviewer=look.reviewer, clip_sha256=look.clip, drawn=_utc(look.drawn))
        row.content = _content(look)
        self._insert(row, *(_row(look, answer) for answer in answers))

    def append(self, look: Look, answers: Iterable[Answer]) -> None:
        """Add answers. Raises ReviewError when their revision, or their request, is there already."""
        self._insert(*(_row(look, answer) for answer in answers))

    def _insert(self, *rows: LookRow | LookAnswerRow) -> None:
        with Session(self._engine) as session:
            session.add_all(rows)
            try:
                session.commit()
            except IntegrityError:
                raise ReviewError(
                    f"not saved: {rows[0].reviewer} answered in another tab meanwhile; the newest state is shown now"
                ) from None


def forget_looks(session: Session, clips: Iterable[str]) -> None:
    """Delete all that looks hold of some clips; what is left of a look at all clips is a look at the others."""
    for sha256 in clips:
        session.execute(delete(LookAnswerRow).where(LookAnswerRow.clip_sha256 == sha256))
        session.execute(delete(LookRow).where(LookRow.clip_sha256 == sha256))
        for row in session.scalars(select(LookRow).where(LookRow.content.contains(sha256))):
            content = json.loads(row.content)
            content["parts"] = [part for part in content["parts"] if part["clip"] != sha256]
            content["windows"] = {k: each for k, each in content["windows"].items() if each["clip"] != sha256}
            row.content = json.dumps(content)


def looked_at_and_gone(session: Session, before: datetime) -> set[str]:
    """The clips of looks drawn before `before` (naive UTC) that are not kept any more."""
    old = session.scalars(select(LookRow).where(LookRow.drawn < before))
    clips = {part["clip"] for row in old for part in json.loads(row.content)["parts"]}
    return clips - set(session.scalars(select(ClipRow.sha256)))


def _content(look: Look) -> str:
    kept = asdict(look)
    return json.dumps({name: kept[name] for name in ("model_id", "cut", "window_s", "seed", "parts", "windows")})


def _look(row: LookRow) -> Look:
    return look_of(json.loads(row.content), row.id, row.reviewer, utc_iso(row.drawn), row.clip_sha256)


def _part(content: Mapping[str, Any]) -> Part:
    told: dict[str, Any] = {**content, "free_s": tuple((a, b) for a, b in content["free_s"])}
    return Part(**told)


def look_of(content: Mapping[str, Any], key: str, reviewer: str, drawn: str, clip: str) -> Look:
    """A look from plain values, as `asdict` gives them."""
    parts = tuple(map(_part, content["parts"]))
    windows = {int(place): Window(**window) for place, window in content["windows"].items()}
    facts = {name: content[name] for name in ("model_id", "window_s", "seed")}
    return Look(key, reviewer, drawn, clip, cut=Cut(**content["cut"]), parts=parts, windows=windows, **facts)


def _answers(session: Session, row: LookRow) -> list[Answer]:
    rows = select(LookAnswerRow).where(LookAnswerRow.look == row.id, LookAnswerRow.reviewer == row.reviewer)
    return [
        Answer(each.revision, each.place, cast(Any, each.answer), each.label, utc_iso(each.decided), each.request)
        for each in session.scalars(rows.order_by(LookAnswerRow.revision))
    ]


def _row(look: Look, answer: Answer) -> LookAnswerRow:
    made = LookAnswerRow(look=look.id, reviewer=look.reviewer, clip_sha256=look.windows[answer.place].clip)
    made.revision, made.place, made.answer, made.label = answer.revision, answer.place, answer.answer, answer.label
    made.decided, made.request = _utc(answer.decided), answer.request
    return made


def _utc(iso: str) -> datetime:
    return naive_utc(datetime.fromisoformat(iso))
