"""Analysis: validated, read-only, and equal after a round trip through its file."""

from dataclasses import fields

import numpy as np
import pytest
from analyses import make_analysis

from cmhkf import Analysis, CheckpointError


def test_round_trip_keeps_every_field(tmp_path):
    analysis = make_analysis(np.linspace(0, 1, 300))
    again = Analysis.load(analysis.save(tmp_path / "a.npz"))
    for f in fields(Analysis):
        before, after = getattr(analysis, f.name), getattr(again, f.name)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)
        elif f.name in ("modality_scores", "cues"):
            assert list(before) == list(after)
            for key in before:
                np.testing.assert_array_equal(before[key], after[key])
        else:
            assert before == after, f.name


def test_no_sound_round_trip(tmp_path):
    analysis = make_analysis([0.5, 0.5], audio_level_db=None, modality_scores={}, cues={})
    again = Analysis.load(analysis.save(tmp_path / "a.npz"))
    assert again.audio_level_db is None
    assert dict(again.cues) == {}


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


def test_missing_file_and_foreign_npz(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        Analysis.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a readable analysis"):
        Analysis.load(tmp_path / "other.npz")
