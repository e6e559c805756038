"""Panels as JSON, and the file beside a checkpoint that keeps those measured of it: `demo.quality.json`.

    {"format": "cmhkf-quality-1", "checkpoint": SHA-256 of the weights, "panels": [...]}

A panel holds the fields of `Panel` by name; an Interval is [value, low, high]; what is not a number is null.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

from cmhkf.errors import DataError
from cmhkf.files import read_text, replacing, sha256_of
from cmhkf.metrics.intervals import Interval
from cmhkf.metrics.panel import Panel

FORMAT = "cmhkf-quality-1"


def panel_json(panel: Panel) -> dict[str, Any]:
    """A panel as values for `json.dumps`."""
    return _plain(panel)


def panel_from(values: Any) -> Panel:
    """The inverse of `panel_json`. Raises DataError for anything else."""
    try:
        return _revived(Panel, values)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"this is no quality panel ({type(error).__name__}: {error}); measure again") from error


def quality_file(checkpoint: Path) -> Path:
    """Where the panels of a checkpoint are kept."""
    return checkpoint.with_suffix(".quality.json")


def write_panels(checkpoint: Path, panels: Sequence[Panel]) -> Path:
    """Keep panels beside the checkpoint that they were measured of, and those of other data sets that are there.

    Call it when the checkpoint is written: panels that were measured of other weights are dropped. Raises OSError.
    """
    path, sha256 = quality_file(checkpoint), sha256_of(checkpoint)
    new = {panel.dataset for panel in panels}
    kept = [panel for panel in _kept(path, sha256) if panel.dataset not in new]
    content = {"format": FORMAT, "checkpoint": sha256, "panels": [panel_json(panel) for panel in (*kept, *panels)]}
    with replacing(path) as part:
        part.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")
    return path


def read_panels(checkpoint: Path) -> tuple[Panel, ...]:
    """What was measured of a checkpoint; nothing where no file lies beside it.

    Raises DataError: the file is damaged, or was made for other weights.
    """
    path = quality_file(checkpoint)
    if not path.exists():
        return ()
    sha256, panels = _read(path)
    if sha256 != sha256_of(checkpoint):
        raise DataError(f"{path.name} was measured of other weights than {checkpoint.name} holds; measure it again")
    return panels


def _kept(path: Path, sha256: str) -> tuple[Panel, ...]:
    try:
        measured, panels = _read(path)
    except DataError:
        return ()
    return panels if measured == sha256 else ()


def _read(path: Path) -> tuple[str, tuple[Panel, ...]]:
    try:
        content = json.loads(read_text(path))
        if content["format"] != FORMAT:
            raise DataError(f"{path.name} is of the format {content['format']!r}, not {FORMAT!r}; measure again")
        return str(content["checkpoint"]), tuple(panel_from(values) for values in content["panels"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path.name} cannot be read as quality panels ({error}); measure again") from error


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in cast("tuple[Any, ...]", value)]
    return None if isinstance(value, float) and math.isnan(value) else value


def _revived(hint: Any, value: Any) -> Any:
    """A value of a type hint, from what `_plain` made of it."""
    if get_origin(hint) is UnionType:
        return None if value is None else _revived(next(h for h in get_args(hint) if h is not NoneType), value)
    if hint is Interval:
        return Interval(*(_revived(float, one) for one in value))
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(**{f.name: _revived(hints[f.name], value[f.name]) for f in fields(hint)})  # type: ignore[operator]
    if get_origin(hint) is tuple:
        return tuple(_revived(get_args(hint)[0], one) for one in value)
    if hint is float:
        return math.nan if value is None else float(value)
    if not isinstance(value, hint):
        raise TypeError(f"{value!r} is not of type {hint.__name__}")
    return value
