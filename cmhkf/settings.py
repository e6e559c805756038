"""Settings are frozen dataclasses: checks of their values, changes by dotted name, and their way to JSON and back."""

import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from cmhkf.errors import ConfigError

T = TypeVar("T")


def check_fields(config: Any) -> None:
    """Refuse a value that is not of its field's type or Literal, naming the field, the value and what is wanted."""
    for name, hint in get_type_hints(type(config)).items():
        value, where = getattr(config, name), f"{type(config).__name__}.{name}"
        if get_origin(hint) is Literal:
            if value not in get_args(hint):
                raise ConfigError(f"{where} is {value!r}; choose one of {', '.join(get_args(hint))}")
            continue
        kinds = get_args(hint) if get_origin(hint) is UnionType else (get_origin(hint) or hint,)
        fits = isinstance(value, (*kinds, int) if float in kinds else kinds)
        if not fits or (isinstance(value, bool) and bool not in kinds):
            raise ConfigError(f"{where} is {value!r}; it must be of type {kinds[0].__name__}")


def check_least(config: Any, **least: float) -> None:
    """Refuse a number below its bound or without end, naming the field."""
    for name, bound in least.items():
        value = getattr(config, name)
        if not bound <= value < math.inf:
            wanted = "finite" if value == math.inf else f"{bound} or more"
            raise ConfigError(f"{type(config).__name__}.{name} is {value!r}; it must be {wanted}")


def picked(value: Any, *names: str) -> dict[str, Any]:
    """Some attributes of a value, by name."""
    return {name: getattr(value, name) for name in names}


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """The inverse of `dataclasses.asdict`; an unknown field is refused by name."""
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - {f.name for f in fields(kind)})  # type: ignore[arg-type]
    if unknown:
        raise ConfigError(f"{kind.__name__} has no field {unknown[0]!r}; was the file written by a newer version?")
    return kind(**{name: _revive(hints[name], value) for name, value in values.items()})


def _revive(hint: Any, value: Any) -> Any:
    if is_dataclass(hint) and isinstance(value, dict):
        return from_dict(hint, value)  # type: ignore[arg-type]
    if isinstance(value, list):
        return tuple(_revive(None, v) for v in value)
    return value


def changed(config: Any, changes: Mapping[str, Any]) -> Any:
    """A config with some fields replaced, all at once; "cvka.k" is a field of a field.

    Raises ConfigError, which names settings as they are typed.
    """
    try:
        return _changed(config, changes)
    except ConfigError as error:
        raise ConfigError(_as_typed(config, str(error))) from None


def _changed(config: Any, changes: Mapping[str, Any]) -> Any:
    direct, nested = {}, dict[str, dict[str, Any]]()
    for name, value in changes.items():
        head, _, rest = name.partition(".")
        if rest:
            nested.setdefault(head, {})[rest] = value
        else:
            direct[head] = value
    inner = {head: _changed(getattr(config, head), rest) for head, rest in nested.items()}
    return replace(config, **direct, **inner)


def describe(settings: Mapping[str, Any]) -> str:
    """The settings as they are written after --set, separated by commas."""
    return ", ".join(f"{name}={shown(value)}" for name, value in settings.items())


def shown(value: Any) -> str:
    """A value as it is typed after --set."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _as_typed(config: Any, text: str) -> str:
    """A message in which the classes of a config's parts are called as in settings: "model.cvka" for CvkaConfig."""
    root = type(config).__name__.removesuffix("Config").lower()
    names = {type(config).__name__: root}
    names |= {type(part).__name__: f"{root}.{name}" for name, part in vars(config).items() if is_dataclass(part)}
    return re.sub(r"\b(\w+Config)\b", lambda found: names.get(found[0], found[0]), text)
