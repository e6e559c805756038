"""Settings by dotted names, as `--set model.cvka.k=3` and a TOML file give them.

The names are the fields of `ModelConfig` under "model" and of `TrainConfig` under "train", whose types, checks and
docstrings hold for both ways.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cmhkf.errors import ConfigError
from cmhkf.model.config import ModelConfig
from cmhkf.numbers import WRITTEN
from cmhkf.presets import PRESETS
from cmhkf.settings import shown
from cmhkf.training.config import TRAIN_PRESETS, TrainConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOTS = {"model": ModelConfig(), "train": TrainConfig()}
NOT_SET = {
    "model.classes": "the data set brings its classes",
    "model.architecture": "--baseline chooses it",
    "model.video_dim": "the features have their own width",
    "model.semantic_dim": "the features have their own width",
    "model.audio_dim": "the features have their own width",
    "model.operating_logit": "it is set by calibration, after training",
    "model.temperature": "it is set by calibration, after training",
}
KINDS = {int: "whole number", float: "number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Setting:
    """One field of a config."""

    name: str  # dotted: "model.cvka.k"
    hint: Any  # its type in the dataclass
    default: Any
    doc: str  # its docstring, in one line

    @property
    def kind(self) -> str:
        """Its type in words for people."""
        return " or ".join(map(_kind, _options(self.hint)))

    def parse(self, text: str) -> Any:
        """The value that a text stands for. Raises ConfigError."""
        options = _options(self.hint)
        if NoneType in options and text.lower() == "none":
            return None
        try:
            return _parse(text, options[0])
        except (ValueError, KeyError):
            raise ConfigError(f"{self.name} is {text!r}; it must be: {self.kind}") from None

    def revive(self, value: Any) -> Any:
        """The value that a TOML value stands for; its type is checked by the dataclass."""
        options = _options(self.hint)
        if NoneType in options and value == "none":
            return None
        if isinstance(value, list):
            return tuple(value)
        return float(value) if float in options and type(value) is int else value


def known_settings(roots: Sequence[str] = tuple(ROOTS)) -> dict[str, Setting]:
    """Every setting under some roots ("model", "train"), by name."""
    return {setting.name: setting for root in roots for setting in _leaves(root, ROOTS[root])}


def read_settings(
    pairs: Sequence[str], file: Path | None = None, *, roots: Sequence[str] = tuple(ROOTS)
) -> dict[str, Any]:
    """Values by dotted name, from a TOML file and from "name=value" pairs, which go before it.

    Raises:
        ConfigError: the file cannot be read, no such setting, one that cannot be set, or a text of another type.
    """
    known = known_settings(roots)
    found = _from_file(file, known) if file else {}
    for pair in pairs:
        name, sign, text = (part.strip() for part in pair.partition("="))
        if not sign:
            raise ConfigError(f"{pair!r} has no '='; write NAME=VALUE, such as train.lr=2e-5")
        found[name] = _setting(name, known).parse(text)
    return found


def part_of(settings: Mapping[str, Any], root: str) -> dict[str, Any]:
    """Those under "model" or "train", without that word."""
    return {name.removeprefix(f"{root}."): value for name, value in settings.items() if name.startswith(f"{root}.")}


def listing(roots: Sequence[str] = tuple(ROOTS)) -> str:
    """Every setting with its default, its type and its docstring, for people to read."""
    presets = {
        name: {"model": PRESETS[name].model, "train": config}
        for name, config in TRAIN_PRESETS.items()
        if name in PRESETS
    }
    lines = []
    for setting in known_settings(roots).values():
        root, _, path = setting.name.partition(".")
        others = {name: _value(preset[root], path) for name, preset in presets.items()}
        differ = "".join(f", {name}: {shown(value)}" for name, value in others.items() if value != setting.default)
        lines.append(f"{setting.name} = {shown(setting.default)}{differ}  ({setting.kind})")
        lines += textwrap.wrap(setting.doc, 110, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def settings_called(option: str, roots: Sequence[str]) -> list[str]:
    """Names under some roots whose last part is an option's: "--batch-size" and "--no-balanced" are settings too."""
    field = option.removeprefix("--").removeprefix("no-").replace("-", "_")
    return [name for name in known_settings(roots) if name.rsplit(".", 1)[1] == field]


def _leaves(prefix: str, config: Any) -> Iterator[Setting]:
    hints, docs = get_type_hints(type(config)), _field_docs(type(config))
    for field in fields(config):
        name, value = f"{prefix}.{field.name}", getattr(config, field.name)
        if is_dataclass(value):
            yield from _leaves(name, value)
        elif name not in NOT_SET:
            yield Setting(name, hints[field.name], value, docs.get(field.name, ""))


def _field_docs(kind: type) -> dict[str, str]:
    """The docstring below each field of a dataclass, which only its source holds."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    docs = {}
    for node, after in pairwise(definition.body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(after, ast.Expr):
            docs[node.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return docs


def _from_file(path: Path, known: Mapping[str, Setting]) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the settings {path}: {error}; give TOML, such as train.lr = 2e-5") from error
    return {name: _setting(name, known).revive(value) for name, value in _flat(tables)}


def _flat(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tables.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _setting(name: str, known: Mapping[str, Setting]) -> Setting:
    if name in known:
        return known[name]
    if name in NOT_SET:
        raise ConfigError(f"{name} cannot be set: {NOT_SET[name]}")
    if name in known_settings():
        raise ConfigError(f"{name} cannot be set here, where nothing is trained")
    last = name.rsplit(".", 1)[-1]
    near = [held for held in known if held.rsplit(".", 1)[1] == last] or get_close_matches(name, known, n=3)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    raise ConfigError(f"there is no setting {name!r}; {hint}`--set help` lists them all")


def _options(hint: Any) -> tuple[Any, ...]:
    """The types of a field: one, or those of `X | None`."""
    return (hint,) if get_origin(hint) in (Literal, tuple, None) else get_args(hint)


def _kind(option: Any) -> str:
    if get_origin(option) is Literal:
        return f"one of {', '.join(get_args(option))}"
    if get_origin(option) is tuple:
        return f"{KINDS[get_args(option)[0]]}s, as 3,6,10"
    return "none" if option is NoneType else KINDS[option]


def _parse(text: str, option: Any) -> Any:
    if get_origin(option) is Literal:
        return text  # which the dataclass checks
    if get_origin(option) is tuple:
        return tuple(_parse(part, get_args(option)[0]) for part in text.split(",") if part.strip())
    if option is bool:
        return {"true": True, "false": False}[text.lower()]
    if option in (int, float) and not WRITTEN.fullmatch(text):
        raise ValueError(text)  # Python's own reading of it may be another than a person's: "1_0" is its 10
    return option(text)


def _value(config: Any, path: str) -> Any:
    for name in path.split("."):
        config = getattr(config, name)
    return config
