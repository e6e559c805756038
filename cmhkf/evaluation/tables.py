"""The paper's tables as data: what each row changes, and the numbers the paper gives for it, in percent.

A row is measured by training a model that differs from the full one in what the row says. Tables 8 and 9 are of
UCF-Crime, the others of XD-Violence. Of the comparisons with other methods, the rows here are those that can be run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from typing import Any, Literal, NamedTuple

from cmhkf.errors import ConfigError
from cmhkf.model.config import DATASET_MODELS
from cmhkf.settings import describe
from cmhkf.training.config import method_settings
from cmhkf.training.settings import part_of, read_settings

MethodName = Literal["cmhkf", "mil", "vadclip", "avadclip", "rtfm", "ur-dmu", "hl-net", "macil-sd"]


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
ALIGNMENT_ANO_AP = Column("Ano-AP of the alignment", "alignment", "abnormal", "ap")
MAP = Column("AVG mAP", "detection, paper", "all", "mAP avg")
ANO_MAP = Column("Ano-AVG mAP", "detection, paper", "abnormal", "mAP avg")
MAPS = tuple(Column(f"mAP@{iou}", "detection, paper", "all", f"mAP@{iou}") for iou in (0.1, 0.2, 0.3, 0.4, 0.5))


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    label: str
    paper: tuple[float, ...]  # the paper's numbers, one for each column; NaN where it gives none
    # Fields of `ModelConfig` that differ from the preset's, as "cvka.k"
    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)  # fields of `TrainConfig` that differ
    method: MethodName = "cmhkf"


@dataclass(frozen=True)
class Table:
    """A table of the paper."""

    number: int  # in the paper; 0: of rows of one's own alone
    title: str
    dataset: str  # as `open_dataset` takes it
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""  # which branch and which protocol stand beside which of the paper's numbers

    @property
    def name(self) -> str:
        """ "Table 3"."""
        return f"Table {self.number}" if self.number else "Own rows"

    @property
    def stem(self) -> str:
        """Of its files: "table3"."""
        return f"table{self.number}" if self.number else "rows"

    def on(self, dataset: str) -> Table:
        """The same rows on another data set, of which the paper gives no numbers."""
        blank = (nan,) * len(self.columns)
        rows = tuple(replace(row, paper=blank) for row in self.rows)
        return replace(self, title=f"{self.title}; the rows on {dataset}", dataset=dataset, rows=rows)

    def with_rows(self, rows: Sequence[Row]) -> Table:
        """The same with rows of one's own after the paper's. Raises ConfigError: two rows of one name."""
        blank = (nan,) * len(self.columns)
        every = (*self.rows, *(replace(row, paper=blank) for row in rows))
        for label, n in Counter(row.label for row in every).items():
            if n > 1:
                raise ConfigError(f"{self.name} would have {n} rows called {label!r}; give --row another name")
        return replace(self, rows=every)


def chosen_tables(numbers: Sequence[int], rows: Sequence[str], dataset: str) -> list[Table]:
    """Tables of the paper, each with rows of one's own after its own; or those rows alone, on a data set.

    A table can also be measured on a data set that is not one of the paper's.

    Raises ConfigError: no such table, neither tables nor rows, or rows that are none or have no data set.
    """
    if unknown := set(numbers) - set(TABLES):
        raise ConfigError(f"there is no table {min(unknown)}; choose from {', '.join(map(str, TABLES))}")
    if numbers and dataset in DATASET_MODELS:
        raise ConfigError(f"--dataset {dataset} is for rows without a table; each table has its own")
    if not numbers and not (rows and dataset):
        raise ConfigError("give --table, or --row with --dataset")
    own = [own_row(row) for row in rows]
    chosen = [TABLES[n].on(dataset) if dataset else TABLES[n] for n in numbers] or [own_table(dataset)]
    return [table.with_rows(own) for table in chosen]


def note_of(table: Table, given: Collection[str]) -> str:
    """The note of a table, and what its VadCLIP shares with the published one where `given` are set in all rows."""
    kept = [part for part, names in AS_PUBLISHED.items() if not names & {*given}]
    if not kept or all(row.method != "vadclip" for row in table.rows):
        return table.note
    own = {f"train.{name}": value for name, value in method_settings("vadclip", table.dataset).items()}
    told = describe({name: value for name, value in own.items() if name not in given})
    return (
        f"{table.note} VadCLIP's as published: {', '.join(kept)}{told and f' ({told})'}; "
        "`--preset paper` also chooses the epoch as it does."
    )


def own_table(dataset: str) -> Table:
    """A table without rows, for one's own."""
    return Table(0, f"on {dataset}", dataset, (AP, AUC, ALIGNMENT_AP, MAP), ())


def own_row(text: str) -> Row:
    """A row from "name: model.cvka.k=3 train.lr=1e-4", which may have no settings. Raises ConfigError."""
    label, colon, pairs = (part.strip() for part in text.partition(":"))
    if not (label and colon):
        raise ConfigError(f"the row {text!r} has no name; write NAME: model.cvka.k=3 train.lr=1e-4")
    given = read_settings(pairs.split())
    if "train.seed" in given:
        raise ConfigError(
            f"the row {label!r} cannot have a train.seed: all rows share the seeds from --set train.seed on"
        )
    return Row(label, (), part_of(given, "model"), part_of(given, "train"))


# What is VadCLIP's own in its rows, each unless a setting for all rows changes it
AS_PUBLISHED = {
    "model (padded rows take part)": {"model.dim"},
    "start": {"train.init"},
    "batches": {"train.batch_size", "train.balanced"},
    "epochs": {"train.epochs"},
}
BRANCHES = (
    "AP is the classifier's. VadCLIP's published AP is that of its alignment branch, 1 - P(normal), by which its code "
    "also chooses the epoch, and stands there."
)
DETECTION = (
    "mAP is measured on the alignment branch's class probabilities, by the literature's protocol: thresholds relative "
    "to each curve, the normal class counted."
)
FULL = (86.57, 26.70)  # AP and AVG mAP of the whole model, the last row of every ablation
NO_TEXT = {"modalities": "VA"}  # k = 0 takes the text away, and with it the source of AFAE (E29)

_TABLES = (
    Table(
        1, "coarse-grained comparison on XD-Violence", "xd-violence", (AP, ALIGNMENT_AP),
        (
            Row("Sultani et al. (MIL)", (73.20, nan), method="mil"),
            Row("HL-Net", (78.64, nan), method="hl-net"),
            Row("RTFM", (77.81, nan), method="rtfm"),
            Row("MACIL-SD", (83.40, nan), method="macil-sd"),
            Row("UR-DMU", (81.66, nan), method="ur-dmu"),
            Row("VadCLIP", (nan, 84.51), method="vadclip"),
            Row("CMHKF, light", (84.65, nan), {"light": True}),
            Row("CMHKF", (86.57, nan)),
        ),
        BRANCHES,
    ),
    Table(
        2, "fine-grained comparison on XD-Violence", "xd-violence", (*MAPS, MAP),
        (
            Row("VadCLIP", (37.03, 30.84, 23.38, 17.90, 14.31, 24.70), method="vadclip"),
            Row("CMHKF, light", (37.74, 29.98, 24.09, 18.67, 13.84, 24.86), {"light": True}),
            Row("CMHKF", (38.31, 32.12, 25.68, 20.93, 16.47, 26.70)),
        ),
        DETECTION,
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
        7, "all videos and abnormal videos only", "xd-violence",
        (AP, ANO_AP, ALIGNMENT_AP, ALIGNMENT_ANO_AP, MAP, ANO_MAP),
        (
            Row("VadCLIP", (nan, nan, 84.49, 84.89, 24.04, 17.40), method="vadclip"),
            Row("CMHKF", (86.57, 86.69, nan, nan, 26.70, 21.62)),
        ),
        f"{BRANCHES} {DETECTION} Ano-: normal videos predict nothing, while their truth and class still count. "
        f"The paper's numbers of VadCLIP are of the paper's own run.",
    ),
    Table(
        8, "coarse-grained comparison on UCF-Crime", "ucf-crime", (AUC,),
        (
            Row("Sultani et al. (MIL)", (75.41,), method="mil"),
            Row("HL-Net", (82.44,), {"modalities": "V"}, method="hl-net"),
            Row("RTFM", (84.30,), method="rtfm"),
            Row("UR-DMU", (86.97,), method="ur-dmu"),
            Row("VadCLIP", (88.02,), method="vadclip"),
            Row("CMHKF", (88.24,)),
        ),
        "AUC is the classifier's, as VadCLIP's published one.",
    ),
    Table(
        9, "fine-grained comparison on UCF-Crime", "ucf-crime", (*MAPS, MAP),
        (
            Row("VadCLIP", (11.72, 7.83, 6.40, 4.53, 2.93, 6.68), method="vadclip"),
            Row("CMHKF", (15.49, 11.99, 8.95, 6.40, 4.88, 9.54)),
        ),
        DETECTION,
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
