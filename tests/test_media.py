"""Pictures and probing, against clips whose every picture carries its number and whose timestamps are known."""

import gc
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import EVERY, constant, ffmpeg, numbered, read_number, write_numbered, write_wav
from PIL import Image
from processes import children

from cmhkf.encoders import FrameSampling
from cmhkf.errors import ConfigError, MediaError
from cmhkf.media import Clip, SnippetStream, probe, stream_audio
from cmhkf.sandbox import MediaLimits


def numbers(path: Path, *, grid="24fps") -> tuple[list[int], SnippetStream]:
    """The number seen at every grid tick that belongs to a snippet, and the finished stream."""
    stream = SnippetStream(probe(path), EVERY, grid=grid)
    snippets = list(stream)
    assert len(snippets) == stream.timeline.n_snippets
    return [read_number(picture) for snippet in snippets for picture in snippet], stream


def expected_numbers(times_s: list[Fraction], end_s: Fraction, early_s: Fraction = Fraction(0)) -> list[int]:
    """Oracle: for each tick k / 24 before the end, look for the last picture started (or to start in `early_s`)."""
    ticks = [Fraction(k, 24) for k in range(math.ceil((end_s - times_s[0] - early_s) * 24))]
    shown = [max(i for i, t in enumerate(times_s) if t - times_s[0] - early_s <= tick) for tick in ticks]
    n = max(1, len(shown) // 16)
    return (shown + [shown[-1]] * 16)[: 16 * n]


CLOCKS = {
    "24": constant(24, 40),
    "25": constant(25, 40),
    "60": constant(60, 90),
    "12": constant(12, 20),
    "ntsc": constant(Fraction(30000, 1001), 50),
    "film": constant(Fraction(24000, 1001), 50),
    "one a second": constant(1, 3),
    "irregular": [Fraction(t, 1000) for t in (0, 10, 300, 310, 330, 700, 1500, 1501, 1502, 1600, 2400)],
    "starts late": [Fraction(3, 2) + t for t in constant(24, 40)],
}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("name", CLOCKS)
def test_each_tick_shows_the_last_picture_that_has_started(tmp_path, name, suffix):
    times, last = CLOCKS[name], Fraction(1, 8)
    seen, stream = numbers(write_numbered(tmp_path / f"clip{suffix}", times, last_s=last))
    if suffix == ".mkv":  # timestamps in whole milliseconds, which stand for half a millisecond to both sides
        filed = [Fraction(math.floor(t * 1000 + Fraction(1, 2)), 1000) for t in times]
        assert seen == expected_numbers(filed, filed[-1] + last, Fraction(1, 2000))
    else:
        assert seen == expected_numbers(times, times[-1] + last)
    assert stream.timeline.duration_s == pytest.approx(float(times[-1] + last - times[0]), abs=0.0015)
    assert stream.timeline.rate == 24


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_pictures_stored_out_of_order_come_in_order(tmp_path, suffix):
    clip = write_numbered(tmp_path / f"b{suffix}", constant(24, 48), last_s=Fraction(1, 24), b_frames=3)
    seen, stream = numbers(clip)
    assert seen == list(range(48))
    assert stream.timeline.duration_s == pytest.approx(2.0, abs=0.001)


@pytest.mark.parametrize("n", [1, 3, 15, 16, 17, 32])
def test_a_clip_of_few_pictures_still_gives_a_snippet_and_repeats_the_last(tmp_path, n):
    seen, stream = numbers(write_numbered(tmp_path / "short.mp4", constant(24, n), last_s=Fraction(1, 24)))
    assert seen == [min(k, n - 1) for k in range(max(16, n // 16 * 16))]
    assert stream.timeline.duration_s == pytest.approx(n / 24)


def test_the_native_grid_takes_every_decoded_picture(tmp_path):
    seen, stream = numbers(write_numbered(tmp_path / "c.mp4", constant(50, 35), last_s=Fraction(1, 50)), grid="native")
    assert seen == list(range(32))
    assert (stream.timeline.rate, stream.timeline.duration_s) == (50, pytest.approx(0.7))


def test_only_the_wanted_pictures_come(numbered_clip):
    stream = SnippetStream(probe(numbered_clip), replace(EVERY, offsets=(0, 8, 15)))
    assert [[read_number(p) for p in snippet] for snippet in stream] == [[0, 8, 15], [16, 24, 31], [32, 40, 47]]


def test_an_edit_list_hides_what_comes_before_it(numbered_clip, tmp_path):
    # A copy from 0.5 s on keeps the pictures back to the key frame and hides them by an edit list.
    ffmpeg("-ss", "0.5", "-i", numbered_clip, "-c", "copy", tmp_path / "cut.mp4")
    seen, stream = numbers(tmp_path / "cut.mp4")
    assert seen == list(range(12, 12 + 32))
    assert stream.timeline.duration_s == pytest.approx(1.5)


def test_pictures_without_timestamps_follow_one_another(numbered_clip, tmp_path):
    ffmpeg("-i", numbered_clip, "-c", "copy", "-bsf:v", "h264_mp4toannexb", tmp_path / "raw.h264")
    clip = probe(tmp_path / "raw.h264")
    assert clip.container == "h264"


def test_a_transport_stream_whose_clock_jumps_is_joined_on(numbered_clip, tmp_path):
    early, late, joined = tmp_path / "early.ts", tmp_path / "late.ts", tmp_path / "joined.ts"
    ffmpeg("-i", numbered_clip, "-c", "copy", early)
    ffmpeg("-i", numbered_clip, "-c", "copy", "-output_ts_offset", "5000", late)
    for order in ((early, late), (late, early)):
        joined.write_bytes(b"".join(part.read_bytes() for part in order))
        seen, stream = numbers(joined)
        assert seen == [*range(48), *range(48)]
        assert stream.timeline.duration_s == pytest.approx(4.0, abs=0.01)


# What pictures look like


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """A still, smooth, asymmetric scene of 100x60, half a second, without loss."""
    y, x = np.mgrid[0:60, 0:100]
    picture = np.stack([x * 2.5, y * 4, 128 + 100 * np.sin(x / 9) * np.cos(y / 7)], -1).astype(np.uint8)
    folder = tmp_path_factory.mktemp("scene")
    Image.fromarray(picture).save(folder / "scene.png")
    ffmpeg("-loop", "1", "-t", "0.5", "-r", "24", "-i", folder / "scene.png", "-c:v", "libx264", "-qp", "0",
           "-pix_fmt", "yuv444p", folder / "scene.mp4")  # fmt: skip
    return folder / "scene.mp4"


def first_picture(path: Path, sampling: FrameSampling) -> np.ndarray:
    return next(iter(SnippetStream(probe(path), sampling)))[0]


def first_rgb(path: Path) -> np.ndarray:
    with av.open(str(path)) as source:
        return next(source.decode(video=0)).to_ndarray(format="rgb24")


def preprocess(shown: np.ndarray, width: Fraction, height: int, sampling: FrameSampling) -> np.ndarray:
    """Oracle: Pillow's resize of the whole picture to the displayed shape, then torchvision's centre crop."""
    side, crop = sampling.short_side_px, sampling.crop_px
    size = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
    resized = Image.fromarray(shown).resize(size, getattr(Image.Resampling, sampling.filter.upper()))
    left, top = round((size[0] - crop) / 2), round((size[1] - crop) / 2)
    return np.asarray(resized.crop((left, top, left + crop, top + crop)))


@pytest.mark.parametrize(
    ("size", "filter_"),
    [("100x60", "bicubic"), ("73x41", "bicubic"), ("41x73", "bilinear"), ("301x12", "bicubic"), ("1x1", "bicubic"),
     ("640x360", "bilinear"), ("360x640", "bicubic")],
)  # fmt: skip
def test_resize_and_crop_equal_pillow_and_torchvision(scene, tmp_path, size, filter_):
    width, height = map(int, size.split("x"))
    path = tmp_path / "sized.mp4"
    ffmpeg("-i", scene, "-vf", f"scale={width}:{height}", "-c:v", "libx264", "-pix_fmt", "yuv444p", path)
    sampling = FrameSampling((0,), 64, 56, filter_)
    expected = preprocess(first_rgb(path), Fraction(width), height, sampling)
    difference = np.abs(first_picture(path, sampling).astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix"),
    [("libx264", "yuv420p10le", ".mp4"), ("libx265", "yuv420p10le", ".mp4"), ("libvpx-vp9", "yuv420p", ".webm"),
     ("mpeg4", "yuv420p", ".avi"), ("wmv2", "yuv420p", ".wmv"), ("mjpeg", "yuvj420p", ".mov"), ("gif", "rgb8", ".gif"),
     ("flv1", "yuv420p", ".flv"), ("libsvtav1", "yuv420p10le", ".mkv")],
)  # fmt: skip
def test_codecs_containers_and_bit_depths(scene, tmp_path, codec, pixels, suffix):
    path = tmp_path / f"clip{suffix}"
    ffmpeg("-i", scene, "-vf", "scale=200:120", "-c:v", codec, "-pix_fmt", pixels, "-b:v", "4M", path)
    clip, sampling = probe(path), FrameSampling((0, 15), 48, 48)
    stream = SnippetStream(clip, sampling)
    [snippet] = stream
    original = preprocess(first_rgb(scene), Fraction(100), 60, sampling)
    assert (clip.width_px, clip.height_px) == (200, 120)
    assert np.abs(snippet[0].astype(int) - original).mean() < 8
    assert stream.timeline.duration_s == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("options", "clockwise", "turn"),
    [(["-display_rotation", "90"], 270, lambda p: np.rot90(p, 1)),
     (["-display_rotation", "-90"], 90, lambda p: np.rot90(p, -1)),
     (["-display_rotation", "180"], 180, lambda p: np.rot90(p, 2)),
     (["-display_rotation", "0", "-display_hflip"], 0, lambda p: p[:, ::-1])],
)  # fmt: skip
def test_pictures_are_turned_as_the_file_says(scene, tmp_path, options, clockwise, turn):
    path, sampling = tmp_path / "turned.mp4", FrameSampling((0,), 51, 40)
    ffmpeg(*options, "-i", scene, "-c", "copy", path)
    shown = turn(first_rgb(scene))
    height, width = shown.shape[:2]
    clip = probe(path)
    assert (clip.rotation_deg, clip.width_px, clip.height_px) == (clockwise, width, height)
    expected = preprocess(np.ascontiguousarray(shown), Fraction(width), height, sampling)
    assert np.abs(first_picture(path, sampling).astype(int) - expected).max() <= 2


@pytest.mark.parametrize(("aspect", "width"), [("2/1", 200), ("1/2", 50), ("64/51", 125)])
def test_pixels_that_are_not_square(scene, tmp_path, aspect, width):
    path, sampling = tmp_path / "sar.mp4", FrameSampling((0,), 40, 40)
    ffmpeg("-i", scene, "-vf", f"setsar={aspect}", "-c:v", "libx264", "-pix_fmt", "yuv444p", path)
    clip = probe(path)
    assert (clip.width_px, clip.height_px, clip.pixel_aspect) == (width, 60, Fraction(aspect))
    expected = preprocess(first_rgb(path), 100 * Fraction(aspect), 60, sampling)
    assert np.abs(first_picture(path, sampling).astype(int) - expected).max() <= 1


def test_a_gif_keeps_its_uneven_delays(tmp_path):
    delays_ms = [50, 500, 20, 700]
    pictures = [Image.fromarray(numbered(k)) for k in range(4)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=delays_ms)
    seen, stream = numbers(tmp_path / "a.gif")
    times = [Fraction(sum(delays_ms[:k]), 1000) for k in range(4)]
    assert seen == expected_numbers(times, Fraction(sum(delays_ms), 1000))
    assert stream.timeline.duration_s == pytest.approx(1.27)


# Probing


def test_probe_says_what_is_in_the_file(numbered_clip, click_wav, tmp_path):
    path = tmp_path / "a clip's näme [1].mp4"
    ffmpeg("-i", numbered_clip, "-i", click_wav, "-c:v", "copy", "-c:a", "aac", path)
    clip = probe(path)
    assert (clip.name, clip.path, clip.size_bytes) == (path.name, str(path), path.stat().st_size)
    assert (clip.container, clip.video_codec, clip.audio_codec) == ("mov", "h264", "aac")
    assert (clip.width_px, clip.height_px, clip.rotation_deg, clip.pixel_format) == (64, 64, 0, "yuv420p")
    assert (clip.native_rate, clip.has_audio, clip.start_s) == (24, True, 0.0)
    assert clip.duration_s == pytest.approx(2.0)
    assert Clip.from_dict(json.loads(json.dumps(asdict(clip), default=str))) == clip


def test_probe_hashes_the_whole_file(tmp_path, numbered_clip):
    path = shutil.copy(numbered_clip, tmp_path / "c.mp4")
    before = probe(path).sha256
    with path.open("ab") as file:
        file.write(b"x")
    assert before == probe(numbered_clip).sha256 != probe(path).sha256


def test_a_wrong_extension_does_not_matter(scene, tmp_path):
    ffmpeg("-i", scene, "-c:v", "mpeg4", tmp_path / "real.avi")
    clip = probe((tmp_path / "real.avi").rename(tmp_path / "lying.mp4"))
    assert (clip.container, clip.video_codec) == ("avi", "mpeg4")


def test_metadata_that_is_not_unicode_is_no_obstacle(numbered_clip, tmp_path):
    ffmpeg("-i", numbered_clip, "-c", "copy", "-metadata", "title=MARKMARK", tmp_path / "m.mkv")
    content = (tmp_path / "m.mkv").read_bytes()
    assert b"MARKMARK" in content
    (tmp_path / "m.mkv").write_bytes(content.replace(b"MARKMARK", b"\xff\xfe\x80MARK\xc3"))
    assert probe(tmp_path / "m.mkv").video_codec == "h264"


BROKEN = {
    "missing": (None, "does not exist.*Check the path"),
    "empty": (b"", r"is empty \(0 bytes\).*Fetch it again"),
    "44 bytes": (bytes([0, 0, 0, 28]) + b"ftypisom" + bytes(32), r"not a video, or its header is damaged.*44 bytes"),
    "web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", r"is a web page \(HTML\), not a video"),
    "text": ("Où est la vidéo ?\n" * 99, "is text, not a video"),
    "playlist": (b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:2,\n/etc/passwd\n", "is text, not a video"),
    "noise": (np.random.default_rng(0).bytes(5000), "not a video, or its header is damaged"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_a_video_is_refused_by_name_and_with_the_next_step(tmp_path, name):
    content, message = BROKEN[name]
    path = tmp_path / f"{name}.mp4"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(MediaError, match=f"(?s){name}.mp4.*{message}"):
        probe(path)


def test_a_folder_and_a_device_are_refused(tmp_path):
    with pytest.raises(MediaError, match="is a folder; give the path of one video file"):
        probe(tmp_path)
    with pytest.raises(MediaError, match="not an ordinary file"):
        probe("/dev/zero")


def test_sound_alone_is_refused_even_with_a_cover_picture(click_wav, scene, tmp_path):
    ffmpeg("-i", scene, "-frames:v", "1", tmp_path / "cover.png")
    ffmpeg("-i", click_wav, "-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c:v", "copy",
           "-disposition:v", "attached_pic", tmp_path / "song.mp3")  # fmt: skip
    for path in (click_wav, (tmp_path / "song.mp3").rename(tmp_path / "song.mp4")):
        with pytest.raises(MediaError, match="holds sound only; a video is needed"):
            probe(path)


def test_a_file_cut_off_plays_as_far_as_it_goes_or_says_why_not(numbered_clip, tmp_path):
    ffmpeg("-i", numbered_clip, "-c", "copy", tmp_path / "whole.mkv")
    content = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "half.mkv").write_bytes(content[: len(content) // 2])
    seen, stream = numbers(tmp_path / "half.mkv")
    assert seen == list(range(len(seen)))
    assert 0.3 < stream.timeline.duration_s < 1.8
    (tmp_path / "half.mp4").write_bytes(numbered_clip.read_bytes()[:-2000])  # its index stands at the end
    with pytest.raises(MediaError, match="header is damaged or cut off"):
        probe(tmp_path / "half.mp4")


def test_damaged_packets_are_passed_over(numbered_clip, tmp_path):
    ffmpeg("-i", numbered_clip, "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p", tmp_path / "c.avi")
    content = bytearray((tmp_path / "c.avi").read_bytes())
    tenth = content.index(b"movi")
    for _ in range(11):
        tenth = content.index(b"00dc", tenth + 1)
    size = int.from_bytes(content[tenth + 4 : tenth + 8], "little")
    content[tenth + 8 : tenth + 8 + size] = bytes(size)
    (tmp_path / "c.avi").write_bytes(content)
    seen, stream = numbers(tmp_path / "c.avi")
    assert seen == [*range(10), 9, *range(11, 48)]
    assert stream.timeline.duration_s == pytest.approx(2.0)


# The fence


LIMITS = {
    "length stated": ({"duration_s": 1.0}, "states a length of 2 s, over the limit of 1 s. Cut it into parts"),
    "picture size": ({"picture_pixels": 4095}, "64x64, over the limit of 4,095 pixels. Scale it down"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_at_the_probe(numbered_clip, name):
    limits, message = LIMITS[name]
    with pytest.raises(MediaError, match=f"numbered.mp4: it.*{message}"):
        probe(numbered_clip, limits=MediaLimits(**limits))


@pytest.mark.parametrize(
    ("limits", "message"),
    [({"duration_s": 1.0}, "longer than the limit of 1 s"), ({"pictures": 20}, "more than 20 pictures, the limit"),
     ({"memory_bytes": 150 * 2**20}, "numbered.mp4: .*(memory|crashed)"),
     ({"stall_s": 0.01}, r"no progress for 0\.01 s")],
)  # fmt: skip
def test_limits_while_streaming(numbered_clip, limits, message):
    clip = probe(numbered_clip)
    with pytest.raises(MediaError, match=message):
        list(SnippetStream(clip, EVERY, limits=MediaLimits(**limits)))
    assert children() == []


def test_processor_time_is_limited(tmp_path):
    path = tmp_path / "long.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=size=64x64:rate=24", "-t", "60", "-c:v", "libx264", "-preset", "ultrafast", path)
    large = replace(EVERY, short_side_px=512, crop_px=512)
    with pytest.raises(MediaError, match="more than 1 processor seconds; cut the clip into shorter parts"):
        for _ in SnippetStream(probe(path), large, limits=MediaLimits(cpu_s=1)):
            pass


@pytest.mark.parametrize("blow", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_crash_of_the_child_is_a_media_error(numbered_clip, blow):
    snippets = iter(SnippetStream(probe(numbered_clip), replace(EVERY, short_side_px=512, crop_px=512)))
    next(snippets)
    [child] = children()
    os.kill(child, blow)
    with pytest.raises(MediaError, match=f"numbered.mp4: the decoder crashed on it .{blow.name}.*Try converting"):
        list(snippets)
    assert children() == []


def test_closing_or_forgetting_the_stream_ends_the_child_at_once(numbered_clip, click_wav, tmp_path):
    path = tmp_path / "both.mkv"
    ffmpeg("-i", numbered_clip, "-i", click_wav, "-c:v", "copy", path)
    clip = probe(path)
    pictures, sound = iter(SnippetStream(clip, EVERY)), stream_audio(clip, 16_000, block_s=0.1)
    next(pictures), next(sound)
    assert len(children()) == 2
    start = time.perf_counter()
    pictures.close()
    assert len(children()) == 1
    del sound
    gc.collect()
    assert children() == []
    assert time.perf_counter() - start < 2


def test_the_file_may_vanish_between_probe_and_stream(numbered_clip, tmp_path):
    path = shutil.copy(numbered_clip, tmp_path / "c.mp4")
    clip = probe(path)
    path.unlink()
    with pytest.raises(MediaError, match=r"c\.mp4 is no longer at /.*Put it back"):
        list(SnippetStream(clip, EVERY))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"offsets": ()}, "offsets is"), ({"offsets": (3, 2)}, "must ascend within 0..15"), ({"offsets": (16,)}, "0..15"),
     ({"crop_px": 65}, "crop of 65 does not fit a short side of 64"), ({"filter": "nearest"}, "choose bicubic")],
)  # fmt: skip
def test_a_sampling_that_makes_no_sense_is_refused(numbered_clip, change, message):
    with pytest.raises(ConfigError, match=message):
        SnippetStream(probe(numbered_clip), replace(EVERY, **change))


def test_the_timeline_is_not_known_before_the_end(numbered_clip):
    stream = SnippetStream(probe(numbered_clip), EVERY)
    next(iter(stream))
    with pytest.raises(RuntimeError, match="only after the last snippet"):
        _ = stream.timeline


def test_the_benchmark_prints_a_line_for_each_file(numbered_clip, tmp_path):
    shutil.copy(numbered_clip, tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").touch()
    script = Path(__file__).parents[1] / "benchmarks" / "formats.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=True)
    bad, good = done.stdout.splitlines()
    assert "MediaError: bad.mp4 is empty" in bad
    assert "3 snippets" in good
    assert "2.000 s (stated 2.000)  64x64 mov/h264 rot 0  no sound" in good


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    path, wav = tmp_path / "long.mp4", write_wav(tmp_path / "s.wav", np.zeros(8000 * 900), 8000)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=24", "-i", wav, "-t", "900", "-c:v", "libx264", "-preset",
           "ultrafast", "-c:a", "aac", path)  # fmt: skip
    clip = probe(path)
    for work in (SnippetStream(clip, replace(EVERY, offsets=(8,))), stream_audio(clip, 16_000, block_s=1.0)):
        sizes = [resident_bytes(children()[0]) for _ in work]
        assert len(sizes) >= 900
        assert max(sizes) < 1.2 * sizes[len(sizes) // 10]
