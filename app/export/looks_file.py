"""Blind looks as the JSON export holds them, and back without loss. `docs/export.md` describes every field."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any, cast, get_args

from app.clips.workspace import Cut
from app.export.reviewed import LookedAt
from app.review.looks import LEAST_S, MOST_N, MOST_S, Answer, Judged, Look, Part, Told, Window, pool
from app.review.marks import ReviewError
from app.review.rules import checked_label
from cmhkf import Analysis
from cmhkf.errors import DataError
from cmhkf.numbers import MOST, number, short_text, shown, whole
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
    rows = [_Fields(row, f"blind_looks[{i}]") for i, row in enumerate(_listed(content, "blind_looks", MOST_LOOKS))]
    return tuple(_read(row) for row in rows if row.value("of") != "all clips")


class _Fields:
    """The fields of an object, each checked and named. Raises DataError."""

    def __init__(self, row: object, where: str) -> None:
        if not isinstance(row, dict):
            raise DataError(f"{where} is {shown(row)}; it must be an object")
        self._row, self.where = cast(dict[str, Any], row), where

    def value(self, name: str) -> Any:
        return self._row.get(name)

    def within(self, name: str) -> "_Fields":
        return _Fields(self.value(name), f"{self.where}: {name}")

    def text(self, name: str, most: int = TEXT_LENGTH) -> str:
        return short_text(self.value(name), f"{self.where}: {name}", most)

    def number(self, name: str, *, least: float = 0.0, most: float = MOST) -> float:
        return number(self.value(name), f"{self.where}: {name}", least=least, most=most)

    def whole(self, name: str, *, least: int = 0, most: int = 2**31) -> int:
        return whole(self.value(name), f"{self.where}: {name}", least=least, most=most)

    def listed(self, name: str, most: int) -> list[Any]:
        return _listed(self.value(name), f"{self.where}: {name}", most)

    def numbers(self, name: str, most: int, n: int) -> list[list[float]]:
        """A list of lists of `n` numbers each."""
        what, rows = f"{self.where}: {name}", self.listed(name, most)
        return [[number(each, what) for each in _listed(row, what, n, least=n)] for row in rows]

    def time(self, name: str) -> str:
        try:
            moment = datetime.fromisoformat(self.text(name).replace("Z", "+00:00"))
            return moment.astimezone(timezone.utc).isoformat()
        except (ValueError, OverflowError):
            said = f"{self.where}: {name} is {shown(self.value(name))}"
            raise DataError(f"{said}; it must be a time such as 2026-02-03T14:05:00+00:00") from None


def _read(row: _Fields) -> FileLook:
    clip, window_s, cut = (
        row.text("clip_sha256", 64),
        row.number("window_s", least=LEAST_S, most=MOST_S),
        row.within("cut"),
    )
    free_s = tuple((a, b) for a, b in row.numbers("free_s", MOST_PIECES, 2))
    edges = [edge for span in free_s for edge in span]
    if sorted(set(edges)) != edges:
        raise DataError(f"{row.where}: free_s must hold stretches in order of time that share nothing")
    part = Part(clip, "", free_s, row.number("left_out_s"))
    windows = {round(place): Window(clip, a, b) for place, a, b in row.numbers("windows", MOST_N, 3)}
    if not set(windows.values()) <= set(pool([part], window_s)):
        raise DataError(f"{row.where}: windows are not cut from free_s; choose a file that was not changed")
    look = Look(
        row.text("id", 64),
        row.text("reviewer"),
        row.time("drawn"),
        clip,
        row.text("model_id"),
        Cut(cut.number("threshold", most=1), cut.number("min_length_s"), cut.number("merge_gap_s")),
        window_s,
        row.whole("seed"),
        (part,),
        windows,
    )
    rows = enumerate(row.listed("answers", MOST_ANSWERS))
    return look, _answers([_Fields(each, f"{row.where}: answers[{i}]") for i, each in rows], look)


def _answers(rows: Iterable[_Fields], look: Look) -> tuple[Answer, ...]:
    made, standing = list[Answer](), list[int]()
    for row in rows:
        answer, place, revision = row.value("answer"), row.whole("place"), row.whole("revision", least=1)
        if answer not in (*get_args(Told), "undo"):
            raise DataError(
                f"{row.where}: answer is {shown(answer)}; it must be one of {', '.join(get_args(Told))}, undo"
            )
        undo = answer == "undo"
        if place not in (standing if undo else look.windows) or (made and revision <= made[-1].revision):
            raise DataError(f"{row.where}: place {place} and revision {revision} do not follow from what is above")
        if undo:
            standing.remove(place)
        else:
            standing.append(place)
        made.append(Answer(revision, place, answer, row.text("label"), row.time("decided"), f"import {revision}"))
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


def _listed(value: object, name: str, most: int, *, least: int = 0) -> list[Any]:
    if not isinstance(value, list) or not least <= len(cast(list[Any], value)) <= most:
        many = f"{least}" if least == most else f"at most {most:,}"
        raise DataError(f"{name} is {shown(value)}; it must be a list of {many}")
    return cast(list[Any], value)
