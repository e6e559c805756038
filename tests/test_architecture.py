"""The rule that shapes the tree: `cmhkf` knows nothing of `app`; `app` imports no torch; they meet in `Analysis`."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "cmhkf": {"app", "gradio", "plotly", "sqlalchemy"},
    "app": {"torch", "torchvision", "open_clip", "timm", "transformers"},
}


def imported_modules(source: str) -> set[str]:
    """Top-level names of every import statement, wherever it stands in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_the_finder_sees_nested_and_from_imports():
    source = "def f():\n    import torch.nn as nn\n    from gradio import Blocks\n"
    assert imported_modules(source) == {"torch", "gradio"}


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_no_forbidden_import(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"no files in {package}"
    offenders = {
        str(file.relative_to(ROOT)): bad
        for file in files
        if (bad := imported_modules(file.read_text(encoding="utf-8")) & FORBIDDEN[package])
    }
    assert offenders == {}


def test_importing_the_package_loads_no_torch():
    code = "import sys, cmhkf; sys.exit('torch' in sys.modules or 'gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
