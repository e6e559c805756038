"""Detection mAP written out loop by loop from C.9 of the reading, items 1 to 7."""

import numpy as np


def slow_map(class_probs, ground_truth, iou, n_abnormal=None):
    """C.9, items 1 to 7, frame by frame: the oracle of "paper"."""
    curves = [np.repeat(p, 16, axis=0) for p in class_probs[:n_abnormal]]
    aps = []
    for c in range(class_probs[0].shape[1]):
        found = slow_segments([curve[:, c] for curve in curves])
        if not found:
            return 0.0
        free = [(v, g[1], g[2]) for v, video in enumerate(ground_truth) for g in video if g[0] == c]
        n_truths, hits, total = len(free), 0, 0.0
        for position, (_, video, start, end) in enumerate(found, start=1):
            best, best_iou = None, 0.0
            for truth in free:
                if truth[0] != video:
                    continue
                shared = max(0, min(end, truth[2]) - max(start, truth[1]))
                overlap = shared / (end - start + truth[2] - truth[1] - shared)
                if overlap >= iou and overlap > best_iou:
                    best, best_iou = truth, overlap
            if best is not None:
                free.remove(best)
                hits += 1
                total += hits / position
        aps.append(total / n_truths if hits else 0.0)
    return 100 * sum(aps) / len(aps)


def slow_segments(curves):
    """(score, video, start, end) of one class, best first."""
    found = []
    for video, curve in enumerate(curves):
        top = np.mean(sorted(curve.tolist(), reverse=True)[: len(curve) // 16])
        threshold = curve.max() - 0.6 * (curve.max() - curve.min())
        start = None
        for frame in range(len(curve) + 1):
            inside = frame < len(curve) and curve[frame] > threshold
            if inside and start is None:
                start = frame
            if not inside and start is not None:
                if frame - start >= 2:
                    found.append((curve[start:frame].max() + 0.7 * top, video, start, frame))
                start = None
    return sorted(found, key=lambda segment: -segment[0])
