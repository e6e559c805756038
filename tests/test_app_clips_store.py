"""The store on real SQLite files."""

import dataclasses
import json
from pathlib import Path

import pytest
from analyses import make_analysis, make_clip
from fakes import make_video
from sqlalchemy.orm import Session

from app.clips.store import ClipRow, NotFoundError, Store, analysis_id
from cmhkf import ConfigError
from cmhkf.media.clip import probe


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'review.sqlite3'}")


def bring(store, tmp_path, name="door.mp4", content=b"video", sha256="ab" * 32, move=False):
    source = tmp_path / "incoming.tmp"
    source.write_bytes(content)
    return store.add_clip(make_clip(path=str(source), name=source.name, sha256=sha256), name, move=move)


def test_a_clip_is_kept_under_its_hash_with_its_name(store, tmp_path):
    clip = bring(store, tmp_path)
    assert (clip.name, clip.path) == ("door.mp4", str(store.clips_dir / f"{'ab' * 32}.mp4"))
    assert (store.clips_dir / f"{'ab' * 32}.mp4").read_bytes() == b"video"
    assert (tmp_path / "incoming.tmp").exists()
    assert clip.native_rate == make_clip().native_rate  # Fractions come back as Fractions


def test_a_row_of_an_earlier_version_is_probed_again_once(store, tmp_path):
    clip = store.add_clip(probe(make_video(tmp_path / "hall.ts", seconds=2)), "hall.ts", move=False)
    assert clip.first_frame_s > 0.5  # a transport stream does not begin at 0

    def make_old():
        with Session(store.engine) as session:
            row = session.get(ClipRow, clip.sha256)
            held = json.loads(row.probed)
            for name in ("first_frame_s", "audio_start_s", "n_clocks"):
                del held[name]
            row.probed = json.dumps(held)
            session.commit()

    make_old()
    assert store.library()[0].duration_s == clip.duration_s  # a list does not wait for it
    assert (store.clip(clip.sha256), store.clip(clip.sha256)) == (clip, clip)
    make_old()
    Path(clip.path).unlink()
    assert store.clip(clip.sha256) == dataclasses.replace(clip, first_frame_s=0.0, audio_start_s=None)


def test_a_lost_file_is_replaced(store, tmp_path):
    clip = bring(store, tmp_path)
    (store.clips_dir / f"{clip.sha256}.mp4").unlink()
    assert bring(store, tmp_path) == clip
    assert (store.clips_dir / f"{clip.sha256}.mp4").exists()


@pytest.mark.parametrize("name", ["page.html", "../../etc/x.svg", "no suffix", "x.mp4.exe", "${alert(1)}.js"])
def test_no_name_makes_a_file_that_a_browser_would_open_as_a_page(store, tmp_path, name):
    clip = bring(store, tmp_path, name=name)
    assert (clip.name, [p.name for p in store.clips_dir.iterdir()]) == (name, [f"{clip.sha256}.bin"])


def test_an_analysis_is_found_again_after_a_restart(store, tmp_path):
    clip = bring(store, tmp_path)
    key = store.save(make_analysis([0.1, 0.9], clip=clip))
    again = Store(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'review.sqlite3'}")
    assert again.find(clip.sha256, "test", "0" * 16) == key == again.latest(clip.sha256)
    assert again.load(key).scores.tolist() == pytest.approx([0.1, 0.9])
    (entry,) = again.library()
    assert (entry.analysis_id, entry.trained, entry.peak) == (key, False, pytest.approx(0.9))
    assert entry.added.tzinfo is not None


def test_analyses_differ_by_model_and_recipe_and_repeat_into_one(store, tmp_path):
    clip = bring(store, tmp_path)
    first = make_analysis([0.1], clip=clip)
    others = dataclasses.replace(first, model_id="other"), dataclasses.replace(first, recipe_hash="1" * 16)
    keys = [store.save(analysis) for analysis in (first, first, *others)]
    assert (keys[0], len(set(keys)), len(store.library()), store.latest(clip.sha256)) == (keys[1], 3, 3, keys[3])
    assert keys[0] == analysis_id(clip.sha256, "test", "0" * 16)


def test_the_library_keeps_the_order_in_which_clips_came_in_whatever_is_analysed_first(store, tmp_path):
    old = bring(store, tmp_path, "old.mp4", b"1", "01" * 32)
    bring(store, tmp_path, "new.mp4", b"2", "02" * 32)
    assert [e.name for e in store.library()] == ["new.mp4", "old.mp4"]
    assert [e.analysis_id for e in store.library()] == [None, None]
    store.save(make_analysis([0.5], clip=old))
    assert [e.name for e in store.library()] == ["new.mp4", "old.mp4"]
    newest = store.save(make_analysis([0.5], clip=old, model_id="another"))
    assert [e.analysis_id for e in store.library()][1] == newest  # of one clip the newest analysis first


def test_what_is_not_there_is_named(store, tmp_path):
    with pytest.raises(NotFoundError, match="no clip 'cdcdcdcdcdcd'"):
        store.clip("cd" * 32)
    with pytest.raises(NotFoundError, match="no analysis 'nope'"):
        store.load("nope")
    assert store.find("cd" * 32, "m", "r") is None
    assert store.latest("cd" * 32) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "the value"),
        ("postgresql+nodriver://u:secret@h/db", "postgresql"),
        ("sqlite:////nowhere/at/all.db", "sqlite"),
    ],
)
def test_a_database_that_cannot_be_opened(tmp_path, url, words):
    with pytest.raises(ConfigError, match=f"{words}.*--database-url") as caught:
        Store(tmp_path, url)
    assert "secret" not in str(caught.value)
