"""Which clips are of the same camera: their backgrounds are alike, whoever walks through the frame.

The background is the median over a clip's frames. Two clips are of one camera where their whole backgrounds correlate
above `WHOLE`, or where the details of what lies between black borders do above `DETAIL`: people and light change less
of these than other places do. Black borders alone may join clips of different places, which keeps only more together.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from cmhkf.files import NPZ_DAMAGE
from cmhkf.media.clip import SnippetStream, probe
from cmhkf.media.sampling import FrameSampling

WIDTH, HEIGHT = 96, 64
FRAMES = 60  # of a clip, spread evenly
WHOLE, DETAIL = 0.9, 0.5  # correlations above which two backgrounds are the same
WHOLE_SIZE, DETAIL_SIZE, BLUR = (32, 24), (48, 32), 4.0
DARK, BORDER = 24, 0.1  # a row or column with less than this share of pixels above DARK is a black border


def background(clip: Path) -> np.ndarray:
    """Median over up to 60 frames, uint8 RGB [64, 96, 3]. Raises MediaError."""
    sampling = FrameSampling((0,), HEIGHT, None, "bilinear", (WIDTH, HEIGHT))
    frames = np.concatenate(list(SnippetStream(probe(clip), sampling)))
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), FRAMES)).astype(int)
    return np.median(frames[chosen], axis=0).astype(np.uint8)


def backgrounds(clips: Mapping[str, Path], cache: Path) -> dict[str, np.ndarray]:
    """The background of each clip by its key; those in the file `cache` are not made again."""
    try:
        with np.load(cache) as file:
            known = {key: file[key] for key in file.files}
    except NPZ_DAMAGE:
        known = {}
    missing = [key for key in clips if key not in known]
    for key in tqdm(missing, desc="backgrounds", unit="clip", disable=None if missing else True):
        known[key] = background(clips[key])
    if missing:
        np.savez_compressed(cache, **known)  # type: ignore[arg-type]
    return {key: known[key] for key in clips}


def group(frames: Sequence[np.ndarray], recordings: Sequence[str]) -> list[int]:
    """A number for each clip, the same for clips of one recording or one camera, and for all that these chains join.

    Args:
        frames: backgrounds, uint8 [64, 96, 3].
        recordings: of each clip; parts of one recording are of one camera whatever they show.
    """
    grey = [frame.mean(axis=2) for frame in frames]
    same = _correlations([_resized(one, WHOLE_SIZE) for one in grey]) > WHOLE
    same |= _correlations([_details(one) for one in grey]) > DETAIL
    _, recording = np.unique(recordings, return_inverse=True)
    same |= recording[:, None] == recording
    return connected_components(same, directed=False)[1].tolist()


def _correlations(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Of all pairs, [V, V]; 0 where a frame is of one colour."""
    rows = np.stack([frame.ravel() for frame in frames]).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return rows @ rows.T


def _details(grey: np.ndarray) -> np.ndarray:
    """What lies between black borders, without its large areas of light and shade."""
    lit = grey > DARK
    rows, columns = (np.flatnonzero(lit.mean(axis=axis) > BORDER) for axis in (1, 0))
    if min(len(rows), len(columns)) >= HEIGHT // 4:
        grey = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = _resized(grey, DETAIL_SIZE)
    return small - gaussian_filter(small, BLUR)


def _resized(grey: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(grey.astype(np.float32)).resize(size, Image.Resampling.BOX))
