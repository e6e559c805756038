"""The limit of the feature cache: what was not used for longest goes first, and never what was just written."""

import os

import pytest
from fake_encoders import fake_encoders
from fakes import make_video
from media_factory import probed

from cmhkf.analyzer import Analyzer
from cmhkf.errors import ConfigError, DataError
from cmhkf.features.cache import evict, limit_bytes
from cmhkf.features.extract import cached_file, extract, kept_file
from cmhkf.features.recipe import recipe_of
from cmhkf.files import PART_KEPT_S
from cmhkf.model.config import ModelConfig


def aged(cache, names, size=100):
    """Files of a recipe, the first of them not used for longest."""
    (cache / "recipe").mkdir(exist_ok=True)
    for age, name in enumerate(reversed(names), 1):
        file = cached_file(cache, "recipe", name)
        file.write_bytes(b"x" * size)
        os.utime(file, (1e9 - age, 1e9 - age))


def kept(cache):
    return sorted(file.stem for file in cache.glob("*/*.npz"))


@pytest.mark.parametrize(("most", "left"), [(400, "abcd"), (399, "bcd"), (200, "cd"), (100, "d"), (0, "d")])
def test_what_was_not_used_for_longest_goes_first_and_never_what_was_just_written(tmp_path, most, left):
    aged(tmp_path, "abcd")
    evict(tmp_path, cached_file(tmp_path, "recipe", "d"), most)
    assert kept(tmp_path) == [*left]


def test_what_was_just_written_stays_even_when_it_is_the_oldest(tmp_path):
    aged(tmp_path, "abc")
    evict(tmp_path, cached_file(tmp_path, "recipe", "a"), 100)
    assert kept(tmp_path) == ["a"]


def test_reading_a_file_marks_it_as_used(tmp_path):
    aged(tmp_path, "abc")
    kept_file(tmp_path, "recipe", "a")
    evict(tmp_path, cached_file(tmp_path, "recipe", "c"), 200)
    assert kept(tmp_path) == ["a", "c"]
    with pytest.raises(DataError, match="not kept any more; remove the clip from the library and open it again"):
        kept_file(tmp_path, "recipe", "b")


def test_half_written_files_of_killed_processes_go_too(tmp_path):
    aged(tmp_path, "a")
    old, new = (tmp_path / "recipe" / f"{name}.npz.{name}.part" for name in "12")
    foreign = tmp_path / "recipe" / "download.mp4.part"
    for part in (old, new, foreign):
        part.touch()
    for part in (old, foreign):
        os.utime(part, (new.stat().st_mtime - PART_KEPT_S - 1,) * 2)
    evict(tmp_path, cached_file(tmp_path, "recipe", "a"), 100)
    assert [part.exists() for part in (old, new, foreign)] == [False, True, True]


def test_an_analysis_keeps_the_cache_within_the_limit(tmp_path, monkeypatch):
    encoders = fake_encoders()
    recipe, clips = recipe_of(encoders, "24fps"), []
    for seconds in (1, 2, 3):
        clips.append(probed(make_video(tmp_path / f"{seconds}.mp4", seconds=seconds)))
        [*extract(clips[-1], encoders, recipe, cache_dir=tmp_path / "cache")]
    files = [cached_file(tmp_path / "cache", recipe.hash, clip.sha256) for clip in clips]
    for age, file in enumerate(files):
        os.utime(file, (1e9 + age, 1e9 + age))
    [*extract(clips[0], encoders, recipe, cache_dir=tmp_path / "cache")]  # read: now used
    monkeypatch.setenv("CMHKF_CACHE_GB", f"{(files[0].stat().st_size + files[2].stat().st_size + 100) / 1e9:.9f}")
    files[2].unlink()
    [*extract(clips[2], encoders, recipe, cache_dir=tmp_path / "cache")]
    assert [file.exists() for file in files] == [True, False, True]


def test_a_limit_that_is_no_number_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    assert limit_bytes() == 20e9
    monkeypatch.setenv("CMHKF_CACHE_GB", "lots")
    with pytest.raises(ConfigError, match="CMHKF_CACHE_GB is 'lots'; it must be a number"):
        Analyzer(fake_encoders(), ModelConfig(), name="x", cache_dir=tmp_path)
