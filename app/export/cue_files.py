"""Marks for other programs: WebVTT chapters for players, a CMX3600 edit list for editors; none that is dismissed."""

import re
from fractions import Fraction

from app.export.reviewed import Reviewed, safe_stem
from app.review.marks import Mark
from cmhkf.caution import caution
from cmhkf.media.unseen import in_words
from cmhkf.timeline import edge_frame

HIGHEST_TIMECODE = 60  # frames per second that editors read in an edit list
SUBSTITUTE = 30
LINE_LENGTH = 200  # characters of a note in a comment line


def vtt_text(reviewed: Reviewed) -> str:
    """WebVTT chapters, one cue per mark."""
    analysis = reviewed.analysis
    about = (
        f"{analysis.clip.name}, SHA-256 {analysis.clip.sha256}\n"
        f"model {analysis.model_id} ({reviewed.trust}), threshold {reviewed.threshold:g}\n"
        f"{in_words(analysis.unseen_s)}\n{caution(analysis)}"
    )
    cues = [_cue(number, mark, reviewed) for number, mark in enumerate(reviewed.kept, 1)]
    note = "\n".join(_vtt_line(line) for line in about.split("\n") if line)
    return "\n\n".join(["WEBVTT", f"NOTE\n{note}", *cues]) + "\n"


def _cue(number: int, mark: Mark, reviewed: Reviewed) -> str:
    start_ms, end_ms = round(mark.start_s * 1000), round(mark.end_s * 1000)
    times = f"{_vtt_time(start_ms)} --> {_vtt_time(max(end_ms, start_ms + 1))}"
    lines = [_vtt_line(title(mark, reviewed)), *([_vtt_line(mark.note)] if mark.note.strip() else [])]
    return "\n".join([str(number), times, *lines])


def title(mark: Mark, reviewed: Reviewed) -> str:
    """A mark in a line: what, how decided, how high, and its classes over time where they change."""
    untrained = "" if reviewed.analysis.trained else "untrained "
    by_model = "no score" if mark.model_score is None else f"{untrained}score {mark.model_score:.2f}"
    scored = "added by hand" if mark.by_hand else by_model
    over_time = ", ".join(map(str, reviewed.class_runs(mark)))
    return f"{reviewed.name(mark)} ({mark.state}, {scored})" + (f": {over_time}" if over_time else "")


def _vtt_line(text: str) -> str:
    """One line that means itself: no markup, no arrow, and no empty line, which would end the cue."""
    plain = _one_line(text)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _vtt_time(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def edl_text(reviewed: Reviewed) -> str:
    """CMX3600, non-drop-frame: the marks one after the other on a record side that begins at 0."""
    clip = reviewed.analysis.clip
    rate, base, remark = timecode_base(clip.native_rate)
    is_own = rate == clip.native_rate
    reel = re.sub(r"[^A-Z0-9]", "", safe_stem(clip.name).upper())[:8] or "CLIP"
    lines = [f"TITLE: {_one_line(clip.name)[:70]}", "FCM: NON-DROP FRAME", f"* {remark}"]
    lines.append("* SOURCE TIMECODE 00:00:00:00 IS THE FIRST FRAME SHOWN.")
    lines.append(
        f"* MODEL {_one_line(reviewed.analysis.model_id)} ({reviewed.trust}), THRESHOLD {reviewed.threshold:g}"
    )
    lines += [f"* {_one_line(said)}" for said in in_words(reviewed.analysis.unseen_s).split("; ") if said]
    lines += [f"* {said}" for said in [caution(reviewed.analysis)] if said]
    recorded = 0
    for number, mark in enumerate(reviewed.kept, 1):
        start, end = (reviewed.frame(s) if is_own else edge_frame(s, rate) for s in (mark.start_s, mark.end_s))
        end = max(end, start + 1)
        codes = [_timecode(frame, base) for frame in (start, end, recorded, recorded + end - start)]
        channels = "B" if clip.has_audio else "V"
        lines += ["", f"{number:03d}  {reel:<8} {channels:<5} C        {' '.join(codes)}"]
        lines += [f"* FROM CLIP NAME: {_one_line(clip.name)}", f"* COMMENT: {_one_line(title(mark, reviewed))}"]
        if mark.note.strip():
            lines.append(f"* COMMENT: {_one_line(mark.note)[:LINE_LENGTH]}")
        recorded += end - start
    return "\r\n".join(lines) + "\r\n"


def timecode_base(native_rate: Fraction | None) -> tuple[Fraction, int, str]:
    """The rate at which frames are counted, the frames in a second of timecode, and a remark that says so."""
    base = round(native_rate) if native_rate else 0
    if not native_rate or not 1 <= base <= HIGHEST_TIMECODE:
        found = f"FRAME RATE: {float(native_rate):.3f} FPS" if native_rate else "THE FRAME RATE VARIES OR IS NOT STATED"
        return Fraction(SUBSTITUTE), SUBSTITUTE, f"{found}; TIMECODE HERE IS CLOCK TIME AT {SUBSTITUTE} FPS."
    remark = f"FRAME RATE: {base} FPS"
    if native_rate != base:
        remark = (
            f"FRAME RATE: {native_rate} = {float(native_rate):.3f} FPS, COUNTED AS {base} FRAMES TO A SECOND OF "
            "TIMECODE; FRAMES ARE RIGHT, TIMECODE IS NOT CLOCK TIME."
        )
    return native_rate, base, remark


def _timecode(frame: int, base: int) -> str:
    seconds, rest = divmod(frame, base)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
