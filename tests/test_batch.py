"""Many videos: nothing is analysed twice, a kill loses only what was at work, and a bad one stops no other."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import make_video, until
from fsspec.implementations.memory import MemoryFileSystem
from noted import load_noted
from processes import below
from test_media_children import alive

from cmhkf import Analysis, flag_segments
from cmhkf.batch import ENDED, analyze_many, output_names
from cmhkf.errors import ConfigError, MediaError
from cmhkf.home import data_home
from cmhkf.media import remote
from cmhkf.media.find import find_sources
from cmhkf.results import write_tables

ROOT = Path(__file__).parents[1]
KILLED = """
import sys
from pathlib import Path
from noted import load_noted
from cmhkf.batch import analyze_many
if __name__ == "__main__":
    videos = [Path(name) for name in sys.argv[3:]]
    for outcome in analyze_many(videos, Path(sys.argv[1]), model="m", workers=int(sys.argv[2]), load=load_noted):
        print(outcome.file, flush=True)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Six clips of other content."""
    folder = tmp_path_factory.mktemp("made")
    return [make_video(folder / f"{n}.mp4", seconds=0.5 + n / 4, size="64x48") for n in range(6)]


@pytest.fixture
def clips(made, tmp_path):
    """The same in a folder that a test may change."""
    (tmp_path / "clips").mkdir()
    return [Path(shutil.copy(clip, tmp_path / "clips")) for clip in made]


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """Which clips were analysed since it was last asked."""
    file = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(file))

    def read():
        lines = file.read_text().split() if file.exists() else []
        file.unlink(missing_ok=True)
        return sorted(lines)

    return read


def run(videos, out, model="m", **options):
    """Outcomes by the name of the video."""
    found = analyze_many(videos, out, model=model, load=load_noted, **options)
    return {outcome.video.rsplit("/", 1)[-1]: outcome for outcome in found}


def names(out):
    return sorted(path.name for path in out.iterdir())


def test_what_was_analysed_is_not_analysed_again(clips, tmp_path, notes):
    out = tmp_path / "out"
    first = run(clips[:2], out)
    assert notes() == ["0.mp4", "1.mp4"]
    again = run(clips[:3], out)
    assert notes() == ["2.mp4"]
    assert [again[f"{n}.mp4"].kept for n in range(3)] == [True, True, False]
    assert again["0.mp4"].peak_score == first["0.mp4"].peak_score
    assert names(out) == ["0.npz", "1.npz", "2.npz"]


def test_the_summary_names_the_moment_of_the_peak_as_its_segment_does(clips, tmp_path, notes):
    (outcome,) = run(clips[:1], tmp_path / "out").values()
    (whole,) = flag_segments(Analysis.load(outcome.file), 0.0)
    assert outcome.peak_s == whole.peak_s > 0


def test_content_and_model_decide_and_not_the_name(clips, tmp_path, notes):
    out, clip = tmp_path / "out", clips[0]
    run([clip], out)
    copy = Path(shutil.copy(clip, clip.with_name("copy.mp4")))
    run([copy], out)
    assert notes() == ["0.mp4"]
    assert names(out) == ["0.npz", "copy.npz"]
    told = Analysis.load(out / "copy.npz").clip
    assert (told.path, told.name) == (str(copy), "copy.mp4")
    copy = copy.rename(clip.with_name("moved.mp4"))
    run([copy], out)
    assert (notes(), names(out)) == ([], ["0.npz", "moved.npz"])
    shutil.copy(clips[1], clip)  # other content under the name of before
    assert not run([clip], out)["0.mp4"].kept
    assert not run([clip], out, model="other")["0.mp4"].kept
    assert notes() == ["0.mp4", "0.mp4"]


def test_another_clip_of_that_name_takes_nothing_away(clips, tmp_path, notes):
    out = tmp_path / "out"
    for folder, clip in zip("ab", clips, strict=False):
        (tmp_path / folder).mkdir()
        run([Path(shutil.copy(clip, tmp_path / folder / "cam.mp4"))], out)
    assert names(out) == ["cam-2.npz", "cam.npz"]
    assert Analysis.load(out / "cam.npz").clip.path == str(tmp_path / "a" / "cam.mp4")
    notes()
    both = [tmp_path / folder / "cam.mp4" for folder in "ba"]
    assert all(outcome.kept for outcome in analyze_many(both, out, model="m", load=load_noted))
    assert notes() == []
    assert output_names([Path("/x/a.mp4"), Path("/y/a.avi")], {"/y/a.avi": "a.npz"}) == ["a-2.npz", "a.npz"]


def test_a_damaged_analysis_is_made_again(clips, tmp_path, notes):
    run(clips[:1], tmp_path / "out")
    file = tmp_path / "out" / "0.npz"
    file.write_bytes(file.read_bytes()[:500])
    run(clips[:1], tmp_path / "out")
    assert notes() == ["0.mp4", "0.mp4"]
    assert Analysis.load(file).n_snippets > 0


def test_bad_ones_stop_no_other(clips, tmp_path, notes):
    bad = [tmp_path / name for name in ("web.mp4", "empty.mp4", "missing.mp4", "folder.mp4", "faulty.mp4")]
    bad[0].write_text("<html>not found</html>")
    bad[1].touch()
    bad[3].mkdir()
    shutil.copy(clips[5], bad[4])
    found = run([bad[0], clips[0], *bad[1:], clips[1]], tmp_path / "out")
    said = {name: outcome.error for name, outcome in found.items()}
    assert said.pop("0.mp4") == said.pop("1.mp4") == ""
    wanted = ("is a web page", "is empty", "does not exist", "is a folder", "RuntimeError: a fault of ours")
    assert [words in said[path.name] for words, path in zip(wanted, bad, strict=True)] == [True] * 5
    assert names(tmp_path / "out") == ["0.npz", "1.npz"]


@pytest.mark.slow
def test_a_clip_that_ends_its_process_is_named_and_the_rest_is_done(clips, tmp_path, notes):
    ends = Path(shutil.copy(clips[0], clips[0].with_name("ends.mp4")))
    found = run([clips[1], ends, *clips[2:5]], tmp_path / "out", workers=2)
    assert {name for name, outcome in found.items() if outcome.error} == {"ends.mp4"}
    assert found["ends.mp4"].error == ENDED
    assert names(tmp_path / "out") == ["1.npz", "2.npz", "3.npz", "4.npz"]


def test_two_workers_analyse_one_content_once(clips, tmp_path, notes, monkeypatch):
    monkeypatch.setenv("DELAY_S", "1")
    same = [Path(shutil.copy(clips[0], clips[0].with_name(f"same{n}.mp4"))) for n in range(3)]
    found = run(same, tmp_path / "out", workers=2)
    assert [outcome.error for outcome in found.values()] == [""] * 3
    assert len(notes()) == 1
    assert names(tmp_path / "out") == ["same0.npz", "same1.npz", "same2.npz"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_kill_loses_only_what_was_at_work(clips, tmp_path, notes, workers):
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(out), str(workers), *map(str, clips)]
    if workers > 1:  # processes of a pool import the program anew
        (tmp_path / "killed.py").write_text(KILLED)
        command[1:3] = [str(tmp_path / "killed.py")]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "DELAY_S": "0.5"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(2):
            assert process.stdout.readline()
        children = below(process.pid)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    until(lambda: not any(alive(pid) for pid in children), seconds=5)
    (out / "left.npz.1.part").touch()  # what a kill in the middle of writing leaves
    os.utime(out / "left.npz.1.part", (1e9, 1e9))
    done = [path.stem for path in out.glob("*.npz")]
    assert 2 <= len(done) < 6
    for name in done:
        Analysis.load(out / f"{name}.npz")
    begun = notes()
    assert len(begun) <= len(done) + workers
    found = run(clips, out)
    assert notes() == sorted(f"{n}.mp4" for n in range(6) if str(n) not in done)
    assert not any(outcome.error for outcome in found.values())
    assert names(out) == [f"{n}.npz" for n in range(6)]


# Lists and URLs ------------------------------------------------------------------------------------------------------


def test_a_list_names_files_folders_patterns_and_what_is_not_there(clips, tmp_path):
    lines = ["# of today", "", str(clips[3]), str(tmp_path / "clips" / "[01].mp4"), "gone.mp4", "memory://listed/a.mp4"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    found = find_sources([str(tmp_path / "list.txt"), str(clips[0])])
    assert found == [clips[3], clips[0], clips[1], Path("gone.mp4"), "memory://listed/a.mp4"]


@pytest.fixture
def bucket(made):
    """A folder of the memory file system with three clips, two in one sub-folder, and a text."""
    fs = fsspec.filesystem("memory")
    for name, clip in (("a.mp4", made[0]), ("sub/b.mp4", made[1]), ("sub/c.MP4", made[2])):
        fs.pipe(f"/bucket/{name}", clip.read_bytes())
    fs.pipe("/bucket/notes.txt", b"notes")
    yield "memory://bucket"
    fs.rm("/bucket", recursive=True)


def test_urls_are_listed_like_folders_and_patterns(bucket):
    left_out = []
    found = find_sources([bucket], lambda folder, files: left_out.append((folder, [file.name for file in files])))
    assert found == [f"memory:///bucket/{name}" for name in ("a.mp4", "sub/b.mp4", "sub/c.MP4")]
    assert left_out == [("memory://bucket", ["notes.txt"])]
    assert find_sources([f"{bucket}/sub/*"]) == found[1:]
    assert find_sources([f"{bucket}/a.mp4"]) == [f"{bucket}/a.mp4"]


def test_urls_are_fetched_for_as_long_as_they_are_read(bucket, tmp_path, notes, monkeypatch):
    fetched, copied = [], remote.copied

    def watched(*arguments):
        fetched.append([path.name for path in (data_home() / "fetched").iterdir()])
        return copied(*arguments)

    monkeypatch.setattr(remote, "copied", watched)
    found = run(find_sources([bucket]), tmp_path / "out")
    assert notes() == ["a.mp4", "b.mp4", "c.MP4"]
    assert [len(folders) for folders in fetched] == [1, 1, 1]
    assert list((data_home() / "fetched").iterdir()) == []
    assert {outcome.error for outcome in found.values()} == {""}
    clip = Analysis.load(tmp_path / "out" / "b.npz").clip
    assert (clip.path, clip.name) == ("memory:///bucket/sub/b.mp4", "b.mp4")
    assert run(find_sources([bucket]), tmp_path / "out")["a.mp4"].kept
    assert notes() == []


def test_what_cannot_be_fetched_is_told_and_stops_no_other(bucket, tmp_path, notes, monkeypatch):
    found = run([f"{bucket}/gone.mp4", "nonsense://x/a.mp4", f"{bucket}/sub/b.mp4"], tmp_path / "out")
    assert "memory://bucket/gone.mp4 cannot be fetched: FileNotFoundError" in found["gone.mp4"].error
    assert "Protocol not known" in found["a.mp4"].error
    assert found["b.mp4"].error == ""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 9, 1))
    assert "and the disk of" in run([f"{bucket}/a.mp4"], tmp_path / "out")["a.mp4"].error


def test_what_a_killed_process_had_fetched_goes_and_what_another_reads_stays(bucket):
    left = data_home() / "fetched" / "left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    with remote.fetched(f"{bucket}/a.mp4") as file:
        remote.sweep()
        assert file.exists()
    assert not left.exists()


# A limit for what is fetched -----------------------------------------------------------------------------------------


@pytest.fixture
def limit(monkeypatch):
    """What may be fetched at a time, in bytes."""
    return lambda n_bytes: monkeypatch.setenv("CMHKF_FETCH_GB", f"{n_bytes / 1e9:.9f}")


@pytest.fixture
def untold(monkeypatch):
    """A server that tells no size, and sends a thousand bytes at a time."""
    monkeypatch.setattr(MemoryFileSystem, "size", lambda self, path: None)
    monkeypatch.setattr(MemoryFileSystem, "blocksize", 1000)


def test_a_video_over_the_limit_is_refused_and_stops_no_other(bucket, made, tmp_path, notes, limit):
    limit(made[2].stat().st_size - 1)
    found = run(find_sources([bucket]), tmp_path / "out")
    assert [name for name, outcome in found.items() if outcome.error] == ["c.MP4"]
    assert "that may be fetched; set CMHKF_FETCH_GB to more GB, or copy the video" in found["c.MP4"].error
    limit(0)
    none = run([f"{bucket}/a.mp4"], tmp_path / "other")
    assert "more than the 0 that may be fetched" in none["a.mp4"].error


def test_a_limit_that_is_no_number_is_told_before_the_work(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("CMHKF_FETCH_GB", "lots")
    with pytest.raises(ConfigError, match="CMHKF_FETCH_GB is 'lots'; it must be a number"):
        run([f"{bucket}/a.mp4"], tmp_path / "out")


@pytest.mark.usefixtures("untold")
def test_a_copy_without_a_size_ends_at_the_limit(bucket, limit, monkeypatch):
    limit(5000)
    left, remove = [], shutil.rmtree

    def watched(folder, **options):
        left.append((folder / "clip" / "a.mp4").stat().st_size)
        remove(folder, **options)

    monkeypatch.setattr(remote.shutil, "rmtree", watched)
    said = r"a\.mp4 has more than 5,000 bytes, which its server did not say, .* set CMHKF_FETCH_GB"
    with pytest.raises(MediaError, match=said), remote.fetched(f"{bucket}/a.mp4"):
        pass
    assert left == [6000]


@pytest.mark.usefixtures("untold")
def test_a_copy_that_outgrows_the_room_left_by_others_is_made_again_when_they_end(bucket, made, limit):
    size = made[0].stat().st_size
    limit(size * 1.5)
    with ThreadPoolExecutor() as pool:
        with remote.fetched(f"{bucket}/a.mp4"):
            other = pool.submit(size_of, f"{bucket}/a.mp4")
            time.sleep(2 * remote.WAIT_S)
            assert not other.done()
        assert other.result(timeout=60) == size


def test_workers_together_keep_to_the_limit(bucket, made, limit):
    most = made[0].stat().st_size * 2
    limit(most)
    held = []

    def fetch(_):
        with remote.fetched(f"{bucket}/a.mp4"):
            files = [*(data_home() / "fetched").glob("*/clip/*")]
            held.append(len(files))
            time.sleep(0.2)

    with ThreadPoolExecutor(6) as pool:
        assert [*pool.map(fetch, range(6))] == [None] * 6
    assert max(held) <= 2
    assert len(held) == 6


def test_room_that_a_killed_process_held_is_given_back(bucket, made, limit):
    limit(made[0].stat().st_size)
    left = data_home() / "fetched" / "left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    (left / remote.HELD).write_text("1000")
    assert size_of(f"{bucket}/a.mp4") == made[0].stat().st_size


def size_of(url):
    with remote.fetched(url) as file:
        return file.stat().st_size


# A URL to write to ---------------------------------------------------------------------------------------------------

KILLED_AT_ONCE = """
import os
from pathlib import Path
import sys
from fsspec.implementations.local import LocalFileSystem
from noted import load_noted
from cmhkf.batch import analyze_many
n, put_file = 0, LocalFileSystem.put_file
def half(self, source, target, **options):
    global n
    n += 1
    if n < 4:  # the probe and two analyses
        return put_file(self, source, target, **options)
    Path(target).write_bytes(Path(source).read_bytes()[:1000])
    os._exit(9)
LocalFileSystem.put_file = half
[*analyze_many([Path(name) for name in sys.argv[2:]], sys.argv[1], model="m", load=load_noted)]
"""


@pytest.fixture
def store():
    """A folder of the memory file system to write to."""
    yield "memory://written/out"
    fsspec.filesystem("memory").rm("/written", recursive=True)


def stored(url):
    return sorted(path.rsplit("/", 1)[-1] for path in fsspec.filesystem("memory").ls(url, detail=False))


def test_a_url_is_written_and_resumed_like_a_folder(clips, tmp_path, notes, store):
    local = run(clips[:2], tmp_path / "out")
    notes()
    first = run(clips[:2], store)
    assert notes() == ["0.mp4", "1.mp4"]
    assert [first[name].peak_score for name in first] == [local[name].peak_score for name in local]
    assert first["0.mp4"].file == f"{store}/0.npz"
    assert write_tables(store, 0.5) == write_tables(tmp_path / "out", 0.5) == []
    for name in ("segments", "snippets"):
        there = fsspec.filesystem("memory").cat(f"{store}/{name}.parquet")
        assert pq.read_table(pa.BufferReader(there)).equals(pq.read_table(tmp_path / "out" / f"{name}.parquet"))
    again = run(clips[:3], store)
    assert notes() == ["2.mp4"]
    assert [again[f"{n}.mp4"].kept for n in range(3)] == [True, True, False]
    assert stored(store) == ["0.npz", "1.npz", "2.npz", "segments.parquet", "snippets.parquet"]
    assert [*(data_home() / "fetched").glob("*/")] == []


def test_at_a_url_too_content_and_model_decide_and_a_damaged_analysis_is_made_again(clips, notes, store):
    run(clips[:2], store)
    moved = clips[0].rename(clips[0].with_name("moved[1].mp4"))  # what a store would take for a pattern
    run([moved], store)
    assert notes() == ["0.mp4", "1.mp4"]
    assert stored(store) == ["1.npz", "moved[1].npz"]
    assert not run([moved], store, model="other")[moved.name].kept
    fs = fsspec.filesystem("memory")
    fs.pipe(f"{store}/1.npz", fs.cat(f"{store}/1.npz")[:500])
    assert not run(clips[1:2], store)["1.mp4"].kept
    assert notes() == ["1.mp4", "moved[1].mp4"]


def test_workers_write_to_a_url_and_bad_videos_stop_no_other(clips, tmp_path, notes):
    (tmp_path / "web.mp4").write_text("<html>not found</html>")
    url = f"file://{tmp_path}/new/out"
    found = run([tmp_path / "web.mp4", *clips[:3]], url, workers=2)
    assert {name for name, outcome in found.items() if outcome.error} == {"web.mp4"}
    assert names(tmp_path / "new" / "out") == ["0.npz", "1.npz", "2.npz"]
    assert all(outcome.kept for outcome in run(clips[:3], url).values())
    assert len(notes()) == 3


def test_a_kill_in_the_middle_of_an_upload_loses_only_that_analysis(clips, tmp_path, notes):
    out = tmp_path / "out"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    arguments = [f"file://{out}", *map(str, clips[:4])]
    done = subprocess.run([sys.executable, "-c", KILLED_AT_ONCE, *arguments], cwd=ROOT, env=environment, check=False)
    assert done.returncode == 9
    assert notes() == ["0.mp4", "1.mp4", "2.mp4"]
    (part,) = {*names(out)} - {"0.npz", "1.npz"}
    run(clips[:4], f"file://{out}")
    assert notes() == ["2.mp4", "3.mp4"]
    assert names(out) == ["0.npz", "1.npz", "2.npz", "3.npz", part]  # another run may be writing it
    os.utime(out / part, (1e9, 1e9))
    run(clips[:4], f"file://{out}")
    assert (notes(), names(out)) == ([], ["0.npz", "1.npz", "2.npz", "3.npz"])


def test_a_read_that_fails_on_the_way_makes_nothing_again(clips, notes, store, monkeypatch):
    run(clips[:1], store)
    notes()
    opened = MemoryFileSystem._open

    def broken(self, path, mode="rb", **options):
        if mode == "rb" and path.endswith(".npz"):
            raise ConnectionError("the line is cut")
        return opened(self, path, mode, **options)

    monkeypatch.setattr(MemoryFileSystem, "_open", broken)
    with pytest.raises(MediaError, match=r"0\.npz cannot be fetched: ConnectionError: the line is cut"):
        run(clips[:1], store)
    monkeypatch.undo()
    assert notes() == []
    assert stored(store) == ["0.npz"]


def test_a_store_that_refuses_is_named_with_a_remedy(clips, notes, store, monkeypatch):
    for url, remedy in (
        ("nonsense://x/out", "Protocol not known: nonsense; name a local folder, or a URL that fsspec knows"),
        ("dask://x/out", "; install that package, or choose a local folder"),
    ):
        with pytest.raises(ConfigError, match=remedy):
            run(clips[:1], url)
    put_file = MemoryFileSystem.put_file

    def refuse(self, source, target, **options):
        raise PermissionError("AccessDenied")

    monkeypatch.setattr(MemoryFileSystem, "put_file", refuse)
    refused = r"nothing can be written to --out memory://written/out \(PermissionError: AccessDenied\); check the name"
    with pytest.raises(ConfigError, match=refused):
        run(clips[:1], store)
    later = analyze_many(clips[:3], store, model="m", load=load_noted)
    monkeypatch.setattr(MemoryFileSystem, "put_file", put_file)
    outcomes = [next(later)]
    monkeypatch.setattr(MemoryFileSystem, "put_file", refuse)
    outcomes.append(next(later))
    monkeypatch.setattr(MemoryFileSystem, "put_file", put_file)
    outcomes.append(next(later))
    assert ["AccessDenied" in outcome.error for outcome in outcomes] == [False, True, False]
    assert stored(store) == ["0.npz", "2.npz"]
