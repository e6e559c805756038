"""A feature-level simulation of XD-Violence: its real videos, lengths, segments and labels, with invented features.

    python benchmarks/simulate_xd.py ANNOTATIONS --out FEATURES [--seed N --dim N --snr-video X --sound-only X ...]

ANNOTATIONS holds `annotations.txt`, `annotations_multiclasses.txt`, `train_videos.csv` and `test_videos.csv` (columns
`video` and, for test, `n_snippets`). FEATURES becomes a folder for `python -m cmhkf ablate --features FEATURES`, with
the class texts in `text.npy`, what carries each video's evidence in `groups.csv`, and all the parameters in
`simulation.json`. **No number measured on it says anything about real footage**; it shows whether the code recovers
evidence that is known to be there.

Each stream of a video (frames, meaning, audio) is a constant background plus noise that is correlated in time, plus a
step along the direction of the class that is there: the segment's inside a segment, the normal one elsewhere.
Signal-to-noise is the length of the step over the standard deviation of the noise along it. The meaning is what is
compared with the class texts; it is apart from the frames so that some evidence can lie in the texts alone (CLIP has
one for both, the embedded encoders have two), and like CLIP's it is mostly a direction that all rows share. In a stated
share of the anomalous videos only the audio, or only the meaning, carries the evidence, and the other streams look
normal throughout. Audio is shifted against the frames, for every segment by its own normally distributed number of
snippets.

That rows without an anomaly resemble the normal text is needed for CVKA to work at all: it chooses the classes with the
highest sums and weights each over time, to a mean of 1 whatever its similarity. Were normal rows like no text, normal
videos would choose anomalous texts at random, and no weight could tell them from anomalous ones.

Training videos have labels but no segments: each takes the length and the segments of a random test video that is
normal or anomalous as it is, and lays its own classes over them.
"""

import argparse
import csv
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.datasets.annotations import Event, class_segments, ground_truth, read_xd, xd_labels
from cmhkf.datasets.classes import XD_CLASSES
from cmhkf.errors import DataError
from cmhkf.features.extract import Features
from cmhkf.features.make import claim
from cmhkf.features.recipe import Recipe
from cmhkf.media.clip import Clip
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES, Timeline

COPIED = {name: name for name in ("annotations.txt", "annotations_multiclasses.txt")} | {
    "train_videos.csv": "train.csv",
    "test_videos.csv": "test.csv",
}
STREAMS = ("video", "text", "sound")
CARRIERS = {"all": STREAMS, "sound": ("sound",), "text": ("text",)}  # what carries the evidence of an anomalous video


@dataclass(frozen=True)
class Settings:
    """What the simulation is made of."""

    seed: int = 0
    dim: int = 64  # width of frames, meaning and class texts
    audio_dim: int = 16
    snr_video: float = 3.0
    snr_text: float = 3.0
    snr_audio: float = 3.0
    sound_only: float = 0.2  # share of the anomalous videos whose evidence lies in the audio alone
    text_only: float = 0.2  # share whose evidence lies in the meaning alone
    jitter: float = 2.0  # standard deviation, in snippets, of the audio's shift against the frames
    correlation: float = 0.7  # of the noise of neighbouring snippets
    # Standard deviation of a video's constant background, each way, where that of the noise is 1
    background: float = 0.5
    # Standard deviation that the noise has in the cosine with a class text. A segment moves that cosine by `snr_text`
    # times as much, 0.06 by default, and over a video it spans about 0.1, as CLIP's does.
    cosine_noise: float = 0.02
    scale: float = 10.0  # mean length of a row of frames, and length of a class text; that of CLIP's is about 10


class Video(NamedTuple):
    """A video before it has features."""

    name: str
    n_snippets: int
    events: tuple[Event, ...]  # in frames


def read_videos(annotations: Path, rng: np.random.Generator) -> tuple[list[Video], list[Video]]:
    """Training and test videos. Raises DataError: the lists or the annotations cannot be used."""
    try:
        lists = [list(csv.DictReader((annotations / name).open(encoding="utf-8"))) for name in list(COPIED)[2:]]
        train, lengths = [line["video"] for line in lists[0]], {v["video"]: int(v["n_snippets"]) for v in lists[1]}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{annotations}: {error!r}; needed are train_videos.csv with a column video, and test_videos.csv with the "
            "columns video and n_snippets"
        ) from error
    truth = ground_truth(
        [*lengths], read_xd(annotations / "annotations_multiclasses.txt"), n_snippets=lengths, labels_of=xd_labels
    )
    class_segments(truth)  # refuses annotations without classes
    test = [Video(*known) for known in zip(truth.names, truth.n_snippets, truth.events, strict=True)]
    return [_dress(name, test, rng) for name in train], test


def _dress(name: str, donors: Sequence[Video], rng: np.random.Generator) -> Video:
    """A training video in the length and the segments of a random test video, under its own classes."""
    labels = xd_labels(name)
    least = 0 if labels == (0,) else len(labels)
    fitting = [video for video in donors if len(video.events) >= least and bool(video.events) == bool(least)]
    donor = fitting[rng.integers(len(fitting))]
    # Every class once, then at random, in any order.
    classes = rng.permutation([*labels, *rng.choice(labels, max(0, len(donor.events) - least))])
    events = tuple(e._replace(class_idx=int(c)) for e, c in zip(donor.events, classes, strict=False))
    return Video(name, donor.n_snippets, events)


def draw_carrier(video: Video, settings: Settings, rng: np.random.Generator) -> str:
    """Which streams carry a video's evidence; "none" for a normal one."""
    shares = [1 - settings.sound_only - settings.text_only, settings.sound_only, settings.text_only]
    return str(rng.choice([*CARRIERS], p=shares)) if video.events else "none"


def draw_stream(
    video: Video, directions: np.ndarray, settings: Settings, rng: np.random.Generator, *, snr: float, jitter: float = 0
) -> np.ndarray:
    """Rows [N, D] of one stream in units of its noise; `directions` [C, D] are unit vectors, normal first."""
    n, width = video.n_snippets, directions.shape[1]
    background = settings.background * rng.standard_normal(width, np.float32)
    shown = np.zeros((n, len(directions)), np.float32)
    for event in video.events:
        shift = round(rng.normal(0, jitter))
        start = np.clip(round(event.start / SNIPPET_FRAMES) + shift, 0, n - 1)
        shown[start : max(start + 1, round(event.end / SNIPPET_FRAMES) + shift), event.class_idx] = 1
    shown[:, 0] = ~shown.any(axis=1)
    return background + ar_noise((n, width), settings.correlation, rng) + snr * shown @ directions


def ar_noise(shape: tuple[int, ...], correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit variance along axis 0, correlated with its neighbours (AR(1), stationary from the first row)."""
    steps = rng.standard_normal(shape, np.float32)
    steps[1:] *= np.sqrt(1 - correlation**2)
    return np.asarray(lfilter([1.0], [1.0, -correlation], steps, axis=0), np.float32)


def simulate(annotations: Path, out: Path, settings: Settings) -> list[tuple[str, str]]:
    """Write the whole folder; returns each video's name and carrier, training videos first."""
    rng = np.random.default_rng(settings.seed)
    train, test = read_videos(annotations, rng)
    parameters = tuple((name, str(value)) for name, value in asdict(settings).items())
    video, text, audio = ((("name", f"simulated {stream}"), *parameters) for stream in STREAMS)
    recipe = Recipe(video, text, audio)
    claim(out, recipe)
    frames = unit_rows(len(XD_CLASSES), settings.dim, rng)
    texts, common = np.split(unit_rows(len(XD_CLASSES) + 1, settings.dim, rng), [-1])
    audio_classes = unit_rows(len(XD_CLASSES), settings.audio_dim, rng)
    per_unit = settings.scale / np.sqrt(settings.dim * (1 + settings.background**2))
    carriers = []
    for video in (*train, *test):
        carrier = draw_carrier(video, settings, rng)
        carriers.append((video.name, carrier))
        by_frame, by_text, by_audio = (
            video if stream in CARRIERS.get(carrier, ()) else video._replace(events=()) for stream in STREAMS
        )
        seen = per_unit * draw_stream(by_frame, frames, settings, rng, snr=settings.snr_video)
        meant = common + settings.cosine_noise * draw_stream(by_text, texts, settings, rng, snr=settings.snr_text)
        audio = draw_stream(by_audio, audio_classes, settings, rng, snr=settings.snr_audio, jitter=settings.jitter)
        as_features(video, recipe.hash, seen, meant, audio).save(out / f"{video.name}__0.npz")
    np.save(out / "text.npy", settings.scale * texts)
    for source, copy in COPIED.items():
        shutil.copyfile(annotations / source, out / copy)
    with (out / "groups.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("video", "group"), *carriers])
    note = "A simulation: real annotations of XD-Violence, invented features. It says nothing about real footage."
    (out / "simulation.json").write_text(json.dumps({"note": note} | asdict(settings), indent=2) + "\n")
    return carriers


def unit_rows(n: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Random orthogonal directions, float32 [n, dim]."""
    if n > dim:
        raise DataError(f"{dim} values cannot hold {n} different classes; make the rows {n} wide or more")
    return np.linalg.qr(rng.standard_normal((dim, n)))[0].T.astype(np.float32)


def as_features(video: Video, recipe_hash: str, seen: np.ndarray, meant: np.ndarray, audio: np.ndarray) -> Features:
    """The rows in the form that `extract` writes, as float16 to be small."""
    duration_s = float(video.n_snippets * SNIPPET_FRAMES / GRID_RATE)
    unknown = dict.fromkeys(("path", "sha256", "container", "video_codec"), "")
    sizes = {"size_bytes": 0, "width_px": 1, "height_px": 1, "rotation_deg": 0, "pixel_aspect": Fraction(1)}
    times = {"native_rate": GRID_RATE, "duration_s": duration_s}
    clip = Clip(name=video.name, has_audio=True, audio_codec=None, **unknown, **sizes, **times)
    seen, meant, audio = (rows.astype(np.float16) for rows in (seen, meant, audio))
    return Features(clip, Timeline(video.n_snippets, duration_s), recipe_hash, seen, meant, audio, None, "heard")


def main() -> None:
    """Parse the settings and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    for field in fields(Settings):
        assert isinstance(field.default, (int, float))
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    args = vars(parser.parse_args())
    annotations, out = args.pop("annotations"), args.pop("out")
    carriers = simulate(annotations, out, Settings(**args))
    counts = {name: sum(carrier == name for _, carrier in carriers) for name in ("none", *CARRIERS)}
    print(f"{len(carriers)} simulated videos in {out}; evidence in: {counts}")


if __name__ == "__main__":
    main()
