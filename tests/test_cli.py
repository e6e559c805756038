"""The command line as users script against it: exit codes, files, the table, and the doctor's remedies."""

import csv
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from analyses import make_analysis
from media_factory import ffmpeg
from processes import ran
from training_sets import table_of

from cmhkf import Analysis, ConfigError
from cmhkf.batch import output_names
from cmhkf.cli import app, main
from cmhkf.home import data_home
from cmhkf.media.find import find_videos

ROOT = Path(__file__).parents[1]


def process(*arguments, home):
    """The command as a process of its own."""
    return ran("-m", "cmhkf", *arguments, env=os.environ | {"CMHKF_HOME": str(home), "HF_HUB_OFFLINE": "1"})


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def cmhkf(capfd, monkeypatch):
    """The command in this process."""

    def run(*arguments, home, **environment):
        for name, value in ({"CMHKF_HOME": str(home), "HF_HUB_OFFLINE": "1"} | environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["cmhkf", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code or 0, *capfd.readouterr())

    return run


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


def test_a_folder_is_searched_for_every_format_and_names_what_it_leaves_out(tmp_path):
    suffixes = "264 h264 h265 hevc mxf dv APNG ivf mjpeg y4m dav mp4 vob"
    names = [f"clip.{suffix}" for suffix in suffixes.split()]
    for name in (*names, "notes.txt", "clip.weird"):
        (tmp_path / name).touch()
    left_out = []
    found = find_videos([str(tmp_path)], lambda folder, files: left_out.append((folder, files)))
    assert sorted(path.name for path in found) == sorted(names)
    assert left_out == [(tmp_path, [tmp_path / "clip.weird", tmp_path / "notes.txt"])]


def test_analyze_says_what_it_left_out_and_what_it_did_not_see(cmhkf, folder, tmp_path):
    made = tmp_path / "clips"
    made.mkdir()
    ffmpeg("-i", folder / "a.mp4", "-c", "copy", "-movflags", "+faststart", made / "whole.mp4")
    content = (made / "whole.mp4").read_bytes()
    (made / "cut.mp4").write_bytes(content[: int(len(content) * 0.5)])
    ffmpeg("-i", folder / "a.mp4", "-r 2", made / "slow.mp4")
    (made / "readme.txt").touch()
    done = cmhkf("analyze", made, "--out", tmp_path / "out", home=tmp_path / "home")
    assert done.returncode == 0
    assert "left out readme.txt" in done.stderr
    assert "cut.mp4: not seen" in done.stderr
    assert "whole.mp4: " not in done.stderr
    assert "slow.mp4: The model's scores are not known to hold on such footage: 2 frames a second" in done.stderr
    rows = {Path(row["video"]).name: row for row in table_of(tmp_path / "out" / "summary.csv")}
    assert rows["whole.mp4"]["unseen"] == rows["whole.mp4"]["caution"] == ""
    assert "2 frames a second" in rows["slow.mp4"]["caution"]
    assert rows["cut.mp4"]["unseen"].endswith("the file is cut off: it states more than it holds")
    assert float(rows["cut.mp4"]["declared_duration_s"]) == pytest.approx(2.0, abs=0.1)
    assert float(rows["cut.mp4"]["duration_s"]) < 1.6
    table = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert " - " in table["whole.mp4"]
    assert "not seen" in table["clip"]


def test_other_libraries_keep_their_caches_in_the_data_home_where_theirs_cannot_be_written(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/dev/null/config")
    monkeypatch.setattr(sys, "argv", ["cmhkf", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert os.environ["XDG_CACHE_HOME"] == str(data_home() / "caches")


def test_equal_stems_get_numbered_outputs():
    assert output_names([Path("x/a.mp4"), Path("y/a.avi"), Path("b.mp4")]) == ["a.npz", "a-2.npz", "b.npz"]


def test_help_needs_no_torch_and_names_the_commands(tmp_path):
    done = process("--help", home=tmp_path)
    assert done.returncode == 0
    for command in ("analyze", "doctor", "embed", "figure"):
        assert command in done.stdout


def test_analyze_does_the_good_ones_and_names_the_bad(cmhkf, folder, tmp_path):
    done = cmhkf("analyze", folder, "--out", tmp_path / "out", home=tmp_path / "home")
    assert done.returncode == 1, done.stderr
    assert "broken.mp4 is a web page (HTML)" in done.stderr
    assert "Untrained" not in done.stdout
    for name in ("a.npz", "a-2.npz"):
        analysis = Analysis.load(tmp_path / "out" / name)
        assert analysis.n_snippets == 3
        assert analysis.trained
        assert analysis.model_id.startswith("demo@")
        assert "alarms in 0.74 h: 5.4 an hour, 95 % interval 1.5 to 13.8" in analysis.calibration
        assert (analysis.encoders, analysis.modalities) == ("demo encoders", "VAT")
        assert analysis.clip_embeddings.shape == (3, 512)
    summary = table_of(tmp_path / "out" / "summary.csv")
    rows = {Path(row["video"]).relative_to(folder).as_posix(): row for row in summary}
    assert set(rows) == {"a.mp4", "sub/a.mp4", "broken.mp4"}
    assert rows["broken.mp4"]["error"]
    assert "failed: broken.mp4 is a web page" in done.stdout
    tables = [pq.read_table(tmp_path / "out" / f"{name}.parquet") for name in ("segments", "snippets")]
    assert tables[0]["threshold"].to_pylist() == [0.5] * len(tables[0])
    assert tables[1]["file"].to_pylist() == ["a-2.npz"] * 3 + ["a.npz"] * 3
    again = cmhkf("analyze", folder, "--out", tmp_path / "out", home=tmp_path / "home")
    assert again.returncode == 1
    assert "2 of 3 had been analysed before" in again.stdout
    assert float(rows["a.mp4"]["duration_s"]) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["analyze", "nothing-here", "--out", "out"], "nothing-here: no such file"),
        (["analyze", "--out", "out"], "Missing argument"),
        (["analyze", "README.md", "--out", "out", "--engine", "cloud"], "cloud"),
        (
            ["analyze", "README.md", "--out", "nonsense://bucket/out"],
            "nonsense; name a local folder",
        ),
        (["analyze", "README.md", "--out", "out", "--model", "nonsense"], "neither a preset"),
        (["analyze", "README.md", "--out", "out", "--address", "auto"], "are for --engine ray"),
    ],
)
def test_bad_usage_exits_2_and_says_why(cmhkf, arguments, message, tmp_path):
    arguments = [str(tmp_path / a) if a == "out" else a for a in arguments]
    done = cmhkf(*arguments, home=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "out", "message"),
    [("analyze clip.mp4", "file", "nothing can be written to --out .*file"),
     ("extract clip.mp4", "file", "nothing can be written to --out .*file"),
     ("figure --kind saliency a.npz", "file/a.pdf", "nothing can be written to --out .*file"),
     ("figure --kind saliency a.npz", "folder.pdf", "is a folder; name a file in it"),
     ("embed a.npz", "file/a.csv", "nothing can be written to --out .*file"),
     ("embed a.npz --image folder.pdf", "a.csv", "--image folder.pdf is a folder; name a file in it")],
)  # fmt: skip
def test_a_place_that_cannot_be_written_is_named_before_anything_is_computed(
    command, out, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("clip.mp4").write_text("no video: looked at only after --out")
    Path("folder.pdf").mkdir()
    make_analysis([0.1] * 9).save("a.npz")
    with pytest.raises(ConfigError, match=message):
        app([*command.split(), "--out", out], standalone_mode=False)


def test_analyze_writes_everything_to_a_url(cmhkf, folder, tmp_path):
    done = cmhkf("analyze", folder / "a.mp4", "--out", "memory://cli/out", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    fs = fsspec.filesystem("memory")
    written = {path.rsplit("/", 1)[-1]: fs.cat_file(path) for path in fs.ls("memory://cli/out", detail=False)}
    fs.rm("/cli", recursive=True)
    assert set(written) == {"a.npz", "summary.csv", "segments.parquet", "snippets.parquet"}
    (row,) = csv.DictReader(written["summary.csv"].decode().splitlines())
    assert (row["file"], row["error"]) == ("memory://cli/out/a.npz", "")
    assert pq.read_table(pa.BufferReader(written["snippets.parquet"]))["file"].to_pylist() == ["a.npz"] * 3


def test_doctor_explains_what_is_missing(cmhkf, tmp_path):
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
def test_other_engines_write_the_same_files(engine, folder, tmp_path, monkeypatch):
    short = Path(tempfile.mkdtemp(dir="/tmp"))  # Ray's sockets lie in it, whose paths may have 107 characters
    monkeypatch.setenv("RAY_TMPDIR", str(short))
    for name, arguments in (("plain", []), ("other", engine)):
        done = process("analyze", folder, "--out", tmp_path / name, *arguments, home=tmp_path / f"home-{name}")
        assert done.returncode == 1, done.stderr
    for name in ("a.npz", "a-2.npz"):
        plain, other = (Analysis.load(tmp_path / run / name) for run in ("plain", "other"))
        assert abs(plain.scores - other.scores).max() < 0.02
    shutil.rmtree(short)
