"""What a timeline shows of a clip before anything is played: the outline of its audio, and small frames of it.

Both are made once and kept as files that a browser reads by itself, coarse to fine, so that any zoom costs the same.
"""

import json
import math
import struct
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from cmhkf.files import replacing
from cmhkf.media.clip import Clip, SnippetStream, stream_audio
from cmhkf.media.sampling import FrameSampling
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

AUDIO_HZ = 16_000
PAIR_SAMPLES = 32  # samples that the finest (least, greatest) pair stands for: 500 pairs per second
PAIR_STEP = 4  # a coarser level has a quarter of the pairs
PEAK_LEVELS = 6  # the coarsest has one pair in 2 s

HEIGHT_PX = 96
WIDTHS_PX = (32, 256)  # of very tall and very wide clips
COLUMNS = 8
SHEET_FRAMES = COLUMNS * COLUMNS
LEVEL_STEP = 8  # a coarser level has every eighth frame
MOST_FRAMES = 6000  # of the finest level: one per snippet up to 66 minutes, fewer in longer clips
JPEG_QUALITY = 72


def make_peaks(clip: Clip, out_path: str | Path) -> Generator[float]:
    """Write the least and greatest samples of the audio at several resolutions, and yield the seconds done.

    The file: the length of a JSON header as uint32 (little-endian), the header {pair_s, step, pairs, peak}, then int8
    pairs (least, greatest; 127 = full scale), finest level first. `pair_s` is the length of a finest pair, each level
    has pairs `step` times longer, `pairs` counts them by level, `peak` is the loudest sample, 0 to 1. The file appears
    under its name when complete.

    Raises:
        MediaError: no audio track, or one that cannot be decoded.
    """
    lows: list[np.ndarray] = []
    highs: list[np.ndarray] = []
    done_s = 0.0
    for samples in stream_audio(clip, AUDIO_HZ):  # blocks hold whole pairs, except for the last
        starts = np.arange(0, len(samples), PAIR_SAMPLES)
        lows.append(np.minimum.reduceat(samples, starts))
        highs.append(np.maximum.reduceat(samples, starts))
        done_s += len(samples) / AUDIO_HZ
        yield done_s
    low, high = np.concatenate(lows), np.concatenate(highs)
    peak = float(max(-low.min(), high.max(), 0))
    pairs: list[int] = []
    levels: list[bytes] = []
    for _ in range(PEAK_LEVELS):
        pairs.append(len(low))
        levels.append(np.round(np.stack([low, high], axis=1) * 127).astype(np.int8).tobytes())
        starts = np.arange(0, len(low), PAIR_STEP)
        low, high = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
    facts = {"pair_s": PAIR_SAMPLES / AUDIO_HZ, "step": PAIR_STEP, "pairs": pairs, "peak": round(peak, 5)}
    header = json.dumps(facts).encode()
    with replacing(Path(out_path)) as part:
        part.write_bytes(struct.pack("<I", len(header)) + header + b"".join(levels))


@dataclass
class _Level:
    """Sheets of every `stride`-th frame that comes."""

    stride: int
    n_frames: int = 0
    sheets: int = 0
    kept: list[np.ndarray] = field(default_factory=list)


def make_film(clip: Clip, out_dir: str | Path) -> Generator[float]:
    """Write sheets of small frames at several densities, and yield the seconds done.

    Frame k of a level is the middle frame of snippet `k * stride`. Sheet i of level j is the file `j-i.jpg`, rows of
    `columns` frames; `film.json` says {width_px, height_px, columns, sheet_pictures, snippet_s, n_snippets,
    levels: [{stride, pictures}]}, finest first. The folder appears under its name when complete; closing the iterator
    ends the decoding and leaves nothing.

    Raises:
        MediaError: the frames cannot be decoded.
    """
    with replacing(Path(out_dir)) as part:
        part.mkdir()
        yield from _write_film(clip, part)


def _write_film(clip: Clip, folder: Path) -> Generator[float]:
    snippet_s = float(SNIPPET_FRAMES / GRID_RATE)
    width = round(min(max(HEIGHT_PX * clip.width_px / clip.height_px, WIDTHS_PX[0]), WIDTHS_PX[1]))
    size = (width, HEIGHT_PX)
    stride = max(1, math.ceil(clip.duration_s / snippet_s / MOST_FRAMES))
    levels = [_Level(LEVEL_STEP**i) for i in range(4)]
    sampling = FrameSampling((SNIPPET_FRAMES // 2,), min(size), None, "bilinear", stretched_px=size)
    stream = SnippetStream(clip, sampling, background=True, every=stride)
    for n, snippet in enumerate(stream):
        for i, level in enumerate(levels):
            if n % level.stride == 0:
                level.kept.append(snippet[0])
                level.n_frames += 1
                if len(level.kept) == SHEET_FRAMES:
                    _write_sheet(level, folder, i)
        yield min((n + 1) * stride * snippet_s, clip.duration_s)
    # A coarser level is of use only where the one before it needs more than a sheet.
    used = [level for i, level in enumerate(levels) if not i or levels[i - 1].n_frames > SHEET_FRAMES]
    for i, level in enumerate(used):
        if level.kept:
            _write_sheet(level, folder, i)
    facts = {
        "width_px": width,
        "height_px": HEIGHT_PX,
        "columns": COLUMNS,
        "sheet_pictures": SHEET_FRAMES,
        "snippet_s": snippet_s,
        "n_snippets": stream.timeline.n_snippets,
        "levels": [{"stride": stride * level.stride, "pictures": level.n_frames} for level in used],
    }
    (folder / "film.json").write_text(json.dumps(facts), encoding="utf-8")


def _write_sheet(level: _Level, folder: Path, number: int) -> None:
    """Lay the kept frames in rows, write them as one JPEG, and forget them."""
    height, width, _ = level.kept[0].shape
    rows = math.ceil(len(level.kept) / COLUMNS)
    sheet = np.zeros((rows * height, COLUMNS * width, 3), np.uint8)
    for k, frame in enumerate(level.kept):
        top, left = k // COLUMNS * height, k % COLUMNS * width
        sheet[top : top + height, left : left + width] = frame
    Image.fromarray(sheet).save(folder / f"{number}-{level.sheets}.jpg", quality=JPEG_QUALITY)
    level.kept = []
    level.sheets += 1
