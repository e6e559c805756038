"""What is uploaded is taken once and leaves nothing, whether it is taken, cut off, refused or sent twice."""

import asyncio
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fakes import make_video
from gradio.route_utils import upload_fn
from gradio.utils import get_upload_folder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.web.uploads import FailedUploads, Uploads, uploaded
from cmhkf import MediaError

HEAD = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'


def in_a_loop(work):
    """What a coroutine returns; in a thread of its own, as Playwright keeps a loop in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "uploads"
    made.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(made))
    return made


class Site:
    """Gradio's own way of taking uploads, with ours round it."""

    def __init__(self, folder):
        async def upload(request: Request):
            files, _, _ = await upload_fn(request, folder, 1e9, None)
            return JSONResponse([str(file) for file in files])

        self.folder = folder
        self.app = FailedUploads(Starlette(routes=[Route("/upload", upload, methods=["POST"])]), folder)

    async def send(self, *parts, failure=None, meanwhile=None):
        """Send a body in parts; then the client goes away, or the request ends when `failure` is ""."""
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        last = {"type": "http.request", "body": b"", "more_body": False}
        messages.append({"type": "http.disconnect"} if failure is None else last)
        answers = []

        async def receive():
            if meanwhile and len(messages) == 1:
                await meanwhile()
            return messages.pop(0)

        async def send(message):
            answers.append(message)

        scope = {"type": "http", "method": "POST", "path": "/upload", "query_string": b"", "root_path": ""}
        scope["headers"] = [(b"content-type", b"multipart/form-data; boundary=x")]
        await self.app(scope, receive, send)
        return answers


def test_an_upload_that_is_cut_off_leaves_nothing_and_one_under_way_keeps_its_file(folder):
    site, seen = Site(folder), []

    async def cut_off():
        with pytest.raises(Exception):  # noqa: B017, PT011  whatever Starlette calls it
            await site.send(HEAD, b"video" * 1000)
        seen.extend(folder.iterdir())

    async def both():
        return await site.send(HEAD, b"video" * 2000, b"\r\n--x--\r\n", failure="", meanwhile=cut_off)

    assert in_a_loop(both())[0]["status"] == 200
    assert len(seen) >= 1  # the file of the one under way
    (kept,) = [path for path in folder.rglob("*") if path.is_file()]
    assert (kept.read_bytes(), kept.name) == (b"video" * 2000, "a.mp4")


def test_a_full_disk_is_not_kept_full(folder):
    async def full(scope, receive, send):
        (folder / "tmp12345678").write_bytes(b"as much as went in")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        in_a_loop(FailedUploads(full, folder)({"type": "http", "path": "/gradio_api/upload"}, None, None))
    assert list(folder.iterdir()) == []


def test_every_upload_is_taken_once_also_when_the_same_bytes_come_twice(folder, workspace, tmp_path):
    video = make_video(tmp_path / "a.mp4", seconds=1)
    uploads, path = Uploads(workspace), folder / ("ab" * 32) / "a.mp4"

    def send():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(video.read_bytes())
        return str(path)

    send()
    clip, known = uploads.take(send(), "a.mp4")
    assert not known
    assert uploads.take(str(path), "a.mp4") == (clip, True)  # the second of two, when the first took the file
    assert (uploads.take(send(), "b.mp4"), list(folder.iterdir())) == ((clip, True), [])
    with pytest.raises(MediaError, match="not here any more"):
        uploads.take(str(folder / ("cd" * 32) / "a.mp4"), "a.mp4")
    with pytest.raises(MediaError, match="not here any more"), uploaded(str(folder)):
        pass


def test_a_file_that_is_no_video_is_named_as_its_sender_calls_it_and_leaves_nothing(folder, workspace):
    path = folder / ("ab" * 32) / "letter.mp4"
    path.parent.mkdir()
    path.write_text("Dear madam")
    with pytest.raises(MediaError, match=re.escape("letter.mp4")):
        Uploads(workspace).take(str(path), "letter.mp4")
    assert list(folder.iterdir()) == []
    assert [file for file in workspace.store.scratch.path.rglob("*") if file.is_file()] == []


def test_what_nobody_takes_goes_after_a_while(folder):
    for name, age_s in (("old", 7 * 3600), ("new", 60)):
        (folder / name).mkdir()
        (folder / name / "a.mp4").write_bytes(b"video")
        os.utime(folder / name, (Path(get_upload_folder()).stat().st_mtime - age_s,) * 2)
    Uploads.sweep()
    assert [path.name for path in folder.iterdir()] == ["new"]
