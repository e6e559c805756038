"""Footage that cannot be seen or heard is named, with its place and the reason, and sound footage is not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from analyses import make_analysis
from fake_encoders import Loudness, MeanColour, fake_encoders
from media_factory import click_time, ffmpeg, probed
from time_cases import CASES, X264, clicking, encode

from cmhkf.batch import Outcome
from cmhkf.commands.analyze import _summary
from cmhkf.features.extract import Features, extract
from cmhkf.features.recipe import Recipe
from cmhkf.media.clip import SnippetStream, WaveformStream, probe, stream_audio
from cmhkf.media.sampling import FrameSampling
from cmhkf.media.unseen import Unseen, as_cell, as_public_rows, as_rows, from_rows, in_words, joined, length_s

ONE = FrameSampling((8,), 32, 32)
RECIPE = Recipe(video=MeanColour.identity, text=(("name", "t"),), audio=Loudness.identity)
PACKET = 188  # bytes of a transport stream's packet


def unseen(path) -> tuple[Unseen, ...]:
    stream = SnippetStream(probed(path), ONE)
    list(stream)
    return stream.unseen


def unheard(path) -> tuple[Unseen, ...]:
    stream = WaveformStream(probed(path), 16_000)
    list(stream)
    return stream.unheard


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Twelve seconds at 25 fps with a key frame each second and sound, index first."""
    folder = tmp_path_factory.mktemp("whole")
    wav = clicking(folder / "clicks.wav", range(1, 12), 12.0)
    options = ("-i", wav, f"{X264} -g 25 -bf 0 -c:a aac -movflags +faststart")
    path = encode(folder / "whole.mp4", 25, 300, *options)
    for suffix in (".ts", ".mkv"):
        ffmpeg("-i", path, "-c", "copy", path.with_suffix(suffix))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv"])
def test_whole_footage_is_seen_and_heard(whole, suffix):
    path = whole.with_suffix(suffix)
    assert unseen(path) == unheard(path) == ()
    assert probed(path).declared_duration_s == (None if suffix == ".ts" else pytest.approx(12, abs=0.1))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_file_cut_off_says_up_to_where_it_would_go(whole, tmp_path, suffix):
    content = whole.with_suffix(suffix).read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(content[: int(len(content) * 0.55)])
    stream = SnippetStream(probed(path), ONE)
    list(stream)
    end_s = stream.timeline.duration_s
    [stretch] = stream.unseen
    assert 3 < end_s < 10
    assert stretch == Unseen(pytest.approx(end_s), pytest.approx(12, abs=0.1), stretch.reason)
    assert "cut off" in stretch.reason
    assert probed(path).declared_duration_s == pytest.approx(12, abs=0.1)


def test_damaged_bytes_hide_all_up_to_the_next_key_frame(whole, tmp_path):
    content = bytearray(whole.read_bytes())
    data = content.index(b"mdat")
    length = len(content) - data
    content[data + int(0.42 * length) : data + int(0.5 * length)] = bytes(int(0.5 * length) - int(0.42 * length))
    (tmp_path / "hole.mp4").write_bytes(content)
    stretches = unseen(tmp_path / "hole.mp4")
    assert stretches
    assert all("damaged" in s.reason for s in stretches)
    assert 3.5 < stretches[0].start_s < 6
    assert stretches[-1].end_s == pytest.approx(round(stretches[-1].end_s), abs=0.01)  # a key frame stands there
    assert stretches[-1].end_s < 8


@pytest.fixture
def holed(whole, tmp_path):
    """A transport stream of which a fifth of the packets was lost."""
    content = whole.with_suffix(".ts").read_bytes()
    n = len(content) // PACKET
    path = tmp_path / "hole.ts"
    path.write_bytes(content[: int(n * 0.4) * PACKET] + content[int(n * 0.6) * PACKET :])
    return path


def test_packets_dropped_from_a_transport_stream_leave_a_gap_in_the_frames(holed):
    stretches = unseen(holed)
    assert 4 < stretches[0].start_s < 5.5
    assert 6.5 < stretches[-1].end_s < 8.1


def test_packets_dropped_from_a_transport_stream_leave_a_gap_in_the_sound(holed, whole):
    [gap] = [s for s in unheard(holed) if s.end_s - s.start_s > 1]
    assert 4 < gap.start_s < 5.5
    assert 6.5 < gap.end_s < 8.1
    before, after = (np.concatenate(list(stream_audio(probed(path), 16_000))) for path in (whole, holed))
    assert abs(len(after) - len(before)) < 1600
    for second in (1, 2, 3, 4, 8, 9, 10, 11):  # a click begins at each
        heard = [click_time(x[(second * 16 - 8) * 1000 : (second * 16 + 8) * 1000], 16_000) for x in (before, after)]
        assert heard[1] == pytest.approx(heard[0], abs=0.03)


def test_a_frame_that_stands_still_for_long_is_named(tmp_path):
    [stretch] = unseen(CASES["freeze_ts"](tmp_path).path)
    assert (stretch.start_s, stretch.end_s) == (pytest.approx(3, abs=0.1), pytest.approx(16, abs=0.1))


def test_sound_that_ends_before_the_frames_is_named_where_the_file_states_more(tmp_path):
    wav = clicking(tmp_path / "c.wav", (1.0,), 4.0)
    [stretch] = unheard(encode(tmp_path / "short.ts", 25, 200, "-i", wav, f"{X264} -c:a mp2"))
    assert (stretch.start_s, stretch.end_s) == (pytest.approx(4, abs=0.1), pytest.approx(8, abs=0.1))
    meant = encode(tmp_path / "meant.mp4", 25, 200, "-i", wav, f"{X264} -c:a aac")  # says so of its own track
    assert unheard(meant) == ()


def test_what_was_not_seen_is_cached_and_an_older_cache_does_not_know(whole, tmp_path):
    content = whole.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: int(len(content) * 0.7)])
    clip = probe(tmp_path / "cut.mp4")
    *_, made = extract(clip, fake_encoders(), RECIPE, cache_dir=tmp_path)
    *_, kept = extract(clip, fake_encoders(), RECIPE, cache_dir=tmp_path)
    assert isinstance(made, Features)
    assert made.unseen
    assert kept.unseen == made.unseen
    [file] = tmp_path.rglob("*.npz")
    with np.load(file) as held:
        arrays = dict(held)
    header = json.loads(arrays["header"].tobytes())
    del header["unseen"]
    np.savez(file, **arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)})
    assert Features.load(file, clip).unseen is None
    *_, anew = extract(clip, fake_encoders(), RECIPE, cache_dir=tmp_path)
    assert anew.unseen == Features.load(file, clip).unseen == made.unseen


def test_a_sound_track_that_cannot_be_read_was_not_heard_at_all(whole):
    clip = replace(probe(whole.with_suffix(".mkv")), path=str(_without_sound(whole)))
    *_, features = extract(clip, fake_encoders(), RECIPE)
    [stretch] = features.unseen
    assert (stretch.start_s, stretch.end_s) == (0, features.timeline.duration_s)
    assert "the audio cannot be read" in stretch.reason


def _without_sound(whole):
    path = whole.with_name("mute.mkv")
    ffmpeg("-i", whole, "-an", "-c", "copy", path)
    return path


def test_lost_seconds_count_once_and_those_of_the_sound_apart():
    lost = (Unseen(1, 4, "damaged"), Unseen(2, 5, "cut off"), Unseen(8, 9, "damaged"), Unseen(0, 3, "bad", True))
    assert (length_s(lost[:3]), [s.only_sound for s in lost]) == (5, [False, False, False, True])
    row = _summary([Outcome("a.mp4", 10.0, modalities="VA", unseen=lost)]).splitlines()[1]
    assert row.split()[-3:-1] == ["5.0s", "3.0s"]


def test_stretches_of_one_reason_become_one_and_are_put_into_words():
    found = joined([Unseen(2.0, 3.0, "b"), Unseen(0.0, 1.0, "a"), Unseen(1.05, 1.5, "a"), Unseen(1.2, 1.3, "b")])
    assert found == (Unseen(0.0, 1.5, "a"), Unseen(1.2, 1.3, "b"), Unseen(2.0, 3.0, "b"))
    assert (from_rows(json.loads(json.dumps(as_rows(found)))), as_cell(found[:1])) == (found, "0.000-1.500 a")
    assert in_words(found[:1]) == "not seen 0.0 to 1.5 s: a"
    assert in_words(()) == as_cell(()) == ""
    assert "not known" in in_words(None)
    assert in_words([Unseen(0.0, 1.0, "it is bad", only_sound=True)]).startswith("not heard 0.0")
    assert in_words([Unseen(0.0, 1.0, "no sound and no frames")]).startswith("not seen 0.0")
    apart = (Unseen(0.0, 1.0, "a"), Unseen(1.0, 2.0, "a", only_sound=True))
    assert joined(apart) == from_rows(as_rows(apart)) == apart
    older = from_rows([[0.0, 1.0, "the sound is damaged"], [0.0, 1.0, "damaged"]])
    assert [s.only_sound for s in older] == [True, False]
    assert as_public_rows(apart) == [[0.0, 1.0, "a"], [1.0, 2.0, "a"]]
    assert as_rows(make_analysis([0.5], unseen_s=None).unseen_s) is None
    many = [Unseen(n, n + 0.5, "b") for n in range(350)]
    assert as_cell(many).count(" b") == in_words(many).count("not seen") == 10
    assert as_cell(many).endswith("; and 340 more")
    assert in_words(many[:11]).endswith("not seen 9.0 to 9.5 s: b; and 1 more")
