"""How fast lists, filters and counts over a large library are answered, as the page asks for them.

    python benchmarks/library.py [--clips N] [--events N]

Fills a library in a temporary folder with made-up analyses of ten minutes, a quarter of whose events are decided, then
times each question three times after one warm-up and prints the slowest. The videos themselves are empty files.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.clips.workspace import Cut, Workspace
from app.review.event_list import Wish
from app.review.events import EventIndex, Ready
from app.review.reviews import Decision, Reviews
from app.settings import Settings
from app.web.page import Page
from cmhkf.analysis import Analysis
from cmhkf.datasets.classes import XD_CLASSES
from cmhkf.media.clip import Clip
from cmhkf.timeline import Timeline

BAR_MS = 300  # what a list, a filter or a count may take
N_SNIPPETS = 900  # of a clip: ten minutes
DECIDED = 4  # one in so many clips
ANN = "Ann"


def made_up(clip: Clip, n_events: int, rng: np.random.Generator) -> Analysis:
    """An analysis with that many events of 2 to 6 s, and half as many near misses."""
    scores = rng.uniform(0, 0.2, N_SNIPPETS).astype(np.float32)
    probs = rng.dirichlet(np.ones(len(XD_CLASSES)) * 0.3, N_SNIPPETS).astype(np.float32)
    places = np.linspace(4, N_SNIPPETS - 12, n_events + n_events // 2).astype(int)
    for i, place in enumerate(places):
        low, high = (0.36, 0.49) if i % 3 == 2 else (0.5, 1.0)
        scores[place : place + rng.integers(3, 9)] = rng.uniform(low, high)
    line, n = Timeline(N_SNIPPETS, N_SNIPPETS * 2 / 3), N_SNIPPETS
    facts: dict[str, Any] = {
        "clip": clip,
        "timeline": line,
        "classes": XD_CLASSES,
        "model_id": "made up",
        "recipe_hash": "0" * 16,
    }
    facts |= {"encoders": "none", "trained": True, "score_source": "made up", "modalities": "V", "device": "cpu"}
    flat: dict[str, Any] = {name: np.ones(n, np.float32) for name in ("saliency", "windowed_saliency")}
    flat |= {name: np.zeros((n, 1), np.float32) for name in ("clip_embeddings", "fused_embeddings")}
    flat |= {"saliency_peaks": np.zeros(0, int), "saliency_windows_s": np.zeros((0, 2))}
    flat |= {"top_classes": np.zeros((len(line.windows()), 1), int), "similarity": np.zeros_like(probs)}
    return Analysis(**facts, **flat, elapsed_s=1.0, scores=scores, alignment_scores=scores, class_probs=probs)


def fill(workspace: Workspace, reviews: Reviews, n_clips: int, n_events: int) -> None:
    """Clips of seven cameras over the days of a year, and Ann's decisions on some."""
    rng, empty = np.random.default_rng(0), workspace.store.scratch.path / "empty"
    for i in range(n_clips):
        empty.write_bytes(b"")
        at = datetime(2026, 1, 1) + timedelta(hours=1.5 * i)
        about = {"name": "x", "sha256": f"{i:08x}" * 8, "size_bytes": 0, "container": "mp4", "video_codec": "h264"}
        about |= {"width_px": 320, "height_px": 180, "native_rate": Fraction(24), "duration_s": 600.0}
        about |= {"rotation_deg": 0, "pixel_aspect": Fraction(1), "has_audio": False, "audio_codec": None}
        clip = workspace.store.add_clip(
            Clip(path=str(empty), **about), f"camera {i % 7} {at:%Y-%m-%d %H-%M-%S}.mp4", move=True
        )
        share = n_events // n_clips + (i < n_events % n_clips)
        analysis = made_up(clip, share, rng)
        key = workspace.store.save(analysis)
        if i % DECIDED == 0:
            view = reviews.view(key, Cut(), ANN)
            reviews.decide_many(view, [Decision("confirm", mark.id) for mark in view.marks], f"request {i}")


def slowest_ms(ask: Callable[[], object], times: int = 3) -> float:
    """After one call that warms up."""
    ask()
    spent = list[float]()
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        spent.append(time.perf_counter() - begun)
    return 1000 * max(spent)


def questions(behind: Page, middle: int) -> dict[str, Callable[[], object]]:
    """What the page asks for; each begins with the look for what is outdated, as there."""
    index, events, handlers = behind.events.index, behind.events.list, behind.handlers()
    far = "9999"  # as if the list had just been opened

    def page(wish: Wish, offset: int = 0) -> Callable[[], object]:
        def ask() -> object:
            view = index.ready(ANN, 0.0)
            return events.page(view, wish, far, offset=offset, limit=60), events.count(view, wish, far)

        return ask

    def place(wish: Wish) -> Callable[[], object]:
        view = index.ready(ANN, 0.0)
        key = events.page(view, wish, far, offset=middle, limit=1)[0].key
        return lambda: events.index(view, wish, far, key)

    ready = lambda: index.ready(ANN, 0.0)  # noqa: E731
    return {
        "list, not seen first: the top": page(Wish()),
        "list, not seen first: the middle": page(Wish(), middle),
        "list by score: the middle": page(Wish("score"), middle),
        "list by time: the middle": page(Wish("time"), middle),
        "list by class: the middle": page(Wish("class"), middle),
        "filter: open": page(Wish("score", state="open")),
        "filter: a class": page(Wish("score", label=XD_CLASSES[3])),
        "filter: a camera and a score": page(Wish("score", camera="camera 3", least=0.8)),
        "filter: a week": page(Wish("time", since="2026-03-01", until="2026-03-07")),
        "filter: words of a name": page(Wish("score", words="camera 5 2026-02")),
        "filter: what another decided too": page(Wish("score", by="Bea")),
        "filter: with near misses, the middle": page(Wish("score", misses="with"), middle),
        "the place of an event in the list": place(Wish()),
        "what is left": lambda: events.left(ready()),
        "the counts of the filters": lambda: events.choices(ready()),
        "the list of all clips, as it is sent": lambda: json.dumps(handlers["library"]({"reviewer": ANN})),
        "the next clip with something left": lambda: events.next_clip(ready(), f"{1:08x}" * 8),
    }


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--events", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        workspace = Workspace(settings, lambda model: sys.exit(f"{model} is not needed here"))
        behind = Page(workspace)
        index = behind.events.index
        fill(workspace, behind.reviews, args.clips, args.events)
        print(f"{args.clips:,} clips, {behind.events.list.left(first(index)).n_marks:,} events")
        print("\n| question | slowest of 3, ms | |\n|---|---|---|")
        for name, ask in questions(behind, args.events // 2).items():
            spent = slowest_ms(ask)
            print(f"| {name} | {spent:.0f} | {'' if spent < BAR_MS else f'over {BAR_MS}'} |", flush=True)
        behind.reviews.reviewers.choose(ANN, cut=Cut(0.6))
        begun = time.perf_counter()
        first(index)
        print(f"\nall of it at another cut, in the background: {time.perf_counter() - begun:.1f} s")
        workspace.close()


def first(index: EventIndex) -> Ready:
    """The view of all clips; says how long it took to make."""
    begun = time.perf_counter()
    view = index.ready(ANN, 3600)
    print(f"tables made in {time.perf_counter() - begun:.1f} s, in the background, in portions")
    return view


if __name__ == "__main__":
    main()
