"""The reel: segments of one clip or of many as one annotated mp4, and a table that says where each of them is in it.

The footage of each is first written anew by `cmhkf.media`, which reads every file that an analysis can read: upright,
from its first shown frame on, at a constant rate. A segment whose footage cannot be read is left out and named.
"""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from app.export.captions import Layout, layout_of, title_card
from app.export.checks import ExportError, check_rows, reopening
from app.export.marks_file import table_row
from app.export.shots import TITLE_S, ReelChoice, Shot, Shown, limited
from cmhkf.errors import MediaError
from cmhkf.media.written import Written, checked, write_mp4s
from cmhkf.progress import Progress
from cmhkf.settings import picked

if TYPE_CHECKING:
    from app.export.film import Film

CRF = 14  # of the footage, which is encoded once more
COLUMNS: tuple[str, ...] = (
    "n",
    "reel_start_s",
    "reel_end_s",
    "clip",
    "clip_sha256",
    "start_s",
    "end_s",
    "shown_start_s",
    "shown_end_s",
)
COLUMNS += ("model_label", "model_score", "model_id", "trained", "threshold", "state", "label", "reviewer", "remark")


def write_reel(
    shots: Iterable[Shot],
    choice: ReelChoice,
    file: Path,
    *,
    faults: Sequence[tuple[str, str]] = (),
    n_dismissed: int = 0,
) -> Generator[Progress]:
    """Write the mp4 `file`, and beside it the table of the same name.

    `faults` are clips that could not be looked into, and why: the table names them too. `n_dismissed` segments are
    not shown because they are dismissed.

    Closing the iterator stops the work; what is unfinished goes with the folder that it is in.

    Raises:
        ExportError: there is no segment to show.
        MediaError: the footage of none of them can be read, or the reel cannot be written.
    """
    kept, left_out = limited(shots, choice)
    if not kept:
        raise ExportError(_nothing(choice, n_dismissed) + "".join(f". {name}: {why}" for name, why in faults))
    try:
        from app.export.film import Film  # moviepy takes a moment to import, and looks for ffmpeg
    except RuntimeError as error:
        raise MediaError(f"a reel needs ffmpeg: {error}") from error
    layout, with_audio = layout_of([shot.clip for shot in kept]), any(shot.clip.has_audio for shot in kept)
    shown = [Shown(shot) for shot in kept]
    with TemporaryDirectory() as work, closing(Film(Path(work), layout, with_audio=with_audio)) as film:
        yield from _film(film, shown, choice, layout, Path(work))
        film_s = film.n_frames / layout.rate
        for _ in film.finish(file):
            yield Progress("reel", film.n_written / layout.rate, film_s)
    for step in checked(file, Written(film.n_frames, film_s, with_audio), film_s):
        if not isinstance(step, Written):
            yield Progress("checking the reel", step, film_s)
    over = f"left out: a reel of {choice.most_s:g} s has no room for it, and the others score higher"
    _write_table(file.with_suffix(".csv"), [*shown, *(Shown(shot, remark=over) for shot in left_out)], faults)


def _nothing(choice: ReelChoice, n_dismissed: int) -> str:
    if choice.which == "confirmed":
        return "no segment is confirmed, so there is no reel; confirm one, or choose other segments"
    step = reopening(n_dismissed) or "there is no segment to show; lower the threshold"
    return f"{step}, or make a reel of a whole clip"


def _film(film: Film, shown: Sequence[Shown], choice: ReelChoice, layout: Layout, work: Path) -> Iterator[Progress]:
    """Put the shots on the film, each behind its title card. Raises MediaError when none can be."""
    title_s = TITLE_S if choice.titles else 0.0
    total_s = min(choice.most_s, sum(title_s + one.shot.length_s for one in shown))
    for number, one in enumerate(shown, 1):
        said, file = f"{number} of {len(shown)}", work / f"{number}.mp4"
        n_frames = max(1, int(min(one.shot.length_s, choice.most_s - title_s) * layout.rate + 1e-6))
        try:
            for _ in _cut(one, file, n_frames, layout):
                yield Progress("cutting", film.n_written / layout.rate, total_s, said)
        except MediaError as error:
            one.remark = f"left out: {error}"
            continue
        added = []
        if choice.titles:
            added.append(film.add_card(title_card(one.shot, layout.size, number, len(shown)), title_s))
        added.append(film.add_footage(file, one.shot, n_frames))
        begins_s = list[float]()
        for adding in added:
            for _ in adding:
                yield Progress("reel", film.n_written / layout.rate, total_s, said)
            begins_s.append(film.begins / layout.rate)
        one.start_s, one.end_s = begins_s[0], film.n_frames / layout.rate
    if not film.n_frames:
        raise MediaError(f"no segment could be shown: {shown[0].remark}")


def _cut(one: Shown, file: Path, n_frames: int, layout: Layout) -> Iterator[float]:
    """Write the footage of a shot. Raises MediaError."""
    shot = one.shot
    one.until_s = shot.start_s + n_frames / layout.rate
    spans = [(shot.start_s, one.until_s)]
    side_px = max(layout.picture(shot.clip))
    (written,) = yield from write_mp4s(
        shot.clip,
        [(file, spans)],
        crf=CRF,
        long_side_px=side_px,
        constant_rate=layout.rate,
        clock_file=file.with_name(f"{shot.clip.sha256}.npz"),  # of a long clip it takes a while to find
    )
    if written.audio_fault:
        one.remark = f"without its audio: {written.audio_fault}"


def _write_table(table: Path, shown: Sequence[Shown], faults: Sequence[tuple[str, str]]) -> None:
    """One row for each shot, with times in the reel and in the clip; empty where it is not in the reel."""
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        rows = [{"n": number} | _times(one) | _said(one) for number, one in enumerate(shown, 1)]
        for row in [*rows, *({"clip": name, "remark": f"left out: {why}"} for name, why in faults)]:
            writer.writerow(table_row(row))
    check_rows(table, len(shown) + len(faults))


def _times(one: Shown) -> dict[str, float | None]:
    shot, is_shown = one.shot, one.start_s is not None
    start_s, end_s = (shot.about.start_s, shot.about.end_s) if shot.about else (shot.start_s, shot.end_s)
    return {
        "reel_start_s": one.start_s,
        "reel_end_s": one.end_s,
        "start_s": start_s,
        "end_s": end_s,
        "shown_start_s": shot.start_s if is_shown else None,
        "shown_end_s": one.until_s if is_shown else None,
    }


def _said(one: Shown) -> dict[str, str | float | None]:
    shot, mark = one.shot, one.shot.about
    segment = picked(mark, "model_label", "model_score", "state", "label", "reviewer") if mark else {}
    return segment | {
        "clip": shot.clip.name,
        "clip_sha256": shot.clip.sha256,
        "model_id": shot.model_id,
        "trained": str(shot.trained).lower(),
        "threshold": shot.threshold,
        "remark": one.remark,
    }
