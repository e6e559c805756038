"""Crops against slices written out, the command against a plain extraction, and its resuming and refusals."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from fake_encoders import MeanColour, fake_encoders
from media_factory import ffmpeg
from PIL import Image
from processes import ran
from training_sets import untrained

from cmhkf.analyzer import load
from cmhkf.commands.extract import extract
from cmhkf.encoders.crops import cut_crop, in_crops
from cmhkf.errors import ConfigError, RecipeMismatch
from cmhkf.features.extract import Features, extract_crops
from cmhkf.features.folders import FeatureFolder, source_of
from cmhkf.features.make import claim, extract_all, name_files
from cmhkf.features.recipe import recipe_of
from cmhkf.media.clip import SnippetStream, probe
from cmhkf.media.sampling import FrameSampling
from cmhkf.model.config import ModelConfig

ROOT = Path(__file__).parents[1]
STRETCHED = FrameSampling((0, 8), 224, 224, stretched_px=(340, 256))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two still scenes of 100x60 for 2 s, one with a tone, one turned on its side; and one file that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    y, x = np.mgrid[0:60, 0:100]
    picture = np.stack([x * 2.5, y * 4, 128 + 100 * np.sin(x / 9) * np.cos(y / 7)], -1).astype(np.uint8)
    Image.fromarray(picture).save(folder / "scene.png")
    still = ["-loop", "1", "-t", "2", "-r", "24", "-i", folder / "scene.png"]
    lossless = ["-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv444p"]
    ffmpeg(*still, "-f", "lavfi", "-i", "sine=440:d=2", *lossless, "-c:a", "aac", folder / "tone.mp4")
    ffmpeg("-display_rotation", "90", "-i", folder / "tone.mp4", "-an", "-c", "copy", folder / "turned.mp4")
    (folder / "broken.mp4").write_text("<html>not found</html>")
    return folder


class CropColour(MeanColour):
    """Looks at squares of 224 with a picture in its identity, as the real encoders do."""

    identity = (("name", "fake mean colour"), ("picture", "short side 224"))

    def __init__(self):
        super().__init__()
        self.sampling = FrameSampling((8,), 224, 224)


def crops_encoders():
    return in_crops(fake_encoders(video=CropColour()))


def first_rgb(path):
    with av.open(str(path)) as source:
        return next(source.decode(video=0)).to_ndarray(format="rgb24")


PLACES = (16, 58), (0, 0), (0, 116), (32, 0), (32, 116)  # rows and columns; crops 5 to 9 are the same, mirrored


@pytest.mark.parametrize("crop", range(10))
def test_crops_are_where_the_specification_puts_them(crop):
    pictures = np.random.default_rng(0).integers(0, 255, (2, 3, 256, 340, 3), dtype=np.uint8)
    (top, left), step = PLACES[crop % 5], 1 if crop < 5 else -1
    expected = pictures[:, :, top : top + 224, left : left + 224][:, :, :, ::step]
    np.testing.assert_array_equal(cut_crop(pictures, crop, 224), expected)


@pytest.mark.parametrize(("name", "turn"), [("tone.mp4", 0), ("turned.mp4", 1)])
def test_pictures_are_stretched_as_displayed(folder, name, turn):
    shown = Image.fromarray(np.rot90(first_rgb(folder / "tone.mp4"), turn))
    expected = np.asarray(shown.resize((340, 256), Image.Resampling.BICUBIC))
    snippet = next(iter(SnippetStream(probe(folder / name), STRETCHED)))
    assert snippet.shape == (2, 256, 340, 3)
    assert np.abs(snippet[0].astype(int) - expected).max() <= 2


def test_a_crop_must_fit_the_stretched_picture(folder):
    with pytest.raises(ConfigError, match="a crop of 224 does not fit a short side of 200"):
        SnippetStream(probe(folder / "tone.mp4"), replace(STRETCHED, stretched_px=(340, 200)))


def test_all_crops_come_from_one_pass_and_share_the_sound(folder):
    encoders = crops_encoders()
    recipe = recipe_of(encoders, "24fps")
    clip = probe(folder / "tone.mp4")
    steps = extract_crops(clip, encoders, recipe, crops=range(10))
    features = [step for step in steps if isinstance(step, Features)]
    assert len(features) == 10
    assert encoders.audio.calls <= 2
    snippets = np.stack(list(SnippetStream(clip, replace(STRETCHED, offsets=(8,)))))
    for crop, one in enumerate(features):
        expected = cut_crop(snippets, crop, 224).reshape(len(snippets), -1, 3).mean(axis=1) / 255
        np.testing.assert_allclose(np.asarray(one.video)[:, :3], expected, atol=1e-6)
        np.testing.assert_array_equal(one.audio, features[0].audio)
        assert one.recipe_hash == recipe.hash
    left, right = (features[crop].video[:1][0, 0] for crop in (1, 2))
    assert abs(left - right) > 0.1  # they differ in red


def test_recipes_tell_crops_from_none():
    plain, cropped = fake_encoders(video=CropColour()), crops_encoders()
    assert recipe_of(plain, "24fps").hash != recipe_of(cropped, "24fps").hash
    assert dict(cropped.video.identity)["picture"] == "340x256 whatever the aspect, bicubic antialiased, crops of 224"
    assert plain.video.sampling.stretched_px is None, "the encoder itself is left as it was"


def run(folder, out, encoders, names=("tone", "turned"), n_crops=5):
    targets = name_files([folder / f"{name}.mp4" for name in names], out, n_crops=n_crops)
    return extract_all(targets, out, encoders=encoders, recipe=recipe_of(encoders, "24fps"))


def test_a_folder_is_resumed_and_mended(folder, tmp_path, capsys):
    assert run(folder, tmp_path, crops_encoders(), names=["tone"]) == 0
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert set(before) == {"recipe.json", *(f"tone__{crop}.npz" for crop in range(5))}
    encoders = crops_encoders()
    assert run(folder, tmp_path, encoders) == 0
    assert "1 videos extracted, 1 already there, 0 failed" in capsys.readouterr().err
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in before} == before
    damaged = tmp_path / "turned__3.npz"
    damaged.write_bytes(damaged.read_bytes()[:-50])
    assert run(folder, tmp_path, encoders) == 0
    read = FeatureFolder(tmp_path)
    assert (read.names, read.crops("turned")) == (("tone", "turned"), (0, 1, 2, 3, 4))
    assert (read.load("tone").audio is None, read.load("turned", 3).audio is None) == (False, True)
    assert read.recipe == recipe_of(encoders, "24fps")


def test_another_video_of_the_same_name_is_extracted_anew(folder, tmp_path, capsys):
    """The name is kept and the file is not: features of the old one would be taken for the new one's."""
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    shutil.copy(folder / "tone.mp4", videos / "a.mp4")
    run(videos, out, fake_encoders(), names=["a"], n_crops=1)
    assert FeatureFolder(out).load("a").audio is not None
    shutil.copy(folder / "turned.mp4", videos / "a.mp4")
    run(videos, out, fake_encoders(), names=["a"], n_crops=1)
    said = capsys.readouterr()
    assert "1 videos extracted, 0 already there, 0 failed" in said.err.splitlines()[-1]
    assert "note: videos have no sound in their features (1): a.mp4 (no sound track)" in said.err
    assert source_of(out / "a__0.npz") == probe(videos / "a.mp4").sha256
    assert FeatureFolder(out).load("a").audio is None


def test_failed_videos_are_named_and_the_rest_is_done(folder, tmp_path, capsys):
    assert run(folder, tmp_path, fake_encoders(), names=["broken", "tone"], n_crops=1) == 1
    said = capsys.readouterr()
    assert "broken.mp4 is a web page (HTML)" in said.err
    assert "1 videos extracted, 0 already there, 1 failed" in said.err
    assert FeatureFolder(tmp_path).names == ("tone",)


def test_a_video_that_can_be_read_no_longer_fails_alone(folder, tmp_path, capsys):
    (tmp_path / "videos").mkdir()
    for name in ("tone", "turned"):
        shutil.copy(folder / f"{name}.mp4", tmp_path / "videos")
    assert run(tmp_path / "videos", tmp_path / "out", crops_encoders(), n_crops=1) == 0
    (tmp_path / "videos" / "tone.mp4").unlink()
    assert run(tmp_path / "videos", tmp_path / "out", crops_encoders(), n_crops=1) == 1
    said = capsys.readouterr()
    assert "tone.mp4" in said.err
    assert "0 videos extracted, 1 already there, 1 failed" in said.err


def test_a_folder_of_another_recipe_is_refused(tmp_path):
    mine, other = (recipe_of(fake_encoders(), grid) for grid in ("24fps", "native"))
    claim(tmp_path / "new", mine)
    claim(tmp_path / "new", mine)
    with pytest.raises(RecipeMismatch, match=rf"new holds features of recipe {mine.hash} .*not those of {other.hash} "):
        claim(tmp_path / "new", other)


def test_two_videos_of_one_name_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"a.v\.mp4 and b.v\.avi have the same name"):
        name_files([Path("a/v.mp4"), Path("b/v.avi")], tmp_path, n_crops=1)


@pytest.mark.slow
def test_the_command_and_a_checkpoint_that_the_app_serves(folder, tmp_path):
    """Crops are trained on, and the model then looks at crop 0 of whatever clip it is given."""
    out = tmp_path / "features"
    environment = os.environ | {"CMHKF_HOME": str(tmp_path)}
    done = ran("-m", "cmhkf", "extract", folder, "--out", out, "--crops", "5", env=environment)
    assert done.returncode == 1, done.stderr
    assert "broken.mp4 is a web page" in done.stderr
    read = FeatureFolder(out)
    config = ModelConfig(
        dim=16, video_dim=read.video_dim, semantic_dim=read.semantic_dim, audio_dim=read.audio_dim or 0
    )
    path = untrained(tmp_path / "c.safetensors", config, read.recipe_for(config.modalities))
    analyzer = load(str(path), device="cpu")
    analyzer.cache_dir = tmp_path / "cache"
    analyzer.analyze(folder / "tone.mp4")
    [cached] = analyzer.cache_dir.rglob("*.npz")
    seen = Features.load(cached, probe(folder / "tone.mp4"))
    np.testing.assert_allclose(seen.video, read.load("tone", 0).video, atol=0.02)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"preset": "vadclip"}, "preset is 'vadclip'; choose one of demo, xd-violence, ucf-crime, zero-shot"),
        ({"crops": 3}, "crops is 3; choose one of 1, 5, 10"),
        ({"grid": "25fps"}, "grid is '25fps'; choose one of 24fps, native"),
    ],
)
def test_settings_that_do_not_exist_are_named(setting, message, folder, tmp_path):
    with pytest.raises(ConfigError, match=message):
        extract([str(folder)], tmp_path / "out", **setting)
    assert not (tmp_path / "out").exists()
