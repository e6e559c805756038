"""Previews behind the page: made once, found again, given up when nobody looks."""

import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from fakes import make_video

from app.previews import PreviewAsks, Previews
from app.settings import Settings
from app.store import NotFoundError, Store
from cmhkf.media import probe


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, Settings(home=tmp_path).store_url)


@pytest.fixture
def previews(store):
    made = Previews(store)
    yield made
    made.close()


def keep(store, path):
    return store.add_clip(probe(path), path.name, move=False).sha256


def wait(previews, sha256, seconds=60.0):
    end = time.monotonic() + seconds
    while True:
        facts = previews.facts(sha256)
        if not any(part["state"] in ("queued", "running") for part in facts.values()):
            return facts
        assert time.monotonic() < end, facts
        time.sleep(0.02)


def place(store, url):
    path = Path(unquote(url.removeprefix("gradio_api/file=")))
    assert path.parent == store.previews_dir
    return path


def test_sound_and_pictures_are_made_once_in_a_public_folder(store, previews, tmp_path):
    sha256 = keep(store, make_video(tmp_path / "clip.mp4", seconds=3))
    assert previews.facts(sha256)["film"]["state"] in ("queued", "running")
    facts = wait(previews, sha256)
    assert {part["state"] for part in facts.values()} == {"done"}
    assert store.previews_dir in store.public_dirs
    assert b'"pairs"' in place(store, facts["sound"]["url"]).read_bytes()
    again = Previews(store)  # as after a restart
    assert again.facts(sha256) == facts
    again.close()


def test_no_sound_track_is_said_and_is_no_failure(store, previews, tmp_path):
    sha256 = keep(store, make_video(tmp_path / "mute.mp4", seconds=1, sound=False))
    facts = wait(previews, sha256)
    assert facts["sound"]["state"] == "none"
    assert facts["film"]["state"] == "done"


def test_a_clip_that_cannot_be_read_any_more_says_so(store, previews, tmp_path):
    sha256 = keep(store, make_video(tmp_path / "clip.mp4", seconds=1))
    for file in store.clips_dir.iterdir():
        file.unlink()
    facts = wait(previews, sha256)
    assert facts["film"]["state"] == facts["sound"]["state"] == "failed"
    assert "no longer at" in facts["film"]["error"]


def test_leaving_a_clip_stops_the_work_and_coming_back_begins_it_again(store, previews, tmp_path):
    sha256 = keep(store, make_video(tmp_path / "long.mp4", seconds=60))
    asks = {ask.__name__: ask for ask in PreviewAsks(previews).functions()}
    asks["previews"]({"clip": sha256})
    assert asks["drop_previews"]({"clip": sha256}) == {}
    end = time.monotonic() + 20
    while any(not job.over for job in (previews._looking.find(sha256), previews._listening.find(sha256))):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert not list(store.previews_dir.glob("*.film*"))
    assert {part["state"] for part in wait(previews, sha256).values()} == {"done"}


def test_an_unknown_clip_is_an_error_in_words(previews):
    with pytest.raises(NotFoundError, match="no clip"):
        previews.facts("0" * 64)
    assert "no clip" in PreviewAsks(previews).functions()[0]({"clip": "nope"})["error"]
