"""Settings of the page, from flags and CMHKF_* environment variables (a flag wins), checked before anything slow."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cmhkf.errors import ConfigError
from cmhkf.features.cache import DEFAULT_GB
from cmhkf.home import data_home
from cmhkf.numbers import MOST, number, whole
from cmhkf.presets import PRESETS

HOST = re.compile(r"\*|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]+)?")
ORIGIN = re.compile(r"https?://[A-Za-z0-9.*_-]+(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Settings:
    """What a person may choose when starting the page."""

    host: str = "127.0.0.1"
    port: int = 7860
    preset: str = "demo"  # a preset's name, a checkpoint file, or "hf:owner/repo"
    device: str = "auto"  # where models run: auto, cpu, cuda or cuda:N
    home: Path = Path()  # folder for the database, the clips and the analyses
    database_url: str = ""  # an SQLAlchemy URL; empty: an SQLite file in `home`
    max_upload_mb: int = 2048
    root_path: str = ""  # the sub-path under which a proxy serves the page
    auth: tuple[str, str] | None = None  # user name and password of the login
    keep_days: int = 0  # days after which a clip and all that was made of it is deleted; 0 keeps everything
    cache_gb: float = DEFAULT_GB  # what the cache of features may hold, 10^9 bytes each
    # Names, each with or without a port, that requests may come to, beside this machine's own; `*`: any. Empty: this
    # machine's own alone where `host` is one of them, else any.
    allowed_hosts: tuple[str, ...] = ()
    frame_ancestors: tuple[str, ...] = ()  # origins whose pages may show this one in a frame

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}; it must lie between 1 and 65535")
        if self.max_upload_mb < 1:
            raise ConfigError(f"max upload is {self.max_upload_mb} MB; it must be 1 or more")
        if self.keep_days < 0:
            raise ConfigError(f"keep days is {self.keep_days}; it must be 0 (for ever) or more")
        for host in self.allowed_hosts:
            if not HOST.fullmatch(host):
                raise ConfigError(f"allowed host {host!r} is no name, such as review.example or 10.0.0.5:7860, nor *")
        for origin in self.frame_ancestors:
            if not ORIGIN.fullmatch(origin):
                raise ConfigError(f"frame ancestor {origin!r} is no origin, such as https://huggingface.co")
        self._check_model()
        if self.home.exists() and not self.home.is_dir():
            raise ConfigError(f"home {str(self.home)!r} is a file; name a folder with --home or CMHKF_HOME")

    def _check_model(self) -> None:
        if not DEVICE.fullmatch(self.device):
            raise ConfigError(f"device is {self.device!r}; choose auto, cpu, cuda or cuda:N")
        if not (self.preset in PRESETS or self.preset.startswith("hf:") or Path(self.preset).is_file()):
            raise ConfigError(
                f"preset {self.preset!r} is neither a preset ({', '.join(PRESETS)}), a checkpoint file that exists, "
                "nor hf:owner/repo"
            )

    @property
    def store_url(self) -> str:
        """Where the database is."""
        return self.database_url or f"sqlite:///{self.home / 'review.sqlite3'}"


def parse_settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Read flags, then environment, then defaults. A bad value ends the program with exit code 2 and a message."""
    parser = _parser(environ)
    given = vars(parser.parse_args(argv))
    try:
        for name in ("port", "max_upload", "keep_days"):
            given[name] = _whole(given[name], name.replace("_", " "))
        given["cache_gb"] = number(given["cache_gb"], "cache gb", error=ConfigError)
        for name in ("allowed_hosts", "frame_ancestors"):
            given[name] = _listed(given[name])
        home, auth = Path(given.pop("home")).expanduser().resolve(), _auth(environ.get("CMHKF_AUTH", ""))
        return Settings(home=home, auth=auth, max_upload_mb=given.pop("max_upload"), **given)
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
    flag("device", Settings.device, "where models run: auto, cpu, cuda or cuda:N")
    flag("home", data_home(), "folder for the database, clips and analyses")
    parser.add_argument(
        "--database-url",
        default=environ.get("CMHKF_DATABASE_URL", ""),
        help="SQLAlchemy URL of the database (default: an SQLite file in the home folder)",
    )
    flag("max-upload", Settings.max_upload_mb, "largest upload in MB")
    flag("root-path", "", "sub-path under which a proxy serves the page, such as /review")
    kept = 1 if environ.get("SPACE_ID") else Settings.keep_days  # strangers share a Hugging Face Space
    flag("keep-days", kept, "days after which clips and the decisions on them are deleted; 0 keeps them")
    flag("cache-gb", f"{Settings.cache_gb:g}", "GB of features that are kept; beyond it, those not used for longest go")
    flag("allowed-hosts", environ.get("SPACE_HOST", ""), "names that browsers may use for this server; * for any")
    framed = "https://huggingface.co" if environ.get("SPACE_ID") else ""
    flag("frame-ancestors", framed, "origins whose pages may show this one in a frame, with commas")
    return parser


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def _whole(text: str, name: str) -> int:
    return whole(text, name, least=-int(MOST), error=ConfigError)  # the settings say what is too small


def _auth(text: str) -> tuple[str, str] | None:
    user, _, password = text.partition(":")
    if text and not (user and password):
        raise ConfigError("CMHKF_AUTH must be user:password, both not empty")
    return (user, password) if text else None
