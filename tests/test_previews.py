"""The sound's outline and the small pictures, against samples and pictures that are known beforehand."""

import json
import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from media_factory import constant, ffmpeg, numbered, read_number, write_numbered, write_wav
from PIL import Image

from cmhkf import previews
from cmhkf.errors import MediaError
from cmhkf.media import probe
from cmhkf.previews import PAIR_SAMPLES, PAIR_STEP, SHEET_PICTURES, SOUND_HZ, make_film, make_peaks
from cmhkf.timeline import SNIPPET_FRAMES

SECONDS = 40


def with_sound(tmp_path, samples):
    """A clip of plain pictures and lossless sound."""
    sound = write_wav(tmp_path / "sound.wav", samples, SOUND_HZ)
    picture = f"color=size=64x64:rate=24:duration={len(samples) / SOUND_HZ}"
    ffmpeg("-f", "lavfi", "-i", picture, "-i", sound, "-c:a", "flac", tmp_path / "clip.mkv")
    return probe(tmp_path / "clip.mkv")


def read_peaks(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<I", data[:4])
    facts = json.loads(data[4 : 4 + size])
    values = np.frombuffer(data[4 + size :], np.int8).reshape(-1, 2)
    ends = np.cumsum(facts["pairs"])
    assert ends[-1] == len(values)
    return facts, np.split(values, ends[:-1])


def swelling_tone(n):
    """A tone that swells and fades, lopsided so that least and greatest differ."""
    t = np.arange(n) / SOUND_HZ
    tone = np.sin(2 * np.pi * 330 * t)
    return np.sin(np.pi * np.arange(n) / n) * np.where(tone > 0, 0.9 * tone, 0.5 * tone)


def test_peaks_are_the_least_and_greatest_samples_at_every_resolution(tmp_path):
    """Oracle: slices of the written samples, one pair after the other."""
    samples = swelling_tone(SECONDS * SOUND_HZ + 50)  # more than a block, and a last pair that is not full
    clip = with_sound(tmp_path, samples)
    seconds = list(make_peaks(clip, tmp_path / "peaks"))
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(len(samples) / SOUND_HZ, abs=0.01)
    facts, levels = read_peaks(tmp_path / "peaks")
    assert facts["peak"] == pytest.approx(np.abs(samples).max(), abs=1e-3)
    assert facts["pair_s"] == PAIR_SAMPLES / SOUND_HZ
    for i, level in enumerate(levels):
        length = PAIR_SAMPLES * PAIR_STEP**i
        assert len(level) == facts["pairs"][i] == math.ceil(len(samples) / length)
        for k, (low, high) in enumerate(level.tolist()):
            piece = samples[k * length : (k + 1) * length] * 127
            assert abs(low - piece.min()) <= 0.51
            assert abs(high - piece.max()) <= 0.51


def test_silence_has_no_peak_and_a_clip_without_sound_is_refused(tmp_path, numbered_clip):
    clip = with_sound(tmp_path, np.zeros(2 * SOUND_HZ))
    list(make_peaks(clip, tmp_path / "peaks"))
    assert read_peaks(tmp_path / "peaks")[0]["peak"] == 0
    with pytest.raises(MediaError, match="no sound track"):
        list(make_peaks(probe(numbered_clip), tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def picture_at(folder, facts, level, k):
    sheet = np.asarray(Image.open(folder / f"{level}-{k // facts['sheet_pictures']}.jpg"))
    row, column = divmod(k % facts["sheet_pictures"], facts["columns"])
    width, height = facts["width_px"], facts["height_px"]
    return sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]


def test_every_small_picture_is_the_middle_frame_of_its_snippet(tmp_path):
    """Oracle: the number that each picture carries; 70 snippets fill more than one sheet."""
    n = (SHEET_PICTURES + 6) * SNIPPET_FRAMES
    clip = probe(write_numbered(tmp_path / "clip.mp4", constant(24, n), last_s=Fraction(1, 24)))
    list(make_film(clip, tmp_path / "film"))
    facts = json.loads((tmp_path / "film" / "film.json").read_text())
    assert facts["levels"] == [{"stride": 1, "pictures": SHEET_PICTURES + 6}, {"stride": 8, "pictures": 9}]
    assert facts["n_snippets"] == SHEET_PICTURES + 6
    for level, made in enumerate(facts["levels"]):
        for k in range(made["pictures"]):
            frame = k * made["stride"] * SNIPPET_FRAMES + SNIPPET_FRAMES // 2
            picture = picture_at(tmp_path / "film", facts, level, k)
            # Ten bits hold every number of this clip but those past 1023, which wrap.
            assert read_number(picture[:, :, :3]) == read_number(numbered(frame % 1024)), (level, k)
    assert {p.name for p in (tmp_path / "film").iterdir()} == {"film.json", "0-0.jpg", "0-1.jpg", "1-0.jpg"}


def test_small_pictures_keep_their_shape_and_long_clips_get_fewer(tmp_path, monkeypatch):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=90x160:rate=24:duration=8", tmp_path / "tall.mp4")
    clip = probe(tmp_path / "tall.mp4")
    monkeypatch.setattr(previews, "MOST_PICTURES", 4)
    list(make_film(clip, tmp_path / "film"))
    facts = json.loads((tmp_path / "film" / "film.json").read_text())
    assert facts["width_px"] / facts["height_px"] == pytest.approx(90 / 160, abs=0.01)
    assert facts["levels"] == [{"stride": 3, "pictures": 4}]  # 12 snippets: 0, 3, 6 and 9


def test_a_film_given_up_leaves_nothing(tmp_path, numbered_clip):
    steps = make_film(probe(numbered_clip), tmp_path / "film")
    next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []
