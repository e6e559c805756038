"""Pieces of a clip: pictures are read back by number, sound by the time of a click, lengths by PyAV."""

from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest
from media_factory import click, click_time, constant, ffmpeg, probed, read_number, write_numbered, write_wav

from cmhkf.errors import MediaError
from cmhkf.media import sandbox
from cmhkf.media.clip import cut_places, frame_times, probe, stream_audio
from cmhkf.media.cutting import NOWHERE, Piece, cut_pieces, plan_piece
from cmhkf.media.sandbox import MediaLimits
from cmhkf.media.written import Written, checked, write_mp4s


@pytest.fixture(scope="module")
def with_keys(numbered_clip, click_wav, tmp_path_factory):
    """48 numbered pictures with a key picture every 12 and B pictures between; a click at 1 s."""
    path = tmp_path_factory.mktemp("keys") / "keys.mp4"
    codecs = "-c:v libx264 -crf 12 -g 12 -bf 2 -x264-params scenecut=0 -c:a aac"
    ffmpeg("-i", numbered_clip, "-i", click_wav, codecs, path)
    return probe(path)


def numbers(path):
    with av.open(str(path)) as source:
        return [read_number(frame.to_ndarray(format="rgb24")) for frame in source.decode(video=0)]


def lengths_s(path):
    """Seconds of picture and of sound, by decoding all of it."""
    with av.open(str(path)) as source:
        pictures = [f.pts * f.time_base + f.duration * f.time_base for f in source.decode(video=0)]
    with av.open(str(path)) as source:
        if not source.streams.audio:
            return float(max(pictures)), None
        return float(max(pictures)), float(sum(f.samples / Fraction(f.sample_rate) for f in source.decode(audio=0)))


places_of, times_of = cache(cut_places), cache(frame_times)  # of a clip; a child process less each time


def cut(clip, *spans, folder, places=None):
    """Cut pieces, which become p0.mp4 and so on; returns what was written of each."""
    places = places_of(clip) if places is None else places
    pieces = [plan_piece(clip, *span, places=places, times_s=times_of(clip)) for span in spans]
    files = [folder / f"p{i}.mp4" for i in range(len(spans))]
    written = result(cut_pieces(clip, list(zip(pieces, files, strict=True))))
    assert [one.frames for one in written] == [len(numbers(file)) for file in files]
    return list(zip(spans, files, written, strict=True))


def anew(clip, start_s, end_s):
    """A piece that is not copied."""
    return plan_piece(clip, start_s, end_s, places=NOWHERE, times_s=times_of(clip))


def result(work):
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_key_pictures_are_found_where_they_were_put(with_keys, numbered_clip):
    expected = [[0, 0], [0.5, 12], [1, 24], [1.5, 36], [2, 48]]
    np.testing.assert_allclose(places_of(with_keys), expected, atol=1e-6)
    np.testing.assert_allclose(cut_places(probed(numbered_clip)), [[0, 0], [2, 48]])


def test_key_pictures_of_open_groups_are_no_place_to_cut(numbered_clip, tmp_path):
    codec = "-c:v libx264 -g 12 -bf 2 -x264-params scenecut=0:open-gop=1:b-adapt=0"
    ffmpeg("-i", numbered_clip, codec, tmp_path / "open.mp4")
    with av.open(str(tmp_path / "open.mp4")) as source:
        assert sum(p.is_keyframe for p in source.demux(video=0)) == 4
    assert len(cut_places(probe(tmp_path / "open.mp4"))) < 5


def test_from_key_to_key_the_bytes_are_copied(with_keys, tmp_path):
    spans = (0.5, 1.5), (0.0, 0.5), (1.0, 2.0), (0.51, 1.49)
    for (start_s, end_s), file, written in cut(with_keys, *spans, folder=tmp_path):
        assert written.is_copy
        assert numbers(file) == list(range(round(start_s * 24), round(end_s * 24)))
        picture_s, sound_s = lengths_s(file)
        assert picture_s == pytest.approx(end_s - start_s, abs=1 / 24)
        assert sound_s == pytest.approx(end_s - start_s, abs=0.08)  # sound comes in packets of 23 ms


def test_elsewhere_the_cut_is_exact_to_the_frame(with_keys, tmp_path):
    spans = (2 / 3, 4 / 3), (0.5, 1.4), (0.0, 0.02), (1.2, 2.0), (0.9, 1.1)
    for (start_s, end_s), file, written in cut(with_keys, *spans, folder=tmp_path):
        assert not written.is_copy
        expected = list(range(round(start_s * 24), max(round(end_s * 24), round(start_s * 24) + 1)))
        assert numbers(file) == expected
        picture_s, sound_s = lengths_s(file)
        assert picture_s == pytest.approx(len(expected) / 24, abs=1e-3)
        assert sound_s == pytest.approx(picture_s, abs=1024 / 44100 + 0.025)


@pytest.mark.parametrize("copied", [False, True])
def test_sound_stays_with_its_picture(with_keys, tmp_path, copied):
    [(_, file, written)] = cut(with_keys, (0.5, 1.5), folder=tmp_path, places=None if copied else NOWHERE)
    assert written.is_copy == copied
    sound = np.concatenate(list(stream_audio(probe(file), 16_000)))
    assert click_time(sound, 16_000) == pytest.approx(0.5, abs=0.03)


def test_uneven_times_show_what_was_on_display(tmp_path):
    times = [Fraction(t, 24) for t in (0, 1, 2, 12, 13, 30, 31, 32, 40)]
    clip = probe(write_numbered(tmp_path / "vfr.mkv", times, last_s=Fraction(8, 24)))
    cut(clip, (12.6 / 24, 34 / 24), folder=tmp_path)  # from the frame nearest to it, at 13/24 s, to that of 32/24 s
    assert numbers(tmp_path / "p0.mp4") == [4, 5, 6]
    np.testing.assert_allclose(frame_times(probe(tmp_path / "p0.mp4")) * 24, [0, 17, 18], atol=0.05)


def joined(clip, spans, path, **options):
    """Write the spans of a clip as one file."""
    return write_mp4s(clip, [(path, spans)], crf=12, **options)


def test_spans_are_joined_in_order_with_their_sound(with_keys, tmp_path):
    spans = [(1.5, 2.0), (22 / 24, 26 / 24), (0.0, 0.25)]
    done = list(joined(with_keys, spans, tmp_path / "j.mp4"))
    assert (done, numbers(tmp_path / "j.mp4")) == (sorted(done), [*range(36, 48), *range(22, 26), *range(6)])
    sound = np.concatenate(list(stream_audio(probe(tmp_path / "j.mp4"), 16_000)))
    assert click_time(sound, 16_000) == pytest.approx(0.5 + 1 - 22 / 24, abs=0.03)
    assert [p.name for p in tmp_path.iterdir()] == ["j.mp4"]


def test_a_constant_rate_shows_at_every_beat_what_the_clip_shows(tmp_path):
    """The oracle looks each moment up in the list of times."""
    times = [Fraction(t, 24) for t in (0, 1, 2, 12, 13, 30, 31, 32, 40)]
    clip = probe(write_numbered(tmp_path / "vfr.mkv", times, last_s=Fraction(8, 24)))
    for rate, start_s, n in ((25, 0.0, 50), (30, 0.31, 40), (10, 0.5, 15)):
        list(joined(clip, [(start_s, start_s + n / rate)], tmp_path / "c.mp4", constant_rate=rate))
        moments = [start_s + k / rate + 1e-6 for k in range(n)]
        assert numbers(tmp_path / "c.mp4") == [sum(float(t) <= at for t in times) - 1 for at in moments]
        assert probe(tmp_path / "c.mp4").native_rate == rate


def test_sound_that_cannot_be_decoded_is_left_out(unreadable_sound, tmp_path):
    clip = probe(unreadable_sound)
    cut(clip, (0.5, 1.0), folder=tmp_path)
    assert numbers(tmp_path / "p0.mp4") == list(range(12, 24))
    list(joined(clip, [(0.5, 1)], tmp_path / "r.mp4"))
    assert not probe(tmp_path / "r.mp4").has_audio


def test_failure_and_closing_leave_nothing(with_keys, tmp_path, monkeypatch):
    short, piece = (anew(with_keys, *span) for span in ((2 / 3, 1), (0.1, 1.9)))
    with monkeypatch.context() as patched:
        patched.setattr(sandbox, "LIMITS", MediaLimits(memory_bytes=2**26))
        with pytest.raises(MediaError, match=r"keys\.mp4: no piece from 0\.67 s to 1\.00 s could be cut"):
            list(cut_pieces(with_keys, [(short, tmp_path / "p.mp4")]))
    for work in (
        cut_pieces(with_keys, [(piece, tmp_path / "p.mp4")]),
        joined(with_keys, [(0.1, 1.9)], tmp_path / "r.mp4"),
    ):
        next(work)
        work.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "suffix", ["mp4", pytest.param("mkv", marks=pytest.mark.slow), pytest.param("ts", marks=pytest.mark.slow)]
)
def test_far_pieces_in_any_order_are_exact(tmp_path, suffix):
    """Beyond ten seconds it jumps where it may; the joined pieces show whether it came out right."""
    frames = write_numbered(tmp_path / "f.mp4", constant(20, 900), last_s=Fraction(1, 20), b_frames=2)
    sound = write_wav(tmp_path / "s.wav", click(30.5, 45))
    path = tmp_path / f"c.{suffix}"
    ffmpeg("-i", frames, "-i", sound, "-c:v", "copy", "-c:a", "aac", path)
    clip = probe(path)
    spans = [(30.0, 31.0), (2.0, 2.5), (44.0, 45.0), (30.0, 31.0)]
    (written,) = result(joined(clip, spans, tmp_path / "r.mp4"))
    assert numbers(tmp_path / "r.mp4") == [*range(600, 620), *range(40, 50), *range(880, 900), *range(600, 620)]
    assert (written.frames, written.has_audio) == (70, True)
    sound = np.concatenate(list(stream_audio(probe(tmp_path / "r.mp4"), 16_000)))
    assert click_time(sound, 16_000) == pytest.approx(0.5, abs=0.03)
    assert click_time(sound[2 * 16_000 :], 16_000) == pytest.approx(1.0, abs=0.03)


def test_a_piece_beyond_the_end_is_an_error_that_names_it(with_keys, numbered_clip, tmp_path):
    with pytest.raises(MediaError, match=r"keys\.mp4 ends at 2\.00 s, so it shows no piece from 1\.00 s to 4\.00 s"):
        plan_piece(with_keys, 1, 4, places=NOWHERE)
    beyond = Piece(0, 96, 0.0, 4.0)
    with pytest.raises(MediaError, match=r"no piece from 0\.00 s to 4\.00 s could be cut: .*end too early"):
        list(cut_pieces(with_keys, [(beyond, tmp_path / "p.mp4")]))
    with pytest.raises(MediaError, match=r"its frames from 0\.00 s on end too early"):
        list(joined(with_keys, [(0.0, 4.0)], tmp_path / "p.mp4"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("written", "length_s", "message"),
    [
        (Written(47, 2.0, False), 2.0, "shows 48 frames instead of 47"),
        (Written(48, 3.0, False), 3.0, r"from 0\.00 s on for 2\.00 s instead of from 0 on for 3\.00 s"),
        (Written(48, 2.0, True), 2.0, r"has 0\.00 s of audio for 2\.00 s of frames"),
    ],
)
def test_a_file_that_holds_something_else_does_not_count(numbered_clip, written, length_s, message):
    with pytest.raises(MediaError, match=message):
        list(checked(numbered_clip, written, length_s))
    assert list(checked(numbered_clip, Written(48, 2.0, False), 2.0))[-1] == Written(48, 2.0, False)


def test_a_copy_that_shows_something_else_is_not_called_one(with_keys, tmp_path):
    """A place that is none: what would be copied from there does not show the frames that were asked for."""
    places = np.array([[0.25, 6], [1.25, 30]])
    [(_, _, written)] = cut(with_keys, (0.25, 1.25), folder=tmp_path, places=places)
    assert not written.is_copy
    assert numbers(tmp_path / "p0.mp4") == list(range(6, 30))
