"""Settings of the page, from flags and CMHKF_* environment variables (a flag wins), checked before anything slow."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cmhkf.config import PRESETS
from cmhkf.errors import ConfigError
from cmhkf.home import data_home


@dataclass(frozen=True)
class Settings:
    """What a person may choose when starting the page."""

    host: str = "127.0.0.1"
    port: int = 7860
    preset: str = "demo"
    """A preset's name, a checkpoint file, or "hf:owner/repo"."""
    home: Path = Path()
    """Folder for the database, the clips and the analyses."""
    database_url: str = ""
    """An SQLAlchemy URL; empty: an SQLite file in `home`."""
    max_upload_mb: int = 2048
    root_path: str = ""
    """The sub-path under which a proxy serves the page."""
    auth: tuple[str, str] | None = None
    """User name and password asked for at the door."""
    keep_days: int = 0
    """Days after which a clip and all that was made of it is deleted; 0 keeps everything."""

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}; it must lie between 1 and 65535")
        if self.max_upload_mb < 1:
            raise ConfigError(f"max upload is {self.max_upload_mb} MB; it must be 1 or more")
        if self.keep_days < 0:
            raise ConfigError(f"keep days is {self.keep_days}; it must be 0 (for ever) or more")
        if not (self.preset in PRESETS or self.preset.startswith("hf:") or Path(self.preset).is_file()):
            raise ConfigError(
                f"preset {self.preset!r} is neither a preset ({', '.join(PRESETS)}), a checkpoint file that exists, "
                "nor hf:owner/repo"
            )
        if self.home.exists() and not self.home.is_dir():
            raise ConfigError(f"home {str(self.home)!r} is a file; name a folder with --home or CMHKF_HOME")

    @property
    def store_url(self) -> str:
        """Where the database is."""
        return self.database_url or f"sqlite:///{self.home / 'review.sqlite3'}"


def parse_settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Read flags, then environment, then defaults. A bad value ends the program with exit code 2 and a message."""
    parser = _parser(environ)
    options = parser.parse_args(argv)
    try:
        return Settings(
            host=options.host,
            port=_whole(options.port, "port"),
            preset=options.preset,
            home=Path(options.home).expanduser().resolve(),
            database_url=options.database_url,
            max_upload_mb=_whole(options.max_upload, "max upload"),
            root_path=options.root_path,
            auth=_auth(environ.get("CMHKF_AUTH", "")),
            keep_days=_whole(options.keep_days, "keep days"),
        )
    except ConfigError as error:
        parser.error(str(error))


def refuse(message: str) -> NoReturn:
    """End the program as a bad setting does: the message on stderr, exit code 2."""
    _parser(os.environ).error(message)


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="app.py",
        description="CMHKF Review: put a video in, see when something anomalous happens and why the model thinks so.",
        epilog="Every flag has an environment variable CMHKF_<FLAG>. CMHKF_AUTH=user:password asks for both.",
    )

    def flag(name: str, default: object, help_: str) -> None:
        value = environ.get("CMHKF_" + name.upper().replace("-", "_")) or str(default)
        parser.add_argument(f"--{name}", default=value, help=f"{help_} (now: {value or 'none'})".replace("%", "%%"))

    flag("host", environ.get("GRADIO_SERVER_NAME") or Settings.host, "address to listen on; 0.0.0.0 for every one")
    flag("port", Settings.port, "port to listen on")
    flag("preset", Settings.preset, f"{', '.join(PRESETS)}, a checkpoint file, or hf:owner/repo")
    flag("home", data_home(), "folder for the database, clips and analyses")
    parser.add_argument(
        "--database-url",
        default=environ.get("CMHKF_DATABASE_URL", ""),
        help="SQLAlchemy URL of the database (default: an SQLite file in the home folder)",
    )
    flag("max-upload", Settings.max_upload_mb, "largest upload in MB")
    flag("root-path", "", "sub-path under which a proxy serves the page, such as /review")
    kept = 1 if environ.get("SPACE_ID") else Settings.keep_days  # strangers share a Hugging Face Space
    flag("keep-days", kept, "days after which clips and their analyses are deleted; 0 keeps them")
    return parser


def _whole(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name} is {text!r}; it must be a whole number") from None


def _auth(text: str) -> tuple[str, str] | None:
    user, _, password = text.partition(":")
    if text and not (user and password):
        raise ConfigError("CMHKF_AUTH must be user:password, both not empty")
    return (user, password) if text else None
