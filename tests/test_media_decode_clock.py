"""One clock for frames and sound: each unusual file shows the right frame at each moment, and clicks under it."""

from dataclasses import asdict, replace
from fractions import Fraction

import numpy as np
import pytest
from analyses import make_analysis
from fake_encoders import Loudness, MeanColour, fake_encoders
from media_factory import read_number
from time_cases import CASES, CLOCKS, TimeCase

from app.clips.curves import timeline_curves
from app.export.reviewed import Reviewed
from cmhkf import Analysis
from cmhkf.datasets.truth import truth_of
from cmhkf.errors import DataError
from cmhkf.features.extract import Features, extract
from cmhkf.features.recipe import Recipe
from cmhkf.media.clip import SnippetStream, frame_times, probe, stream_audio
from cmhkf.media.decode import clock
from cmhkf.media.decode.clock import Packets, constant_rate, find_pieces
from cmhkf.media.decode.container import opened
from cmhkf.media.sampling import FrameSampling
from cmhkf.media.sandbox import LIMITS

HZ = 16_000
WHOLE = FrameSampling(tuple(range(16)), 80, None, "bilinear", stretched_px=(80, 80))


@pytest.fixture(scope="module", params=CLOCKS)
def case(request, tmp_path_factory) -> TimeCase:
    return CASES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def clip(case):
    return probe(case.path)


def click_times(samples: np.ndarray) -> list[float]:
    """When sound begins after silence."""
    loud = np.flatnonzero(np.abs(samples) > 0.2) / HZ
    return [float(t) for t, before in zip(loud, [-1.0, *loud[:-1]], strict=True) if t - before > 0.1]


def test_each_moment_shows_its_frame(case, clip):
    stream = SnippetStream(clip, WHOLE)
    seen = [read_number(picture) for snippet in stream for picture in snippet]
    ticks = [len(seen) * (2 * i + 1) // 16 for i in range(8)]
    assert [seen[k] for k in ticks] == [case.seen_at(k / 24) for k in ticks]
    assert stream.timeline.duration_s == pytest.approx(case.length_s, abs=0.05)
    assert stream.unseen == () or "freeze_ts" in str(case.path)  # an unusual clock is no damage


def test_each_click_is_heard_under_its_frame(case, clip):
    if not case.clicks_s:
        pytest.skip("no sound")
    assert click_times(np.concatenate(list(stream_audio(clip, HZ)))) == pytest.approx(case.clicks_s, abs=0.05)


def test_a_clock_that_was_kept_is_the_same_and_the_file_is_not_read_through_again(case, tmp_path, monkeypatch):
    def read():
        with opened(str(case.path)) as source:
            return asdict(clock.read_clock(source, LIMITS, lambda: None, tmp_path / "clock.npz"))

    first = read()
    monkeypatch.setattr(clock, "packets_of", None)
    np.testing.assert_equal(read(), first)


def test_the_rate_is_the_measured_one_or_none(case, clip):
    assert clip.native_rate == case.rate


def test_frame_times_are_those_at_which_frames_are_shown(case, clip):
    times_s = frame_times(clip)
    assert len(times_s) == len(case.times_s)
    np.testing.assert_allclose(times_s, case.times_s, atol=0.005)


# Rates that vary, on the native grid


@pytest.fixture(scope="module")
def phone(tmp_path_factory) -> TimeCase:
    """30 frames a second for 3 s, then 6 a second; clicks at 1 and 6 s."""
    return CASES["variable_rate_mp4"](tmp_path_factory.mktemp("phone"))


@pytest.fixture(scope="module")
def native(phone) -> Features:
    recipe = Recipe(video=MeanColour.identity, text=(("name", "t"),), audio=Loudness.identity, grid="native")
    *_, features = extract(probe(phone.path), fake_encoders(), recipe)
    assert isinstance(features, Features)
    return features


def test_a_native_snippet_begins_when_its_first_frame_is_shown(phone, native):
    line = native.timeline
    np.testing.assert_allclose(line.times_s, phone.times_s[: 16 * line.n_snippets : 16], atol=0.001)
    np.testing.assert_allclose(line.ends_s[:-1], line.times_s[1:])
    assert [line.frame_at(t) for t, _ in phone.moments] == [number for _, number in phone.moments]
    assert [line.snippet_at(t) for t in line.middles_s] == list(range(line.n_snippets))


def test_sound_lies_under_its_native_snippet(native):
    loud = np.flatnonzero(native.audio_level_db > -60)
    assert loud.tolist() == [native.timeline.snippet_at(1.0), native.timeline.snippet_at(6.0)]
    middle = native.timeline.snippet_at(6.0)
    length_s = native.timeline.ends_s[middle] - native.timeline.times_s[middle]
    power = 0.8**2 / 2 * 0.005 / length_s  # a burst of 5 ms in a snippet of that length
    assert native.audio_level_db[middle] == pytest.approx(10 * np.log10(power), abs=1.5)


def test_real_snippet_times_are_kept(native, tmp_path):
    native.save(tmp_path / "f.npz")
    kept = Features.load(tmp_path / "f.npz", native.clip).timeline
    np.testing.assert_array_equal(kept.frame_times_s, native.timeline.frame_times_s)
    analysis = make_analysis(np.linspace(0, 1, native.timeline.n_snippets), timeline=native.timeline)
    again = Analysis.load(analysis.save(tmp_path / "a.npz"))
    np.testing.assert_array_equal(again.times_s, native.timeline.times_s)


def test_numbers_of_frames_become_the_times_at_which_they_are_shown(phone, tmp_path):
    (tmp_path / "truth.csv").write_text("clip,class,segments_frames\nc.mp4,fighting,30-60 90-96\n")
    analysis = make_analysis(np.zeros(12), clip=probe(phone.path))
    truth = truth_of(tmp_path / "truth.csv", analysis)
    assert [(round(start_s, 3), round(end_s, 3)) for start_s, end_s, _ in truth] == [(1, 2), (3, 4)]
    gone = make_analysis(np.zeros(12), clip=replace(analysis.clip, path=str(tmp_path / "gone.mp4")))
    with pytest.raises(DataError, match="varying rate, so that its file is needed"):
        truth_of(tmp_path / "truth.csv", gone)


def test_exports_count_frames_by_when_they_are_shown(phone):
    reviewed = Reviewed("id", make_analysis(np.zeros(12), clip=probe(phone.path)), (), 0.5, "2026-01-01T00:00:00Z")
    assert [reviewed.frame(t) for t in (0.0, 1.0, 3.0, 4.0, 6.0)] == [0, 30, 90, 96, 108]


def test_the_drawn_curve_shows_native_snippets_when_they_are(native):
    scores = np.linspace(0, 1, native.timeline.n_snippets)
    drawn = timeline_curves(make_analysis(scores, timeline=native.timeline))
    for time_s in (*native.timeline.middles_s, 0.4, 1.0, 2.9):
        step = int(time_s / drawn["snippet_s"])
        assert drawn["scores"][step] == pytest.approx(scores[native.timeline.snippet_at(time_s)], abs=1e-3)


# Jumps that are none, and some that are


def listed(times_s, place, length_s=0.04) -> Packets:
    n = len(times_s)
    stamp = np.round(np.array(times_s) * 1000).astype(np.int64)
    off = np.zeros(n, bool)
    return Packets(
        Fraction(1, 1000), np.array(place), stamp, stamp, np.full(n, round(length_s * 1000)), ~off, off, off, False
    )


def test_sound_that_lags_a_little_follows_the_frames_to_their_new_clock():
    """The frames jump back by 1.2 s, the sound by 0.9 s: both belong to the new piece."""
    frames = listed([*np.arange(0, 4, 0.04), *np.arange(2.8, 6, 0.04)], np.arange(180) * 2)
    sound = listed([*np.arange(0, 3.7, 0.04), *np.arange(2.8, 6, 0.04)], [*range(1, 187, 2), *range(201, 361, 2)])
    shifts, starts = find_pieces([frames, sound], "mpegts")
    assert (shifts, starts, sound.piece.tolist()) == ([0, Fraction(6, 5)], [0, 4], [0] * 93 + [1] * 80)


def test_a_gap_of_all_tracks_is_a_new_clock_in_a_stream_and_time_in_a_file():
    for name, n_pieces in (("mpegts", 2), ("flv", 2), ("matroska,webm", 1)):
        frames = listed([*np.arange(0, 2, 0.04), *np.arange(40, 42, 0.04)], np.arange(100) * 2)
        sound = listed([*np.arange(0, 2, 0.04), *np.arange(40, 42, 0.04)], np.arange(100) * 2 + 1)
        assert len(find_pieces([frames, sound], name)[0]) == n_pieces


@pytest.mark.parametrize(
    ("times_s", "stated", "rate"),
    [
        (np.arange(50) / 24, [None, Fraction(24)], 24),
        (np.arange(2) / 25, [Fraction(60_000), Fraction(25)], 25),
        (np.arange(3000) * 1001 / 24_000, [Fraction(24), Fraction(24_000, 1001)], Fraction(24_000, 1001)),
        (np.round(np.arange(300) / 12.5, 3), [], Fraction(25, 2)),
        (np.concatenate([np.arange(72) / 24, 3 + np.arange(20) / 4]), [Fraction(14), Fraction(24)], None),
        (np.zeros(1), [Fraction(24)], None),
    ],
)
def test_a_rate_is_what_the_timestamps_bear_out(times_s, stated, rate):
    assert constant_rate(times_s, stated) == rate
