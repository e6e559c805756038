"""Benchmarks are not run by the tests, but each says what it does, and one check that fails hides no other."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from benchmarks import gpu_check
from cmhkf.errors import WeightsError

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.stem)
def test_each_answers_help(file, monkeypatch, capsys):
    """As `python benchmarks/NAME.py --help` does, but in this process: most import torch."""
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    monkeypatch.setattr(sys, "argv", [str(file), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(file), run_name="__main__")
    assert ended.value.code in (0, None)
    assert capsys.readouterr().out.startswith(f"usage: {file.name}")


def test_a_check_that_ends_with_an_error_is_a_line_and_the_rest_goes_on(monkeypatch, capsys):
    def raises(error):
        raise error

    checks = [
        ("first", lambda: (True, "as a CPU")),
        ("broken", lambda: raises(RuntimeError("no kernel\nfor this device"))),
        ("bare", lambda: raises(ModuleNotFoundError(name="open_clip"))),
        ("without weights", lambda: raises(WeightsError("none here\nget them"))),
        ("apart", lambda: (False, "far off")),
    ]
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "cpu"])
    monkeypatch.setattr(gpu_check, "checks", lambda device, example: example.speeds.append(("x", 9.0, 3.0)) or checks)
    assert gpu_check.main() == 1
    printed = capsys.readouterr().out
    assert re.findall(r"\| (.+) \| [0-9.]+ \| (.*)\| (.+) \|", printed) == [
        ("first", "right ", "as a CPU"),
        ("broken", "WRONG ", "failed: RuntimeError: no kernel for this device"),
        ("bare", "not run ", "package open_clip is missing"),
        ("without weights", "not run ", "none here"),
        ("apart", "WRONG ", "far off"),
        ("speed: x", "", "3.0 x real time"),
    ]
    assert printed.endswith("\n2 wrong\n")
