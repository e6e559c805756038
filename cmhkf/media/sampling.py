"""Which frames of a snippet are looked at, and at what size."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameSampling:
    """Which frames of a snippet an encoder wants, and at what size."""

    offsets: tuple[int, ...]
    """Grid frames within the snippet, each 0..15, ascending."""
    short_side_px: int
    """The displayed frame (rotation and pixel aspect applied) is scaled so that its shorter side has this length."""
    crop_px: int | None
    """Side of the centred square cut from it; None, with `stretched_px`: the whole frame."""
    filter: str = "bicubic"
    """Resize filter: "bicubic" (antialiased, as CLIP wants) or "bilinear"."""
    stretched_px: tuple[int, int] | None = None
    """Width and height: the displayed frame is scaled to it whatever its shape; crops are cut later, if any (C.1)."""
    still_levels: float = 0.0
    """A frame no part of which differs from the last one by more grey levels than this, of 255, is taken for that one
    again: a still camera's noise. Parts are 16 x 16 pixels, and their mean difference counts. 0: equal frames alone."""

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the frames that come out of a decoder."""
        if self.stretched_px:
            return self.stretched_px[1], self.stretched_px[0]
        assert self.crop_px
        return self.crop_px, self.crop_px
