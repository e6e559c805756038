"""What comes with the project is found from a clone and from a wheel in a new environment, far from the clone."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from browser import Server
from gradio_client import Client

from cmhkf import Analysis, __version__, home
from cmhkf.home import shipped

ROOT = Path(__file__).parents[1]


def test_a_clone_has_weights_and_examples_beside_the_package():
    assert (shipped("checkpoints") / "demo.safetensors").samefile(ROOT / "checkpoints" / "demo.safetensors")
    assert len(list(shipped("assets/examples").glob("*.mp4"))) == 4


def test_what_a_package_carries_inside_comes_first(monkeypatch, tmp_path):
    monkeypatch.setattr(home, "PACKAGE", tmp_path / "cmhkf")
    assert shipped("checkpoints") == tmp_path / "checkpoints"
    (tmp_path / "cmhkf" / "shipped" / "checkpoints").mkdir(parents=True)
    assert shipped("checkpoints") == tmp_path / "cmhkf" / "shipped" / "checkpoints"


def test_every_weight_file_is_named_in_the_wheels_list():
    listed = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for path in (ROOT / "checkpoints").glob("*.safetensors"):
        assert f'"checkpoints/{path.name}" = "cmhkf/shipped/checkpoints/{path.name}"' in listed


class Installed(Server):
    """`cmhkf-review` of an environment."""

    def __init__(self, home, bin_dir):
        self.bin_dir = bin_dir
        super().__init__(home)

    def command(self):
        return [str(self.bin_dir / "cmhkf-review")]

    def environment(self):
        return without_the_clone()


def without_the_clone():
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def bin_dir(tmp_path_factory):
    """The programs of a new environment that holds the wheel, and sees the libraries of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob(f"cmhkf_review-{__version__}-*.whl")
    venv.create(folder / "new", with_pip=True)
    programs = folder / "new" / "bin"
    install = [programs / "python", "-m", "pip", "install", "--no-index", "--no-deps", "-q", wheel]
    subprocess.run(install, check=True, env=without_the_clone())
    [packages] = (folder / "new" / "lib").glob("python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return programs


@pytest.fixture
def run(bin_dir, tmp_path):
    """Runs a program of the new environment in an empty folder; returns what it prints."""

    def program(name, *arguments):
        environment = without_the_clone() | {"CMHKF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
        command = [bin_dir / name, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return program


@pytest.mark.slow
def test_the_wheel_analyses_an_example_far_from_the_clone(run, bin_dir, tmp_path):
    code = "import cmhkf.home, app; print(cmhkf.home.shipped('assets/examples')); print(app.__file__)"
    examples, app_file = map(Path, run("python", "-c", code).splitlines())
    assert bin_dir.parent in examples.parents
    assert bin_dir.parent in app_file.parents
    doctor = {line[6:28].strip(): line[:4] for line in run("cmhkf", "doctor").splitlines()}
    assert [doctor[name] for name in ("demo encoders", "golden rows", "demo checkpoint")] == ["ok  "] * 3
    run("cmhkf", "analyze", examples / "quiet_street.mp4", "--out", tmp_path / "out")
    assert Analysis.load(tmp_path / "out" / "quiet_street.npz").trained
    assert "--port" in run("cmhkf-review", "--help")


@pytest.mark.slow
def test_the_wheel_serves_the_page(bin_dir, tmp_path):
    server = Installed(tmp_path, bin_dir)
    try:
        assert Client(server.url, verbose=False).predict(api_name="/library") == []
    finally:
        server.stop()
    assert "Traceback" not in server.said()
