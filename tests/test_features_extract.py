"""Features: rows from a streaming decode, cached under the recipe, with sound that may be missing or silent."""

import time
import tracemalloc
from dataclasses import replace
from itertools import takewhile

import numpy as np
import pytest
from fake_encoders import Loudness, MeanColour, fake_encoders
from media_factory import ffmpeg

from cmhkf.features.extract import Features, Part, blocks, extract, level_db
from cmhkf.features.recipe import Recipe
from cmhkf.media.clip import probe
from cmhkf.progress import Progress
from cmhkf.timeline import Timeline

RECIPE = Recipe(video=MeanColour.identity, text=(("name", "t"),), audio=Loudness.identity)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Red for 2 s, then blue for 2 s, at 24 fps; with a tone in the blue half, with silence, and without a track."""
    folder = tmp_path_factory.mktemp("clips")
    picture = ["-f", "lavfi", "-i", "color=red:s=64x48:r=24:d=2", "-f", "lavfi", "-i", "color=blue:s=64x48:r=24:d=2"]
    video = ["-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv420p"]
    tone = "aevalsrc='0.5*sin(2*PI*440*t)*gte(t,2)':s=16000:d=4"
    for name, sound in {"tone": tone, "silent": "anullsrc=r=16000:cl=mono:d=4"}.items():
        graph = ["-filter_complex", "[0][1]concat[v]", "-map", "[v]", "-map", "2:a", *video, "-c:a", "flac"]
        ffmpeg(*picture, "-f", "lavfi", "-i", sound, *graph, folder / f"{name}.mkv")
    ffmpeg(*picture, "-filter_complex", "[0][1]concat[v]", "-map", "[v]", *video, folder / "mute.mkv")
    return {path.stem: probe(path) for path in folder.iterdir()}


def run(clip, encoders=None, **options):
    *progress, features = extract(clip, encoders or fake_encoders(), RECIPE, **options)
    assert isinstance(features, Features)
    assert all(isinstance(step, Progress) for step in progress)
    return features, progress


def test_rows_follow_pictures_and_sound(clips):
    features, progress = run(clips["tone"])
    assert (features.timeline.n_snippets, features.timeline.duration_s) == (6, pytest.approx(4.0, abs=0.05))
    red, blue = features.video[:3][:, 0], features.video[3:][:, 2]
    assert (red > 0.9).all()
    assert (blue > 0.9).all()
    # The rows look back one second from their end: 2/3, 4/3, 2 s silent; then 2/3 s and 1 s of tone.
    rms = 0.5 / np.sqrt(2)
    np.testing.assert_allclose(features.audio[:][:, 0], [0, 0, 0, rms * np.sqrt(2 / 3), rms, rms], atol=0.01)
    assert (features.audio_level_db[:3] < -80).all()  # not -100 to the end: resampling rings a little before the tone
    np.testing.assert_allclose(features.audio_level_db[3:], 20 * np.log10(rms), atol=0.5)
    assert (features.audio_state, set(features.cues)) == ("heard", {"brightness", "loud"})
    assert {step.stage for step in progress} == {"pictures"}


def test_wide_rows_do_not_wait_in_memory(clips):
    class Wide(MeanColour):
        block = 1

        def encode(self, frames, inner=slice(None)):
            rows = super().encode(frames, inner)
            wide = np.tile(rows.video, 1 << 19)  # 8 MB
            return replace(rows, video=wide, cues={"a view": wide[:, 0]})

    tracemalloc.start()
    features, _ = run(clips["mute"], replace(fake_encoders(), video=Wide()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    rows = features.video[:]
    assert rows.nbytes == 6 * (8 << 20)
    assert peak < rows.nbytes / 2
    np.testing.assert_array_equal(rows[:, -4:], run(clips["mute"])[0].video)


def test_rows_do_not_depend_on_batches_or_blocks(clips, monkeypatch):
    whole, _ = run(clips["tone"])
    monkeypatch.setattr("cmhkf.features.extract.AUDIO_BLOCK_S", 0.3)
    encoders = fake_encoders()
    encoders.video.block = 4
    split, _ = run(clips["tone"], encoders)
    assert encoders.video.batches == [4, 2]
    assert encoders.audio.calls > 3
    np.testing.assert_array_equal(whole.video, split.video)
    np.testing.assert_allclose(whole.audio, split.audio, atol=1e-5)


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 6, 7, 8, 9])
def test_blocks_bring_what_lies_around_them(n, size):
    """Oracle: cut by index out of the whole clip."""
    clip = np.arange(2 * n).reshape(n, 2)
    found = list(blocks(iter(clip), size, 2))
    assert [(pictures[inner]).tolist() for pictures, inner in found] == [
        clip[i : i + size].tolist() for i in range(0, n, size)
    ]
    for i, (pictures, _) in zip(range(0, n, size), found, strict=True):
        np.testing.assert_array_equal(pictures, clip[max(0, i - 2) : i + size + 2])


@pytest.mark.parametrize(("name", "state", "level"), [("silent", "silent", -100.0), ("mute", "no sound track", None)])
def test_nothing_to_hear(clips, name, state, level):
    features, _ = run(clips[name])
    assert features.audio is None
    assert features.audio_state == state
    assert "loud" not in features.cues
    assert (features.audio_level_db is None) == (level is None)


def test_encoders_without_sound_leave_the_track_alone(clips):
    features, _ = run(clips["tone"], fake_encoders(audio=None))
    assert features.audio_state == "not used"


def test_rows_are_told_while_the_frames_are_read(clips, monkeypatch):
    """Oracle: the features at the end. Two snippets a piece, and windows of four instead of 256."""
    for name, value in {"PART_EVERY_S": 0.0, "PART_SHARE": 1e9, "WINDOW_SNIPPETS": 4}.items():
        monkeypatch.setattr(f"cmhkf.features.extract.{name}", value)
    monkeypatch.setattr("cmhkf.timeline.WINDOW_SNIPPETS", 4)
    for name in ("tone", "silent", "mute"):
        encoders = fake_encoders()
        encoders.video.block = 1
        *steps, features = extract(clips[name], encoders, RECIPE, parts=True)
        parts = [step for step in steps if isinstance(step, Part)]
        found = [(part.first, part.features.timeline.n_snippets) for part in parts]
        assert found == [(0, 1), (0, 2), (0, 3), (0, 4), (4, 1)]  # the sixth comes with the end
        for part in parts:
            rows = slice(part.first, part.first + part.features.timeline.n_snippets)
            assert (part.features.audio_state, part.features.recipe_hash) == (features.audio_state, RECIPE.hash)
            same(part.features, features, rows)
        plain, _ = run(clips[name], fake_encoders())
        same(plain, features)


def test_frames_wait_for_no_more_audio_than_tells_whether_there_is_any(clips, monkeypatch):
    for name, value in {"PART_EVERY_S": 0.0, "AUDIO_BLOCK_S": 0.5}.items():
        monkeypatch.setattr(f"cmhkf.features.extract.{name}", value)
    encoders = fake_encoders()
    encoders.video.block = 1
    encode, heard = encoders.audio.encode, []
    monkeypatch.setattr(encoders.audio, "encode", lambda *given: heard.append(given[2][-1]) or encode(*given))
    for name, heard_s in {"tone": 8 / 3, "silent": 4.0}.items():  # the tone begins at 2 s
        steps = list(
            takewhile(lambda step: not isinstance(step, Part), extract(clips[name], encoders, RECIPE, parts=True))
        )
        assert heard[-1] == pytest.approx(heard_s, abs=0.1), name
        assert {step.stage for step in steps} == {"pictures", "sound"}


def same(found, features, rows=slice(None)):
    for name in ("video", "semantic", "audio", "audio_level_db"):
        whole = getattr(features, name)
        np.testing.assert_array_equal(getattr(found, name), whole if whole is None else whole[rows])
    assert found.cues.keys() == features.cues.keys()
    for name, cue in features.cues.items():
        np.testing.assert_array_equal(found.cues[name], cue[rows])


def test_the_time_between_two_looks_follows_what_they_cost(clips, monkeypatch):
    monkeypatch.setattr("cmhkf.features.extract.PART_EVERY_S", 0.0)
    encoders = fake_encoders()
    encoders.video.block = 1
    steps = extract(clips["mute"], encoders, RECIPE, parts=True)
    looks = 0
    for step in steps:
        if isinstance(step, Part):
            looks += 1
            time.sleep(0.3)  # so the next one is due after 15 s
    assert looks == 1


@pytest.mark.parametrize("foreseen", [3, 30])
def test_audio_fits_the_frames_whatever_was_foreseen(clips, monkeypatch, foreseen):
    """A file whose packets promise fewer or more snippets than its frames make."""
    expected, _ = run(clips["tone"])
    monkeypatch.setattr("cmhkf.features.extract._foreseen", lambda clip: Timeline(foreseen, foreseen * 2 / 3))
    for name, value in {"PART_EVERY_S": 0.0, "PART_SHARE": 1e9}.items():
        monkeypatch.setattr(f"cmhkf.features.extract.{name}", value)
    encoders = fake_encoders()
    encoders.video.block = 1
    *steps, found = extract(clips["tone"], encoders, RECIPE, parts=True)
    same(found, expected)
    assert found.timeline == expected.timeline
    parts = [step.features for step in steps if isinstance(step, Part)]
    assert parts
    assert all(len(part.audio_level_db) == len(part.video) for part in parts)


def test_a_native_grid_shows_nothing_before_its_end(clips):
    native = replace(RECIPE, grid="native")
    *steps, features = extract(clips["tone"], fake_encoders(), native, parts=True)
    assert not any(isinstance(step, Part) for step in steps)
    assert features.audio_state == "heard"


def test_cache_spares_the_encoders_and_survives_damage(clips, tmp_path):
    first, _ = run(clips["tone"], cache_dir=tmp_path)
    encoders = fake_encoders()
    again, progress = run(clips["tone"], encoders, cache_dir=tmp_path)
    assert (encoders.video.batches, progress) == ([], [])
    for name in ("video", "semantic", "audio", "audio_level_db"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (again.timeline, again.audio_state) == (first.timeline, "heard")
    [file] = tmp_path.rglob("*.npz")
    assert file.parent.name == RECIPE.hash
    file.write_bytes(file.read_bytes()[:100])
    mended, _ = run(clips["tone"], cache_dir=tmp_path)
    np.testing.assert_array_equal(first.video, mended.video)


def test_an_unwritable_cache_is_no_error(clips, tmp_path):
    (tmp_path / "file").write_text("in the way")
    features, _ = run(clips["mute"], cache_dir=tmp_path / "file")
    assert features.video.shape == (6, 4)


def test_closing_stops_the_decoder(clips):
    steps = extract(clips["tone"], fake_encoders(), RECIPE)
    next(steps)
    next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_level_of_known_sound():
    wave = np.concatenate([np.zeros(1000), np.ones(1000), np.full(500, 0.1)]).astype(np.float32)
    level = level_db(wave, 1.0, np.array([2.0, 3.0, 4.0]), 1.0, 1000)
    np.testing.assert_allclose(level, [-100, 0, 10 * np.log10(0.005)], atol=1e-4)
