"""VadCLIP's published format: values through our model against an oracle, and every kind of file that does not fit."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import vadclip_oracle
from analyses import make_clip
from feature_files import rows, write_npy

from cmhkf.analyzer import Analyzer
from cmhkf.commands.evaluate import evaluate
from cmhkf.commands.import_vadclip import import_vadclip
from cmhkf.datasets.classes import UCF_CLASSES, XD_CLASSES
from cmhkf.encoders.clip import empty_clip
from cmhkf.encoders.protocols import Encoders
from cmhkf.errors import CheckpointError, ConfigError
from cmhkf.features.extract import Features
from cmhkf.features.folders import Rows, released_recipe
from cmhkf.model.build import build_model
from cmhkf.model.checkpoint import load_checkpoint
from cmhkf.model.run import predict
from cmhkf.model.vadclip_file import PROMPTS, clip_of, prompted_texts, read_vadclip
from cmhkf.timeline import Timeline

TEXT = torch.randn(14, 512, generator=torch.Generator().manual_seed(5))


def saved(path, held):
    torch.save(held, path)
    return path


def clip_tensors(dtype=torch.float16):
    """CLIP ViT-B/16's names and shapes as they lie in a checkpoint; random values in what reads the prompts."""
    torch.manual_seed(2)
    tensors = {name: torch.zeros(value.shape, dtype=dtype) for name, value in empty_clip().state_dict().items()}
    for name, value in tensors.items():
        if not name.startswith(("visual", "token_embedding")):
            value.uniform_(-0.1, 0.1)
    return {"clipmodel." + name: value for name, value in tensors.items()}


@pytest.mark.parametrize(("dataset", "layers", "window"), [("xd-violence", 1, 64), ("ucf-crime", 2, 8)])
@pytest.mark.parametrize("padded", [True, False])
def test_the_model_equals_the_oracle(tmp_path, dataset, layers, window, padded):
    """Whole windows, short ones, and one row; with the padding that takes part and without."""
    state = vadclip_oracle.published(layers)
    held = read_vadclip(saved(tmp_path / "model.pth", state), dataset)
    config = replace(held.config, mask_padding=not padded)
    model = build_model(config).eval()
    model.load_state_dict(held.state)
    text = TEXT[: len(config.classes)]
    assert config.classes == (XD_CLASSES if dataset == "xd-violence" else UCF_CLASSES)
    for n in (1, 70, 256):
        video = torch.from_numpy(rows(n, 512)) + 1.0  # cosines on both sides of the threshold
        logits, alignment = vadclip_oracle.forward(state, video, text, window=window, padded=padded)
        found = predict(model, text, Rows("v", video.numpy(), None, None))
        np.testing.assert_allclose(found.scores, logits.sigmoid(), atol=1e-4)
        assert found.class_probs is not None
        np.testing.assert_allclose(found.class_probs, alignment.softmax(dim=1), atol=1e-4)


def test_a_long_video_is_chunks_with_the_last_padded(tmp_path):
    """Oracle: chunks of 256 one by one; 512 rows make two, not three (C.3)."""
    state = vadclip_oracle.published()
    held = read_vadclip(saved(tmp_path / "model.pth", state), "xd-violence")
    model = build_model(held.config).eval()
    model.load_state_dict(held.state)
    for n in (300, 512):
        video = torch.from_numpy(rows(n, 512))
        chunks = [vadclip_oracle.forward(state, part, TEXT[:7], window=64, padded=True) for part in video.split(256)]
        found = predict(model, TEXT[:7], Rows("v", video.numpy(), None, None))
        np.testing.assert_allclose(found.scores, torch.cat([c[0] for c in chunks]).sigmoid(), atol=1e-4)


def test_a_training_state_and_cast_values_are_read(tmp_path):
    state = vadclip_oracle.published()
    plain = read_vadclip(saved(tmp_path / "model.pth", state), "xd-violence")
    training = {"epoch": 3, "model_state_dict": state, "optimizer_state_dict": {"state": {}}, "ap": np.float64(0.84)}
    wrapped = read_vadclip(saved(tmp_path / "checkpoint.pth", training), "xd-violence")
    assert plain.state.keys() == wrapped.state.keys()
    assert all(plain.state[key].equal(wrapped.state[key]) for key in plain.state)
    half = read_vadclip(
        saved(tmp_path / "half.pth", {key: value.half() for key, value in state.items()}), "xd-violence"
    )
    assert {value.dtype for value in half.state.values()} == {torch.float32}


def test_everything_that_does_not_fit_is_listed(tmp_path):
    state = vadclip_oracle.published()
    state["linear.weight"] = torch.zeros(512, 256)
    state["fusion.weight"] = torch.zeros(3)
    for key in ("gc4.weight", "temporal.resblocks.0.attn.in_proj_bias", PROMPTS):
        del state[key]
    with pytest.raises(CheckpointError) as caught:
        read_vadclip(saved(tmp_path / "model.pth", state), "xd-violence")
    message = str(caught.value)
    assert "5 of its tensors do not fit" in message
    for line in (
        "fusion.weight is [3], expected nothing",
        "gc4.weight is missing, expected [256, 256]",
        "linear.weight is [512, 256], expected [512, 512]",
        "temporal.resblocks.0.attn.in_proj_bias is missing, expected [1536]",
        f"{PROMPTS} is missing, expected [77, 512]",
    ):
        assert line in message


def test_the_other_data_set_is_suggested(tmp_path):
    path = saved(tmp_path / "model_ucf.pth", vadclip_oracle.published(layers=2))
    with pytest.raises(CheckpointError, match=r"for xd-violence: 12 of its tensors(.|\n)*say so with --dataset"):
        read_vadclip(path, "xd-violence")


class Code:
    def __reduce__(self):
        return print, ("never run",)


def test_wrong_files_are_refused(tmp_path, capsys):
    with pytest.raises(CheckpointError, match=r"absent\.pth: no such file"):
        read_vadclip(tmp_path / "absent.pth", "xd-violence")
    with pytest.raises(CheckpointError, match="pickled objects that are not tensors; such code is never run"):
        read_vadclip(saved(tmp_path / "code.pth", {"a": Code()}), "xd-violence")
    assert "never run" not in capsys.readouterr().out
    state = vadclip_oracle.published()
    state["linear.bias"][3] = torch.nan
    with pytest.raises(CheckpointError, match=r"not finite, in linear\.bias"):
        read_vadclip(saved(tmp_path / "nan.pth", state), "xd-violence")
    with pytest.raises(CheckpointError, match="holds no CLIP"):
        clip_of({}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"CLIP in .*model\.pth does not fit this network: it is missing"):
        clip_of({"logit_scale": torch.zeros(())}, tmp_path / "model.pth")
    with pytest.raises(ConfigError, match="dataset is 'shanghai'; choose one of xd-violence, ucf-crime"):
        import_vadclip(tmp_path / "nan.pth", tmp_path / "out", dataset="shanghai")


def test_an_imported_checkpoint_serves(tmp_path, capsys):
    """With CLIP from the file itself: in the analyzer and in an evaluation, with the same scores."""
    state, clip = vadclip_oracle.published(), clip_tensors()
    path = tmp_path / "vadclip.safetensors"
    import_vadclip(saved(tmp_path / "model_xd.pth", state | clip), path, clip="file")
    assert "VadCLIP for xd-violence, 7 classes, from model_xd.pth" in capsys.readouterr().out
    checkpoint = load_checkpoint(path)
    assert checkpoint.recipe == released_recipe(audio=False)
    assert (checkpoint.provenance["imported_from"], len(checkpoint.provenance["sha256"])) == ("model_xd.pth", 64)
    text = torch.from_numpy(checkpoint.text_features)
    tower = clip_of({name.removeprefix("clipmodel."): value for name, value in clip.items()}, path)
    torch.testing.assert_close(text, prompted_texts(XD_CLASSES, state[PROMPTS], tower))
    assert not torch.allclose(text, prompted_texts(XD_CLASSES, 2 * state[PROMPTS], tower))

    recipe, video = checkpoint.recipe, rows(20, 512)
    eye = SimpleNamespace(identity=recipe.video, device="cpu")
    analyzer = Analyzer(
        Encoders("CLIP", eye, SimpleNamespace(identity=recipe.text), None),
        checkpoint.config,  # type: ignore[arg-type]
        name="vadclip",
        checkpoint=checkpoint,
    )
    analysis = analyzer.analyze_features(
        Features(make_clip(), Timeline(20, 40 / 3), recipe.hash, video, video, None, None, "not used")
    )
    logits, _ = vadclip_oracle.forward(state, torch.from_numpy(video), text, window=64, padded=True)
    np.testing.assert_allclose(analysis.scores, logits.sigmoid(), atol=1e-4)

    names = ["v=a_label_B1-0-0", "v=b_label_A"]
    for name in names:
        write_npy(tmp_path / "features", name, 20)
    (tmp_path / "features" / "test.txt").write_text("\n".join(names))
    for file, event in (("annotations.txt", "30 90"), ("annotations_multiclasses.txt", "B1 30 90")):
        (tmp_path / "features" / file).write_text(f"{names[0]} {event}\n")
    evaluate(tmp_path / "features", "xd-violence", model=str(path), out=tmp_path / "out", resamples=0)
    shown = capsys.readouterr()
    assert "vadclip-xd-violence on xd-violence: 2 videos" in shown.out
    assert "note:" not in shown.err  # the recipe is the one assumed for distributed features
