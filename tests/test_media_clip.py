"""Pictures and probing, against clips whose every picture carries its number and whose timestamps are known."""

import gc
import json
import math
import os
import shutil
import signal
import time
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import EVERY, SIDE, constant, ffmpeg, numbered, probed, read_number, write_numbered, write_wav
from PIL import Image
from processes import children

from cmhkf.errors import ConfigError, MediaError
from cmhkf.media import sandbox
from cmhkf.media.clip import Clip, SnippetStream, probe, stream_audio
from cmhkf.media.sampling import FrameSampling
from cmhkf.media.sandbox import MediaLimits


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
    return (shown + [shown[-1]] * 16)[: 16 * max(1, len(shown) // 16)]


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


PLAIN = ("24", "12", "film", "one a second")  # whose timestamps in Matroska are rounded as those of the others
IN_MKV = [pytest.param(name, ".mkv", marks=pytest.mark.slow if name in PLAIN else ()) for name in CLOCKS]


@pytest.mark.parametrize(("name", "suffix"), [*((name, ".mp4") for name in CLOCKS), *IN_MKV])
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
    assert (seen, stream.timeline.duration_s) == (list(range(48)), pytest.approx(2.0, abs=0.001))


@pytest.mark.parametrize("n", [1, 3, 15, 16, 17, 32])
def test_a_clip_of_few_pictures_still_gives_a_snippet_and_repeats_the_last(tmp_path, n):
    seen, stream = numbers(write_numbered(tmp_path / "short.mp4", constant(24, n), last_s=Fraction(1, 24)))
    assert seen == [min(k, n - 1) for k in range(max(16, n // 16 * 16))]
    assert stream.timeline.duration_s == pytest.approx(n / 24)


def test_the_native_grid_takes_every_decoded_picture(tmp_path):
    seen, stream = numbers(write_numbered(tmp_path / "c.mp4", constant(50, 35), last_s=Fraction(1, 50)), grid="native")
    assert (seen, stream.timeline.rate, stream.timeline.duration_s) == (list(range(32)), 50, pytest.approx(0.7))


def test_only_the_wanted_pictures_come(numbered_clip):
    stream = SnippetStream(probed(numbered_clip), replace(EVERY, offsets=(0, 8, 15)))
    assert [[read_number(p) for p in snippet] for snippet in stream] == [[0, 8, 15], [16, 24, 31], [32, 40, 47]]


def test_a_still_camera_shows_one_frame_until_some_part_of_it_changes(tmp_path):
    """A grey wall whose noise is a level or two; at frame 6 one part of it brightens by 20, at 10 all of it by 1."""
    random = np.random.default_rng(0)
    frames = 100 + random.integers(-2, 3, (16, 64, 64, 1)).repeat(3, axis=3)
    frames[6:, 16:32, 32:48] += 20
    frames[10:] += 1
    raw = frames.astype(np.uint8)
    clip = tmp_path / "wall.mkv"
    ffmpeg("-f rawvideo -pix_fmt rgb24 -s 64x64 -r 24 -i - -c:v ffv1 -pix_fmt bgr0", clip, stdin=raw.tobytes())
    sampling = replace(EVERY, crop_px=None, stretched_px=(SIDE, SIDE))
    (seen,) = SnippetStream(probe(clip), sampling)
    np.testing.assert_array_equal(seen, raw)
    (calm,) = SnippetStream(probe(clip), replace(sampling, still_levels=3.5))
    np.testing.assert_array_equal(calm, raw[[0] * 6 + [6] * 10])
    (calm,) = SnippetStream(probe(clip), replace(sampling, still_levels=1e-9))
    np.testing.assert_array_equal(calm, raw)


# What pictures look like


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """A still, smooth, asymmetric scene of 100x60, half a second, without loss."""
    y, x = np.mgrid[0:60, 0:100]
    picture = np.stack([x * 2.5, y * 4, 128 + 100 * np.sin(x / 9) * np.cos(y / 7)], -1).astype(np.uint8)
    folder = tmp_path_factory.mktemp("scene")
    Image.fromarray(picture).save(folder / "scene.png")
    lossless = "-c:v libx264 -qp 0 -pix_fmt yuv444p"
    ffmpeg("-loop 1 -t 0.5 -r 24 -i", folder / "scene.png", lossless, folder / "scene.mp4")
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


SIZES = {"bicubic": "100x60 73x41 301x12 1x1 360x640", "bilinear": "41x73 640x360"}


@pytest.mark.parametrize(("size", "filter_"), [(size, name) for name, sizes in SIZES.items() for size in sizes.split()])
def test_resize_and_crop_equal_pillow_and_torchvision(scene, tmp_path, size, filter_):
    width, height = map(int, size.split("x"))
    path = tmp_path / "sized.mp4"
    ffmpeg("-i", scene, "-vf", f"scale={width}:{height}", "-c:v", "libx264", "-pix_fmt", "yuv444p", path)
    sampling = FrameSampling((0,), 64, 56, filter_)
    expected = preprocess(first_rgb(path), Fraction(width), height, sampling)
    difference = np.abs(first_picture(path, sampling).astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


CODECS = """libx264 yuv420p10le .mp4, libx265 yuv420p10le .mp4, libvpx-vp9 yuv420p .webm, mpeg4 yuv420p .avi,
wmv2 yuv420p .wmv, mjpeg yuvj420p .mov, gif rgb8 .gif, flv1 yuv420p .flv, libsvtav1 yuv420p10le .mkv"""


@pytest.mark.parametrize(("codec", "pixels", "suffix"), [words.split() for words in CODECS.split(",")])
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
    [
        (["-display_rotation", "90"], 270, lambda p: np.rot90(p, 1)),
        (["-display_rotation", "-90"], 90, lambda p: np.rot90(p, -1)),
        (["-display_rotation", "180"], 180, lambda p: np.rot90(p, 2)),
        (["-display_rotation", "0", "-display_hflip"], 0, lambda p: p[:, ::-1]),
    ],
)
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
    assert (clip.native_rate, clip.has_audio, clip.start_s, clip.duration_s) == (24, True, 0.0, pytest.approx(2.0))
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
    cover = "-map 0 -map 1 -c:v copy -disposition:v attached_pic"
    ffmpeg("-i", click_wav, "-i", tmp_path / "cover.png", cover, tmp_path / "song.mp3")
    for path in (click_wav, (tmp_path / "song.mp3").rename(tmp_path / "song.mp4")):
        with pytest.raises(MediaError, match="holds sound only; a video is needed"):
            probe(path)


@pytest.mark.parametrize("name", ["dark.y4m", "dark.nut"])
def test_a_dark_frame_after_a_header_of_text_is_no_text(tmp_path, name):
    path = tmp_path / name
    ffmpeg("-f lavfi -i color=0x303030:size=64x48:rate=12:duration=1 -c:v rawvideo -pix_fmt yuv420p", path)
    clip = probe(path)
    assert (clip.native_rate, clip.duration_s) == (12, pytest.approx(1.0))


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
    assert (seen, stream.timeline.duration_s) == ([*range(10), 9, *range(11, 48)], pytest.approx(2.0))


# The fence


def test_limits_at_the_probe(numbered_clip, monkeypatch):
    monkeypatch.setattr(sandbox, "LIMITS", MediaLimits(frame_pixels=4095))
    with pytest.raises(MediaError, match=r"numbered.mp4: it.*64x64, over the limit of 4,095 pixels. Scale"):
        probe(numbered_clip)


@pytest.mark.parametrize(
    ("limits", "device", "message"),
    [
        ({"memory_bytes": 150 * 2**20}, "cpu", "numbered.mp4: .*(memory|crashed)"),
        ({"memory_bytes": 30 * 2**20}, "cuda", "numbered.mp4: .*(memory|crashed)"),
        ({"stall_s": 0.01}, "cpu", r"no progress for 0\.01 s"),
    ],
)
def test_limits_while_streaming(numbered_clip, limits, device, message, monkeypatch):
    clip = probed(numbered_clip)
    monkeypatch.setattr(sandbox, "LIMITS", MediaLimits(**limits))
    with pytest.raises(MediaError, match=message):
        list(SnippetStream(clip, EVERY, device=device))
    assert children() == []


@pytest.mark.parametrize(
    ("limits", "seen_s", "reason"),
    [({"duration_s": 1.0}, 1.0, "over the limit of 1 s"), ({"frames": 20}, 20 / 24, "over the limit of 20 frames")],
)
def test_a_clip_over_a_limit_is_seen_up_to_there_and_says_so(numbered_clip, limits, seen_s, reason, monkeypatch):
    monkeypatch.setattr(sandbox, "LIMITS", MediaLimits(**limits))
    stream = SnippetStream(probe(numbered_clip), EVERY)
    assert [read_number(p) for snippet in stream for p in snippet] == list(range(16))
    [unseen] = stream.unseen
    assert (unseen.start_s, unseen.end_s) == (pytest.approx(seen_s, abs=0.05), pytest.approx(2.0, abs=0.05))
    assert unseen.reason == reason


def test_processor_time_is_limited(tmp_path, monkeypatch):
    path = tmp_path / "long.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=size=64x64:rate=24", "-t", "60", "-c:v", "libx264", "-preset", "ultrafast", path)
    stream = SnippetStream(probe(path), replace(EVERY, short_side_px=512, crop_px=512))
    monkeypatch.setattr(sandbox, "LIMITS", MediaLimits(cpu_s=2))
    assert 0 < sum(1 for _ in stream) < 90
    [unseen] = stream.unseen
    assert unseen.reason == "over the limit of 2 processor seconds"
    assert unseen.start_s < 59 < unseen.end_s


@pytest.mark.parametrize("blow", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_crash_of_the_child_is_a_media_error(numbered_clip, blow):
    snippets = iter(SnippetStream(probed(numbered_clip), replace(EVERY, short_side_px=512, crop_px=512)))
    next(snippets)
    [child] = children()
    os.kill(child, blow)
    with pytest.raises(MediaError, match=f"numbered.mp4: the decoder crashed on it .{blow.name}.*Try converting"):
        list(snippets)
    assert children() == []


@pytest.mark.serial
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
    [
        ({"offsets": ()}, "offsets is"),
        ({"offsets": (3, 2)}, "must ascend within 0..15"),
        ({"offsets": (16,)}, "0..15"),
        ({"crop_px": 65}, "crop of 65 does not fit a short side of 64"),
        ({"filter": "nearest"}, "choose bicubic"),
    ],
)
def test_a_sampling_that_makes_no_sense_is_refused(numbered_clip, change, message):
    with pytest.raises(ConfigError, match=message):
        SnippetStream(probed(numbered_clip), replace(EVERY, **change))


def test_the_timeline_is_not_known_before_the_end(numbered_clip):
    stream = SnippetStream(probed(numbered_clip), EVERY)
    next(iter(stream))
    with pytest.raises(RuntimeError, match="only after the last snippet"):
        _ = stream.timeline


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    path, wav = tmp_path / "long.mp4", write_wav(tmp_path / "s.wav", np.zeros(8000 * 900), 8000)
    codecs = "-t 900 -c:v libx264 -preset ultrafast -c:a aac"
    ffmpeg("-f lavfi -i testsrc2=size=640x360:rate=24 -i", wav, codecs, path)
    clip = probe(path)
    for work in (SnippetStream(clip, replace(EVERY, offsets=(8,))), stream_audio(clip, 16_000, block_s=1.0)):
        sizes = [resident_bytes(pid) for _ in work for pid in children()[:1]]  # it may end before the last is read
        assert len(sizes) >= 800
        assert max(sizes) < 1.2 * sizes[len(sizes) // 10]
