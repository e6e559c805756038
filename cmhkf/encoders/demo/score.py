"""The demo preset's anomaly score while no head is trained: named cues, each on a fixed scale, put together.

A cue x becomes x / (x + h), with h about where one in ten to twenty ordinary snippets of real footage lies, so that it
alone reaches 0.5 there. What is seen to change (appearance or motion, whichever is stronger), what is done and what is
heard count as independent reasons: score = 1 - prod_i h_i / (h_i + x_i). No
procedure fitted the numbers to labels, but they were chosen by hand with marked clips in view.
"""

from collections.abc import Mapping

import numpy as np

from cmhkf.encoders.demo.video import APPEARANCE, APPEARANCE_NORM, CHANGE, CHANGE_NORM

SMOOTH_SNIPPETS = 5  # appearance and motion last: a mean over 3.3 s
APPEARANCE_HALF = 0.15
MOTION_HALF = 0.05
HABIT = 1.5  # in a restless clip (moving camera, cuts) the half is this many times the clip's own median: it reads 0.4
CUE_HALVES = {"fight actions": 0.15, "gunshot": 0.3}  # taken as they are; audio may be missing


def untrained_score(video: np.ndarray, cues: Mapping[str, np.ndarray]) -> np.ndarray:
    """Score a whole clip's snippets by its video rows [N, 4420] and cues [N] each: float32 [N] in [0, 1)."""
    appearance = _against_habit(appearance_change(video), APPEARANCE_HALF)
    motion = _against_habit(_smooth(cues["motion"]), MOTION_HALF)
    reasons = [np.maximum(appearance, motion)]
    reasons += [cues[name] / (cues[name] + half) for name, half in CUE_HALVES.items() if name in cues]
    return (1 - np.prod([1 - reason for reason in reasons], axis=0)).astype(np.float32)


def _against_habit(values: np.ndarray, half: float) -> np.ndarray:
    return values / (values + max(half, HABIT * float(np.median(values))))


def appearance_change(video: np.ndarray) -> np.ndarray:
    """How much what is seen changes, mean of five snippets; [N], about 0 to 1.

    1 - cosine of a snippet's EfficientNet features to its predecessor's (the first takes its successor's), plus the
    features' variance over the frames inside the snippet, relative to their squared mean.
    """
    seen = video[:, APPEARANCE].astype(np.float64) * APPEARANCE_NORM
    length = np.maximum(np.linalg.norm(seen, axis=1), 1e-9)
    unit = seen / length[:, None]
    between = 1 - (unit[1:] * unit[:-1]).sum(axis=1)  # [N - 1]
    inside = (np.linalg.norm(video[:, CHANGE], axis=1) * CHANGE_NORM / length) ** 2  # [N]
    return _smooth(np.concatenate([between[:1], between]) + inside if len(between) else inside)


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over five snippets, over fewer at the ends."""
    box, half = np.ones(SMOOTH_SNIPPETS), SMOOTH_SNIPPETS // 2
    inner = slice(half, half + len(values))
    return np.convolve(values, box)[inner] / np.convolve(np.ones(len(values)), box)[inner]
