"""The sound track on the picture clock, against clicks whose time is known."""

import numpy as np
import pytest
from media_factory import click, click_time, ffmpeg, probed, write_wav

from cmhkf.errors import MediaError
from cmhkf.media.clip import probe, stream_audio


def heard(path, rate_hz=16_000) -> np.ndarray:
    return np.concatenate(list(stream_audio(probe(path), rate_hz)))


@pytest.mark.parametrize(
    ("codec", "suffix", "rate_hz"),
    [
        ("pcm_s16le", ".mkv", 8_000),
        ("pcm_s16le", ".mkv", 44_100),
        ("aac", ".mp4", 16_000),
        ("aac", ".mp4", 48_000),
        ("libmp3lame", ".avi", 16_000),
    ],
)
def test_a_click_is_heard_when_it_is_played(numbered_clip, click_wav, tmp_path, codec, suffix, rate_hz):
    path = tmp_path / f"clip{suffix}"
    ffmpeg("-i", numbered_clip, "-i", click_wav, "-c:v", "copy" if suffix != ".avi" else "mpeg4", "-c:a", codec, path)
    samples = heard(path, rate_hz)
    tolerance_s = 0.0005 if codec == "pcm_s16le" else 0.004 if codec == "aac" else 0.05  # AVI has no encoder delay
    assert (click_time(samples, rate_hz), samples.dtype) == (pytest.approx(1.0, abs=tolerance_s), np.float32)
    assert len(samples) / rate_hz == pytest.approx(2.0, abs=0.06)


@pytest.mark.parametrize(
    ("suffix", "delay_s"),
    [(".mkv", -0.4), (".mkv", 0.25), (".mp4", -0.4), (".mp4", -0.1), (".mp4", 0.9), (".ts", -0.4), (".ts", 0.25)],
)
def test_sound_that_starts_early_or_late_keeps_to_the_pictures(numbered_clip, click_wav, tmp_path, delay_s, suffix):
    path, codec = tmp_path / f"clip{suffix}", {".mkv": "pcm_s16le", ".mp4": "aac", ".ts": "mp2"}[suffix]
    inputs = ["-i", numbered_clip, "-itsoffset", str(delay_s), "-i", click_wav]
    ffmpeg(*inputs, "-map 0 -map 1 -c:v copy -c:a", codec, path)
    samples = heard(path)
    assert click_time(samples, 16_000) == pytest.approx(1.0 + delay_s, abs=0.012)
    assert len(samples) / 16_000 == pytest.approx(2.0 + delay_s, abs=0.06)
    assert np.abs(samples[: int(max(0, delay_s) * 16_000)]).max(initial=0) < 1e-3


def test_a_gap_in_the_timestamps_is_silence(numbered_clip, tmp_path):
    wav = write_wav(tmp_path / "two.wav", click(0.2, 2.0) + click(1.5, 2.0))
    path = tmp_path / "gap.mkv"
    ffmpeg("-i", numbered_clip, "-i", wav, "-c:v", "copy", "-af", "aselect=not(between(t\\,0.5\\,1.2))", path)
    samples = heard(path)
    assert click_time(samples[:8000], 16_000) == pytest.approx(0.2, abs=0.002)
    assert click_time(samples[20_000:], 16_000) + 1.25 == pytest.approx(1.5, abs=0.03)
    assert np.abs(samples[9000:18_000]).max() < 1e-3


def test_blocks_hold_what_one_pass_holds(numbered_clip, click_wav, tmp_path):
    path = tmp_path / "c.mkv"
    ffmpeg("-i", numbered_clip, "-i", click_wav, "-c:v", "copy", path)
    blocks = list(stream_audio(probe(path), 16_000, block_s=0.3))
    assert {len(block) for block in blocks[:-1]} == {4800}
    assert 0 < len(blocks[-1]) <= 4800
    np.testing.assert_array_equal(np.concatenate(blocks), heard(path))


def test_mono_is_the_mean_of_left_and_right(numbered_clip, tmp_path):
    tone = 0.8 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    for name, right, peak in (("left", 0, 0.4), ("both", tone, 0.8), ("opposed", -tone, 0.0)):
        wav = write_wav(tmp_path / f"{name}.wav", np.stack([tone, right + 0 * tone], -1), 16_000)
        ffmpeg("-i", numbered_clip, "-i", wav, "-c:v", "copy", "-c:a", "pcm_s16le", tmp_path / f"{name}.mkv")
        assert np.abs(heard(tmp_path / f"{name}.mkv")).max() == pytest.approx(peak, abs=2e-3)


def test_resampling_keeps_a_tone(numbered_clip, tmp_path):
    wav = write_wav(tmp_path / "t.wav", 0.5 * np.sin(2 * np.pi * 1000 * np.arange(88_200) / 44_100))
    ffmpeg("-i", numbered_clip, "-i", wav, "-c:v", "copy", "-c:a", "pcm_s16le", tmp_path / "t.mkv")
    samples = heard(tmp_path / "t.mkv")[1600:-1600]
    expected = 0.5 * np.sin(2 * np.pi * 1000 * (1600 + np.arange(len(samples))) / 16_000)
    assert np.abs(samples - expected).max() < 2e-3


def test_silence_is_sound_too(numbered_clip, tmp_path):
    wav = write_wav(tmp_path / "z.wav", np.zeros(88_200))
    ffmpeg("-i", numbered_clip, "-i", wav, "-c:v", "copy", "-c:a", "pcm_s16le", tmp_path / "z.mkv")
    samples = heard(tmp_path / "z.mkv")
    assert len(samples) == pytest.approx(32_000, abs=2)
    assert not samples.any()


def test_samples_that_are_not_numbers_become_silence_and_loud_ones_full_scale(numbered_clip, tmp_path):
    raw = np.full(32_000, 3.0, np.float32)
    raw[16_000:] = np.nan
    (tmp_path / "raw.f32").write_bytes(raw.tobytes())
    plain = "-f f32le -ar 16000 -ac 1 -i"
    ffmpeg("-i", numbered_clip, plain, tmp_path / "raw.f32", "-c:v copy -c:a pcm_f32le", tmp_path / "n.mkv")
    samples = heard(tmp_path / "n.mkv")
    assert np.isfinite(samples).all()
    assert set(np.unique(samples)) == {0.0, 1.0}


def test_no_sound_track(numbered_clip):
    clip = probed(numbered_clip)
    assert (clip.has_audio, clip.audio_codec) == (False, None)
    with pytest.raises(MediaError, match=r"numbered\.mp4: it has no sound track"):
        list(stream_audio(clip, 16_000))


def test_a_sound_track_that_cannot_be_decoded_is_named_and_leaves_the_pictures(unreadable_sound):
    clip = probe(unreadable_sound)
    assert (clip.has_audio, clip.audio_codec) == (True, "unknown")
    with pytest.raises(MediaError, match=r"its sound track \(codec unknown\) cannot be decoded"):
        list(stream_audio(clip, 16_000))
