"""Finding, checking and fetching weight files: what is accepted, and what every refusal says."""

import hashlib
import os
import socket
import time
from pathlib import Path

import pytest
from subpath import Quiet, served

from cmhkf.encoders.weights import (
    Found,
    Wanted,
    WeightFile,
    find,
    find_or_fetch,
    hub_snapshot,
    hub_url,
    remembered_sha256,
)
from cmhkf.errors import WeightsError

CONTENT = bytes(range(256)) * 500
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NOWHERE = "https://weights.invalid/thing.bin"  # a name that is reserved never to exist


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("THING_WEIGHTS", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CMHKF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def thing(url: str = NOWHERE, places: tuple[Path, ...] = ()) -> Wanted:
    file = WeightFile("thing.bin", SHA256, len(CONTENT), url, places)
    return Wanted("Thing", "THING_WEIGHTS", (file,), "any .bin")


def write(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()

    class Cutting(Quiet):
        def do_GET(self):  # noqa: N802
            if self.path != "/cut.bin":
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1000])

    with served(folder, Cutting) as port:
        yield folder, f"http://127.0.0.1:{port}"


def test_the_order_is_argument_then_setting_then_own_place_then_caches(tmp_path, home, monkeypatch, caplog):
    cached = write(tmp_path / "cache" / "thing.bin")
    wanted = thing(places=(tmp_path / "none", cached))
    assert find(wanted) == Found(cached, SHA256)
    own = write(home / "weights" / "thing.bin")
    assert find(wanted).path == own
    tuned = write(tmp_path / "tuned.bin", b"fine-tuned")
    monkeypatch.setenv("THING_WEIGHTS", str(tuned))
    found = find(wanted)
    assert found == Found(tuned, hashlib.sha256(b"fine-tuned").hexdigest(), published=False)  # any hash, but recorded
    assert str(found).endswith(", not the published file)")
    assert [record.message for record in caplog.records] == [f"Thing: {found}"]
    other = write(tmp_path / "other.bin", b"other")
    assert (find(wanted, str(other)).path, find(wanted, cached)) == (other, Found(cached, SHA256))
    assert find_or_fetch(wanted, other).path == other


def test_nothing_found_says_what_where_and_three_ways(tmp_path, home):
    with pytest.raises(WeightsError) as caught:
        find(thing(places=(tmp_path / "cache" / "thing.bin",)))
    text = str(caught.value)
    assert text.splitlines()[0] == "Thing: the weights are not on this machine"
    places = [str(folder / "thing.bin") for folder in (home / "weights", tmp_path / "cache")]
    ways = ["  1. ", "  2. ", "  3. set THING_WEIGHTS", "any .bin"]
    for part in (f"thing.bin (128,000 bytes, SHA-256 {SHA256})", NOWHERE, *places, *ways):
        assert part in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-1], "127,999 bytes where thing.bin has 128,000: it was cut short"),
        (CONTENT + b"x", "128,001 bytes where thing.bin has 128,000: it is another file"),
        (CONTENT[::-1], f"has the SHA-256 {hashlib.sha256(CONTENT[::-1]).hexdigest()}, where thing.bin has {SHA256}"),
        (b"\n <!DOCTYPE html><html>Sign in</html>", "is a web page, not weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"", "is empty"),
    ],
)
def test_a_cached_file_that_is_not_the_published_one_is_refused(tmp_path, content, message):
    path = write(tmp_path / "cache" / "thing.bin", content)
    with pytest.raises(WeightsError) as caught:
        find_or_fetch(thing(places=(path,)))
    first, remedy = str(caught.value).split("\n")
    assert message in first
    assert str(path) in first
    assert remedy.endswith(".")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("folder", "a folder"), (b"<html>", "is a web page"), (b"", "is empty")],
)
def test_a_named_file_that_cannot_be_weights_is_refused(tmp_path, monkeypatch, content, message):
    path = tmp_path / "named.bin"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        write(path, content)
    monkeypatch.setenv("THING_WEIGHTS", str(path))
    with pytest.raises(WeightsError, match=message) as caught:
        find_or_fetch(thing())
    assert str(path) in str(caught.value)


def test_a_hash_is_computed_once_and_again_when_the_file_changes(tmp_path, home):
    path = write(tmp_path / "a.bin")
    assert remembered_sha256(path) == SHA256
    time_ns = path.stat().st_mtime_ns
    write(path, CONTENT[::-1])
    os.utime(path, ns=(time_ns, time_ns))
    assert remembered_sha256(path) == SHA256  # same size and time: taken from memory
    os.utime(path, ns=(time_ns + 1, time_ns + 1))
    assert remembered_sha256(path) == hashlib.sha256(CONTENT[::-1]).hexdigest()
    for stamp in (home / "verified").iterdir():
        stamp.write_text("{damaged")
    assert remembered_sha256(path) == hashlib.sha256(CONTENT[::-1]).hexdigest()
    assert {p.name for p in tmp_path.iterdir()} == {"a.bin", "home"}  # nothing is written beside the file


def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path, monkeypatch):
    monkeypatch.setenv("CMHKF_HOME", str(write(tmp_path / "file") / "home"))
    assert remembered_sha256(write(tmp_path / "a.bin")) == SHA256


def test_a_download_is_checked_and_kept(server, home):
    folder, url = server
    write(folder / "thing.bin")
    found = find_or_fetch(thing(f"{url}/thing.bin"))
    assert (found, found.path.read_bytes()) == (Found(home / "weights" / "thing.bin", SHA256), CONTENT)
    (folder / "thing.bin").unlink()
    assert find_or_fetch(thing(f"{url}/thing.bin")) == found  # the second time nothing is fetched


def test_a_download_shows_a_bar_on_stderr(server, capfd):
    folder, url = server
    write(folder / "thing.bin")
    find_or_fetch(thing(f"{url}/thing.bin"))
    out, err = capfd.readouterr()
    assert out == ""
    assert "thing.bin" in err
    assert "100%" in err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("thing.bin", CONTENT[::-1], "sent has the SHA-256"),
        ("thing.bin", b"<html>log in</html>", "sent is a web page"),
        ("cut.bin", None, "cut short|IncompleteRead"),
        ("absent.bin", None, "the download failed: HTTP Error 404"),
    ],
)
def test_a_bad_download_is_refused_and_leaves_nothing(server, home, name, content, message):
    folder, url = server
    if content:
        write(folder / name, content)
    with pytest.raises(WeightsError, match=message):
        find_or_fetch(thing(f"{url}/{name}"))
    assert list((home / "weights").iterdir()) == []


@pytest.mark.serial
@pytest.mark.parametrize(
    ("env", "url", "reason"),
    [
        ({}, NOWHERE, "weights.invalid cannot be reached|weights.invalid did not answer"),
        ({}, "https://198.51.100.1/thing.bin", "198.51.100.1 cannot be reached|198.51.100.1 did not answer"),
        ({"https_proxy": "http://127.0.0.1:9"}, NOWHERE, "weights.invalid cannot be reached"),
        ({"HF_HUB_OFFLINE": "1"}, "http://127.0.0.1:9/thing.bin", "HF_HUB_OFFLINE is set"),
    ],
)
def test_offline_is_said_within_three_seconds(monkeypatch, env, url, reason):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    started = time.monotonic()
    with pytest.raises(WeightsError, match=reason) as caught:
        find_or_fetch(thing(url))
    assert time.monotonic() - started < 3
    assert SHA256 in str(caught.value)


@pytest.mark.serial
def test_a_server_that_accepts_and_stays_silent_counts_as_offline():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(WeightsError, match=r"127.0.0.1 (did not answer within 2 s|cannot be reached)"):
            find_or_fetch(thing(f"http://127.0.0.1:{silent.getsockname()[1]}/thing.bin"))
        assert time.monotonic() - started < 3


def test_hub_paths_follow_the_hubs_own_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    tail = Path("models--a--b") / "snapshots" / "rev"
    assert hub_snapshot("a/b", "rev") == tmp_path / "xdg" / "huggingface" / "hub" / tail
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert hub_snapshot("a/b", "rev") == tmp_path / "hf" / "hub" / tail
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    assert hub_snapshot("a/b", "rev") == tmp_path / "cache" / tail
    assert hub_url("a/b", "rev", "f") == "https://huggingface.co/a/b/resolve/rev/f"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.invalid")
    assert hub_url("a/b", "rev", "f") == "https://mirror.invalid/a/b/resolve/rev/f"
