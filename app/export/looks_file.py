"""Blind looks as the JSON export holds them, and back without loss. `docs/export.md` describes every field."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any, get_args

from app.clips.workspace import Cut
from app.export.reviewed import LookedAt
from app.review.looks import LEAST_S, MOST_N, MOST_S, Answer, Judged, Look, Part, Told, Window, pool
from app.review.marks import ReviewError
from app.review.rules import checked_label
from cmhkf import Analysis
from cmhkf.errors import DataError
from cmhkf.numbers import number, short_text, shown, whole
from cmhkf.settings import picked

MOST_LOOKS, MOST_PIECES, MOST_ANSWERS = 100, 100_000, 100_000
TEXT_LENGTH = 255
FileLook = tuple[Look, tuple[Answer, ...]]


def looks_json(looks: Iterable[LookedAt]) -> list[dict[str, Any]]:
    """What each look found; of one at this clip alone also all that it takes to go on with it."""
    return [_found(each) | (_drawn(each.judged) if each.judged.look.clip else {}) for each in looks]


def _found(looked: LookedAt) -> dict[str, Any]:
    judged, look = looked.judged, looked.judged.look
    estimate = judged.estimate
    return {
        "id": look.id,
        "of": "this clip" if look.clip else "all clips",
        **picked(look, "reviewer", "drawn", "model_id", "window_s", "seed"),
        "cut": asdict(look.cut),
        "estimate": estimate and asdict(estimate),
        "said": [*judged.said, *filter(None, [looked.other])],
    }


def _drawn(judged: Judged) -> dict[str, Any]:
    (part,) = judged.look.parts
    rows = [picked(answer, "revision", "place", "answer", "label", "decided") for answer in judged.log]
    return {
        "clip_sha256": part.clip,
        "free_s": [list(span) for span in part.free_s],
        "left_out_s": part.left_out_s,
        "windows": [[place, window.start_s, window.end_s] for place, window in judged.look.windows.items()],
        "answers": rows,
    }


def read_looks(content: object) -> tuple[FileLook, ...]:
    """The looks at one clip that `looks_json` wrote. Raises DataError: anything else; it names the field."""
    rows = _listed(content, "blind_looks", MOST_LOOKS)
    return tuple(
        _read(row, f"blind_looks[{i}]")
        for i, row in enumerate(rows)
        if not (isinstance(row, dict) and row.get("of") == "all clips")
    )


def _read(row: Any, where: str) -> FileLook:
    if not isinstance(row, dict):
        raise DataError(f"{where}: it must be an object")
    text = lambda name, most=TEXT_LENGTH: short_text(row.get(name), f"{where}: {name}", most)  # noqa: E731
    cut = row.get("cut")
    if not isinstance(cut, dict):
        raise DataError(f"{where}: cut is {shown(cut)}; it must be an object")
    names = ("threshold", "min_length_s", "merge_gap_s")
    cut = Cut(*(number(cut.get(n), f"{where}: cut.{n}", most=1 if n == "threshold" else 1e9) for n in names))
    clip = text("clip_sha256", 64)
    free = [
        _numbers(each, f"{where}: free_s", 2) for each in _listed(row.get("free_s"), f"{where}: free_s", MOST_PIECES)
    ]
    edges = [edge for span in free for edge in span]
    if sorted(set(edges)) != edges:
        raise DataError(f"{where}: free_s must hold stretches in order of time that share nothing")
    part = Part(clip, "", tuple((a, b) for a, b in free), number(row.get("left_out_s"), f"{where}: left_out_s"))
    window_s = number(row.get("window_s"), f"{where}: window_s", least=LEAST_S, most=MOST_S)
    windows = {
        whole(place, f"{where}: windows", most=MOST_N): Window(clip, start_s, end_s)
        for place, start_s, end_s in (
            _numbers(each, f"{where}: windows", 3) for each in _listed(row.get("windows"), f"{where}: windows", MOST_N)
        )
    }
    if not set(windows.values()) <= set(pool([part], window_s)):
        raise DataError(f"{where}: windows are not cut from free_s; choose a file that was not changed")
    facts = {
        "model_id": text("model_id"),
        "window_s": window_s,
        "seed": whole(row.get("seed"), f"{where}: seed", most=2**31),
    }
    look = Look(
        text("id", 64),
        text("reviewer"),
        _time(row, "drawn", where),
        clip,
        cut=cut,
        parts=(part,),
        windows=windows,
        **facts,
    )
    rows = _listed(row.get("answers"), f"{where}: answers", MOST_ANSWERS)
    return look, _answers(rows, f"{where}: answers", look)


def _answers(rows: Sequence[Any], where: str, look: Look) -> tuple[Answer, ...]:
    made, standing = list[Answer](), list[int]()
    for i, row in enumerate(rows):
        at = f"{where}[{i}]"
        if not isinstance(row, dict) or row.get("answer") not in (*get_args(Told), "undo"):
            raise DataError(f"{at}: answer must be one of {', '.join(get_args(Told))}, undo")
        place, revision = (
            whole(row.get("place"), f"{at}: place"),
            whole(row.get("revision"), f"{at}: revision", least=1),
        )
        undo = row["answer"] == "undo"
        if place not in (standing if undo else look.windows) or (made and revision <= made[-1].revision):
            raise DataError(f"{at}: place {place} and revision {revision} do not follow from what is above")
        standing.remove(place) if undo else standing.append(place)
        label = short_text(row.get("label"), f"{at}: label", TEXT_LENGTH)
        made.append(Answer(revision, place, row["answer"], label, _time(row, "decided", at), f"import {revision}"))
    return tuple(made)


def admitted_looks(looks: Iterable[FileLook], analysis: Analysis, analysis_id: str) -> list[FileLook]:
    """The looks of a file at this very clip, as if drawn here. Raises ReviewError: it could not have been."""
    admitted = list[FileLook]()
    for look, answers in looks:
        if look.clip != analysis.clip.sha256:
            continue
        (part,) = look.parts
        if part.free_s and part.free_s[-1][1] > analysis.timeline.duration_s + 0.05:
            raise ReviewError(f"blind look {look.id!r} reaches past the end of this clip; open the clip it was made of")
        for answer in answers:
            if answer.label:
                checked_label(answer.label, analysis.classes)
        mine = replace(part, analysis_id=analysis_id if look.model_id == analysis.model_id else "")
        admitted.append((replace(look, parts=(mine,)), answers))
    return admitted


def _listed(value: object, name: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise DataError(f"{name} is {shown(value)}; it must be a list of at most {most:,}")
    return value


def _numbers(value: object, name: str, n: int) -> list[float]:
    if not isinstance(value, list) or len(value) != n:
        raise DataError(f"{name} holds {shown(value)}; each must be {n} numbers")
    return [number(each, name) for each in value]


def _time(row: dict[str, Any], name: str, where: str) -> str:
    text = short_text(row.get(name), f"{where}: {name}", 64)
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return moment.astimezone(timezone.utc).isoformat()
    except (ValueError, OverflowError):
        raise DataError(
            f"{where}: {name} is {shown(text)}; it must be a time such as 2026-02-03T14:05:00+00:00"
        ) from None
