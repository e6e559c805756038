"""Writes exports into a folder: files, pieces of the clip, and a zip with a manifest that `sha256sum -c` reads."""

from __future__ import annotations

import csv
import hashlib
import shutil
import zipfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from app.export.checks import ExportError, check_rows, check_text, check_zip, reopening
from app.export.cue_files import edl_text, vtt_text
from app.export.marks_file import csv_text, json_text, table_row
from app.export.reel import write_reel
from app.export.report import report_html
from app.export.reviewed import Reviewed, safe_stem
from app.export.shots import ReelChoice, shots_of
from app.review.marks import Mark
from cmhkf import MediaError
from cmhkf.figures.projection import Projection, projection_steps
from cmhkf.media.clip import Clip, cut_places, frame_times
from cmhkf.media.cutting import NOWHERE, Piece, cut_pieces, plan_piece
from cmhkf.media.written import Written, stills
from cmhkf.progress import Progress
from cmhkf.settings import picked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPERS = ("csv", "json", "vtt", "edl", "html")  # what a zip holds unless requested more
KINDS = (*PAPERS, "clips", "reel", "figures")
TEXTS = {"csv": csv_text, "json": json_text, "vtt": vtt_text, "edl": edl_text}
THUMBNAIL_PX = 320  # twice what is shown, for print
MANIFEST = "MANIFEST.sha256"
CLIPS_COLUMNS: tuple[str, ...] = ("file", "id", "label", "state", "start_s", "end_s", "cut_start_s", "cut_end_s", "how")

Writing = Generator[Progress, None, Path]  # yields progress; returns the one file that was written
T = TypeVar("T")


def write_export(
    reviewed: Reviewed, kinds: Sequence[str], folder: Path, *, zipped: bool = False, reel: ReelChoice | None = None
) -> Writing:
    """Write what was chosen into `folder` and return the one file: itself when it is one, else a zip.

    `reel` says what a reel is to show; without it, the confirmed segments.

    The clip must lie where `reviewed` says. Closing the iterator stops the work; what is unfinished is not in `folder`.

    Raises:
        ExportError: no such kind, nothing chosen, or nothing to cut.
        MediaError: the clip cannot be cut.
    """
    chosen = [kind for kind in KINDS if kind in kinds]
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise ExportError(f"there is no export {unknown[0]!r}; choose from {', '.join(KINDS)}")
    if not chosen:
        raise ExportError(f"nothing was chosen; choose from {', '.join(KINDS)}")
    stem, choice = safe_stem(reviewed.analysis.clip.name) + "-review", reel or ReelChoice()
    with TemporaryDirectory() as work:
        inside = Path(work)
        for kind in chosen:
            if kind == "reel":
                shots, n_dismissed = shots_of(reviewed, choice), reviewed.n_dismissed
                yield from write_reel(shots, choice, inside / f"{stem}-reel.mp4", n_dismissed=n_dismissed)
            else:
                yield from _write(kind, reviewed, stem, inside)
        return (yield from packed(inside, stem, folder, zipped=zipped))


def packed(inside: Path, stem: str, folder: Path, *, zipped: bool) -> Writing:
    """Move what lies `inside` into `folder`: the one file that it is, else a zip called `stem`; returns that file."""
    files = sorted(path for path in inside.rglob("*") if path.is_file())
    if len(files) == 1 and not zipped:
        return Path(shutil.move(files[0], folder / files[0].name))
    archive = inside / f"{stem}.zip"
    for n, _ in enumerate(_pack(files, inside, archive)):
        yield Progress("packing", n, len(files))
    return Path(shutil.move(archive, folder / archive.name))


def _write(kind: str, reviewed: Reviewed, stem: str, folder: Path) -> Generator[Progress]:
    if kind == "clips":
        yield from _write_clips(reviewed, folder / "clips")
    elif kind == "figures":
        yield from _write_figures(reviewed, folder / "figures")
    else:
        text = (yield from _report(reviewed)) if kind == "html" else TEXTS[kind](reviewed)
        # Excel takes a CSV for UTF-8 only when it begins with the mark.
        content = text.encode("utf-8-sig" if kind == "csv" else "utf-8", errors="replace")
        file = folder / f"{stem}.{kind}"
        file.write_bytes(content)
        check_text(kind, file, reviewed)


def _report(reviewed: Reviewed) -> Generator[Progress, None, str]:
    marks, jpegs = reviewed.marks, dict[str, bytes]()
    try:
        # In order of time, so that one pass over the clip finds all.
        wanted = sorted((_still_s(mark), mark.id) for mark in marks)
        found = stills(reviewed.analysis.clip, [at for at, _ in wanted], long_side_px=THUMBNAIL_PX)
        for n, ((_, key), jpeg) in enumerate(zip(wanted, found, strict=True)):
            yield Progress("pictures", n, len(marks))
            if jpeg:
                jpegs[key] = jpeg
    except MediaError:
        pass  # the report says of which segments there is none
    return report_html(reviewed, jpegs)


def _still_s(mark: Mark) -> float:
    inside = mark.peak_s is not None and mark.start_s <= mark.peak_s < mark.end_s
    return mark.peak_s if inside and mark.peak_s else (mark.start_s + mark.end_s) / 2


def _write_clips(reviewed: Reviewed, folder: Path) -> Generator[Progress]:
    """One mp4 for each mark that is not dismissed, and a table of how each was cut."""
    clip, marks = reviewed.analysis.clip, reviewed.kept
    if not marks:
        step = reopening(reviewed.n_dismissed) or "there is no segment; lower the threshold"
        raise ExportError(f"{step}, or leave the clips out")
    folder.mkdir()
    pieces = _pieces(reviewed, marks, _places(clip))
    names = [f"{n:03d}-{safe_stem(m.label)}-{m.start_s:.2f}s.mp4" for n, m in enumerate(marks, 1)]
    work = cut_pieces(clip, [(piece, folder / name) for piece, name in zip(pieces, names, strict=True)])
    written = yield from _steps("clips", work, pieces)
    table = folder / "clips.csv"
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, CLIPS_COLUMNS)
        writer.writeheader()
        for name, mark, piece, made in zip(names, marks, pieces, written, strict=True):
            cut = {"cut_start_s": piece.start_s, "cut_end_s": piece.end_s}
            told = picked(mark, "id", "label", "state", "start_s", "end_s")
            writer.writerow(table_row({"file": name, "how": _how(made)} | told | cut))
    check_rows(table, len(marks))


def _write_figures(reviewed: Reviewed, folder: Path) -> Generator[Progress]:
    """The figures of `python -m cmhkf figure`, as PDF, SVG and PNG. One at a time: matplotlib's settings are global."""
    # Matplotlib takes a second to import, and few exports hold figures.
    from cmhkf.figures.embeddings import Colour, embeddings
    from cmhkf.figures.lanes import saliency, similarity
    from cmhkf.figures.qualitative import qualitative
    from cmhkf.figures.style import SUFFIXES, save_figure

    analyses, truths = [reviewed.analysis], [reviewed.truth]
    projection: Projection | None = None
    for step in projection_steps(analyses):
        if isinstance(step, Projection):
            projection = step
        else:
            yield step
    assert projection
    placed = projection
    colours: tuple[Colour, ...] = ("class", "score") if reviewed.truth is None else ("class", "truth")
    kinds: dict[str, Callable[[], Figure]] = {
        "qualitative": lambda: qualitative(analyses, truths=truths),
        "embeddings": lambda: embeddings(analyses, placed, colours=colours, truths=truths),
        "similarity": lambda: similarity(analyses),
        "saliency": lambda: saliency(analyses),
    }
    for done, (kind, draw) in enumerate(kinds.items()):
        for suffix in SUFFIXES:
            yield Progress("drawing figures", done, len(kinds), kind + suffix)
            save_figure(draw(), folder / f"{kind}{suffix}")  # anew: saving lays a figure out for its form


def _pieces(reviewed: Reviewed, marks: Sequence[Mark], places: np.ndarray) -> list[Piece]:
    clip = reviewed.analysis.clip
    times_s = frame_times(clip)
    return [plan_piece(clip, mark.start_s, mark.end_s, places=places, times_s=times_s) for mark in marks]


def _steps(stage: str, work: Generator[float, None, T], pieces: Sequence[Piece]) -> Generator[Progress, None, T]:
    total_s = sum(piece.length_s for piece in pieces)
    while True:
        try:
            done_s = next(work)
        except StopIteration as end:
            return end.value
        except BaseException:
            work.close()
            raise
        yield Progress(stage, done_s, total_s)


def _how(written: Written) -> str:
    how = "copied, the bytes of the file" if written.is_copy else "re-encoded, exact to the frame"
    return how + (", without its sound, which cannot be decoded" if written.audio_fault else "")


def _places(clip: Clip):
    try:
        return cut_places(clip)
    except MediaError:  # a damaged file may still be decoded where it is whole
        return NOWHERE


def _pack(files: Sequence[Path], root: Path, packed: Path) -> Generator[Path]:
    lines = []
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            yield file
            name, digest = file.relative_to(root).as_posix(), hashlib.sha256()
            info = zipfile.ZipInfo.from_file(file, name)
            info.compress_type = zipfile.ZIP_STORED if file.suffix == ".mp4" else zipfile.ZIP_DEFLATED
            with file.open("rb") as source, archive.open(info, "w") as target:
                while block := source.read(1 << 20):
                    digest.update(block)
                    target.write(block)
            lines.append(f"{digest.hexdigest()}  {name}\n")
        archive.writestr(MANIFEST, "".join(lines))
    check_zip(packed, MANIFEST)
