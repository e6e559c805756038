"""How often the demo's sound cues are right, on sounds of your own.

    python benchmarks/sound_cues.py FOLDER [FOLDER ...]

The files lie in a folder for each kind, FOLDER/KIND/FILE, audio or video: `gunshot`, `explosion`, `breaking glass` and
`crowd` hold sounds of these kinds, every other name (`normal`, `speech`, `music`) sounds of none. Prints for each cue
how many files of its kind make it reach 0.5, and how often an hour it does so in those of other folders: neighbouring
snippets count once. Silence is laid before a file without pictures, as the first 2.3 s of a clip are never judged.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import av
import av.error
import numpy as np

from cmhkf.encoders.demo.audio import DemoAudioEncoder, load_audio, sound_cues
from cmhkf.encoders.demo.sound_kinds import KINDS, load_sound_kinds
from cmhkf.encoders.device import pick_device
from cmhkf.metrics.intervals import poisson_interval
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

HEARD = 0.5
SNIPPET_S = float(SNIPPET_FRAMES / GRID_RATE)


@dataclass(frozen=True)
class Heard:
    """What one file made of the cues."""

    hours: float
    alarms: dict[str, int]
    """How often each cue rose to 0.5."""


def waveform(file: Path, encoder: DemoAudioEncoder) -> np.ndarray:
    """The first audio track as mono float32, with silence before it. Raises ValueError where there is none."""
    with av.open(str(file)) as held:
        if not held.streams.audio:
            raise ValueError("no audio track")
        resampler = av.AudioResampler(format="flt", layout="mono", rate=encoder.rate_hz)
        frames = (out for frame in held.decode(audio=0) for out in resampler.resample(frame))
        lead = 0 if held.streams.video else int(encoder.context_s * encoder.rate_hz)
        blocks = [np.zeros(lead, np.float32)]
        blocks += [frame.to_ndarray().ravel() for frame in frames]
        blocks += [frame.to_ndarray().ravel() for frame in resampler.resample(None)]
    return np.concatenate(blocks)


def rises(cue: np.ndarray) -> int:
    """How many runs of a cue [N] reach 0.5."""
    return int(np.diff(cue >= HEARD, prepend=False, append=False).sum()) // 2


def hear(encoder: DemoAudioEncoder, cues: partial, file: Path) -> Heard:
    """Listen to a file, snippet by snippet, and to the silence after it."""
    sound = waveform(file, encoder)
    duration_s = len(sound) / encoder.rate_hz
    ends_s = np.arange(1, int(duration_s / SNIPPET_S) + 2) * SNIPPET_S
    found = cues(encoder.encode(sound, 0.0, ends_s).audio, ends_s)
    return Heard(duration_s / 3600, {name: rises(cue) for name, cue in found.items()})


def listened(folders: Iterable[Path]) -> Iterator[tuple[str, Heard]]:
    """Every readable file: the name of its folder, and what was heard."""
    encoder, cues = load_audio(pick_device("auto")), partial(sound_cues, load_sound_kinds())
    for file in sorted(file for folder in folders for file in folder.glob("*/*") if file.is_file()):
        try:
            yield file.parent.name, hear(encoder, cues, file)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            print(f"left out: {file}: {error}", file=sys.stderr)


def report(by_kind: dict[str, list[Heard]]) -> Iterator[str]:
    """The table of hits, and under it where else each cue rises."""
    others = [kind for kind in by_kind if kind not in KINDS]
    places = "".join(f"| false, an hour, in {kind} " for kind in others)
    yield f"| cue | files of its kind where it rises {places}| other kinds where it rises |"
    yield "|---" * (3 + len(others)) + "|"
    for cue in KINDS:
        own = by_kind.get(cue, [])
        hits = f"{sum(heard.alarms[cue] > 0 for heard in own)} of {len(own)}" if own else "not measured"
        rates = []
        for kind in others:
            hours = sum(heard.hours for heard in by_kind[kind])
            count = sum(heard.alarms[cue] for heard in by_kind[kind])
            low, high = (bound / hours for bound in poisson_interval(count))
            rates.append(f"{count / hours:.1f} ({low:.1f}-{high:.1f}; {count} in {hours:.2f} h)")
        confused = {kind: sum(h.alarms[cue] > 0 for h in by_kind[kind]) for kind in {*by_kind} & {*KINDS} - {cue}}
        words = ", ".join(f"{n} of {len(by_kind[kind])} {kind}" for kind, n in sorted(confused.items()) if n) or "none"
        yield f"| {' | '.join([cue, hits, *rates, words])} |"


def main() -> None:
    """Listen to every file of the folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    by_kind: dict[str, list[Heard]] = defaultdict(list)
    for kind, heard in listened(parser.parse_args().folders):
        by_kind[kind].append(heard)
    if not by_kind:
        raise SystemExit("no sounds were found; put files into FOLDER/KIND, such as sounds/gunshot/one.wav")
    print("\n".join(report(by_kind)))


if __name__ == "__main__":
    main()
