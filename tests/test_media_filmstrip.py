"""The sound's outline and the small pictures, against samples and pictures that are known beforehand."""

import json
import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from media_factory import constant, ffmpeg, numbered, probed, read_number, write_numbered, write_wav
from PIL import Image
from time_cases import CASES

from cmhkf.errors import MediaError
from cmhkf.media import filmstrip as previews
from cmhkf.media.clip import probe
from cmhkf.media.filmstrip import AUDIO_HZ, PAIR_SAMPLES, PAIR_STEP, SHEET_FRAMES, make_film, make_peaks
from cmhkf.timeline import SNIPPET_FRAMES

SECONDS = 40


def with_sound(tmp_path, samples):
    """A clip of plain pictures and lossless sound."""
    sound = write_wav(tmp_path / "sound.wav", samples, AUDIO_HZ)
    picture = f"color=size=64x64:rate=24:duration={len(samples) / AUDIO_HZ}"
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
    tone = np.sin(2 * np.pi * 330 * (np.arange(n) / AUDIO_HZ))
    return np.sin(np.pi * np.arange(n) / n) * np.where(tone > 0, 0.9 * tone, 0.5 * tone)


def test_peaks_are_the_least_and_greatest_samples_at_every_resolution(tmp_path):
    """Oracle: slices of the written samples, one pair after the other."""
    samples = swelling_tone(SECONDS * AUDIO_HZ + 50)  # more than a block, and a last pair that is not full
    seconds = list(make_peaks(with_sound(tmp_path, samples), tmp_path / "peaks"))
    assert (seconds, seconds[-1]) == (sorted(seconds), pytest.approx(len(samples) / AUDIO_HZ, abs=0.01))
    facts, levels = read_peaks(tmp_path / "peaks")
    assert facts["peak"] == pytest.approx(np.abs(samples).max(), abs=1e-3)
    assert facts["pair_s"] == PAIR_SAMPLES / AUDIO_HZ
    for i, level in enumerate(levels):
        length = PAIR_SAMPLES * PAIR_STEP**i
        assert len(level) == facts["pairs"][i] == math.ceil(len(samples) / length)
        for k, (low, high) in enumerate(level.tolist()):
            piece = samples[k * length : (k + 1) * length] * 127
            assert abs(low - piece.min()) <= 0.51
            assert abs(high - piece.max()) <= 0.51


def test_silence_has_no_peak_and_a_clip_without_sound_is_refused(tmp_path, numbered_clip):
    list(make_peaks(with_sound(tmp_path, np.zeros(2 * AUDIO_HZ)), tmp_path / "peaks"))
    assert read_peaks(tmp_path / "peaks")[0]["peak"] == 0
    with pytest.raises(MediaError, match="no sound track"):
        list(make_peaks(probed(numbered_clip), tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def picture_at(folder, facts, level, k):
    sheet = np.asarray(Image.open(folder / f"{level}-{k // facts['sheet_pictures']}.jpg"))
    row, column = divmod(k % facts["sheet_pictures"], facts["columns"])
    width, height = facts["width_px"], facts["height_px"]
    return sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]


@pytest.mark.parametrize(
    ("most", "levels", "sheets"),
    [(6000, [(1, SHEET_FRAMES + 6), (8, 9)], {"0-0.jpg", "0-1.jpg", "1-0.jpg"}), (35, [(2, 35)], {"0-0.jpg"})],
)
def test_every_small_picture_is_the_middle_frame_of_its_snippet(tmp_path, monkeypatch, most, levels, sheets):
    """Oracle: the number that each picture carries; 70 snippets fill more than one sheet."""
    monkeypatch.setattr(previews, "MOST_FRAMES", most)
    n = (SHEET_FRAMES + 6) * SNIPPET_FRAMES
    clip = probe(write_numbered(tmp_path / "clip.mp4", constant(24, n), last_s=Fraction(1, 24)))
    done_s = list(make_film(clip, tmp_path / "film"))
    assert done_s == sorted(done_s)
    assert done_s[-1] == pytest.approx(clip.duration_s)
    facts = json.loads((tmp_path / "film" / "film.json").read_text())
    assert facts["levels"] == [{"stride": stride, "pictures": pictures} for stride, pictures in levels]
    assert facts["n_snippets"] == SHEET_FRAMES + 6
    for level, made in enumerate(facts["levels"]):
        for k in range(made["pictures"]):
            frame = k * made["stride"] * SNIPPET_FRAMES + SNIPPET_FRAMES // 2
            picture = picture_at(tmp_path / "film", facts, level, k)
            # Ten bits hold every number of this clip but those past 1023, which wrap.
            assert read_number(picture[:, :, :3]) == read_number(numbered(frame % 1024)), (level, k)
    assert {p.name for p in (tmp_path / "film").iterdir()} == {"film.json", *sheets}


def test_small_pictures_keep_their_shape_and_long_clips_get_fewer(tmp_path, monkeypatch):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=90x160:rate=24:duration=8", tmp_path / "tall.mp4")
    clip = probe(tmp_path / "tall.mp4")
    monkeypatch.setattr(previews, "MOST_FRAMES", 4)
    list(make_film(clip, tmp_path / "film"))
    facts = json.loads((tmp_path / "film" / "film.json").read_text())
    assert facts["width_px"] / facts["height_px"] == pytest.approx(90 / 160, abs=0.01)
    assert facts["levels"] == [{"stride": 3, "pictures": 4}]  # 12 snippets: 0, 3, 6 and 9


def test_the_film_of_a_file_whose_clock_jumps_has_a_picture_of_every_snippet(tmp_path):
    case = CASES["discontinuities_ts"](tmp_path)
    list(make_film(probe(case.path), tmp_path / "film"))
    facts = json.loads((tmp_path / "film" / "film.json").read_text())
    assert facts["levels"] == [{"stride": 1, "pictures": facts["n_snippets"]}]
    assert facts["n_snippets"] == int(case.length_s * 24) // SNIPPET_FRAMES
    for k in range(facts["n_snippets"]):
        number = read_number(picture_at(tmp_path / "film", facts, 0, k))
        assert number == case.seen_at((k * SNIPPET_FRAMES + SNIPPET_FRAMES // 2) / 24), k
