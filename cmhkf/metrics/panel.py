"""The quality panel: how well one model does on one set of videos, and what its headline figure hides.

A score that is constant over each video can reach a high pooled AUC, for it only has to tell videos apart. So the panel
sets beside the pooled figures what finds moments: the AUC within single videos, events and alarms at the threshold that
is used, delays, and whether scores mean what they say. Times are weighted by seconds. Intervals draw whole groups of
videos (of one camera or one film) with replacement; that of a rate of alarms is also given by Poisson's law, which
still says something where none was raised.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from cmhkf.errors import DataError
from cmhkf.metrics.budget import minute_peaks
from cmhkf.metrics.frames import Ranking
from cmhkf.metrics.intervals import RESAMPLES, Interval, measure, percentiles, poisson_interval
from cmhkf.segments import cut
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

Seen = Literal["no", "group", "video", "unknown"]
"""Whether training has seen a video itself, or only others of its camera or film."""

LEAST_INSIDE = 0.1  # share of a right segment that lies in true events
RULE = (
    "A flagged segment is right when at least a tenth of it lies in true events. An event is found when a right "
    "segment overlaps it. Events that overlap or touch count as one."
)
ROUNDING_S = 1e-6  # what times may differ by and be the same
BINS = 10  # of the calibration curve
THRESHOLDS = tuple(round(0.02 * i, 2) for i in range(1, 50))  # of the operating curve
NORMAL_ROW, MISSED = "normal footage", "not flagged"
EVERY_KIND = "all"


@dataclass(frozen=True, eq=False)
class ScoredVideo:
    """The scores of one video, and what is true of it."""

    name: str
    scores: np.ndarray
    """[N] snippets. Events, alarms and calibration need scores from 0 to 1."""
    truth: Sequence[tuple[float, float, str]]
    """Start and end in seconds, and class, of each event; empty for a normal video. A video of which only the class is
    known has one event over all of it, if it was cut to the event, and does not belong in a panel otherwise."""
    group: str = ""
    """Its camera or source film; empty: it shares it with no other video."""
    kind: str = ""
    """Of footage: phone, CCTV, film ..."""
    seen: Seen = "unknown"
    class_probs: np.ndarray | None = None
    """[N, C], class 0 is normal."""
    edges_s: np.ndarray | None = None
    """[N + 1] where snippets begin and the last ends, in seconds; None: each lasts 2/3 s."""


@dataclass(frozen=True)
class Areas:
    """Frame metrics of all videos together, in [0, 1]."""

    ap: Interval
    auc: Interval


@dataclass(frozen=True)
class Events:
    """Segments against events at the panel's threshold, by `RULE`."""

    n_events: int
    n_found: int
    n_flagged: int
    n_right: int
    precision: Interval
    """Right segments among those flagged; NaN where none is."""
    recall: Interval
    """Events found."""
    f1: Interval
    latency_s: Interval
    """Median, over the events found, of the seconds from an event's start to the first flagged moment in it; 0 where it
    was flagged already. It is that of the finished analysis: live work waits for its frames besides."""
    latencies_s: tuple[float, ...]
    """Of each event found, from low to high."""


@dataclass(frozen=True)
class Alarms:
    """Flagged segments of videos without any event."""

    kind: str
    """Of footage; "all" of it together."""
    n_videos: int
    n_alarms: int
    hours: float
    per_hour: Interval
    """By drawing groups."""
    poisson: Interval
    """The same rate by Poisson's law."""


@dataclass(frozen=True)
class CalibrationBin:
    """The snippets whose score lies from `low` up to `high`."""

    low: float
    high: float
    seconds: float
    score: float
    """Their mean score; NaN where there are none."""
    anomalous: Interval
    """Share of their time that is anomalous: what the score would be if it were a probability."""


@dataclass(frozen=True)
class Calibration:
    """Is .8 right 8 times in 10?"""

    bins: tuple[CalibrationBin, ...]
    error: Interval
    """Mean distance of score and anomalous share over the bins, weighted by seconds (ECE)."""


@dataclass(frozen=True)
class Confusion:
    """What events, and false alarms on normal footage, were called."""

    rows: tuple[str, ...]
    """True classes, those that the model knows first; the last row is of false alarms."""
    columns: tuple[str, ...]
    """The model's anomaly classes, and the events that were not found last."""
    counts: tuple[tuple[int, ...], ...]
    """[rows, columns]"""
    right: Interval
    """Share called by their class, of the events found whose class the model knows."""
    n_known: int
    """How many these are."""


@dataclass(frozen=True)
class OperatingCurve:
    """What other thresholds would give."""

    thresholds: tuple[float, ...]
    alarms_per_hour: tuple[float, ...]
    """Of normal footage."""
    recall: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True)
class Overlap:
    """How many of the videos training has seen."""

    n_videos: int
    """The videos themselves."""
    n_groups: int
    """Others of the same camera or film."""
    n_unknown: int
    """Not known: the training videos are not listed."""


@dataclass(frozen=True)
class Panel:
    """Everything measured of one model on one set of videos. What could not be measured is None, and a note says why.

    Shares lie in [0, 1]; of an Interval, low and high are NaN where nothing was resampled.
    """

    model: str
    dataset: str
    n_videos: int
    n_abnormal: int
    """Videos with at least one event."""
    n_groups: int
    hours: float
    normal_hours: float
    """Of videos without any event."""
    n_resamples: int
    threshold: float
    threshold_from: str
    """How the threshold was chosen, in words for people."""
    prevalence: Interval
    """Share of the time that is anomalous: the AP of a scorer without skill."""
    pooled: Areas | None
    constant: Areas | None
    """Of this model with each video's highest score in place of its curve."""
    video_label: Areas | None
    """Of a scorer that only knows which videos hold an event, and nothing of when."""
    within: Interval | None
    """Mean of the AUC of each video that has anomalous and normal time."""
    within_aucs: tuple[float, ...]
    """Of each of these videos, from low to high."""
    events: Events | None
    alarms: tuple[Alarms, ...]
    """All kinds together first; empty where no video is normal."""
    calibration: Calibration | None
    confusion: Confusion | None
    curve: OperatingCurve | None
    overlap: Overlap
    minute_peaks: tuple[float, ...]
    """Highest score of each minute of normal footage, to four digits, from which a budget of alarms sets a threshold;
    empty where scores go beyond 0 to 1."""
    rule: str
    """How segments were matched to events."""
    notes: tuple[str, ...] = ()


def measure_panel(
    videos: Sequence[ScoredVideo],
    *,
    model: str,
    dataset: str,
    classes: Sequence[str] = (),
    threshold: float = 0.5,
    threshold_from: str = "",
    notes: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Panel:
    """Measure everything.

    Args:
        videos: with their scores; for honest figures, by a model that saw neither them nor their groups.
        model: its name, for people; so is `dataset`, which should name the subset and how it was held out.
        classes: names of the columns of `class_probs`, the normal class first; truths of these classes must be called
            the same.
        threshold: that segments are cut at, as `flag_segments` does by default.
        threshold_from: how it was chosen, in words for people.
        notes: what else a reader must know.
        resamples: how many times the groups are drawn; 0: no intervals.
        seed: of the draws.

    Raises:
        DataError: no video, two of one name, or arrays that do not fit each other.
    """
    if not videos:
        raise DataError("there is no video to measure")
    names = [video.name for video in videos]
    if twice := sorted(name for name in {*names} if names.count(name) > 1):
        raise DataError(f"two of the videos have the same name: {twice[0]!r}; name each once")
    laid = [_Laid(video, len(classes)) for video in videos]
    draws = _Draws([v.group or f"video {v.name}" for v in videos], resamples=resamples, seed=seed)
    total_s, inside_s = (np.array([getattr(one, name) for one in laid]) for name in ("total_s", "inside_s"))
    normal = np.array([not one.events for one in laid])
    said = list(notes)
    mixed = (inside_s > ROUNDING_S) & (total_s - inside_s > ROUNDING_S)
    both = bool(inside_s.any() and (inside_s < total_s).any())
    if not both:
        said.append("AP, AUC and calibration need both anomalous and normal time, and there is only one of the two")
    unit = all(one.scores.min() >= 0 and one.scores.max() <= 1 for one in laid)
    if not unit:
        said.append("events, alarms and calibration need scores from 0 to 1, and these go beyond")
    if not normal.any():
        said.append("there is no normal video, so alarms on normal footage are not measured")
    aucs = np.array([_auc_of(one) if two else 0.0 for one, two in zip(laid, mixed, strict=True)])
    counted = _Counted(laid, threshold) if unit else None
    return Panel(
        model=model,
        dataset=dataset,
        n_videos=len(videos),
        n_abnormal=int((~normal).sum()),
        n_groups=draws.n_groups,
        hours=float(total_s.sum() / 3600),
        normal_hours=float(total_s[normal].sum() / 3600),
        n_resamples=resamples,
        threshold=threshold,
        threshold_from=threshold_from,
        prevalence=draws.ratio(inside_s, total_s),
        pooled=_areas(laid, draws) if both else None,
        constant=_video_areas([one.scores.max() for one in laid], inside_s, total_s, draws) if both else None,
        video_label=_video_areas(~normal, inside_s, total_s, draws) if both else None,
        within=draws.ratio(aucs, mixed.astype(float)) if mixed.any() else None,
        within_aucs=tuple(sorted(aucs[mixed].tolist())),
        events=_events(counted, draws) if counted and not normal.all() else None,
        alarms=_alarms(laid, counted, draws, normal) if counted and normal.any() else (),
        calibration=_calibration(laid, draws) if unit and both else None,
        confusion=_confusion(laid, counted, tuple(classes), draws) if counted and classes else None,
        curve=_curve(laid, normal) if unit else None,
        overlap=_overlap(videos),
        minute_peaks=_minute_peaks(laid, normal) if unit else (),
        rule=RULE,
        notes=tuple(said),
    )


@dataclass(frozen=True, eq=False)
class _Laid:
    """A video with its snippets on the clock."""

    video: ScoredVideo
    n_classes: int
    scores: np.ndarray = field(init=False)
    edges_s: np.ndarray = field(init=False)  # [N + 1]
    events: list[tuple[float, float]] = field(init=False)  # joined where they overlap, cut at the last snippet's end
    inside: np.ndarray = field(init=False)  # anomalous seconds of each snippet, [N]

    def __post_init__(self) -> None:
        video, scores = self.video, np.asarray(self.video.scores, np.float64)
        n, name = len(scores), video.name
        if scores.ndim != 1 or not n or not np.isfinite(scores).all():
            raise DataError(f"the scores of {name!r} have the shape {scores.shape}; give finite ones, [n_snippets]")
        if video.seen not in get_args(Seen):
            raise DataError(f"seen of {name!r} is {video.seen!r}; choose one of {', '.join(get_args(Seen))}")
        edges = np.arange(n + 1) * float(SNIPPET_FRAMES / GRID_RATE) if video.edges_s is None else video.edges_s
        if edges.shape != (n + 1,) or not (np.diff(edges) > 0).all():
            raise DataError(f"edges_s of {name!r} must be {n + 1} rising times, and have the shape {edges.shape}")
        probs = video.class_probs
        if self.n_classes and (probs is None or probs.shape != (n, self.n_classes)):
            shape = None if probs is None else probs.shape
            raise DataError(f"class_probs of {name!r} has the shape {shape}; {(n, self.n_classes)} is needed")
        if wrong := [event for event in video.truth if not 0 <= event[0] < event[1]]:
            raise DataError(f"{name!r} has the event {wrong[0]}; it must end after it starts")
        events = joined([event[:2] for event in video.truth], float(edges[-1]))
        inside = sum((_shared(edges[:-1], edges[1:], *event) for event in events), np.zeros(n))
        seconds = np.diff(edges)
        inside = np.where(seconds - inside < ROUNDING_S, seconds, inside)
        for key, value in (("scores", scores), ("edges_s", edges), ("events", events), ("inside", inside)):
            object.__setattr__(self, key, value)

    @property
    def seconds(self) -> np.ndarray:
        """Of each snippet, [N]."""
        return np.diff(self.edges_s)

    @property
    def total_s(self) -> float:
        return float(self.seconds.sum())

    @property
    def inside_s(self) -> float:
        return float(self.inside.sum())

    def flagged(self, threshold: float) -> list[tuple[int, int]]:
        """The snippets of each segment."""
        return cut(self.scores, self.edges_s[:-1], self.edges_s[1:], threshold=threshold)

    def at(self, place: tuple[int, int]) -> tuple[float, float]:
        """Seconds."""
        return float(self.edges_s[place[0]]), float(self.edges_s[place[1]])

    def matched(self, threshold: float) -> "_Matched":
        """Segments against events, by `RULE`."""
        flagged = self.flagged(threshold)
        spans = [self.at(place) for place in flagged]
        inside = [sum(_overlap_s(span, event) for event in self.events) for span in spans]
        least = [max(LEAST_INSIDE * (end - start) - ROUNDING_S, ROUNDING_S) for start, end in spans]
        right = [found >= needed for found, needed in zip(inside, least, strict=True)]
        finders = [
            [i for i, span in enumerate(spans) if right[i] and _overlap_s(span, event) > 0] for event in self.events
        ]
        return _Matched(flagged, spans, right, finders)


@dataclass(frozen=True, eq=False)
class _Matched:
    """The segments of one video against its events."""

    flagged: list[tuple[int, int]]
    spans: list[tuple[float, float]]
    right: list[bool]
    finders: list[list[int]]  # of each event, the right segments that overlap it

    def latencies_s(self, events: list[tuple[float, float]]) -> list[float]:
        """Of each event found."""
        found = zip(events, self.finders, strict=True)
        return [max(0.0, self.spans[finders[0]][0] - start) for (start, _), finders in found if finders]


class _Counted:
    """The segments of all videos at one threshold; [V] each."""

    def __init__(self, laid: Sequence[_Laid], threshold: float) -> None:
        self.matched = [one.matched(threshold) for one in laid]
        self.events = np.array([len(one.events) for one in laid], float)
        self.flagged = np.array([len(m.flagged) for m in self.matched], float)
        self.right = np.array([sum(m.right) for m in self.matched], float)
        self.found = np.array([sum(map(bool, m.finders)) for m in self.matched], float)
        self.latencies = [m.latencies_s(one.events) for one, m in zip(laid, self.matched, strict=True)]


class _Draws:
    """Groups drawn with replacement, as many as there are, and what any figure is worth in each draw."""

    def __init__(self, groups: Sequence[str], *, resamples: int, seed: int) -> None:
        _, self.group = np.unique(np.array(groups), return_inverse=True)  # of each video, [V]
        self.n_groups = int(self.group.max()) + 1
        self.resamples, self.seed = resamples, seed
        random, n = np.random.default_rng(seed), self.n_groups
        drawn = [np.bincount(random.integers(n, size=n), minlength=n) for _ in range(resamples)]
        self.times = np.array(drawn, float).reshape(resamples, n)[:, self.group]  # of each video, [B, V]

    def ratio(self, above: np.ndarray, below: np.ndarray) -> Interval:
        """Of the sums of two counts [V]; NaN where the second is 0."""
        drawn = _divided(self.times @ above, self.times @ below)
        return percentiles(float(_divided(above.sum(), below.sum())), drawn)

    def each(self, figure: Callable[[np.ndarray], float]) -> Interval:
        """Of a function from how often each video counts [V]."""
        whole = figure(np.ones(len(self.group)))
        return percentiles(whole, np.array([figure(times) for times in self.times]))


def _divided(above: "np.ndarray | float", below: "np.ndarray | float") -> np.ndarray:
    above, below = np.asarray(above, float), np.asarray(below, float)
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)


def joined(spans: Sequence[tuple[float, float]], end_s: float) -> list[tuple[float, float]]:
    """Spans in order of time, those that overlap or touch as one, cut at an end."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if start >= end_s:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], min(end, end_s)))
        else:
            found.append((start, min(end, end_s)))
    return found


def _shared(starts: np.ndarray, ends: np.ndarray, start: float, end: float) -> np.ndarray:
    return np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0, None)


def _overlap_s(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def _auc_of(one: _Laid) -> float:
    return Ranking(one.scores).metrics(one.inside, one.seconds - one.inside).auc


def _areas(laid: Sequence[_Laid], draws: _Draws) -> Areas:
    scores, inside, seconds = (
        np.concatenate([getattr(one, name) for one in laid]) for name in ("scores", "inside", "seconds")
    )
    groups = np.repeat(draws.group, [len(one.scores) for one in laid])
    measured = measure(scores, inside, seconds - inside, groups, resamples=draws.resamples, seed=draws.seed)
    return Areas(measured.ap, measured.auc)


def _video_areas(
    levels: "Sequence[float] | np.ndarray", inside_s: np.ndarray, total_s: np.ndarray, draws: _Draws
) -> Areas:
    """Of a score that is constant over each video; [V] each."""
    scores, normal_s = np.asarray(levels, float), np.maximum(total_s - inside_s, 0)
    measured = measure(scores, inside_s, normal_s, draws.group, resamples=draws.resamples, seed=draws.seed)
    return Areas(measured.ap, measured.auc)


def _events(counted: _Counted, draws: _Draws) -> Events:
    c = counted
    video = np.repeat(np.arange(len(c.latencies)), [len(found) for found in c.latencies])
    latencies = np.array([latency for found in c.latencies for latency in found])

    def f1(times: np.ndarray) -> float:
        precision, recall = (_divided(times @ a, times @ b) for a, b in ((c.right, c.flagged), (c.found, c.events)))
        if np.isnan(recall):
            return np.nan
        precision = np.nan_to_num(precision)
        return float(2 * precision * recall / (precision + recall)) if precision + recall > 0 else 0.0

    def median(times: np.ndarray) -> float:
        counted = np.repeat(latencies, times[video].astype(int))
        return float(np.median(counted)) if len(counted) else np.nan

    return Events(
        n_events=int(c.events.sum()),
        n_found=int(c.found.sum()),
        n_flagged=int(c.flagged.sum()),
        n_right=int(c.right.sum()),
        precision=draws.ratio(c.right, c.flagged),
        recall=draws.ratio(c.found, c.events),
        f1=draws.each(f1),
        latency_s=draws.each(median),
        latencies_s=tuple(np.sort(latencies).tolist()),
    )


def _alarms(laid: Sequence[_Laid], counted: _Counted, draws: _Draws, normal: np.ndarray) -> tuple[Alarms, ...]:
    hours = np.array([one.total_s / 3600 for one in laid])
    kinds = np.array([one.video.kind for one in laid])
    named = sorted(set(kinds[normal].tolist()) - {""})
    found: list[Alarms] = []
    for kind in (EVERY_KIND, *named):
        chosen = normal & ((kinds == kind) | (kind == EVERY_KIND))
        count, length = int(counted.flagged[chosen].sum()), float(hours[chosen].sum())
        low, high = poisson_interval(count)
        per_hour = draws.ratio(counted.flagged * chosen, hours * chosen)
        poisson = Interval(count / length, low / length, high / length)
        found.append(Alarms(kind, int(chosen.sum()), count, length, per_hour, poisson))
    return tuple(found)


def _calibration(laid: Sequence[_Laid], draws: _Draws) -> Calibration:
    """Sums over the snippets of each video and bin, [V, BINS], which draws weigh by how often they hold the video."""
    seconds, scored, anomalous = (np.zeros((len(laid), BINS)) for _ in range(3))
    for i, one in enumerate(laid):
        place = np.minimum((one.scores * BINS).astype(int), BINS - 1)
        seconds[i] = np.bincount(place, one.seconds, BINS)
        scored[i] = np.bincount(place, one.seconds * one.scores, BINS)
        anomalous[i] = np.bincount(place, one.inside, BINS)
    bins = tuple(
        CalibrationBin(
            low=k / BINS,
            high=(k + 1) / BINS,
            seconds=float(seconds[:, k].sum()),
            score=float(_divided(scored[:, k].sum(), seconds[:, k].sum())),
            anomalous=draws.ratio(anomalous[:, k], seconds[:, k]),
        )
        for k in range(BINS)
    )

    def error(times: np.ndarray) -> float:
        return float(np.abs(times @ scored - times @ anomalous).sum() / (times @ seconds).sum())

    return Calibration(bins, draws.each(error))


def _confusion(laid: Sequence[_Laid], counted: _Counted, classes: tuple[str, ...], draws: _Draws) -> Confusion:
    known = classes[1:]
    called = {event[2] for one in laid for event in one.video.truth}
    rows = (*(name for name in known if name in called), *sorted(called - {*known}), NORMAL_ROW)
    columns = (*known, MISSED)
    counts = np.zeros((len(rows), len(columns)), int)
    right, n_known = np.zeros(len(laid)), np.zeros(len(laid))
    for i, (one, matched) in enumerate(zip(laid, counted.matched, strict=True)):
        probs = one.video.class_probs
        assert probs is not None
        names = [int(probs[a:b, 1:].mean(axis=0).argmax()) for a, b in matched.flagged]
        for start, end, label in one.video.truth:
            if start >= one.edges_s[-1]:
                continue
            shared = [
                _overlap_s(span, (start, end)) * ok for span, ok in zip(matched.spans, matched.right, strict=True)
            ]
            best = int(np.argmax(shared)) if shared and max(shared) > 0 else None
            counts[rows.index(label), -1 if best is None else names[best]] += 1
            if best is not None and label in known:
                n_known[i] += 1
                right[i] += known[names[best]] == label
        if not one.events:
            for name in names:
                counts[-1, name] += 1
    table = tuple(tuple(row) for row in counts.tolist())
    return Confusion(rows, columns, table, draws.ratio(right, n_known), int(n_known.sum()))


def _curve(laid: Sequence[_Laid], normal: np.ndarray) -> OperatingCurve:
    hours = sum(one.total_s for one, calm in zip(laid, normal, strict=True) if calm) / 3600
    at = [_Counted(laid, threshold) for threshold in THRESHOLDS]

    def ratios(above: Callable[[_Counted], float], below: Callable[[_Counted], float]) -> tuple[float, ...]:
        return tuple(float(_divided(above(c), below(c))) for c in at)

    return OperatingCurve(
        thresholds=THRESHOLDS,
        alarms_per_hour=ratios(lambda c: c.flagged[normal].sum(), lambda _: hours),
        recall=ratios(lambda c: c.found.sum(), lambda c: c.events.sum()),
        precision=ratios(lambda c: c.right.sum(), lambda c: c.flagged.sum()),
    )


def _minute_peaks(laid: Sequence[_Laid], normal: np.ndarray) -> tuple[float, ...]:
    curves = [(one.scores, one.seconds) for one, calm in zip(laid, normal, strict=True) if calm]
    return tuple(minute_peaks(curves).round(4).tolist())


def _overlap(videos: Sequence[ScoredVideo]) -> Overlap:
    seen = [video.seen for video in videos]
    return Overlap(n_videos=seen.count("video"), n_groups=seen.count("group"), n_unknown=seen.count("unknown"))
