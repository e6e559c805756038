"""What the page remembers: clips by SHA-256 and the analyses made of them, in SQLite or any database by URL.

Videos and analyses are files in the home folder; the database holds their names and what a list needs.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from errno import EACCES
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine, ForeignKey, UniqueConstraint, create_engine, delete, event, select, update
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app.clips.scratch import Scratch
from cmhkf.analysis import Analysis, Curve
from cmhkf.errors import CmhkfError, ConfigError, MediaError
from cmhkf.media.clip import VIDEO_SUFFIXES, Clip, probe
from cmhkf.settings import picked

GRADIO_UPLOAD = re.compile(r"[0-9a-f]{64}|tmp\w{8}")  # what Gradio calls uploads, complete and not
MOST_TRIES = 2  # of an analysis that the server did not live through
PACE_OF = 20  # analyses that tell how long the next takes
NAME_LENGTH = 200  # characters kept of a file name


log = logging.getLogger(__name__)


class NotFoundError(CmhkfError):
    """A clip or an analysis that the store does not hold."""


class Base(DeclarativeBase):
    """The tables."""


class ClipRow(Base):
    """One video, whatever its names were."""

    __tablename__ = "clips"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    file: Mapped[str]
    probed: Mapped[str]  # the Clip as JSON
    created: Mapped[datetime]


class AnalysisRow(Base):
    """One clip seen by one model through one recipe."""

    __tablename__ = "analyses"
    id: Mapped[str] = mapped_column(primary_key=True)
    clip_sha256: Mapped[str] = mapped_column(ForeignKey("clips.sha256"), index=True)
    model_id: Mapped[str]
    recipe_hash: Mapped[str]
    trained: Mapped[bool]
    file: Mapped[str]
    created: Mapped[datetime]
    elapsed_s: Mapped[float]
    duration_s: Mapped[float]
    n_snippets: Mapped[int]
    peak: Mapped[float]


class QueueRow(Base):
    """An analysis that was requested and has not ended: what a server that was stopped goes on with."""

    __tablename__ = "queue"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    clip_sha256: Mapped[str]
    model: Mapped[str]
    tries: Mapped[int] = mapped_column(default=0)  # how often it was begun
    __table_args__ = (UniqueConstraint("clip_sha256", "model"),)


class MadeRow(Base):
    """A file or a folder made of several clips, or under a name that tells of none: it goes with any of them."""

    __tablename__ = "made"
    path: Mapped[str] = mapped_column(primary_key=True)  # relative to the home, with slashes
    clip_sha256: Mapped[str] = mapped_column(primary_key=True, index=True)


@dataclass(frozen=True)
class Entry:
    """One line of the library: a clip and, when it was analysed, one analysis of it."""

    sha256: str
    name: str
    added: datetime  # UTC: when the clip came in
    duration_s: float  # as measured by the analysis, or as the file states it
    analysis_id: str | None = None
    model_id: str | None = None
    trained: bool | None = None
    peak: float | None = None


def analysis_id(sha256: str, model_id: str, recipe_hash: str) -> str:
    """The same clip, model and recipe always have the same id, so that nothing is computed twice."""
    return hashlib.sha256(f"{sha256}|{model_id}|{recipe_hash}".encode()).hexdigest()[:20]


class Store:
    """Clips, analyses and the files that belong to them.

    Raises:
        ConfigError: the home folder cannot be written, or the database cannot be reached.
    """

    def __init__(self, home: Path, url: str) -> None:
        self._home = home
        self.scratch = Scratch(home)
        self.clips_dir, self.analyses_dir, self.truth_dir = home / "clips", home / "analyses", home / "truth"
        self.playback_dir, self.curves_dir = home / "playback", home / "curves"
        self.previews_dir, self.exports_dir = home / "previews", home / "exports"
        try:
            for folder in (self.analyses_dir, self.truth_dir, *self.public_dirs):
                folder.mkdir(mode=0o700, exist_ok=True)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(EACCES, os.strerror(EACCES), str(folder))
            self._clear_rests()
        except OSError as error:
            raise ConfigError(f"home {str(home)!r} cannot be written ({error}); choose another with --home") from None
        try:
            self._engine = create_engine(url)
            if self._engine.dialect.name == "sqlite":
                event.listen(self._engine, "connect", _prepare_sqlite)
            with self.scratch.starting():
                self._open_database()
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            shown = "the value" if isinstance(error, ArgumentError) else self._engine_name(url)
            raise ConfigError(
                f"the database cannot be opened: {shown}: {str(error).splitlines()[0]}; check --database-url"
            ) from None

    def _open_database(self) -> None:
        """Make what tables are missing, and see whether it can be written."""
        if self._engine.dialect.name == "sqlite":
            file = Path(self._engine.url.database or "")
            if file.is_relative_to(self._home):
                file.touch(mode=0o600)
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("PRAGMA user_version = 1")  # of no meaning, but a write
        Base.metadata.create_all(self._engine)

    def _clear_rests(self) -> None:
        """Delete what earlier releases left when they were killed: they wrote beside what they made."""
        folders = (self.analyses_dir, self.truth_dir, *self.public_dirs)
        parts = (path for folder in folders for path in folder.glob("*.part"))
        uploads = (path for path in (self._home / "uploads").glob("*") if GRADIO_UPLOAD.fullmatch(path.name))
        for path in (*parts, *uploads):
            _delete(path)

    def close(self) -> None:
        """Let the database go, and delete the temporary files."""
        self._engine.dispose()
        self.scratch.close()

    @property
    def public_dirs(self) -> tuple[Path, ...]:
        """Folders whose files a browser may fetch: previews, curves and exports, never the database or the analyses."""
        return self.clips_dir, self.playback_dir, self.curves_dir, self.previews_dir, self.exports_dir

    @property
    def engine(self) -> Engine:
        """The database, for the tables of other modules."""
        return self._engine

    @staticmethod
    def _engine_name(url: str) -> str:
        return url.split("://", 1)[0] + "://..."  # a URL may carry a password

    def add_clip(self, probed: Clip, name: str, *, move: bool) -> Clip:
        """Keep a video under its SHA-256, moved or copied; a second coming of the same bytes changes nothing.

        The file name of the user serves for display only: what is kept is named by hash, with a suffix from a fixed
        list, so that it can never be served as a page.
        """
        suffix = Path(name).suffix.lower()
        final = self.clips_dir / (probed.sha256 + (suffix if suffix in VIDEO_SUFFIXES else ".bin"))
        with Session(self._engine) as session:
            row = session.get(ClipRow, probed.sha256)
            if row is None or not (self.clips_dir / row.file).exists():
                clip = replace(probed, name=_kept_name(name), path=str(final))
                created = row.created if row else _now()
                session.merge(
                    ClipRow(sha256=clip.sha256, name=clip.name, file=final.name, probed=_stored(clip), created=created)
                )
                with self.scratch.making(final) as part:
                    (shutil.move if move else shutil.copyfile)(probed.path, part)
                    part.chmod(0o600)
                    # Before the file is at its place, for what lies there is served: a row without a file is mended
                    # when the clip comes again.
                    session.commit()
        return self.clip(probed.sha256)

    def clip(self, sha256: str) -> Clip:
        """The clip with that SHA-256, its path where it lies now. Raises NotFoundError.

        A row of an earlier version, which lacks facts that the player needs, is filled by probing the file again.
        """
        with Session(self._engine) as session:
            row = session.get(ClipRow, sha256)
            if row is None:
                raise NotFoundError(f"no clip {sha256[:12]!r} in the library; open the video again")
            clip = self._revive(row)
            if not {f.name for f in fields(Clip)} <= json.loads(row.probed).keys():
                try:
                    clip = replace(probe(clip.path), name=clip.name, sha256=sha256)
                except MediaError:  # the file is gone
                    return clip
                row.probed = _stored(clip)
                session.commit()
        return clip

    def knows(self, sha256: str) -> bool:
        """Whether a clip is in the library."""
        with Session(self._engine) as session:
            return session.get(ClipRow, sha256) is not None

    def save(self, analysis: Analysis) -> str:
        """Write an analysis of a clip of this store; returns its id."""
        clip = analysis.clip
        key = analysis_id(clip.sha256, analysis.model_id, analysis.recipe_hash)
        with self.scratch.making(self.analyses_dir / f"{key}.npz") as part:
            analysis.save(part)
        for curves in self.curves_dir.glob(f"{key}.*"):  # of the analysis that this one replaces
            _delete(curves)
        with Session(self._engine) as session, session.begin():
            told = picked(analysis, "model_id", "recipe_hash", "trained", "elapsed_s", "n_snippets")
            row = AnalysisRow(id=key, clip_sha256=clip.sha256, file=f"{key}.npz", created=_now(), **told)
            row.duration_s, row.peak = analysis.timeline.duration_s, float(analysis.scores.max())
            session.merge(row)
        return key

    def find(self, sha256: str, model_id: str, recipe_hash: str) -> str | None:
        """The id of the analysis of that clip by that model through that recipe, when its file is there."""
        key = analysis_id(sha256, model_id, recipe_hash)
        with Session(self._engine) as session:
            row = session.get(AnalysisRow, key)
        return key if row and (self.analyses_dir / row.file).exists() else None

    def load(self, key: str) -> Analysis:
        """The analysis with that id. Raises NotFoundError, CheckpointError."""
        return Analysis.load(self._file_of(key))

    def load_curve(self, key: str) -> Curve:
        """What segments are cut from, of the analysis with that id. Raises NotFoundError, CheckpointError."""
        return Curve.load(self._file_of(key))

    def _file_of(self, key: str) -> Path:
        with Session(self._engine) as session:
            row = session.get(AnalysisRow, key)
        if row is None:
            raise NotFoundError(f"no analysis {key!r}; the library lists those there are")
        return self.analyses_dir / row.file

    def pace(self, model_id: str) -> float | None:
        """Seconds that a model took here for one second of footage: the middle of its newest analyses."""
        rows = select(AnalysisRow.elapsed_s, AnalysisRow.duration_s).where(AnalysisRow.model_id == model_id)
        with Session(self._engine) as session:
            found = session.execute(rows.order_by(AnalysisRow.created.desc()).limit(PACE_OF)).all()
        return median(elapsed_s / duration_s for elapsed_s, duration_s in found) if found else None

    def latest(self, sha256: str) -> str | None:
        """The id of a clip's newest analysis."""
        newest = select(AnalysisRow.id).where(AnalysisRow.clip_sha256 == sha256).order_by(AnalysisRow.created.desc())
        with Session(self._engine) as session:
            return session.scalars(newest).first()

    def library(self) -> list[Entry]:
        """Every analysis and every clip without one: what came in last first, of a clip the newest analysis first."""
        clip = (ClipRow.sha256, ClipRow.name, ClipRow.created, ClipRow.probed)
        made = (AnalysisRow.duration_s, AnalysisRow.id, AnalysisRow.model_id, AnalysisRow.trained, AnalysisRow.peak)
        rows = select(*clip, *made).outerjoin(AnalysisRow, AnalysisRow.clip_sha256 == ClipRow.sha256)
        with Session(self._engine) as session:
            found = session.execute(rows.order_by(ClipRow.created.desc(), AnalysisRow.created.desc()))
            return [_entry(*row) for row in found]

    def alike(self, analysis: Analysis | Curve) -> dict[str, Clip]:
        """The clips that the same model saw through the same recipe, by the id of the analysis: these compare."""
        same = (AnalysisRow.model_id == analysis.model_id, AnalysisRow.recipe_hash == analysis.recipe_hash)
        rows = select(AnalysisRow.id, AnalysisRow.file, ClipRow).where(AnalysisRow.clip_sha256 == ClipRow.sha256, *same)
        with Session(self._engine) as session:
            found = session.execute(rows.order_by(ClipRow.created.desc()))
            return {key: self._revive(row) for key, file, row in found if (self.analyses_dir / file).exists()}

    def added_before(self, moment: datetime) -> list[str]:
        """The SHA-256 of every clip that came in before `moment` (with a time zone)."""
        with Session(self._engine) as session:
            return list(session.scalars(select(ClipRow.sha256).where(ClipRow.created < naive_utc(moment))))

    def enqueue(self, sha256: str, model: str) -> None:
        """Remember that an analysis was requested, after those that were requested before."""
        with Session(self._engine) as session, session.begin():
            if session.scalars(_queued(select(QueueRow), sha256, model)).first() is None:
                session.add(QueueRow(clip_sha256=sha256, model=model))

    def begun(self, sha256: str, model: str) -> None:
        """Note that it is begun."""
        with Session(self._engine) as session, session.begin():
            session.execute(_queued(update(QueueRow), sha256, model).values(tries=QueueRow.tries + 1))

    def stopped(self, sha256: str, model: str) -> None:
        """Note that the server ends it in good order, which counts as no try."""
        with Session(self._engine) as session, session.begin():
            session.execute(_queued(update(QueueRow), sha256, model).values(tries=QueueRow.tries - 1))

    def reorder(self, requests: Sequence[tuple[str, str]]) -> None:
        """Remember another order of the queue, by clip and model; what is not named comes first."""
        places = {request: place for place, request in enumerate(requests)}
        with Session(self._engine) as session, session.begin():
            session.execute(update(QueueRow).values(number=-QueueRow.number))  # out of the way of the new numbers
            rows = select(QueueRow.number, QueueRow.clip_sha256, QueueRow.model).order_by(QueueRow.number.desc())
            found = sorted(session.execute(rows).all(), key=lambda row: places.get((row[1], row[2]), -1))
            for number, (old, *_) in enumerate(found, 1):
                session.execute(update(QueueRow).where(QueueRow.number == old).values(number=number))

    def dequeue(self, sha256: str, model: str) -> None:
        """Forget it: it is done, has failed, or is not wanted any more."""
        with Session(self._engine) as session, session.begin():
            session.execute(_queued(delete(QueueRow), sha256, model))

    def queued(self) -> list[tuple[str, str]]:
        """The analyses that were requested and have not ended, by clip and model, as they were requested.

        Without those that were begun MOST_TRIES times: what ends the server each time is not tried for ever.
        """
        with Session(self._engine) as session, session.begin():
            for row in session.scalars(select(QueueRow).where(QueueRow.tries >= MOST_TRIES)):
                log.warning(
                    "clip %s is not analysed again: the server ended %d times while it was; open it and choose Analyse",
                    row.clip_sha256[:12],
                    row.tries,
                )
                session.delete(row)
            return [(row.clip_sha256, row.model) for row in session.scalars(select(QueueRow).order_by(QueueRow.number))]

    def register(self, path: Path, clips: Iterable[str]) -> None:
        """Note of which clips a file or folder is made, before it is there, so that it goes with any of them.

        Not needed where its name begins with a clip's SHA-256 or with the id of an analysis.
        """
        with Session(self._engine) as session, session.begin():
            for sha256 in clips:
                session.merge(MadeRow(path=self._relative(path), clip_sha256=sha256))

    def discard(self, path: Path) -> None:
        """Delete a registered file or folder."""
        _delete(path)
        with Session(self._engine) as session, session.begin():
            session.execute(delete(MadeRow).where(MadeRow.path == self._relative(path)))

    def unregistered(self, folder: Path) -> list[Path]:
        """What lies in a folder and is not registered."""
        with Session(self._engine) as session:
            known = set(session.scalars(select(MadeRow.path)))
        return [path for path in folder.iterdir() if self._relative(path) not in known]

    def remove(self, sha256: str) -> list[str]:
        """Delete a clip, its analyses and every file made of them; returns the ids of the analyses.

        All such files and folders begin with the clip's SHA-256 or an analysis's id, wherever in the home they lie, or
        are registered. They go before the rows: when one cannot be deleted, the clip is still listed and can be removed
        again.

        Raises:
            NotFoundError: no such clip.
            CmhkfError: a file cannot be deleted.
        """
        self.clip(sha256)
        with Session(self._engine) as session, session.begin():
            keys = list(session.scalars(select(AnalysisRow.id).where(AnalysisRow.clip_sha256 == sha256)))
            made = list(session.scalars(select(MadeRow.path).where(MadeRow.clip_sha256 == sha256)))
            for path in [*(self._home / name for name in made), *self._named((sha256, *keys))]:
                _delete(path)
            session.execute(delete(MadeRow).where(MadeRow.path.in_(made)))
            session.execute(delete(QueueRow).where(QueueRow.clip_sha256 == sha256))
            session.execute(delete(AnalysisRow).where(AnalysisRow.clip_sha256 == sha256))
            session.execute(delete(ClipRow).where(ClipRow.sha256 == sha256))
        return keys

    def scrub(self) -> None:
        """Take what was deleted out of the database's file as well; otherwise it stays there until it is written over.

        Of SQLite only. A full disk, or somebody who reads meanwhile, is logged: the rows are gone in any case.
        """
        if self._engine.dialect.name != "sqlite":
            return
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        except SQLAlchemyError as error:
            log.warning("what was deleted stays in the database's file until the next removal: %s", error)

    def _named(self, beginnings: tuple[str, ...]) -> Iterator[Path]:
        """Every file and folder whose name begins so. Temporary files are left to whoever is at work on them."""
        for folder, folders, files in os.walk(self._home):
            found = [name for name in (*folders, *files) if name.startswith(beginnings)]
            folders[:] = [name for name in folders if name not in found and Path(folder, name) != self.scratch.root]
            yield from (Path(folder, name) for name in found)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._home).as_posix()

    def _revive(self, row: ClipRow) -> Clip:
        clip = Clip.from_dict(json.loads(row.probed))
        return replace(clip, path=str(self.clips_dir / row.file))


def _entry(sha256: str, name: str, created: datetime, probed: str, measured_s: float | None, *made: Any) -> Entry:
    duration_s: float = json.loads(probed)["duration_s"] if measured_s is None else measured_s
    return Entry(sha256, name, created.replace(tzinfo=timezone.utc), duration_s, *made)


def _stored(clip: Clip) -> str:
    return json.dumps(asdict(clip), default=str)


def _queued(statement: Any, sha256: str, model: str) -> Any:
    return statement.where(QueueRow.clip_sha256 == sha256, QueueRow.model == model)


def _kept_name(name: str) -> str:
    """A name as every database and every answer can hold it: control characters and half characters are replaced."""
    whole = name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in whole)[:NAME_LENGTH]


def naive_utc(moment: datetime) -> datetime:
    """As the database keeps it: SQLite keeps no zone."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None)


def utc_iso(naive: datetime) -> str:
    """What `naive_utc` made, in ISO 8601."""
    return naive.replace(tzinfo=timezone.utc).isoformat()


def _now() -> datetime:
    return naive_utc(datetime.now(timezone.utc))


def _delete(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise CmhkfError(f"{path} cannot be deleted ({error.strerror or error}); remove the clip again") from error


def _prepare_sqlite(connection, _record) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()
