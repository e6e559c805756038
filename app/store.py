"""What the page remembers: clips by SHA-256 and the analyses made of them, in SQLite or any database by URL.

Videos and analyses are files in the home folder; the database holds their names and what a list needs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, ForeignKey, create_engine, delete, event, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from cmhkf.analysis import Analysis
from cmhkf.errors import CmhkfError, ConfigError
from cmhkf.media import Clip

NAME_LENGTH = 200  # characters kept of a file name
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".wmv", ".flv", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".3gp",
    ".ogv", ".gif", ".y4m", ".vob", ".asf",
)  # fmt: skip


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
    probed: Mapped[str]
    """The Clip as JSON."""
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


@dataclass(frozen=True)
class Entry:
    """One line of the library: a clip and, when it was analysed, one analysis of it."""

    clip: Clip
    added: datetime
    """UTC: when the analysis was made, or the clip came in."""
    duration_s: float
    """As measured by the analysis, or as the file states it."""
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
        self.clips_dir, self.analyses_dir = home / "clips", home / "analyses"
        self.playback_dir, self.curves_dir = home / "playback", home / "curves"
        self.previews_dir, self.exports_dir = home / "previews", home / "exports"
        try:
            for folder in (self.analyses_dir, *self.public_dirs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"home {str(home)!r} cannot be written ({error}); choose another with --home") from None
        try:
            self._engine = create_engine(url)
            if self._engine.dialect.name == "sqlite":
                event.listen(self._engine, "connect", _prepare_sqlite)
            Base.metadata.create_all(self._engine)
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            shown = "the value" if isinstance(error, ArgumentError) else self._engine_name(url)
            raise ConfigError(
                f"the database cannot be opened: {shown}: {str(error).splitlines()[0]}; check --database-url"
            ) from None

    @property
    def public_dirs(self) -> tuple[Path, ...]:
        """Folders whose files a browser may fetch: pictures, curves and exports, never the database or the analyses."""
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
        file = probed.sha256 + (suffix if suffix in VIDEO_SUFFIXES else ".bin")
        with Session(self._engine) as session:
            row = session.get(ClipRow, probed.sha256)
            if row is None or not (self.clips_dir / row.file).exists():
                part = self.clips_dir / (file + ".part")
                (shutil.move if move else shutil.copyfile)(probed.path, part)
                os.replace(part, self.clips_dir / file)  # noqa: PTH105
                clip = replace(probed, name=name[:NAME_LENGTH], path=str(self.clips_dir / file))
                session.merge(ClipRow(
                    sha256=clip.sha256, name=clip.name, file=file, probed=json.dumps(asdict(clip), default=str),
                    created=row.created if row else _now(),
                ))  # fmt: skip
                session.commit()
        return self.clip(probed.sha256)

    def clip(self, sha256: str) -> Clip:
        """The clip with that SHA-256, its path where it lies now. Raises NotFoundError."""
        with Session(self._engine) as session:
            row = session.get(ClipRow, sha256)
        if row is None:
            raise NotFoundError(f"no clip {sha256[:12]!r} in the library; open the video again")
        return self._revive(row)

    def save(self, analysis: Analysis) -> str:
        """Write an analysis of a clip of this store; returns its id."""
        clip = analysis.clip
        key = analysis_id(clip.sha256, analysis.model_id, analysis.recipe_hash)
        analysis.save(self.analyses_dir / f"{key}.npz")
        with Session(self._engine) as session:
            session.merge(AnalysisRow(
                id=key, clip_sha256=clip.sha256, model_id=analysis.model_id, recipe_hash=analysis.recipe_hash,
                trained=analysis.trained, file=f"{key}.npz", created=_now(), elapsed_s=analysis.elapsed_s,
                duration_s=analysis.timeline.duration_s,
                n_snippets=analysis.n_snippets, peak=float(analysis.scores.max()),
            ))  # fmt: skip
            session.commit()
        return key

    def find(self, sha256: str, model_id: str, recipe_hash: str) -> str | None:
        """The id of the analysis of that clip by that model through that recipe, when its file is there."""
        key = analysis_id(sha256, model_id, recipe_hash)
        with Session(self._engine) as session:
            row = session.get(AnalysisRow, key)
        return key if row and (self.analyses_dir / row.file).exists() else None

    def load(self, key: str) -> Analysis:
        """The analysis with that id. Raises NotFoundError, CheckpointError."""
        with Session(self._engine) as session:
            row = session.get(AnalysisRow, key)
        if row is None:
            raise NotFoundError(f"no analysis {key!r}; the library lists those there are")
        return Analysis.load(self.analyses_dir / row.file)

    def latest(self, sha256: str) -> str | None:
        """The id of a clip's newest analysis."""
        newest = select(AnalysisRow.id).where(AnalysisRow.clip_sha256 == sha256).order_by(AnalysisRow.created.desc())
        with Session(self._engine) as session:
            return session.scalars(newest).first()

    def library(self) -> list[Entry]:
        """Every analysis and every clip without one, newest first."""
        rows = select(ClipRow, AnalysisRow).outerjoin(AnalysisRow, AnalysisRow.clip_sha256 == ClipRow.sha256)
        with Session(self._engine) as session:
            entries = [self._entry(clip, made) for clip, made in session.execute(rows)]
        return sorted(entries, key=lambda entry: entry.added, reverse=True)

    def added_before(self, moment: datetime) -> list[str]:
        """The SHA-256 of every clip that came in before `moment` (with a time zone)."""
        naive = moment.astimezone(timezone.utc).replace(tzinfo=None)
        with Session(self._engine) as session:
            return list(session.scalars(select(ClipRow.sha256).where(ClipRow.created < naive)))

    def remove(self, sha256: str) -> list[str]:
        """Delete a clip, its analyses and every file made of them; returns the ids of the analyses.

        All such files and folders begin with the clip's SHA-256 or an analysis's id, wherever in the home they lie.
        They go before the rows: when one cannot be deleted, the clip is still listed and can be removed again.

        Raises:
            NotFoundError: no such clip.
            CmhkfError: a file cannot be deleted.
        """
        self.clip(sha256)
        with Session(self._engine) as session:
            keys = list(session.scalars(select(AnalysisRow.id).where(AnalysisRow.clip_sha256 == sha256)))
            for path in list(self._home.rglob("*")):
                if path.name.startswith((sha256, *keys)):
                    _delete(path)
            session.execute(delete(AnalysisRow).where(AnalysisRow.clip_sha256 == sha256))
            session.execute(delete(ClipRow).where(ClipRow.sha256 == sha256))
            session.commit()
        return keys

    def _entry(self, row: ClipRow, made: AnalysisRow | None) -> Entry:
        clip, added = self._revive(row), (made or row).created.replace(tzinfo=timezone.utc)
        if made is None:
            return Entry(clip, added, clip.duration_s)
        return Entry(clip, added, made.duration_s, made.id, made.model_id, made.trained, made.peak)

    def _revive(self, row: ClipRow) -> Clip:
        clip = Clip.from_dict(json.loads(row.probed))
        return replace(clip, path=str(self.clips_dir / row.file))


def file_url(path: Path) -> str:
    """A file of the public folders, relative to the page so that a sub-path works."""
    return "gradio_api/file=" + quote(str(path))


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(tzinfo=None)  # naive UTC: SQLite keeps no zone


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
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.close()
