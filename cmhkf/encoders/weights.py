"""Published weight files: found on this machine or fetched, and never used without knowing their SHA-256.

A file named by the user may hold any weights (a fine-tuned CLIP): its hash is recorded in the recipe, and where it is
not the published one that is said. A file from a cache or a download must be the published one.
"""

import contextlib
import hashlib
import http.client
import json
import logging
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from cmhkf.errors import WeightsError
from cmhkf.files import replacing, sha256_of
from cmhkf.home import data_home, user_cache

BLOCK = 1 << 20
PROBE_S = 2.0  # how long to knock at a server before calling this machine offline
STALL_S = 20.0  # how long a download may stand still

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightFile:
    """One published file, and where other programs keep it."""

    name: str
    sha256: str
    size_bytes: int | None
    url: str
    places: tuple[Path, ...] = ()

    @property
    def own_place(self) -> Path:
        """Where a download is kept."""
        return data_home() / "weights" / self.name


@dataclass(frozen=True)
class Wanted:
    """What an encoder needs: any one of `files`, the first of which is the one to fetch."""

    title: str
    setting: str  # environment variable that may name a file
    files: tuple[WeightFile, ...]
    formats: str  # what a file named by the user may be, in words


@dataclass(frozen=True)
class Found:
    """A file that has been looked at: it is not a web page or a stub, and this is its hash."""

    path: Path
    sha256: str
    published: bool = True  # whether that is the hash of a published file

    def __str__(self) -> str:
        return f"{self.path} (SHA-256 {self.sha256[:12]}...{'' if self.published else ', not the published file'})"


def find(wanted: Wanted, path: str | Path | None = None) -> Found:
    """Look at `path`, else at the environment variable, else in the caches. Nothing is downloaded.

    Raises:
        WeightsError: no file; or the one found is a web page, a stub, of another size or of another hash.
    """
    named = path or os.environ.get(wanted.setting)
    if named:
        return _named(Path(named).expanduser(), wanted, "the setting" if path else wanted.setting)
    for file in wanted.files:
        for place in (file.own_place, *file.places):
            if place.is_file():
                return Found(place, check(place, file))
    raise WeightsError(_not_here(wanted))


def find_or_fetch(wanted: Wanted, path: str | Path | None = None) -> Found:
    """`find`, then a download of the first file where nothing is named or cached.

    Progress goes to a bar on stderr. HF_HUB_OFFLINE and proxies are respected.

    Raises:
        WeightsError: as `find`; or the server cannot be reached (within about 2 s) or sends something else.
    """
    if path or os.environ.get(wanted.setting) or any(_present(file) for file in wanted.files):
        return find(wanted, path)
    file = wanted.files[0]
    if reason := offline_reason(file.url):
        raise WeightsError(_not_here(wanted, reason))
    try:
        return fetch(file)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(_not_here(wanted, f"the download failed: {error}")) from error


def fetch(file: WeightFile) -> Found:
    """Download a file to its own place; it appears there only once its size and hash are right.

    Raises:
        WeightsError: the server sent something else. OSError, HTTPException: the transfer failed.
    """
    from tqdm import tqdm

    target = file.own_place
    with replacing(target) as part:
        with urllib.request.urlopen(file.url, timeout=STALL_S) as response, part.open("wb") as out:
            total = int(response.headers.get("Content-Length") or 0) or file.size_bytes
            with tqdm(desc=file.name, total=total, unit="B", unit_scale=True) as bar:
                while block := response.read(BLOCK):
                    out.write(block)
                    bar.update(len(block))
        sha256 = check(part, file, shown=f"what {file.url} sent")
    _remember(target, sha256)
    return Found(target, sha256)


def check(path: Path, file: WeightFile, *, shown: str = "") -> str:
    """The SHA-256 of a file that must be the published one.

    Raises:
        WeightsError: it is a web page, a stub, of another size, or of another hash. `shown` names it in the message.
    """
    shown = shown or str(path)
    _refuse_text(path, shown)
    size = path.stat().st_size
    if file.size_bytes and size != file.size_bytes:
        what = "it was cut short" if size < file.size_bytes else "it is another file"
        raise WeightsError(
            f"{shown} has {size:,} bytes where {file.name} has {file.size_bytes:,}: {what}\nDelete it and try again."
        )
    sha256 = remembered_sha256(path)
    if sha256 != file.sha256:
        raise WeightsError(
            f"{shown} has the SHA-256 {sha256}, where {file.name} has {file.sha256}: it is damaged or another file\n"
            "Delete it and try again."
        )
    return sha256


def remembered_sha256(path: Path) -> str:
    """A file's SHA-256, remembered in the data home for as long as the file's size and time stay the same."""
    stamp, state = _stamp(path)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        saved = json.loads(stamp.read_text("utf-8"))
        if saved["state"] == state:
            return saved["sha256"]
    sha256 = sha256_of(path)
    _remember(path, sha256)
    return sha256


def _remember(path: Path, sha256: str) -> None:
    stamp, state = _stamp(path)
    with contextlib.suppress(OSError):  # a data home that cannot be written costs a second hashing, nothing more
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(json.dumps({"path": str(path), "state": state, "sha256": sha256}), "utf-8")


def _stamp(path: Path) -> tuple[Path, list[int]]:
    """Where a file's hash is remembered, and what must be unchanged for it to hold."""
    stat = path.stat()
    key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    return data_home() / "verified" / f"{key}.json", [stat.st_size, stat.st_mtime_ns]


def _named(path: Path, wanted: Wanted, source: str) -> Found:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise WeightsError(
            f"{wanted.title}: {source} names {path}: {what}\nName a file ({wanted.formats}), or unset {wanted.setting}."
        )
    _refuse_text(path, str(path))
    sha256 = remembered_sha256(path)
    found = Found(path, sha256, published=sha256 in {file.sha256 for file in wanted.files})
    if not found.published:
        log.warning("%s: %s", wanted.title, found)
    return found


def _refuse_text(path: Path, shown: str) -> None:
    """Refuse what commonly lies about under the name of a weight file."""
    with path.open("rb") as file:
        head = file.read(512).lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise WeightsError(
            f"{shown} is a web page, not weights: a login or error page was saved in their place\n"
            "Delete it and download the file itself."
        )
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(f"{shown} is a Git LFS pointer, not weights\nRun `git lfs pull` where it came from.")
    if not head:
        raise WeightsError(f"{shown} is empty\nDelete it and try again.")


def _present(file: WeightFile) -> bool:
    return any(place.is_file() for place in (file.own_place, *file.places))


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        """A redirection is answer enough."""


def offline_reason(url: str) -> str:
    """Why there is no point in downloading, or nothing. Takes at most about 2 s, even where name servers are silent."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return "HF_HUB_OFFLINE is set"
    host = urllib.parse.urlsplit(url).hostname
    answers: list[str] = []

    def knock() -> None:
        question = urllib.request.Request(url, method="HEAD")
        try:
            urllib.request.build_opener(_StayHere).open(question, timeout=PROBE_S).close()
            answers.append("")
        except urllib.error.HTTPError:  # it answers: the download will say what is wrong
            answers.append("")
        except (OSError, http.client.HTTPException) as error:
            answers.append(f"{host} cannot be reached: {getattr(error, 'reason', error)}")

    thread = threading.Thread(target=knock, daemon=True)  # looking up a name has no time limit of its own
    thread.start()
    thread.join(PROBE_S)
    return answers[0] if answers else f"{host} did not answer within {PROBE_S:g} s"


def _not_here(wanted: Wanted, reason: str = "") -> str:
    """What was looked for, where, its size and hash, and three ways to get it."""
    lines = [f"{wanted.title}: the weights are not on this machine" + (f", and {reason}" if reason else "")]
    lines.append(f"Looked for: a file named by {wanted.setting}, which is not set")
    for file in wanted.files:
        size = f"{file.size_bytes:,} bytes, " if file.size_bytes else ""
        lines.append(f"  {file.name} ({size}SHA-256 {file.sha256}) at")
        lines += [f"    {place}" for place in (file.own_place, *file.places)]
    first = wanted.files[0]
    lines += [
        "Any of these helps:",
        f"  1. connect this machine to the network and try again: it downloads {first.url}",
        f"  2. download that address on another machine and copy the file to {first.own_place}",
        f"  3. set {wanted.setting} to a copy you have ({wanted.formats})",
    ]
    return "\n".join(lines)


def hub_snapshot(repo: str, revision: str) -> Path:
    """The folder in the Hugging Face cache that holds one revision of a repository."""
    home = os.environ.get("HF_HOME") or user_cache() / "huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    return cache / f"models--{repo.replace('/', '--')}" / "snapshots" / revision


def hub_url(repo: str, revision: str, name: str) -> str:
    """Address of a file of one revision of a Hub repository; HF_ENDPOINT may name a mirror."""
    return f"{os.environ.get('HF_ENDPOINT') or 'https://huggingface.co'}/{repo}/resolve/{revision}/{name}"
