"""What a Hugging Face Space, or any other place that is not one's own machine, asks of the project."""

import ast
import os
import re
import sys
import time
from importlib.metadata import distribution, packages_distributions, version
from pathlib import Path

import pytest
from browser import Server, Watched
from fakes import make_video
from gradio_client import Client, handle_file
from huggingface_hub import metadata_load
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from processes import ran
from subpath import SubPath

from cmhkf import ConfigError
from cmhkf import home as home_module
from cmhkf.home import can_be_written, data_home, spare_caches

ROOT = Path(__file__).parents[1]
NOWHERE = "/dev/null"  # as a home, nobody can write below it, not even root
OPTIONAL = {
    "spaces": "on a Space it is there, elsewhere there is nothing to lend",
    "tomli": "in the place of tomllib where Python is 3.10",
    "ray": "the second engine of `analyze`, in requirements-dev.txt",
}

# What the Space is told ----------------------------------------------------------------------------------------------


def requirements():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(text) for line in lines if (text := line.split("#")[0].strip())]


def test_the_front_matter_names_the_gradio_that_is_installed():
    card = metadata_load(ROOT / "README.md")
    assert (card["sdk"], card["app_file"]) == ("gradio", "app.py")
    assert (ROOT / card["app_file"]).is_file()
    assert card["sdk_version"] == version("gradio")
    (gradio,) = [r for r in requirements() if r.name == "gradio"]
    assert Version(card["sdk_version"]) in gradio.specifier


def test_the_front_matter_is_what_the_hub_accepts():
    card = metadata_load(ROOT / "README.md")
    assert Version("3.10") <= Version(str(card["python_version"]))
    assert isinstance(card["python_version"], str), "unquoted, 3.10 would be read as 3.1"
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {card["colorFrom"], card["colorTo"]} <= colours
    assert len(card["short_description"]) <= 60
    assert (card["license"], card["suggested_hardware"]) == ("mit", "cpu-basic")


def provided():
    """Every distribution that requirements.txt brings, by its normal name, through what each says it needs."""
    found, waiting = set(), requirements()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        extras = wanted.extras or {""}
        if name in found or (wanted.marker and not any(wanted.marker.evaluate({"extra": e}) for e in extras)):
            continue
        found.add(name)
        needs = [Requirement(text) for text in distribution(name).requires or []]
        waiting += [n for n in needs if not n.marker or any(n.marker.evaluate({"extra": e}) for e in extras)]
    return found


def test_requirements_bring_every_import():
    ours = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    files = [ROOT / "app.py", *(ROOT / "app").rglob("*.py"), *(ROOT / "cmhkf").rglob("*.py")]
    imported = {}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            imported |= {name.split(".")[0]: file.name for name in names}
    assert {"torch", "gradio", "numpy"} <= imported.keys()
    brought, homes = provided(), packages_distributions()
    missing = {
        name: file
        for name, file in imported.items()
        if name not in ours | sys.stdlib_module_names | OPTIONAL.keys()
        and not {canonicalize_name(d) for d in homes.get(name, [])} & brought
    }
    assert missing == {}


# A home that cannot be written ---------------------------------------------------------------------------------------


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    for name in ("CMHKF_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", NOWHERE)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    home_module._temporary_home.cache_clear()
    yield tmp_path
    home_module._temporary_home.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="where the platform's folders are differs")
def test_without_a_home_everything_goes_to_a_private_temporary_folder(homeless, caplog):
    folder = data_home()
    assert folder == homeless / f"cmhkf-{os.getuid()}" == data_home()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert caplog.text.count("cannot be written: keeping everything in") == 1
    assert "CMHKF_HOME" in caplog.text
    assert spare_caches() == {"XDG_CACHE_HOME": str(folder / "caches"), "XDG_CONFIG_HOME": str(folder / "caches")}


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root can give files away")
def test_somebody_elses_temporary_folder_is_not_used(homeless):
    folder = homeless / f"cmhkf-{os.getuid()}"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(ConfigError, match="somebody else's; set CMHKF_HOME"):
        data_home()


def test_a_home_that_can_be_written_is_used(monkeypatch, tmp_path):
    monkeypatch.delenv("CMHKF_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "not" / "there"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if sys.platform == "linux":
        assert data_home() == tmp_path / "not" / "there" / "cmhkf"
    assert not data_home().exists()
    assert spare_caches() == {}
    file = tmp_path / "file"
    file.touch()
    assert not can_be_written(file / "below")


@pytest.mark.skipif(sys.platform != "linux", reason="where the platform's folders are differs")
def test_the_libraries_keep_their_caches_where_they_are_told(tmp_path):
    code = (
        "import matplotlib, torch.hub, huggingface_hub.constants as hub\n"
        "print(matplotlib.get_cachedir()); print(matplotlib.get_configdir())\n"
        "print(torch.hub.get_dir()); print(hub.HF_HOME)\n"
        "from numba.core.caching import UserWideCacheLocator\n"  # what it falls back on beside unwritable packages
        "print(UserWideCacheLocator(lambda: 0, '/x/y.py').get_cache_path())\n"
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TORCH_", "MPL", "NUMBA_", "XDG_"))}
    environ |= {"HOME": NOWHERE, "XDG_CACHE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = ran("-c", code, env=environ)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if not line.startswith(str(tmp_path))] == []


# A shared GPU --------------------------------------------------------------------------------------------------------

SPACES = '''
"""Stands in for Hugging Face's package as its decorator behaves: generators run elsewhere, and only pickles travel."""
import inspect, pickle, sys

marked, calls = [], []

def GPU(task=None, *, duration=None):
    assert inspect.isgeneratorfunction(task), "the real one tells generators from functions in this way"
    assert "torch" not in sys.modules
    marked.append(duration)
    def lent(*args):
        calls.append(pickle.loads(pickle.dumps(args)))
        for item in task(*args):
            yield pickle.loads(pickle.dumps(item))
    return lent
'''


def test_the_analysis_is_marked_for_a_shared_gpu(tmp_path):
    (tmp_path / "spaces.py").write_text(SPACES)
    clip = make_video(tmp_path / "clip.mp4", seconds=3)
    code = (
        "import sys, time; from pathlib import Path; import spaces\n"
        "from app.clips.workspace import Workspace; from app.settings import Settings; from fakes import FakeAnalyzer\n"
        "from cmhkf.media.clip import probe\n"
        "workspace = Workspace(Settings(home=Path(sys.argv[1])), lambda model: FakeAnalyzer())\n"
        "assert len(spaces.marked) == 1 and spaces.marked[0] >= 60\n"
        "clip = workspace.add(probe(Path(sys.argv[2])), 'clip.mp4', move=False)\n"
        "job = workspace.analyse(clip.sha256)\n"
        "while not job.over: time.sleep(0.01)\n"
        "assert job.state == 'done', job.error\n"
        "assert spaces.calls == [('demo', clip)], spaces.calls\n"
        "assert workspace.analysis(job.result).clip == clip\n"
        "workspace.close()\n"
    )
    environ = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT / 'tests'}"}
    done = ran("-c", code, tmp_path / "home", clip, env=environ, timeout=120)
    assert done.returncode == 0, done.stderr


def test_without_the_package_nothing_is_marked():
    from app.clips.gpu import on_gpu

    def steps():
        yield 1

    assert on_gpu(steps) is steps


# The page without a home, under a sub-path ---------------------------------------------------------------------------


class Homeless(Server):
    """The page on a machine where its user has no home, below /team/review."""

    PREFIX = "/team/review"

    def environment(self):
        gone = ("CMHKF_HOME", "XDG_", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "GRADIO_TEMP_DIR", "HF_HOME")
        kept = {k: v for k, v in super().environment().items() if not k.startswith(gone)}
        return kept | {"HOME": NOWHERE, "TMPDIR": str(self.home), "SPACE_ID": "someone/review"}

    def arguments(self):
        return ["--root-path", self.PREFIX]


class HomelessWithModel(Homeless):
    SCRIPT = ROOT / "app.py"


def begin(kind, folder):
    server = kind(folder)
    proxy = SubPath(server.url, kind.PREFIX)
    server.url = proxy.url
    return server, proxy


@pytest.mark.browser
@pytest.mark.skipif(sys.platform != "linux", reason="where the platform's folders are differs")
def test_the_page_works_without_a_home_and_below_a_sub_path(browser, tmp_path):
    server, proxy = begin(Homeless, tmp_path)
    page = Watched(browser, server)
    page.goto(server.url)
    page.click(".rv-example >> nth=0")
    page.wait_result()
    page.wait_for_selector(".rv-shelf .rv-is-todo")
    page.click(".rv-brand")
    assert "Clips are deleted after 1 day." in page.inner_text(".rv-home")
    page.close()
    server.stop()
    proxy.stop()
    assert set(proxy.outside) <= {"/favicon.ico"}  # browsers look for it by themselves
    assert [fault for fault in page.faults if "outside the sub-path" not in fault] == []
    assert "Traceback" not in server.said()
    assert re.search(r"/dev/null.* cannot be written: keeping everything in .*cmhkf-\d+", server.said())
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert {name for name in written if not name.startswith("cmhkf-")} <= {"server.log"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="where the platform's folders are differs")
def test_the_real_model_analyses_an_example_without_a_home_and_below_a_sub_path(tmp_path):
    server, proxy = begin(HomelessWithModel, tmp_path)
    example = sorted((ROOT / "assets" / "examples").glob("*.mp4"))[0]
    begun = time.monotonic()
    answer = Client(server.url, verbose=False).predict(handle_file(str(example)), "demo", 0.5, api_name="/analyze")
    assert time.monotonic() - begun < 280
    assert len(answer["scores"]) == answer["n_snippets"] > 0
    assert list(tmp_path.glob(f"cmhkf-{os.getuid()}/features/*/*.npz"))
    server.stop()
    proxy.stop()
    assert "Traceback" not in server.said()
