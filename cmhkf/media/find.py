"""Which videos are meant by the files, folders, patterns, URLs and lists that a person names."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath, PurePosixPath

from cmhkf.errors import ConfigError
from cmhkf.files import read_text
from cmhkf.media.clip import VIDEO_SUFFIXES
from cmhkf.media.remote import files_below, is_url, name_of

LeftOut = Callable[[Path | str, Sequence[PurePath]], None]
"""Told of each folder which files in it do not end like a video."""


def find_videos(arguments: Sequence[str], on_left_out: LeftOut | None = None) -> list[Path]:
    """Files, folders (searched for video suffixes) and glob patterns, in a stable order without repeats.

    Raises:
        ConfigError: an argument that names nothing.
    """
    found: dict[Path, None] = {}
    for argument in arguments:
        path = Path(argument).expanduser()
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            hits = [p for p in files if p.suffix.lower() in VIDEO_SUFFIXES]
            if on_left_out and len(hits) < len(files):
                on_left_out(path, [p for p in files if p.suffix.lower() not in VIDEO_SUFFIXES])
        elif path.is_file():
            hits = [path]
        else:
            anchor = Path(path.anchor) if path.is_absolute() else Path()
            hits = sorted(p for p in anchor.glob(str(path.relative_to(path.anchor))) if p.is_file())
        if not hits:
            raise ConfigError(f"{argument}: no such file, no folder with videos in it, and no pattern that fits any")
        found |= dict.fromkeys(hits)
    return list(found)


def find_sources(arguments: Sequence[str], on_left_out: LeftOut | None = None) -> list[Path | str]:
    """The same, where an argument may also be a URL (`s3://bucket/folder`), or a text file that lists such arguments.

    A list has one on each line; lines that begin with # are left out. What a line names need not be there: it is
    returned as it is, so that one that is missing fails by itself.

    Raises:
        ConfigError: an argument that names nothing, a list that cannot be read, or a URL that cannot be listed.
    """
    found: dict[Path | str, None] = {}
    for argument in arguments:
        path = Path(argument).expanduser()
        if is_url(argument):
            found |= dict.fromkeys(_behind(argument, on_left_out))
        elif path.suffix.lower() == ".txt" and path.is_file():
            for line in _lines(path):
                found |= dict.fromkeys(_listed(line, on_left_out))
        else:
            found |= dict.fromkeys(find_videos([argument], on_left_out))
    if not found:
        raise ConfigError(f"{', '.join(arguments)}: no video is named there")
    return list(found)


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in read_text(path).splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the list {path} cannot be read ({error}); write one video on each line, as UTF-8") from None
    return [line for line in lines if line and not line.startswith("#")]


def _listed(line: str, on_left_out: LeftOut | None) -> list[Path | str]:
    if is_url(line):
        return _behind(line, on_left_out)
    try:
        return [*find_videos([line], on_left_out)]
    except ConfigError:
        return [Path(line).expanduser()]


def _behind(url: str, on_left_out: LeftOut | None) -> list[Path | str]:
    """A URL that ends like a video is one, without a look at what is there."""
    if "*" not in url and _ends_like_a_video(url):
        return [url]
    files = files_below(url)
    hits = [file for file in files if "*" in url or _ends_like_a_video(file)]
    if on_left_out and len(hits) < len(files):
        on_left_out(url, [PurePosixPath(name_of(file)) for file in files if file not in hits])
    if not hits:
        raise ConfigError(f"{url}: no name of a video, no folder with videos in it, and no pattern that fits any")
    return [*hits]


def _ends_like_a_video(url: str) -> bool:
    return PurePosixPath(name_of(url)).suffix.lower() in VIDEO_SUFFIXES
