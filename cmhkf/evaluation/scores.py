"""Scores of any method as a file: an `.npz` of one array [snippets] for each video, under the video's name."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from cmhkf.errors import DataError
from cmhkf.features.folders import Rows, video_name
from cmhkf.files import NPZ_DAMAGE, open_npz, replacing
from cmhkf.model.run import Prediction


def write_scores(path: Path, scores: Mapping[str, np.ndarray]) -> None:
    """Write scores [N] by the name of the video, as `read_scores` reads them."""
    with replacing(path) as part, zipfile.ZipFile(part, "w") as archive:  # np.savez knows no video called "file"
        for name, values in scores.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.asarray(values))


def read_scores(path: Path) -> dict[str, np.ndarray]:
    """Scores by the name of the video. Raises DataError."""
    try:
        with open_npz(path) as file:
            found = {video_name(name): np.asarray(file[name], np.float64) for name in file.files}
    except NPZ_DAMAGE as error:
        raise DataError(f"{path} is no readable .npz of scores by video name ({error})") from error
    if flat := [name for name, values in found.items() if values.ndim != 1]:
        raise DataError(
            f"{path}: {flat[0]!r} has the shape {found[flat[0]].shape}; one score for each snippet is needed"
        )
    return found


def look_up(scores: Mapping[str, np.ndarray]) -> Callable[[Rows], Prediction]:
    """What the scores of a file say of a video, in place of a model. Raises DataError where they lack it."""

    def predict_one(rows: Rows) -> Prediction:
        if rows.name not in scores:
            raise DataError(f"there are no scores for {rows.name!r}; leave it out of the test list, or add them")
        return Prediction(scores[rows.name], None)

    return predict_one
