"""The paper's tables as data: what each row changes, and the numbers the paper gives for it, in percent.

A row is measured by training a model that differs from the full one in what the row says. Tables 8 and 9 are of
UCF-Crime, the others of XD-Violence. Of the comparisons with other methods, the rows here are those that can be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Any, Literal, NamedTuple

Method = Literal["cmhkf", "mil", "vadclip"]


class Column(NamedTuple):
    """A number of a table, by its place in the evaluation's figures."""

    title: str
    branch: str
    videos: Literal["all", "abnormal"]
    metric: str


AP = Column("AP", "classifier", "all", "ap")
ANO_AP = Column("Ano-AP", "classifier", "abnormal", "ap")
AUC = Column("AUC", "classifier", "all", "auc")
ALIGNMENT_AP = Column("AP of the alignment", "alignment", "all", "ap")
MAP = Column("AVG mAP", "detection, paper", "all", "mAP avg")
ANO_MAP = Column("Ano-AVG mAP", "detection, paper", "abnormal", "mAP avg")
MAPS = tuple(Column(f"mAP@{iou}", "detection, paper", "all", f"mAP@{iou}") for iou in (0.1, 0.2, 0.3, 0.4, 0.5))


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    label: str
    paper: tuple[float, ...]
    """The paper's numbers, one for each column; NaN where it gives none."""
    model: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `ModelConfig` that differ from the preset's, as "cvka.k"."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `TrainConfig` that differ."""
    method: Method = "cmhkf"


@dataclass(frozen=True)
class Table:
    """A table of the paper."""

    number: int
    title: str
    dataset: Literal["xd-violence", "ucf-crime"]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


FULL = (86.57, 26.70)  # AP and AVG mAP of the whole model, the last row of every ablation
NO_TEXT = {"modalities": "VA"}  # k = 0 takes the text away, and with it the source of AFAE (E29)

_TABLES = (
    Table(
        1, "coarse-grained comparison on XD-Violence", "xd-violence", (AP, ALIGNMENT_AP),
        (
            Row("Sultani et al. (MIL)", (73.20, nan), method="mil"),
            Row("VadCLIP", (84.51, nan), method="vadclip"),
            Row("CMHKF, light", (84.65, nan), {"light": True}),
            Row("CMHKF", (86.57, nan)),
        ),
    ),
    Table(
        2, "fine-grained comparison on XD-Violence", "xd-violence", (*MAPS, MAP),
        (
            Row("VadCLIP", (37.03, 30.84, 23.38, 17.90, 14.31, 24.70), method="vadclip"),
            Row("CMHKF, light", (37.74, 29.98, 24.09, 18.67, 13.84, 24.86), {"light": True}),
            Row("CMHKF", (38.31, 32.12, 25.68, 20.93, 16.47, 26.70)),
        ),
    ),
    Table(
        3, "CVKA: number of class texts k", "xd-violence", (AP, MAP),
        (
            Row("k = 0 (without CVKA)", (83.65, 22.49), NO_TEXT),
            *(
                Row(f"k = {k}", paper, {"cvka.k": k})
                for k, paper in enumerate(
                    (
                        (85.26, 25.48), FULL, (86.24, 26.13), (85.86, 25.74), (85.72, 25.45), (85.49, 25.37),
                        (85.41, 25.19),
                    ),
                    start=1,
                )
            ),
        ),
    ),
    Table(
        4, "AFAE", "xd-violence", (AP, MAP),
        (
            Row("without AFAE", (85.06, 25.15), {"afae.aggregate": "none"}),
            Row("AFAE without windows", (85.81, 26.03), {"afae.w": -1}),
            Row("AFAE with windows", FULL),
        ),
    ),
    Table(
        5, "AFAE: window size W", "xd-violence", (AP, MAP),
        tuple(
            Row(f"W = {2 * w + 1}", paper, {"afae.w": w})
            for w, paper in enumerate(
                ((85.97, 25.67), (86.22, 26.41), FULL, (86.23, 26.03), (86.11, 25.87), (85.73, 25.78))
            )
        ),
    ),
    Table(
        6, "modalities", "xd-violence", (AP, MAP),
        (
            Row("video", (81.59, 21.13), {"modalities": "V"}),
            Row("video, audio", (83.65, 22.49), NO_TEXT),
            Row("video, text", (84.81, 24.32), {"modalities": "VT"}),
            Row("video, audio, text", FULL),
        ),
    ),
    Table(
        7, "all videos and abnormal videos only", "xd-violence", (AP, ANO_AP, MAP, ANO_MAP),
        (
            Row("VadCLIP", (84.49, 84.89, 24.04, 17.40), method="vadclip"),
            Row("CMHKF", (86.57, 86.69, 26.70, 21.62)),
        ),
    ),
    Table(
        8, "coarse-grained comparison on UCF-Crime", "ucf-crime", (AUC,),
        (
            Row("Sultani et al. (MIL)", (75.41,), method="mil"),
            Row("VadCLIP", (88.02,), method="vadclip"),
            Row("CMHKF", (88.24,)),
        ),
    ),
    Table(
        9, "fine-grained comparison on UCF-Crime", "ucf-crime", (*MAPS, MAP),
        (
            Row("VadCLIP", (11.72, 7.83, 6.40, 4.53, 2.93, 6.68), method="vadclip"),
            Row("CMHKF", (15.49, 11.99, 8.95, 6.40, 4.88, 9.54)),
        ),
    ),
    Table(
        10, "losses on the class texts", "xd-violence", (AP, MAP),
        (
            Row("neither", (86.15, 25.98), train={"lambda_na": 0.0, "lambda_aa": 0.0}),
            Row("L_NA", (86.41, 26.39), train={"lambda_aa": 0.0}),
            Row("L_AA", (86.34, 26.18), train={"lambda_na": 0.0}),
            Row("L_NA and L_AA", FULL),
        ),
    ),
    Table(
        11, "fusion", "xd-violence", (AP, MAP),
        (
            Row("bilinear, concatenated", (85.67, 25.31), {"mkaf.type": "bilinear_concat"}),
            Row("bilinear, added", (86.19, 25.73), {"mkaf.type": "bilinear_add"}),
            Row("concatenated", (86.34, 26.38), {"mkaf.type": "concat"}),
            Row("MKAF", FULL),
        ),
    ),
)  # fmt: skip
TABLES = {table.number: table for table in _TABLES}
