"""The browser's copy of a clip: when one is needed, and that it shows and sounds the same at the same time."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from media_factory import EVERY, click_time, constant, ffmpeg, read_number, write_numbered

from cmhkf.errors import MediaError
from cmhkf.media import sandbox
from cmhkf.media.clip import SnippetStream, probe, stream_audio
from cmhkf.media.proxy import make_proxy, needs_proxy
from cmhkf.media.sandbox import MediaLimits


@pytest.fixture(scope="module")
def plain(numbered_clip):
    return probe(numbered_clip)


PLAYED = {"rotation_deg": [0, 90], "pixel_format": ["yuvj420p"], "pixel_aspect": [Fraction(2)]}
PLAYED |= {"audio_start_s": [-0.03], "audio_codec": ["mp3"], "first_frame_s": [0.001]}
NOT_PLAYED = {"video_codec": ["hevc", "mpeg4"], "container": ["avi", "asf", "gif", "mpegts"], "n_clocks": [2]}
NOT_PLAYED |= {"pixel_format": ["yuv420p10le", "yuv444p"], "audio_codec": ["pcm_s16le", "ac3"]}
NOT_PLAYED |= {"first_frame_s": [0.02, 5.0], "audio_start_s": [0.2, -0.2]}


def each(table):
    return [{field: value} for field, values in table.items() for value in values]


@pytest.mark.parametrize("change", each(PLAYED))
def test_what_browsers_play_is_left_alone(plain, change):
    assert not needs_proxy(replace(plain, **change))
    assert not needs_proxy(replace(plain, **{"video_codec": "vp9", "container": "matroska"} | change))
    assert not needs_proxy(replace(plain, **{"video_codec": "av1", "audio_codec": "vorbis"} | change))


@pytest.mark.parametrize("change", each(NOT_PLAYED))
def test_what_browsers_do_not_play_or_count_from_elsewhere_needs_a_copy(plain, change):
    assert needs_proxy(replace(plain, **change))


@pytest.mark.parametrize("delay_s", [-0.4, 0.3])
def test_the_copy_shows_and_sounds_the_same_at_the_same_time(numbered_clip, click_wav, tmp_path, delay_s):
    source = tmp_path / "source.mkv"
    inputs = ["-i", numbered_clip, "-itsoffset", str(delay_s), "-i", click_wav]
    ffmpeg(*inputs, "-map 0 -map 1 -c:v mpeg4 -q:v 2 -c:a pcm_s16le", source)
    clip = probe(source)
    assert clip.start_s == pytest.approx(max(0, -delay_s), abs=0.002)
    done = list(make_proxy(clip, tmp_path / "copy.mp4"))
    assert (done, done[-1]) == (sorted(done), pytest.approx(2.0, abs=0.4))
    copy = probe(tmp_path / "copy.mp4")
    assert not needs_proxy(copy)
    assert (copy.container, copy.video_codec, copy.audio_codec, copy.pixel_format) == ("mov", "h264", "aac", "yuv420p")
    assert (copy.native_rate, copy.start_s) == (24, 0.0)
    stream = SnippetStream(copy, EVERY)
    assert [read_number(p) for snippet in stream for p in snippet] == list(range(48))
    assert stream.timeline.duration_s == pytest.approx(2.0, abs=0.01)
    sound = np.concatenate(list(stream_audio(copy, 16_000)))
    assert click_time(sound, 16_000) == pytest.approx(1.0 + delay_s, abs=0.01)


def test_uneven_times_are_kept(tmp_path):
    times = [Fraction(t, 24) for t in (0, 1, 2, 12, 13, 30, 31, 32, 40)]
    clip = probe(write_numbered(tmp_path / "vfr.mkv", times, last_s=Fraction(8, 24)))
    list(make_proxy(clip, tmp_path / "copy.mp4"))
    copy = probe(tmp_path / "copy.mp4")
    assert stream_numbers(SnippetStream(copy, EVERY, grid="native")) == [*range(9), *[8] * 7]  # one snippet at least
    assert stream_numbers(SnippetStream(copy, EVERY)) == [
        max(i for i, t in enumerate(times) if t * 24 <= k) for k in range(48)
    ]


def stream_numbers(stream: SnippetStream) -> list[int]:
    return [read_number(p) for snippet in stream for p in snippet]


@pytest.mark.parametrize(
    ("size", "options", "shown"),
    [
        ("303x101", [], (304, 100)),
        ("1600x400", [], (1280, 320)),
        ("1x1", [], (2, 2)),
        ("200x100", ["-vf", "setsar=2/1"], (400, 100)),
    ],
)
def test_sizes_are_even_square_and_at_most_1280(tmp_path, size, options, shown):
    ffmpeg("-f lavfi -i", f"color=size={size}:rate=24", "-t 0.25", *options, "-c:v ffv1", tmp_path / "s.mkv")
    list(make_proxy(probe(tmp_path / "s.mkv"), tmp_path / "copy.mp4"))
    copy = probe(tmp_path / "copy.mp4")
    assert (copy.width_px, copy.height_px, copy.pixel_aspect) == (*shown, 1)


def test_a_turned_clip_is_copied_upright(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=120x80:rate=24", "-t", "0.25", tmp_path / "flat.mp4")
    ffmpeg("-display_rotation", "90", "-i", tmp_path / "flat.mp4", "-c", "copy", tmp_path / "turned.mp4")
    list(make_proxy(probe(tmp_path / "turned.mp4"), tmp_path / "copy.mp4"))
    copy = probe(tmp_path / "copy.mp4")
    assert (copy.width_px, copy.height_px, copy.rotation_deg) == (80, 120, 0)


def test_the_index_stands_first_so_that_playing_starts_at_once(plain, tmp_path):
    list(make_proxy(plain, tmp_path / "copy.mp4"))
    content = (tmp_path / "copy.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_sound_that_cannot_be_decoded_is_left_out(unreadable_sound, tmp_path):
    clip = probe(unreadable_sound)
    assert needs_proxy(clip)
    list(make_proxy(clip, tmp_path / "copy.mp4"))
    assert not probe(tmp_path / "copy.mp4").has_audio


def test_closing_stops_the_work_and_leaves_nothing(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=24", "-t", "60", "-c:v", "mpeg4", tmp_path / "long.avi")
    work = make_proxy(probe(tmp_path / "long.avi"), tmp_path / "copy.mp4")
    assert next(work) < 50
    work.close()
    assert [path.name for path in tmp_path.iterdir()] == ["long.avi"]


@pytest.mark.parametrize(
    ("change", "limits", "message"),
    [
        ({"path": "/nowhere.mp4"}, {}, r"numbered\.mp4: no copy for the browser could be made: it is no longer at"),
        ({}, {"stall_s": 0.001}, r"numbered\.mp4: no copy for the browser could be made: .*no progress for 0\.001 s"),
        ({}, {"memory_bytes": 2**26}, r"numbered\.mp4: no copy for the browser could be made"),
    ],
)
def test_failure_is_a_media_error_and_leaves_nothing(plain, tmp_path, change, limits, message, monkeypatch):
    monkeypatch.setattr(sandbox, "LIMITS", MediaLimits(**limits))
    with pytest.raises(MediaError, match=f"(?s){message}"):
        list(make_proxy(replace(plain, **change), tmp_path / "copy.mp4"))
    assert list(tmp_path.iterdir()) == []


def test_constant_rates_are_kept(tmp_path):
    clip = probe(write_numbered(tmp_path / "c.mp4", constant(Fraction(30000, 1001), 40), last_s=Fraction(1001, 30000)))
    list(make_proxy(clip, tmp_path / "copy.mp4"))
    assert probe(tmp_path / "copy.mp4").native_rate == Fraction(30000, 1001)
    assert stream_numbers(SnippetStream(probe(tmp_path / "copy.mp4"), EVERY, grid="native")) == list(range(32))
