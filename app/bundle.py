"""Writes exports into a folder: files, pieces of the clip, and a zip with a manifest that `sha256sum -c` reads."""

from __future__ import annotations

import csv
import hashlib
import shutil
import zipfile
from collections.abc import Generator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from app.cue_files import edl_text, vtt_text
from app.desk import Step
from app.marks_file import csv_text, guarded_cell, json_text
from app.print_figures import write_figures
from app.report import report_html
from app.reviewed import Reviewed, safe_stem
from cmhkf import CmhkfError, MediaError
from cmhkf.cutting import NOWHERE, cut_piece, join_pieces, plan_piece, save_picture
from cmhkf.media import Clip, cut_places

PAPERS = ("csv", "json", "vtt", "edl", "html")  # what a zip holds unless asked for more
KINDS = (*PAPERS, "clips", "reel", "figures")
TEXTS = {"csv": csv_text, "json": json_text, "vtt": vtt_text, "edl": edl_text}
THUMBNAIL_PX = 320  # twice what is shown, for print
MANIFEST = "MANIFEST.sha256"

Work = Generator[Step, None, Path]


class ExportError(CmhkfError):
    """An export that cannot be made: the message says what to choose instead."""


def write_export(reviewed: Reviewed, kinds: Sequence[str], folder: Path, *, zipped: bool = False) -> Work:
    """Write what was chosen into `folder` and return the one file: itself when it is one, else a zip.

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
    stem = safe_stem(reviewed.analysis.clip.name) + "-review"
    with TemporaryDirectory(dir=folder, prefix=".work-") as work:
        inside = Path(work)
        for kind in chosen:
            yield from _write(kind, reviewed, stem, inside)
        files = sorted(path for path in inside.rglob("*") if path.is_file())
        if len(files) == 1 and not zipped:
            return Path(shutil.move(files[0], folder / files[0].name))
        packed = inside / f"{stem}.zip"
        for n, _ in enumerate(_pack(files, inside, packed)):
            yield Step("packing", n, len(files))
        return Path(shutil.move(packed, folder / packed.name))


def _write(kind: str, reviewed: Reviewed, stem: str, folder: Path) -> Generator[Step]:
    if kind == "clips":
        yield from _write_clips(reviewed, folder / "clips")
    elif kind == "reel":
        yield from _write_reel(reviewed, folder / f"{stem}-reel.mp4")
    elif kind == "figures":
        yield from write_figures(reviewed, folder / "figures")
    else:
        text = (yield from _report(reviewed)) if kind == "html" else TEXTS[kind](reviewed)
        # Excel takes a CSV for UTF-8 only when it begins with the mark.
        content = text.encode("utf-8-sig" if kind == "csv" else "utf-8", errors="replace")
        (folder / f"{stem}.{kind}").write_bytes(content)


def _report(reviewed: Reviewed) -> Generator[Step, None, str]:
    pictures: dict[str, bytes] = {}
    with TemporaryDirectory(prefix="pictures-") as folder:
        for n, mark in enumerate(reviewed.marks):
            yield Step("pictures", n, len(reviewed.marks))
            file = Path(folder) / f"{n}.jpg"
            inside = mark.peak_s is not None and mark.start_s <= mark.peak_s < mark.end_s
            time_s = mark.peak_s if inside and mark.peak_s else (mark.start_s + mark.end_s) / 2
            try:
                save_picture(reviewed.analysis.clip, time_s, file, long_side_px=THUMBNAIL_PX)
            except MediaError:
                continue  # the report says that there is none
            pictures[mark.id] = file.read_bytes()
    return report_html(reviewed, pictures)


def _write_clips(reviewed: Reviewed, folder: Path) -> Generator[Step]:
    """One mp4 for each mark that is not dismissed, and a table of how each was cut."""
    clip, marks = reviewed.analysis.clip, reviewed.kept
    if not marks:
        raise ExportError("there is no segment to cut; lower the threshold, or leave the clips out")
    folder.mkdir()
    places = _places(clip)
    rows, done, total = [], 0.0, sum(mark.end_s - mark.start_s for mark in marks)
    for number, mark in enumerate(marks, 1):
        piece = plan_piece(clip, mark.start_s, mark.end_s, places=places)
        file = folder / f"{number:03d}-{safe_stem(mark.label)}-{mark.start_s:.2f}s.mp4"
        for seconds in cut_piece(clip, piece, file):
            yield Step("clips", done + seconds, total, f"{number} of {len(marks)}")
        done += piece.length_s
        how = "re-encoded, exact to the frame" if piece.key_s is None else "copied, the bytes of the file"
        text = [guarded_cell(cell) for cell in (file.name, mark.id, mark.label, mark.state)]
        rows.append([*text, mark.start_s, mark.end_s, piece.start_s, piece.start_s + piece.length_s, how])
    with (folder / "clips.csv").open("w", encoding="utf-8-sig", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["file", "id", "label", "state", "start_s", "end_s", "cut_start_s", "cut_end_s", "how"])
        writer.writerows(rows)


def _write_reel(reviewed: Reviewed, file: Path) -> Generator[Step]:
    """The confirmed marks, one after the other."""
    clip = reviewed.analysis.clip
    confirmed = [mark for mark in reviewed.marks if mark.state == "confirmed"]
    if not confirmed:
        raise ExportError("no segment is confirmed, so there is no reel; confirm one, or leave the reel out")
    pieces = [plan_piece(clip, mark.start_s, mark.end_s, places=NOWHERE) for mark in confirmed]
    for seconds in join_pieces(clip, pieces, file):
        yield Step("reel", seconds, sum(piece.length_s for piece in pieces))


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
