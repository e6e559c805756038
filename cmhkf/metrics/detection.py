"""Frame AP and AUC, and mAP at temporal IoU by the literature's protocol or by a clean one (`model.md` C.9).

Frame metrics take one score for each frame: repeat a snippet's score 16 times. AP (a step sum) and `pr_auc` (the
trapezoid of older papers) are not interchangeable. A scorer without skill has AP = prevalence, and prevalence doubles
when only the abnormal videos count: read every AP beside its prevalence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from cmhkf.errors import ConfigError
from cmhkf.timeline import SNIPPET_FRAMES

MapProtocol = Literal["paper", "clean"]
"""The literature's code with all its quirks, or anomaly classes only above one absolute threshold."""

RELATIVE_DEPTH = 0.6  # "paper": a segment is what lies above max - 0.6 (max - min) of its own curve
TOP_WEIGHT = 0.7  # share of the video's top mean in a segment's score
IOUS = (0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True, eq=False)
class DetectionMap:
    """Mean average precision over the classes, in percent."""

    per_iou: np.ndarray
    """mAP at each IoU threshold, [n_iou]."""
    average: float
    """Mean of `per_iou`."""
    per_class: np.ndarray
    """AP of each class, [C, n_iou]; NaN where "clean" leaves a class out. "paper" keeps the classes' own APs here even
    when a class without any segment makes its `per_iou` 0."""


def detection_map(
    class_probs: Sequence[np.ndarray],
    ground_truth: Sequence[Sequence[tuple[int, int, int]]],
    protocol: MapProtocol = "paper",
    iou: Sequence[float] = IOUS,
    *,
    threshold: float = 0.5,
    n_abnormal: int | None = None,
) -> DetectionMap:
    """Temporal detection mAP over all videos (C.9).

    Curves become segments (runs above a threshold) scored by their maximum + 0.7 × the mean of the video's largest
    sixteenth. Segments of all videos are ranked per class and matched greedily to the unmatched truth of the same video
    and class with the best IoU; AP = Σ precision at each match / number of truths, without interpolation. Equal scores
    rank in order of video, then of time.

    "paper": the threshold is relative to each video's and class's own curve, so every curve that is not constant yields
    a segment; all classes count, the normal one too (its truth is the whole normal video); a class without a
    truth or a match counts 0; a class without a segment in any video makes every mAP 0. A perfect detector is far from
    100. "clean": one absolute threshold; the normal class and classes without truth are left out.

    Truths may run past a video's last snippet. "paper" matches them as they are, as the literature's code does; "clean"
    cuts them there first and leaves out those that begin later, for nobody can find what no snippet shows.

    Args:
        class_probs: class probabilities of each video, [n_snippets, C]; class 0 is normal.
        ground_truth: `(class_idx, start_frame, end_frame)` of each video, end exclusive, 16 frames to a snippet.
        iou: thresholds in (0, 1].
        threshold: "clean" only: a snippet is inside a segment when its probability reaches this.
        n_abnormal: only the first so many videos may predict, while all truths and classes stay, as the literature's
            "exclude normal" does; the normal class then scores 0. None: all videos.

    Raises:
        ConfigError: lengths, shapes or values that do not fit, or an unknown protocol.
    """
    probs = _checked_probs(class_probs)
    truths = _checked_truths(ground_truth, len(probs), probs[0].shape[1])
    _check_options(protocol, iou, threshold, n_abnormal, len(probs))
    if protocol == "clean":
        truths = _cut(truths, SNIPPET_FRAMES * np.array([len(p) for p in probs]))
    probs = probs[:n_abnormal]
    n_classes = probs[0].shape[1]
    segments = _segments(probs, threshold if protocol == "clean" else None)
    per_class = np.full((n_classes, len(iou)), np.nan)
    for c in range(n_classes):
        class_truths = truths[truths[:, 1] == c]
        if protocol == "paper" or (c > 0 and len(class_truths)):
            per_class[c] = 100 * _class_ap(segments[c], class_truths, iou)
    if protocol == "paper":
        missing = any(len(s.video) == 0 for s in segments)  # C.9, item 6
        per_iou = np.zeros(len(iou)) if missing else per_class.mean(axis=0)
    else:
        counted = ~np.isnan(per_class[:, 0])
        if not counted.any():
            raise ConfigError("ground_truth holds no anomaly (class 1 or above); the clean mAP needs at least one")
        per_iou = per_class[counted].mean(axis=0)
    return DetectionMap(per_iou, float(per_iou.mean()), per_class)


@dataclass(frozen=True, eq=False)
class _Segments:
    """Detections of one class, best first, [S] each."""

    video: np.ndarray
    start: np.ndarray
    """Frame."""
    end: np.ndarray
    """Frame, exclusive."""


def _segments(probs: list[np.ndarray], threshold: float | None) -> list[_Segments]:
    """The detections of every class; without a threshold by each curve's own (items 1-3)."""
    lengths = np.array([len(p) for p in probs])
    offsets = np.cumsum(lengths) - lengths
    video_of = np.repeat(np.arange(len(probs)), lengths)
    rows = np.concatenate(probs)  # [R, C]
    if threshold is None:
        high, low = np.maximum.reduceat(rows, offsets), np.minimum.reduceat(rows, offsets)  # [V, C]
        inside = rows > (high - (high - low) * RELATIVE_DEPTH)[video_of]
    else:
        inside = rows >= threshold
    top = np.stack([_top_mean(p) for p in probs])  # [V, C]
    first = np.zeros(len(rows) + 1, dtype=bool)  # a run ends where the video does
    first[offsets] = first[-1] = True
    padded = np.concatenate([rows, rows[-1:]])  # lets the last run end at R in reduceat
    found: list[_Segments] = []
    for c in range(rows.shape[1]):
        now, before = np.append(inside[:, c], False), np.append(False, inside[:, c])
        start = np.flatnonzero(now & (~before | first))
        end = np.flatnonzero(before & (~now | first))  # as many as starts, in step with them
        video = video_of[start]
        peak = np.maximum.reduceat(padded[:, c], np.stack([start, end], axis=1).ravel())[::2] if len(start) else start
        best_first = np.argsort(-(peak + TOP_WEIGHT * top[video, c]), kind="stable")
        video, start, end = video[best_first], start[best_first], end[best_first]
        origin = offsets[video]
        found.append(_Segments(video, (start - origin) * SNIPPET_FRAMES, (end - origin) * SNIPPET_FRAMES))
    return found


def _top_mean(probs: np.ndarray) -> np.ndarray:
    """Mean of the largest sixteenth of the frames of each class, [C]: n frames of 16 n, so n / 16 snippets."""
    whole, rest = divmod(len(probs), SNIPPET_FRAMES)
    ranked = np.sort(probs, axis=0)[::-1]
    return (SNIPPET_FRAMES * ranked[:whole].sum(axis=0) + rest * ranked[whole]) / len(probs)


def _class_ap(segments: _Segments, truths: np.ndarray, ious: Sequence[float]) -> np.ndarray:
    """AP of one class at each IoU threshold, [n_iou], in [0, 1] (item 4); truths are rows `video class start end`."""
    rank, truth, overlap = _pairs(segments, truths)
    ap = np.zeros(len(ious))
    for k, least in enumerate(ious):
        close = overlap >= least
        hits = _greedy_matches(rank[close].tolist(), truth[close].tolist())
        if hits:
            ap[k] = np.sum(np.arange(1, len(hits) + 1) / (np.array(hits) + 1)) / len(truths)
    return ap


def _pairs(segments: _Segments, truths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rank, truth and IoU of every segment with every truth of its video, by rank, then IoU from high to low."""
    first = np.searchsorted(truths[:, 0], segments.video, "left")  # truths come in order of video
    count = np.searchsorted(truths[:, 0], segments.video, "right") - first
    rank = np.repeat(np.arange(len(count)), count)
    truth = np.arange(len(rank)) - np.repeat(np.cumsum(count) - count, count) + first[rank]
    start, end = segments.start[rank], segments.end[rank]
    true_start, true_end = truths[truth, 2], truths[truth, 3]
    shared = np.maximum(0, np.minimum(end, true_end) - np.maximum(start, true_start))
    overlap = shared / (end - start + true_end - true_start - shared)
    order = np.lexsort((truth, -overlap, rank))
    return rank[order], truth[order], overlap[order]


def _greedy_matches(ranks: list[int], truths: list[int]) -> list[int]:
    """Ranks of the segments that find a free truth, in order; each takes the first free one of its pairs."""
    hits: list[int] = []
    taken: set[int] = set()
    for rank, truth in zip(ranks, truths, strict=True):
        if truth not in taken and (not hits or hits[-1] != rank):
            hits.append(rank)
            taken.add(truth)
    return hits


def _checked_probs(class_probs: Sequence[np.ndarray]) -> list[np.ndarray]:
    probs = [np.asarray(p, dtype=np.float64) for p in class_probs]
    if not probs:
        raise ConfigError("class_probs is empty; give the class probabilities of at least one video")
    for i, p in enumerate(probs):
        if p.ndim != 2 or 0 in p.shape or p.shape[1:] != probs[0].shape[1:]:
            raise ConfigError(
                f"class_probs[{i}] has shape {p.shape} and the first {probs[0].shape}; give [n_snippets, C] with the "
                "same C for every video"
            )
        if not np.isfinite(p).all():
            raise ConfigError(f"class_probs[{i}] holds values that are not finite; give probabilities")
    return probs


def _checked_truths(
    ground_truth: Sequence[Sequence[tuple[int, int, int]]], n_videos: int, n_classes: int
) -> np.ndarray:
    """Rows `video class start end`, int64 [G, 4], in order of video."""
    if len(ground_truth) != n_videos:
        raise ConfigError(
            f"ground_truth has {len(ground_truth)} videos and class_probs {n_videos}; give one list for each video, "
            "empty where nothing happens"
        )
    for i, video in enumerate(ground_truth):
        for c, start, end in video:
            if not (0 <= c < n_classes and 0 <= start < end):
                raise ConfigError(
                    f"ground_truth[{i}] holds {(c, start, end)}; it must be (class from 0 to {n_classes - 1}, "
                    "start_frame, end_frame after the start)"
                )
    rows = [(i, c, start, end) for i, video in enumerate(ground_truth) for c, start, end in video]
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def _cut(truths: np.ndarray, n_frames: np.ndarray) -> np.ndarray:
    """Rows `video class start end` without what lies after the `n_frames` [V] of their video."""
    last = n_frames[truths[:, 0]]
    cut = np.column_stack([truths[:, :3], np.minimum(truths[:, 3], last)])
    return cut[truths[:, 2] < last]


def _check_options(
    protocol: str, iou: Sequence[float], threshold: float, n_abnormal: int | None, n_videos: int
) -> None:
    if protocol not in get_args(MapProtocol):
        raise ConfigError(f"protocol is {protocol!r}; choose one of {', '.join(get_args(MapProtocol))}")
    if not len(iou) or not all(0 < least <= 1 for least in iou):
        raise ConfigError(f"iou is {tuple(iou)}; give at least one threshold above 0 and at most 1")
    if not 0 < threshold <= 1:
        raise ConfigError(f"threshold is {threshold!r}; it must lie above 0 and at most at 1")
    if n_abnormal is not None and not 1 <= n_abnormal <= n_videos:
        raise ConfigError(f"n_abnormal is {n_abnormal}; it must lie between 1 and the {n_videos} videos given")
