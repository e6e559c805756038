"""Previews behind the page: made once, found again, given up when nobody looks."""

import pytest
from fakes import make_video, until
from fakes import wait as over

from app.clips.previews import Previews
from app.clips.scheduler import Scheduler
from app.clips.store import Store
from app.settings import Settings
from cmhkf.media.clip import probe
from cmhkf.media.filmstrip import make_film


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, Settings(home=tmp_path).store_url)


@pytest.fixture
def scheduler():
    made = Scheduler()
    yield made
    made.close()


@pytest.fixture
def previews(store, scheduler):
    return Previews(store, scheduler)


def keep(store, path):
    return store.add_clip(probe(path), path.name, move=False).sha256


def wait(previews, sha256):
    until(lambda: not any(part.state in ("queued", "running") for part in previews.of(sha256)))
    return previews.of(sha256)


def test_sound_and_pictures_are_made_once_in_a_public_folder(store, previews, tmp_path):
    sha256 = keep(store, make_video(tmp_path / "clip.mp4", seconds=3))
    assert previews.of(sha256)[1].state in ("queued", "running")
    waveform, film = wait(previews, sha256)
    assert (waveform.state, film.state) == ("done", "done")
    assert store.previews_dir in store.public_dirs
    assert waveform.result.parent == film.result.parent == store.previews_dir
    assert b'"pairs"' in waveform.result.read_bytes()
    again = Previews(store, Scheduler())  # as after a restart
    assert [part.result for part in again.of(sha256)] == [waveform.result, film.result]


def test_a_clip_that_cannot_be_read_any_more_says_so(store, previews, tmp_path):
    sha256 = keep(store, make_video(tmp_path / "clip.mp4", seconds=1))
    for file in store.clips_dir.iterdir():
        file.unlink()
    waveform, film = wait(previews, sha256)
    assert film.state == waveform.state == "failed"
    assert "no longer at" in film.error


def test_leaving_a_clip_stops_the_work_and_coming_back_begins_it_again(store, scheduler, previews, tmp_path):
    sha256 = keep(store, make_video(tmp_path / "long.mp4", seconds=60))
    begun = [scheduler.job(part.job) for part in previews.of(sha256)]
    previews.stop(sha256)
    assert {over(job).state for job in begun} == {"cancelled"}
    assert not list(store.previews_dir.glob("*.film*"))
    assert {part.state for part in wait(previews, sha256)} == {"done"}


def test_work_that_was_given_up_too_late_is_used(store, scheduler, previews, tmp_path, monkeypatch):
    """Told to stop at its very end, it still puts its film where the one begun in its place wants to put another."""
    sha256 = keep(store, make_video(tmp_path / "clip.mp4", seconds=1))
    begun = []

    def make(clip, folder):
        yield from make_film(clip, folder)
        if not begun:
            previews.stop(sha256)
            begun.append(scheduler.job(previews.of(sha256)[1].job))

    monkeypatch.setattr("app.clips.previews.make_film", make)
    previews.of(sha256)
    until(lambda: begun and begun[0].over)
    assert begun[0].state == "done"
