"""What is written beside the footage of a reel: title cards, and the band below the picture with curve and labels.

Drawn with Pillow, in a font that comes with matplotlib, so that it looks the same on every machine. The band lies below
the picture, so nothing of the footage is covered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app.export.report import clock
from app.export.shots import Shot, person_said
from app.review.marks import Mark
from cmhkf.media.clip import Clip

GROUND, SUNK, INK, DIM, CURSOR = "#15181c", "#0b0d0f", "#f2f4f5", "#9aa3ab", "#ffffff"
CURVE, FILL, THRESHOLD = "#ff7d6e", "#6b2b26", "#8b939b"
STATES = {"confirmed": "#3fbf7f", "open": "#e0a63a", "dismissed": "#7b838b"}
WARNING = "#ffcf5c"
LEAST_WIDTH, LONG_SIDE = 640, 1280  # pixels: below it the words cannot be read, above it is more than screens need
RATES = (24, 25, 30)  # frames per second of a reel; each divides the rate of its audio
BAND, LETTER = 0.18, 1 / 46  # height of the band and of its letters, as shares of the width
DASH_PX = 6


@dataclass(frozen=True)
class Layout:
    """How the frames of a reel are laid out: the picture's area, in pixels, and the band below it."""

    width: int
    area_height: int
    rate: int
    """Frames per second."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame, both even."""
        return self.width, self.area_height + band_height(self.width)

    def picture(self, clip: Clip) -> tuple[int, int]:
        """The size at which a clip fits into the area."""
        scale = min(self.width / clip.width_px, self.area_height / clip.height_px)
        return _even(clip.width_px * scale), _even(clip.height_px * scale)


def layout_of(clips: Sequence[Clip]) -> Layout:
    """A layout that suits all clips: their own picture where it is of one size, else 16:9."""
    sizes = {(clip.width_px, clip.height_px) for clip in clips}
    width, height = sizes.pop()
    scale = min(LONG_SIDE / max(width, height), max(1.0, LEAST_WIDTH / width))
    area = max(LEAST_WIDTH, _even(width * scale)), _even(height * scale)
    if sizes:
        wide = LONG_SIDE if any(clip.width_px > LEAST_WIDTH for clip in clips) else LEAST_WIDTH
        area = wide, _even(wide * 9 / 16)
    native = max(1, round(clips[0].native_rate or RATES[-1]))
    rate = next((rate for rate in RATES if rate % native == 0 or native % rate == 0), RATES[-1])
    return Layout(*area, rate)


def band_height(width: int) -> int:
    """Pixels below a picture of that width."""
    return _even(width * BAND)


def _even(pixels: float) -> int:
    return max(2, 2 * int(pixels / 2 + 1e-6))


def title_card(shot: Shot, size: tuple[int, int], number: int, n_shots: int) -> np.ndarray:
    """The card before a segment: clip, camera, time, what model and person said; uint8 [height, width, 3]."""
    width, height = size
    image = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(image)
    letter = round(min(width, height * 1.4) * LETTER)
    start_s, end_s = shot.segment_s
    said = person_said(shot.about)
    lines = [
        (f"{number} of {n_shots}", letter, False, DIM),
        (shot.clip.name, 2 * letter, True, INK),
        *([(shot.recorded, round(1.3 * letter), False, INK)] if shot.recorded else []),
        (
            f"{clock(start_s, 1)} to {clock(end_s, 1)} ({end_s - start_s:.1f} s) of {clock(shot.duration_s, 1)}",
            round(1.3 * letter),
            False,
            INK,
        ),
        ("", letter, False, DIM),
        (shot.model_said(shot.about) if shot.about else "", round(1.3 * letter), False, CURVE),
        (said, round(1.3 * letter), False, STATES[shot.about.state] if shot.about else DIM),
        (f"note: {shot.about.note}" if shot.about and shot.about.note.strip() else "", letter, False, DIM),
        (shot.trust, letter, False, WARNING),
    ]
    y = (height - sum(round(1.6 * px) for _, px, _, _ in lines)) / 2
    for text, px, bold, colour in lines:
        font = _font(px, bold=bold)
        draw.text((2 * letter, y), _fitting(text, font, width - 4 * letter), fill=colour, font=font)
        y += round(1.6 * px)
    return np.asarray(image)


class Band:
    """The band below one shot: who says what, and the curve with a cursor where the footage is."""

    def __init__(self, shot: Shot, width: int) -> None:
        self._shot, self._width, self._height = shot, width, band_height(width)
        letter = round(width * LETTER)
        self._font, self._line, self._edge = _font(letter), round(1.5 * letter), round(0.6 * letter)
        self._top = self._edge + 2 * self._line
        """Where the curve's box begins, in pixels from the top."""
        self._drawn: dict[tuple[Mark | None, bool], np.ndarray] = {}

    def at(self, time_s: float) -> np.ndarray:
        """What it shows at a moment of the clip, uint8 [height, width, 3]."""
        here = self._shot.at(time_s)
        told = here or self._shot.about  # before and after the segment its words stay, dimmed
        key = told, here is not None
        if key not in self._drawn:
            self._drawn[key] = self._draw(told, inside=here is not None)
        image = Image.fromarray(self._drawn[key])
        said = f"{clock(time_s, 1)} of {clock(self._shot.duration_s, 1)}"
        draw = ImageDraw.Draw(image)
        draw.text((self._width - self._edge, self._edge), said, fill=INK, font=self._font, anchor="ra")
        x = self._x(time_s)
        draw.line([(x, self._top), (x, self._height - self._edge)], fill=CURSOR, width=max(1, self._width // 500))
        return np.asarray(image)

    def _draw(self, mark: Mark | None, *, inside: bool) -> np.ndarray:
        image = Image.new("RGB", (self._width, self._height), GROUND)
        draw = ImageDraw.Draw(image)
        room = self._width - 3 * self._edge
        times = self._font.getlength(f"{clock(self._shot.duration_s, 1)} of {clock(self._shot.duration_s, 1)}")
        name = _fitting(self._shot.clip.name, self._font, room - times - self._edge)
        draw.text((self._edge, self._edge), name, fill=INK, font=self._font)
        y = self._edge + self._line
        person = _fitting(person_said(mark), self._font, room / 2)
        colour = STATES[mark.state] if mark else DIM
        draw.text((self._width - self._edge, y), person, fill=colour if inside else DIM, font=self._font, anchor="ra")
        model = _fitting(self._shot.model_said(mark), self._font, room - self._font.getlength(person))
        draw.text((self._edge, y), model, fill=CURVE if inside else DIM, font=self._font)
        self._draw_curve(draw)
        return np.asarray(image)

    def _draw_curve(self, draw: ImageDraw.ImageDraw) -> None:
        bottom, shot = self._height - self._edge, self._shot
        draw.rectangle([self._edge, self._top, self._width - self._edge, bottom], fill=SUNK)
        thick = max(2, self._width // 300)
        columns = np.arange(self._edge, self._width - self._edge)
        from_s, to_s = shot.curve_s
        edges_s = from_s + (to_s - from_s) * np.arange(len(columns) + 1) / len(columns)
        snippets = np.maximum(np.searchsorted(shot.times_s, edges_s, "right") - 1, 0)
        # A column keeps its highest score, so that no peak is lost.
        heights = [shot.scores[a : max(a, b - 1) + 1].max() for a, b in pairwise(snippets)]
        points = [(int(x), self._y(score)) for x, score in zip(columns, heights, strict=True)]
        for x, y in points:
            draw.line([(x, y), (x, bottom)], fill=FILL)
        draw.line(points, fill=CURVE, width=max(1, thick // 2))
        for x in range(self._edge, self._width - self._edge, 2 * DASH_PX):
            draw.line([(x, self._y(shot.threshold)), (x + DASH_PX, self._y(shot.threshold))], fill=THRESHOLD)
        for mark in shot.marks:  # a rail above the curve for each segment, in the colour of its state
            left, right = self._x(mark.start_s), self._x(mark.end_s)
            draw.rectangle([left, self._top, max(right, left + 1), self._top + thick], fill=STATES[mark.state])

    def _x(self, time_s: float) -> int:
        from_s, to_s = self._shot.curve_s
        share = min(1.0, max(0.0, (time_s - from_s) / (to_s - from_s)))
        return round(self._edge + share * (self._width - 2 * self._edge))

    def _y(self, score: float) -> int:
        top = self._top + max(2, self._width // 300) + 2
        bottom = self._height - self._edge
        return round(bottom - (bottom - top) * float(score))


def _fitting(text: str, font: ImageFont.FreeTypeFont, room_px: float) -> str:
    """One line of text, shortened to what fits."""
    text = " ".join(text.split())
    if font.getlength(text) <= room_px:
        return text
    while text and font.getlength(text + "…") > room_px:
        text = text[:-1]
    return text + "…"


@cache
def _font(px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    from matplotlib import get_data_path  # it takes a moment to import

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / name, px)
