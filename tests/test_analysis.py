"""Analysis: validated, read-only, and equal after a round trip through its file."""

import json
import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from analyses import make_analysis

from cmhkf import Analysis, CheckpointError
from cmhkf.media.unseen import Unseen


def kept(analysis, folder):
    return Analysis.load(analysis.save(folder / "a.npz"))


def sent(analysis, folder):
    """As between processes."""
    return pickle.loads(pickle.dumps(analysis))


@pytest.mark.parametrize("again", [kept, sent])
@pytest.mark.parametrize(
    "mute", [{"audio_cues": ("motion",)}, {"audio_level_db": None, "modality_scores": {}, "cues": {}}]
)
def test_a_round_trip_keeps_every_field(tmp_path, again, mute):
    analysis = make_analysis(np.linspace(0, 1, 300), **mute)
    other = again(analysis, tmp_path)
    for f in fields(Analysis):
        one, two = getattr(analysis, f.name), getattr(other, f.name)
        for x, y in [(one[k], two[k]) for k in one] if f.name in ("modality_scores", "cues") else [(one, two)]:
            np.testing.assert_array_equal(x, y, err_msg=f.name, strict=isinstance(x, np.ndarray))
    assert (list(other.cues), list(other.modality_scores)) == (list(analysis.cues), list(analysis.modality_scores))
    assert not other.scores.flags.writeable
    with pytest.raises(TypeError):
        other.cues["new"] = analysis.scores


def test_the_file_needs_no_pickle_and_holds_times(tmp_path):
    path = make_analysis([0.1, 0.2]).save(tmp_path / "a.npz")
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_allclose(file["times_s"], [0, 2 / 3])


def test_arrays_are_read_only_copies():
    scores = np.array([0.1, 0.2], np.float32)
    analysis = make_analysis(scores)
    scores[0] = 0.9
    assert analysis.scores[0] == np.float32(0.1)
    with pytest.raises(ValueError, match="read-only"):
        analysis.scores[0] = 1
    with pytest.raises(TypeError):
        analysis.cues["motion"] = scores


def test_arrays_that_are_read_only_already_are_not_copied(tmp_path):
    scores = np.array([0.1, 0.2], np.float32)
    scores.setflags(write=False)
    analysis = make_analysis(scores)
    loaded = Analysis.load(analysis.save(tmp_path / "a.npz"))
    assert replace(analysis, calibration="another").scores is scores
    assert replace(loaded, calibration="another").clip_embeddings is loaded.clip_embeddings


def test_what_was_not_seen_is_saved_and_an_older_file_says_that_it_does_not_know(tmp_path):
    unseen = (Unseen(1.5, 2.25, "damaged"), Unseen(17.3, 33.7, "cut off"))
    path = make_analysis([0.1, 0.2], unseen_s=unseen, declared_duration_s=33.7).save(tmp_path / "a.npz")
    loaded = Analysis.load(path)
    assert (loaded.unseen_s, loaded.declared_duration_s) == (unseen, 33.7)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes())
    del header["unseen_s"], header["declared_duration_s"], header["audio_cues"]
    np.savez(path, **arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)})
    assert (Analysis.load(path).unseen_s, Analysis.load(path).declared_duration_s) == (None, None)
    assert (set(Analysis.load(path).cues), Analysis.load(path).audio_cues) == ({"motion"}, ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"similarity": np.zeros((2, 2))}, r"similarity must have shape \(2, 3\), got \(2, 2\)"),
        ({"alignment_scores": np.array([0.1, 1.2])}, r"alignment_scores must lie in \[0, 1\]"),
        ({"saliency": np.array([1.0, np.nan])}, "saliency holds a value that is not finite"),
        ({"cues": {"motion": np.zeros(3)}}, r"cues\['motion'\] must have shape"),
    ],
)
def test_inconsistent_values_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        make_analysis([0.1, 0.2], **change)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_foreign_and_truncated_files_are_refused(tmp_path, content):
    path = tmp_path / "a.npz"
    if content is None:
        make_analysis(np.zeros(50)).save(path)
        content = path.read_bytes()[:-200]
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="analyse the clip again"):
        Analysis.load(path)


def test_a_wrong_byte_anywhere_is_refused_or_harmless(tmp_path):
    path = make_analysis(np.linspace(0, 1, 40)).save(tmp_path / "a.npz")
    data = path.read_bytes()
    refused = 0
    for place in range(0, len(data), 17):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x95]) + data[place + 1 :])
        try:
            Analysis.load(path)
        except CheckpointError:
            refused += 1
    assert refused > 100


def test_a_file_that_would_unpack_to_far_more_is_refused_unread(tmp_path, monkeypatch):
    path = make_analysis([0.1, 0.2]).save(tmp_path / "a.npz")
    with np.load(path) as file:
        np.savez_compressed(path, **dict(file) | {"saliency": np.zeros(10_000_000)})
    assert path.stat().st_size < 100_000
    monkeypatch.setattr("cmhkf.files.MOST_NPZ_BYTES", 50_000_000)
    monkeypatch.setattr("numpy.load", None)  # nothing is read
    with pytest.raises(CheckpointError, match=r"a\.npz is not a readable .* unpack to 80,.* more than the 50,000,000"):
        Analysis.load(path)


def test_missing_file_and_foreign_npz(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        Analysis.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a readable analysis"):
        Analysis.load(tmp_path / "other.npz")
