"""Rows that wait in a file, and `.npz` files written from them; oracle: the same rows in memory, and numpy's own."""

import numpy as np
import pytest

from cmhkf.files import FileRows, open_npz, save_npz


def in_file(rows, size):
    held = FileRows()
    for start in range(0, len(rows), size):
        held.add(rows[start : start + size])
    return held


@pytest.mark.parametrize("rows", [np.arange(600, dtype=np.float32).reshape(300, 2), np.arange(300.0)])
def test_rows_in_a_file_are_those_that_were_added(rows):
    held = in_file(rows, 7)
    assert (len(held), held.shape, held.dtype) == (300, rows.shape, rows.dtype)
    for part in (slice(None), slice(3, 4), slice(250, 400), slice(5, 5)):
        np.testing.assert_array_equal(held[part], rows[part], strict=True)
    held.add(rows[:1])  # after reading
    np.testing.assert_array_equal(np.asarray(held), np.concatenate([rows, rows[:1]]), strict=True)
    held.cut_to(2)
    np.testing.assert_array_equal(held[:], rows[:2])


def test_what_is_read_is_the_readers_own():
    held = in_file(np.zeros((4, 2)), 4)
    held[:2][:] = 1
    assert not np.asarray(held).any()


@pytest.mark.parametrize("n", [1, 256, 300])
def test_a_saved_file_is_numpys_byte_for_byte_and_is_read_back(tmp_path, n):
    rows = np.random.default_rng(n).standard_normal((n, 3), np.float32)
    others = {"whole": np.arange(3), "turned": np.ones((2, 3), order="F")}
    np.savez(tmp_path / "numpys.npz", rows=rows, **others)
    save_npz(tmp_path / "ours.npz", {"rows": in_file(rows, 100)} | others)
    assert (tmp_path / "ours.npz").read_bytes() == (tmp_path / "numpys.npz").read_bytes()
    with open_npz(tmp_path / "ours.npz") as file:
        np.testing.assert_array_equal(FileRows.copied(file, "rows")[:], rows, strict=True)
