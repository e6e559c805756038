"""The order of the packages, from the ground up: each imports only from floors below its own."""

import ast
import re
from itertools import takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DRAWING = ROOT / "docs" / "architecture.md"


def drawn_floors(house):
    """The floors as the document lists them under "The floors", from the ground up; names end at two spaces."""
    listed = DRAWING.read_text(encoding="utf-8").split("## The floors")[1].split("```")[1]
    lines = listed.split(f"\n{house}\n")[1].splitlines()
    return [line[4:].split("  ")[0].split() for line in takewhile(lambda line: line.startswith("    "), lines)]


def rooms_of(house):
    """The first-level modules and packages, each with the rooms that it imports from and where."""
    found = {}
    for file in sorted((ROOT / house).rglob("*.py")):
        room = file.relative_to(ROOT / house).parts[0].removesuffix(".py")
        uses = found.setdefault(room, {})
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = []
            if isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
            elif isinstance(node, ast.Import):
                modules = [name.name for name in node.names]
            for module in modules:
                top, _, rest = module.partition(".")
                target = rest.split(".")[0]
                if top == house and target != room and is_room(house, target):
                    uses.setdefault(target, f"{file.relative_to(ROOT)}:{node.lineno}")
    return found


def is_room(house, name):
    return bool(name) and ((ROOT / house / name).is_dir() or (ROOT / house / f"{name}.py").exists())


@pytest.mark.parametrize("house", ["cmhkf", "app"])
def test_no_arrow_goes_up(house):
    floor = {room: i for i, rooms in enumerate(drawn_floors(house)) for room in rooms}
    rooms = rooms_of(house)
    assert set(rooms) == set(floor)
    upward = [
        f"{where}: {room} -> {target}"
        for room, uses in rooms.items()
        for target, where in uses.items()
        if floor[target] >= floor[room]
    ]
    assert upward == []


def test_every_file_that_the_document_names_is_there():
    named = re.findall(r"`((?:app|cmhkf)/[\w/.]*)`", DRAWING.read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
