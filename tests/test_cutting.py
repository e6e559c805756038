"""Pieces of a clip: pictures are read back by number, sound by the time of a click, lengths by PyAV."""

from fractions import Fraction

import av
import numpy as np
import pytest
from media_factory import click_time, ffmpeg, read_number, write_numbered
from PIL import Image

from cmhkf.cutting import NOWHERE, cut_piece, join_pieces, plan_piece, save_picture
from cmhkf.errors import MediaError
from cmhkf.media import cut_places, probe, stream_audio
from cmhkf.sandbox import MediaLimits


@pytest.fixture(scope="module")
def with_keys(numbered_clip, click_wav, tmp_path_factory):
    """48 numbered pictures with a key picture every 12 and B pictures between; a click at 1 s."""
    path = tmp_path_factory.mktemp("keys") / "keys.mp4"
    ffmpeg("-i", numbered_clip, "-i", click_wav, "-c:v", "libx264", "-crf", "12", "-g", "12", "-bf", "2",
           "-x264-params", "scenecut=0", "-c:a", "aac", path)  # fmt: skip
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


def cut(clip, start_s, end_s, out, **changes):
    places = changes.pop("places", cut_places(clip))
    piece = plan_piece(clip, start_s, end_s, places=places)
    list(cut_piece(clip, piece, out, **changes))
    return piece


def test_key_pictures_are_found_where_they_were_put(with_keys, numbered_clip):
    expected = [[0, 0], [0.5, 12], [1, 24], [1.5, 36], [2, 48]]
    np.testing.assert_allclose(cut_places(with_keys), expected, atol=1e-6)
    np.testing.assert_allclose(cut_places(probe(numbered_clip)), [[0, 0], [2, 48]])


def test_key_pictures_of_open_groups_are_no_place_to_cut(numbered_clip, tmp_path):
    ffmpeg("-i", numbered_clip, "-c:v", "libx264", "-g", "12", "-bf", "2", "-x264-params",
           "scenecut=0:open-gop=1:b-adapt=0", tmp_path / "open.mp4")  # fmt: skip
    with av.open(str(tmp_path / "open.mp4")) as source:
        assert sum(p.is_keyframe for p in source.demux(video=0)) == 4
    assert len(cut_places(probe(tmp_path / "open.mp4"))) < 5


@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 1.5), (0.0, 0.5), (1.0, 2.0), (0.51, 1.49)])
def test_from_key_to_key_the_bytes_are_copied(with_keys, tmp_path, start_s, end_s):
    piece = cut(with_keys, start_s, end_s, tmp_path / "p.mp4")
    assert piece.key_s is not None
    assert numbers(tmp_path / "p.mp4") == list(range(round(start_s * 24), round(end_s * 24)))
    picture_s, sound_s = lengths_s(tmp_path / "p.mp4")
    assert picture_s == pytest.approx(end_s - start_s, abs=1 / 24)
    assert sound_s == pytest.approx(end_s - start_s, abs=0.08)  # sound comes in packets of 23 ms


@pytest.mark.parametrize(("start_s", "end_s"), [(2 / 3, 4 / 3), (0.5, 1.4), (0.0, 0.02), (1.2, 2.0), (0.9, 1.1)])
def test_elsewhere_the_cut_is_exact_to_the_frame(with_keys, tmp_path, start_s, end_s):
    piece = cut(with_keys, start_s, end_s, tmp_path / "p.mp4")
    assert piece.key_s is None
    expected = list(range(round(start_s * 24), max(round(end_s * 24), round(start_s * 24) + 1)))
    assert numbers(tmp_path / "p.mp4") == expected
    picture_s, sound_s = lengths_s(tmp_path / "p.mp4")
    assert picture_s == pytest.approx(len(expected) / 24, abs=1e-3)
    assert sound_s == pytest.approx(picture_s, abs=1024 / 44100 + 0.025)


@pytest.mark.parametrize("copied", [False, True])
def test_sound_stays_with_its_picture(with_keys, tmp_path, copied):
    piece = cut(with_keys, 0.5, 1.5, tmp_path / "p.mp4", places=cut_places(with_keys) if copied else NOWHERE)
    assert (piece.key_s is not None) == copied
    sound = np.concatenate(list(stream_audio(probe(tmp_path / "p.mp4"), 16_000)))
    assert click_time(sound, 16_000) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("suffix", ["avi", "mkv", "ts"])
def test_other_containers_and_late_starts(numbered_clip, tmp_path, suffix):
    source = tmp_path / f"s.{suffix}"
    ffmpeg("-i", numbered_clip, "-c:v", "mpeg2video" if suffix == "ts" else "mpeg4", "-q:v", "2", "-g", "12", source)
    cut(probe(source), 0.75, 1.25, tmp_path / "p.mp4")
    assert numbers(tmp_path / "p.mp4") == list(range(18, 30))


def test_uneven_times_show_what_was_on_display(tmp_path):
    times = [Fraction(t, 24) for t in (0, 1, 2, 12, 13, 30, 31, 32, 40)]
    clip = probe(write_numbered(tmp_path / "vfr.mkv", times, last_s=Fraction(8, 24)))
    piece = cut(clip, 0.75, 1.5, tmp_path / "p.mp4")
    rate = float(piece.rate)
    shown = [
        max(i for i, t in enumerate(times) if t <= (k + 0.5) / rate + piece.start_s) for k in range(piece.n_frames)
    ]
    assert numbers(tmp_path / "p.mp4") == shown


def test_a_reel_joins_pieces_in_order_with_their_sound(with_keys, tmp_path):
    spans = [(1.5, 2.0), (0.9, 1.1), (0.0, 0.25)]
    pieces = [plan_piece(with_keys, *span, places=NOWHERE) for span in spans]
    done = list(join_pieces(with_keys, pieces, tmp_path / "reel.mp4"))
    assert done == sorted(done)
    assert numbers(tmp_path / "reel.mp4") == [*range(36, 48), *range(22, 26), *range(6)]
    sound = np.concatenate(list(stream_audio(probe(tmp_path / "reel.mp4"), 16_000)))
    assert click_time(sound, 16_000) == pytest.approx(0.5 + 1 - 22 / 24, abs=0.03)
    assert [p.name for p in tmp_path.iterdir()] == ["reel.mp4"]


def test_sound_that_cannot_be_decoded_is_left_out(numbered_clip, click_wav, tmp_path):
    path = tmp_path / "c.mkv"
    ffmpeg("-i", numbered_clip, "-i", click_wav, "-c:v", "copy", "-c:a", "pcm_s16le", path)
    path.write_bytes(path.read_bytes().replace(b"A_PCM/INT/LIT", b"A_XYZ/INT/LIT"))
    clip = probe(path)
    cut(clip, 0.5, 1.0, tmp_path / "p.mp4")
    assert numbers(tmp_path / "p.mp4") == list(range(12, 24))
    list(join_pieces(clip, [plan_piece(clip, 0.5, 1, places=NOWHERE)], tmp_path / "r.mp4"))
    assert not probe(tmp_path / "r.mp4").has_audio


def test_a_picture_is_the_one_on_display(with_keys, tmp_path):
    save_picture(with_keys, 29.5 / 24, tmp_path / "p.jpg", long_side_px=64)
    assert read_number(np.asarray(Image.open(tmp_path / "p.jpg").convert("RGB"))) in (29, 30)
    with pytest.raises(MediaError, match=r"keys\.mp4 shows no picture at 99\.00 s"):
        save_picture(with_keys, 99, tmp_path / "none.jpg", long_side_px=64)


def test_failure_and_closing_leave_nothing(with_keys, tmp_path):
    with pytest.raises(MediaError, match=r"keys\.mp4: no piece from 0\.67 s could be cut"):
        cut(with_keys, 2 / 3, 1, tmp_path / "p.mp4", limits=MediaLimits(memory_bytes=2**26))
    piece = plan_piece(with_keys, 0.1, 1.9, places=NOWHERE)
    for work in (cut_piece(with_keys, piece, tmp_path / "p.mp4"), join_pieces(with_keys, [piece], tmp_path / "r.mp4")):
        next(work)
        work.close()
    assert list(tmp_path.iterdir()) == []
