"""The command line as users script against it: exit codes, files, the table, and the doctor's remedies."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from media_factory import ffmpeg

from cmhkf import Analysis, ConfigError
from cmhkf.batch import find_videos, output_names

ROOT = Path(__file__).parents[1]


def cmhkf(*arguments, home, **environment):
    return subprocess.run(
        [sys.executable, "-m", "cmhkf", *map(str, arguments)],
        cwd=ROOT, env=os.environ | {"CMHKF_HOME": str(home), "HF_HUB_OFFLINE": "1"} | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two short clips with sound, one of them in a sub-folder under the same name, and one that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "sub").mkdir()
    source = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=2", "-f", "lavfi", "-i", "sine=d=2"]
    for name in ("a.mp4", "sub/a.mp4"):
        ffmpeg(*source, "-shortest", folder / name)
    (folder / "broken.mp4").write_text("<html>not found</html>")
    return folder


def test_find_videos_takes_files_folders_and_patterns(folder, monkeypatch):
    everything = [folder / "a.mp4", folder / "broken.mp4", folder / "sub" / "a.mp4"]
    assert find_videos([str(folder)]) == everything
    assert find_videos([str(folder / "*.mp4"), str(folder / "a.mp4")]) == everything[:2]
    monkeypatch.chdir(folder)
    assert find_videos(["sub/*"]) == [Path("sub/a.mp4")]
    with pytest.raises(ConfigError, match="nothing-here: no such file"):
        find_videos(["nothing-here"])


def test_equal_stems_get_numbered_outputs():
    assert output_names([Path("x/a.mp4"), Path("y/a.avi"), Path("b.mp4")]) == ["a.npz", "a-2.npz", "b.npz"]


def test_help_needs_no_torch_and_names_the_commands(tmp_path):
    done = cmhkf("--help", home=tmp_path)
    assert done.returncode == 0
    assert "analyze" in done.stdout
    assert "doctor" in done.stdout


def test_analyze_does_the_good_ones_and_names_the_bad(folder, tmp_path):
    done = cmhkf("analyze", folder, "--out", tmp_path / "out", home=tmp_path / "home")
    assert done.returncode == 1, done.stderr
    assert "broken.mp4 is a web page (HTML)" in done.stderr
    assert "Untrained" not in done.stdout
    for name in ("a.npz", "a-2.npz"):
        analysis = Analysis.load(tmp_path / "out" / name)
        assert analysis.n_snippets == 3
        assert analysis.trained
        assert analysis.model_id.startswith("demo@")
        assert "false alarms an hour" in analysis.calibration
        assert analysis.encoders == "demo encoders"
        assert analysis.modalities == "VAT"
        assert analysis.clip_embeddings.shape == (3, 512)
    with (tmp_path / "out" / "summary.csv").open(newline="") as file:
        rows = {Path(row["video"]).relative_to(folder).as_posix(): row for row in csv.DictReader(file)}
    assert set(rows) == {"a.mp4", "sub/a.mp4", "broken.mp4"}
    assert rows["broken.mp4"]["error"]
    assert float(rows["a.mp4"]["duration_s"]) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["analyze", "nothing-here", "--out", "out"], "nothing-here: no such file"),
        (["analyze", "--out", "out"], "Missing argument"),
        (["analyze", "README.md", "--out", "out", "--engine", "cloud"], "cloud"),
        (["analyze", "README.md", "--out", "out", "--model", "nonsense"], "neither a preset"),
    ],
)
def test_bad_usage_exits_2_and_says_why(arguments, message, tmp_path):
    arguments = [str(tmp_path / a) if a == "out" else a for a in arguments]
    done = cmhkf(*arguments, home=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_explains_what_is_missing(tmp_path):
    empty = {"TORCH_HOME": str(tmp_path), "HF_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = cmhkf("doctor", home=tmp_path, CMHKF_CLIP_WEIGHTS="", CMHKF_VGGISH_WEIGHTS="", **empty)
    assert done.returncode == 0, done.stderr
    lines = {line[6:28].strip(): line for line in done.stdout.splitlines() if line[:4] in ("ok  ", "MISS")}
    assert lines["demo encoders"].startswith("ok")
    assert lines["codecs"].startswith("ok")
    assert lines["CLIP ViT-B/16"].startswith("MISS")
    assert lines["VGGish"].startswith("MISS")
    assert "CMHKF_CLIP_WEIGHTS" in done.stdout
    assert "CMHKF_VGGISH_WEIGHTS" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("engine", [["--workers", "2"], ["--engine", "ray"]])
def test_other_engines_write_the_same_files(engine, folder, tmp_path):
    for name, arguments in (("plain", []), ("other", engine)):
        done = cmhkf("analyze", folder, "--out", tmp_path / name, *arguments, home=tmp_path / f"home-{name}")
        assert done.returncode == 1, done.stderr
    for name in ("a.npz", "a-2.npz"):
        plain, other = (Analysis.load(tmp_path / run / name) for run in ("plain", "other"))
        assert abs(plain.scores - other.scores).max() < 0.02
