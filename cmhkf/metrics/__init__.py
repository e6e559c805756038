"""Scores against truth: frame metrics, detection mAP and bootstrap intervals."""

from cmhkf.metrics.detection import DetectionMap, detection_map
from cmhkf.metrics.frames import FrameMetrics, frame_ap, frame_auc, frame_metrics, pr_auc

__all__ = ["DetectionMap", "FrameMetrics", "detection_map", "frame_ap", "frame_auc", "frame_metrics", "pr_auc"]
