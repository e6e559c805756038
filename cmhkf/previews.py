"""What a timeline shows of a clip before anything is played: the outline of its sound, and small pictures of it.

Both are made once and kept as files that a browser reads by itself, coarse to fine, so that any zoom costs the same.
"""

from __future__ import annotations

import json
import math
import shutil
import struct
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from cmhkf.encoders import FrameSampling
from cmhkf.media import Clip, SnippetStream, stream_audio
from cmhkf.sandbox import DEFAULT_LIMITS, MediaLimits
from cmhkf.timeline import GRID_RATE, SNIPPET_FRAMES

SOUND_HZ = 16_000
PAIR_SAMPLES = 32  # samples that the finest (least, greatest) pair stands for: 500 pairs per second
PAIR_STEP = 4  # a coarser level has a quarter of the pairs
PEAK_LEVELS = 6  # the coarsest has one pair in 2 s

PICTURE_HEIGHT_PX = 96
PICTURE_WIDTHS_PX = (32, 256)  # of very tall and very wide clips
COLUMNS = 8
SHEET_PICTURES = COLUMNS * COLUMNS
PICTURE_STEP = 8  # a coarser level has every eighth picture
MOST_PICTURES = 6000  # of the finest level: one per snippet up to 66 minutes, fewer in longer clips
JPEG_QUALITY = 72


def make_peaks(clip: Clip, out_path: str | Path, *, limits: MediaLimits = DEFAULT_LIMITS) -> Generator[float]:
    """Write the least and greatest samples of the sound at several resolutions, and yield the seconds done.

    The file: the length of a JSON header as uint32 (little-endian), the header {pair_s, step, pairs, peak}, then int8
    pairs (least, greatest; 127 = full scale), finest level first. `pair_s` is the length of a finest pair, each level
    has pairs `step` times longer, `pairs` counts them by level, `peak` is the loudest sample, 0 to 1. The file appears
    under its name when complete.

    Raises:
        MediaError: no sound track, or one that cannot be decoded.
    """
    lows: list[np.ndarray] = []
    highs: list[np.ndarray] = []
    done_s = 0.0
    for samples in stream_audio(clip, SOUND_HZ, limits=limits):  # blocks hold whole pairs, except for the last
        starts = np.arange(0, len(samples), PAIR_SAMPLES)
        lows.append(np.minimum.reduceat(samples, starts))
        highs.append(np.maximum.reduceat(samples, starts))
        done_s += len(samples) / SOUND_HZ
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
    facts = {"pair_s": PAIR_SAMPLES / SOUND_HZ, "step": PAIR_STEP, "pairs": pairs, "peak": round(peak, 5)}
    header = json.dumps(facts).encode()
    out_path = Path(out_path)
    part = out_path.with_name(out_path.name + ".part")
    part.write_bytes(struct.pack("<I", len(header)) + header + b"".join(levels))
    part.replace(out_path)


@dataclass
class _Level:
    """Sheets of every `stride`-th snippet's picture."""

    stride: int
    pictures: int = 0
    sheets: int = 0
    kept: list[np.ndarray] = field(default_factory=list)


def make_film(clip: Clip, out_dir: str | Path, *, limits: MediaLimits = DEFAULT_LIMITS) -> Generator[float]:
    """Write sheets of small pictures at several densities, and yield the seconds done.

    Picture k of a level is the middle frame of snippet `k * stride`. Sheet i of level j is the file `j-i.jpg`, rows of
    `columns` pictures; `film.json` says {width_px, height_px, columns, sheet_pictures, snippet_s, n_snippets,
    levels: [{stride, pictures}]}, finest first. The folder appears under its name when complete; closing the iterator
    ends the decoding and leaves nothing.

    Raises:
        MediaError: the pictures cannot be decoded.
    """
    out_dir = Path(out_dir)
    part = out_dir.with_name(out_dir.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield from _write_film(clip, part, limits)
        part.replace(out_dir)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_film(clip: Clip, folder: Path, limits: MediaLimits) -> Generator[float]:
    snippet_s = float(SNIPPET_FRAMES / GRID_RATE)
    width = round(
        min(max(PICTURE_HEIGHT_PX * clip.width_px / clip.height_px, PICTURE_WIDTHS_PX[0]), PICTURE_WIDTHS_PX[1])
    )
    size = (width, PICTURE_HEIGHT_PX)
    stride = max(1, math.ceil(clip.duration_s / snippet_s / MOST_PICTURES))
    levels = [_Level(stride * PICTURE_STEP**i) for i in range(4)]
    sampling = FrameSampling((SNIPPET_FRAMES // 2,), min(size), None, "bilinear", stretched_px=size)
    stream = SnippetStream(clip, sampling, limits=limits)
    for n, pictures in enumerate(stream):
        for i, level in enumerate(levels):
            if n % level.stride == 0:
                level.kept.append(pictures[0])
                level.pictures += 1
                if len(level.kept) == SHEET_PICTURES:
                    _write_sheet(level, folder, i)
        yield (n + 1) * snippet_s
    # A coarser level is of use only where the one before it needs more than a sheet.
    used = [level for i, level in enumerate(levels) if not i or levels[i - 1].pictures > SHEET_PICTURES]
    for i, level in enumerate(used):
        if level.kept:
            _write_sheet(level, folder, i)
    facts = {
        "width_px": width, "height_px": PICTURE_HEIGHT_PX, "columns": COLUMNS, "sheet_pictures": SHEET_PICTURES,
        "snippet_s": snippet_s, "n_snippets": stream.timeline.n_snippets,
        "levels": [{"stride": level.stride, "pictures": level.pictures} for level in used],
    }  # fmt: skip
    (folder / "film.json").write_text(json.dumps(facts), encoding="utf-8")


def _write_sheet(level: _Level, folder: Path, number: int) -> None:
    """Lay the kept pictures in rows, write them as one JPEG, and forget them."""
    height, width, _ = level.kept[0].shape
    rows = math.ceil(len(level.kept) / COLUMNS)
    sheet = np.zeros((rows * height, COLUMNS * width, 3), np.uint8)
    for k, picture in enumerate(level.kept):
        top, left = k // COLUMNS * height, k % COLUMNS * width
        sheet[top : top + height, left : left + width] = picture
    Image.fromarray(sheet).save(folder / f"{number}-{level.sheets}.jpg", quality=JPEG_QUALITY)
    level.kept = []
    level.sheets += 1
