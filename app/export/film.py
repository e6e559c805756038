"""Puts a reel together with moviepy: footage and cards one after another with cross-fades and audio, as an H.264 mp4.

Moviepy reads with a plain ffmpeg, so it is given only files that `cmhkf.media` has made of the clips, never a user's
file. At most two of them are open at once, whatever the length of the reel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from moviepy import CompositeVideoClip, ImageClip, VideoClip, VideoFileClip, afx, vfx
from moviepy.audio.io.ffmpeg_audiowriter import FFMPEG_AudioWriter
from moviepy.config import FFMPEG_BINARY
from moviepy.tools import subprocess_call
from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter

from app.export.captions import Band, Layout
from app.export.shots import Shot
from cmhkf.errors import MediaError

AUDIO_HZ = 48_000
FADE_S = 0.4
# RGB becomes the colours that players expect of a film of this size; no B-frames, so that it begins at 0
COLOURS = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
TAGS = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"
ENCODING = (*f"-crf 20 -bf 0 -vf {COLOURS}".split(), *TAGS.split())


@dataclass(frozen=True)
class Scene:
    """So many frames of a clip."""

    clip: VideoClip
    n_frames: int
    before: int
    """Frames at its beginning over which it may be faded in."""
    after: int
    """Frames at its end over which the next one may be."""
    source: VideoFileClip | None = None
    """What the clip reads."""

    def close(self) -> None:
        """Let go of what it reads, and delete it."""
        if self.source:
            self.source.close()
            Path(self.source.filename).unlink(missing_ok=True)


class Film:
    """An mp4 that grows at its end. `finish` makes the file; `close` must be called in any case."""

    def __init__(self, folder: Path, layout: Layout, *, with_audio: bool) -> None:
        """Work in a folder. Raises MediaError."""
        self.n_frames, self.n_written = 0, 0
        """Frames of all that was added, and those written so far."""
        self.begins = 0
        """The frame at which what was added last begins."""
        self._layout, self._rate = layout, layout.rate
        self._picture, self._sound = str(folder / "picture.mp4"), str(folder / "sound.m4a")
        self._held: Scene | None = None
        self._begun = 0
        """Frames of the held scene that were written."""
        with _explained():
            encoding = [*ENCODING, "-g", str(self._rate)]
            self._video = FFMPEG_VideoWriter(
                self._picture, layout.size, self._rate, preset="veryfast", ffmpeg_params=encoding
            )
            self._audio: FFMPEG_AudioWriter | None = None
            if with_audio:
                self._audio = FFMPEG_AudioWriter(self._sound, AUDIO_HZ, codec="aac", bitrate="160k")

    def add_card(self, pixels: np.ndarray, length_s: float) -> Iterator[None]:
        """Show a picture, uint8 [height, width, 3]; yields after each frame written. Raises MediaError."""
        n_frames = round(length_s * self._rate)
        return self._add(Scene(ImageClip(pixels, duration=length_s), n_frames, n_frames // 3, n_frames // 3))

    def add_footage(self, file: Path, shot: Shot, n_frames: int) -> Iterator[None]:
        """Show so many frames of a file that holds the footage of a shot, and delete it then; otherwise likewise."""
        layout, band = self._layout, Band(shot, self._layout.width)
        width, height = layout.picture(shot.clip)
        x, y = (layout.width - width) // 2, (layout.area_height - height) // 2
        with _explained():
            source = VideoFileClip(str(file), target_resolution=(width, height), audio_fps=AUDIO_HZ)

        def composed(time_s: float) -> np.ndarray:
            frame = np.zeros((layout.size[1], layout.size[0], 3), np.uint8)
            pixels: Any = source.get_frame(time_s)
            frame[y : y + height, x : x + width] = pixels
            frame[layout.area_height :] = band.at(shot.start_s + time_s)
            return frame

        clip = VideoClip(composed, duration=n_frames / self._rate).with_audio(source.audio)
        from_s, to_s = shot.segment_s  # fades lie outside the segment
        shown_s = shot.start_s + n_frames / self._rate
        before, after = (max(0, int(s * self._rate)) for s in (from_s - shot.start_s, shown_s - to_s))
        yield from self._add(Scene(clip, n_frames, before, after, source))

    def _add(self, scene: Scene) -> Iterator[None]:
        fade = 0
        if held := self._held:
            fade = min(round(FADE_S * self._rate), held.after, scene.before)
            try:
                yield from self._write(held.clip, self._begun, held.n_frames - fade)
                if fade:
                    yield from self._write(self._faded(held, scene, fade / self._rate), 0, fade)
            except BaseException:
                scene.close()
                raise
            held.close()
        self._held, self._begun = scene, fade
        self.begins = self.n_frames - fade
        self.n_frames = self.begins + scene.n_frames

    def _faded(self, one: Scene, other: Scene, length_s: float) -> VideoClip:
        start_s = one.n_frames / self._rate - length_s
        tail = one.clip.subclipped(start_s, start_s + length_s)
        head = other.clip.with_duration(length_s).with_effects([vfx.CrossFadeIn(length_s)])
        if tail.audio:
            tail = tail.with_effects([afx.AudioFadeOut(length_s)])
        if head.audio:
            head = head.with_audio(head.audio.with_effects([afx.AudioFadeIn(length_s)]))
        return CompositeVideoClip([tail, head], size=self._layout.size)

    def _write(self, clip: VideoClip, first: int, last: int) -> Iterator[None]:
        """Frames `first` to `last` of a clip, and the audio that belongs to them."""
        per_frame = AUDIO_HZ // self._rate
        for n in range(first, last):
            with _explained():
                self._video.write_frame(clip.get_frame(n / self._rate))
                if self._audio:
                    self._audio.write_frames(_samples(clip, n * per_frame + np.arange(per_frame)))
            self.n_written += 1
            yield

    def finish(self, file: Path) -> Iterator[None]:
        """Write what is left, and put pictures and audio together. Raises MediaError."""
        if self._held:
            yield from self._write(self._held.clip, self._begun, self._held.n_frames)
        self.close()
        inputs = ["-i", self._picture, *(["-i", self._sound] if self._audio else [])]
        output = ["-c", "copy", "-movflags", "+faststart", str(file)]
        with _explained():
            silent: Any = None
            subprocess_call([FFMPEG_BINARY, "-y", "-loglevel", "error", *inputs, *output], logger=silent)

    def close(self) -> None:
        """Let go of everything that is open."""
        if self._held:
            self._held.close()
            self._held = None
        for writer in (self._video, self._audio):
            if writer and writer.proc:
                writer.close()


def _samples(clip: VideoClip, indices: np.ndarray) -> np.ndarray:
    """The audio samples of a clip as int16 [S, 2]; silence where it has none."""
    if not clip.audio:
        return np.zeros((len(indices), 2), np.int16)
    return (np.clip(clip.audio.get_frame(indices / AUDIO_HZ), -1, 1) * 32767).astype(np.int16)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # as moviepy tells of everything that ffmpeg says
        said = str(error).strip().splitlines() or ["ffmpeg ended"]
        raise MediaError(f"the reel could not be written: {said[-1]}. Is the disk full?") from error
